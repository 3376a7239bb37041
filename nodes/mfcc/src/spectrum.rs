//! From a frame of samples to its power or magnitude spectrum.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex};

use crate::config::{Config, Spectrum};
use crate::lanes::{LANES, sum};
use crate::window::window;

/// Short-time spectrum of one frame at a time.
pub struct SpectrumAnalyser {
    /// The window times the sample scale.
    window: Vec<f32>,
    pre_emphasis: f32,
    remove_dc: bool,
    energy_scale: f32,
    kind: Spectrum,
    fft: Arc<dyn RealToComplex<f32>>,
    input: Vec<f32>,
    output: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    /// Bins 0 to N/2, then zeros for the lanes of the mel filters.
    bins: Vec<f32>,
}

impl SpectrumAnalyser {
    pub fn new(config: &Config) -> Self {
        let fft = RealFftPlanner::new().plan_fft_forward(config.fft_length());
        let output = fft.make_output_vec();
        Self {
            window: window(config.window, config.frame_length)
                .iter()
                .map(|w| (w * f64::from(config.scale)) as f32)
                .collect(),
            pre_emphasis: config.pre_emphasis,
            remove_dc: config.remove_dc,
            energy_scale: config.scale * config.scale,
            kind: config.spectrum,
            input: fft.make_input_vec(),
            scratch: fft.make_scratch_vec(),
            bins: vec![0.0; output.len() + LANES],
            output,
            fft,
        }
    }

    /// The frame's mean, if it is to be removed.
    pub fn offset(&self, frame: &[f32]) -> f32 {
        if self.remove_dc { sum(frame, |x| x) / frame.len() as f32 } else { 0.0 }
    }

    /// Natural logarithm of the frame's energy at the configured scale, at least ln(1.19e-7) as in Kaldi.
    pub fn log_energy(&self, frame: &[f32], offset: f32) -> f32 {
        (sum(frame, |x| (x - offset) * (x - offset)) * self.energy_scale).max(f32::EPSILON).ln()
    }

    /// Bins 0 to N/2 of the spectrum, followed by [`LANES`] zeros.
    pub fn analyse(&mut self, frame: &[f32], offset: f32) -> &[f32] {
        self.fill_input(frame, offset);
        #[expect(
            clippy::expect_used,
            reason = "the plan itself made the buffers that it checks the lengths of"
        )]
        self.fft
            .process_with_scratch(&mut self.input, &mut self.output, &mut self.scratch)
            .expect("buffers have the plan's lengths");
        let squared = self.output.iter().map(|x| x.re * x.re + x.im * x.im);
        match self.kind {
            Spectrum::Power => self.bins.iter_mut().zip(squared).for_each(|(bin, x)| *bin = x),
            Spectrum::Magnitude => self.bins.iter_mut().zip(squared).for_each(|(bin, x)| *bin = x.sqrt()),
        }
        &self.bins
    }

    /// Mean removal, pre-emphasis and window in one pass: (x[n] - m) - c·(x[n-1] - m) = x[n] - c·x[n-1] - (1 - c)·m.
    fn fill_input(&mut self, frame: &[f32], offset: f32) {
        let c = self.pre_emphasis;
        let offset = (1.0 - c) * offset;
        let (windowed, padding) = self.input.split_at_mut(frame.len());
        padding.fill(0.0);
        let (Some((y, rest)), Some((w, window)), Some(x)) =
            (windowed.split_first_mut(), self.window.split_first(), frame.first())
        else {
            return;
        };
        *y = (x - c * x - offset) * w;
        for ((y, w), [before, x]) in rest.iter_mut().zip(window).zip(frame.array_windows::<2>()) {
            *y = (x - c * before - offset) * w;
        }
    }
}
