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
                    "the decoder found no end: stopped at {tokens} tokens, more than the audio has room for"
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
    /// The most tokens of text.
    pub most_tokens: usize,
}

impl Guard {
    /// Why a text of these tokens must not go on, or `None` if it may.
    pub fn stop(&self, text: &[i32]) -> Option<Stop> {
        if let Some(repetition) = self.repetition.broken_by(text) {
            return Some(Stop::Loop(repetition));
        }
        (text.len() >= self.most_tokens).then_some(Stop::Runaway { tokens: text.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard { repetition: RepetitionRule { most: 3, least_added: 9, never_again: None }, most_tokens: 30 }
    }

    #[test]
    fn a_text_that_goes_somewhere_is_left_alone() {
        assert_eq!(guard().stop(&[]), None);
        assert_eq!(guard().stop(&(0..29).collect::<Vec<_>>()), None);
    }

    #[test]
    fn a_loop_is_noticed_when_its_last_time_is_complete() {
        let looped = [1, 2, 3].repeat(4);
        assert_eq!(guard().stop(&looped), Some(Stop::Loop(Repetition { start: 0, length: 3, times: 4 })));
        assert_eq!(guard().stop(&looped[..11]), None);
    }

    #[test]
    fn a_text_without_an_end_is_stopped() {
        assert_eq!(guard().stop(&(0..30).collect::<Vec<_>>()), Some(Stop::Runaway { tokens: 30 }));
    }
}
