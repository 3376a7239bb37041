//! What can go wrong.

use undertone_messages::Phase;

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
    /// A stream went on behind its end.
    #[error("input `{input}` went on behind the last message of its stream")]
    AfterEnd {
        /// The input.
        input: &'static str,
    },
    /// Transcripts that are not in the order of their segments.
    #[error(
        "input `transcript`: segment {segment} behind segment {latest}; a node must send one final or rejected transcript for each segment, in order"
    )]
    OutOfOrder {
        /// The segment of the message.
        segment: u64,
        /// The latest segment before it.
        latest: u64,
    },
    /// A segment without a transcript.
    #[error(
        "input `transcript` has nothing final for segment {segment}; a node must close each segment that ends, if need be with a rejected transcript"
    )]
    Skipped {
        /// The segment.
        segment: u64,
    },
    /// A transcript of a segment that is not there.
    #[error(
        "input `transcript` knows a segment {segment} that `speech` has not, or has cancelled; it is not wired to the same vad as `speech`"
    )]
    UnknownSegment {
        /// The segment.
        segment: u64,
    },
}
