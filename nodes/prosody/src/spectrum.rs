//! The spectrum of a frame, and what is read from it and from its inverse, the autocorrelation.

use std::f64::consts::{PI, TAU};
use std::ops::RangeInclusive;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use undertone_messages::SAMPLE_RATE;

use crate::FRAME;
use crate::candidates::vertex;

/// Points of the transform: twice the frame, so that the autocorrelation does not wrap around.
const POINTS: usize = 2 * FRAME;
/// Distance of two bins of the spectrum in hertz.
const BIN_HZ: f64 = SAMPLE_RATE as f64 / POINTS as f64;
/// Bins of the spectrum between a peak of the window and its first zero: what is closer to 0 Hz is the frame's mean,
/// which has been taken out.
const MAIN_LOBE: usize = 2 * POINTS / FRAME;
/// Power below this, relative to a sine of full scale, is not looked at more closely: -120 dB.
const FLOOR: f64 = 1e-12;
/// Samples on either side of a point of the autocorrelation that its interpolation takes.
pub const SINC_REACH: usize = 32;
/// Steps from one sample of the autocorrelation to the next, among which the peak is looked for.
const STEPS: usize = 8;
/// Shares of the power that is periodic beyond which a ratio says nothing: -20 to 60 dB.
const PERIODIC: RangeInclusive<f64> = 0.01..=0.999_999;

/// What a spectrum looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Mean of the frequency, weighted by magnitude, in hertz.
    pub centroid: f64,
    /// Slope of the logarithmic power spectrum up to 500 Hz in dB per kHz.
    pub slope_low: f64,
    /// The same from 500 to 1500 Hz.
    pub slope_high: f64,
    /// Euclidean distance from the spectrum of the frame before, both of magnitudes scaled to a norm of 1: 0 to √2. `None`
    /// in the first frame.
    pub flux: Option<f64>,
}

/// Looks at one frame at a time.
pub struct SpectrumAnalyser {
    window: Vec<f64>,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
    input: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    magnitudes: Vec<f64>,
    /// Of the frame before, scaled to a norm of 1; empty if there is none.
    before: Vec<f64>,
    products: Vec<f64>,
    /// The autocorrelation of the window, 1 at lag 0.
    window_products: Vec<f64>,
}

impl SpectrumAnalyser {
    pub fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(POINTS), planner.plan_fft_inverse(POINTS));
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        let window = |n: usize| 0.5 - 0.5 * (TAU * (n as f64 + 0.5) / FRAME as f64).cos();
        Self {
            window: (0..FRAME).map(window).collect(),
            input: forward.make_input_vec(),
            spectrum: forward.make_output_vec(),
            scratch: vec![Complex::default(); scratch],
            magnitudes: vec![0.0; POINTS / 2 + 1],
            before: Vec::with_capacity(POINTS / 2 + 1),
            products: inverse.make_output_vec(),
            window_products: (0..FRAME).map(|lag| window_autocorrelation(lag as f64)).collect(),
            forward,
            inverse,
        }
    }

    /// Forgets the frame before.
    pub fn reset(&mut self) {
        self.before.clear();
    }

    /// Takes a frame without its mean. `None` for silence.
    pub fn analyse(&mut self, frame: &[f64]) -> Option<Shape> {
        let (filled, padding) = self.input.split_at_mut(FRAME);
        for ((input, sample), weight) in filled.iter_mut().zip(frame).zip(&self.window) {
            *input = sample * weight;
        }
        padding.fill(0.0);
        #[expect(
            clippy::expect_used,
            reason = "the plan itself made the buffers that it checks the lengths of"
        )]
        self.forward
            .process_with_scratch(&mut self.input, &mut self.spectrum, &mut self.scratch)
            .expect("buffers have the plan's lengths");
        for (magnitude, value) in self.magnitudes.iter_mut().zip(&self.spectrum) {
            *magnitude = value.norm_sqr().sqrt();
        }
        let sum: f64 = self.magnitudes.iter().sum();
        let norm = self.magnitudes.iter().map(|x| x * x).sum::<f64>().sqrt();
        // The window's sum is half its length, and a sine's peak half of that.
        if norm < FRAME as f64 / 4.0 * FLOOR.sqrt() {
            self.before.clear();
            return None;
        }
        let weighted = self.magnitudes.iter().enumerate().map(|(bin, x)| bin as f64 * BIN_HZ * x);
        let shape = Shape {
            centroid: weighted.sum::<f64>() / sum,
            slope_low: self.slope(MAIN_LOBE, 500.0),
            slope_high: self.slope((500.0 / BIN_HZ) as usize, 1500.0),
            flux: (!self.before.is_empty()).then(|| {
                let changes =
                    self.magnitudes.iter().zip(&self.before).map(|(x, before)| (x / norm - before).powi(2));
                changes.sum::<f64>().sqrt()
            }),
        };
        self.before.clear();
        self.before.extend(self.magnitudes.iter().map(|x| x / norm));
        Some(shape)
    }

    /// Slope of the regression line through the power in dB, from the bin `first` up to `high` Hz, in dB per kHz.
    fn slope(&self, first: usize, high: f64) -> f64 {
        let floor = (FRAME as f64 / 4.0).powi(2) * FLOOR;
        let points = || {
            let bins = self.magnitudes.iter().enumerate().skip(first);
            let in_khz = bins.map(|(bin, magnitude)| (bin as f64 * BIN_HZ / 1000.0, magnitude));
            in_khz
                .take_while(|(khz, _)| *khz <= high / 1000.0)
                .map(|(khz, magnitude)| (khz, 10.0 * (magnitude * magnitude).max(floor).log10()))
        };
        let count = points().count() as f64;
        let (sum_x, sum_y) = points().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (covariance, variance) = points().fold((0.0, 0.0), |(covariance, variance), (x, y)| {
            (covariance + (x - mean_x) * (y - mean_y), variance + (x - mean_x).powi(2))
        });
        covariance / variance
    }

    /// The autocorrelation of the frame that was analysed last, of which the window's is taken out (Boersma 1993, see
    /// [`harmonics_to_noise`]): 1 at lag 0, and so many lags as `values` has room for. Nothing is left of the frame's
    /// spectrum.
    pub fn autocorrelation(&mut self, values: &mut [f64]) {
        for value in &mut self.spectrum {
            *value = Complex::new(value.norm_sqr(), 0.0);
        }
        #[expect(
            clippy::expect_used,
            reason = "the plan itself made the buffers that it checks the lengths of"
        )]
        self.inverse
            .process_with_scratch(&mut self.spectrum, &mut self.products, &mut self.scratch)
            .expect("buffers have the plan's lengths, and the powers are real");
        let power = self.products.first().copied().unwrap_or_default();
        for ((value, product), window) in values.iter_mut().zip(&self.products).zip(&self.window_products) {
            *value = if power > 0.0 { product / power / window } else { 0.0 };
        }
    }
}

/// The autocorrelation of a Hann window of [`FRAME`] samples (Boersma 1993, equation 8).
fn window_autocorrelation(lag: f64) -> f64 {
    let x = lag / FRAME as f64;
    (1.0 - x) * (2.0 / 3.0 + (TAU * x).cos() / 3.0) + (TAU * x).sin() / TAU
}

/// Harmonics-to-noise ratio in dB of a frame with this autocorrelation, whose period is about `period` samples: 10·log₁₀
/// of r / (1 - r), where r is the height of the peak at the period. -20 to 60.
///
/// Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
/// sound", Proceedings of the Institute of Phonetic Sciences 17, Amsterdam, 1993. As there, the peak is interpolated by a
/// windowed sinc.
pub fn harmonics_to_noise(autocorrelation: &[f64], period: f64) -> f64 {
    let near = (period * 0.9).floor() as usize..(period * 1.1).ceil() as usize + 1;
    let lags = autocorrelation.iter().enumerate().skip(near.start).take(near.len());
    let (highest, _) =
        lags.fold(
            (near.start, f64::NEG_INFINITY),
            |best, (lag, value)| {
                if *value > best.1 { (lag, *value) } else { best }
            },
        );
    let at = |step: f64| interpolate(autocorrelation, highest as f64 + step / STEPS as f64);
    let steps = STEPS as i32;
    let (place, _) = (1 - steps..steps)
        .map(|step| (step, at(f64::from(step))))
        .fold((0, f64::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best });
    let place = f64::from(place);
    let r = at(place + vertex(at(place - 1.0), at(place), at(place + 1.0)));
    let r = r.clamp(*PERIODIC.start(), *PERIODIC.end());
    10.0 * (r / (1.0 - r)).log10()
}

/// The value between samples, by a sinc under a Hann window. The values are symmetrical around the first.
fn interpolate(values: &[f64], place: f64) -> f64 {
    let nearest = place.floor();
    let fraction = place - nearest;
    let value = |offset: i64| {
        let index = (nearest as i64 + offset).unsigned_abs() as usize;
        values.get(index).copied().unwrap_or_default()
    };
    if fraction == 0.0 {
        return value(0);
    }
    let reach = SINC_REACH as i64;
    // sin(π(x - n)) is sin(πx), but for its sign.
    let sine = (PI * fraction).sin();
    let term = |offset: i64| {
        let distance = fraction - offset as f64;
        let sine = if offset % 2 == 0 { sine } else { -sine };
        let weight = 0.5 + 0.5 * (PI * distance / (SINC_REACH as f64 + 1.0)).cos();
        value(offset) * weight * sine / (PI * distance)
    };
    (1 - reach..=reach).map(term).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hertz: f64) -> Vec<f64> {
        (0..FRAME).map(|n| (TAU * hertz * n as f64 / f64::from(SAMPLE_RATE)).sin()).collect()
    }

    #[test]
    fn the_centroid_of_a_sine_is_its_frequency() {
        let mut analyser = SpectrumAnalyser::new();
        let shape = analyser.analyse(&sine(1000.0)).unwrap();
        assert!((shape.centroid - 1000.0).abs() < 15.0, "{shape:?}");
        assert_eq!(shape.flux, None);
        assert!(analyser.analyse(&sine(1000.0)).unwrap().flux.unwrap() < 1e-9);
        let changed = analyser.analyse(&sine(3000.0)).unwrap().flux.unwrap();
        assert!((changed - 2.0_f64.sqrt()).abs() < 1e-3, "{changed}");
    }

    #[test]
    fn the_slope_is_that_of_the_spectrum() {
        let mut analyser = SpectrumAnalyser::new();
        // Harmonics of 50 Hz, each 20 dB a kHz less than the one before it: their tops have this slope, and so do the
        // valleys between them, which the window fills.
        let amplitude = |hertz: f64| 10_f64.powf(-hertz / 1000.0);
        let frame: Vec<f64> = (0..FRAME)
            .map(|n| {
                let time = n as f64 / f64::from(SAMPLE_RATE);
                (1..100).map(|k| f64::from(k) * 50.0).map(|f| amplitude(f) * (TAU * f * time).sin()).sum()
            })
            .collect();
        let shape = analyser.analyse(&frame).unwrap();
        assert!((shape.slope_high + 20.0).abs() < 2.0, "{shape:?}");
    }

    #[test]
    fn silence_has_no_shape() {
        assert_eq!(SpectrumAnalyser::new().analyse(&[0.0; FRAME]), None);
    }

    #[test]
    fn the_ratio_is_that_of_the_powers() {
        let mut analyser = SpectrumAnalyser::new();
        let mut values = vec![0.0; 400];
        let mut ratio = |frame: &[f64], period| {
            analyser.analyse(frame).unwrap();
            analyser.autocorrelation(&mut values);
            harmonics_to_noise(&values, period)
        };
        let harmonics: Vec<f64> = (0..FRAME)
            .map(|n| (1..20).map(|k| (f64::from(k) * 0.0513 * n as f64).cos()).sum::<f64>())
            .collect();
        assert!(ratio(&harmonics, TAU / 0.0513) > 30.0);
        // White noise by a linear congruential generator (Numerical Recipes), scaled to the ratio.
        let mut state = 1_u32;
        let noise: Vec<f64> = (0..FRAME)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f64::from(state >> 8) / f64::from(1 << 23) - 1.0
            })
            .collect();
        let power = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
        for expected in [20.0, 10.0, 5.0] {
            let scale = (power(&harmonics) / power(&noise) / 10_f64.powf(expected / 10.0)).sqrt();
            let mixed: Vec<f64> = harmonics.iter().zip(&noise).map(|(x, n)| x + scale * n).collect();
            let measured = ratio(&mixed, TAU / 0.0513);
            assert!((measured - expected).abs() < 1.5, "{expected} dB: {measured}");
        }
    }
}
