//! Checks that a stream arrives whole.

use std::collections::BTreeMap;

use crate::message::SessionId;

/// How a stream fails to be whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    /// Messages are missing.
    #[error(
        "session `{session}`: {missing} messages are missing before number {received} (expected {expected}); the sender's output or this input's queue overflowed: raise its `queue_size`, or let the source wait for the watermark"
    )]
    Hole {
        /// The session of the stream.
        session: SessionId,
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        received: u64,
        /// How many are missing.
        missing: u64,
    },
    /// A message came again, or after a later one.
    #[error(
        "session `{session}`: message {received} arrived again or out of order (expected {expected}); two outputs may be wired to one input, or two sessions share a name"
    )]
    Repeated {
        /// The session of the stream.
        session: SessionId,
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        received: u64,
    },
    /// The sender closed the stream before its last message.
    #[error(
        "session `{session}` was cut off after {received} messages: the sender ended without its last message"
    )]
    CutOff {
        /// The session of the stream.
        session: SessionId,
        /// How many messages had arrived.
        received: u64,
    },
}

impl SequenceError {
    /// How many messages are missing, where that is known.
    pub fn missing(&self) -> Option<u64> {
        match self {
            Self::Hole { missing, .. } => Some(*missing),
            Self::Repeated { .. } | Self::CutOff { .. } => None,
        }
    }
}

/// The numbers that have arrived at one input, session by session.
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    next: BTreeMap<SessionId, u64>,
}

impl Sequence {
    /// The number of the next message of `session`.
    pub fn expected(&self, session: &SessionId) -> u64 {
        self.next.get(session).copied().unwrap_or(0)
    }

    /// Takes note of message `seq` of `session`; `last` ends the stream.
    ///
    /// # Errors
    ///
    /// [`SequenceError::Hole`] and [`SequenceError::Repeated`]. The message counts as arrived all the same, so that a
    /// caller who goes on is told of each hole once.
    pub fn accept(&mut self, session: &SessionId, seq: u64, last: bool) -> Result<(), SequenceError> {
        let expected = self.expected(session);
        if last {
            self.next.remove(session);
        } else {
            self.next.insert(session.clone(), seq.max(expected.saturating_sub(1)).saturating_add(1));
        }
        let session = session.clone();
        match seq.checked_sub(expected) {
            Some(0) => Ok(()),
            Some(missing) => Err(SequenceError::Hole { session, expected, received: seq, missing }),
            None => Err(SequenceError::Repeated { session, expected, received: seq }),
        }
    }

    /// Whether every stream that began has ended.
    ///
    /// # Errors
    ///
    /// [`SequenceError::CutOff`] for the first stream, by name, that has not.
    pub fn close(&self) -> Result<(), SequenceError> {
        match self.next.first_key_value() {
            None => Ok(()),
            Some((session, received)) => {
                Err(SequenceError::CutOff { session: session.clone(), received: *received })
            }
        }
    }
}
