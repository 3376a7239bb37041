//! Slopes of the coefficients over time.

use crate::config::{DeltaRule, Deltas};

/// Appends deltas to rows of coefficients; each row waits until the later rows that its slopes need have come.
pub struct DeltaAppender {
    rule: DeltaRule,
    order: usize,
    radius: usize,
    /// Rows before and after that a row's deltas depend on.
    reach: usize,
    width: usize,
    /// Weights of the rows -radius to radius, for the first order and for a second order over the first.
    slope: Vec<f32>,
    /// Weights of the rows around for a second order straight from the coefficients.
    curvature: Vec<f32>,
    /// The last 2 · reach + 1 rows; row t is at t modulo that number.
    history: Vec<f32>,
    received: usize,
    emitted: usize,
}

impl DeltaAppender {
    pub fn new(deltas: Deltas, width: usize) -> Self {
        let Deltas { order, radius, rule } = deltas;
        let slope = slope(radius);
        let curvature = match rule {
            DeltaRule::Regression => Vec::new(),
            DeltaRule::Kaldi => convolve(&slope, &slope),
            DeltaRule::SavitzkyGolay => curvature(radius),
        };
        let reach = match rule {
            DeltaRule::SavitzkyGolay => radius * order.min(1),
            DeltaRule::Regression | DeltaRule::Kaldi => radius * order,
        };
        Self {
            rule,
            order,
            radius,
            reach,
            width,
            slope: slope.iter().map(|&x| x as f32).collect(),
            curvature: curvature.iter().map(|&x| x as f32).collect(),
            history: vec![0.0; (2 * reach + 1) * width],
            received: 0,
            emitted: 0,
        }
    }

    pub fn reset(&mut self) {
        self.received = 0;
        self.emitted = 0;
    }

    /// Takes a row and appends to `out` what is now complete.
    pub fn push(&mut self, row: &[f32], out: &mut Vec<f32>) {
        if self.order == 0 {
            out.extend_from_slice(row);
            return;
        }
        let place = self.received % (2 * self.reach + 1) * self.width;
        if let Some(kept) = self.history.get_mut(place..place + self.width) {
            kept.copy_from_slice(row);
        }
        self.received += 1;
        while self.received > self.last_row_needed(self.emitted) {
            self.emit(out);
        }
    }

    /// Appends the rows that were waiting, now that no more come.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        while self.emitted < self.received {
            self.emit(out);
        }
        self.reset();
    }

    fn last_row_needed(&self, t: usize) -> usize {
        match self.rule {
            DeltaRule::SavitzkyGolay => t.max(self.reach) + self.reach,
            DeltaRule::Regression | DeltaRule::Kaldi => t + self.reach,
        }
    }

    fn emit(&mut self, out: &mut Vec<f32>) {
        let t = self.emitted;
        self.emitted += 1;
        out.extend_from_slice(self.row(t as isize));
        let centre = self.centre(t);
        let start = out.len();
        out.resize(start + self.order * self.width, 0.0);
        let mut orders = out.get_mut(start..).unwrap_or_default().chunks_exact_mut(self.width);
        if let Some(delta) = orders.next() {
            self.add_weighted(delta, &self.slope, self.radius, centre, 1.0);
        }
        let Some(acceleration) = orders.next() else { return };
        match self.rule {
            DeltaRule::Regression => {
                for (offset, &weight) in (-(self.radius as isize)..).zip(&self.slope) {
                    let around = self.clamp(centre + offset);
                    self.add_weighted(acceleration, &self.slope, self.radius, around, weight);
                }
            }
            DeltaRule::Kaldi | DeltaRule::SavitzkyGolay => {
                self.add_weighted(acceleration, &self.curvature, self.reach, centre, 1.0);
            }
        }
    }

    /// The row around which the slopes of row `t` are taken.
    fn centre(&self, t: usize) -> isize {
        let whole_window = self.received > 2 * self.reach;
        match self.rule {
            DeltaRule::SavitzkyGolay if whole_window => {
                t.clamp(self.reach, self.received - 1 - self.reach) as isize
            }
            _ => t as isize,
        }
    }

    /// Adds to `sums` the rows around `centre` with the given weights.
    fn add_weighted(&self, sums: &mut [f32], weights: &[f32], radius: usize, centre: isize, scale: f32) {
        for (offset, weight) in (-(radius as isize)..).zip(weights) {
            let row = self.row(self.clamp(centre + offset));
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum += scale * weight * x;
            }
        }
    }

    fn clamp(&self, t: isize) -> isize {
        t.clamp(0, self.received as isize - 1)
    }

    fn row(&self, t: isize) -> &[f32] {
        let place = t.unsigned_abs() % (2 * self.reach + 1) * self.width;
        self.history.get(place..place + self.width).unwrap_or_default()
    }
}

/// Regression slope: j / Σj² for j from -radius to radius (HTK Book 3.4, equation 5.16).
fn slope(radius: usize) -> Vec<f64> {
    let radius = radius as isize;
    let norm: f64 = (-radius..=radius).map(|j| (j * j) as f64).sum();
    (-radius..=radius).map(|j| j as f64 / norm).collect()
}

/// Second derivative of the parabola fitted to 2 · radius + 1 points: 2(j² - mean) / Σ(j² - mean)².
fn curvature(radius: usize) -> Vec<f64> {
    let squares: Vec<f64> = (-(radius as isize)..=radius as isize).map(|j| (j * j) as f64).collect();
    let mean = squares.iter().sum::<f64>() / squares.len() as f64;
    let norm: f64 = squares.iter().map(|s| (s - mean) * (s - mean)).sum();
    squares.iter().map(|s| 2.0 * (s - mean) / norm).collect()
}

fn convolve(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; a.len() + b.len() - 1];
    for (shift, x) in a.iter().enumerate() {
        for (sum, y) in sums.iter_mut().skip(shift).zip(b) {
            *sum += x * y;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rule: DeltaRule, order: usize, radius: usize, values: impl IntoIterator<Item = f32>) -> Vec<f32> {
        let mut appender = DeltaAppender::new(Deltas { order, radius, rule }, 1);
        let mut out = Vec::new();
        for x in values {
            appender.push(&[x], &mut out);
        }
        appender.finish(&mut out);
        out
    }

    #[test]
    fn a_parabola_has_its_derivatives_inside() {
        for rule in [DeltaRule::Regression, DeltaRule::Kaldi, DeltaRule::SavitzkyGolay] {
            let out = rows(rule, 2, 2, (0..20).map(|t| (t * t) as f32));
            let [x, delta, acceleration] = out.as_chunks::<3>().0[10];
            assert_eq!(x, 100.0);
            assert!((delta - 20.0).abs() < 1e-4, "{rule:?}: {delta}");
            assert!((acceleration - 2.0).abs() < 1e-4, "{rule:?}: {acceleration}");
        }
    }

    #[test]
    fn every_row_comes_out_however_few_there_are() {
        for rule in [DeltaRule::Regression, DeltaRule::Kaldi, DeltaRule::SavitzkyGolay] {
            for n in 0..12 {
                let out = rows(rule, 2, 4, (0..n).map(|t| t as f32));
                let statics: Vec<f32> = out.iter().copied().step_by(3).collect();
                assert_eq!(statics, (0..n).map(|t| t as f32).collect::<Vec<_>>(), "{rule:?}");
            }
        }
    }
}
