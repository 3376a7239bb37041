//! When a text has run away.
//!
//! The rule depends on the tokens alone, so whoever has the text can ask again why it ended.

use std::fmt;

use crate::repetition::{Repetition, RepetitionRule};

/// Why a text was cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The same tokens came again and again.
    Loop(Repetition),
    /// More tokens than the audio has room for.
    Runaway {
        /// The tokens.
        tokens: usize,
    },
    /// As many tokens as a text may have, however long the audio is.
    Full {
        /// The tokens.
        tokens: usize,
    },
}

impl fmt::Display for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loop(Repetition { length, times, .. }) => {
                write!(formatter, "the decoder was caught in a loop: the same {length} tokens {times} times")
            }
            Self::Runaway { tokens } => {
                write!(
                    formatter,
                    "the decoder found no end: stopped at {tokens} tokens, more than the audio has room for at `--words-per-second`"
                )
            }
            Self::Full { tokens } => {
                write!(
                    formatter,
                    "the decoder found no end: stopped at {tokens} tokens, the most that a text may have"
                )
            }
        }
    }
}

/// What a decoder may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// What counts as a loop, in tokens.
    pub repetition: RepetitionRule,
    /// The most tokens of text, whatever the audio.
    pub most_tokens: usize,
    /// The most tokens that this audio has room for, if the text is English ([`crate::Limits::most_english_tokens`]).
    pub most_english_tokens: usize,
}

impl Guard {
    /// Why a text of these tokens must not go on, or `None` if it may. `language` is its ISO 639-1 code.
    pub fn stop(&self, text: &[i32], language: &str) -> Option<Stop> {
        if let Some(repetition) = self.repetition.broken_by(text) {
            return Some(Stop::Loop(repetition));
        }
        let tokens = text.len();
        if tokens >= self.most_tokens {
            return Some(Stop::Full { tokens });
        }
        (language == "en" && tokens >= self.most_english_tokens).then_some(Stop::Runaway { tokens })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        let repetition = RepetitionRule { most: 3, least_added: 9, never_again: None };
        Guard { repetition, most_tokens: 50, most_english_tokens: 30 }
    }

    #[test]
    fn a_text_that_goes_somewhere_is_left_alone() {
        assert_eq!(guard().stop(&[], "en"), None);
        assert_eq!(guard().stop(&(0..29).collect::<Vec<_>>(), "en"), None);
    }

    #[test]
    fn a_loop_is_noticed_when_its_last_time_is_complete() {
        let looped = [1, 2, 3].repeat(4);
        for language in ["en", "te"] {
            let found = guard().stop(&looped, language);
            assert_eq!(found, Some(Stop::Loop(Repetition { start: 0, length: 3, times: 4 })));
            assert_eq!(guard().stop(&looped[..11], language), None);
        }
    }

    #[test]
    fn a_text_without_an_end_is_stopped() {
        let stop = |tokens, language| guard().stop(&(0..tokens).collect::<Vec<_>>(), language);
        assert_eq!(stop(30, "en"), Some(Stop::Runaway { tokens: 30 }));
        assert_eq!(stop(50, "en"), Some(Stop::Full { tokens: 50 }));
        assert!(stop(30, "en").unwrap().to_string().contains("--words-per-second"));
    }

    /// Whisper's vocabulary was made of English: a word of Telugu or Tamil may have ten of its tokens.
    #[test]
    fn a_text_in_another_language_may_have_more_tokens_than_english_has_time_for() {
        for language in ["te", "ta", "th", "de", ""] {
            let stop = |tokens| guard().stop(&(0..tokens).collect::<Vec<_>>(), language);
            assert_eq!(stop(49), None);
            assert_eq!(stop(50), Some(Stop::Full { tokens: 50 }));
        }
    }
}
