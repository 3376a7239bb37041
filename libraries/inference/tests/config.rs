//! `config.json`: labels in the order of the logits, and the calibration.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its functions as well")]

use std::path::Path;

use proptest::prelude::*;
use undertone_inference::{Calibration, Config};

fn parse(text: &str) -> Config {
    Config::parse(Path::new("config.json"), text).unwrap()
}

fn calibration(temperature: f32, uniform_share: f32) -> Calibration {
    Calibration::new(temperature, uniform_share).unwrap()
}

fn error(text: &str) -> String {
    Config::parse(Path::new("some/config.json"), text).unwrap_err().to_string()
}

#[test]
fn twelve_labels_are_in_the_order_of_their_numbers() {
    let names = "zero one two three four five six seven eight nine ten eleven";
    let names: Vec<&str> = names.split(' ').collect();
    let id2label: Vec<String> =
        names.iter().enumerate().map(|(id, name)| format!(r#""{id}": "{name}""#)).rev().collect();
    let label2id: Vec<String> =
        names.iter().enumerate().map(|(id, name)| format!(r#""{name}": {id}"#)).collect();
    let (id2label, label2id) = (id2label.join(", "), label2id.join(", "));
    for text in [
        format!(r#"{{"id2label": {{{id2label}}}}}"#),
        format!(r#"{{"label2id": {{{label2id}}}}}"#),
        format!(r#"{{"label2id": {{{label2id}}}, "id2label": {{{id2label}}}}}"#),
    ] {
        assert_eq!(parse(&text).labels().unwrap(), names);
    }
}

#[test]
fn labels_that_cannot_be_trusted_are_refused() {
    let cases = [
        (r#"{"id2label": {"0": "a", "2": "b"}}"#, "numbers its labels [0, 2]"),
        (r#"{"id2label": {"0": "a", "00": "b"}}"#, "numbers its labels [0, 0]"),
        (r#"{"id2label": {"0": "a", "one": "b"}}"#, r#"has the key "one""#),
        (r#"{"id2label": {}}"#, "numbers its labels []"),
        (r#"{"id2label": ["a", "b"]}"#, "is not an object"),
        (r#"{"label2id": {"a": 0, "b": "1"}}"#, "`b` of `label2id`"),
        (r#"{"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 1, "b": 0}}"#, "correct one of them"),
        (r#"{"temperature": 0}"#, "must be a number above 0"),
        (r#"{"temperature": "hot"}"#, "`temperature` is \"hot\": it must be a number"),
        (r#"{"uniform_share": 1}"#, "must be a number from 0 to below 1"),
        (r#"{"uniform_share": -0.1}"#, "must be a number from 0 to below 1"),
        ("[]", "not a JSON object"),
    ];
    for (text, expected) in cases {
        let error = error(text);
        assert!(error.contains(expected) && error.contains("some/config.json"), "{text}: {error}");
    }
    let error = parse("{}").labels().unwrap_err().to_string();
    assert!(error.contains("id2label"), "{error}");
}

/// A sigmoid for each label, or a number, is no softmax: read as one it would give probabilities that mean nothing.
#[test]
fn labels_that_do_not_exclude_each_other_are_refused() {
    let of_type = |kind: &str| {
        let text = format!(r#"{{"id2label": {{"0": "a", "1": "b"}}, "problem_type": {kind}}}"#);
        parse(&text).labels().map(<[String]>::to_vec).map_err(|error| error.to_string())
    };
    for kind in ["null", "\"single_label_classification\""] {
        assert_eq!(of_type(kind).unwrap(), ["a", "b"]);
    }
    for kind in ["\"multi_label_classification\"", "\"regression\"", "1"] {
        let error = of_type(kind).unwrap_err();
        let expected = format!("`problem_type` is {kind}: the node needs labels that exclude each other");
        assert!(error.contains("config.json") && error.contains(&expected), "{error}");
    }
    let error = parse(r#"{"id2label": {"0": "a"}}"#).labels().unwrap_err().to_string();
    assert!(error.contains("\"a\" is the only label"), "{error}");
    let error = parse(r#"{"problem_type": "regression"}"#).probabilities(&[0.0]).unwrap_err().to_string();
    assert!(error.contains("regression"), "{error}");
}

#[test]
fn further_fields_can_be_read() {
    let config = parse(r#"{"model_type": "distilbert", "max_position_embeddings": 512, "hop_ms": "ten"}"#);
    assert_eq!(config.model_type().unwrap().as_deref(), Some("distilbert"));
    assert_eq!(config.max_position_embeddings().unwrap(), Some(512));
    assert_eq!(config.field::<u32>("window_frames").unwrap(), None);
    let error = config.field::<u32>("hop_ms").unwrap_err().to_string();
    assert!(error.contains("`hop_ms`") && error.contains("config.json"), "{error}");
    let error = config.required::<u32>("window_frames").unwrap_err().to_string();
    assert!(error.contains("no `window_frames`"), "{error}");
}

#[test]
fn probabilities_need_a_logit_for_each_label_and_are_calibrated() {
    let config = parse(r#"{"id2label": {"0": "a", "1": "b"}, "temperature": 2}"#);
    // 1 / (1 + exp(-ln 9 / 2)) = 3 / 4.
    let probabilities = config.probabilities(&[0.0, 9f32.ln()]).unwrap();
    assert!((probabilities[1] - 0.75).abs() < 1e-6, "{probabilities:?}");
    let plain = parse(r#"{"id2label": {"0": "a", "1": "b"}}"#).probabilities(&[0.0, 9f32.ln()]).unwrap();
    assert!((plain[1] - 0.9).abs() < 1e-6, "{plain:?}");
    let shared = parse(r#"{"id2label": {"0": "a", "1": "b"}, "temperature": 2, "uniform_share": 0.2}"#);
    let shared = shared.probabilities(&[0.0, 9f32.ln()]).unwrap();
    assert!((shared[1] - (0.8 * 0.75 + 0.2 / 2.0)).abs() < 1e-6, "{shared:?}");
    let error = config.probabilities(&[0.0, 1.0, 2.0]).unwrap_err().to_string();
    assert!(error.contains("names 2 labels, but the model gives 3 logits"), "{error}");
}

#[test]
fn logits_that_are_no_numbers_are_refused() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = calibration(1.0, 0.0).probabilities(&[0.0, value]).unwrap_err().to_string();
        assert!(error.contains("logit 1"), "{error}");
    }
}

proptest! {
    #[test]
    fn probabilities_are_a_distribution_in_the_order_of_the_logits(
        logits in prop::collection::vec(-3e38f32..3e38, 1..20), temperature in 0.01f32..100.0, share in 0f32..0.99
    ) {
        let probabilities = calibration(temperature, share).probabilities(&logits).unwrap();
        prop_assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        let least = share / logits.len() as f32 - 1e-6;
        for (logit, probability) in logits.iter().zip(&probabilities) {
            prop_assert!((least..=1.0).contains(probability));
            for (other, other_probability) in logits.iter().zip(&probabilities) {
                prop_assert!(logit <= other || probability >= other_probability);
            }
        }
    }

    #[test]
    fn probabilities_do_not_change_when_all_logits_move(
        logits in prop::collection::vec(-10f32..10.0, 1..20), shift in -1000f32..1000.0
    ) {
        let moved: Vec<f32> = logits.iter().map(|logit| logit + shift).collect();
        let probabilities = |logits: &[f32]| calibration(1.0, 0.0).probabilities(logits).unwrap();
        for (before, after) in probabilities(&logits).iter().zip(probabilities(&moved)) {
            prop_assert!((before - after).abs() < 1e-3);
        }
    }

    #[test]
    fn a_higher_temperature_or_share_makes_the_likeliest_less_sure(
        logits in prop::collection::vec(-10f32..10.0, 2..20), temperature in 0.1f32..10.0, share in 0f32..0.5
    ) {
        let highest = |temperature, share| {
            let probabilities = calibration(temperature, share).probabilities(&logits).unwrap();
            probabilities.into_iter().fold(0.0, f32::max)
        };
        prop_assert!(highest(2.0 * temperature, share) <= highest(temperature, share) + 1e-6);
        prop_assert!(highest(temperature, share + 0.1) <= highest(temperature, share) + 1e-6);
    }
}
