//! How something is said.
//!
//! TODO

mod arguments;
mod candidates;
mod cycles;
mod difference;
mod error;
mod extractor;
mod frame;
mod functionals;
mod moments;
mod prosody;
mod rate;
mod rates;
mod sessions;
mod spectrum;
mod tracker;

pub use arguments::{Arguments, Config, ConfigError};
pub use cycles::Cycles;
pub use error::{ProsodyError, SessionError};
pub use extractor::Extractor;
pub use frame::{COLUMNS, Frame};
pub use functionals::NAMES;
pub use prosody::{Output, Prosody};
pub use sessions::{OutputMessage, Sessions};

/// The input that carries segments.
pub const SPEECH: &str = "speech";
/// The input that carries transcripts.
pub const TRANSCRIPT: &str = "transcript";
/// Samples of a frame: 64 ms, which is four periods of the lowest voices.
pub const FRAME: usize = 1024;
/// Samples from the start of one frame to the start of the next: 10 ms.
pub const HOP: usize = 160;
/// Samples whose repetition is looked for (YIN's integration window).
pub(crate) const YIN_WINDOW: usize = 512;
/// Samples a second.
pub(crate) const RATE: f64 = undertone_messages::SAMPLE_RATE as f64;
