//! From samples to words and a judgement.

use std::sync::Arc;

use undertone_messages::seconds;
use undertone_recognition::{
    Guard, Limits, Recognition, RepetitionRule, Transcription, energies, judge, windows,
};
use undertone_stage::Cancel;

use crate::arguments::{Arguments, AudioContext};
use crate::error::AsrError;
use crate::recogniser::{Decoding, Recogniser};

/// With a part of the window the decoder tends to say a phrase again before it ends or goes wild, so there the second
/// time is enough to decode again.
const STRICT: RepetitionRule = RepetitionRule { most: 1, least_added: 4, never_again: Some(5) };
/// whisper.cpp has room for 220 tokens; alignment reads past the text if the last of them does not end it.
const MOST_TOKENS: usize = 216;

/// A model and how to use it.
pub struct Transcriber {
    recogniser: Arc<Recogniser>,
    decoding: Decoding,
    audio_context: AudioContext,
    limits: Limits,
}

impl Transcriber {
    /// Uses the model as the arguments say.
    ///
    /// # Errors
    ///
    /// A language that the model does not know.
    pub fn new(arguments: &Arguments, recogniser: Arc<Recogniser>) -> Result<Self, AsrError> {
        let decoding = recogniser.decoding(&arguments.language, arguments.beam, arguments.threads)?;
        let Arguments { audio_context, limits, .. } = arguments.clone();
        Ok(Self { recogniser, decoding, audio_context, limits })
    }

    /// The model as `name@` and the first 12 hexadecimal digits of its file's SHA-256.
    pub fn identity(&self) -> &str {
        self.recogniser.identity()
    }

    /// Recognises and judges mono samples at 16 kHz, of any length above 0, unless it is cancelled.
    ///
    /// # Errors
    ///
    /// whisper.cpp fails.
    pub fn transcribe(&self, samples: &[f32], cancel: &Cancel) -> Result<Option<Transcription>, AsrError> {
        if let Some(quick) = self.quickly(samples, cancel)? {
            return Ok(Some(quick));
        }
        if cancel.is_cancelled() {
            return Ok(None);
        }
        let guard = self.guard(samples.len(), self.limits.token_repetition());
        let mut pieces = Vec::new();
        for window in windows(samples) {
            let start = window.start as u64;
            let piece = samples.get(window).unwrap_or_default();
            let found = self.recogniser.recognise(piece, &self.decoding, &guard, None, cancel)?;
            let Some(found) = found else { return Ok(None) };
            pieces.push((start, found));
        }
        Ok(Some(self.judge(pieces, samples, &guard)))
    }

    /// Tries a part of the encoder's window, if that was asked for. Nothing comes of it unless all is as it should be.
    fn quickly(&self, samples: &[f32], cancel: &Cancel) -> Result<Option<Transcription>, AsrError> {
        let Some(positions) = self.audio_context.positions(samples.len()) else { return Ok(None) };
        let guard = self.guard(samples.len(), STRICT);
        let found = self.recogniser.recognise(samples, &self.decoding, &guard, Some(positions), cancel)?;
        let Some(found) = found else { return Ok(None) };
        let transcription = self.judge(vec![(0, found)], samples, &guard);
        match &transcription.objection {
            None => Ok(Some(transcription)),
            Some(objection) => {
                tracing::debug!(
                    positions,
                    objection,
                    text = transcription.wording.text,
                    "decoding again in full"
                );
                Ok(None)
            }
        }
    }

    fn guard(&self, samples: usize, repetition: RepetitionRule) -> Guard {
        let most_english_tokens = self.limits.most_english_tokens(seconds(samples as u64));
        Guard { repetition, most_tokens: MOST_TOKENS, most_english_tokens }
    }

    fn judge(&self, pieces: Vec<(u64, Recognition)>, samples: &[f32], guard: &Guard) -> Transcription {
        let stop = pieces.iter().find_map(|(_, piece)| piece.stop(guard));
        judge(pieces, samples.len() as u64, &energies(samples), stop, &self.limits)
    }
}
