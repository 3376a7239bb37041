//! Audio on its way from a source.

use arrow::array::ArrayRef;
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field};

use crate::columns::{Columns, MessageError, field, floats_column, list_type, u32_column, u64_column};
use crate::message::Body;
use crate::seconds;

/// The largest magnitude of a sample that is taken for audio: 60 dB over full scale, beyond any gain or overshoot.
const LOUDEST: f32 = 1_000.0;

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

/// A sample that is not a number, infinite, or beyond reason.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "sample {position} ({:.3} s) is {value}: samples must be finite, with full scale at ±1 (16-bit integers are divided by 32768); what made this audio is broken",
    seconds(*position)
)]
pub struct SampleError {
    /// Where.
    pub position: u64,
    /// The value.
    pub value: f32,
}

impl AudioFrame {
    /// Sample index behind the last sample.
    pub fn end(&self) -> u64 {
        // A frame may come from anywhere.
        self.start.saturating_add(self.samples.len() as u64)
    }

    /// Checks that the samples are audio.
    ///
    /// # Errors
    ///
    /// The first that is not.
    pub fn check_samples(&self) -> Result<(), SampleError> {
        let wrong = |(sample, _): &(&f32, u64)| !(-LOUDEST..=LOUDEST).contains(*sample);
        match self.samples.iter().zip(self.start..).find(wrong) {
            None => Ok(()),
            Some((value, position)) => Err(SampleError { position, value: *value }),
        }
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
