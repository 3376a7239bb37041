//! The model: Whisper's log-mel spectrogram, and its encoder on ONNX Runtime.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use undertone_inference::Dimension::{Fixed, Open};
use undertone_inference::{Element, ModelFolder, Port, Session, Tensor};
use undertone_messages::SAMPLE_RATE;
use undertone_mfcc::LogMel;
use undertone_recognition::{POSITION, WINDOW};

use crate::arguments::Precision;
use crate::error::EncoderError;
use crate::sound::vowel;

/// Mel frames for one of the encoder's.
const MEL_FRAMES: usize = 2;

/// What the encoder makes of one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// Frames of 20 ms, those of the silence behind the samples among them.
    pub frames: usize,
    /// Behind the last layer and its norm, row-major `[frames, width]`.
    pub states: Vec<f32>,
    /// Behind each of the layers that were asked for, before any norm, row-major `[layers, frames, width]`.
    pub layer_states: Vec<f32>,
}

/// Whisper's encoder.
///
/// Its folder holds `encoder-int8.onnx` and `encoder-fp32.onnx`, which turn `mel`, `f32[1, bands, 2 * frames]`, into
/// `states`, `f32[1, frames, width]`, and the same of each layer as `layer_1`, `layer_2` and so on.
pub struct EncoderModel {
    session: Session,
    mel: LogMel,
    bands: usize,
    width: usize,
    layers: usize,
    files: BTreeMap<String, String>,
}

impl EncoderModel {
    /// Loads the model and warms it up. ONNX Runtime must have been loaded.
    ///
    /// # Errors
    ///
    /// The model is missing or damaged, or is no encoder of Whisper's.
    pub fn load(
        folder: &ModelFolder,
        precision: Precision,
        threads: NonZeroUsize,
    ) -> Result<Self, EncoderError> {
        let session = Session::open(folder, &format!("encoder-{}.onnx", precision.name()), threads.get())?;
        let shape = |problem: &str| EncoderError::Shape {
            path: folder.path().to_owned(),
            problem: problem.to_owned(),
        };
        let size =
            |size: Option<&i64>| size.and_then(|size| usize::try_from(*size).ok()).filter(|size| *size > 0);
        let bands = session.input("mel").and_then(|mel| size(mel.shape().get(1)));
        let bands = bands.ok_or_else(|| shape("the input `mel` does not say how many bands it has"))?;
        let width = session.outputs().find(|output| output.name() == "states");
        let width = width.and_then(|states| size(states.shape().get(2)));
        let width = width.ok_or_else(|| shape("the output `states` does not say how wide it is"))?;
        let layers = session.outputs().filter(|output| output.name().starts_with("layer_")).count();
        let (mel, states) =
            ([Fixed(1), Fixed(bands), Open("2 * frames")], [Fixed(1), Open("frames"), Fixed(width)]);
        let names: Vec<String> = (1..=layers).map(layer_name).collect();
        let outputs = ["states"].into_iter().chain(names.iter().map(String::as_str));
        let outputs: Vec<Port<'_>> =
            outputs.map(|name| Port { name, element: Element::F32, shape: &states }).collect();
        session.check(&[Port { name: "mel", element: Element::F32, shape: &mel }], &outputs)?;
        let mut model = Self { session, mel: LogMel::new(bands), bands, width, layers, files: folder.used() };
        // Memory for two seconds, so that the first utterance finds it ready.
        model.encode(&[0.0; 2 * SAMPLE_RATE as usize], 0, &[])?;
        Ok(model)
    }

    /// The model as `name@` and the first 12 hexadecimal digits of its file's SHA-256.
    pub fn identity(&self) -> &str {
        self.session.identity()
    }

    /// The files that the model was loaded from, with their SHA-256.
    pub fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    /// Values in a frame.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many layers there are.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Encodes mono samples at 16 kHz and behind them `tail` samples of silence, together at most 30 s, of which the rest is
    /// left out. `layers` are numbers from 1 to [`EncoderModel::layers`].
    ///
    /// # Errors
    ///
    /// ONNX Runtime fails; a layer that the model does not have.
    pub fn encode(&mut self, samples: &[f32], tail: usize, layers: &[u32]) -> Result<Encoded, EncoderError> {
        let length = (samples.len() + tail).next_multiple_of(POSITION).clamp(POSITION, WINDOW);
        let mut audio = Vec::with_capacity(length.max(samples.len()));
        audio.extend_from_slice(samples);
        audio.resize(length, 0.0);
        self.encode_whole(&audio, layers)
    }

    /// Ends the encoding in progress with an error, and each that is begun before [`EncoderModel::allow`], from any thread.
    pub fn stop(&self) -> impl Fn() + Send + 'static {
        self.session.stop()
    }

    /// Lets encodings begin again after [`EncoderModel::stop`].
    ///
    /// # Errors
    ///
    /// ONNX Runtime fails.
    pub fn allow(&self) -> Result<(), EncoderError> {
        Ok(self.session.allow()?)
    }

    /// The states that silence has behind a sound, up to the window's end, `[positions, width]`: what stands where no
    /// utterance is. The silence remembers the sound, as that behind an utterance does, and it hardly matters which.
    ///
    /// # Errors
    ///
    /// ONNX Runtime fails.
    pub fn silence(&mut self) -> Result<Vec<f32>, EncoderError> {
        let sound = vowel();
        let positions = sound.len().div_ceil(POSITION);
        let mut states = self.encode(&sound, WINDOW, &[])?.states;
        states.drain(..positions * self.width);
        Ok(states)
    }

    /// Encodes samples of which there are a multiple of [`POSITION`].
    fn encode_whole(&mut self, audio: &[f32], layers: &[u32]) -> Result<Encoded, EncoderError> {
        let frames = audio.len() / POSITION;
        let mel = self.mel.compute(audio);
        let shape = [1, self.bands, MEL_FRAMES * frames];
        let outputs = self.session.run(&[("mel", Tensor::f32(&shape, &mel))])?;
        let states = outputs.f32("states")?.1.to_vec();
        let mut layer_states = Vec::with_capacity(layers.len() * states.len());
        for layer in layers {
            layer_states.extend_from_slice(outputs.f32(&layer_name(*layer as usize))?.1);
        }
        Ok(Encoded { frames, states, layer_states })
    }
}

fn layer_name(layer: usize) -> String {
    format!("layer_{layer}")
}
