//! The model: what its folder says, and how it is run.

use std::collections::BTreeMap;

use serde::Deserialize;
use undertone_inference::Dimension::{Fixed, Open};
use undertone_inference::{Config, Element, ModelError, ModelFolder, Port, Session, Tensor, load_runtime};
use undertone_messages::SAMPLE_RATE;

use crate::arguments::Arguments;

/// The field `feature` of the model's `config.json`.
#[derive(Debug, Deserialize)]
struct FeatureFields {
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

    fn read(config: &Config) -> Result<Self, ModelError> {
        let feature: FeatureFields = config.required("feature")?;
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

/// A model that hears emotion.
///
/// Its folder holds `model.onnx`, which turns `features`, `f32[batch, frames, width]` with any number of frames, into
/// `logits`, `f32[batch, labels]` (other names will do if there is only one input and one output), and a `config.json`
/// such as this:
///
/// ```json
/// {
///   "id2label": {"0": "negative", "1": "neutral", "2": "positive"},
///   "feature": {"kind": "mfcc", "coefficients": 40, "deltas": 0, "hop_ms": 10, "frame_ms": 25},
///   "window_frames": 300,
///   "minimum_frames": 50,
///   "temperature": 1.0
/// }
/// ```
#[derive(Debug)]
pub struct AcousticModel {
    session: Session,
    config: Config,
    frames: Frames,
    files: BTreeMap<String, String>,
    input: String,
    output: String,
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
        let frames = Frames::read(&config)?;
        let session = Session::open(&folder, "model.onnx", arguments.threads.get())?;
        let input = session.only_input_or("features").to_owned();
        let output = session.only_output_or("logits").to_owned();
        let features = [Fixed(1), Open("frames"), Fixed(frames.width)];
        let logits = [Fixed(1), Fixed(config.labels()?.len())];
        session.check(
            &[Port { name: &input, element: Element::F32, shape: &features }],
            &[Port { name: &output, element: Element::F32, shape: &logits }],
        )?;
        let mut model = Self { session, config, frames, files: folder.used(), input, output };
        let silence = vec![0.0; frames.window * frames.width];
        let shape = [1, frames.window, frames.width];
        model.session.warm_up(&[(&model.input, Tensor::f32(&shape, &silence))])?;
        Ok(model)
    }

    /// The model's labels, in the order of the probabilities.
    ///
    /// # Errors
    ///
    /// None that [`AcousticModel::load`] lets through.
    pub fn labels(&self) -> Result<&[String], ModelError> {
        self.config.labels()
    }

    /// What the model is called in messages.
    pub fn identity(&self) -> &str {
        self.session.identity()
    }

    /// The files that the model was loaded from, with their SHA-256.
    pub fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    pub(crate) fn frames(&self) -> Frames {
        self.frames
    }

    /// A probability for each label, from frames one after the other.
    ///
    /// # Errors
    ///
    /// `values` is no whole number of frames, or the model fails.
    pub fn probabilities(&mut self, values: &[f32]) -> Result<Vec<f32>, ModelError> {
        let shape = [1, values.len() / self.frames.width, self.frames.width];
        let outputs = self.session.run(&[(&self.input, Tensor::f32(&shape, values))])?;
        let (_, logits) = outputs.f32(&self.output)?;
        self.config.probabilities(logits)
    }
}
