//! What speaks against a transcript.
//!
//! Whisper writes fluent sentences about noise and silence. No list of such sentences is kept here: a transcript is
//! judged by how sure the model was, by how much the text repeats itself, and by how fast somebody would have had to
//! speak. The first three rules are those of OpenAI's `whisper/transcribe.py`.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use undertone_messages::is_spaceless;

use crate::guard::Stop;
use crate::repetition::RepetitionRule;
use crate::words::{Wording, plain};

/// What is held against a transcript.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(next_help_heading = "What is rejected")]
pub struct Limits {
    /// Nobody spoke if the model's no-speech probability is above this, and the average log-probability below
    /// `--log-probability-threshold`
    #[arg(long, value_name = "PROBABILITY", default_value_t = 0.6)]
    pub no_speech_threshold: f32,

    /// Nobody spoke, however sure the model is of its words, if its no-speech probability is above this
    #[arg(long, value_name = "PROBABILITY", default_value_t = 0.85)]
    pub silence_threshold: f32,

    /// See `--no-speech-threshold`
    #[arg(long, value_name = "LOG-PROBABILITY", default_value_t = -1.0, allow_negative_numbers = true)]
    pub log_probability_threshold: f32,

    /// The model was guessing if the average log-probability of its tokens is below this
    #[arg(long, value_name = "LOG-PROBABILITY", default_value_t = -1.5, allow_negative_numbers = true)]
    pub minimum_log_probability: f32,

    /// The text repeats itself if zlib makes it this many times smaller
    #[arg(long, value_name = "RATIO", default_value_t = 2.4)]
    pub compression_ratio_threshold: f32,

    /// The text repeats itself if a phrase comes more often than this in a row and so adds 9 words or more
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    pub most_repetitions: u16,

    /// Nobody speaks faster than this. An English text ends at two tokens for each word that there is time for, and 16 more;
    /// languages that are written without spaces are not held to it
    #[arg(long, value_name = "COUNT", default_value_t = 8.0)]
    pub words_per_second: f32,
}

/// What is known of a transcript beside its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The model's probability that nobody speaks, 0 to 1.
    pub no_speech_probability: f32,
    /// Mean natural logarithm of the tokens' probabilities, the token that ends the text among them.
    pub average_log_probability: f32,
    /// Length of the audio in seconds.
    pub seconds: f64,
    /// ISO 639-1 code of the language.
    pub language: String,
    /// Why the text was cut short.
    pub stop: Option<Stop>,
}

impl Limits {
    /// What in the text itself counts as a loop.
    fn repetition(&self) -> RepetitionRule {
        RepetitionRule { most: self.most_repetitions.into(), least_added: 9, never_again: None }
    }

    /// The same in tokens, of which a word has more than one now and then.
    pub fn token_repetition(&self) -> RepetitionRule {
        RepetitionRule { least_added: 12, ..self.repetition() }
    }

    /// The most tokens that English words of this many seconds can have: two a word at the highest speed, and some to
    /// begin with. A text that is longer goes on for ever. Whisper's vocabulary was made of English, so that there is no
    /// such number for other languages: it spells many of them letter by letter, or byte by byte.
    pub fn most_english_tokens(&self, seconds: f64) -> usize {
        // Too large a number becomes the largest that there is.
        (2.0 * f64::from(self.words_per_second) * seconds + 16.0) as usize
    }

    /// The reasons against a transcript, with the numbers, or `None` if it may pass.
    pub fn objection(&self, wording: &Wording, evidence: &Evidence) -> Option<String> {
        if wording.words.is_empty() {
            return Some(no_words(&wording.notes, evidence));
        }
        let reasons: Vec<String> = [
            self.nobody_spoke(evidence),
            self.guessed(evidence),
            self.compressible(&wording.text),
            evidence.stop.map(|stop| stop.to_string()).or_else(|| self.repeated(wording)),
            self.too_fast(wording.words.len(), evidence),
        ]
        .into_iter()
        .flatten()
        .collect();
        if reasons.is_empty() { None } else { Some(reasons.join("; ")) }
    }

    fn nobody_spoke(&self, evidence: &Evidence) -> Option<String> {
        let Evidence { no_speech_probability: silent, average_log_probability: sure, .. } = evidence;
        if *silent > self.silence_threshold {
            let limit = self.silence_threshold;
            return Some(format!(
                "nobody seems to speak: no-speech probability {silent:.2} is above {limit}"
            ));
        }
        (*silent > self.no_speech_threshold && *sure < self.log_probability_threshold).then(|| {
            format!(
                "nobody seems to speak: no-speech probability {silent:.2} is above {} and average log-probability {sure:.2} below {}",
                self.no_speech_threshold, self.log_probability_threshold
            )
        })
    }

    fn guessed(&self, evidence: &Evidence) -> Option<String> {
        let sure = evidence.average_log_probability;
        // Written so that a value that is no number is an objection too.
        let passes = sure >= self.minimum_log_probability;
        (!passes).then(|| {
            format!(
                "the model was guessing: average log-probability {sure:.2} is below {}",
                self.minimum_log_probability
            )
        })
    }

    fn compressible(&self, text: &str) -> Option<String> {
        let ratio = compression_ratio(text);
        (ratio > self.compression_ratio_threshold).then(|| {
            format!(
                "the text repeats itself: compression ratio {ratio:.2} is above {}",
                self.compression_ratio_threshold
            )
        })
    }

    fn repeated(&self, wording: &Wording) -> Option<String> {
        let plain: Vec<String> = wording.words.iter().map(|word| plain(&word.text)).collect();
        let found = self.repetition().broken_by(&plain)?;
        let phrase = plain.get(found.start..found.start + found.length)?.join(" ");
        Some(format!(
            "the text repeats itself: \"{phrase}\" {} times in a row, more than {}",
            found.times, self.most_repetitions
        ))
    }

    fn too_fast(&self, words: usize, evidence: &Evidence) -> Option<String> {
        let Evidence { seconds, language, .. } = evidence;
        // There a word is a character, and nobody knows how many words these are.
        if is_spaceless(language) {
            return None;
        }
        // The first word is free: it may have begun before the audio did.
        let allowed = 1.0 + f64::from(self.words_per_second) * seconds;
        (words as f64 > allowed).then(|| {
            format!(
                "faster than anybody speaks: {words} words in {seconds:.2} s, more than {} a second (`--words-per-second`)",
                self.words_per_second
            )
        })
    }
}

fn no_words(notes: &[String], evidence: &Evidence) -> String {
    let Evidence { no_speech_probability, average_log_probability, .. } = evidence;
    let only = if notes.is_empty() { String::new() } else { format!(", only {}", notes.join(" ")) };
    format!(
        "no words recognised{only} (no-speech probability {no_speech_probability:.2}, average log-probability {average_log_probability:.2})"
    )
}

/// Bytes of the text per byte of its zlib compression, as `compression_ratio` in OpenAI's `whisper/utils.py`. Ordinary
/// sentences have 0.8 to 1.8, repeated ones several times as much.
pub fn compression_ratio(text: &str) -> f32 {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing to a vector does not fail.
    match encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()) {
        Ok(compressed) => text.len() as f32 / compressed.len() as f32,
        Err(_) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::prelude::*;

    use super::*;
    use crate::repetition::Repetition;
    use crate::words::TimedWord;

    #[derive(clap::Parser)]
    struct Arguments {
        #[command(flatten)]
        limits: Limits,
    }

    fn limits() -> Limits {
        Arguments::parse_from(["asr"]).limits
    }

    fn said(text: &str) -> Wording {
        let word = |text: &str| TimedWord { text: text.to_owned(), start: 0, end: 0, probability: 0.9 };
        let words = text.split_whitespace().map(word).collect();
        Wording { text: text.to_owned(), words, notes: Vec::new() }
    }

    fn sure(seconds: f64) -> Evidence {
        let language = "en".to_owned();
        Evidence { no_speech_probability: 0.02, average_log_probability: -0.3, seconds, language, stop: None }
    }

    #[test]
    fn clear_speech_passes() {
        let text = "And so my fellow Americans, ask not what your country can do for you";
        assert_eq!(limits().objection(&said(text), &sure(6.0)), None);
    }

    #[test]
    fn no_speech_counts_if_it_is_certain_or_the_words_are_not() {
        let certain = Evidence { no_speech_probability: 0.95, ..sure(3.0) };
        let reason = limits().objection(&said("Thank you."), &certain).expect("a rejection");
        assert!(reason.contains("0.95 is above 0.85"), "{reason}");
        let silent = Evidence { no_speech_probability: 0.7, ..sure(3.0) };
        assert_eq!(limits().objection(&said("Thank you."), &silent), None);
        let unsure = Evidence { average_log_probability: -1.1, ..silent };
        let reason = limits().objection(&said("Thank you."), &unsure).expect("a rejection");
        assert!(reason.contains("0.70") && reason.contains("-1.10"), "{reason}");
    }

    #[test]
    fn guesses_are_rejected() {
        for average_log_probability in [-1.6, f32::NAN, f32::NEG_INFINITY] {
            let evidence = Evidence { average_log_probability, ..sure(3.0) };
            let reason = limits().objection(&said("a word"), &evidence).expect("a rejection");
            assert!(reason.contains("guessing"), "{reason}");
        }
    }

    #[test]
    fn the_compression_ratio_is_that_of_zlib() {
        // Python 3.11: len(text) / len(zlib.compress(text)).
        for (text, ratio) in [
            ("And so my fellow Americans, ask not what your country can do for you.", 69.0 / 70.0),
            (&"Dogs are sitting by the door. ".repeat(4), 120.0 / 41.0),
            (&"Thank you. ".repeat(20), 220.0 / 22.0),
        ] {
            assert_eq!(compression_ratio(text), ratio, "{text}");
        }
    }

    #[test]
    fn loops_are_rejected_with_the_phrase() {
        let text = "Dogs are sitting by the door. ".repeat(4);
        let reason = limits().objection(&said(text.trim()), &sure(20.0)).expect("a rejection");
        assert!(reason.contains("\"dogs are sitting by the door\" 4 times"), "{reason}");
    }

    #[test]
    fn a_decoder_that_was_stopped_is_rejected() {
        let stop = Some(Stop::Loop(Repetition { start: 0, length: 7, times: 4 }));
        let reason = limits().objection(&said("a few words"), &Evidence { stop, ..sure(5.0) });
        assert!(reason.expect("a rejection").contains("7 tokens"));
    }

    #[test]
    fn nobody_says_twenty_words_in_a_second() {
        let text = (0..20).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(limits().objection(&said(&text), &sure(4.0)), None);
        let reason = limits().objection(&said(&text), &sure(1.0)).expect("a rejection");
        assert!(reason.contains("20 words in 1.00 s"), "{reason}");
        assert!(reason.contains("--words-per-second"), "{reason}");
    }

    #[test]
    fn a_language_without_spaces_is_not_held_to_a_number_of_words() {
        let text = (0..20).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
        let objection = |language: &str| {
            let evidence = Evidence { language: language.to_owned(), ..sure(1.0) };
            limits().objection(&said(&text), &evidence)
        };
        for language in ["th", "lo", "my", "zh", "ja", "yue"] {
            assert_eq!(objection(language), None, "{language}");
        }
        for language in ["en", "de", "te"] {
            assert!(objection(language).is_some(), "{language}");
        }
    }

    #[test]
    fn nothing_is_not_a_transcript() {
        let reason = limits().objection(&Wording::default(), &sure(1.0)).expect("a rejection");
        assert!(reason.starts_with("no words recognised"), "{reason}");
    }

    proptest! {
        /// Less sure never turns a rejection into a pass.
        #[test]
        fn doubt_only_adds(
            text in "([a-d]{1,3} ){1,30}",
            silent in 0.0..1.0_f32,
            unsure in -3.0..0.0_f32,
            seconds in 0.1..10.0_f64,
            doubt in 0.0..2.0_f32,
        ) {
            let evidence =
                Evidence { no_speech_probability: silent, average_log_probability: unsure, ..sure(seconds) };
            let doubted = Evidence { average_log_probability: unsure - doubt, ..evidence.clone() };
            let wording = said(&text);
            if limits().objection(&wording, &evidence).is_some() {
                prop_assert!(limits().objection(&wording, &doubted).is_some());
            }
        }

        #[test]
        fn the_ratio_is_positive_and_finite(text in "\\PC{0,200}") {
            let ratio = compression_ratio(&text);
            prop_assert!(ratio.is_finite() && ratio >= 0.0);
        }
    }
}
