//! Running mean and variance normalisation.

use crate::config::Normalise;

/// Keeps the statistics of every row since its making or the last [`Self::reset`].
pub struct Normaliser {
    kind: Normalise,
    rows: u32,
    mean: Vec<f32>,
    variance: Vec<f32>,
}

/// Below this a coefficient is taken to be constant.
const LEAST_VARIANCE: f32 = 1e-10;

impl Normaliser {
    pub fn new(kind: Normalise, width: usize) -> Self {
        Self { kind, rows: 0, mean: vec![0.0; width], variance: vec![0.0; width] }
    }

    pub fn reset(&mut self) {
        self.rows = 0;
        self.mean.fill(0.0);
        self.variance.fill(0.0);
    }

    /// Takes the row into the statistics and normalises it by them.
    pub fn apply(&mut self, row: &mut [f32]) {
        let (frames, by_variance) = match self.kind {
            Normalise::None => return,
            Normalise::Mean { frames } => (frames, false),
            Normalise::MeanVariance { frames } => (frames, true),
        };
        self.rows = (self.rows + 1).min(frames);
        let weight = 1.0 / self.rows as f32;
        for ((x, mean), variance) in row.iter_mut().zip(&mut self.mean).zip(&mut self.variance) {
            // West (1979), "Updating mean and variance estimates: an improved method", with a least weight.
            let distance = *x - *mean;
            *mean += weight * distance;
            *variance = (1.0 - weight) * (*variance + weight * distance * distance);
            *x -= *mean;
            if by_variance {
                *x /= variance.max(LEAST_VARIANCE).sqrt();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Last of the rows 1, 2, … 8 after normalisation with the time constant `frames`.
    fn last(kind: Normalise) -> f32 {
        let mut normaliser = Normaliser::new(kind, 1);
        let mut row = [0.0];
        for x in 1..=8 {
            row = [x as f32];
            normaliser.apply(&mut row);
        }
        row[0]
    }

    #[test]
    fn within_the_time_constant_it_is_the_plain_mean_and_variance() {
        // Mean 4.5, variance 5.25.
        assert!((last(Normalise::Mean { frames: 100 }) - 3.5).abs() < 1e-6);
        assert!((last(Normalise::MeanVariance { frames: 100 }) - 3.5 / 5.25_f32.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn beyond_it_old_rows_are_forgotten() {
        let forgetting = last(Normalise::Mean { frames: 2 });
        assert!(
            (forgetting - 1.0).abs() < 0.02,
            "the mean of a ramp of slope 1 lags by about 1: {forgetting}"
        );
    }

    #[test]
    fn the_first_row_and_constant_rows_become_zero() {
        let mut normaliser = Normaliser::new(Normalise::MeanVariance { frames: 10 }, 2);
        for _ in 0..3 {
            let mut row = [7.0, -3.0];
            normaliser.apply(&mut row);
            assert_eq!(row, [0.0, 0.0]);
        }
    }
}
