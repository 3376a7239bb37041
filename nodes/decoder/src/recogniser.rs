//! From what the decoder sees to recognised tokens with times.

use undertone_recognition::{Guard, POSITION, Recognition, RepetitionRule, Token};

use crate::alignment::align;
use crate::error::DecoderError;
use crate::model::{Cache, DecoderModel, Memory};
use crate::search::{Text, search};

/// Recognises one window after the other.
pub struct Recogniser {
    model: DecoderModel,
}

impl Recogniser {
    /// With a loaded model.
    pub fn new(model: DecoderModel) -> Self {
        Self { model }
    }

    /// The model.
    pub fn model(&self) -> &DecoderModel {
        &self.model
    }

    /// Decodes a second of nothing, so that the first utterance finds all memory ready.
    ///
    /// # Errors
    ///
    /// ONNX Runtime fails.
    pub fn warm_up(&mut self) -> Result<(), DecoderError> {
        let repetition = RepetitionRule { most: 1, least_added: 1, never_again: None };
        let nothing = vec![0.0; 50 * self.model.width()];
        self.recognise(&nothing, 16_000, Some("en"), 1, &Guard { repetition, most_tokens: 4 })?;
        Ok(())
    }

    /// The language as it is to be asked for, `None` if the model is to find out.
    ///
    /// # Errors
    ///
    /// The model does not know it.
    pub fn check_language(&self, language: &str) -> Result<Option<String>, DecoderError> {
        let known = &self.model.vocabulary().languages;
        let english_only = known.is_empty();
        match language {
            "en" => Ok(Some(language.to_owned())),
            "auto" if !english_only => Ok(None),
            _ if known.iter().any(|(code, _)| code == language) => Ok(Some(language.to_owned())),
            _ => Err(DecoderError::Language {
                language: language.to_owned(),
                model: self.model.identity().to_owned(),
                known: if english_only {
                    "English alone: give --language en or another --model".to_owned()
                } else {
                    let codes: Vec<&str> = known.iter().map(|(code, _)| code.as_str()).collect();
                    format!("auto, {}", codes.join(", "))
                },
            }),
        }
    }

    /// Recognises a window of `samples` samples from the encoder's states, `[frames, width]`. `language` is a code, or
    /// `None` if the model is to find out.
    ///
    /// # Errors
    ///
    /// ONNX Runtime fails, or the states are not those of the model's encoder.
    pub fn recognise(
        &mut self,
        states: &[f32],
        samples: u64,
        language: Option<&str>,
        beam: u8,
        guard: &Guard,
    ) -> Result<Recognition, DecoderError> {
        let memory = self.model.memory(states)?;
        let language = match language {
            Some(language) => language.to_owned(),
            None => self.detect(&memory)?,
        };
        let prompt = self.prompt(&language);
        let (text, first) = search(&mut self.model, &memory, &prompt, beam.into(), guard)?;
        let no_speech = self.model.vocabulary().no_speech as usize;
        Ok(Recognition {
            log_probability: text.log_probabilities.iter().map(|value| f64::from(*value)).sum(),
            count: text.log_probabilities.len(),
            no_speech_probability: probability(&first, no_speech),
            tokens: self.tokens(&text, samples, memory.frames()),
            language,
        })
    }

    /// The prompt for a text without timestamps.
    fn prompt(&self, language: &str) -> Vec<i64> {
        let vocabulary = self.model.vocabulary();
        let token = vocabulary.languages.iter().find(|(code, _)| code == language);
        let spoken = token.map(|(_, token)| [*token, vocabulary.transcribe]);
        let prompt = [vocabulary.start].into_iter().chain(spoken.into_iter().flatten());
        prompt.chain([vocabulary.no_timestamps]).map(i64::from).collect()
    }

    /// The language that the model takes the speech for.
    fn detect(&mut self, memory: &Memory) -> Result<String, DecoderError> {
        let start = i64::from(self.model.vocabulary().start);
        let step = self.model.step(memory, &mut Cache::default(), &[0], &[start])?;
        let logit = |token: u32| step.logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
        let languages = self.model.vocabulary().languages.iter();
        let found = languages.max_by(|one, other| logit(one.1).total_cmp(&logit(other.1)));
        Ok(found.map_or_else(|| "en".to_owned(), |(code, _)| code.clone()))
    }

    /// The text's tokens with their times.
    fn tokens(&self, text: &Text, samples: u64, frames: usize) -> Vec<Token> {
        let heads = self.model.alignment_heads();
        // The silence behind the utterance is no place for a word.
        let spoken =
            usize::try_from(samples).unwrap_or(usize::MAX).div_ceil(POSITION).clamp(1, frames.max(1));
        let cut = |row: &Vec<f32>| -> Vec<f32> {
            row.chunks(frames.max(1))
                .flat_map(|scores| scores.get(..spoken).unwrap_or_default())
                .copied()
                .collect()
        };
        let scores: Vec<Vec<f32>> = text.alignment.iter().map(|row| cut(row)).collect();
        let begins = align(&scores, heads, spoken);
        let ends = begins.iter().skip(1).map(|frame| (frame * POSITION) as u64);
        let ends = ends.map(Some).chain(std::iter::repeat(None));
        text.tokens
            .iter()
            .zip(&text.log_probabilities)
            .zip(ends)
            .map(|((id, log_probability), end)| Token {
                id: *id,
                bytes: self.model.vocabulary().bytes(id.unsigned_abs()),
                log_probability: *log_probability,
                end,
            })
            .collect()
    }
}

/// The softmax of `logits` at `token`.
fn probability(logits: &[f32], token: usize) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - largest).exp()).sum();
    logits.get(token).map_or(0.0, |logit| (f64::from(logit - largest).exp() / sum) as f32)
}
