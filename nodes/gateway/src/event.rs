//! What clients are sent.

use serde::Serialize;
use undertone_messages::{Emotion, Sentiment, Speech, Transcript, Word, seconds};
use undertone_results::{Latency, NamedValues, Record};

use crate::close::Fault;
use crate::limits::ToldLimits;

/// A message to a client. `nodes/gateway/asyncapi.yml` describes each.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event<'a> {
    /// The session has begun, or goes on.
    Ready {
        /// Version of the protocol.
        version: u32,
        /// The session's name.
        session: &'a str,
        /// The token with which it can be resumed.
        resume: &'a str,
        /// Whether it goes on.
        resumed: bool,
        /// Sample index of the next sample that the client sends.
        position_sample: u64,
        /// The same in seconds.
        position_seconds: f64,
        /// Samples a second of binary messages, and of all sample indexes.
        sample_rate: u32,
        /// What the client may do.
        limits: ToldLimits,
    },
    /// What the voice activity detector says.
    Speech {
        /// The segment's number.
        segment: u64,
        /// Where the segment stands.
        phase: &'static str,
        /// What it covers.
        #[serde(flatten)]
        span: Span,
        /// The detector's probability of speech.
        probability: f32,
    },
    /// What the voice says.
    Acoustic {
        /// The segment's number.
        segment: u64,
        /// What it covers.
        #[serde(flatten)]
        span: Span,
        /// A window, or the whole segment.
        scope: &'static str,
        /// A probability for each label; empty without an estimate.
        probabilities: NamedValues<'a>,
        /// A probability for each emotion; empty if the model tells none.
        emotions: NamedValues<'a>,
        /// How pleasant, -1 to 1.
        valence: Option<f32>,
        /// How excited, -1 to 1.
        arousal: Option<f32>,
        /// Above 1, the model does not know such sound.
        anomaly: Option<f32>,
        /// The model.
        model: &'a str,
        /// Why there is no estimate; otherwise empty.
        reason: &'a str,
    },
    /// The words.
    Transcript {
        /// The segment's number.
        segment: u64,
        /// What it covers.
        #[serde(flatten)]
        span: Span,
        /// Whether the words may change, stand, or are not to be trusted.
        status: &'static str,
        /// The words as a text.
        text: &'a str,
        /// How many of the words, from the first, stand.
        stable: u32,
        /// The words with their times.
        words: Vec<TimedWord<'a>>,
        /// Why the words are not to be trusted; otherwise empty.
        reason: &'a str,
        /// What was done with less effort because results were late.
        #[serde(skip_serializing_if = "str::is_empty")]
        degraded: &'a str,
    },
    /// The fused result, as the sink writes it.
    Sentiment(Box<Record<'a>>),
    /// The graph is late, or no longer.
    Backpressure {
        /// Whether it is late.
        active: bool,
        /// Audio that waits.
        queued_ms: u64,
    },
    /// Audio that is missing.
    Gap {
        /// What is missing.
        #[serde(flatten)]
        span: Span,
        /// How many samples.
        samples: u64,
        /// Why.
        reason: GapReason,
    },
    /// Something is wrong.
    Error {
        /// The fault's name.
        code: &'static str,
        /// The same in words.
        message: String,
    },
    /// All results were sent.
    End {
        /// Sample index behind the session's last sample.
        position_sample: u64,
        /// The same in seconds.
        position_seconds: f64,
    },
}

/// Why audio is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The client was not connected.
    Disconnected,
    /// The graph was late and the buffer full.
    Overflow,
}

/// A range of the session's clock.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Span {
    start_sample: u64,
    end_sample: u64,
    start_seconds: f64,
    end_seconds: f64,
}

impl Span {
    /// The samples from `start` to before `end`.
    pub fn new(start: u64, end: u64) -> Self {
        Self {
            start_sample: start,
            end_sample: end,
            start_seconds: seconds(start),
            end_seconds: seconds(end),
        }
    }
}

/// A word and when it was said.
#[derive(Serialize)]
pub struct TimedWord<'a> {
    text: &'a str,
    #[serde(flatten)]
    span: Span,
    probability: f32,
}

impl<'a> TimedWord<'a> {
    fn new(word: &'a Word) -> Self {
        let Word { text, start, end, probability } = word;
        Self { text, span: Span::new(*start, *end), probability: *probability }
    }
}

impl<'a> Event<'a> {
    /// The type, as in the event.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "ready",
            Self::Speech { .. } => "speech",
            Self::Acoustic { .. } => "acoustic",
            Self::Transcript { .. } => "transcript",
            Self::Sentiment(_) => "sentiment",
            Self::Backpressure { .. } => "backpressure",
            Self::Gap { .. } => "gap",
            Self::Error { .. } => "error",
            Self::End { .. } => "end",
        }
    }

    /// What the detector says.
    pub fn speech(speech: &Speech) -> Self {
        let Speech { segment, start, end, phase, probability, .. } = speech;
        let span = Span::new(*start, *end);
        Self::Speech { segment: *segment, phase: phase.name(), span, probability: *probability }
    }

    /// What the voice says.
    pub fn acoustic(emotion: &'a Emotion) -> Self {
        let detail = &emotion.detail;
        Self::Acoustic {
            segment: emotion.segment,
            span: Span::new(emotion.start, emotion.end),
            scope: emotion.scope.name(),
            probabilities: NamedValues { names: &emotion.labels, values: &emotion.probabilities },
            emotions: NamedValues { names: &detail.emotions, values: &detail.emotion_probabilities },
            valence: detail.valence,
            arousal: detail.arousal,
            anomaly: detail.anomaly,
            model: &emotion.model,
            reason: &emotion.reason,
        }
    }

    /// The words.
    pub fn transcript(transcript: &'a Transcript) -> Self {
        Self::Transcript {
            segment: transcript.segment,
            span: Span::new(transcript.start, transcript.end),
            status: transcript.status.name(),
            text: &transcript.text,
            stable: transcript.stable,
            words: transcript.words.iter().map(TimedWord::new).collect(),
            reason: &transcript.reason,
            degraded: &transcript.degraded,
        }
    }

    /// The fused result.
    pub fn sentiment(session: &'a str, result: &'a Sentiment, latency: Option<&'a Latency>) -> Self {
        Self::Sentiment(Box::new(Record::new(session, result, latency)))
    }

    /// What went wrong.
    pub fn error(fault: &Fault) -> Self {
        Self::Error { code: fault.code(), message: fault.to_string() }
    }

    /// The event as JSON, with its number. 0 is the number of what belongs to no session.
    pub fn write(&self, number: u64) -> String {
        // Strings and numbers have a JSON form.
        serde_json::to_string(&Numbered { event: number, body: self }).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Numbered<'a> {
    event: u64,
    #[serde(flatten)]
    body: &'a Event<'a>,
}
