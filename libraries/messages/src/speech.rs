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
    /// A segment is `Open`, any number of `More`, and one `Final` or `Cancelled`. `Tentative` may stand between. There
    /// is one open segment at most, and each begins at or behind the `end` of the `Final`, `Cancelled` or `Silence`
    /// before it.
    pub enum Phase {
        /// Something sounds like speech; the samples start with the pre-roll. It may yet be `Cancelled`.
        Open = "open",
        /// Speech goes on. The samples of a pause are held back and come with the speech that ends it.
        More = "more",
        /// Speech has paused for a while, but not yet for the whole hangover. All samples up to `end` have been sent.
        /// What follows is `More`, as soon as speech goes on, or `Final` with the same `end`. Never `Cancelled`.
        Tentative = "tentative",
        /// The segment is complete: `start..end`. As a rule `end` is where the samples end that were sent. A segment
        /// that grew too long is cut in the past: the samples that were sent behind `end` belong to the next segment,
        /// which opens at `end` with the next message and sends them again.
        Final = "final",
        /// The segment had too little speech in it. Forget it.
        Cancelled = "cancelled",
        /// No segment is open. Comes about once a second, at a gap and at the end of the audio.
        Silence = "silence",
    }
}

/// A piece of a segment of speech, or the word that there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Speech {
    /// Number of the segment in its session, cancelled segments counted: from 0, or in a part of a recording from the
    /// number that its first segment had. With [`Phase::Silence`]: the number of the next segment.
    pub segment: u64,
    /// Sample index of the segment's first sample, pre-roll included. With [`Phase::Silence`]: as `end`.
    pub start: u64,
    /// With `Open` and `More`: sample index behind the last of `samples`. With `Tentative` and `Final`: the end of the
    /// segment. With `Cancelled` and `Silence`: whatever begins later begins at or behind this.
    pub end: u64,
    /// Where the segment stands.
    pub phase: Phase,
    /// New samples, which end at `end`; only in `Open` and `More`, and together gapless from `start`.
    pub samples: ScalarBuffer<f32>,
    /// The detector's probability of speech, 0 to 1, mean over the frames that this message covers: with `Open` and
    /// `More` those of `samples`, with `Tentative`, `Final` and `Cancelled` those of `start..end`, with `Silence` those
    /// since what was known before. 0 if there are none.
    pub probability: f32,
}

impl Speech {
    /// A segment of these samples alone, as vad sends one that is there at once.
    pub fn whole(samples: Vec<f32>) -> [Self; 2] {
        let end = samples.len() as u64;
        let speech = |phase, samples: Vec<f32>| Self {
            segment: 0,
            start: 0,
            end,
            phase,
            samples: samples.into(),
            probability: 1.0,
        };
        [speech(Phase::Open, samples), speech(Phase::Final, Vec::new())]
    }
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
