//! The recent past: samples and the detector's probabilities on one grid of frames.

use std::collections::VecDeque;
use std::ops::Range;

/// Samples and frame probabilities of a run of audio without gaps. Times are sample indexes of the session.
///
/// Frame `n` is the samples `origin + n·frame..origin + (n + 1)·frame`; only the last frame of a run may be shorter.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    frame: u64,
    origin: u64,
    end: u64,
    samples: VecDeque<f32>,
    first_sample: u64,
    probabilities: VecDeque<f32>,
    first_frame: u64,
}

impl Track {
    /// An empty track that begins at `origin`, with frames of `frame` samples.
    pub(crate) fn new(frame: u64, origin: u64) -> Self {
        Self {
            frame,
            origin,
            end: origin,
            samples: VecDeque::new(),
            first_sample: origin,
            probabilities: VecDeque::new(),
            first_frame: 0,
        }
    }

    /// Sample index behind the last sample.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Sample index of the first sample that is still known.
    pub(crate) fn first_sample(&self) -> u64 {
        self.first_sample
    }

    pub(crate) fn push(&mut self, samples: &[f32], probability: f32) {
        self.samples.extend(samples);
        self.probabilities.push_back(probability);
        self.end += samples.len() as u64;
    }

    /// The samples of a range, as far as they are known.
    pub(crate) fn samples(&self, range: Range<u64>) -> Vec<f32> {
        let index = |time: u64| (time.clamp(self.first_sample, self.end) - self.first_sample) as usize;
        let range = index(range.start)..index(range.end.max(range.start));
        self.samples.range(range).copied().collect()
    }

    /// The mean probability of the frames that a range touches, as far as they are known; 0 if there are none.
    pub(crate) fn mean_probability(&self, range: Range<u64>) -> f32 {
        let (sum, count) = self
            .probabilities(range)
            .fold((0.0, 0_u32), |(sum, count), probability| (sum + f64::from(probability), count + 1));
        (sum / f64::from(count.max(1))) as f32
    }

    fn probabilities(&self, range: Range<u64>) -> impl Iterator<Item = f32> {
        let known = self.first_frame..self.first_frame + self.probabilities.len() as u64;
        let first = (range.start.saturating_sub(self.origin) / self.frame).clamp(known.start, known.end);
        let last = range.end.saturating_sub(self.origin).div_ceil(self.frame).clamp(first, known.end);
        let index = (first - known.start) as usize..(last - known.start) as usize;
        self.probabilities.range(index).copied()
    }

    /// The whole frames within a range, oldest first: start, probability and root mean square of the samples.
    pub(crate) fn frames(&self, range: Range<u64>) -> impl Iterator<Item = (u64, f32, f32)> {
        let first = range.start.max(self.first_sample).saturating_sub(self.origin).div_ceil(self.frame);
        let last = range.end.min(self.end).saturating_sub(self.origin) / self.frame;
        (first..last).map(|frame| {
            let start = self.origin + frame * self.frame;
            let range = start..start + self.frame;
            let power: f32 = self.samples(range.clone()).iter().map(|sample| sample * sample).sum();
            (start, self.mean_probability(range), (power / self.frame as f32).sqrt())
        })
    }

    /// Forgets the samples before `time`.
    pub(crate) fn forget_samples(&mut self, time: u64) {
        let count = time.clamp(self.first_sample, self.end) - self.first_sample;
        self.samples.drain(..count as usize);
        self.first_sample += count;
    }

    /// Forgets the probabilities of the frames that end at or before `time`.
    pub(crate) fn forget_probabilities(&mut self, time: u64) {
        let frame = time.saturating_sub(self.origin) / self.frame;
        let count = frame.saturating_sub(self.first_frame).min(self.probabilities.len() as u64);
        self.probabilities.drain(..count as usize);
        self.first_frame += count;
    }
}
