//! How far a model's probabilities can be believed.

use serde::Deserialize;

use crate::error::ModelError;

/// What makes probabilities of a model's logits that are right as often as they say: (1 - `uniform_share`) softmax(logits /
/// `temperature`) + `uniform_share` / labels.
///
/// The temperature makes all of them more even or more extreme (Guo et al. 2017, "On Calibration of Modern Neural Networks").
/// The share bounds how sure the model may be, so that a temperature that is right for the middle of its range does not make
/// it too sure at the top (the uniform component of the ensemble temperature scaling of Zhang et al. 2020, "Mix-n-Match").
/// Neither changes which label is the likeliest.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Calibration {
    temperature: f32,
    uniform_share: f32,
}

/// As they are written, whatever they say.
#[derive(Deserialize)]
struct Fields {
    temperature: f32,
    #[serde(default)]
    uniform_share: f32,
}

impl TryFrom<Fields> for Calibration {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        Self::new(fields.temperature, fields.uniform_share)
    }
}

impl Calibration {
    /// # Errors
    ///
    /// Says what is wrong: the temperature is not above 0, or the share not from 0 to below 1.
    pub fn new(temperature: f32, uniform_share: f32) -> Result<Self, String> {
        if !(temperature.is_finite() && temperature > 0.0) {
            return Err(format!("`temperature` is {temperature}: it must be a number above 0"));
        }
        if !(0.0..1.0).contains(&uniform_share) {
            return Err(format!("`uniform_share` is {uniform_share}: it must be a number from 0 to below 1"));
        }
        Ok(Self { temperature, uniform_share })
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
