//! From the recogniser's tokens to words with times.

use undertone_messages::is_spaceless;

/// A token of recognised text.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Its number in the model's vocabulary.
    pub id: i32,
    /// Its bytes: often a word with the space before it, at times a part of a letter's UTF-8.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability.
    pub log_probability: f32,
    /// Sample index, in the audio that was recognised, behind what the token stands for; `None` if it was not aligned.
    pub end: Option<u64>,
}

/// A word with its punctuation; times are sample indexes in the audio that was recognised.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedWord {
    /// The word, without spaces around it.
    pub text: String,
    /// Its first sample.
    pub start: u64,
    /// Behind its last sample.
    pub end: u64,
    /// The geometric mean of its tokens' probabilities, 0 to 1.
    pub probability: f32,
}

/// A text and its words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wording {
    /// The text without spaces around it, and without what Whisper notes in brackets beside the words, such as
    /// "[BLANK_AUDIO]" or "(applause)".
    pub text: String,
    /// The words in order, none before the end of the one before. What has neither letter nor digit is no word.
    pub words: Vec<TimedWord>,
    /// The notes in brackets that were taken out of the text.
    pub notes: Vec<String>,
}

/// The tokens of one word, glued together.
#[derive(Clone, Debug)]
struct Group {
    text: String,
    /// Start of the first token.
    start: u64,
    /// End of the last token with a letter or digit: the pause that a comma stands for belongs to no word.
    end: u64,
    probability: f32,
}

/// Puts the tokens of an audio of `length` samples together.
///
/// Tokens split letters: in UTF-8 a letter's bytes may be spread over several tokens. Words begin at spaces; in a
/// `language` that is written without them every character counts as a word, as in Whisper's own `tokenizer.py`.
pub fn wording(tokens: &[Token], language: &str, length: u64) -> Wording {
    let mut groups = group(tokens, !is_spaceless(language), length);
    let notes = remove_notes(&mut groups);
    let text: String = groups.iter().map(|group| group.text.as_str()).collect();
    let words = groups
        .into_iter()
        .filter(|group| group.text.contains(char::is_alphanumeric))
        .map(|group| TimedWord {
            text: group.text.trim().to_owned(),
            start: group.start,
            end: group.end,
            probability: group.probability,
        })
        .collect();
    Wording { text: text.trim().to_owned(), words, notes }
}

/// The word as it is compared with others: lower case, letters and digits alone.
pub fn plain(word: &str) -> String {
    word.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn group(tokens: &[Token], at_spaces: bool, length: u64) -> Vec<Group> {
    let mut starts = Vec::new();
    let mut incomplete = 0;
    for (index, token) in tokens.iter().enumerate() {
        if index == 0 || if at_spaces { token.bytes.first() == Some(&b' ') } else { incomplete == 0 } {
            starts.push(index);
        }
        incomplete = bytes_due(incomplete, &token.bytes);
    }
    let ends = starts.iter().skip(1).copied().chain([tokens.len()]);
    let mut known = 0;
    let mut groups = Vec::with_capacity(starts.len());
    for (start, end) in starts.iter().copied().zip(ends) {
        groups.push(glue(tokens.get(start..end).unwrap_or_default(), &mut known, length));
    }
    groups
}

/// One word; `known` is the end of the token before it, and becomes the end of its last.
fn glue(tokens: &[Token], known: &mut u64, length: u64) -> Group {
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.bytes.iter().copied()).collect();
    let mut group = Group {
        text: String::from_utf8_lossy(&bytes).into_owned(),
        start: *known,
        end: *known,
        probability: mean_probability(tokens),
    };
    for token in tokens {
        // Alignment can step back or be missing; time cannot.
        *known = token.end.unwrap_or(*known).clamp(*known, length.max(*known));
        if token.bytes.iter().any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii()) {
            group.end = *known;
        }
    }
    group
}

fn mean_probability(tokens: &[Token]) -> f32 {
    let sum: f32 = tokens.iter().map(|token| token.log_probability).sum();
    (sum / tokens.len().max(1) as f32).exp().clamp(0.0, 1.0)
}

/// How many bytes of a letter are still to come behind `bytes`, if `due` were before them.
fn bytes_due(due: usize, bytes: &[u8]) -> usize {
    bytes.iter().fold(due, |due, byte| match byte.leading_ones() {
        1 => due.saturating_sub(1),
        ones @ 2..=4 => ones as usize - 1,
        _ => 0,
    })
}

/// Takes out notes in brackets that begin and end at the borders of words. A bracket without its partner stays.
fn remove_notes(groups: &mut Vec<Group>) -> Vec<String> {
    let mut notes = Vec::new();
    let mut at = 0;
    while let Some(length) = groups.get(at..).and_then(note_length) {
        if length == 0 {
            at += 1;
        } else {
            let note: String = groups.drain(at..at + length).map(|group| group.text).collect();
            notes.push(note.trim().to_owned());
        }
    }
    notes
}

/// How many groups the note that begins with the first one has; 0 if none begins here, `None` if there is no group.
fn note_length(groups: &[Group]) -> Option<usize> {
    let first = groups.first()?.text.trim_start();
    let closing = match first.chars().next() {
        Some('[') => ']',
        Some('(') => ')',
        _ => return Some(0),
    };
    let end = |group: &Group| {
        group.text.trim_end_matches(|c: char| c.is_ascii_punctuation() && c != closing).ends_with(closing)
    };
    Some(groups.iter().position(end).map_or(0, |last| last + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(text: &str, end: u64) -> Token {
        bytes(text.as_bytes(), end)
    }

    fn bytes(bytes: &[u8], end: u64) -> Token {
        Token { id: 0, bytes: bytes.to_vec(), log_probability: -0.1, end: Some(end) }
    }

    fn texts(wording: &Wording) -> Vec<&str> {
        wording.words.iter().map(|word| word.text.as_str()).collect()
    }

    #[test]
    fn words_begin_at_spaces() {
        let tokens = [token(" sur", 100), token("passed", 200), token(",", 500), token(" he", 600)];
        let wording = wording(&tokens, "en", 1000);
        assert_eq!(wording.text, "surpassed, he");
        assert_eq!(texts(&wording), ["surpassed,", "he"]);
        let times: Vec<_> = wording.words.iter().map(|word| (word.start, word.end)).collect();
        assert_eq!(times, [(0, 200), (500, 600)], "the comma's pause belongs to no word");
    }

    #[test]
    fn a_word_is_as_probable_as_the_geometric_mean_of_its_tokens() {
        let mut tokens = [token(" a", 1), token("b", 2)];
        tokens[0].log_probability = 0.9_f32.ln();
        tokens[1].log_probability = 0.4_f32.ln();
        let probability = wording(&tokens, "en", 10).words[0].probability;
        assert!((probability - 0.6).abs() < 1e-6, "{probability}");
    }

    #[test]
    fn letters_are_whole_though_tokens_split_them() {
        // é is C3 A9.
        let tokens = [bytes(b" caf\xc3", 10), bytes(b"\xa9", 20), token(" noir", 30)];
        assert_eq!(wording(&tokens, "fr", 100).text, "café noir");
    }

    #[test]
    fn bytes_that_are_no_letter_are_marked_and_harm_nothing_else() {
        let tokens = [bytes(b" caf\xc3", 10), token(" noir", 30)];
        assert_eq!(wording(&tokens, "fr", 100).text, "caf\u{fffd} noir");
    }

    #[test]
    fn without_spaces_every_character_is_a_word() {
        // 你好 as E4 BD A0, E5 A5 BD, the first split over two tokens.
        let tokens = [bytes(b"\xe4\xbd", 10), bytes(b"\xa0", 20), bytes(b"\xe5\xa5\xbd", 30)];
        let wording = wording(&tokens, "zh", 100);
        assert_eq!(wording.text, "你好");
        assert_eq!(texts(&wording), ["你", "好"]);
        assert_eq!((wording.words[0].end, wording.words[1].start), (20, 20));
    }

    #[test]
    fn notes_in_brackets_are_not_said() {
        for (tokens, text, note) in [
            (vec![" [", "BL", "ANK", "_", "AUDIO", "]"], "", Some("[BLANK_AUDIO]")),
            (vec![" (", "app", "lause", ")"], "", Some("(applause)")),
            (
                vec![" Yes", " (", "laugh", "s", " loudly", ").", " Well"],
                "Yes Well",
                Some("(laughs loudly)."),
            ),
            (vec![" (", "no", " end"], "(no end", None),
            (vec![" a", ")", " b"], "a) b", None),
        ] {
            let tokens: Vec<Token> = tokens.iter().map(|text| token(text, 5)).collect();
            let wording = wording(&tokens, "en", 100);
            assert_eq!(wording.text, text);
            assert_eq!(wording.notes.first().map(String::as_str), note);
        }
    }

    #[test]
    fn punctuation_alone_is_text_but_no_word() {
        let tokens = [token(" well", 5), token(" -", 6), token(" yes", 9)];
        let wording = wording(&tokens, "en", 10);
        assert_eq!((wording.text.as_str(), texts(&wording)), ("well - yes", vec!["well", "yes"]));
    }

    #[test]
    fn plain_words_compare_equal() {
        assert_eq!(plain("Don't!"), plain("dont"));
        assert_eq!(plain("ÉTÉ,"), "été");
    }

    fn any_token() -> impl Strategy<Value = Token> {
        let piece = prop_oneof![
            "[ ]?[a-z,.]{1,4}".prop_map(String::into_bytes),
            "[ ]?[é你🙂\\[\\])(]{1,2}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..4),
        ];
        (piece, prop::option::of(0..2000_u64), -5.0..0.0_f32)
            .prop_map(|(bytes, end, log_probability)| Token { id: 0, bytes, log_probability, end })
    }

    proptest! {
        #[test]
        fn times_are_in_order_and_inside(
            tokens in prop::collection::vec(any_token(), 0..40),
            language in prop::sample::select(vec!["en", "zh"]),
        ) {
            let wording = wording(&tokens, language, 1000);
            let mut known = 0;
            for word in &wording.words {
                prop_assert!(known <= word.start && word.start <= word.end && word.end <= 1000, "{:?}", word);
                prop_assert!((0.0..=1.0).contains(&word.probability));
                prop_assert!(!word.text.is_empty() && word.text == word.text.trim());
                known = word.end;
            }
        }

        #[test]
        fn no_letter_is_lost(text in "[a-zé你🙂 ]{0,30}", cuts in prop::collection::vec(1..4_usize, 1..40)) {
            let mut rest = text.as_bytes();
            let mut tokens = Vec::new();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                tokens.push(bytes(piece, 1));
                rest = behind;
            }
            prop_assert_eq!(wording(&tokens, "zh", 10).text, text.trim());
        }
    }
}
