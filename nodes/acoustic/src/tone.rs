//! The stage on the encoder's states: encodings in, emotion out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use undertone_inference::ModelError;
use undertone_messages::{Emotion, Encoding, Scope, SessionId, WindowError, WindowOrder};
use undertone_stage::{Cancel, Factory, FixedArgument, Preview, Stage, lock};

use crate::arguments::Arguments;
use crate::estimate::{check_model, emotion, too_short};
use crate::model::ToneModel;

/// What can be wrong with the model or the encodings.
#[derive(Debug, thiserror::Error)]
pub enum ToneError {
    /// The model is missing or damaged, or fails.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// States of an encoder that the model does not know.
    #[error(
        "segment {segment}: the states are from {found}, and the model {model} was trained on those of {needed}: give the encoder node that --model and --precision, or choose another --model here"
    )]
    OtherEncoder {
        /// The segment.
        segment: u64,
        /// The encoder of the message.
        found: String,
        /// The model.
        model: String,
        /// The encoders that the model knows.
        needed: String,
    },
    /// A layer that the model hears is not there.
    #[error(
        "segment {segment}: there are the states of layers {sent:?}, and {model} hears those of {layers}: give the encoder node --layers {layers}"
    )]
    Layer {
        /// The segment.
        segment: u64,
        /// The layers that the model hears.
        layers: String,
        /// The layers that are there.
        sent: Vec<u32>,
        /// The model.
        model: String,
    },
    /// Encodings that do not follow each other.
    #[error(transparent)]
    Order(#[from] WindowError),
}

/// The acoustic estimates of one session, from what the encoder makes of it.
pub struct Tone {
    model: Arc<Mutex<ToneModel>>,
    order: WindowOrder,
    /// Of the windows before the segment's last, the states of each of the model's layers.
    earlier: Vec<Vec<f32>>,
    /// Segments before this one are over.
    next: u64,
}

impl Stage for Tone {
    type Input = Encoding;
    type Output = Emotion;
    type Error = ToneError;

    fn push(&mut self, encoding: Encoding, output: &mut Vec<Emotion>) -> Result<(), ToneError> {
        let start = self.order.accept(&encoding)?;
        let mut model = lock(&self.model);
        check_encoder(&model, &encoding)?;
        let known = &model.states;
        let layers = known.layers.iter().map(|layer| states(&model, &encoding, *layer));
        let layers = layers.collect::<Result<Vec<_>, _>>()?;
        self.earlier.resize(layers.len(), Vec::new());
        let layers = self.earlier.iter_mut().zip(layers);
        if !encoding.complete {
            layers.for_each(|(earlier, states)| earlier.extend_from_slice(states));
            return Ok(());
        }
        let states: Vec<&[f32]> = layers.flat_map(|(earlier, states)| [&earlier[..], states]).collect();
        let states = states.concat();
        self.earlier.clear();
        self.next = encoding.segment + 1;
        let (count, minimum) = (states.len() / (known.layers.len() * known.width), model.minimum);
        let emotion = emotion(&model.classifier, encoding.segment, Scope::Segment, start..encoding.end);
        output.push(if count < minimum {
            Emotion { reason: too_short(encoding.end - start, count, minimum), ..emotion }
        } else {
            model.estimate(&states)?.into_emotion(emotion)
        });
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<Emotion>) -> Result<(), ToneError> {
        Ok(self.order.finish()?)
    }
}

/// A preview is an estimate of what the encoder has previewed, as a window.
impl Preview for Tone {
    fn is_due(&self, encoding: &Encoding) -> bool {
        encoding.frames > 0 && encoding.segment >= self.next
    }

    fn preview(&mut self, encoding: &Encoding, _: &Cancel) -> Result<Option<Emotion>, ToneError> {
        let mut model = lock(&self.model);
        check_encoder(&model, encoding)?;
        let layers = model.states.layers.iter().map(|layer| states(&model, encoding, *layer));
        let states = layers.collect::<Result<Vec<_>, _>>()?.concat();
        let Encoding { segment, start, end, .. } = *encoding;
        let known = &model.states;
        if states.len() / (known.layers.len() * known.width) < model.minimum {
            return Ok(None);
        }
        let emotion = emotion(&model.classifier, segment, Scope::Window, start..end);
        Ok(Some(model.estimate(&states)?.into_emotion(emotion)))
    }

    fn is_outdated(encoding: &Encoding, later: &Encoding) -> bool {
        encoding.segment != later.segment
    }

    fn makes_way(_: &Encoding, _: &Encoding) -> bool {
        true
    }
}

/// The model knows the encoder.
fn check_encoder(model: &ToneModel, encoding: &Encoding) -> Result<(), ToneError> {
    let known = &model.states;
    if known.encoders.contains(&encoding.model) && encoding.width as usize == known.width {
        return Ok(());
    }
    Err(ToneError::OtherEncoder {
        segment: encoding.segment,
        found: encoding.model.clone(),
        model: model.classifier.identity().to_owned(),
        needed: known.encoders.join(" or "),
    })
}

/// The states of a layer, without those of the silence behind the window.
fn states<'a>(model: &ToneModel, encoding: &'a Encoding, layer: u32) -> Result<&'a [f32], ToneError> {
    let width = encoding.width as usize;
    let place = encoding.layers.iter().position(|sent| *sent == layer).ok_or_else(|| ToneError::Layer {
        segment: encoding.segment,
        layers: model.states.layers.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        sent: encoding.layers.clone(),
        model: model.classifier.identity().to_owned(),
    })?;
    let from = place * encoding.frames as usize * width;
    // The lengths were checked when the message was read.
    Ok(encoding.layer_states.get(from..from + encoding.frames_of_speech() * width).unwrap_or_default())
}

/// The model, which all sessions share.
pub struct ToneFactory {
    model: Arc<Mutex<ToneModel>>,
    /// What the model was loaded with.
    loaded: Arguments,
}

impl Factory for ToneFactory {
    type Arguments = Arguments;
    type Stage = Tone;

    fn load(arguments: &Arguments) -> Result<Self, ToneError> {
        let model = Arc::new(Mutex::new(ToneModel::load(arguments)?));
        Ok(Self { model, loaded: arguments.clone() })
    }

    fn models(&self) -> BTreeMap<String, String> {
        lock(&self.model).classifier.files().clone()
    }

    fn check(&self, changed: &Arguments) -> Result<(), FixedArgument> {
        check_model(changed, &self.loaded)
    }

    fn create(&mut self, _: &Arguments, _: &SessionId) -> Result<Tone, ToneError> {
        let model = Arc::clone(&self.model);
        Ok(Tone { model, order: WindowOrder::default(), earlier: Vec::new(), next: 0 })
    }

    fn adjust(&mut self, _: &Arguments, _: &mut Tone) -> Result<(), ToneError> {
        Ok(())
    }
}
