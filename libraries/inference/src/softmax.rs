//! From logits to probabilities.

use crate::error::ModelError;

/// The probabilities that go with `logits`, after division by `temperature` (Guo et al., "On Calibration of Modern
/// Neural Networks", 2017): above 1 they become more even, below 1 more extreme, and their order stays.
///
/// `temperature` is positive. The largest logit is subtracted first, so that nothing overflows; sums are kept in double
/// precision.
///
/// # Errors
///
/// [`ModelError::NotFinite`] if a logit is infinite or not a number.
pub fn softmax(logits: &[f32], temperature: f32) -> Result<Vec<f32>, ModelError> {
    if let Some((index, value)) = logits.iter().enumerate().find(|(_, logit)| !logit.is_finite()) {
        return Err(ModelError::NotFinite { index, value: *value });
    }
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = logits
        .iter()
        .map(|logit| ((f64::from(*logit) - f64::from(largest)) / f64::from(temperature)).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    Ok(weights.into_iter().map(|weight| (weight / sum) as f32).collect())
}
