//! The models: what their folders say, and how they are run.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::Deserialize;
use undertone_inference::Dimension::{Fixed, Open};
use undertone_inference::{Config, Element, ModelError, ModelFolder, Port, Session, Tensor, load_runtime};
use undertone_messages::{Detail, Emotion, SAMPLE_RATE};
use undertone_mfcc::Preset;

use crate::arguments::Arguments;
use crate::detail::DetailReader;

/// What a model hears, as the field `feature` of its `config.json` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Rows of the mfcc or the prosody node.
    #[default]
    Mfcc,
    /// States of the encoder node.
    Encoding,
}

impl Kind {
    /// What the model that the arguments name hears.
    ///
    /// # Errors
    ///
    /// The model is missing or damaged, or hears something else.
    pub fn read(arguments: &Arguments) -> Result<Self, ModelError> {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(default)]
            kind: Kind,
        }
        let fields: Fields = ModelFolder::find(&arguments.model)?.config()?.required("feature")?;
        Ok(fields.kind)
    }
}

/// The field `feature` of the `config.json` of a model that hears rows of the mfcc or the prosody node.
#[derive(Debug, Deserialize)]
struct FrameFields {
    /// The mfcc node's preset, or a whole kind of rows as its messages have it, without `mfcc` (`kaldi energy=true`), if more
    /// differs from the preset than the fields below; or a kind of rows of the prosody node (`prosody f0_max=400`). Rows of
    /// any kind unless given.
    preset: Option<String>,
    /// Coefficients in a frame, without deltas.
    coefficients: usize,
    /// Order of the deltas that follow the coefficients.
    #[serde(default)]
    deltas: usize,
    /// From the start of one frame to the start of the next, in milliseconds.
    hop_ms: f64,
    /// Length of a frame in milliseconds; the hop unless given.
    frame_ms: Option<f64>,
}

impl FrameFields {
    /// The kind of rows, as the nodes' messages have it: of mfcc a preset with the other fields in it.
    fn kind(&self, frames: &Frames) -> Option<String> {
        let preset = self.preset.as_deref()?;
        if is_prosody(preset) {
            return Some(preset.to_owned());
        }
        let Ok(named) = Preset::from_str(preset, false) else { return Some(format!("mfcc {preset}")) };
        let mut config = named.config();
        config.coefficients = self.coefficients;
        config.deltas.order = self.deltas;
        config.hop = usize::try_from(frames.hop).unwrap_or(config.hop);
        if self.frame_ms.is_some() {
            config.frame_length = usize::try_from(frames.length).unwrap_or(config.frame_length);
        }
        Some(config.kind())
    }
}

/// Whether a kind of rows is one of the prosody node.
pub(crate) fn is_prosody(kind: &str) -> bool {
    kind.split(' ').next() == Some("prosody")
}

/// The frames that a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frames {
    /// Values in a frame.
    pub(crate) width: usize,
    /// Samples from the start of one frame to the start of the next.
    pub(crate) hop: u64,
    /// Samples that a frame covers.
    pub(crate) length: u64,
    /// The most frames that a window holds.
    pub(crate) window: usize,
    /// The fewest frames that the model can judge.
    pub(crate) minimum: usize,
}

impl Frames {
    /// How many frames of a segment lie wholly within its first `samples` samples.
    pub(crate) fn within(&self, samples: u64) -> usize {
        let count = samples.checked_sub(self.length).map_or(0, |beyond_first| beyond_first / self.hop + 1);
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    fn read(config: &Config, feature: &FrameFields) -> Result<Self, ModelError> {
        let window: usize = config.required("window_frames")?;
        let minimum: usize = config.required("minimum_frames")?;
        if minimum == 0 || minimum > window {
            return Err(config.problem(&format!(
                "`minimum_frames` is {minimum} and `window_frames` {window}: they must be at least 1, the first at most the second"
            )));
        }
        let samples = |name: &str, milliseconds: f64| {
            let samples = milliseconds * f64::from(SAMPLE_RATE) / 1000.0;
            if (samples - samples.round()).abs() < 1e-6 && samples >= 1.0 {
                Ok(samples.round() as u64)
            } else {
                Err(config.problem(&format!(
                    "`feature.{name}` is {milliseconds} ms, which is not a whole number of samples at {SAMPLE_RATE} Hz"
                )))
            }
        };
        if feature.coefficients == 0 {
            return Err(config.problem("`feature.coefficients` is 0: a frame must have at least one"));
        }
        Ok(Self {
            width: feature.coefficients * (1 + feature.deltas),
            hop: samples("hop_ms", feature.hop_ms)?,
            length: samples("frame_ms", feature.frame_ms.unwrap_or(feature.hop_ms))?,
            window,
            minimum,
        })
    }
}

/// What a model makes of a piece of speech.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The model's labels.
    pub labels: Vec<String>,
    /// A probability for each label.
    pub probabilities: Vec<f32>,
    /// What the model tells besides.
    pub detail: Detail,
}

impl Estimate {
    /// The message with the estimate in it.
    pub(crate) fn into_emotion(self, emotion: Emotion) -> Emotion {
        let Self { labels, probabilities, detail } = self;
        Emotion { labels, probabilities, detail, ..emotion }
    }
}

/// A model on ONNX Runtime that turns frames into logits, `f32[batch, labels]`, and into what its `config.json` says besides.
#[derive(Debug)]
pub(crate) struct Classifier {
    session: Session,
    config: Config,
    detail: DetailReader,
    files: BTreeMap<String, String>,
    input: String,
    output: String,
}

impl Classifier {
    /// Loads `model.onnx` and warms it up with values of `shape`, whose last dimension but one, the frames, is open. Its
    /// input is called `input`, if it has several.
    fn load(folder: &ModelFolder, threads: usize, input: &str, shape: &[usize]) -> Result<Self, ModelError> {
        let config = folder.config()?;
        let session = Session::open(folder, "model.onnx", threads)?;
        let input = session.only_input_or(input).to_owned();
        let output = session.only_output_or("logits").to_owned();
        let frames = shape.len().checked_sub(2);
        let dimension = |(place, size): (usize, &usize)| {
            if Some(place) == frames { Open("frames") } else { Fixed(*size) }
        };
        let values: Vec<_> = shape.iter().enumerate().map(dimension).collect();
        let logits = [Fixed(1), Fixed(config.labels()?.len())];
        session.check(
            &[Port { name: &input, element: Element::F32, shape: &values }],
            &[Port { name: &output, element: Element::F32, shape: &logits }],
        )?;
        let detail = DetailReader::new(&config, &session)?;
        let mut model = Self { session, config, detail, files: folder.used(), input, output };
        let zeros = vec![0.0; shape.iter().product()];
        model.session.warm_up(&[(&model.input, Tensor::f32(shape, &zeros))])?;
        Ok(model)
    }

    pub(crate) fn identity(&self) -> &str {
        self.session.identity()
    }

    pub(crate) fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    fn estimate(&mut self, shape: &[usize], values: &[f32]) -> Result<Estimate, ModelError> {
        let outputs = self.session.run(&[(&self.input, Tensor::f32(shape, values))])?;
        let (_, logits) = outputs.f32(&self.output)?;
        Ok(Estimate {
            labels: self.config.labels()?.to_vec(),
            probabilities: self.config.probabilities(logits)?,
            detail: self.detail.read(&outputs)?,
        })
    }
}

/// A model that hears emotion in rows of the mfcc or the prosody node.
///
/// Its folder holds `model.onnx`, which turns `features`, `f32[batch, frames, width]` with any number of frames, into
/// `logits`, `f32[batch, labels]` (other names will do if there is only one input and one output), and a `config.json`
/// such as this:
///
/// ```json
/// {
///   "id2label": {"0": "negative", "1": "neutral", "2": "positive"},
///   "feature": {"kind": "mfcc", "preset": "kaldi", "coefficients": 40, "deltas": 0, "hop_ms": 10, "frame_ms": 25},
///   "window_frames": 300,
///   "minimum_frames": 50,
///   "temperature": 1.0
/// }
/// ```
///
/// `preset` is the mfcc node's, and rows that are not what it and the other settings give are refused; without it, rows of
/// any kind will do. If other settings differ from the preset as well, it says all that differs, as the mfcc node's messages
/// do: `"preset": "kaldi coefficients=13 energy=true"`. A model that hears rows of the prosody node names them:
/// `"feature": {"preset": "prosody", "coefficients": 10, "hop_ms": 10, "frame_ms": 64}`.
#[derive(Debug)]
pub struct AcousticModel {
    pub(crate) classifier: Classifier,
    frames: Frames,
    kind: Option<String>,
}

impl AcousticModel {
    /// Loads the model that the arguments name and warms it up.
    ///
    /// # Errors
    ///
    /// The model or ONNX Runtime is missing or damaged, or the model does not take such features.
    pub fn load(arguments: &Arguments) -> Result<Self, ModelError> {
        load_runtime(arguments.onnxruntime.as_deref())?;
        let folder = ModelFolder::find(&arguments.model)?;
        let config = folder.config()?;
        let feature: FrameFields = config.required("feature")?;
        let frames = Frames::read(&config, &feature)?;
        let kind = feature.kind(&frames);
        let threads = arguments.threads.get();
        let classifier = Classifier::load(&folder, threads, "features", &[1, frames.window, frames.width])?;
        Ok(Self { classifier, frames, kind })
    }

    /// The kind of rows that it was trained on, if its folder says so.
    pub(crate) fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    pub(crate) fn frames(&self) -> Frames {
        self.frames
    }

    /// What the model makes of frames, one after the other.
    ///
    /// # Errors
    ///
    /// `values` is no whole number of frames, or the model fails.
    pub fn estimate(&mut self, values: &[f32]) -> Result<Estimate, ModelError> {
        let width = self.frames.width;
        self.classifier.estimate(&[1, values.len() / width, width], values)
    }
}

/// The field `feature` of the `config.json` of a model that hears states of the encoder node.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct States {
    /// The encoders whose states the model knows, as they call themselves in messages.
    pub(crate) encoders: Vec<String>,
    /// The layers whose states it takes, from 1.
    pub(crate) layers: Vec<u32>,
    /// Values of a state.
    pub(crate) width: usize,
}

/// A model that hears emotion in what layers of Whisper's encoder make of an utterance.
///
/// Its folder holds `model.onnx`, which turns `states`, `f32[batch, layers, frames, width]` with any number of frames of
/// 20 ms, into `logits`, `f32[batch, labels]`, and a `config.json` such as this:
///
/// ```json
/// {
///   "id2label": {"0": "negative", "1": "neutral", "2": "positive"},
///   "feature": {"kind": "encoding", "encoders": ["whisper-tiny.en-onnx@84ab662852a5"], "layers": [1, 2, 3, 4], "width": 384},
///   "minimum_frames": 25,
///   "temperature": 1.0
/// }
/// ```
#[derive(Debug)]
pub struct ToneModel {
    pub(crate) classifier: Classifier,
    pub(crate) states: States,
    /// The fewest frames that the model can judge.
    pub(crate) minimum: usize,
}

impl ToneModel {
    /// Loads the model that the arguments name and warms it up.
    ///
    /// # Errors
    ///
    /// The model or ONNX Runtime is missing or damaged, or the model does not take such states.
    pub fn load(arguments: &Arguments) -> Result<Self, ModelError> {
        load_runtime(arguments.onnxruntime.as_deref())?;
        let folder = ModelFolder::find(&arguments.model)?;
        let config = folder.config()?;
        let states: States = config.required("feature")?;
        let minimum: usize = config.required("minimum_frames")?;
        let empty = states.layers.is_empty() || states.encoders.is_empty();
        if minimum == 0 || states.layers.contains(&0) || states.width == 0 || empty {
            return Err(config.problem(
                "`minimum_frames`, `feature.width` and each of `feature.layers` must be at least 1, and `feature.layers` and `feature.encoders` not be empty",
            ));
        }
        let shape = [1, states.layers.len(), minimum, states.width];
        let classifier = Classifier::load(&folder, arguments.threads.get(), "states", &shape)?;
        Ok(Self { classifier, states, minimum })
    }

    /// What the model makes of states, layer after layer and in each frame after frame.
    ///
    /// # Errors
    ///
    /// `values` is no whole number of states of each layer, or the model fails.
    pub fn estimate(&mut self, values: &[f32]) -> Result<Estimate, ModelError> {
        let (layers, width) = (self.states.layers.len(), self.states.width);
        self.classifier.estimate(&[1, layers, values.len() / (layers * width), width], values)
    }
}
