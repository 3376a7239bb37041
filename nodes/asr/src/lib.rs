//! Speech recognition: segments of speech in, transcripts out.
//!
//! [`Asr`] collects a segment's samples and, when the segment ends, gives them to a [`Transcriber`], which runs Whisper
//! ([`Recogniser`]) over each window. What becomes of its tokens, and what speaks against the text, is in
//! `undertone-recognition`.
//!
//! What is recognised depends on the segment's samples and on the arguments alone: not on other segments, on how the
//! samples were chunked, or on what was recognised before.

mod arguments;
mod error;
mod filter;
mod model_file;
mod recogniser;
mod stage;
mod transcriber;

pub use arguments::{Arguments, AudioContext};
pub use error::AsrError;
pub use model_file::ModelFileError;
pub use recogniser::{Decoding, Recogniser};
pub use stage::{Asr, AsrFactory};
pub use transcriber::Transcriber;
