//! The contract: every result carries the weights that it used, so its probabilities can be computed again from the message
//! alone, whatever the weighting.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it must be"
)]

mod streams;

use proptest::prelude::*;
use serde_json::json;
use streams::{LABELS, config, config_with_model, fit, run, segment, text, voice};
use undertone_messages::{Sentiment, Weighting};

const INPUTS: [&str; 3] = ["speech", "acoustic", "text"];
const VOICE: &str = "voice-model@0123456789ab";
const TEXT: &str = "text-model@0123456789ab";

/// Σ weights · P, or Σ weights · ln P for a logarithmic pool, by label.
fn sums(result: &Sentiment, of: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; result.labels.len()];
    for contribution in &result.contributions {
        assert_eq!(contribution.weights.len(), contribution.probabilities.len(), "{contribution:?}");
        for ((sum, weight), probability) in
            sums.iter_mut().zip(&contribution.weights).zip(&contribution.probabilities)
        {
            *sum += f64::from(*weight) * of(f64::from(*probability));
        }
    }
    sums
}

/// The probabilities of a result as they follow from all else that it carries.
fn computed_again(result: &Sentiment) -> Vec<f64> {
    let logits: Vec<f64> = match result.weighting {
        Weighting::Fixed | Weighting::Entropy => {
            let pooled = sums(result, |probability| probability);
            pooled.into_iter().map(|sum| sum.ln() / f64::from(result.temperature)).collect()
        }
        Weighting::Learned => {
            assert_eq!(result.temperature, 1.0, "{result:?}");
            sums(result, |probability| probability.max(1e-4).ln())
        }
    };
    assert_eq!(
        result.bias.len(),
        if result.model.is_empty() { 0 } else { result.labels.len() },
        "{result:?}"
    );
    let bias = result.bias.iter().chain(std::iter::repeat(&0.0));
    let unscaled: Vec<f64> =
        logits.iter().zip(bias).map(|(logit, bias)| (logit + f64::from(*bias)).exp()).collect();
    let total: f64 = unscaled.iter().sum();
    unscaled.into_iter().map(|value| value / total).collect()
}

/// Probabilities of so many labels; some are 0, and some next to it.
fn probabilities(labels: usize) -> impl Strategy<Value = Vec<f32>> {
    let part = prop_oneof![Just(0.0_f32), Just(1e-6), 0.0_f32..1.0];
    (prop::collection::vec(part, labels), 0..labels).prop_map(|(mut parts, largest)| {
        parts[largest] += 1.0;
        let sum: f32 = parts.iter().sum();
        parts.into_iter().map(|part| part / sum).collect()
    })
}

/// What the voice and the text say, at least one of them. A text may lack a label that the voice has.
fn estimates() -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
    let none = || Just(Vec::new());
    prop_oneof![
        4 => (probabilities(3), probabilities(3)),
        2 => (probabilities(3), probabilities(2)),
        1 => (probabilities(3), none()),
        1 => (none(), probabilities(3)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_result_can_be_computed_again_from_what_it_carries(
        (spoken, written) in estimates(),
        weighting in prop::sample::select(Weighting::ALL),
        with_model: bool,
        text_weight in prop_oneof![Just(0.0), Just(1.0), 0.0..1.0_f64],
        of_voice in [-3.0..3.0_f64, -3.0..3.0, -3.0..3.0],
        of_text in [-3.0..3.0_f64, -3.0..3.0, -3.0..3.0],
        bias in [-2.0..2.0_f64, -2.0..2.0, -2.0..2.0],
        temperature in 0.25..4.0_f64,
    ) {
        let with_model = with_model || weighting == Weighting::Learned;
        let text_weight = text_weight.to_string();
        let words =
            ["--weighting", weighting.name(), "--text-weight", &text_weight, "--missing-labels", "infer"];
        let config = if with_model {
            let fits = [
                fit(&[TEXT, VOICE], json!([of_text, of_voice]), bias, temperature),
                fit(&[TEXT], json!([of_text]), bias, temperature),
                fit(&[VOICE], json!([of_voice]), bias, temperature),
            ];
            config_with_model(&INPUTS, &fits, LABELS, &words).unwrap()
        } else {
            config(&INPUTS, &words)
        };
        let ledger = segment(0, 16_000, 48_000).into_iter().map(|step| ("speech", step));
        let closing = [("acoustic", voice(0, &spoken)), ("text", text(0, &written))];
        let sent = run(&config, ledger.chain(closing)).unwrap();
        for result in sent.provisional.iter().chain(&sent.sentiment).flatten() {
            prop_assert_eq!(result.weighting, weighting);
            prop_assert_eq!(result.model.starts_with("fusion@"), with_model);
            prop_assert_eq!(result.model.is_empty(), !with_model);
            if result.labels.is_empty() {
                prop_assert!(result.contributions.iter().all(|piece| piece.weights.is_empty()), "{:?}", result);
                prop_assert!(result.bias.is_empty(), "{:?}", result);
                continue;
            }
            let again = computed_again(result);
            prop_assert_eq!(again.len(), result.probabilities.len());
            for (again, probability) in again.iter().zip(&result.probabilities) {
                prop_assert!((again - f64::from(*probability)).abs() < 1e-5, "{again} for {probability}: {result:?}");
            }
        }
        prop_assert_eq!(sent.sentiment.len(), 1);
    }
}
