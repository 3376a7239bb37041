//! Audio on its way from a source.

use arrow::array::ArrayRef;
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field};

use crate::columns::{Columns, MessageError, field, floats_column, list_type, u32_column, u64_column};
use crate::message::Body;

/// A run of mono samples.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioFrame {
    /// Sample index of the first sample. Without a gap it is the end of the frame before.
    pub start: u64,
    /// Samples a second; [`crate::SAMPLE_RATE`] everywhere behind a source.
    pub sample_rate: u32,
    /// Mono samples, full scale at ±1. A frame that only tells of a gap has none.
    pub samples: ScalarBuffer<f32>,
    /// Samples that were lost right before `start`. A live source counts here what its buffer could not hold.
    pub gap: u64,
}

impl AudioFrame {
    /// Sample index behind the last sample.
    pub fn end(&self) -> u64 {
        // A frame may come from anywhere.
        self.start.saturating_add(self.samples.len() as u64)
    }
}

impl Body for AudioFrame {
    const NAME: &'static str = "AudioFrame";

    fn fields() -> Vec<Field> {
        vec![
            field("start", DataType::UInt64),
            field("sample_rate", DataType::UInt32),
            field("samples", list_type(DataType::Float32)),
            field("gap", DataType::UInt64),
        ]
    }

    fn into_columns(self) -> Vec<ArrayRef> {
        vec![
            u64_column(self.start),
            u32_column(self.sample_rate),
            floats_column(self.samples),
            u64_column(self.gap),
        ]
    }

    fn read(columns: &Columns<'_>) -> Result<Self, MessageError> {
        Ok(Self {
            start: columns.u64("start")?,
            sample_rate: columns.u32("sample_rate")?,
            samples: columns.floats("samples")?,
            gap: columns.u64("gap")?,
        })
    }
}
