//! Which tokens a text may go on with.

use undertone_recognition::Guard;

use crate::vocabulary::Vocabulary;

/// The first timestamp of a text is at most 1 s, in steps of 20 ms, as in OpenAI's `whisper/decoding.py`.
const LATEST_FIRST_TIMESTAMP: usize = 50;

/// What no text has, and the order of timestamps among words.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    suppressed: Vec<usize>,
    suppressed_at_begin: Vec<usize>,
    end: usize,
    first_timestamp: usize,
}

impl Rules {
    /// With the tokens that are to be suppressed everywhere, and as the first of a text.
    pub(crate) fn new(
        vocabulary: &Vocabulary,
        suppressed: Vec<usize>,
        suppressed_at_begin: Vec<usize>,
    ) -> Self {
        let (end, first_timestamp) = (vocabulary.end as usize, vocabulary.first_timestamp() as usize);
        Self { suppressed, suppressed_at_begin, end, first_timestamp }
    }

    /// The tokens of a text that are neither timestamps nor its end.
    pub(crate) fn words<'a>(&self, text: &'a [i32]) -> impl Iterator<Item = i32> + use<'a> {
        let end = self.end as i32;
        text.iter().copied().filter(move |token| *token < end)
    }

    /// Sets to negative infinity the logits of tokens that a text in `language` must not go on with. `frames` says how long
    /// the utterance is, in steps of timestamps, if it is to have any.
    pub(crate) fn apply(
        &self,
        text: &[i32],
        language: &str,
        frames: Option<usize>,
        guard: &Guard,
        logits: &mut [f32],
    ) {
        let at_begin = if text.is_empty() { self.suppressed_at_begin.as_slice() } else { &[] };
        for token in self.suppressed.iter().chain(at_begin) {
            forbid(logits, *token, *token + 1);
        }
        let words: Vec<i32> = self.words(text).collect();
        if guard.stop(&words, language).is_some() {
            forbid(logits, 0, self.end);
            forbid(logits, self.end + 1, usize::MAX);
            return;
        }
        match frames {
            // What comes behind the end are marks, which belong into the prompt, and timestamps.
            None => forbid(logits, self.end + 1, usize::MAX),
            Some(frames) => {
                forbid(logits, self.end + 1, self.first_timestamp);
                self.order_timestamps(text, frames, logits);
            }
        }
    }

    /// The rules of OpenAI's `ApplyTimestampRules`: a text begins with a timestamp; timestamps stand in pairs, the end of
    /// one part and the start of the next, but for the first and the last; they do not go back, and no part is empty; and
    /// where a timestamp is more probable than any word, it is one. One more: none lies behind the utterance.
    fn order_timestamps(&self, text: &[i32], frames: usize, logits: &mut [f32]) {
        let first = self.first_timestamp;
        let is_timestamp = |token: &i32| usize::try_from(*token).is_ok_and(|token| token >= first);
        forbid(logits, first.saturating_add(frames).saturating_add(1), usize::MAX);
        let Some((last, before)) = text.split_last() else {
            forbid(logits, 0, first);
            return forbid(logits, first + LATEST_FIRST_TIMESTAMP + 1, usize::MAX);
        };
        // The first timestamp of all counts as the second of a pair.
        let closes = is_timestamp(last) && before.last().is_some_and(|token| !is_timestamp(token));
        if closes {
            forbid(logits, 0, self.end);
        } else if is_timestamp(last) {
            forbid(logits, first, usize::MAX);
        }
        if let Some(latest) = text.iter().rev().find(|token| is_timestamp(token)) {
            let earliest = latest.unsigned_abs() as usize + usize::from(!closes);
            forbid(logits, first, earliest.max(first));
        }
        let (words, timestamps) = logits.split_at(first.min(logits.len()));
        let likeliest = words.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if log_sum(timestamps) > likeliest {
            forbid(logits, 0, first);
        }
    }
}

fn forbid(logits: &mut [f32], from: usize, to: usize) {
    let to = to.min(logits.len());
    if let Some(logits) = logits.get_mut(from..to) {
        logits.fill(f32::NEG_INFINITY);
    }
}

/// The logarithm of the sum of the powers.
pub(crate) fn log_sum(logits: &[f32]) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if largest == f32::NEG_INFINITY {
        return largest;
    }
    // Sums of float64, so that 50,000 small ones leave nothing out.
    let sum: f64 = logits.iter().map(|logit| f64::from((logit - largest).exp())).sum();
    largest + sum.ln() as f32
}

#[cfg(test)]
mod tests {
    use undertone_recognition::RepetitionRule;

    use super::*;

    const END: usize = 10;
    const FIRST: usize = 15;
    const TOKENS: usize = 100;

    fn rules() -> Rules {
        Rules { suppressed: vec![3, 12], suppressed_at_begin: vec![4, END], end: END, first_timestamp: FIRST }
    }

    const GUARD: Guard = Guard {
        repetition: RepetitionRule { most: 1, least_added: 2, never_again: None },
        most_tokens: 9,
        most_english_tokens: 8,
    };

    /// The tokens that an English text may go on with where all are equally probable but those in `raised`.
    fn allowed(text: &[i32], frames: Option<usize>, raised: &[usize]) -> Vec<usize> {
        allowed_in("en", text, frames, raised)
    }

    fn allowed_in(language: &str, text: &[i32], frames: Option<usize>, raised: &[usize]) -> Vec<usize> {
        let mut logits = vec![0.0; TOKENS];
        raised.iter().for_each(|token| logits[*token] = 20.0);
        rules().apply(text, language, frames, &GUARD, &mut logits);
        (0..TOKENS).filter(|token| logits[*token] > f32::NEG_INFINITY).collect()
    }

    #[test]
    fn without_timestamps_words_and_the_end_are_allowed() {
        assert_eq!(allowed(&[], None, &[]), [0, 1, 2, 5, 6, 7, 8, 9]);
        assert_eq!(allowed(&[1], None, &[]), [0, 1, 2, 4, 5, 6, 7, 8, 9, END]);
    }

    #[test]
    fn a_loop_and_a_text_without_an_end_may_only_end() {
        for frames in [None, Some(60)] {
            assert_eq!(allowed(&[16, 1, 2, 1, 2], frames, &[]), [END]);
            assert_eq!(allowed(&[0, 1, 2, 5, 6, 7, 8, 9], frames, &[]), [END]);
        }
    }

    #[test]
    fn a_text_in_another_language_goes_on_where_an_english_one_must_end() {
        let text = [0, 1, 2, 5, 6, 7, 8, 9];
        assert!(allowed_in("te", &text, None, &[]).contains(&4));
        assert_eq!(allowed_in("te", &[&text[..], &[4]].concat(), None, &[]), [END]);
    }

    #[test]
    fn a_text_with_timestamps_begins_with_one_of_its_first_second() {
        assert_eq!(allowed(&[], Some(80), &[]), (FIRST..=FIRST + 50).collect::<Vec<_>>());
        // Nor behind the utterance.
        assert_eq!(allowed(&[], Some(7), &[]), (FIRST..=FIRST + 7).collect::<Vec<_>>());
    }

    #[test]
    fn behind_the_first_timestamp_are_words() {
        assert_eq!(allowed(&[20], Some(60), &[]), [0, 1, 2, 4, 5, 6, 7, 8, 9, END]);
        assert_eq!(allowed(&[20, 1, 30, 30], Some(60), &[]), [0, 1, 2, 4, 5, 6, 7, 8, 9, END]);
    }

    #[test]
    fn behind_the_end_of_a_part_is_the_start_of_the_next_or_the_end() {
        // All timestamps together are more probable than the end, but where this is made probable.
        assert_eq!(allowed(&[20, 1, 30], Some(18), &[]), [30, 31, 32, 33]);
        assert_eq!(allowed(&[20, 1, 30], Some(18), &[END]), [END, 30, 31, 32, 33]);
    }

    #[test]
    fn timestamps_go_on_unless_a_word_is_more_probable_than_all_of_them() {
        assert_eq!(allowed(&[20, 1], Some(8), &[]), [21, 22, 23]);
        assert_eq!(allowed(&[20, 1], Some(8), &[7]), [0, 1, 2, 4, 5, 6, 7, 8, 9, END, 21, 22, 23]);
    }

    #[test]
    fn the_logarithm_of_a_sum_does_not_overflow() {
        assert!((log_sum(&[1000.0, 1000.0]) - (1000.0 + 2.0_f32.ln())).abs() < 1e-3);
        assert_eq!(log_sum(&[]), f32::NEG_INFINITY);
        assert_eq!(log_sum(&[f32::NEG_INFINITY; 2]), f32::NEG_INFINITY);
    }
}
