//! The messages on Undertone's wires, to and from Arrow.
//!
//! Every message is an Arrow `StructArray` of length 1 that holds everything its readers need; dora's metadata carries
//! nothing that could change a result. The first three fields are the same in each message:
//!
//! | field | type | meaning |
//! | --- | --- | --- |
//! | `session` | `Utf8` | the recording or the live conversation that the message belongs to |
//! | `seq` | `UInt64` | number of the message in its stream, from 0, without holes |
//! | `last` | `Boolean` | the stream ends here; all other fields are null |
//!
//! A *stream* is the messages of one output that belong to one session. It ends with a message whose `last` is true;
//! a stream that stops without it was cut off by a failure. [`Sequence`] checks both.
//!
//! Times are sample indexes on the session's 16 kHz clock ([`SAMPLE_RATE`]), counted from the session's first sample;
//! ranges are half open: `start` is in, `end` is not. In a part of a recording they stay as they were: the session begins
//! where the part does.
//!
//! Decoding does not copy samples: an [`AudioFrame`]'s samples are a view of the buffer that arrived.

mod audio_frame;
mod columns;
mod detail;
mod emotion;
mod encoding;
mod features;
mod header;
mod message;
mod sentiment;
mod sequence;
mod speech;
mod statistics;
mod transcript;
mod watermark;

pub use arrow::array::{Array, StructArray};
pub use arrow::buffer::ScalarBuffer;
pub use audio_frame::{AudioFrame, SampleError};
pub use columns::{Columns, MessageError};
pub use detail::Detail;
pub use emotion::{Emotion, Scope, likeliest};
pub use encoding::{Encoding, WindowError, WindowOrder};
pub use features::Features;
pub use header::Header;
pub use message::{Body, Message, SessionId};
pub use sentiment::{Contribution, Profile, Sentiment, SentimentStatus, Weighting};
pub use sequence::{Sequence, SequenceError};
pub use speech::{Phase, Speech};
pub use statistics::Statistics;
pub use transcript::{Transcript, TranscriptStatus, Word, is_spaceless};
pub use watermark::Watermark;

/// Samples a second of every session's clock.
pub const SAMPLE_RATE: u32 = 16_000;

/// The time of a sample index in seconds since the session's first sample.
pub fn seconds(sample: u64) -> f64 {
    sample as f64 / f64::from(SAMPLE_RATE)
}
