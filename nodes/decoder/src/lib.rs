//! Whisper's decoder: the states of its encoder in, transcripts out.
//!
//! [`Decoder`] gives the states of each window to a [`Recogniser`], which shows them to the model ([`DecoderModel`]) with
//! the rest of the window filled with encoded silence, searches for the most probable text, and places its tokens in
//! time by the attention that the model paid ([`align`]). What becomes of the tokens, and what speaks against the text, is
//! in `undertone-recognition`, as for `asr`.
//!
//! What is recognised depends on the encoding and the arguments alone.
//!
//! # The full window's accuracy at the cost of the utterance's length
//!
//! Whisper was trained on windows of 30 s, the short ones filled up with silence, and its encoder spends most of its time
//! on that silence. If it is given the utterance alone, the decoder, which never saw so few positions, falls into loops.
//! The way out:
//!
//! 1. Encode the utterance with a little silence behind it, in which its last word may end.
//! 2. Fill the decoder's window with the states that silence has at the positions behind the utterance. They come from one
//!    encoding of silence, made when the model is loaded. The decoder then sees what it was trained on: speech, and silence
//!    up to its last position.
//! 3. That silence must stand behind a sound ([`EncoderModel::silence`](undertone_encoder::EncoderModel::silence)). The
//!    encoder's attention tells it that something was said and is over, and by that the decoder ends its text. With
//!    silence that nothing came before, Whisper base says every third sentence of RAVDESS over and over; with silence
//!    behind 0.4 s of a vowel, as with silence behind any speech, hardly one in a hundred.
//! 4. These states change slowly from position to position, so that the mean of 50 neighbours can stand for all of them:
//!    in the softmax of attention, a score to which the logarithm of n is added counts n times. Cross-attention then costs
//!    what the utterance's length costs, too.
//!
//! What was measured with tiny.en and base, int8 and float32, on LJ Speech, LibriSpeech and RAVDESS: the silence behind the
//! utterance may be 0 to 2 s, with no difference in words that is larger than between any two such settings; means may be
//! over up to 100 positions, and from 300 on loops come back. `examples/word_error_rate.rs` measures both.
//!
//! A text that loops all the same, or finds no end, is stopped while it is decoded
//! ([`Guard`](undertone_recognition::Guard)), and rejected with the reason.

mod alignment;
mod arguments;
mod error;
mod memory;
mod model;
mod preview;
mod recogniser;
mod rules;
mod search;
mod stage;
mod vocabulary;

pub use alignment::align;
pub use arguments::Arguments;
pub use error::DecoderError;
pub use memory::{Memory, Projection, Silence, means_of_silence};
pub use model::{Cache, DecoderModel, Step};
pub use recogniser::Recogniser;
pub use search::{Decoding, Search};
pub use stage::{Decoder, DecoderFactory};
pub use vocabulary::Vocabulary;
