//! What the stages of speech recognition share, whichever engine hears the words.
//!
//! [`Collector`] puts a segment's samples together; [`windows`] cuts what is too long for one look of the model;
//! [`wording`] makes words with times of tokens, and [`trim`] takes the pauses off them; [`Guard`] ends a text that has run
//! away; [`judge`] puts the windows together again and says what speaks against the text ([`Limits`]): Whisper writes
//! fluent sentences about noise, which must not pass as speech. While somebody still speaks, [`Schedule`] says when
//! to listen to what there is, and [`Agreement`] which words stand; a [`Rung`] says what to do with less effort when results
//! are late.

mod agreement;
mod collector;
mod evidence;
mod guard;
mod ladder;
mod pauses;
mod recognition;
mod repetition;
mod schedule;
mod windows;
mod words;

pub use agreement::Agreement;
pub use collector::{Collector, Segment, SpeechError};
pub use evidence::{Evidence, Limits, compression_ratio};
pub use guard::{Guard, Stop};
pub use ladder::{Relief, Rung};
pub use pauses::{energies, trim};
pub use recognition::{Recognition, Transcription, judge};
pub use repetition::{Repetition, RepetitionRule};
pub use schedule::Schedule;
pub use windows::{POSITION, TAIL, WINDOW, windows};
pub use words::{TimedWord, Token, Wording, plain, wording};
