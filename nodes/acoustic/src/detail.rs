//! What a model tells beyond its labels, if its `config.json` says so.

use serde::Deserialize;
use undertone_inference::Dimension::Fixed;
use undertone_inference::{Calibration, Config, Element, ModelError, Outputs, Port, Session};
use undertone_messages::Detail;

/// The output with the logits of the emotions, `f32[batch, emotions]`.
const EMOTIONS: &str = "emotions";
/// The output that tells how unlike the speech is that the model knows, 0 or more, `f32[batch]`.
const ANOMALY: &str = "anomaly";

/// The field `emotions` of `config.json`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Emotions {
    /// In the order of the logits.
    labels: Vec<EmotionLabel>,
    /// Its fields stand beside the labels.
    #[serde(flatten)]
    calibration: Calibration,
}

/// An emotion and where it lies in the plane of valence and arousal, each -1 to 1 (Russell 1980).
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct EmotionLabel {
    label: String,
    valence: f32,
    arousal: f32,
}

/// The field `anomaly` of `config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct Anomaly {
    /// From here on the sound is taken for no speech that the model knows.
    threshold: f32,
}

/// How a model's further outputs are read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DetailReader {
    emotions: Option<Emotions>,
    anomaly: Option<Anomaly>,
}

impl DetailReader {
    /// Reads what the model tells, and checks that it has the outputs.
    ///
    /// # Errors
    ///
    /// A field has another form, a number in it makes no sense, or the output that belongs to it is missing.
    pub(crate) fn new(config: &Config, session: &Session) -> Result<Self, ModelError> {
        let emotions: Option<Emotions> = config.field("emotions")?;
        let anomaly: Option<Anomaly> = config.field("anomaly")?;
        if let Some(emotions) = &emotions {
            let inside = |value: f32| (-1.0..=1.0).contains(&value);
            if !emotions.labels.iter().all(|label| inside(label.valence) && inside(label.arousal)) {
                return Err(config.problem("`emotions.labels`: valence and arousal must be from -1 to 1"));
            }
            if emotions.labels.len() < 2 {
                return Err(config.problem("`emotions` needs two labels or more, which exclude each other"));
            }
            let shape = [Fixed(1), Fixed(emotions.labels.len())];
            session.check_outputs(&[Port { name: EMOTIONS, element: Element::F32, shape: &shape }])?;
        }
        if let Some(anomaly) = anomaly {
            if !(anomaly.threshold.is_finite() && anomaly.threshold > 0.0) {
                return Err(config.problem("`anomaly.threshold` must be above 0"));
            }
            session.check_outputs(&[Port { name: ANOMALY, element: Element::F32, shape: &[Fixed(1)] }])?;
        }
        Ok(Self { emotions, anomaly })
    }

    /// What the model told.
    ///
    /// # Errors
    ///
    /// The outputs are not numbers, or not as many as they should be; the anomaly is below 0.
    pub(crate) fn read(&self, outputs: &Outputs<'_>) -> Result<Detail, ModelError> {
        let mut detail = Detail::default();
        if let Some(emotions) = &self.emotions {
            let (_, logits) = outputs.f32(EMOTIONS)?;
            if logits.len() != emotions.labels.len() {
                let (logits, labels) = (logits.len(), emotions.labels.len());
                let problem =
                    format!("it has {logits} logits, and `emotions` in config.json {labels} labels");
                return Err(outputs.problem(EMOTIONS, problem));
            }
            let probabilities = emotions.calibration.probabilities(logits)?;
            let mean = |coordinate: fn(&EmotionLabel) -> f32| {
                let products = emotions.labels.iter().zip(&probabilities);
                products.map(|(label, probability)| coordinate(label) * probability).sum()
            };
            detail.valence = Some(mean(|label| label.valence));
            detail.arousal = Some(mean(|label| label.arousal));
            detail.emotions = emotions.labels.iter().map(|label| label.label.clone()).collect();
            detail.emotion_probabilities = probabilities;
        }
        if let Some(anomaly) = self.anomaly {
            let (_, unlike) = outputs.f32(ANOMALY)?;
            let [unlike] = unlike else {
                return Err(outputs.problem(ANOMALY, format!("it has {} values and not one", unlike.len())));
            };
            if !(unlike.is_finite() && *unlike >= 0.0) {
                let problem = format!(
                    "it is {unlike}, and not a number of 0 or more: the model is damaged, or its input was not finite"
                );
                return Err(outputs.problem(ANOMALY, problem));
            }
            detail.anomaly = Some(unlike / anomaly.threshold);
        }
        Ok(detail)
    }
}
