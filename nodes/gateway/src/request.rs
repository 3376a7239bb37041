//! What clients send.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use undertone_messages::SAMPLE_RATE;

use crate::close::Fault;
use crate::limits::{Limits, RATES};

/// A message of a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Audio: mono samples, full scale at ±1.
    Audio {
        /// Samples a second.
        rate: u32,
        /// The samples.
        samples: Vec<f64>,
    },
    /// No more audio comes.
    End,
}

/// How audio stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// RFC 4648, section 4, with padding.
    Base64,
    /// Two hexadecimal digits a byte, upper or lower case.
    Hex,
}

impl Encoding {
    const fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Hex => "hex",
        }
    }

    /// What a text is that does not say: hexadecimal if it is of hexadecimal digits alone, of an even number of them, and
    /// fewer than half of them are `A`; otherwise base64.
    ///
    /// Every text in hexadecimal of the right length could be base64, too. But of 64 letters 22 are hexadecimal digits, so
    /// base64 of a frame of sound is never without others, unless it is silence: that is mostly `A`, and in hexadecimal `0`.
    pub fn guess(text: &str) -> Self {
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let silent = text.bytes().filter(|byte| *byte == b'A').count();
        let hex = digits && text.len().is_multiple_of(2) && 2 * silent < text.len();
        if hex { Self::Hex } else { Self::Base64 }
    }

    fn decode(self, text: &str) -> Result<Vec<u8>, Fault> {
        let fault = |error: String| Fault::BadEncoding { encoding: self.name(), error };
        match self {
            Self::Base64 => STANDARD.decode(text).map_err(|error| fault(error.to_string())),
            Self::Hex => hex::decode(text).map_err(|error| fault(error.to_string())),
        }
    }
}

/// The names of the types, as they stand in a message.
const TYPES: [&str; 2] = ["audio", "end"];

#[derive(Deserialize)]
struct Kind {
    r#type: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Audio {
    #[serde(rename = "type")]
    _type: String,
    audio: String,
    encoding: Option<Encoding>,
    #[serde(default = "clock")]
    sample_rate: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    #[serde(rename = "type")]
    _type: String,
}

const fn clock() -> u64 {
    SAMPLE_RATE as u64
}

impl Request {
    /// Reads a binary message: 16-bit samples at 16 kHz.
    ///
    /// # Errors
    ///
    /// It is empty, has half a sample, or is too long.
    pub fn binary(bytes: &[u8], limits: &Limits) -> Result<Self, Fault> {
        audio(bytes, SAMPLE_RATE, limits)
    }

    /// Reads a text message.
    ///
    /// # Errors
    ///
    /// It is no JSON object, or not one of the protocol's.
    pub fn text(text: &str, limits: &Limits) -> Result<Self, Fault> {
        let bad = |error: serde_json::Error| Fault::BadJson(error.to_string());
        let kind: Kind = serde_json::from_str(text).map_err(bad)?;
        match TYPES.iter().position(|name| *name == kind.r#type) {
            Some(0) => {
                let Audio { audio: text, encoding, sample_rate, .. } =
                    serde_json::from_str(text).map_err(bad)?;
                let encoding = encoding.unwrap_or_else(|| Encoding::guess(&text));
                let rate = RATES.into_iter().find(|rate| u64::from(*rate) == sample_rate);
                audio(&encoding.decode(&text)?, rate.ok_or(Fault::BadRate(sample_rate))?, limits)
            }
            Some(_) => serde_json::from_str::<End>(text).map(|_| Self::End).map_err(bad),
            None => Err(Fault::UnknownType(kind.r#type.chars().take(40).collect())),
        }
    }
}

fn audio(bytes: &[u8], rate: u32, limits: &Limits) -> Result<Request, Fault> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Fault::OddLength(bytes.len()));
    }
    if pairs.is_empty() {
        return Err(Fault::EmptyFrame);
    }
    let length = (pairs.len() as u64 * 1_000).div_ceil(u64::from(rate));
    if length > limits.max_frame_ms {
        return Err(Fault::FrameTooLong { got: length, most: limits.max_frame_ms });
    }
    let samples = pairs.iter().map(|pair| f64::from(i16::from_le_bytes(*pair)) / 32_768.0).collect();
    Ok(Request::Audio { rate, samples })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Request, &'static str> {
        Request::text(text, &Limits::default()).map_err(|fault| fault.code())
    }

    fn samples(values: &[f64]) -> Result<Request, &'static str> {
        Ok(Request::Audio { rate: 16_000, samples: values.to_vec() })
    }

    #[test]
    fn audio_is_read_as_it_says() {
        let binary = Request::binary(&[0, 0x40, 0, 0x80], &Limits::default());
        assert_eq!(binary.map_err(|fault| fault.code()), samples(&[0.5, -1.0]));
        assert_eq!(read(r#"{"type":"audio","audio":"AEAAgA=="}"#), samples(&[0.5, -1.0]));
        assert_eq!(read(r#"{"type":"audio","audio":"00400080","encoding":"hex"}"#), samples(&[0.5, -1.0]));
        // What could be either is hexadecimal, unless it says otherwise.
        assert_eq!(read(r#"{"type":"audio","audio":"00400080"}"#), samples(&[0.5, -1.0]));
        let base64 = read(r#"{"type":"audio","audio":"00400080","encoding":"base64"}"#);
        assert!(matches!(base64, Ok(Request::Audio { samples, .. }) if samples.len() == 3));
        let at_48 = read(r#"{"type":"audio","audio":"AEAAgA==","encoding":"base64","sample_rate":48000}"#);
        assert!(matches!(at_48, Ok(Request::Audio { rate: 48_000, .. })));
        assert_eq!(read(r#"{"type":"end"}"#), Ok(Request::End));
    }

    /// 40 ms at 16 kHz.
    fn frame(sample: impl Fn(usize) -> i16) -> Vec<u8> {
        (0..640).flat_map(|index| sample(index).to_le_bytes()).collect()
    }

    #[test]
    fn both_encodings_are_known_by_their_look() {
        let tone = |amplitude: f64| move |index: usize| (amplitude * (0.1 * index as f64).sin()) as i16;
        let frames = [
            ("silence", frame(|_| 0)),
            ("a click in silence", frame(|index| if index == 100 { 9_000 } else { 0 })),
            ("dither", frame(|index| i16::from(index % 5 == 0) - i16::from(index % 7 == 0))),
            ("an offset", frame(|_| 1)),
            ("a quiet tone", frame(tone(20.0))),
            ("a tone", frame(tone(9_000.0))),
            ("speech of one sample", vec![0x12, 0x34]),
            ("full scale", frame(|index| if index % 2 == 0 { i16::MAX } else { i16::MIN })),
        ];
        for (name, bytes) in frames {
            let expected = Request::binary(&bytes, &Limits::default()).map_err(|fault| fault.code());
            let texts = [STANDARD.encode(&bytes), hex::encode(&bytes), hex::encode_upper(&bytes)];
            for text in texts {
                let message = format!(r#"{{"type":"audio","audio":"{text}"}}"#);
                assert_eq!(read(&message), expected, "{name}: {text}");
            }
        }
    }

    #[test]
    fn each_mistake_has_its_name() {
        for (text, code) in [
            ("", "bad_json"),
            ("{", "bad_json"),
            ("[]", "bad_json"),
            (r#"{"audio":"AEAAgA=="}"#, "bad_json"),
            (r#"{"type":7}"#, "bad_json"),
            (r#"{"type":"audio"}"#, "bad_json"),
            (r#"{"type":"audio","audio":"AEAAgA==","rate":8000}"#, "bad_json"),
            (r#"{"type":"end","now":true}"#, "bad_json"),
            (r#"{"type":"audio","audio":"AEAAgA==","encoding":"flac"}"#, "bad_json"),
            (r#"{"type":"video"}"#, "unknown_type"),
            (r#"{"type":"audio","audio":"AEAAgA"}"#, "bad_encoding"),
            (r#"{"type":"audio","audio":"xyz!","encoding":"hex"}"#, "bad_encoding"),
            (r#"{"type":"audio","audio":"AEAAgAA="}"#, "odd_length"),
            (r#"{"type":"audio","audio":""}"#, "empty_frame"),
            (r#"{"type":"audio","audio":"AEAAgA==","sample_rate":191999}"#, "bad_rate"),
        ] {
            assert_eq!(read(text), Err(code), "{text}");
        }
        let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(&nested), Err("bad_json"));
        let binary = |length| {
            Request::binary(&vec![0; length], &Limits::default()).map(|_| ()).map_err(|fault| fault.code())
        };
        assert_eq!([binary(0), binary(641)], [Err("empty_frame"), Err("odd_length")]);
        assert_eq!([binary(32_000), binary(32_002)], [Ok(()), Err("frame_too_long")]);
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..2_000), text in ".{0,200}") {
            let limits = Limits::default();
            let whole = Request::binary(&bytes, &limits).is_ok();
            prop_assert_eq!(whole, !bytes.is_empty() && bytes.len() % 2 == 0);
            let _ = Request::text(&text, &limits);
        }

        #[test]
        fn both_encodings_give_what_was_encoded(bytes in prop::collection::vec(any::<u8>(), 1..500)) {
            let bytes = [bytes.clone(), bytes].concat();
            let limits = Limits::default();
            let expected = Request::binary(&bytes, &limits);
            let base64 =
                format!(r#"{{"type":"audio","audio":"{}","encoding":"base64"}}"#, STANDARD.encode(&bytes));
            let hex = format!(r#"{{"type":"audio","audio":"{}","encoding":"hex"}}"#, hex::encode(&bytes));
            prop_assert_eq!(Request::text(&base64, &limits), expected.clone());
            prop_assert_eq!(Request::text(&hex, &limits), expected);
        }
    }
}
