//! What can go wrong.

use undertone_inference::ModelError;
use undertone_messages::seconds;
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
    /// A change that cannot be made at run time.
    #[error(
        "--{name} cannot be changed while the graph runs: stop the graph, write it under `args:` and start again"
    )]
    Fixed {
        /// The argument.
        name: &'static str,
    },
    /// Speech that is not as its contract says.
    #[error(
        "segment {segment}: {problem}. Two detectors may be wired to this input, or the sender of `Speech` is broken"
    )]
    Speech {
        /// The segment.
        segment: u64,
        /// What is wrong.
        problem: String,
    },
    /// A sample that is not a number, or infinite.
    #[error("sample {position} ({:.3} s) is {value}: what made this audio is broken; samples must be finite, full scale at ±1", seconds(*position))]
    NotFinite {
        /// Where.
        position: u64,
        /// The value.
        value: f32,
    },
}

impl AsrError {
    pub(crate) fn whisper(task: &'static str) -> impl FnOnce(WhisperError) -> Self {
        move |error| Self::Whisper { task, error }
    }
}
