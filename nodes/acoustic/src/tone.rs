//! The stage on the encoder's states: encodings in, emotion out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use undertone_inference::ModelError;
use undertone_messages::{Emotion, Encoding, Scope, SessionId, WindowError, WindowOrder};
use undertone_stage::{Factory, FixedArgument, Stage, lock};

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
    /// The layer that the model hears is not there.
    #[error(
        "segment {segment}: the states of layer {layer} are missing (there are those of layers {sent:?}), and {model} hears them: give the encoder node --layers {layer}"
    )]
    Layer {
        /// The segment.
        segment: u64,
        /// The layer.
        layer: u32,
        /// The layers that are there.
        sent: Vec<u32>,
        /// The model.
        model: String,
    },
    /// Encodings that do not follow each other.
    #[error(transparent)]
    Order(#[from] WindowError),
    /// A change that cannot be made at run time.
    #[error(transparent)]
    Fixed(#[from] FixedArgument),
}

/// The acoustic estimates of one session, from what the encoder makes of it.
pub struct Tone {
    model: Arc<Mutex<ToneModel>>,
    order: WindowOrder,
    /// Of the segment so far, those of the model's layer.
    states: Vec<f32>,
}

impl Stage for Tone {
    type Input = Encoding;
    type Output = Emotion;
    type Error = ToneError;

    fn push(&mut self, encoding: Encoding, output: &mut Vec<Emotion>) -> Result<(), ToneError> {
        let start = self.order.accept(&encoding)?;
        let mut model = lock(&self.model);
        self.states.extend_from_slice(states(&model, &encoding)?);
        if !encoding.complete {
            return Ok(());
        }
        let states = std::mem::take(&mut self.states);
        let (count, minimum) = (states.len() / model.states.width, model.minimum);
        let mut emotion = emotion(&model.classifier, encoding.segment, Scope::Segment, start..encoding.end);
        if count < minimum {
            emotion.reason = too_short(encoding.end - start, count, minimum);
        } else {
            emotion.probabilities = model.probabilities(&states)?;
            emotion.labels = model.classifier.labels()?.to_vec();
        }
        output.push(emotion);
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<Emotion>) -> Result<(), ToneError> {
        Ok(self.order.finish()?)
    }
}

/// The states that the model hears, without those of the silence behind the window.
fn states<'a>(model: &ToneModel, encoding: &'a Encoding) -> Result<&'a [f32], ToneError> {
    let (segment, width) = (encoding.segment, encoding.width as usize);
    let known = &model.states;
    let name = || model.classifier.identity().to_owned();
    if !known.encoders.contains(&encoding.model) || width != known.width {
        return Err(ToneError::OtherEncoder {
            segment,
            found: encoding.model.clone(),
            model: name(),
            needed: known.encoders.join(" or "),
        });
    }
    let place = encoding.layers.iter().position(|layer| *layer == known.layer);
    let place = place.ok_or_else(|| ToneError::Layer {
        segment,
        layer: known.layer,
        sent: encoding.layers.clone(),
        model: name(),
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

    fn create(&mut self, _: &Arguments, _: &SessionId) -> Result<Tone, ToneError> {
        Ok(Tone { model: Arc::clone(&self.model), order: WindowOrder::default(), states: Vec::new() })
    }

    fn adjust(&mut self, arguments: &Arguments, _: &mut Tone) -> Result<(), ToneError> {
        Ok(check_model(arguments, &self.loaded)?)
    }
}
