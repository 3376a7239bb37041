//! From what the decoder sees to recognised tokens with times.

use undertone_recognition::{Guard, POSITION, Recognition, RepetitionRule, Token};

use crate::alignment::align;
use crate::error::DecoderError;
use crate::memory::Memory;
use crate::model::{Cache, DecoderModel};
use crate::search::{Decoded, Decoding, Search};

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
        let guard = Guard { repetition, most_tokens: 4, most_english_tokens: 4 };
        self.recognise(&nothing, 16_000, Some("en"), Search { beam: 1, timestamps: false, guard })?;
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
        search: Search,
    ) -> Result<Recognition, DecoderError> {
        let mut decoding = self.begin(states, language, search)?;
        while self.advance(&mut decoding)? {}
        Ok(self.finish(decoding, samples))
    }

    /// Begins with a window, as [`Recogniser::recognise`] does.
    ///
    /// # Errors
    ///
    /// As [`Recogniser::recognise`].
    pub fn begin(
        &mut self,
        states: &[f32],
        language: Option<&str>,
        search: Search,
    ) -> Result<Decoding, DecoderError> {
        let memory = self.model.memory(states)?;
        let language = match language {
            Some(language) => language.to_owned(),
            None => self.detect(&memory)?,
        };
        let prompt = self.prompt(&language, search.timestamps);
        Decoding::begin(&mut self.model, memory, language, &prompt, search)
    }

    /// Writes one more token; says whether there are more to write. Whoever needs the text no longer drops the decoding.
    ///
    /// # Errors
    ///
    /// ONNX Runtime fails, or the model gives no numbers.
    pub fn advance(&mut self, decoding: &mut Decoding) -> Result<bool, DecoderError> {
        decoding.advance(&mut self.model)
    }

    /// What was recognised of a window of `samples` samples, when there is nothing more to write.
    pub fn finish(&self, decoding: Decoding, samples: u64) -> Recognition {
        let decoded = decoding.finish();
        let log_probabilities = &decoded.text.log_probabilities;
        Recognition {
            log_probability: log_probabilities.iter().map(|value| f64::from(*value)).sum(),
            count: log_probabilities.len(),
            no_speech_probability: decoded.no_speech_probability,
            tokens: self.tokens(&decoded, samples),
            language: decoded.language,
        }
    }

    fn prompt(&self, language: &str, timestamps: bool) -> Vec<i64> {
        let vocabulary = self.model.vocabulary();
        let token = vocabulary.languages.iter().find(|(code, _)| code == language);
        let spoken = token.map(|(_, token)| [*token, vocabulary.transcribe]);
        let prompt = [vocabulary.start].into_iter().chain(spoken.into_iter().flatten());
        prompt.chain((!timestamps).then_some(vocabulary.no_timestamps)).map(i64::from).collect()
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

    /// The text's words, as tokens with their times.
    fn tokens(&self, decoded: &Decoded, samples: u64) -> Vec<Token> {
        let Decoded { text, frames, .. } = decoded;
        let heads = self.model.alignment_heads();
        // The silence behind the utterance is no place for a word.
        let spoken =
            usize::try_from(samples).unwrap_or(usize::MAX).div_ceil(POSITION).clamp(1, (*frames).max(1));
        let end = self.model.vocabulary().end;
        // Timestamps are no words. Behind all tokens is what was seen when the text ended.
        let words = || text.tokens.iter().map(|token| token.unsigned_abs() < end).chain([true]);
        let of_words = text.alignment.iter().zip(words()).filter_map(|(row, is_word)| is_word.then_some(row));
        let scores: Vec<Vec<f32>> = of_words
            .map(|row| {
                let heads = row.chunks((*frames).max(1));
                heads.flat_map(|scores| scores.get(..spoken).unwrap_or_default()).copied().collect()
            })
            .collect();
        let begins = align(&scores, heads, spoken);
        let ends = begins.iter().skip(1).map(|frame| (frame * POSITION) as u64);
        let ends = ends.map(Some).chain(std::iter::repeat(None));
        let tokens = text.tokens.iter().zip(&text.log_probabilities).zip(words());
        let of_words = tokens.filter_map(|(token, is_word)| is_word.then_some(token));
        of_words
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
