//! Fusion with a model of its own: learned weights, calibrated confidence, coverage; worked by hand.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it must be"
)]

mod streams;

use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use serde_json::{Value, json};
use streams::{Sent, Step, run, segment, text, voice};
use undertone_fusion::{Arguments, Config, Emotion, FusionError, Inputs, Model};
use undertone_messages::{Detail, Profile, Sentiment};

const VOICE: &str = "voice-model@0123456789ab";
const TEXT: &str = "text-model@0123456789ab";

/// A fit with equal quantiles of confidence, from 0.5 to 1.
fn fit(models: &[&str], weights: Value, bias: [f64; 3], temperature: f64) -> Value {
    let confidence = json!([0.5, 0.75, 1.0]);
    let scaling = json!({"temperature": temperature, "confidence": confidence});
    json!({
        "models": models,
        "learned": {"weights": weights, "bias": bias, "confidence": confidence},
        "fixed": scaling,
        "entropy": scaling,
    })
}

/// The words count for negative and neutral, the voice for positive, and neutral starts with twice the odds.
fn both() -> Value {
    fit(&[TEXT, VOICE], json!([[1.0, 2.0, 0.0], [0.0, 0.0, 1.0]]), [0.0, 2.0f64.ln(), 0.0], 2.0)
}

fn voice_alone() -> Value {
    fit(&[VOICE], json!([[2.0, 2.0, 2.0]]), [0.0; 3], 1.0)
}

fn config(fits: &[Value], labels: [&str; 3], words: &[&str]) -> Config {
    try_config(fits, labels, words).unwrap()
}

fn try_config(fits: &[Value], labels: [&str; 3], words: &[&str]) -> Result<Config, FusionError> {
    config_of_inputs(&["speech", "acoustic", "text"], fits, labels, words)
}

fn config_of_inputs(
    inputs: &[&str],
    fits: &[Value],
    labels: [&str; 3],
    words: &[&str],
) -> Result<Config, FusionError> {
    let folder = tempfile::tempdir().unwrap();
    let model = json!({"labels": labels, "fits": fits}).to_string();
    std::fs::write(folder.path().join("config.json"), model).unwrap();
    let model = Model::load(folder.path()).unwrap();
    let arguments = Arguments::try_parse_from(["fusion"].iter().chain(words)).unwrap();
    Config::new(&arguments, Inputs::new(inputs.iter().copied()).unwrap(), Some(Arc::new(model)))
}

const LABELS: [&str; 3] = ["negative", "neutral", "positive"];
const VOICED: [f32; 3] = [0.5, 0.25, 0.25];
const WRITTEN: [f32; 3] = [0.5, 0.5, 0.0];

fn fuse(config: &Config, text: Step) -> Result<Sent, FusionError> {
    let ledger = segment(0, 16_000, 48_000).into_iter().map(|step| ("speech", step));
    run(config, ledger.chain([("acoustic", voice(0, &VOICED)), ("text", text)]))
}

fn only(sent: &Sent) -> &Sentiment {
    assert_eq!(sent.sentiment.len(), 1, "{sent:?}");
    sent.sentiment[0].as_ref().unwrap()
}

fn close(values: &[f32], expected: &[f64]) {
    let near =
        values.iter().zip(expected).all(|(value, expected)| (f64::from(*value) - expected).abs() < 1e-6);
    assert!(near && values.len() == expected.len(), "{values:?} for {expected:?}");
}

#[test]
fn learned_weights_are_by_input_and_label() {
    let sent =
        fuse(&config(&[both(), voice_alone()], LABELS, &["--weighting", "learned"]), text(0, &WRITTEN))
            .unwrap();
    let result = only(&sent);
    // 0.5, 2 · 0.5² and 0.25, which sum to 1.25.
    close(&result.probabilities, &[0.4, 0.4, 0.2]);
    assert_eq!(result.profile, Profile::Both);
    // Of all weights, which sum to 4, the text has 3.
    let weights: Vec<f32> = result.contributions.iter().map(|contribution| contribution.weight).collect();
    assert_eq!(weights, [0.75, 0.25]);
}

#[test]
fn the_voice_alone_is_calibrated_for_itself() {
    let sent =
        fuse(&config(&[both(), voice_alone()], LABELS, &["--weighting", "learned"]), text(0, &[])).unwrap();
    // The squares 4, 1 and 1.
    let expected = [4.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0];
    close(&only(&sent).probabilities, &expected);
    assert_eq!(only(&sent).profile, Profile::AudioOnly);
    close(&sent.provisional[0].as_ref().unwrap().probabilities, &expected);
}

#[test]
fn a_linear_pool_is_scaled_by_its_temperature() {
    let words = ["--text-weight", "0.5"];
    let sent = fuse(&config(&[both(), voice_alone()], LABELS, &words), text(0, &WRITTEN)).unwrap();
    // The roots of 0.5, 0.375 and 0.125.
    let roots = [0.5f64, 0.375, 0.125].map(f64::sqrt);
    let sum: f64 = roots.iter().sum();
    close(&only(&sent).probabilities, &roots.map(|root| root / sum));
}

#[test]
fn coverage_says_how_many_results_remain() {
    let abstained = |coverage: &str| {
        let words = ["--weighting", "learned", "--coverage", coverage];
        only(&fuse(&config(&[both(), voice_alone()], LABELS, &words), text(0, &[])).unwrap()).abstained
    };
    // The confidence is 2/3, which is above a third of the quantiles from 0.5 to 1.
    assert!(!abstained("1") && !abstained("0.67"));
    assert!(abstained("0.66") && abstained("0"));
}

#[test]
fn models_that_were_not_fitted_together_are_named() {
    let error = |fits: &[Value], labels| {
        fuse(&config(fits, labels, &["--weighting", "learned"]), text(0, &WRITTEN)).unwrap_err().to_string()
    };
    let found = error(&[voice_alone()], LABELS);
    assert!(found.contains(&format!("{TEXT} and {VOICE} together; it was fitted on {VOICE}.")), "{found}");
    let found = error(&[both(), voice_alone()], ["bad", "good", "so-so"]);
    assert!(found.contains("bad, good, so-so") && found.contains("negative, neutral, positive"), "{found}");
}

/// A second text has no weight in the arguments and needs none where the weights are learned.
#[test]
fn two_text_models_are_weighed_as_they_were_fitted_together() {
    const LARGER: &str = "larger-model@0123456789ab";
    let mut three = fit(
        &[LARGER, TEXT, VOICE],
        json!([[0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        [0.0, 2.0f64.ln(), 0.0],
        1.0,
    );
    let scalings = three.as_object_mut().unwrap();
    scalings.remove("fixed");
    scalings.remove("entropy");
    let fits = [three, voice_alone()];
    let inputs = ["speech", "acoustic", "text", "larger"];
    let sent = |words: &[&str]| {
        let Step::Emotion(emotion) = text(0, &WRITTEN) else { unreachable!() };
        let larger = Step::Emotion(Emotion { model: LARGER.to_owned(), ..emotion });
        let branches = [("acoustic", voice(0, &VOICED)), ("text", text(0, &WRITTEN)), ("larger", larger)];
        let ledger = segment(0, 16_000, 48_000).into_iter().map(|step| ("speech", step));
        run(&config_of_inputs(&inputs, &fits, LABELS, words)?, ledger.chain(branches))
    };
    let learned = sent(&["--weighting", "learned"]).unwrap();
    close(&only(&learned).probabilities, &[0.4, 0.4, 0.2]);
    assert_eq!(only(&learned).profile, Profile::Both);
    let weights: Vec<f32> =
        only(&learned).contributions.iter().map(|contribution| contribution.weight).collect();
    assert_eq!(weights, [0.25, 0.5, 0.25]);
    // Otherwise it needs one, and then a fit of that kind.
    let error = |words: &[&str]| sent(words).unwrap_err().to_string();
    assert!(error(&[]).contains("--weight larger="), "{}", error(&[]));
    let unfitted = error(&["--weight", "larger=0.3"]);
    assert!(unfitted.contains(LARGER) && unfitted.contains(&format!("fitted on {VOICE}.")), "{unfitted}");
}

/// As a set they are one model, and its fit would count what it says twice.
#[test]
fn a_model_on_two_inputs_was_not_fitted() {
    let fits = [both(), voice_alone(), fit(&[TEXT], json!([[1.0, 1.0, 1.0]]), [0.0; 3], 1.0)];
    let sent = |words: &[&str], spoken: &[f32]| {
        let config = config_of_inputs(&["speech", "acoustic", "text", "again"], &fits, LABELS, words)?;
        let written = || text(0, &WRITTEN);
        let branches = [("acoustic", voice(0, spoken)), ("text", written()), ("again", written())];
        let ledger = segment(0, 16_000, 48_000).into_iter().map(|step| ("speech", step));
        run(&config, ledger.chain(branches))
    };
    let all = format!("{TEXT} and {TEXT} and {VOICE} together");
    let texts = format!("{TEXT} and {TEXT} together");
    for (words, spoken, found) in [
        (["--weighting", "learned"], &VOICED[..], &all),
        (["--weighting", "learned"], &[], &texts),
        (["--weight", "again=0.3"], &VOICED, &all),
    ] {
        let error = sent(&words, spoken).unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
    }
    // An input without a weight takes no part.
    sent(&["--weight", "again=0"], &VOICED).unwrap();
}

#[test]
fn a_model_of_whole_segments_does_not_calibrate_pooled_windows() {
    for pooling in ["mean", "max"] {
        let error = try_config(&[both()], LABELS, &["--pooling", pooling]).unwrap_err().to_string();
        assert!(error.contains("whole segments") && error.contains("--pooling"), "{error}");
    }
}

#[test]
fn what_a_model_does_not_know_is_an_anomaly() {
    let heard = |anomaly| {
        let Step::Emotion(emotion) = voice(0, &VOICED) else { unreachable!() };
        let detail = Detail { anomaly, ..Detail::default() };
        let spoken = Step::Emotion(Emotion { detail, ..emotion });
        let ledger = segment(0, 16_000, 48_000).into_iter().map(|step| ("speech", step));
        let config = config(&[both(), voice_alone()], LABELS, &[]);
        let sent = run(&config, ledger.chain([("acoustic", spoken), ("text", text(0, &WRITTEN))])).unwrap();
        let result = only(&sent);
        let of_voice = result.contributions.iter().find(|contribution| contribution.modality == "voice");
        assert_eq!(of_voice.unwrap().detail.anomaly, anomaly);
        assert_eq!(sent.provisional[0].as_ref().unwrap().anomaly, result.anomaly);
        result.anomaly
    };
    assert!(!heard(None) && !heard(Some(0.5)) && !heard(Some(1.0)));
    assert!(heard(Some(1.01)));
}

/// The model that comes with the project says what models it was fitted on, and those are the ones beside it.
#[test]
fn the_model_of_the_repository_knows_the_models_beside_it() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let model = Model::load(&models.join("fusion")).unwrap();
    assert!(model.identity().starts_with("fusion@"));
    let known = std::fs::read_to_string(models.join("fusion/config.json")).unwrap();
    for name in ["acoustic-whisper", "acoustic-cnn", "text-minilm"] {
        let manifest = std::fs::read_to_string(models.join(name).join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        let identity = format!("{name}@{}", &manifest["files"]["model.onnx"].as_str().unwrap()[..12]);
        assert!(
            known.contains(&identity),
            "{identity} was trained anew: fit fusion again (models/train/fusion)"
        );
    }
}
