//! Fusion with a model of its own: learned weights, calibrated confidence, coverage; worked by hand.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it must be"
)]

mod streams;

use std::path::Path;

use serde_json::{Value, json};
use streams::{LABELS, Sent, Step, config_with_model, fit, run, segment, text, voice};
use undertone_fusion::{Config, Emotion, FusionError, Model};
use undertone_messages::{Detail, Profile, Sentiment, Weighting};

const VOICE: &str = "voice-model@0123456789ab";
const TEXT: &str = "text-model@0123456789ab";

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
    config_with_model(&["speech", "acoustic", "text"], fits, labels, words)
}

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
    assert_eq!(result.weighting, Weighting::Learned);
    assert_eq!(result.contributions[0].weights, [1.0, 2.0, 0.0]);
    assert_eq!(result.contributions[1].weights, [0.0, 0.0, 1.0]);
    close(&result.bias, &[0.0, 2.0f64.ln(), 0.0]);
    assert_eq!(result.temperature, 1.0);
    assert!(result.model.starts_with("fusion@") && result.model.len() == 19, "{}", result.model);
}

#[test]
fn weights_that_are_all_zero_leave_no_estimate() {
    let nothing = fit(&[VOICE], json!([[0.0, 0.0, 0.0]]), [0.5, 0.0, 0.0], 1.0);
    let sent = fuse(&config(&[both(), nothing], LABELS, &["--weighting", "learned"]), text(0, &[])).unwrap();
    let result = only(&sent);
    assert!(result.labels.is_empty() && result.probabilities.is_empty() && result.bias.is_empty());
    assert!(result.abstained && result.confidence == 0.0, "{result:?}");
    assert_eq!(result.contributions[1].reason, "its weight is 0");
    assert_eq!(sent.provisional, []);
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
fn a_linear_pool_is_scaled_by_its_temperature_and_bias() {
    let words = ["--text-weight", "0.5"];
    let sent = fuse(&config(&[both(), voice_alone()], LABELS, &words), text(0, &WRITTEN)).unwrap();
    // The roots of 0.5, 0.375 and 0.125, the second twice.
    let roots = [0.5f64.sqrt(), 2.0 * 0.375f64.sqrt(), 0.125f64.sqrt()];
    let sum: f64 = roots.iter().sum();
    close(&only(&sent).probabilities, &roots.map(|root| root / sum));
    assert_eq!(only(&sent).temperature, 2.0);
    close(&only(&sent).bias, &[0.0, 2.0f64.ln(), 0.0]);
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
        run(&config_with_model(&inputs, &fits, LABELS, words)?, ledger.chain(branches))
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
        let config = config_with_model(&["speech", "acoustic", "text", "again"], &fits, LABELS, words)?;
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
