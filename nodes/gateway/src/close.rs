//! Why a connection or a session ends.

use crate::limits::RATES;

/// The code of a WebSocket's closing (RFC 6455, 7.4). Those from 4400 on are this protocol's own, after the HTTP status
/// that means about the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Close {
    /// The session has ended and all its results were sent.
    Done = 1000,
    /// The gateway stops.
    Stopping = 1001,
    /// A message of a type, or audio of a rate, that the protocol does not have.
    Unsupported = 1003,
    /// A message that cannot be read.
    Invalid = 1007,
    /// Audio behind the end.
    AfterEnd = 1008,
    /// A message that is too long.
    TooLong = 1009,
    /// The graph failed.
    Failed = 1011,
    /// No room, or the graph is not ready.
    TryLater = 1013,
    /// The address of the WebSocket is wrong.
    BadQuery = 4400,
    /// The token is missing or wrong.
    Unauthorised = 4401,
    /// There is no such session to resume.
    Unknown = 4404,
    /// No audio for too long.
    Idle = 4408,
    /// The session is another connection's, or has become one's.
    Taken = 4409,
    /// Events that were asked for are no longer kept.
    Gone = 4410,
    /// The client does not read what it is sent.
    TooSlow = 4429,
}

impl Close {
    /// All the codes.
    pub const ALL: [Self; 15] = [
        Self::Done,
        Self::Stopping,
        Self::Unsupported,
        Self::Invalid,
        Self::AfterEnd,
        Self::TooLong,
        Self::Failed,
        Self::TryLater,
        Self::BadQuery,
        Self::Unauthorised,
        Self::Unknown,
        Self::Idle,
        Self::Taken,
        Self::Gone,
        Self::TooSlow,
    ];

    /// The number on the wire.
    pub const fn code(self) -> u16 {
        self as u16
    }
}

/// What went wrong, as the client is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A binary message, or a message's `audio`, without a sample.
    #[error("audio without a sample: send frames of 20 to 100 ms")]
    EmptyFrame,
    /// Half a sample.
    #[error("{0} bytes are no whole number of 16-bit samples: send s16le")]
    OddLength(usize),
    /// More audio at once than the limit.
    #[error("a frame of {got} ms is longer than the limit of {most} ms: send frames of 20 to 100 ms")]
    FrameTooLong {
        /// Its length.
        got: u64,
        /// The limit.
        most: u64,
    },
    /// A message that is longer than any frame can be.
    #[error("a message of more than {0} bytes")]
    MessageTooLong(usize),
    /// Text that is no JSON object of the protocol.
    #[error("not a message of this protocol: {0}")]
    BadJson(String),
    /// Text that is not UTF-8.
    #[error("a text message that is not UTF-8")]
    BadUtf8,
    /// A frame that breaks the WebSocket protocol.
    #[error("not a WebSocket frame: {0}")]
    BadFrame(String),
    /// A type that the protocol does not have.
    #[error("there is no message of type `{0}`: the types are `audio` and `end`")]
    UnknownType(String),
    /// Audio that is not encoded as it says.
    #[error("`audio` is not {encoding}: {error}")]
    BadEncoding {
        /// As it says.
        encoding: &'static str,
        /// What is wrong.
        error: String,
    },
    /// A sample rate that is not offered.
    #[error("audio at {0} Hz is not taken: the rates are {RATES:?}")]
    BadRate(u64),
    /// Audio behind the end.
    #[error("audio came behind `end`")]
    AfterEnd,
    /// No audio for too long.
    #[error("no audio for {0} s: the session has ended")]
    Idle(u64),
    /// The gateway has no room.
    #[error("all {0} sessions are in use: try again later")]
    Full(usize),
    /// The graph has not started yet.
    #[error("the graph is not ready: try again later")]
    NotReady,
    /// The graph failed.
    #[error("the graph failed: {0}")]
    GraphFailed(String),
    /// A part of the graph failed, and the rest goes on.
    #[error("a part of the graph failed, and results go on without it: {0}")]
    InputLost(String),
    /// The gateway stops.
    #[error("the gateway stops")]
    Stopping,
    /// A name that is in use.
    #[error(
        "the session `{0}` is in use until its last results are there: try again later, choose another name, or resume it \
         with its token if its connection broke"
    )]
    InUse(String),
    /// A name or a parameter that is not possible.
    #[error("{0}")]
    BadQuery(String),
    /// The token is missing or wrong.
    #[error(
        "the token is missing or wrong: send `Authorization: Bearer TOKEN`, or the subprotocol `bearer.TOKEN`"
    )]
    Unauthorised,
    /// No session has this token for resuming.
    #[error("there is no session to resume: it has ended, or the token is wrong")]
    UnknownSession,
    /// Another connection has resumed the session.
    #[error("the session was resumed by another connection")]
    Replaced,
    /// Events that were asked for are no longer kept.
    #[error("the events from {wanted} on were asked for, but only those from {kept} on are kept")]
    EventsLost {
        /// The first event that was asked for.
        wanted: u64,
        /// The first that there is.
        kept: u64,
    },
    /// The client does not read.
    #[error("the client reads too slowly: resume from the last event that was read")]
    TooSlow,
    /// The sample rate cannot be converted.
    #[error("the audio cannot be converted: {0}")]
    Conversion(String),
}

impl Fault {
    /// The name of the fault, in `error` events.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::EmptyFrame => "empty_frame",
            Self::OddLength(_) => "odd_length",
            Self::FrameTooLong { .. } => "frame_too_long",
            Self::MessageTooLong(_) => "message_too_long",
            Self::BadJson(_) => "bad_json",
            Self::BadUtf8 => "bad_utf8",
            Self::BadFrame(_) => "bad_frame",
            Self::UnknownType(_) => "unknown_type",
            Self::BadEncoding { .. } => "bad_encoding",
            Self::BadRate(_) => "bad_rate",
            Self::AfterEnd => "after_end",
            Self::Idle(_) => "idle",
            Self::Full(_) => "full",
            Self::NotReady => "not_ready",
            Self::GraphFailed(_) => "graph_failed",
            Self::InputLost(_) => "input_lost",
            Self::Stopping => "stopping",
            Self::InUse(_) => "in_use",
            Self::BadQuery(_) => "bad_query",
            Self::Unauthorised => "unauthorised",
            Self::UnknownSession => "unknown_session",
            Self::Replaced => "replaced",
            Self::EventsLost { .. } => "events_lost",
            Self::TooSlow => "too_slow",
            Self::Conversion(_) => "conversion",
        }
    }

    /// How the connection is closed. `None` if it goes on.
    pub const fn close(&self) -> Option<Close> {
        Some(match self {
            Self::InputLost(_) => return None,
            Self::EmptyFrame
            | Self::OddLength(_)
            | Self::BadJson(_)
            | Self::BadUtf8
            | Self::BadFrame(_)
            | Self::BadEncoding { .. } => Close::Invalid,
            Self::FrameTooLong { .. } | Self::MessageTooLong(_) => Close::TooLong,
            Self::UnknownType(_) | Self::BadRate(_) => Close::Unsupported,
            Self::AfterEnd => Close::AfterEnd,
            Self::Idle(_) => Close::Idle,
            Self::Full(_) | Self::NotReady => Close::TryLater,
            Self::GraphFailed(_) | Self::Conversion(_) => Close::Failed,
            Self::Stopping => Close::Stopping,
            Self::InUse(_) | Self::Replaced => Close::Taken,
            Self::BadQuery(_) => Close::BadQuery,
            Self::Unauthorised => Close::Unauthorised,
            Self::UnknownSession => Close::Unknown,
            Self::EventsLost { .. } => Close::Gone,
            Self::TooSlow => Close::TooSlow,
        })
    }

    /// One of each, for tests and documentation.
    pub fn examples() -> Vec<Self> {
        let text = || "why".to_owned();
        vec![
            Self::EmptyFrame,
            Self::OddLength(3),
            Self::FrameTooLong { got: 2_000, most: 1_000 },
            Self::MessageTooLong(400_000),
            Self::BadJson(text()),
            Self::BadUtf8,
            Self::BadFrame(text()),
            Self::UnknownType("video".to_owned()),
            Self::BadEncoding { encoding: "base64", error: text() },
            Self::BadRate(7),
            Self::AfterEnd,
            Self::Idle(30),
            Self::Full(8),
            Self::NotReady,
            Self::GraphFailed(text()),
            Self::InputLost(text()),
            Self::Stopping,
            Self::InUse("a".to_owned()),
            Self::BadQuery(text()),
            Self::Unauthorised,
            Self::UnknownSession,
            Self::Replaced,
            Self::EventsLost { wanted: 1, kept: 9 },
            Self::TooSlow,
            Self::Conversion(text()),
        ]
    }
}

/// How a connection is closed: the code and the reason of the closing frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The code.
    pub close: Close,
    /// The reason, 123 bytes of UTF-8 at most, as the closing frame takes it.
    pub reason: String,
}

impl Closing {
    /// The end of a session whose results were all sent.
    pub fn done() -> Self {
        Self { close: Close::Done, reason: "the session has ended".to_owned() }
    }

    /// The closing that follows a fault.
    pub fn of(fault: &Fault) -> Self {
        let text = fault.to_string();
        let mut length = text.len().min(123);
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        let reason = text.get(..length).unwrap_or_default().to_owned();
        Self { close: fault.close().unwrap_or(Close::Done), reason }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_fault_has_a_name_of_its_own_and_a_reason_that_fits() {
        let faults = Fault::examples();
        let names: BTreeSet<_> = faults.iter().map(Fault::code).collect();
        assert_eq!(names.len(), faults.len());
        for fault in &faults {
            let closing = Closing::of(fault);
            assert!(!closing.reason.is_empty() && closing.reason.len() <= 123, "{closing:?}");
        }
        let long = Closing::of(&Fault::GraphFailed("ä".repeat(500)));
        assert!(long.reason.len() <= 123);
        let used: BTreeSet<_> = faults.iter().filter_map(Fault::close).chain([Close::Done]).collect();
        assert_eq!(used.into_iter().collect::<Vec<_>>(), Close::ALL);
    }
}
