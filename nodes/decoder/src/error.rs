//! What can go wrong.

use std::path::PathBuf;

use undertone_encoder::EncoderError;
use undertone_inference::ModelError;
use undertone_messages::WindowError;

/// What can be wrong with the arguments, the model or the encoding.
#[derive(Debug, thiserror::Error)]
pub enum DecoderError {
    /// The model's folder or ONNX Runtime.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The encoder, by which silence is encoded.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    /// A model that is no decoder of Whisper's.
    #[error("{}: {problem}. Whisper's decoder as `make models` prepares it is needed", path.display())]
    Shape {
        /// The model's folder or file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Logits of which none is a number.
    #[error(
        "{model} gives logits that are no numbers, so that no token can be chosen: its files or the states that it was given are broken"
    )]
    Logits {
        /// The model.
        model: String,
    },
    /// A language that the model does not know.
    #[error("--language {language}: {model} knows {known}")]
    Language {
        /// The argument.
        language: String,
        /// The model.
        model: String,
        /// The languages that it knows.
        known: String,
    },
    /// States of another encoder.
    #[error(
        "the encodings are from {found}, and this decoder needs those of {needed}: give encoder and decoder the same --model and --precision"
    )]
    OtherEncoder {
        /// The encoder of the message.
        found: String,
        /// The encoder that belongs to this decoder.
        needed: String,
    },
    /// Encodings that do not follow each other.
    #[error(transparent)]
    Order(#[from] WindowError),
    /// A ladder with a model that the encoder does not know.
    #[error(
        "--when-late: another model needs another encoder; the asr node can change it, this one can do with a smaller beam, or skip"
    )]
    OtherModel,
}
