//! Guesses at files that are no audio, so that the error can say what they are.

/// How many bytes of the file are looked at.
pub(crate) const LENGTH: usize = 512;

const MAGIC: &[(usize, &[u8], &str)] = &[
    (0, b"version https://git-lfs", "a pointer to a file in Git LFS; fetch it with `git lfs pull`"),
    (0, b"RF64", "an RF64 file, a WAV of more than 4 GB"),
    (0, b"riff\x2e\x91\xcf\x11", "a Wave64 file"),
    (8, b"AIFF", "an AIFF file"),
    (8, b"AIFC", "an AIFF file"),
    (8, b"AVI ", "an AVI video"),
    (0, b"caff", "a Core Audio file"),
    (0, b"#!AMR", "an AMR recording"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file"),
    (0, b"wvpk", "a WavPack file"),
    (0, b"MAC ", "a Monkey's Audio file"),
    (0, b".snd", "a Sun audio file"),
    (0, b"NIST_1A", "a NIST SPHERE file"),
    (0, b"MThd", "a MIDI file: notes, not sound"),
    (0, b"PK\x03\x04", "a ZIP archive; unpack it"),
    (0, b"\x1f\x8b", "a gzip archive; unpack it"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
];

/// What a file looks like by its first [`LENGTH`] bytes, if that can be said.
pub(crate) fn looks_like(head: &[u8]) -> Option<&'static str> {
    let magic =
        MAGIC.iter().find(|(at, magic, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    if let Some((_, _, what)) = magic {
        return Some(what);
    }
    if head.iter().all(|byte| *byte == 0) {
        return Some("nothing: it begins with zeros, as a failed download or copy does");
    }
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be cut.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    if text.chars().any(|character| character.is_control() && !character.is_whitespace()) {
        return None;
    }
    let start = text.trim_start().to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") {
        return Some("a web page; the download gave a page and not the file");
    }
    Some("plain text")
}

#[cfg(test)]
mod tests {
    use super::looks_like;

    #[test]
    fn text_is_text_even_when_its_last_character_is_cut() {
        let text = "Über".repeat(200);
        assert_eq!(looks_like(&text.as_bytes()[..501]), Some("plain text"));
        assert_eq!(
            looks_like(b"\n<!DOCTYPE html><html>"),
            Some("a web page; the download gave a page and not the file")
        );
    }

    #[test]
    fn noise_is_nothing_that_can_be_named() {
        assert_eq!(looks_like(&[0x80, 0x81, 0x00, 0xfe]), None);
        assert_eq!(looks_like(b"abc\x01def"), None);
    }
}
