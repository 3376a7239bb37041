//! Whisper's encoder: segments of speech in, the states of its layers out, computed once for the words and for the tone.
//!
//! # The real length, not 30 seconds
//!
//! Whisper was trained on windows of 30 s, and as a rule every utterance is filled up to that, so that each costs the
//! same. Encoding no more than the utterance is cheap, but a decoder that is shown only those states has lost what it
//! knows an end by, and repeats itself. So [`EncoderModel`] encodes the utterance and half a second of silence behind
//! it, and the decoder fills the rest of its window with the states that an encoding of pure silence has at those
//! positions. These never change: they are computed once ([`EncoderModel::silence`]).
//!
//! [`Encoder`] puts a segment's samples together and, when the segment ends, encodes each window of it. What comes out
//! depends on the segment's samples and the arguments alone.

mod arguments;
mod error;
mod model;
mod sound;
mod stage;

pub use arguments::{Arguments, Precision};
pub use error::EncoderError;
pub use model::{Encoded, EncoderModel};
pub use stage::{Encoder, EncoderFactory};
