//! The stage: speech in, encodings out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use undertone_inference::{ModelFolder, load_runtime};
use undertone_messages::{Encoding, SessionId, Speech};
use undertone_recognition::{Collector, POSITION, Segment, energies, windows};
use undertone_stage::{Factory, Stage, check_fixed, lock};

use crate::arguments::Arguments;
use crate::error::EncoderError;
use crate::model::EncoderModel;

/// Encoding in one session.
pub struct Encoder {
    model: Arc<Mutex<EncoderModel>>,
    layers: Vec<u32>,
    /// Samples of silence behind the speech.
    tail: usize,
    collector: Collector,
}

impl Encoder {
    fn encode(&self, segment: &Segment, output: &mut Vec<Encoding>) -> Result<(), EncoderError> {
        let mut model = lock(&self.model);
        let length = segment.samples.len();
        for window in windows(&segment.samples) {
            let (start, end) = (segment.start + window.start as u64, segment.start + window.end as u64);
            let complete = window.end == length;
            let samples = segment.samples.get(window).unwrap_or_default();
            let encoded = model.encode(samples, self.tail, &self.layers)?;
            output.push(Encoding {
                segment: segment.number,
                start,
                end,
                complete,
                frames: encoded.frames as u32,
                hop: POSITION as u32,
                width: model.width() as u32,
                states: encoded.states.into(),
                layers: self.layers.clone(),
                layer_states: encoded.layer_states.into(),
                energies: energies(samples).into(),
                model: model.identity().to_owned(),
            });
        }
        Ok(())
    }
}

impl Stage for Encoder {
    type Input = Speech;
    type Output = Encoding;
    type Error = EncoderError;

    fn push(&mut self, speech: Speech, output: &mut Vec<Encoding>) -> Result<(), EncoderError> {
        match self.collector.push(&speech)? {
            Some(segment) => self.encode(&segment, output),
            None => Ok(()),
        }
    }

    fn finish(&mut self, _: &mut Vec<Encoding>) -> Result<(), EncoderError> {
        Ok(self.collector.finish()?)
    }
}

/// Makes the states of sessions, which share a model.
pub struct EncoderFactory {
    model: Arc<Mutex<EncoderModel>>,
    loaded: Arguments,
}

impl Factory for EncoderFactory {
    type Arguments = Arguments;
    type Stage = Encoder;

    fn load(arguments: &Arguments) -> Result<Self, EncoderError> {
        load_runtime(arguments.onnxruntime.as_deref())?;
        let folder = ModelFolder::find(&arguments.model)?;
        let model = EncoderModel::load(&folder, arguments.precision, arguments.threads)?;
        check_layers(&arguments.layers, &model)?;
        Ok(Self { model: Arc::new(Mutex::new(model)), loaded: arguments.clone() })
    }

    fn models(&self) -> BTreeMap<String, String> {
        lock(&self.model).files().clone()
    }

    fn create(&mut self, arguments: &Arguments, _: &SessionId) -> Result<Encoder, EncoderError> {
        self.check_fixed(arguments)?;
        Ok(Encoder {
            model: self.model.clone(),
            layers: arguments.layers.clone(),
            tail: arguments.tail(),
            collector: Collector::default(),
        })
    }

    fn adjust(&mut self, arguments: &Arguments, _: &mut Encoder) -> Result<(), EncoderError> {
        self.check_fixed(arguments)
    }
}

impl EncoderFactory {
    fn check_fixed(&self, arguments: &Arguments) -> Result<(), EncoderError> {
        let (now, loaded) = (arguments, &self.loaded);
        Ok(check_fixed(&[
            ("model", now.model == loaded.model),
            ("precision", now.precision == loaded.precision),
            ("layers", now.layers == loaded.layers),
            ("tail-ms", now.tail_ms == loaded.tail_ms),
            ("threads", now.threads == loaded.threads),
            ("onnxruntime", now.onnxruntime == loaded.onnxruntime),
        ])?)
    }
}

fn check_layers(layers: &[u32], model: &EncoderModel) -> Result<(), EncoderError> {
    for (index, layer) in layers.iter().copied().enumerate() {
        if layer == 0 || layer as usize > model.layers() {
            let model_name = model.identity().to_owned();
            return Err(EncoderError::Layer { layer, layers: model.layers(), model: model_name });
        }
        if layers.get(..index).is_some_and(|before| before.contains(&layer)) {
            return Err(EncoderError::TwiceTheLayer { layer });
        }
    }
    Ok(())
}
