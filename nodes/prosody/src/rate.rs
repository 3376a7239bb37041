//! How fast somebody speaks, by the words of a transcript.

use undertone_messages::{Transcript, TranscriptStatus, Word, seconds};

/// How fast somebody speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Words a second.
    pub words: f64,
    /// Syllables a second. `None` if a word is in a script whose vowels are not known.
    pub syllables: Option<f64>,
}

impl Rate {
    /// The rate from the start of the first word to the end of the last, pauses between them included: de Jong and Wempe
    /// ("Praat script to detect syllable nuclei and measure speech rate automatically", Behavior Research Methods 41, 2009)
    /// call it speech rate, where the articulation rate leaves pauses out. The silence around the words, which depends on
    /// the endpointing, does not count.
    ///
    /// # Errors
    ///
    /// Why the transcript says nothing about it.
    pub fn read(transcript: &Transcript) -> Result<Self, String> {
        if transcript.status == TranscriptStatus::Rejected {
            return Err(format!("the transcript was rejected: {}", transcript.reason));
        }
        let spoken = || transcript.words.iter().filter(|word| word.text.contains(char::is_alphanumeric));
        let count = spoken().count();
        let (Some(start), Some(end)) =
            (spoken().map(|word| word.start).min(), spoken().map(|word| word.end).max())
        else {
            return Err("the transcript has no words".to_owned());
        };
        if end <= start {
            return Err("the words of the transcript take no time".to_owned());
        }
        let duration = seconds(end - start);
        let syllables = spoken().map(|word| syllables(word, &transcript.language)).sum::<Option<usize>>();
        Ok(Self { words: count as f64 / duration, syllables: syllables.map(|count| count as f64 / duration) })
    }
}

/// Syllables of a word, by its groups of vowels. In English an `e` at the end of a word is silent, except behind an `l`
/// that follows a consonant (*table*), and so is that of `es` and `ed` behind most letters (*makes*, *asked*, but not
/// *houses*, *wanted*). Numbers in digits count as one: it is an estimate.
fn syllables(word: &Word, language: &str) -> Option<usize> {
    let letters: Vec<char> =
        word.text.chars().flat_map(char::to_lowercase).filter(|c| c.is_alphabetic()).collect();
    if !letters.iter().copied().all(has_known_vowels) {
        return None;
    }
    let groups = |letters: &[char]| {
        letters
            .chunk_by(|a, b| is_vowel(*a) == is_vowel(*b))
            .filter(|group| group.first().is_some_and(|c| is_vowel(*c)))
            .count()
    };
    let silent = language == "en" && ends_silently(&letters);
    Some(groups(&letters).saturating_sub(usize::from(silent)).max(1))
}

/// Whether the last vowel of an English word is an `e` that is not spoken.
fn ends_silently(letters: &[char]) -> bool {
    match letters {
        [.., before, 'l', 'e'] => is_vowel(*before),
        [.., before, 'e'] => !is_vowel(*before),
        [.., before, 'e', 's'] => !is_vowel(*before) && !matches!(before, 's' | 'x' | 'z' | 'c' | 'g' | 'h'),
        [.., before, 'e', 'd'] => !is_vowel(*before) && !matches!(before, 't' | 'd'),
        _ => false,
    }
}

/// Whether a letter is of an alphabet whose vowels are known: Latin, Greek or Cyrillic.
fn has_known_vowels(letter: char) -> bool {
    matches!(letter, 'a'..='z' | '\u{aa}'..='\u{52f}' | '\u{1e00}'..='\u{1fff}')
}

/// Whether a lower-case letter is a vowel, whatever its accent.
fn is_vowel(letter: char) -> bool {
    "aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýÿāăąēĕėęěīĭįōŏőœūŭůűųŷαεηιουωάέήίόύώϊϋΐΰаеёиоуыэюяєії".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, start: u64, end: u64) -> Word {
        Word { text: text.to_owned(), start, end, probability: 0.9 }
    }

    fn transcript(words: Vec<Word>) -> Transcript {
        Transcript {
            segment: 0,
            start: 0,
            end: 32_000,
            text: String::new(),
            stable: words.len() as u32,
            words,
            average_log_probability: -0.2,
            no_speech_probability: 0.1,
            language: "en".to_owned(),
            status: TranscriptStatus::Final,
            reason: String::new(),
            model: "m@0".to_owned(),
            degraded: String::new(),
        }
    }

    #[test]
    fn syllables_are_groups_of_vowels() {
        for (text, expected) in [
            ("Americans", 4),
            ("fellow", 2),
            ("the", 1),
            ("Table,", 2),
            ("make", 1),
            ("makes", 1),
            ("houses", 2),
            ("asked", 1),
            ("wanted", 2),
            ("what's", 1),
            ("free", 1),
            ("1813", 1),
            ("hmm", 1),
        ] {
            assert_eq!(syllables(&word(text, 0, 1), "en"), Some(expected), "{text}");
        }
        assert_eq!(syllables(&word("müde", 0, 1), "de"), Some(2));
        assert_eq!(syllables(&word("молоко", 0, 1), "ru"), Some(3));
        assert_eq!(syllables(&word("你好", 0, 1), "zh"), None);
    }

    #[test]
    fn the_rate_is_over_the_time_of_the_words() {
        let words = vec![
            word("my", 8_000, 10_000),
            word("fellow", 12_000, 18_000),
            word("—", 18_000, 20_000),
            word("Americans", 20_000, 24_000),
        ];
        assert_eq!(Rate::read(&transcript(words)), Ok(Rate { words: 3.0, syllables: Some(7.0) }));
        let mixed = Rate::read(&transcript(vec![word("my", 0, 8_000), word("你好", 8_000, 16_000)]));
        assert_eq!(mixed, Ok(Rate { words: 2.0, syllables: None }));
    }

    #[test]
    fn a_transcript_without_a_rate_says_why() {
        let error = |transcript| Rate::read(&transcript).unwrap_err();
        assert_eq!(error(transcript(Vec::new())), "the transcript has no words");
        assert!(error(transcript(vec![word("so", 5, 5)])).contains("no time"));
        let words = vec![word("so", 0, 5)];
        let rejected = Transcript {
            status: TranscriptStatus::Rejected,
            reason: "a loop".to_owned(),
            ..transcript(words)
        };
        assert_eq!(error(rejected), "the transcript was rejected: a loop");
    }
}
