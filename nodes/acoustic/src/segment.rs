//! One segment of speech on its way through the model.

use std::ops::Range;

use crate::model::Frames;

/// A segment that has begun: its frames so far, and where the next estimate is due.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Number of the segment in its session.
    pub(crate) number: u64,
    /// Sample index of the first sample of the first frame.
    pub(crate) start: u64,
    /// The frames, row-major.
    values: Vec<f32>,
    /// Samples from one estimate to the next.
    interval: u64,
    /// Samples from the start to the next estimate.
    due: u64,
    frames: Frames,
}

/// A piece of a segment that is to be judged.
#[derive(Debug, PartialEq)]
pub(crate) struct Window<'a> {
    /// The samples that the window covers.
    pub(crate) samples: Range<u64>,
    /// Its frames, row-major.
    pub(crate) values: &'a [f32],
}

impl Segment {
    pub(crate) fn new(number: u64, start: u64, interval: u64, frames: Frames) -> Self {
        Self { number, start, values: Vec::new(), interval, due: interval, frames }
    }

    pub(crate) fn extend(&mut self, values: &[f32]) {
        self.values.extend_from_slice(values);
    }

    /// The next window that is due, if all of its frames have arrived.
    ///
    /// Windows end at multiples of the interval from the segment's start, whenever the frames arrived. While there are
    /// fewer frames than the model needs, there is none.
    pub(crate) fn next_window(&mut self) -> Option<Window<'_>> {
        loop {
            let due = self.due;
            let last = self.frames.within(due);
            if last > self.arrived() {
                return None;
            }
            self.due += self.interval;
            if last >= self.frames.minimum {
                let first = last.saturating_sub(self.frames.window);
                let samples = self.start + first as u64 * self.frames.hop..self.start + due;
                return Some(Window { samples, values: self.values(first..last) });
            }
        }
    }

    /// The frames that lie before sample index `end`. What arrived behind it is the hangover and not speech.
    pub(crate) fn until(&self, end: u64) -> &[f32] {
        let count = self.frames.within(end.saturating_sub(self.start)).min(self.arrived());
        self.values(0..count)
    }

    fn arrived(&self) -> usize {
        self.values.len() / self.frames.width
    }

    fn values(&self, frames: Range<usize>) -> &[f32] {
        let width = self.frames.width;
        self.values.get(frames.start * width..frames.end * width).unwrap_or_default()
    }
}
