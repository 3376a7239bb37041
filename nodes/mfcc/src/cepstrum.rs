//! From mel energies to cepstral coefficients.

use std::f64::consts::PI;

use crate::config::{Config, Dct, Lifter, Log};

/// Coefficients that are computed side by side.
const BLOCK: usize = 16;

/// Logarithm, DCT-II and liftering; the latter two are one matrix.
pub struct Cepstrum {
    log_scale: f32,
    floor: f32,
    mels: usize,
    /// [blocks of coefficients][mel] of [`BLOCK`] coefficients, the last block padded with zeros.
    matrix: Vec<[f32; BLOCK]>,
    zeroth: usize,
}

impl Cepstrum {
    pub fn new(config: &Config) -> Self {
        let (log_scale, floor) = match config.log {
            Log::Natural { floor } => (1.0, floor),
            Log::Decibel { floor } => (10.0 / std::f32::consts::LN_10, floor),
        };
        let blocks = config.coefficients.div_ceil(BLOCK);
        let entry = |block: usize, mel: usize| {
            std::array::from_fn(|lane| matrix_entry(config, block * BLOCK + lane, mel) as f32)
        };
        let matrix = (0..blocks)
            .flat_map(|block| (0..config.mels).map(move |mel| (block, mel)))
            .map(|(b, m)| entry(b, m));
        let zeroth = match config.dct {
            Dct::Ortho => 0,
            Dct::Htk => config.coefficients - 1,
        };
        Self { log_scale, floor, mels: config.mels, matrix: matrix.collect(), zeroth }
    }

    /// Place of the zeroth coefficient in a row.
    pub fn zeroth(&self) -> usize {
        self.zeroth
    }

    /// Turns `energies` into their logarithms and these into coefficients.
    pub fn apply(&self, energies: &mut [f32], coefficients: &mut [f32]) {
        for energy in energies.iter_mut() {
            *energy = energy.max(self.floor).ln() * self.log_scale;
        }
        for (coefficients, block) in coefficients.chunks_mut(BLOCK).zip(self.matrix.chunks_exact(self.mels)) {
            let mut sums = [0.0; BLOCK];
            for (log_energy, weights) in energies.iter().zip(block) {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += log_energy * weight;
                }
            }
            coefficients.copy_from_slice(sums.get(..coefficients.len()).unwrap_or_default());
        }
    }
}

/// Weight of a mel filter's logarithm in the coefficient at `place` of a row: DCT-II times lifter, 0 beyond the row.
fn matrix_entry(config: &Config, place: usize, mel: usize) -> f64 {
    if place >= config.coefficients {
        return 0.0;
    }
    let n = match config.dct {
        Dct::Ortho => place,
        Dct::Htk => (place + 1) % config.coefficients,
    };
    let mels = config.mels as f64;
    let size = if n == 0 && config.dct == Dct::Ortho { (1.0 / mels).sqrt() } else { (2.0 / mels).sqrt() };
    size * (PI * n as f64 * (mel as f64 + 0.5) / mels).cos() * lifter(config.lifter, n)
}

fn lifter(lifter: Lifter, n: usize) -> f64 {
    let weight = |l: f64, n: usize| 1.0 + l / 2.0 * (PI * n as f64 / l).sin();
    match lifter {
        Lifter::None => 1.0,
        Lifter::Htk(l) => weight(f64::from(l), n),
        Lifter::Librosa(l) => weight(f64::from(l), n + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Preset;

    #[test]
    fn the_transform_is_orthonormal_without_a_lifter() {
        let config = Config { lifter: Lifter::None, ..Preset::Kaldi.config() };
        for a in 0..config.coefficients {
            for b in 0..config.coefficients {
                let product: f64 =
                    (0..config.mels).map(|m| matrix_entry(&config, a, m) * matrix_entry(&config, b, m)).sum();
                assert!((product - f64::from(a == b)).abs() < 1e-9, "rows {a} and {b}: {product}");
            }
        }
    }

    #[test]
    fn energies_below_the_floor_count_as_the_floor() {
        let cepstrum = Cepstrum::new(&Preset::Htk.config());
        let row = |energy: f32| {
            let mut row = vec![0.0; 40];
            cepstrum.apply(&mut [energy; 40], &mut row);
            row
        };
        assert_eq!(row(0.01), row(1.0));
        assert_ne!(row(2.0), row(1.0));
    }
}
