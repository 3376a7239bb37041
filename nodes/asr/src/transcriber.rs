//! From samples to words and a judgement.

use std::sync::Arc;

use undertone_messages::seconds;

use crate::arguments::{Arguments, AudioContext};
use crate::error::AsrError;
use crate::evidence::{Evidence, Limits};
use crate::guard::{Guard, Stop};
use crate::pauses;
use crate::recogniser::{Decoding, Recogniser, Recognition};
use crate::repetition::RepetitionRule;
use crate::windows::windows;
use crate::words::{Token, Wording, wording};

/// With a part of the window the decoder tends to say a phrase again before it ends or goes wild, so there the second
/// time is enough to decode again.
const STRICT: RepetitionRule = RepetitionRule { most: 1, least_added: 4, never_again: Some(5) };
/// whisper.cpp has room for 220 tokens; alignment reads past the text if the last of them does not end it.
const MOST_TOKENS: usize = 216;

/// What was said in a segment. Times are sample indexes from its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcription {
    /// The text and its words.
    pub wording: Wording,
    /// Mean natural logarithm of the tokens' probabilities, the token that ends the text among them.
    pub average_log_probability: f32,
    /// The model's probability that nobody speaks, 0 to 1; of several windows, the smallest.
    pub no_speech_probability: f32,
    /// ISO 639-1 code of the language; empty if the audio was not looked at.
    pub language: String,
    /// What speaks against the text, or `None` if it is to be trusted.
    pub objection: Option<String>,
}

impl Transcription {
    /// That of an audio that was not looked at.
    pub fn rejected(reason: String) -> Self {
        Self { objection: Some(reason), ..Self::default() }
    }
}

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

    /// Recognises and judges mono samples at 16 kHz, of any length above 0.
    ///
    /// # Errors
    ///
    /// whisper.cpp fails.
    pub fn transcribe(&self, samples: &[f32]) -> Result<Transcription, AsrError> {
        if let Some(quick) = self.quickly(samples)? {
            return Ok(quick);
        }
        let guard = self.guard(samples.len(), self.limits.token_repetition());
        let mut pieces = Vec::new();
        for window in windows(samples) {
            let start = window.start as u64;
            let piece = samples.get(window).unwrap_or_default();
            pieces.push((start, self.recogniser.recognise(piece, &self.decoding, &guard, None)?));
        }
        Ok(self.judge(pieces, samples, &guard))
    }

    /// Tries a part of the encoder's window, if that was asked for. Nothing comes of it unless all is as it should be.
    fn quickly(&self, samples: &[f32]) -> Result<Option<Transcription>, AsrError> {
        let Some(positions) = self.audio_context.positions(samples.len()) else { return Ok(None) };
        let guard = self.guard(samples.len(), STRICT);
        let found = self.recogniser.recognise(samples, &self.decoding, &guard, Some(positions))?;
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
        self.recogniser.guard(repetition, self.limits.most_tokens(seconds(samples as u64)).min(MOST_TOKENS))
    }

    fn judge(&self, pieces: Vec<(u64, Recognition)>, samples: &[f32], guard: &Guard) -> Transcription {
        let stop = pieces.iter().find_map(|(_, piece)| stop(piece, guard));
        let whole = join(pieces);
        let average = (whole.log_probability / whole.count.max(1) as f64) as f32;
        let length = samples.len() as u64;
        let mut wording = wording(&whole.tokens, &whole.language, length);
        pauses::trim(&mut wording.words, samples);
        let evidence = Evidence {
            no_speech_probability: whole.no_speech_probability,
            average_log_probability: average,
            seconds: seconds(length),
            stop,
        };
        Transcription {
            objection: self.limits.objection(&wording, &evidence),
            wording,
            average_log_probability: average,
            no_speech_probability: whole.no_speech_probability,
            language: whole.language,
        }
    }
}

fn stop(piece: &Recognition, guard: &Guard) -> Option<Stop> {
    guard.stop(&piece.tokens.iter().map(|token| token.id).collect::<Vec<_>>())
}

/// Puts windows together, each with its start.
fn join(pieces: Vec<(u64, Recognition)>) -> Recognition {
    let mut whole = Recognition {
        tokens: Vec::new(),
        log_probability: 0.0,
        count: 0,
        no_speech_probability: 1.0,
        language: String::new(),
    };
    for (start, piece) in pieces {
        whole.tokens.extend(
            piece.tokens.into_iter().map(|token| Token { end: token.end.map(|end| start + end), ..token }),
        );
        whole.log_probability += piece.log_probability;
        whole.count += piece.count;
        whole.no_speech_probability = whole.no_speech_probability.min(piece.no_speech_probability);
        if whole.language.is_empty() {
            whole.language = piece.language;
        }
    }
    whole
}
