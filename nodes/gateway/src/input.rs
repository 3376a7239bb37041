//! What comes from the graph.

use undertone_messages::{Emotion, Sentiment, Speech, Transcript};
use undertone_results::Latency;

use crate::event::Event;

/// An input of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// How far the results are.
    Watermark,
    /// Results.
    Sentiment,
    /// Results from the voice alone.
    Provisional,
    /// Segments of speech.
    Speech,
    /// What the voice says.
    Acoustic,
    /// The same of windows, while somebody speaks.
    AcousticPreview,
    /// The words.
    Transcript,
    /// The same while somebody speaks.
    TranscriptPreview,
}

impl Input {
    /// All inputs.
    pub const ALL: [Self; 8] = [
        Self::Watermark,
        Self::Sentiment,
        Self::Provisional,
        Self::Speech,
        Self::Acoustic,
        Self::AcousticPreview,
        Self::Transcript,
        Self::TranscriptPreview,
    ];

    /// The name in the graph.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Watermark => "watermark",
            Self::Sentiment => "sentiment",
            Self::Provisional => "provisional",
            Self::Speech => "speech",
            Self::Acoustic => "acoustic",
            Self::AcousticPreview => "acoustic-preview",
            Self::Transcript => "transcript",
            Self::TranscriptPreview => "transcript-preview",
        }
    }

    /// The input of a name in the graph.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|input| input.name() == name)
    }

    /// Whether there is no going on without it.
    pub const fn is_needed(self) -> bool {
        matches!(self, Self::Watermark | Self::Sentiment)
    }
}

/// What the graph says of a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// On `speech`.
    Speech(Speech),
    /// On `acoustic` and `acoustic-preview`.
    Acoustic(Emotion),
    /// On `transcript` and `transcript-preview`.
    Transcript(Transcript),
    /// On `sentiment` and `provisional`, with where the time went.
    Sentiment(Sentiment, Latency),
}

impl Report {
    /// As clients are told.
    pub fn event<'a>(&'a self, session: &'a str) -> Event<'a> {
        match self {
            Self::Speech(speech) => Event::speech(speech),
            Self::Acoustic(emotion) => Event::acoustic(emotion),
            Self::Transcript(transcript) => Event::transcript(transcript),
            Self::Sentiment(result, latency) => Event::sentiment(session, result, Some(latency)),
        }
    }
}
