//! How fast somebody speaks, by the words of a transcript.

use undertone_messages::{Transcript, TranscriptStatus, Word, seconds};
use unicode_normalization::UnicodeNormalization;

/// Vowels of Latin, Greek and Cyrillic alphabets, without accents.
const VOWELS: &str = "aeiouyæœøıəǝɛɔαεηιουωаеиоуыэюяєіәөүұӕ";
/// Their consonants; й and ў as they are, because without their breve they would be vowels.
const CONSONANTS: &str =
    "bcdfghjklmnpqrstvwxzßðþđħłŋŧɓɗƙƴʻʼβγδζθκλμνξπρσςτφχψбвгджзйклмнпрстўфхцчшщъьђћљњџґѕјғқңһҳҷҗҡҫҙ";

/// How fast somebody speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Words a second.
    pub words: f64,
    /// Syllables a second. `None` if a word has a letter of which it is not known whether it is a vowel.
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
    let text = word.text.to_lowercase();
    let letters: Vec<char> = text.nfc().filter(|c| c.is_alphabetic()).map(base).collect::<Option<_>>()?;
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

/// A lower-case letter without its accents, if it is known whether it is a vowel.
fn base(letter: char) -> Option<char> {
    let is_known = |letter: &char| VOWELS.contains(*letter) || CONSONANTS.contains(*letter);
    Some(letter).filter(is_known).or_else(|| std::iter::once(letter).nfd().next().filter(is_known))
}

/// Whether a letter is a vowel.
fn is_vowel(letter: char) -> bool {
    VOWELS.contains(letter)
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
        for (language, text, expected) in [
            ("de", "müde", Some(2)),
            ("fr", "cœur", Some(1)),
            ("tr", "anladığımız", Some(5)),
            ("tr", "İstanbul", Some(3)),
            ("az", "bəxtəvər", Some(3)),
            ("vi", "được", Some(1)),
            ("vi", "tiếng", Some(1)),
            ("el", "ἄνθρωπος", Some(3)),
            ("ru", "молоко", Some(3)),
            // In letters and accents of their own.
            ("ru", "мои\u{306}", Some(1)),
            ("be", "воўк", Some(1)),
            ("kk", "өмір", Some(2)),
            ("uz", "oʻzbek", Some(2)),
            ("zh", "你好", None),
            ("ka", "გამარჯობა", None),
        ] {
            assert_eq!(syllables(&word(text, 0, 1), language), expected, "{text}");
        }
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
