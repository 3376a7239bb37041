//! What was said.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field};

use crate::columns::{
    Columns, MessageError, f32_column, field, list_type, structs_column, text_column, u32_column, u64_column,
};
use crate::message::{Body, names};

names! {
    /// How a transcript is meant.
    pub enum TranscriptStatus {
        /// The segment is still open; the words may change.
        Partial = "partial",
        /// The words of the whole segment. Exactly one of `Final` and `Rejected` for each segment that ends.
        Final = "final",
        /// The recogniser's words are not to be trusted, for the reason given.
        Rejected = "rejected",
    }
}

/// A word and when it was said.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// The word with its punctuation, without spaces around it.
    pub text: String,
    /// Sample index of its first sample.
    pub start: u64,
    /// Sample index behind its last sample.
    pub end: u64,
    /// The geometric mean of its tokens' probabilities, 0 to 1.
    pub probability: f32,
}

impl Word {
    fn fields() -> Vec<Field> {
        vec![
            field("text", DataType::Utf8),
            field("start", DataType::UInt64),
            field("end", DataType::UInt64),
            field("probability", DataType::Float32),
        ]
    }

    fn into_columns(self) -> Vec<ArrayRef> {
        vec![
            text_column(&self.text),
            u64_column(self.start),
            u64_column(self.end),
            f32_column(self.probability),
        ]
    }

    fn read(columns: &Columns<'_>) -> Result<Self, MessageError> {
        Ok(Self {
            text: columns.text("text")?.to_owned(),
            start: columns.u64("start")?,
            end: columns.u64("end")?,
            probability: columns.f32("probability")?,
        })
    }
}

/// The words of a segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Transcript {
    /// Number of the segment in its session.
    pub segment: u64,
    /// Sample index of the segment's first sample.
    pub start: u64,
    /// Sample index behind the last sample that was transcribed.
    pub end: u64,
    /// The text. With [`TranscriptStatus::Rejected`]: what was recognised and is not to be trusted.
    pub text: String,
    /// The words with their times.
    pub words: Vec<Word>,
    /// How many of the words, from the first, stand: every later partial transcript of the segment begins with them. All of
    /// them in one that is not partial, which has heard the whole segment and may differ.
    pub stable: u32,
    /// Mean natural logarithm of the tokens' probabilities; 0 or less.
    pub average_log_probability: f32,
    /// The model's probability that nobody speaks, 0 to 1.
    pub no_speech_probability: f32,
    /// ISO 639-1 code of the language that was recognised.
    pub language: String,
    /// How the transcript is meant.
    pub status: TranscriptStatus,
    /// The evidence against a rejected transcript; empty otherwise.
    pub reason: String,
    /// The model as `name@` and the first 12 hexadecimal digits of its SHA-256.
    pub model: String,
    /// What was done with less effort than the graph asks for, because results were late; empty otherwise.
    pub degraded: String,
}

/// Whether a language, by its code in [`Transcript::language`], is written without spaces: Chinese, Japanese, Thai, Lao,
/// Burmese and Cantonese. There every character is a word, as in Whisper's own `tokenizer.py`.
pub fn is_spaceless(language: &str) -> bool {
    matches!(language, "zh" | "ja" | "th" | "lo" | "my" | "yue")
}

impl Body for Transcript {
    const NAME: &'static str = "Transcript";

    fn fields() -> Vec<Field> {
        vec![
            field("segment", DataType::UInt64),
            field("start", DataType::UInt64),
            field("end", DataType::UInt64),
            field("text", DataType::Utf8),
            field("words", list_type(DataType::Struct(Word::fields().into()))),
            field("stable", DataType::UInt32),
            field("average_log_probability", DataType::Float32),
            field("no_speech_probability", DataType::Float32),
            field("language", DataType::Utf8),
            field("status", DataType::Utf8),
            field("reason", DataType::Utf8),
            field("model", DataType::Utf8),
            field("degraded", DataType::Utf8),
        ]
    }

    fn into_columns(self) -> Vec<ArrayRef> {
        vec![
            u64_column(self.segment),
            u64_column(self.start),
            u64_column(self.end),
            text_column(&self.text),
            structs_column(Word::fields(), self.words.into_iter().map(Word::into_columns).collect()),
            u32_column(self.stable),
            f32_column(self.average_log_probability),
            f32_column(self.no_speech_probability),
            text_column(&self.language),
            text_column(self.status.name()),
            text_column(&self.reason),
            text_column(&self.model),
            text_column(&self.degraded),
        ]
    }

    fn read(columns: &Columns<'_>) -> Result<Self, MessageError> {
        Ok(Self {
            segment: columns.u64("segment")?,
            start: columns.u64("start")?,
            end: columns.u64("end")?,
            text: columns.text("text")?.to_owned(),
            words: columns.structs("words", Word::fields(), Word::read)?,
            stable: columns.u32("stable")?,
            average_log_probability: columns.f32("average_log_probability")?,
            no_speech_probability: columns.f32("no_speech_probability")?,
            language: columns.text("language")?.to_owned(),
            status: TranscriptStatus::read(columns, "status")?,
            reason: columns.text("reason")?.to_owned(),
            model: columns.text("model")?.to_owned(),
            degraded: columns.text("degraded")?.to_owned(),
        })
    }
}
