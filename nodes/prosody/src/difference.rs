//! YIN's difference function, and its minima as candidates for the period.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use crate::YIN_WINDOW;

/// Points of the transforms: the window, the longest period, and no wrapping around of what is needed.
const POINTS: usize = 1024;

/// The cumulative mean normalised difference function d′ (de Cheveigné and Kawahara, "YIN, a fundamental frequency
/// estimator for speech and music", J. Acoust. Soc. Am. 111, 2002, equations 6 and 8).
pub struct Difference {
    longest: usize,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
    input: Vec<f64>,
    signal: Vec<Complex<f64>>,
    window: Vec<Complex<f64>>,
    products: Vec<f64>,
    scratch: Vec<Complex<f64>>,
    values: Vec<f64>,
}

impl Difference {
    /// For periods of up to `longest` samples.
    pub fn new(longest: usize) -> Self {
        let mut planner = RealFftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(POINTS), planner.plan_fft_inverse(POINTS));
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        Self {
            longest,
            input: forward.make_input_vec(),
            signal: forward.make_output_vec(),
            window: forward.make_output_vec(),
            products: inverse.make_output_vec(),
            scratch: vec![Complex::default(); scratch],
            values: Vec::with_capacity(longest + 1),
            forward,
            inverse,
        }
    }

    /// Samples that a frame needs.
    pub const fn span(longest: usize) -> usize {
        YIN_WINDOW + longest
    }

    /// d′ of the lags 0 to the longest period. `frame` has [`Self::span`] samples, without their mean.
    pub fn compute(&mut self, frame: &[f64]) -> &[f64] {
        let head = frame.get(..YIN_WINDOW).unwrap_or(frame);
        transform(&*self.forward, head, &mut self.input, &mut self.window, &mut self.scratch);
        transform(&*self.forward, frame, &mut self.input, &mut self.signal, &mut self.scratch);
        for (signal, window) in self.signal.iter_mut().zip(&self.window) {
            *signal = *signal * window.conj() / POINTS as f64;
        }
        #[expect(
            clippy::expect_used,
            reason = "the plan itself made the buffers that it checks the lengths of"
        )]
        self.inverse
            .process_with_scratch(&mut self.signal, &mut self.products, &mut self.scratch)
            .expect("buffers have the plan's lengths, and the ends of a real signal's spectrum are real");
        let first: f64 = head.iter().map(|x| x * x).sum();
        let mut shifted = first;
        let mut sum = 0.0;
        self.values.clear();
        self.values.push(1.0);
        let leaving = frame.iter();
        let entering = frame.iter().skip(YIN_WINDOW);
        let products = self.products.iter().skip(1);
        for (lag, ((out, into), product)) in (1..=self.longest).zip(leaving.zip(entering).zip(products)) {
            shifted += into * into - out * out;
            let difference = (first + shifted - 2.0 * product).max(0.0);
            sum += difference;
            self.values.push(if sum > 0.0 { difference * lag as f64 / sum } else { 1.0 });
        }
        &self.values
    }
}

fn transform(
    plan: &dyn RealToComplex<f64>,
    samples: &[f64],
    input: &mut [f64],
    output: &mut [Complex<f64>],
    scratch: &mut [Complex<f64>],
) {
    let (filled, padding) = input.split_at_mut(samples.len());
    filled.copy_from_slice(samples);
    padding.fill(0.0);
    #[expect(clippy::expect_used, reason = "the plan itself made the buffers that it checks the lengths of")]
    plan.process_with_scratch(input, output, scratch).expect("buffers have the plan's lengths");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_definition_says() {
        let longest = 267;
        let frame: Vec<f64> = (0..Difference::span(longest))
            .map(|n| (n as f64 * 0.11).sin() + 0.3 * (n as f64 * n as f64 * 1e-3).cos())
            .collect();
        let mut difference = Difference::new(longest);
        let computed = difference.compute(&frame).to_vec();
        let direct = |lag: usize| (0..YIN_WINDOW).map(|j| (frame[j] - frame[j + lag]).powi(2)).sum::<f64>();
        let mut sum = 0.0;
        for (lag, value) in computed.iter().enumerate().skip(1) {
            sum += direct(lag);
            let expected = direct(lag) * lag as f64 / sum;
            assert!((value - expected).abs() < 1e-9, "lag {lag}: {value} instead of {expected}");
        }
    }

    #[test]
    fn silence_repeats_nothing() {
        let mut difference = Difference::new(100);
        assert!(difference.compute(&vec![0.0; Difference::span(100)]).iter().all(|value| *value == 1.0));
    }
}
