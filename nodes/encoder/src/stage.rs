//! The stage: speech in, encodings out.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use undertone_inference::{ModelFolder, load_runtime};
use undertone_messages::{Encoding, Phase, SessionId, Speech};
use undertone_recognition::{Collector, POSITION, Schedule, Segment, energies, windows};
use undertone_stage::{Cancel, Factory, FixedArgument, Preview, Stage, check_fixed, lock};

use crate::arguments::Arguments;
use crate::error::EncoderError;
use crate::model::EncoderModel;
use crate::preview::Previews;

/// Encoding in one session.
pub struct Encoder {
    model: Arc<Mutex<EncoderModel>>,
    layers: Vec<u32>,
    /// Samples of silence behind the speech.
    tail: usize,
    collector: Collector,
    previews: Previews,
}

impl Encoder {
    fn encode(&mut self, segment: &Segment, output: &mut Vec<Encoding>) -> Result<(), EncoderError> {
        if let Some(encoding) = self.previews.take(segment.number, segment.start, segment.end()) {
            output.push(encoding);
            return Ok(());
        }
        let mut model = lock(&self.model);
        for window in windows(&segment.samples) {
            output.push(self.encode_window(&mut model, segment, window)?);
        }
        Ok(())
    }

    /// Encodes a part of a segment, which ends with it or not.
    fn encode_window(
        &self,
        model: &mut EncoderModel,
        segment: &Segment,
        window: Range<usize>,
    ) -> Result<Encoding, EncoderError> {
        let (start, end) = (segment.start + window.start as u64, segment.start + window.end as u64);
        let complete = window.end == segment.samples.len();
        let samples = segment.samples.get(window).unwrap_or_default();
        let encoded = model.encode(samples, self.tail, &self.layers)?;
        Ok(Encoding {
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
        })
    }
}

impl Stage for Encoder {
    type Input = Speech;
    type Output = Encoding;
    type Error = EncoderError;

    fn push(&mut self, speech: Speech, output: &mut Vec<Encoding>) -> Result<(), EncoderError> {
        self.previews.follow(&speech);
        match self.collector.push(&speech)? {
            Some(segment) => self.encode(&segment, output),
            None => Ok(()),
        }
    }

    fn finish(&mut self, _: &mut Vec<Encoding>) -> Result<(), EncoderError> {
        Ok(self.collector.finish()?)
    }
}

/// Previews are encodings of what there is of a segment: its last seconds, every so often, with `complete` false; and all
/// of it when its end is announced, with `complete` true. If it goes on after all, one without frames takes that back, or the
/// next end that is announced stands in its place.
impl Preview for Encoder {
    fn is_due(&self, speech: &Speech) -> bool {
        self.previews.is_due(speech)
    }

    fn preview(&mut self, speech: &Speech, cancel: &Cancel) -> Result<Option<Encoding>, EncoderError> {
        let is_end = speech.phase == Phase::Tentative;
        if !is_end && let Some(withdrawal) = self.previews.withdraw() {
            return Ok(Some(withdrawal));
        }
        let Some(segment) = self.collector.open().filter(|open| open.number == speech.segment) else {
            return Ok(None);
        };
        let length = segment.samples.len();
        let window = match (is_end, windows(&segment.samples).as_slice()) {
            (false, _) => length.saturating_sub(self.previews.longest())..length,
            (true, [all]) => all.clone(),
            // What needs several looks is encoded when it is certain.
            (true, _) => return Ok(self.previews.withdraw()),
        };
        let mut model = lock(&self.model);
        let stop = model.stop();
        let encoded = cancel.stopping(stop, || self.encode_window(&mut model, segment, window));
        model.allow()?;
        if cancel.is_cancelled() {
            return Ok(None);
        }
        let encoding = Encoding { complete: is_end, ..encoded? };
        drop(model);
        self.previews.made(encoding.end);
        if is_end {
            self.previews.announce(&encoding);
        }
        Ok(Some(encoding))
    }

    fn is_outdated(speech: &Speech, later: &Speech) -> bool {
        Schedule::is_outdated(speech, later)
    }

    fn makes_way(speech: &Speech, other: &Speech) -> bool {
        Schedule::makes_way(speech, other)
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

    fn check(&self, changed: &Arguments) -> Result<(), FixedArgument> {
        let loaded = &self.loaded;
        check_fixed(&[
            ("model", changed.model == loaded.model),
            ("precision", changed.precision == loaded.precision),
            ("layers", changed.layers == loaded.layers),
            ("tail-ms", changed.tail_ms == loaded.tail_ms),
            ("preview-ms", changed.preview_ms == loaded.preview_ms),
            ("preview-window-ms", changed.preview_window_ms == loaded.preview_window_ms),
            ("threads", changed.threads == loaded.threads),
            ("onnxruntime", changed.onnxruntime == loaded.onnxruntime),
        ])
    }

    fn create(&mut self, arguments: &Arguments, _: &SessionId) -> Result<Encoder, EncoderError> {
        Ok(Encoder {
            model: self.model.clone(),
            layers: arguments.layers.clone(),
            tail: arguments.tail(),
            collector: Collector::default(),
            previews: Previews::new(arguments),
        })
    }

    fn adjust(&mut self, _: &Arguments, _: &mut Encoder) -> Result<(), EncoderError> {
        Ok(())
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
