//! Phrases that come several times in a row.
//!
//! A speech recogniser that has lost its place in the audio says the last phrase over and over. People repeat
//! themselves too, so a rule says how much is too much.

/// A phrase that comes several times in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repetition {
    /// Index of the phrase's first item.
    pub start: usize,
    /// Items in the phrase.
    pub length: usize,
    /// How many times the whole phrase comes, 2 or more: in a row, or of twice perhaps apart.
    pub times: usize,
}

/// How much repetition is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepetitionRule {
    /// A phrase may come this many times in a row.
    pub most: usize,
    /// Repetitions that add fewer items than this do not count, so that "no, no, no, no!" stays possible where a
    /// sentence that comes four times is not.
    pub least_added: usize,
    /// A phrase of so many items must not come again at all, even if something else was said in between.
    pub never_again: Option<usize>,
}

impl RepetitionRule {
    /// The first repetition that breaks the rule, looking for short phrases in a row first.
    ///
    /// Takes time in the square of the number of items, which is at most a few hundred.
    pub fn broken_by<T: PartialEq>(&self, items: &[T]) -> Option<Repetition> {
        (1..=items.len() / 2)
            .find_map(|length| self.broken_by_phrases_of(length, items))
            .or_else(|| recurrence(self.never_again?, items))
    }

    fn broken_by_phrases_of<T: PartialEq>(&self, length: usize, items: &[T]) -> Option<Repetition> {
        let mut run = 0;
        let mut worst: Option<Repetition> = None;
        let pairs = items.iter().zip(items.iter().skip(length)).enumerate();
        for (index, (earlier, later)) in pairs {
            run = if earlier == later { run + 1 } else { 0 };
            let times = 1 + run / length;
            let added = (times - 1) * length;
            if times > self.most.max(1)
                && added >= self.least_added
                && worst.is_none_or(|worst| times > worst.times)
            {
                worst = Some(Repetition { start: index + 1 - run, length, times });
            }
        }
        worst
    }
}

/// A phrase of `length` items that comes again behind its end.
fn recurrence<T: PartialEq>(length: usize, items: &[T]) -> Option<Repetition> {
    let start = items.windows(length.max(1)).enumerate().position(|(start, phrase)| {
        items
            .get(start + phrase.len()..)
            .is_some_and(|rest| rest.windows(phrase.len()).any(|later| later == phrase))
    })?;
    Some(Repetition { start, length, times: 2 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: RepetitionRule = RepetitionRule { most: 3, least_added: 9, never_again: None };

    fn words(text: &str) -> Vec<&str> {
        text.split(' ').collect()
    }

    #[test]
    fn speech_that_repeats_itself_a_little_is_no_loop() {
        for text in [
            "",
            "no",
            "no no no no no",
            "thank you thank you thank you thank you",
            "ask not what your country can do for you ask what you can do for your country",
            "kids are talking by the door kids are talking by the door kids are talking by the door",
        ] {
            assert_eq!(RULE.broken_by(&words(text)), None, "{text}");
        }
    }

    #[test]
    fn a_sentence_over_and_over_is_a_loop() {
        let text = "well then ".to_owned() + &"dogs are sitting by the door ".repeat(4);
        let found = RULE.broken_by(&words(text.trim()));
        assert_eq!(found, Some(Repetition { start: 2, length: 6, times: 4 }));
    }

    #[test]
    fn a_word_needs_many_more_turns_than_a_sentence() {
        let found = |count| RULE.broken_by(&vec!["no"; count]);
        assert_eq!(found(9), None);
        assert_eq!(found(10), Some(Repetition { start: 0, length: 1, times: 10 }));
    }

    #[test]
    fn a_strict_rule_sees_the_second_time() {
        let strict = RepetitionRule { most: 1, least_added: 4, never_again: Some(5) };
        let found = strict.broken_by(&words("by the back door by the back door"));
        assert_eq!(found, Some(Repetition { start: 0, length: 4, times: 2 }));
        assert_eq!(strict.broken_by(&words("no no no yes yes yes")), None);
        let text = "that as an example of fine typography that has an example of fine typography";
        assert_eq!(strict.broken_by(&words(text)), Some(Repetition { start: 2, length: 5, times: 2 }));
        let text = "what your country can do for you ask what you can do for your country";
        assert_eq!(strict.broken_by(&words(text)), None);
    }

    proptest! {
        #[test]
        fn a_planted_loop_is_found_whole(
            before in prop::collection::vec(0..50_u32, 0..20),
            phrase in prop::collection::vec(100..1000_u32, 1..12),
            times in 4..20_usize,
            after in prop::collection::vec(50..99_u32, 0..5),
        ) {
            let looped = phrase.repeat(times);
            let items = [before, looped, after].concat();
            let found = RULE.broken_by(&items);
            if phrase.len() * (times - 1) >= RULE.least_added {
                let found = found.expect("the planted loop");
                prop_assert!(found.times >= times.min(RULE.most + 1));
            }
        }

        #[test]
        fn what_is_found_is_there(items in prop::collection::vec(0..3_u8, 0..80)) {
            if let Some(Repetition { start, length, times }) = RULE.broken_by(&items) {
                prop_assert!(times > RULE.most && length * (times - 1) >= RULE.least_added);
                let phrase = &items[start..start + length];
                for turn in 0..times {
                    prop_assert_eq!(&items[start + turn * length..start + (turn + 1) * length], phrase);
                }
            }
        }

        #[test]
        fn items_that_differ_never_repeat(count in 0..200_usize) {
            let strictest = RepetitionRule { most: 1, least_added: 0, never_again: Some(1) };
            prop_assert_eq!(strictest.broken_by(&(0..count).collect::<Vec<_>>()), None);
        }

        #[test]
        fn a_phrase_that_comes_again_is_found(
            phrase in prop::collection::vec(100..1000_u32, 5..9),
            between in prop::collection::vec(0..50_u32, 0..20),
        ) {
            let items = [phrase.clone(), between, phrase].concat();
            let rule = RepetitionRule { never_again: Some(5), ..RULE };
            prop_assert!(rule.broken_by(&items).is_some());
        }

        /// The decoder asks after every token: a loop that was seen is not forgotten as the text goes on.
        #[test]
        fn what_was_found_stays_found(items in prop::collection::vec(0..2_u8, 0..60)) {
            let mut seen = false;
            let rule = RepetitionRule { never_again: Some(4), ..RULE };
            for end in 0..=items.len() {
                let found = rule.broken_by(&items[..end]).is_some();
                prop_assert!(found || !seen);
                seen = found;
            }
        }
    }
}
