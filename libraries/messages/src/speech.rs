//! Speech as the voice activity detector cuts it out.

use arrow::array::ArrayRef;
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field};

use crate::columns::{
    Columns, MessageError, f32_column, field, floats_column, list_type, text_column, u64_column,
};
use crate::message::{Body, names};

names! {
    /// Where a segment of speech stands.
    ///
    /// A segment is `Open`, any number of `More`, and `Final` or `Cancelled`. `Tentative` may stand between: speech
    /// has paused, and the segment ends here unless a further `More` follows.
    pub enum Phase {
        /// Speech has begun; the samples start with the pre-roll.
        Open = "open",
        /// Speech goes on.
        More = "more",
        /// Speech has paused for a while, but not yet for the whole hangover.
        Tentative = "tentative",
        /// The segment is complete: `start..end`. Samples that arrived behind `end` are the hangover, not the segment.
        Final = "final",
        /// The segment was too short to be speech. Forget it.
        Cancelled = "cancelled",
        /// No segment is open: whatever begins later begins at or behind `end`.
        Silence = "silence",
    }
}

/// A piece of a segment of speech, or the word that there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Speech {
    /// Number of the segment in its session, from 0. With [`Phase::Silence`]: the number of the next segment.
    pub segment: u64,
    /// Sample index of the segment's first sample, pre-roll included. With [`Phase::Silence`]: as `end`.
    pub start: u64,
    /// With `Open` and `More`: sample index behind the last of `samples`. With `Tentative` and `Final`: the end of the
    /// segment. With `Cancelled`: where it was given up. With `Silence`: how far the audio is known.
    pub end: u64,
    /// Where the segment stands.
    pub phase: Phase,
    /// New samples, which end at `end`; only in `Open` and `More`, and together gapless from `start`.
    pub samples: ScalarBuffer<f32>,
    /// The detector's probability of speech, mean over the frames that this message covers, 0 to 1.
    pub probability: f32,
}

impl Body for Speech {
    const NAME: &'static str = "Speech";

    fn fields() -> Vec<Field> {
        vec![
            field("segment", DataType::UInt64),
            field("start", DataType::UInt64),
            field("end", DataType::UInt64),
            field("phase", DataType::Utf8),
            field("samples", list_type(DataType::Float32)),
            field("probability", DataType::Float32),
        ]
    }

    fn into_columns(self) -> Vec<ArrayRef> {
        vec![
            u64_column(self.segment),
            u64_column(self.start),
            u64_column(self.end),
            text_column(self.phase.name()),
            floats_column(self.samples),
            f32_column(self.probability),
        ]
    }

    fn read(columns: &Columns<'_>) -> Result<Self, MessageError> {
        Ok(Self {
            segment: columns.u64("segment")?,
            start: columns.u64("start")?,
            end: columns.u64("end")?,
            phase: Phase::read(columns, "phase")?,
            samples: columns.floats("samples")?,
            probability: columns.f32("probability")?,
        })
    }
}
