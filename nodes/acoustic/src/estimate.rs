//! What both stages make of an estimate.

use std::ops::Range;

use undertone_messages::{Detail, Emotion, Scope, seconds};
use undertone_stage::{FixedArgument, check_fixed};

use crate::arguments::Arguments;
use crate::model::Classifier;

/// A message without an estimate yet, about the samples of a segment.
pub(crate) fn emotion(model: &Classifier, segment: u64, scope: Scope, samples: Range<u64>) -> Emotion {
    Emotion {
        segment,
        start: samples.start,
        end: samples.end,
        modality: "voice".to_owned(),
        scope,
        labels: Vec::new(),
        probabilities: Vec::new(),
        model: model.identity().to_owned(),
        reason: String::new(),
        detail: Detail::default(),
    }
}

/// Why there is no estimate of a segment of so many samples.
pub(crate) fn too_short(samples: u64, frames: usize, minimum: usize) -> String {
    format!("{:.2} s is too short: it has {frames} frames, and the model needs {minimum}", seconds(samples))
}

/// The model and how it runs stay as they were `loaded`.
pub(crate) fn check_model(arguments: &Arguments, loaded: &Arguments) -> Result<(), FixedArgument> {
    check_fixed(&[
        ("model", arguments.model == loaded.model),
        ("threads", arguments.threads == loaded.threads),
        ("onnxruntime", arguments.onnxruntime == loaded.onnxruntime),
    ])
}
