//! Mean and deviation of values that come one by one.

/// Mean and deviation so far (Welford, "Note on a method for calculating corrected sums of squares and products",
/// Technometrics 4, 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    count: u64,
    mean: f64,
    /// Sum of squared differences from the mean.
    squares: f64,
}

impl Moments {
    /// Takes a value, if there is one.
    pub fn add(&mut self, value: Option<f64>) {
        let Some(value) = value else { return };
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    /// The arithmetic mean. `None` without values.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// The standard deviation of the values themselves, not of what they might be a sample of: the sum of squares is
    /// divided by their number. `None` without values.
    pub fn deviation(&self) -> Option<f64> {
        (self.count > 0).then(|| (self.squares / self.count as f64).sqrt())
    }
}

impl FromIterator<Option<f64>> for Moments {
    fn from_iter<I: IntoIterator<Item = Option<f64>>>(values: I) -> Self {
        let mut moments = Self::default();
        values.into_iter().for_each(|value| moments.add(value));
        moments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_those_of_all_values() {
        let moments: Moments = [Some(1.0), None, Some(2.0), Some(6.0)].into_iter().collect();
        assert_eq!(moments.mean(), Some(3.0));
        assert!((moments.deviation().unwrap() - (14.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!((Moments::default().mean(), Moments::default().deviation()), (None, None));
    }

    #[test]
    fn a_large_offset_does_not_drown_the_deviation() {
        let moments: Moments = (0..1000).map(|n| Some(1e9 + f64::from(n % 2))).collect();
        assert!((moments.deviation().unwrap() - 0.5).abs() < 1e-6);
    }
}
