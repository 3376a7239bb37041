//! What a run of values came to, name by name.

use arrow::array::ArrayRef;
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field};

use crate::columns::{
    Columns, MessageError, field, floats_column, list_type, text_column, texts_column, u64_column,
};
use crate::emotion::Scope;
use crate::message::Body;

/// Named values that sum up a window of a segment, or all of it. A sender gives the same names in the same order in each
/// of its messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Number of the segment in its session.
    pub segment: u64,
    /// Sample index of the first sample that was looked at.
    pub start: u64,
    /// Sample index behind the last sample that was looked at.
    pub end: u64,
    /// How much of the segment was looked at.
    pub scope: Scope,
    /// What the values are, each name once.
    pub names: Vec<String>,
    /// A value for each name. One that is not defined, as the pitch of speech without voice, is NaN, always with the bits
    /// of [`f32::NAN`], so that two messages that say the same are the same byte for byte.
    pub values: Vec<f32>,
    /// Why values are missing that could have been there, as the speaking rate of a transcript that was rejected; empty
    /// otherwise.
    pub reason: String,
}

impl Statistics {
    /// The value of a name, if there is one by that name and it is defined.
    pub fn value(&self, name: &str) -> Option<f32> {
        let mut pairs = self.names.iter().zip(&self.values);
        pairs.find_map(|(known, value)| (known == name && !value.is_nan()).then_some(*value))
    }
}

impl Body for Statistics {
    const NAME: &'static str = "Statistics";

    fn fields() -> Vec<Field> {
        vec![
            field("segment", DataType::UInt64),
            field("start", DataType::UInt64),
            field("end", DataType::UInt64),
            field("scope", DataType::Utf8),
            field("names", list_type(DataType::Utf8)),
            field("values", list_type(DataType::Float32)),
            field("reason", DataType::Utf8),
        ]
    }

    fn into_columns(self) -> Vec<ArrayRef> {
        vec![
            u64_column(self.segment),
            u64_column(self.start),
            u64_column(self.end),
            text_column(self.scope.name()),
            texts_column(&self.names),
            floats_column(ScalarBuffer::from(self.values)),
            text_column(&self.reason),
        ]
    }

    fn read(columns: &Columns<'_>) -> Result<Self, MessageError> {
        let statistics = Self {
            segment: columns.u64("segment")?,
            start: columns.u64("start")?,
            end: columns.u64("end")?,
            scope: Scope::read(columns, "scope")?,
            names: columns.texts("names")?,
            values: columns.floats("values")?.to_vec(),
            reason: columns.text("reason")?.to_owned(),
        };
        columns.one_for_each("values", &statistics.values, statistics.names.len(), "name")?;
        Ok(statistics)
    }
}
