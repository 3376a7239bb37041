//! Which words of a segment stand while somebody still speaks.

use undertone_messages::{Transcript, TranscriptStatus, Word, is_spaceless};

/// Local agreement between successive hypotheses: what two of them begin with stands, and later ones go on behind it
/// (Liu, Spanakis and Niehues, "Low-latency sequence-to-sequence speech recognition and translation by partial hypothesis
/// selection", 2020; for Whisper, Macháček, Dabre and Bojar, "Turning Whisper into real-time transcription system", 2023).
///
/// Words are compared without case and punctuation, which waver most. A hypothesis may begin later than the segment, where
/// only its last seconds were listened to: it goes on behind the standing words by their times.
#[derive(Clone, Debug, Default)]
pub struct Agreement {
    /// The segment, and where its first hypothesis began.
    segment: Option<(u64, u64)>,
    stable: Vec<Word>,
    /// What the last hypothesis had behind the standing words.
    rest: Vec<Word>,
}

impl Agreement {
    /// Makes a partial transcript of the next hypothesis: with the words that stand before those of its own, and how many
    /// they are.
    pub fn partial(&mut self, hypothesis: Transcript) -> Transcript {
        let Transcript { segment, start, text, words: heard, .. } = hypothesis;
        let start = match self.segment {
            Some((known, begun)) if known == segment => begun,
            _ => {
                *self = Self { segment: Some((segment, start)), ..Self::default() };
                start
            }
        };
        let (words, stable) = self.take(heard.clone());
        // The hypothesis's own text has what is between its words as well.
        let is_own = words.iter().map(|word| &word.text).eq(heard.iter().map(|word| &word.text));
        Transcript {
            start,
            text: if is_own { text } else { join(&words, &hypothesis.language) },
            words,
            stable: stable as u32,
            status: TranscriptStatus::Partial,
            ..hypothesis
        }
    }

    /// Takes the next hypothesis of the segment. Gives all its words, and how many of them stand.
    fn take(&mut self, hypothesis: Vec<Word>) -> (Vec<Word>, usize) {
        let mut rest = self.behind_stable(hypothesis);
        let agreed = rest.iter().zip(&self.rest).take_while(|(now, before)| same(now, before)).count();
        self.stable.extend(rest.drain(..agreed));
        self.rest.clone_from(&rest);
        let words = self.stable.iter().cloned().chain(rest).collect();
        (words, self.stable.len())
    }

    /// The words of a hypothesis behind those that stand.
    fn behind_stable(&self, mut hypothesis: Vec<Word>) -> Vec<Word> {
        let Some(last) = self.stable.last() else { return hypothesis };
        let repeats = self.stable.len() <= hypothesis.len()
            && self.stable.iter().zip(&hypothesis).all(|(stable, word)| same(stable, word));
        let known = if repeats {
            self.stable.len()
        } else {
            // By the middle of each word: its ends waver.
            let middle = |word: &Word| word.start.midpoint(word.end);
            let by_time = hypothesis.iter().take_while(|word| middle(word) < last.end).count();
            // The last standing word may be timed later than before.
            by_time
                + usize::from(
                    hypothesis.get(by_time).is_some_and(|word| same(word, last) && word.start < last.end),
                )
        };
        hypothesis.drain(..known);
        hypothesis
    }
}

/// The words of a language in a row.
fn join(words: &[Word], language: &str) -> String {
    let space = if is_spaceless(language) { "" } else { " " };
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(space)
}

/// Whether two words are the same but for case and punctuation.
fn same(one: &Word, other: &Word) -> bool {
    let plain = |word: &Word| -> String {
        word.text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Words of a second each, the first from `start`.
    fn words(start: u64, text: &str) -> Vec<Word> {
        let word = |(text, second): (&str, u64)| Word {
            text: text.to_owned(),
            start: second * 16_000,
            end: (second + 1) * 16_000,
            probability: 1.0,
        };
        text.split_whitespace().zip(start..).map(word).collect()
    }

    fn taken(agreement: &mut Agreement, start: u64, text: &str) -> (String, usize) {
        let (words, stable) = agreement.take(words(start, text));
        (words.into_iter().map(|word| word.text).collect::<Vec<_>>().join(" "), stable)
    }

    #[test]
    fn what_two_hypotheses_begin_with_stands() {
        let mut agreement = Agreement::default();
        assert_eq!(taken(&mut agreement, 0, "And so my"), ("And so my".to_owned(), 0));
        assert_eq!(taken(&mut agreement, 0, "and so, my fellow"), ("and so, my fellow".to_owned(), 3));
        // A standing word does not change any more, whatever is heard later.
        let (text, stable) = taken(&mut agreement, 0, "And saw my fellow Americans");
        assert_eq!((text.as_str(), stable), ("and so, my fellow Americans", 4));
    }

    #[test]
    fn a_hypothesis_of_the_last_seconds_goes_on_by_time() {
        let mut agreement = Agreement::default();
        taken(&mut agreement, 0, "And so my fellow");
        taken(&mut agreement, 0, "And so my fellow");
        let (text, stable) = taken(&mut agreement, 2, "by fellow Americans ask");
        assert_eq!((text.as_str(), stable), ("And so my fellow Americans ask", 4));
        assert_eq!(taken(&mut agreement, 3, "fellow Americans ask not").1, 6);
    }

    /// The partial text of a hypothesis of the whole segment, with words of a second each.
    fn partial(agreement: &mut Agreement, language: &str, spoken: &str, text: &str) -> String {
        let hypothesis = Transcript {
            segment: 0,
            start: 0,
            end: 160_000,
            text: text.to_owned(),
            words: words(0, spoken),
            stable: 0,
            average_log_probability: 0.0,
            no_speech_probability: 0.0,
            language: language.to_owned(),
            status: TranscriptStatus::Final,
            reason: String::new(),
            model: String::new(),
            degraded: String::new(),
        };
        agreement.partial(hypothesis).text
    }

    #[test]
    fn a_partial_text_is_written_as_its_language_is() {
        let mut agreement = Agreement::default();
        let mut chinese = |spoken, text| partial(&mut agreement, "zh", spoken, text);
        assert_eq!(chinese("你 好 世 界", "你好，世界"), "你好，世界");
        assert_eq!(chinese("你 好 世 界 我", "你好，世界。我"), "你好，世界。我");
        assert_eq!(chinese("你 号 世 界 我", "你号，世界，我"), "你好世界我");
        let mut agreement = Agreement::default();
        let mut english = |text| partial(&mut agreement, "en", text, text);
        assert_eq!(english("And so, my"), "And so, my");
        assert_eq!(english("And so, my"), "And so, my");
        assert_eq!(english("And so my fellow"), "And so, my fellow");
    }

    proptest! {
        #[test]
        fn standing_words_never_change(hypotheses in prop::collection::vec((0..6_u64, "([ab] ){0,8}"), 1..12)) {
            let mut agreement = Agreement::default();
            let mut stood: Vec<Word> = Vec::new();
            for (start, text) in hypotheses {
                let (words, stable) = agreement.take(words(start, &text));
                prop_assert!(stood.len() <= stable && stable <= words.len());
                prop_assert_eq!(&words[..stood.len()], stood.as_slice());
                stood = words[..stable].to_vec();
            }
        }
    }
}
