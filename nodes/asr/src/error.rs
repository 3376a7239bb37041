//! What can go wrong.

use undertone_inference::ModelError;
use undertone_recognition::SpeechError;
use whisper_rs::WhisperError;

use crate::model_file::ModelFileError;

/// What can be wrong with the arguments, the model or the speech.
#[derive(Debug, thiserror::Error)]
pub enum AsrError {
    /// The model's folder.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model's file.
    #[error(transparent)]
    ModelFile(#[from] ModelFileError),
    /// whisper.cpp does not do what it is asked.
    #[error("whisper.cpp could not {task}: {error}; the log lines before this one may say why")]
    Whisper {
        /// What it was asked to do.
        task: &'static str,
        /// Its reason.
        error: WhisperError,
    },
    /// The program needs what this processor does not have.
    #[error("this program was built for a processor with {feature}, and this one has none: build it on this machine, or with GGML_NATIVE=OFF and GGML_{variable}=OFF in the environment", variable = feature.to_uppercase())]
    Processor {
        /// The missing instructions.
        feature: &'static str,
    },
    /// A language that Whisper does not know.
    #[error(
        "--language {language} is no language of Whisper's: give an ISO 639-1 code such as en, de or zh, or auto"
    )]
    UnknownLanguage {
        /// The argument.
        language: String,
    },
    /// A language that the model does not know.
    #[error(
        "--language {language} needs a multilingual model, and {model} knows English alone: give --language en or another --model"
    )]
    EnglishOnly {
        /// The argument.
        language: String,
        /// The model.
        model: String,
    },
    /// Speech that is not as its contract says.
    #[error(transparent)]
    Speech(#[from] SpeechError),
}

impl AsrError {
    pub(crate) fn whisper(task: &'static str) -> impl FnOnce(WhisperError) -> Self {
        move |error| Self::Whisper { task, error }
    }
}
