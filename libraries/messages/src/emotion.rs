//! What one modality says of a segment.

use arrow::array::ArrayRef;
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field};

use crate::columns::{
    Columns, MessageError, field, floats_column, list_type, text_column, texts_column, u64_column,
};
use crate::detail::Detail;
use crate::message::{Body, names};

names! {
    /// How much of a segment an estimate covers.
    pub enum Scope {
        /// A window of a segment that is still open.
        Window = "window",
        /// The whole segment. Exactly one for each segment that ends.
        Segment = "segment",
    }
}

/// A probability for each label, from one model and one modality.
#[derive(Clone, Debug, PartialEq)]
pub struct Emotion {
    /// Number of the segment in its session.
    pub segment: u64,
    /// Sample index of the first sample that the estimate covers.
    pub start: u64,
    /// Sample index behind the last sample that the estimate covers.
    pub end: u64,
    /// What was looked at: `voice`, `text`, `face` and so on.
    pub modality: String,
    /// How much of the segment the estimate covers.
    pub scope: Scope,
    /// The model's labels. Empty if there is no estimate.
    pub labels: Vec<String>,
    /// A probability for each label, which sum to 1. Empty if there is no estimate.
    pub probabilities: Vec<f32>,
    /// The model as `name@` and the first 12 hexadecimal digits of its SHA-256.
    pub model: String,
    /// Why there is no estimate; empty if there is one.
    pub reason: String,
    /// What the model tells beyond the labels.
    pub detail: Detail,
}

/// The likeliest label and its probability: the first if several are, none if there are none.
pub fn likeliest<'a>(labels: &'a [String], probabilities: &[f32]) -> Option<(&'a str, f32)> {
    let named = labels.iter().map(String::as_str).zip(probabilities.iter().copied());
    named.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

impl Body for Emotion {
    const NAME: &'static str = "Emotion";

    fn fields() -> Vec<Field> {
        let mut fields = vec![
            field("segment", DataType::UInt64),
            field("start", DataType::UInt64),
            field("end", DataType::UInt64),
            field("modality", DataType::Utf8),
            field("scope", DataType::Utf8),
            field("labels", list_type(DataType::Utf8)),
            field("probabilities", list_type(DataType::Float32)),
            field("model", DataType::Utf8),
            field("reason", DataType::Utf8),
        ];
        fields.extend(Detail::fields());
        fields
    }

    fn into_columns(self) -> Vec<ArrayRef> {
        let mut columns = vec![
            u64_column(self.segment),
            u64_column(self.start),
            u64_column(self.end),
            text_column(&self.modality),
            text_column(self.scope.name()),
            texts_column(&self.labels),
            floats_column(ScalarBuffer::from(self.probabilities)),
            text_column(&self.model),
            text_column(&self.reason),
        ];
        columns.extend(self.detail.into_columns());
        columns
    }

    fn read(columns: &Columns<'_>) -> Result<Self, MessageError> {
        let emotion = Self {
            segment: columns.u64("segment")?,
            start: columns.u64("start")?,
            end: columns.u64("end")?,
            modality: columns.text("modality")?.to_owned(),
            scope: Scope::read(columns, "scope")?,
            labels: columns.texts("labels")?,
            probabilities: columns.floats("probabilities")?.to_vec(),
            model: columns.text("model")?.to_owned(),
            reason: columns.text("reason")?.to_owned(),
            detail: Detail::read(columns)?,
        };
        columns.one_for_each("probabilities", &emotion.probabilities, emotion.labels.len(), "label")?;
        Ok(emotion)
    }
}
