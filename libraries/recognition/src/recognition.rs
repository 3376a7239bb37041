//! From what the model says of each window to words and a judgement.

use undertone_messages::{SAMPLE_RATE, Transcript, TranscriptStatus, Word, seconds};

use crate::evidence::{Evidence, Limits};
use crate::guard::{Guard, Stop};
use crate::pauses;
use crate::words::{Token, Wording, wording};

/// What the model says of one window of audio.
#[derive(Clone, Debug, PartialEq)]
pub struct Recognition {
    /// The tokens of the text.
    pub tokens: Vec<Token>,
    /// Sum of the natural logarithms of the tokens' probabilities, the token that ends the text among them.
    pub log_probability: f64,
    /// How many tokens are in that sum.
    pub count: usize,
    /// The model's probability that nobody speaks, 0 to 1.
    pub no_speech_probability: f32,
    /// ISO 639-1 code of the language.
    pub language: String,
}

impl Recognition {
    /// Why `guard`, which watched over the text, cut it short, or `None` if it did not.
    pub fn stop(&self, guard: &Guard) -> Option<Stop> {
        let text: Vec<i32> = self.tokens.iter().map(|token| token.id).collect();
        guard.stop(&text, &self.language)
    }
}

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

    /// That of an audio of `length` samples, if these are too few to be looked at.
    pub fn too_short(length: u64, minimum_ms: u32) -> Option<Self> {
        let minimum = u64::from(minimum_ms) * u64::from(SAMPLE_RATE / 1000);
        (length < minimum).then(|| {
            Self::rejected(format!(
                "too short to be recognised: {:.3} s, and at least {:.3} s are needed",
                seconds(length),
                seconds(minimum)
            ))
        })
    }

    /// The message about the segment `start..end`; `model` is the recogniser's.
    pub fn into_transcript(self, segment: u64, start: u64, end: u64, model: &str) -> Transcript {
        let Self { wording, language, objection, .. } = self;
        let words: Vec<Word> = wording
            .words
            .into_iter()
            .map(|word| Word {
                text: word.text,
                start: start + word.start,
                end: start + word.end,
                probability: word.probability,
            })
            .collect();
        // Of what was rejected, all may be seen.
        let text = if words.is_empty() { wording.notes.join(" ") } else { wording.text };
        Transcript {
            segment,
            start,
            end,
            text,
            stable: words.len() as u32,
            words,
            average_log_probability: self.average_log_probability,
            no_speech_probability: self.no_speech_probability,
            language,
            status: match objection {
                None => TranscriptStatus::Final,
                Some(_) => TranscriptStatus::Rejected,
            },
            reason: objection.unwrap_or_default(),
            model: model.to_owned(),
            degraded: String::new(),
        }
    }
}

/// Puts the windows of an audio of `length` samples together, each with its start, and judges the text. `energies` are
/// those of the whole audio ([`crate::energies`]); `stop` says why the text of a window was cut short, if one was.
pub fn judge(
    windows: Vec<(u64, Recognition)>,
    length: u64,
    energies: &[f32],
    stop: Option<Stop>,
    limits: &Limits,
) -> Transcription {
    let whole = join(windows);
    let average = (whole.log_probability / whole.count.max(1) as f64) as f32;
    let mut wording = wording(&whole.tokens, &whole.language, length);
    pauses::trim(&mut wording.words, energies);
    let evidence = Evidence {
        no_speech_probability: whole.no_speech_probability,
        average_log_probability: average,
        seconds: seconds(length),
        language: whole.language,
        stop,
    };
    Transcription {
        objection: limits.objection(&wording, &evidence),
        wording,
        average_log_probability: average,
        no_speech_probability: whole.no_speech_probability,
        language: evidence.language,
    }
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
