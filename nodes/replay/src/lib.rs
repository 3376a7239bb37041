//! Plays what was recorded on the wires of a graph.
//!
//! A [`Player`] reads the topics of a recording side by side and gives their messages in the order of session time, and
//! in the order of the topics' names where times are equal; messages of one topic stay in the order in which they were
//! recorded. Sessions that followed one another follow one another again, and those that ran side by side do so again.
//! A recording in which a name was given to two sessions, one after the other, is refused: the watermarks of the first,
//! which come back while the second is sent, could not be told from the second's.
//!
//! # A part of a recording
//!
//! With a [`Range`], audio is cut to the sample, and so is what was lost of it. What belongs to a segment of speech is
//! played if the segment lies in the range as a whole: a part of an utterance would be heard as something else than was
//! said. Times and segment numbers stay as they were; `seq` counts from 0 again.

mod arguments;
mod player;
mod range;
mod rewrite;
mod timeline;

pub use arguments::{Arguments, ArgumentsError, Wiring};
pub use player::{Item, Player, PlayerError};
pub use range::Range;
