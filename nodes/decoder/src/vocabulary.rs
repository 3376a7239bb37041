//! The model's tokens.

use std::collections::BTreeMap;
use std::path::Path;

use tokenizers::Tokenizer;

use crate::error::DecoderError;

/// The tokens of a model of Whisper's.
#[derive(Debug)]
pub struct Vocabulary {
    tokenizer: Tokenizer,
    /// Of the characters that stand for bytes in a token's text.
    bytes: BTreeMap<char, u8>,
    /// Begins every prompt.
    pub start: u32,
    /// Ends a text; what is text has a lower number.
    pub end: u32,
    /// Nobody speaks.
    pub no_speech: u32,
    /// In the prompt: the text is to have no timestamps.
    pub no_timestamps: u32,
    /// In the prompt: the text is to be in the language that is spoken.
    pub transcribe: u32,
    /// ISO 639-1 codes and their tokens, in the order of the tokens. Empty if the model knows English alone.
    pub languages: Vec<(String, u32)>,
}

impl Vocabulary {
    /// Reads `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or lacks one of Whisper's tokens.
    pub fn read(path: &Path, multilingual: bool) -> Result<Self, DecoderError> {
        let problem = |problem: String| DecoderError::Shape { path: path.to_owned(), problem };
        let tokenizer = Tokenizer::from_file(path).map_err(|error| problem(error.to_string()))?;
        let token = |names: &[&str]| {
            let found = names.iter().find_map(|name| tokenizer.token_to_id(name));
            found.ok_or_else(|| problem(format!("there is no token {}", names.join(" or "))))
        };
        let (start, translate) = (token(&["<|startoftranscript|>"])?, token(&["<|translate|>"])?);
        // Languages stand between the two, whether the model knows them or not.
        let language = |id: u32| {
            let name = tokenizer.id_to_token(id)?;
            Some((name.strip_prefix("<|")?.strip_suffix("|>")?.to_owned(), id))
        };
        let languages =
            if multilingual { (start + 1..translate).filter_map(language).collect() } else { Vec::new() };
        Ok(Self {
            start,
            end: token(&["<|endoftext|>"])?,
            no_speech: token(&["<|nospeech|>", "<|nocaptions|>"])?,
            no_timestamps: token(&["<|notimestamps|>"])?,
            transcribe: token(&["<|transcribe|>"])?,
            languages,
            bytes: byte_characters(),
            tokenizer,
        })
    }

    /// The timestamp 0.00; those behind it are 20 ms apart.
    pub fn first_timestamp(&self) -> u32 {
        self.no_timestamps + 1
    }

    /// The bytes that a token stands for: often a word with the space before it, at times a part of a letter's UTF-8.
    pub fn bytes(&self, token: u32) -> Vec<u8> {
        let text = self.tokenizer.id_to_token(token).unwrap_or_default();
        text.chars().filter_map(|character| self.bytes.get(&character).copied()).collect()
    }
}

/// The characters that stand for bytes in GPT-2's vocabularies (`bytes_to_unicode` in OpenAI's `encoder.py`): printable
/// ones for themselves, the others from U+0100 on.
fn byte_characters() -> BTreeMap<char, u8> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let others = (0..=u8::MAX).filter(|byte| !printable(byte)).zip('\u{100}'..);
    let printable = (0..=u8::MAX).filter(printable).map(|byte| (char::from(byte), byte));
    printable.chain(others.map(|(byte, character)| (character, byte))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character() {
        let bytes = byte_characters();
        assert_eq!(bytes.len(), 256);
        // Known from GPT-2: Ġ is the space, Ċ the end of a line.
        assert_eq!((bytes[&'Ġ'], bytes[&'Ċ'], bytes[&'a'], bytes[&'é']), (b' ', b'\n', b'a', 0xe9));
    }
}
