//! Finds a probable text: greedily, or by beam search, as in OpenAI's `whisper/decoding.py`.

use std::sync::Arc;

use undertone_recognition::Guard;

use crate::error::DecoderError;
use crate::model::{Cache, DecoderModel, Memory};

/// A text and how it came about.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    /// Its tokens, without the one that ends it.
    pub(crate) tokens: Vec<i32>,
    /// Natural logarithms of their probabilities, and behind them that of the end, if the text has ended.
    pub(crate) log_probabilities: Vec<f32>,
    /// For each token, and for the end, what the alignment heads saw when it was written.
    pub(crate) alignment: Vec<Arc<Vec<f32>>>,
    /// The sum of the logarithms.
    sum: f64,
}

impl Text {
    /// Beam search prefers texts whose tokens are probable on average, as OpenAI's does without a length penalty.
    fn rank(&self) -> f64 {
        self.sum / self.tokens.len().max(1) as f64
    }

    fn with(&self, token: Option<i32>, log_probability: f32) -> Self {
        let mut longer = self.clone();
        longer.tokens.extend(token);
        longer.log_probabilities.push(log_probability);
        longer.sum += f64::from(log_probability);
        longer
    }
}

/// The most probable text that `beam` candidates lead to, behind a prompt; and the logits behind the prompt's first
/// token.
pub(crate) fn search(
    model: &mut DecoderModel,
    memory: &Memory,
    prompt: &[i64],
    beam: usize,
    guard: &Guard,
) -> Result<(Text, Vec<f32>), DecoderError> {
    let vocabulary = model.logits();
    let end = model.vocabulary().end as usize;
    let mut cache = Cache::default();
    let mut step = model.step(memory, &mut cache, &[0], prompt)?;
    let first = step.logits.get(..vocabulary).unwrap_or_default().to_vec();
    // Of the prompt only what is behind its last token.
    step.logits.drain(..step.logits.len().saturating_sub(vocabulary));
    step.alignment.drain(..step.alignment.len().saturating_sub(1));
    let mut texts =
        vec![Text { tokens: Vec::new(), log_probabilities: Vec::new(), alignment: Vec::new(), sum: 0.0 }];
    let mut ended: Vec<Text> = Vec::new();
    loop {
        for (text, row) in texts.iter_mut().zip(step.alignment) {
            text.alignment.push(Arc::new(row));
        }
        let candidates = candidates(model, &texts, &step.logits, beam + 1, guard);
        let (mut chosen, mut tokens, mut next) = (Vec::new(), Vec::new(), Vec::new());
        for Candidate { text: index, token, log_probability, .. } in candidates {
            let Some(text) = texts.get(index) else { continue };
            if token == end {
                ended.push(text.with(None, log_probability));
            } else {
                next.push(text.with(Some(token as i32), log_probability));
                chosen.push(index);
                tokens.push(token as i64);
            }
            if next.len() == beam {
                break;
            }
        }
        let full =
            prompt.len() + texts.first().map_or(0, |text| text.tokens.len()) + 1 >= model.most_tokens();
        if ended.len() >= beam || next.is_empty() || full {
            break;
        }
        texts = next;
        step = model.step(memory, &mut cache, &chosen, &tokens)?;
    }
    // Where nothing has ended, what there is must do.
    let best = if ended.is_empty() { texts } else { ended };
    let best = best.into_iter().reduce(|best, text| if text.rank() > best.rank() { text } else { best });
    best.map(|best| (best, first)).ok_or_else(|| DecoderError::Logits { model: model.identity().to_owned() })
}

/// A way to go on.
struct Candidate {
    text: usize,
    token: usize,
    log_probability: f32,
    sum: f64,
}

/// The `count` most probable ways to go on with each text, all together, the most probable first; of equally probable
/// ones the first text and the first token.
fn candidates(
    model: &DecoderModel,
    texts: &[Text],
    logits: &[f32],
    count: usize,
    guard: &Guard,
) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (index, (text, logits)) in texts.iter().zip(logits.chunks(model.logits())).enumerate() {
        let log_probabilities = log_probabilities(model, &text.tokens, logits, guard);
        for token in largest(&log_probabilities, count) {
            let log_probability = log_probabilities.get(token).copied().unwrap_or(f32::NEG_INFINITY);
            let sum = text.sum + f64::from(log_probability);
            candidates.push(Candidate { text: index, token, log_probability, sum });
        }
    }
    candidates.sort_by(|one, other| other.sum.total_cmp(&one.sum));
    candidates
}

/// Natural logarithms of the probabilities of the next token, those that no text has left out.
fn log_probabilities(model: &DecoderModel, text: &[i32], logits: &[f32], guard: &Guard) -> Vec<f32> {
    let end = model.vocabulary().end as usize;
    let mut allowed = logits.to_vec();
    // What comes behind the end are marks, which belong into the prompt.
    allowed.iter_mut().skip(end + 1).for_each(|logit| *logit = f32::NEG_INFINITY);
    for token in model.suppressed(text.is_empty()) {
        if let Some(logit) = allowed.get_mut(token) {
            *logit = f32::NEG_INFINITY;
        }
    }
    if guard.stop(text).is_some() {
        allowed.iter_mut().take(end).for_each(|logit| *logit = f32::NEG_INFINITY);
    }
    let largest = allowed.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = allowed.iter().map(|logit| f64::from(logit - largest).exp()).sum();
    let normaliser = sum.ln() as f32 + largest;
    allowed.iter_mut().for_each(|logit| *logit -= normaliser);
    allowed
}

/// Indexes of the largest values, the largest first; what is impossible is none.
fn largest(values: &[f32], count: usize) -> Vec<usize> {
    let mut found: Vec<(usize, f32)> = Vec::with_capacity(count + 1);
    for (index, value) in values.iter().copied().enumerate() {
        let beaten = found.len() == count && found.last().is_some_and(|(_, least)| value <= *least);
        if value > f32::NEG_INFINITY && !beaten {
            let place = found.partition_point(|(_, other)| *other >= value);
            found.insert(place, (index, value));
            found.truncate(count);
        }
    }
    found.into_iter().map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_equals_the_first_is_chosen() {
        assert_eq!(largest(&[1.0, 3.0, 3.0, f32::NEG_INFINITY, 2.0], 3), [1, 2, 4]);
        assert_eq!(largest(&[f32::NEG_INFINITY, f32::NAN, 0.5], 2), [2]);
        assert!(largest(&[], 2).is_empty());
    }

    proptest! {
        #[test]
        fn the_largest_are_those_of_a_sort(values in prop::collection::vec(-10.0..10.0_f32, 0..100), count in 1..9_usize) {
            let mut order: Vec<usize> = (0..values.len()).collect();
            order.sort_by(|one, other| values[*other].total_cmp(&values[*one]));
            order.truncate(count);
            prop_assert_eq!(largest(&values, count), order);
        }
    }
}
