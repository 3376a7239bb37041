//! Energy against an adaptive noise floor.
//!
//! The floor follows minimum statistics (R. Martin, "Noise power spectral density estimation based on optimal smoothing
//! and minimum statistics", IEEE Transactions on Speech and Audio Processing 9(5), 2001), reduced to one band and a
//! fixed smoothing: the noise floor is the least smoothed power of the last 4 s, since even fluent speech falls back to
//! the noise between syllables. It takes no decision between speech and noise, so that it cannot lock up; a noise that
//! sets in is taken for speech until the 4 s are over. That a minimum lies below the mean is left to the margin.
//!
//! The signal-to-noise ratio of a frame in dB becomes a probability by a logistic curve, one half at the margin.

use std::collections::VecDeque;

use crate::detector::{Detector, DetectorError};

/// 20 ms.
const FRAME: usize = 320;

/// Frames in a part of the window. Martin's way to a cheap minimum: each part keeps its own.
const PART: usize = 15;

/// Parts in the window: 3.9 s.
const PARTS: usize = 13;

/// Parts at the beginning that [`FIRST_FLOOR`] stands for: 0.9 s.
const FIRST_PARTS: usize = 3;

/// How much of the smoothed power stays from frame to frame: a time constant of 56 ms.
const SMOOTHING: f32 = 0.7;

/// The pole of the high-pass filter that takes away rumble and mains hum: 3 dB down at 100 Hz.
const HIGH_PASS: f32 = 0.961;

/// The noise floor in the first 0.9 s is at most -70 dB of full scale, so that a recording that begins in the middle of
/// a word is heard.
const FIRST_FLOOR: f32 = 1e-7;

/// The noise floor is at least -90 dB of full scale: what is quieter is dither.
const LOWEST_FLOOR: f32 = 1e-9;

/// Change of the signal-to-noise ratio, in dB, that multiplies the odds of speech by e.
const SLOPE: f32 = 1.5;

/// The noise floor: the least value of the last [`PARTS`] parts and of the part that is not complete.
#[derive(Clone, Debug, Default)]
struct NoiseFloor {
    parts: VecDeque<f32>,
    current: Option<f32>,
    count: usize,
}

impl NoiseFloor {
    /// Takes the next value and gives the least.
    fn track(&mut self, value: f32) -> f32 {
        let current = self.current.map_or(value, |least| least.min(value));
        let first = if self.parts.len() < FIRST_PARTS { FIRST_FLOOR } else { f32::INFINITY };
        let least = self.parts.iter().copied().fold(current.min(first), f32::min);
        self.current = Some(current);
        self.count += 1;
        if self.count == PART {
            self.parts.push_back(current);
            if self.parts.len() > PARTS {
                self.parts.pop_front();
            }
            (self.current, self.count) = (None, 0);
        }
        least.max(LOWEST_FLOOR)
    }
}

/// The energy detector in one session.
#[derive(Clone, Debug)]
pub struct Energy {
    margin: f32,
    /// The last sample before and behind the high-pass filter.
    last: (f32, f32),
    smoothed: Option<f32>,
    floor: NoiseFloor,
}

impl Energy {
    /// A detector for a new session. At `margin` dB over the noise floor, speech is as likely as not.
    pub fn new(margin: f32) -> Self {
        Self { margin, last: (0.0, 0.0), smoothed: None, floor: NoiseFloor::default() }
    }

    /// The mean power of a frame behind the high-pass filter.
    fn power(&mut self, frame: &[f32]) -> f32 {
        let mut sum = 0.0;
        for sample in frame {
            let (before, behind) = self.last;
            let filtered = sample - before + HIGH_PASS * behind;
            sum += filtered * filtered;
            self.last = (*sample, filtered);
        }
        sum / FRAME as f32
    }
}

impl Detector for Energy {
    fn frame_length(&self) -> usize {
        FRAME
    }

    fn probability(&mut self, frame: &[f32]) -> Result<f32, DetectorError> {
        let power = self.power(frame);
        let smoothed = self.smoothed.map_or(power, |past| power + SMOOTHING * (past - power));
        self.smoothed = Some(smoothed);
        let floor = self.floor.track(smoothed);
        let ratio = 10.0 * (power.max(LOWEST_FLOOR) / floor).log10();
        Ok(1.0 / (1.0 + ((self.margin - ratio) / SLOPE).exp()))
    }

    fn reset(&mut self) -> Result<(), DetectorError> {
        *self = Self::new(self.margin);
        Ok(())
    }
}
