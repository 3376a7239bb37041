//! How far a model's probabilities can be believed.

use serde::Deserialize;

use crate::error::ModelError;

/// What makes probabilities of a model's logits that are right as often as they say: (1 - `uniform_share`) softmax(logits /
/// `temperature`) + `uniform_share` / labels.
///
/// The temperature makes all of them more even or more extreme (Guo et al. 2017, "On Calibration of Modern Neural Networks").
/// The share is of what the model gets wrong however sure it is, which no temperature can say (the uniform component of the
/// ensemble temperature scaling of Zhang et al. 2020, "Mix-n-Match"). Neither changes which label is the likeliest.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Calibration {
    temperature: f32,
    #[serde(default)]
    uniform_share: f32,
}

impl Calibration {
    /// # Errors
    ///
    /// Says what is wrong: the temperature is not above 0, or the share not from 0 to below 1.
    pub fn new(temperature: f32, uniform_share: f32) -> Result<Self, String> {
        Self { temperature, uniform_share }.checked()
    }

    /// The same, if its numbers make sense: one that was read as it stands may be anything.
    ///
    /// # Errors
    ///
    /// As [`Calibration::new`].
    pub fn checked(self) -> Result<Self, String> {
        let Self { temperature, uniform_share } = self;
        if !(temperature.is_finite() && temperature > 0.0) {
            return Err(format!("`temperature` is {temperature}: it must be a number above 0"));
        }
        if !(0.0..1.0).contains(&uniform_share) {
            return Err(format!("`uniform_share` is {uniform_share}: it must be a number from 0 to below 1"));
        }
        Ok(self)
    }

    /// A probability for each logit; they come to 1.
    ///
    /// The largest logit is subtracted first, so that nothing overflows; sums are kept in double precision.
    ///
    /// # Errors
    ///
    /// [`ModelError::NotFinite`] if a logit is infinite or not a number.
    pub fn probabilities(&self, logits: &[f32]) -> Result<Vec<f32>, ModelError> {
        if let Some((index, value)) = logits.iter().enumerate().find(|(_, logit)| !logit.is_finite()) {
            return Err(ModelError::NotFinite { index, value: *value });
        }
        let (temperature, uniform_share) = (f64::from(self.temperature), f64::from(self.uniform_share));
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weights: Vec<f64> = logits
            .iter()
            .map(|logit| ((f64::from(*logit) - f64::from(largest)) / temperature).exp())
            .collect();
        let sum: f64 = weights.iter().sum();
        let each = uniform_share / logits.len() as f64;
        Ok(weights.into_iter().map(|weight| ((1.0 - uniform_share) * (weight / sum) + each) as f32).collect())
    }
}
