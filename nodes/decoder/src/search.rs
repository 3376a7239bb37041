//! Finds a probable text: greedily, or by beam search, as in OpenAI's `whisper/decoding.py`.

use std::sync::Arc;

use undertone_recognition::Guard;

use crate::error::DecoderError;
use crate::memory::Memory;
use crate::model::{Cache, DecoderModel, Step};
use crate::rules::log_sum;

/// How to search for a text.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// Texts that are followed at once, 1 for greedy decoding.
    pub beam: usize,
    /// Let the model write timestamps between the words.
    pub timestamps: bool,
    /// When a text has run away.
    pub guard: Guard,
}

/// A text and how it came about.
#[derive(Clone, Debug, Default)]
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

/// The search for the text of one window, a token at a time, so that whoever drives it can give it up in between.
#[derive(Debug)]
pub struct Decoding {
    memory: Memory,
    search: Search,
    language: String,
    /// Tokens of the prompt.
    prompt: usize,
    cache: Cache,
    /// What the model says behind each of `texts`.
    step: Step,
    no_speech_probability: f32,
    texts: Vec<Text>,
    ended: Vec<Text>,
}

impl Decoding {
    /// Reads the prompt.
    pub(crate) fn begin(
        model: &mut DecoderModel,
        memory: Memory,
        language: String,
        prompt: &[i64],
        search: Search,
    ) -> Result<Self, DecoderError> {
        let mut cache = Cache::default();
        let mut step = model.step(&memory, &mut cache, &[0], prompt)?;
        let count = model.logits();
        // What the model thinks of the audio before it is told what to write.
        let first = step.logits.get(..count).unwrap_or_default();
        let silent = first.get(model.vocabulary().no_speech as usize).copied().unwrap_or(f32::NEG_INFINITY);
        let no_speech_probability = (silent - log_sum(first)).exp();
        // Of the prompt only what is behind its last token.
        step.logits.drain(..step.logits.len().saturating_sub(count));
        step.alignment.drain(..step.alignment.len().saturating_sub(1));
        Ok(Self {
            memory,
            search,
            language,
            prompt: prompt.len(),
            cache,
            step,
            no_speech_probability,
            texts: vec![Text::default()],
            ended: Vec::new(),
        })
    }

    /// Writes one more token; says whether there are more to write.
    ///
    /// # Errors
    ///
    /// ONNX Runtime fails, or the model gives no numbers.
    pub fn advance(&mut self, model: &mut DecoderModel) -> Result<bool, DecoderError> {
        for (text, row) in self.texts.iter_mut().zip(std::mem::take(&mut self.step.alignment)) {
            text.alignment.push(Arc::new(row));
        }
        let (end, beam) = (model.vocabulary().end as usize, self.search.beam);
        let (mut chosen, mut tokens, mut next) = (Vec::new(), Vec::new(), Vec::new());
        let candidates = self.candidates(model, beam + 1);
        if candidates.is_empty() {
            return Err(DecoderError::Logits { model: model.identity().to_owned() });
        }
        for Candidate { text: index, token, log_probability, .. } in candidates {
            let Some(text) = self.texts.get(index) else { continue };
            if token == end {
                self.ended.push(text.with(None, log_probability));
            } else {
                next.push(text.with(Some(token as i32), log_probability));
                chosen.push(index);
                tokens.push(token as i64);
            }
            if next.len() == beam {
                break;
            }
        }
        let written = self.texts.first().map_or(0, |text| text.tokens.len());
        let full = self.prompt + written + 1 >= model.most_tokens();
        if self.ended.len() >= beam || next.is_empty() || full {
            return Ok(false);
        }
        self.texts = next;
        self.step = model.step(&self.memory, &mut self.cache, &chosen, &tokens)?;
        Ok(true)
    }

    /// The most probable text, which is whole when there is nothing more to write, with the language and the probability
    /// that nobody speaks.
    pub(crate) fn finish(self) -> Decoded {
        // Where nothing has ended, what there is must do.
        let texts = if self.ended.is_empty() { self.texts } else { self.ended };
        let best = texts.into_iter().reduce(|best, text| if text.rank() > best.rank() { text } else { best });
        Decoded {
            text: best.unwrap_or_default(),
            frames: self.memory.frames,
            language: self.language,
            no_speech_probability: self.no_speech_probability,
        }
    }

    /// The `count` most probable ways to go on with the texts, all together, the most probable first; of equally
    /// probable ones the first text and the first token.
    fn candidates(&mut self, model: &DecoderModel, count: usize) -> Vec<Candidate> {
        let frames = self.search.timestamps.then_some(self.memory.frames);
        let mut candidates = Vec::new();
        let logits = self.step.logits.chunks_mut(model.logits());
        for (index, (text, logits)) in self.texts.iter().zip(logits).enumerate() {
            model.rules().apply(&text.tokens, &self.language, frames, &self.search.guard, logits);
            let normaliser = log_sum(logits);
            candidates.extend(largest(logits, count).into_iter().map(|(token, logit)| {
                let log_probability = logit - normaliser;
                let sum = text.sum + f64::from(log_probability);
                Candidate { text: index, token, log_probability, sum }
            }));
        }
        candidates.sort_by(|one, other| other.sum.total_cmp(&one.sum));
        candidates
    }
}

/// What a search has found.
pub(crate) struct Decoded {
    pub(crate) text: Text,
    /// Positions of the utterance and of the silence that was encoded with it.
    pub(crate) frames: usize,
    pub(crate) language: String,
    pub(crate) no_speech_probability: f32,
}

/// A way to go on.
struct Candidate {
    text: usize,
    token: usize,
    log_probability: f32,
    sum: f64,
}

/// The largest values with their indexes, the largest first; what is impossible is none.
fn largest(values: &[f32], count: usize) -> Vec<(usize, f32)> {
    let mut found: Vec<(usize, f32)> = Vec::with_capacity(count + 1);
    let mut least = f32::NEG_INFINITY;
    for (index, value) in values.iter().copied().enumerate() {
        if value > least {
            let place = found.partition_point(|(_, other)| *other >= value);
            found.insert(place, (index, value));
            found.truncate(count);
            least = found.get(count - 1).map_or(f32::NEG_INFINITY, |(_, least)| *least);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn indexes(values: &[f32], count: usize) -> Vec<usize> {
        largest(values, count).into_iter().map(|(index, _)| index).collect()
    }

    #[test]
    fn of_equals_the_first_is_chosen() {
        assert_eq!(indexes(&[1.0, 3.0, 3.0, f32::NEG_INFINITY, 2.0], 3), [1, 2, 4]);
        assert_eq!(indexes(&[f32::NEG_INFINITY, f32::NAN, 0.5], 2), [2]);
        assert!(indexes(&[], 2).is_empty());
    }

    proptest! {
        #[test]
        fn the_largest_are_those_of_a_sort(values in prop::collection::vec(-10.0..10.0_f32, 0..100), count in 1..9_usize) {
            let mut order: Vec<usize> = (0..values.len()).collect();
            order.sort_by(|one, other| values[*other].total_cmp(&values[*one]));
            order.truncate(count);
            prop_assert_eq!(indexes(&values, count), order);
        }
    }
}
