//! What a speech encoder makes of a segment.

use arrow::array::ArrayRef;
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field};

use crate::columns::{
    Columns, MessageError, boolean_column, field, floats_column, list_type, text_column, u32_column,
    u32s_column, u64_column,
};
use crate::message::Body;

/// The states of a speech encoder over one window of a segment. A segment that fits into one look of the model has one
/// window; the windows of a longer one follow each other without a gap.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoding {
    /// Number of the segment in its session.
    pub segment: u64,
    /// Sample index of the window's first sample; of a segment's first window, the segment's start.
    pub start: u64,
    /// Sample index behind the window's last sample.
    pub end: u64,
    /// The segment ends with this window.
    pub complete: bool,
    /// Frames of the encoder, `hop` samples each, from `start`; the last ones stand for silence that was put behind `end`.
    pub frames: u32,
    /// Samples from the start of one frame to the start of the next.
    pub hop: u32,
    /// Values of a frame.
    pub width: u32,
    /// What the decoder takes, the states behind the last layer and its norm: row-major `[frames, width]`.
    pub states: ScalarBuffer<f32>,
    /// The layers whose own states are here too, from 1.
    pub layers: Vec<u32>,
    /// The states behind each of `layers`, before any norm: row-major `[layers, frames, width]`.
    pub layer_states: ScalarBuffer<f32>,
    /// Mean square of the window's samples in each 10 ms; the last may be shorter.
    pub energies: ScalarBuffer<f32>,
    /// The encoder as `name@` and the first 12 hexadecimal digits of its file's SHA-256.
    pub model: String,
}

impl Encoding {
    /// The frames that stand for the window itself, and not for the silence behind it.
    pub fn frames_of_speech(&self) -> usize {
        let samples = self.end.saturating_sub(self.start);
        let frames = samples.div_ceil(u64::from(self.hop.max(1))).min(u64::from(self.frames));
        usize::try_from(frames).unwrap_or(usize::MAX)
    }
}

impl Body for Encoding {
    const NAME: &'static str = "Encoding";

    fn fields() -> Vec<Field> {
        vec![
            field("segment", DataType::UInt64),
            field("start", DataType::UInt64),
            field("end", DataType::UInt64),
            field("complete", DataType::Boolean),
            field("frames", DataType::UInt32),
            field("hop", DataType::UInt32),
            field("width", DataType::UInt32),
            field("states", list_type(DataType::Float32)),
            field("layers", list_type(DataType::UInt32)),
            field("layer_states", list_type(DataType::Float32)),
            field("energies", list_type(DataType::Float32)),
            field("model", DataType::Utf8),
        ]
    }

    fn into_columns(self) -> Vec<ArrayRef> {
        vec![
            u64_column(self.segment),
            u64_column(self.start),
            u64_column(self.end),
            boolean_column(self.complete),
            u32_column(self.frames),
            u32_column(self.hop),
            u32_column(self.width),
            floats_column(self.states),
            u32s_column(self.layers),
            floats_column(self.layer_states),
            floats_column(self.energies),
            text_column(&self.model),
        ]
    }

    fn read(columns: &Columns<'_>) -> Result<Self, MessageError> {
        let encoding = Self {
            segment: columns.u64("segment")?,
            start: columns.u64("start")?,
            end: columns.u64("end")?,
            complete: columns.boolean("complete")?,
            frames: columns.u32("frames")?,
            hop: columns.u32("hop")?,
            width: columns.u32("width")?,
            states: columns.floats("states")?,
            layers: columns.u32s("layers")?,
            layer_states: columns.floats("layer_states")?,
            energies: columns.floats("energies")?,
            model: columns.text("model")?.to_owned(),
        };
        let frame = encoding.frames as usize * encoding.width as usize;
        if encoding.states.len() != frame {
            let frames = encoding.frames.to_string();
            return Err(columns.value_error("frames", &frames, "the number of states divided by the width"));
        }
        if encoding.layer_states.len() != encoding.layers.len() * frame {
            let layers = format!("{:?}", encoding.layers);
            return Err(columns.value_error("layers", &layers, "as many as there are layer states"));
        }
        Ok(encoding)
    }
}

/// Follows the windows of segments: none is left out, and none of another segment stands between.
#[derive(Clone, Copy, Debug, Default)]
pub struct WindowOrder {
    /// Number, start and end so far of the segment whose last window has not come.
    open: Option<(u64, u64, u64)>,
}

/// A window that does not follow the one before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "segment {segment}: {problem}. Two encoders may be wired to this input, or the sender of `Encoding` is broken"
)]
pub struct WindowError {
    /// The segment.
    pub segment: u64,
    /// What is wrong.
    pub problem: String,
}

impl WindowOrder {
    /// Takes note of the next window and gives the start of its segment.
    ///
    /// # Errors
    ///
    /// The window ends before it starts, or does not go on where the segment in progress does.
    pub fn accept(&mut self, window: &Encoding) -> Result<u64, WindowError> {
        let Encoding { segment, start, end, complete, .. } = *window;
        if end < start {
            let problem = format!("a window ends at sample {end}, before it starts at {start}");
            return Err(WindowError { segment, problem });
        }
        let segment_start = match self.open.take() {
            None => start,
            Some((open, segment_start, reached)) if (open, reached) == (segment, start) => segment_start,
            Some((open, _, reached)) => {
                let problem = format!(
                    "a window of segment {segment} from sample {start} arrived where segment {open} goes on at {reached}"
                );
                return Err(WindowError { segment: open, problem });
            }
        };
        self.open = (!complete).then_some((segment, segment_start, end));
        Ok(segment_start)
    }

    /// Takes note that the session has ended.
    ///
    /// # Errors
    ///
    /// The last segment lacks windows.
    pub fn finish(&mut self) -> Result<(), WindowError> {
        match self.open.take() {
            None => Ok(()),
            Some((segment, _, end)) => Err(WindowError {
                segment,
                problem: format!("the session ended where its next window was due, at sample {end}"),
            }),
        }
    }
}
