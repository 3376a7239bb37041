//! Speech recognition: segments of speech in, transcripts out.
//!
//! [`Asr`] collects a segment's samples and, when the segment ends, gives them to a [`Transcriber`]. That runs Whisper
//! ([`Recogniser`]), puts the tokens together to words with times ([`wording`]), and judges the text ([`Limits`]):
//! Whisper writes fluent sentences about noise, which must not pass as speech.
//!
//! What is recognised depends on the segment's samples and on the arguments alone: not on other segments, on how the
//! samples were chunked, or on what was recognised before.

mod arguments;
mod error;
mod evidence;
mod guard;
mod model_file;
mod pauses;
mod recogniser;
mod repetition;
mod stage;
mod transcriber;
mod windows;
mod words;

pub use arguments::{Arguments, AudioContext};
pub use error::AsrError;
pub use evidence::{Evidence, Limits, compression_ratio};
pub use guard::{Guard, Stop};
pub use model_file::ModelFileError;
pub use recogniser::{Decoding, Recogniser, Recognition};
pub use repetition::{Repetition, RepetitionRule};
pub use stage::{Asr, AsrFactory};
pub use transcriber::{Transcriber, Transcription};
pub use words::{TimedWord, Token, Wording, plain, wording};
