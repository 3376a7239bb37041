//! Whisper's encoder: segments of speech in, the states of its layers out, computed once for the words and for the tone.
//!
//! Whisper was trained on windows of 30 s, and as a rule every utterance is filled up to that before it is encoded, so that
//! each costs the same. [`EncoderModel`] encodes the utterance and a little silence behind it. What the decoder needs beside
//! that is the same for all utterances ([`EncoderModel::silence`]); why, the decoder's crate explains.
//!
//! [`Encoder`] puts a segment's samples together and, when the segment ends, encodes each window of it. What comes out
//! depends on the segment's samples and the arguments alone.
//!
//! With the output `preview` in the graph, the encoder works ahead: on what there is of a segment, every so often, and on
//! all of it when the vad announces its end, so that the states are there when the end is certain.

mod arguments;
mod error;
mod model;
mod preview;
mod sound;
mod stage;

pub use arguments::{Arguments, Precision};
pub use error::EncoderError;
pub use model::{Encoded, EncoderModel};
pub use stage::{Encoder, EncoderFactory};
