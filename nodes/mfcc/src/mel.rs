//! Triangular filters, equally spaced on the mel scale.

use crate::config::{Config, MelScale, Triangles};
use crate::lanes::{LANES, dot};

/// Mel filters, each stored from its first to its last bin with a weight.
pub struct MelFilterbank {
    filters: Vec<Filter>,
}

struct Filter {
    first_bin: usize,
    /// Padded with zeros to a multiple of [`LANES`].
    weights: Vec<f32>,
}

impl MelFilterbank {
    pub fn new(config: &Config) -> Self {
        let (low, high) = (
            hertz_to_mel(config.mel_scale, f64::from(config.low_hz)),
            hertz_to_mel(config.mel_scale, f64::from(config.high_hz)),
        );
        let step = (high - low) / (config.mels + 1) as f64;
        let corner = |n: usize| low + step * n as f64;
        let filter = |n: usize| Filter::new(config, [corner(n), corner(n + 1), corner(n + 2)]);
        Self { filters: (0..config.mels).map(filter).collect() }
    }

    /// Weighted sums of the spectrum's bins; `bins` ends in [`LANES`] zeros.
    pub fn apply(&self, bins: &[f32], energies: &mut [f32]) {
        for (energy, filter) in energies.iter_mut().zip(&self.filters) {
            let bins = bins.get(filter.first_bin..).unwrap_or_default();
            *energy = dot(bins, &filter.weights);
        }
    }

    /// Filters so narrow that no bin falls into them.
    pub fn empty_filters(&self) -> usize {
        self.filters.iter().filter(|filter| filter.weights.is_empty()).count()
    }
}

impl Filter {
    /// A filter that rises from the first corner to the second and falls to the third, all in mel.
    fn new(config: &Config, corners: [f64; 3]) -> Self {
        let bin_hz = f64::from(config.sample_rate) / config.fft_length() as f64;
        let hertz = corners.map(|mel| mel_to_hertz(config.mel_scale, mel));
        let height = if config.area_normalised { 2.0 / (hertz[2] - hertz[0]) } else { 1.0 };
        let weight = |bin: usize| {
            let frequency = bin as f64 * bin_hz;
            height
                * match config.triangles {
                    Triangles::Hertz => triangle(frequency, hertz),
                    Triangles::Mel => triangle(hertz_to_mel(config.mel_scale, frequency), corners),
                }
        };
        let weights: Vec<f64> = (0..=config.fft_length() / 2).map(weight).collect();
        let first_bin = weights.iter().take_while(|&&w| w == 0.0).count();
        let mut weights: Vec<f32> =
            weights.iter().skip(first_bin).take_while(|&&w| w > 0.0).map(|&w| w as f32).collect();
        weights.resize(weights.len().next_multiple_of(LANES), 0.0);
        Self { first_bin, weights }
    }
}

fn triangle(x: f64, [left, centre, right]: [f64; 3]) -> f64 {
    ((x - left) / (centre - left)).min((right - x) / (right - centre)).max(0.0)
}

/// Slope and corner of Slaney's scale: 3 mel for 200 Hz below 1 kHz, then 27 mel for each factor of 6.4.
const SLANEY_HERTZ_PER_MEL: f64 = 200.0 / 3.0;
const SLANEY_CORNER_HERTZ: f64 = 1000.0;
const SLANEY_CORNER_MEL: f64 = SLANEY_CORNER_HERTZ / SLANEY_HERTZ_PER_MEL;

fn slaney_log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn hertz_to_mel(scale: MelScale, hertz: f64) -> f64 {
    match scale {
        MelScale::Htk => 2595.0 * (1.0 + hertz / 700.0).log10(),
        MelScale::Slaney if hertz < SLANEY_CORNER_HERTZ => hertz / SLANEY_HERTZ_PER_MEL,
        MelScale::Slaney => SLANEY_CORNER_MEL + (hertz / SLANEY_CORNER_HERTZ).ln() / slaney_log_step(),
    }
}

fn mel_to_hertz(scale: MelScale, mel: f64) -> f64 {
    match scale {
        MelScale::Htk => 700.0 * (10.0_f64.powf(mel / 2595.0) - 1.0),
        MelScale::Slaney if mel < SLANEY_CORNER_MEL => mel * SLANEY_HERTZ_PER_MEL,
        MelScale::Slaney => SLANEY_CORNER_HERTZ * ((mel - SLANEY_CORNER_MEL) * slaney_log_step()).exp(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Preset;

    #[test]
    fn scales_have_their_known_points_and_invert() {
        assert!((hertz_to_mel(MelScale::Htk, 1000.0) - 999.985_5).abs() < 1e-3);
        assert!((hertz_to_mel(MelScale::Slaney, 6400.0) - 42.0).abs() < 1e-9);
        for scale in [MelScale::Htk, MelScale::Slaney] {
            for hertz in [0.0, 80.0, 999.0, 1001.0, 7999.0] {
                assert!((mel_to_hertz(scale, hertz_to_mel(scale, hertz)) - hertz).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn filters_that_hold_no_bin_are_counted() {
        let empty =
            |preset: Preset, mels| MelFilterbank::new(&Config { mels, ..preset.config() }).empty_filters();
        assert_eq!(empty(Preset::Kaldi, 40), 0);
        assert!(empty(Preset::Torchaudio, 128) > 0);
    }
}
