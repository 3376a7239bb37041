//! The cycles of the voice one by one, for jitter and shimmer.

use std::f64::consts::TAU;
use std::ops::{AddAssign, Range};

use undertone_messages::SAMPLE_RATE;

use crate::candidates::vertex;

/// Correlation of two cycles below which they are not taken for neighbours.
const ALIKE: f64 = 0.3;
/// The next cycle is looked for from here to there, in periods.
const SEARCHED: Range<f64> = 0.8..1.25;
/// Periods that differ by more than this factor are no neighbours (Praat's "maximum period factor").
const PERIOD_FACTOR: f64 = 1.3;
/// Amplitudes that differ by more than this factor are no neighbours (Praat's "maximum amplitude factor").
const AMPLITUDE_FACTOR: f64 = 1.6;
/// Half the span around a cycle's peak in which its amplitude is measured, in periods.
const AMPLITUDE_REACH: f64 = 0.2;

/// Sums over cycles, from which jitter and shimmer follow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cycles {
    periods: u32,
    period_sum: f64,
    period_steps: u32,
    period_step_sum: f64,
    amplitudes: u32,
    amplitude_sum: f64,
    amplitude_steps: u32,
    amplitude_step_sum: f64,
}

impl Cycles {
    /// Jitter (local): the mean difference of neighbouring periods, relative to the mean period. `None` without two
    /// neighbours.
    pub fn jitter(&self) -> Option<f64> {
        relative(self.period_step_sum, self.period_steps, self.period_sum, self.periods)
    }

    /// Shimmer (local): the mean difference of the amplitudes of neighbouring cycles, relative to the mean amplitude. `None`
    /// without two neighbours.
    pub fn shimmer(&self) -> Option<f64> {
        relative(self.amplitude_step_sum, self.amplitude_steps, self.amplitude_sum, self.amplitudes)
    }

    fn add_period(&mut self, period: f64, before: Option<f64>) {
        self.periods += 1;
        self.period_sum += period;
        if let Some(before) = before.filter(|before| are_neighbours(period, *before, PERIOD_FACTOR)) {
            self.period_steps += 1;
            self.period_step_sum += (period - before).abs();
        }
    }

    fn add_amplitude(&mut self, amplitude: f64, before: Option<f64>) {
        self.amplitudes += 1;
        self.amplitude_sum += amplitude;
        if let Some(before) = before.filter(|before| are_neighbours(amplitude, *before, AMPLITUDE_FACTOR)) {
            self.amplitude_steps += 1;
            self.amplitude_step_sum += (amplitude - before).abs();
        }
    }
}

impl AddAssign for Cycles {
    fn add_assign(&mut self, other: Self) {
        self.periods += other.periods;
        self.period_sum += other.period_sum;
        self.period_steps += other.period_steps;
        self.period_step_sum += other.period_step_sum;
        self.amplitudes += other.amplitudes;
        self.amplitude_sum += other.amplitude_sum;
        self.amplitude_steps += other.amplitude_steps;
        self.amplitude_step_sum += other.amplitude_step_sum;
    }
}

fn relative(step_sum: f64, steps: u32, sum: f64, count: u32) -> Option<f64> {
    (steps > 0 && sum > 0.0).then(|| step_sum / f64::from(steps) / (sum / f64::from(count)))
}

fn are_neighbours(one: f64, other: f64, factor: f64) -> bool {
    one.max(other) <= factor * one.min(other)
}

/// A peak of the signal that stands for a cycle.
#[derive(Clone, Copy, Debug)]
struct Pulse {
    /// In samples since the segment's first.
    time: f64,
    /// From the pulse before to this one, in samples, if that one belongs to the same run of cycles.
    period: Option<f64>,
    amplitude: f64,
}

/// Samples of the segment, some of whose beginning may be forgotten.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// The first sample that is known.
    pub begin: usize,
    /// The samples from there on.
    pub known: &'a [f32],
}

impl<'a> Samples<'a> {
    /// A part, if all of it is known.
    fn get(&self, range: Range<i64>) -> Option<&'a [f32]> {
        let place = |index: i64| usize::try_from(index - self.begin as i64).ok();
        self.known.get(place(range.start)?..place(range.end)?)
    }
}

/// Follows the cycles of the voice from peak to peak.
///
/// As Praat's *To PointProcess (periodic, cc)*: from a peak, the next cycle is where the signal of one period correlates
/// best, between 0.8 and 1.25 periods later. Praat goes both ways from the middle of a voiced stretch; a stream goes
/// forward from its beginning. The amplitude of a cycle is Praat's too: the root mean square under a Hann window that
/// reaches a fifth of a period to either side of the peak.
#[derive(Debug, Default)]
pub struct CycleTracker {
    current: Option<Pulse>,
    /// A pulse that lies behind what was asked for so far.
    next: Option<Pulse>,
}

impl CycleTracker {
    /// Forgets everything.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// The cycles that end in `slot`, which begins where the one before ended, in samples since the segment's first. The
    /// voice has this pitch there, in hertz, or none.
    pub fn advance(&mut self, f0: Option<f64>, slot: Range<usize>, samples: Samples<'_>) -> Cycles {
        let mut cycles = Cycles::default();
        let Some(f0) = f0 else {
            self.reset();
            return cycles;
        };
        let period = f64::from(SAMPLE_RATE) / f0;
        if self.current.is_none() {
            self.current = first_pulse(slot.start, period, samples);
        }
        while let Some(current) = self.current {
            let Some(next) = self.next.take().or_else(|| next_pulse(current, period, samples)) else {
                // The signal ends here, or is silent.
                self.current = None;
                break;
            };
            if next.time >= slot.end as f64 {
                self.next = Some(next);
                break;
            }
            if let Some(period) = next.period {
                cycles.add_period(period, current.period);
                cycles.add_amplitude(next.amplitude, current.period.map(|_| current.amplitude));
            }
            self.current = Some(next);
        }
        cycles
    }
}

/// The highest peak, up or down, in the first period of a voiced stretch.
fn first_pulse(start: usize, period: f64, samples: Samples<'_>) -> Option<Pulse> {
    let start = start as i64;
    let searched = samples.get(start..start + period.ceil() as i64)?;
    let (place, _) = searched.iter().enumerate().fold((0, 0.0_f32), |best, (place, sample)| {
        if sample.abs() > best.1 { (place, sample.abs()) } else { best }
    });
    let time = (start + place as i64) as f64;
    Some(Pulse { time, period: None, amplitude: amplitude(time, period, samples)? })
}

/// The pulse behind another. Without a period if the signal there is another one.
fn next_pulse(current: Pulse, period: f64, samples: Samples<'_>) -> Option<Pulse> {
    let half = (period / 2.0).round() as i64;
    let here = current.time.round() as i64;
    let pattern = samples.get(here - half..here + half + 1)?;
    let correlation = |lag: i64| {
        Some(correlate(pattern, samples.get(here + lag - half..here + lag + half + 1)?))
            .filter(|r| r.is_finite())
    };
    let lags = (SEARCHED.start * period).floor() as i64..(SEARCHED.end * period).ceil() as i64 + 1;
    let (mut best, mut highest) = (lags.start, f64::NEG_INFINITY);
    for lag in lags {
        let correlation = correlation(lag)?;
        if correlation > highest {
            (best, highest) = (lag, correlation);
        }
    }
    let step = best as f64 + vertex(correlation(best - 1)?, highest, correlation(best + 1)?);
    let time = current.time + step;
    let amplitude = amplitude(time, period, samples)?;
    Some(Pulse { time, period: (highest > ALIKE).then_some(step), amplitude })
}

/// Normalised correlation, -1 to 1. Not a number if one of the two is silent.
fn correlate(one: &[f32], other: &[f32]) -> f64 {
    let (mut product, mut power, mut other_power) = (0.0, 0.0, 0.0);
    for (x, y) in one.iter().zip(other) {
        let (x, y) = (f64::from(*x), f64::from(*y));
        product += x * y;
        power += x * x;
        other_power += y * y;
    }
    product / (power * other_power).sqrt()
}

/// Root mean square around a pulse.
fn amplitude(time: f64, period: f64, samples: Samples<'_>) -> Option<f64> {
    let reach = AMPLITUDE_REACH * period;
    let first = (time - reach).ceil() as i64;
    let around = samples.get(first..(time + reach).floor() as i64 + 1)?;
    let (mut sum, mut weights) = (0.0, 0.0);
    for (place, sample) in (first..).zip(around) {
        let weight = 0.5 + 0.5 * (TAU / 2.0 * (place as f64 - time) / reach).cos();
        sum += (weight * f64::from(*sample)).powi(2);
        weights += weight.powi(2);
    }
    Some((sum / weights).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cycles of these lengths in samples and of these amplitudes, each a damped oscillation that begins with a peak between
    /// samples.
    fn voice(cycles: &[(f64, f64)]) -> Vec<f32> {
        let length: f64 = cycles.iter().map(|(period, _)| period).sum();
        let mut signal = vec![0.0; length as usize];
        let mut time = 0.0;
        for (period, amplitude) in cycles {
            for (n, sample) in signal.iter_mut().enumerate() {
                let distance = n as f64 - time;
                *sample += (amplitude * (-(distance / 4.0).powi(2)).exp()) as f32;
            }
            time += period;
        }
        signal
    }

    fn measure(signal: &[f32], f0: f64) -> Cycles {
        let samples = Samples { begin: 0, known: signal };
        let (mut tracker, mut sum) = (CycleTracker::default(), Cycles::default());
        for start in (400..signal.len() - 600).step_by(160) {
            sum += tracker.advance(Some(f0), start..start + 160, samples);
        }
        sum
    }

    #[test]
    fn a_voice_without_jitter_and_shimmer_has_none() {
        let cycles = measure(&voice(&[(123.4, 0.5); 60]), 16_000.0 / 123.4);
        assert!(cycles.jitter().unwrap() < 1e-3, "{cycles:?}");
        assert!(cycles.shimmer().unwrap() < 2e-3, "{cycles:?}");
    }

    #[test]
    fn jitter_is_the_mean_step_over_the_mean_period() {
        // Periods of 118 and 122 samples in turn: each step is 4 samples of 120.
        let periods: Vec<_> = (0..60).map(|n| (if n % 2 == 0 { 118.0 } else { 122.0 }, 0.5)).collect();
        let cycles = measure(&voice(&periods), 16_000.0 / 120.0);
        assert!((cycles.jitter().unwrap() - 4.0 / 120.0).abs() < 2e-3, "{cycles:?}");
    }

    #[test]
    fn shimmer_is_the_mean_step_over_the_mean_amplitude() {
        let amplitudes: Vec<_> = (0..60).map(|n| (120.0, if n % 2 == 0 { 0.45 } else { 0.55 })).collect();
        let cycles = measure(&voice(&amplitudes), 16_000.0 / 120.0);
        assert!((cycles.shimmer().unwrap() - 0.2).abs() < 0.01, "{cycles:?}");
        assert!(cycles.jitter().unwrap() < 1e-3, "{cycles:?}");
    }

    /// As `Sound_getHannWindowedRms` of Praat: the window is applied to the samples, before they are squared.
    #[test]
    fn the_amplitude_is_that_of_the_windowed_samples() {
        let mut signal = vec![0.0; 200];
        signal[100] = 1.0;
        // 20 samples to either side: the squares of the window sum up to 3/8 of 40.
        let found = amplitude(100.0, 100.0, Samples { begin: 0, known: &signal }).unwrap();
        assert!((found - 1.0 / 15.0_f64.sqrt()).abs() < 1e-9, "{found}");
    }

    #[test]
    fn silence_has_no_cycles() {
        let cycles = measure(&[0.0; 4000], 100.0);
        assert_eq!((cycles.jitter(), cycles.shimmer()), (None, None));
    }
}
