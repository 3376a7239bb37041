//! What can go wrong.

use undertone_messages::Phase;
use undertone_stage::CourseError;

/// What is wrong with an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProsodyError {
    /// A message that does not follow the one before.
    #[error(
        "input `speech`, segment {segment}: `{phase}` with samples {start}..{end} arrived, but {expected}; two outputs may be wired to this input"
    )]
    Order {
        /// The segment of the message.
        segment: u64,
        /// The phase of the message.
        phase: Phase,
        /// Sample index of the message's first new sample.
        start: u64,
        /// Sample index behind the message's last new sample.
        end: u64,
        /// What should have come.
        expected: String,
    },
    /// The session ended before the segment.
    #[error(
        "input `speech`: the session ended inside segment {segment}, which is neither final nor cancelled"
    )]
    Unfinished {
        /// The segment that is open.
        segment: u64,
    },
    /// A stream is not in order.
    #[error(transparent)]
    Course(#[from] CourseError),
    /// A transcript of a segment that is not there.
    #[error(
        "input `transcript` knows a segment {segment} that `speech` has not, or has cancelled; it is not wired to the same vad as `speech`"
    )]
    UnknownSegment {
        /// The segment.
        segment: u64,
    },
}
