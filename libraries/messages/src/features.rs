//! Acoustic features of speech, frame by frame.

use arrow::array::ArrayRef;
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field};

use crate::columns::{
    Columns, MessageError, field, floats_column, list_type, text_column, u32_column, u64_column,
};
use crate::message::Body;
use crate::speech::Phase;

/// New feature frames of a segment. One message for each [`crate::Speech`] message that is not `Silence`.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Number of the segment in its session.
    pub segment: u64,
    /// Sample index of the segment's first sample. The first frame begins there, or with frames that are centred (`--edges
    /// zero` or `reflect` of the mfcc node) half a frame before it.
    pub start: u64,
    /// As in the [`crate::Speech`] message.
    pub end: u64,
    /// As in the [`crate::Speech`] message.
    pub phase: Phase,
    /// What a row is and how it was computed, such as `mfcc kaldi`: a model that was trained on one kind refuses others,
    /// whose rows may be as wide and mean something else.
    pub kind: String,
    /// Samples from the start of one frame to the start of the next.
    pub hop: u32,
    /// Values in a frame.
    pub width: u32,
    /// The frames that became complete, row-major `[frames, width]`; together gapless from `start`.
    pub values: ScalarBuffer<f32>,
}

impl Body for Features {
    const NAME: &'static str = "Features";

    fn fields() -> Vec<Field> {
        vec![
            field("segment", DataType::UInt64),
            field("start", DataType::UInt64),
            field("end", DataType::UInt64),
            field("phase", DataType::Utf8),
            field("kind", DataType::Utf8),
            field("hop", DataType::UInt32),
            field("width", DataType::UInt32),
            field("values", list_type(DataType::Float32)),
        ]
    }

    fn into_columns(self) -> Vec<ArrayRef> {
        vec![
            u64_column(self.segment),
            u64_column(self.start),
            u64_column(self.end),
            text_column(self.phase.name()),
            text_column(&self.kind),
            u32_column(self.hop),
            u32_column(self.width),
            floats_column(self.values),
        ]
    }

    fn read(columns: &Columns<'_>) -> Result<Self, MessageError> {
        let features = Self {
            segment: columns.u64("segment")?,
            start: columns.u64("start")?,
            end: columns.u64("end")?,
            phase: Phase::read(columns, "phase")?,
            kind: columns.text("kind")?.to_owned(),
            hop: columns.u32("hop")?,
            width: columns.u32("width")?,
            values: columns.floats("values")?,
        };
        if features.width == 0 || !features.values.len().is_multiple_of(features.width as usize) {
            let width = features.width.to_string();
            return Err(columns.value_error("width", &width, "a divisor of the number of values"));
        }
        Ok(features)
    }
}
