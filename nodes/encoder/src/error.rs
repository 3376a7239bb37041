//! What can go wrong.

use std::path::PathBuf;

use undertone_inference::ModelError;
use undertone_recognition::SpeechError;

/// What can be wrong with the arguments, the model or the speech.
#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    /// The model's folder or ONNX Runtime.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Speech that is not as its contract says.
    #[error(transparent)]
    Speech(#[from] SpeechError),
    /// A model that is no encoder of Whisper's.
    #[error("{}: {problem}. Whisper's encoder as `make models` prepares it is needed", path.display())]
    Shape {
        /// The model's folder.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A layer that the model does not have.
    #[error("--layers {layer}: {model} has layers 1 to {layers}")]
    Layer {
        /// The argument.
        layer: u32,
        /// The layers that there are.
        layers: usize,
        /// The model.
        model: String,
    },
    /// A layer that is asked for twice.
    #[error("--layers has {layer} twice: once is enough")]
    TwiceTheLayer {
        /// The layer.
        layer: u32,
    },
}
