//! `config.json`: labels in the order of the logits, and the temperature.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its functions as well")]

use std::path::Path;

use proptest::prelude::*;
use undertone_inference::{Config, softmax};

fn parse(text: &str) -> Config {
    Config::parse(Path::new("config.json"), text).unwrap()
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
        (r#"{"temperature": "hot"}"#, "must be a number above 0"),
        ("[]", "not a JSON object"),
    ];
    for (text, expected) in cases {
        let error = error(text);
        assert!(error.contains(expected) && error.contains("some/config.json"), "{text}: {error}");
    }
    let error = parse("{}").labels().unwrap_err().to_string();
    assert!(error.contains("id2label"), "{error}");
}

#[test]
fn further_fields_can_be_read() {
    let config = parse(r#"{"model_type": "distilbert", "max_position_embeddings": 512, "hop_ms": "ten"}"#);
    assert_eq!(config.model_type().unwrap().as_deref(), Some("distilbert"));
    assert_eq!(config.max_position_embeddings().unwrap(), Some(512));
    assert_eq!(config.field::<u32>("window_frames").unwrap(), None);
    assert_eq!(config.temperature(), 1.0);
    let error = config.field::<u32>("hop_ms").unwrap_err().to_string();
    assert!(error.contains("`hop_ms`") && error.contains("config.json"), "{error}");
    let error = config.required::<u32>("window_frames").unwrap_err().to_string();
    assert!(error.contains("no `window_frames`"), "{error}");
}

#[test]
fn probabilities_need_a_logit_for_each_label_and_use_the_temperature() {
    let config = parse(r#"{"id2label": {"0": "a", "1": "b"}, "temperature": 2}"#);
    // 1 / (1 + exp(-ln 9 / 2)) = 3 / 4.
    let probabilities = config.probabilities(&[0.0, 9f32.ln()]).unwrap();
    assert!((probabilities[1] - 0.75).abs() < 1e-6, "{probabilities:?}");
    let error = config.probabilities(&[0.0, 1.0, 2.0]).unwrap_err().to_string();
    assert!(error.contains("names 2 labels, but the model gives 3 logits"), "{error}");
}

#[test]
fn logits_that_are_no_numbers_are_refused() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = softmax(&[0.0, value], 1.0).unwrap_err().to_string();
        assert!(error.contains("logit 1"), "{error}");
    }
}

proptest! {
    #[test]
    fn softmax_gives_a_distribution_in_the_order_of_the_logits(
        logits in prop::collection::vec(-3e38f32..3e38, 1..20), temperature in 0.01f32..100.0
    ) {
        let probabilities = softmax(&logits, temperature).unwrap();
        prop_assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        for (logit, probability) in logits.iter().zip(&probabilities) {
            prop_assert!((0.0..=1.0).contains(probability));
            for (other, other_probability) in logits.iter().zip(&probabilities) {
                prop_assert!(logit <= other || probability >= other_probability);
            }
        }
    }

    #[test]
    fn softmax_does_not_change_when_all_logits_move(
        logits in prop::collection::vec(-10f32..10.0, 1..20), shift in -1000f32..1000.0
    ) {
        let moved: Vec<f32> = logits.iter().map(|logit| logit + shift).collect();
        for (before, after) in softmax(&logits, 1.0).unwrap().iter().zip(softmax(&moved, 1.0).unwrap()) {
            prop_assert!((before - after).abs() < 1e-3);
        }
    }

    #[test]
    fn a_higher_temperature_makes_the_likeliest_less_sure(
        logits in prop::collection::vec(-10f32..10.0, 2..20), temperature in 0.1f32..10.0
    ) {
        let highest = |temperature| softmax(&logits, temperature).unwrap().into_iter().fold(0.0, f32::max);
        prop_assert!(highest(2.0 * temperature) <= highest(temperature) + 1e-6);
    }
}
