//! Whisper's decoder: the states of its encoder in, transcripts out.
//!
//! [`Decoder`] gives the states of each window to a [`Recogniser`], which shows them to the model ([`DecoderModel`]) with
//! the rest of the window filled with encoded silence, searches for the most probable text, and places its tokens in
//! time by the attention that the model paid ([`align`]). What becomes of the tokens, and what speaks against the text, is
//! in `undertone-recognition`, as for `asr`.
//!
//! What is recognised depends on the encoding and the arguments alone.

mod alignment;
mod arguments;
mod error;
mod memory;
mod model;
mod recogniser;
mod rules;
mod search;
mod stage;
mod vocabulary;

pub use alignment::align;
pub use arguments::Arguments;
pub use error::DecoderError;
pub use memory::{Memory, Projection, Silence};
pub use model::{Cache, DecoderModel, Step};
pub use recogniser::Recogniser;
pub use search::{Decoding, Search};
pub use stage::{Decoder, DecoderFactory};
pub use vocabulary::Vocabulary;
