//! Checks a ggml model file before whisper.cpp reads it.
//!
//! whisper.cpp trusts what it reads: a file that is cut short or is something else can make it ask for absurd amounts
//! of memory and end the process. So the whole structure is walked through first; the weights themselves are skipped.
//! The layout is that of `whisper_model_load` in whisper.cpp 1.8.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// "ggml" as a number.
const MAGIC: i32 = 0x6767_6d6c;
/// Positions of the encoder's output in the 30 s window of every Whisper model.
const AUDIO_CONTEXT: i32 = 1500;
/// Tokens that the decoder of every Whisper model takes.
const TEXT_CONTEXT: i32 = 448;
/// Bins of a 400-point transform.
const BINS: i32 = 201;
/// `GGML_QNT_VERSION_FACTOR`: the file type of a quantised file also carries a version.
const QUANTISATION_VERSION: i32 = 1000;
/// The `ggml_ftype`s that have the tensors of [`layout`]; whisper.cpp ends the process on others.
const FILE_TYPES: [i32; 12] = [0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 14];

/// A file that whisper.cpp must not be given.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// The file cannot be read.
    #[error("{} could not be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// The file is no whisper.cpp model, or a damaged one.
    #[error("{} is not a whole whisper.cpp model: {problem}. A model is a ggml file as whisper.cpp's models/convert-*-to-ggml.py make it (not GGUF, not CTranslate2); fetch or convert it again", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
}

/// The sizes of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Tokens in the vocabulary; 51864 in English-only models, more in multilingual ones.
    pub vocabulary: i32,
    /// Layers of the encoder.
    pub audio_layers: i32,
    /// Layers of the decoder.
    pub text_layers: i32,
    /// Attention heads in a layer of the decoder.
    pub text_heads: i32,
    /// Bands of the mel spectrogram.
    pub mel_bands: i32,
}

/// Walks through the file and gives the model's sizes.
///
/// # Errors
///
/// The file cannot be read, is something else, has impossible sizes, is cut short or goes on behind its end.
pub fn check(path: &Path) -> Result<Shape, ModelFileError> {
    let unreadable = |error| ModelFileError::Unreadable { path: path.to_owned(), error };
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut walk = Walk { file: BufReader::new(file), position: 0, length };
    walk.model().map_err(|fault| match fault {
        Fault::Io(error) => unreadable(error),
        Fault::Problem(problem) => ModelFileError::Malformed { path: path.to_owned(), problem },
    })
}

enum Fault {
    Io(io::Error),
    Problem(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn require(condition: bool, problem: impl FnOnce() -> String) -> Result<(), Fault> {
    if condition { Ok(()) } else { Err(Fault::Problem(problem())) }
}

struct Walk {
    file: BufReader<File>,
    position: u64,
    length: u64,
}

impl Walk {
    fn model(&mut self) -> Result<Shape, Fault> {
        let magic = self.number("the magic number")?;
        require(magic == MAGIC, || format!("it begins with {magic:#010x}, not with {MAGIC:#010x}"))?;
        let shape = self.sizes()?;
        self.filters(shape.mel_bands)?;
        self.tokens(shape.vocabulary)?;
        // whisper.cpp takes a file without any tensor for one of its own tests.
        require(self.position < self.length, || "it has no tensors".to_owned())?;
        let mut tensors = 0;
        while self.position < self.length {
            self.tensor(tensors)?;
            tensors += 1;
        }
        Ok(shape)
    }

    fn sizes(&mut self) -> Result<Shape, Fault> {
        let mut size = |what: &str, possible: RangeInclusive<i32>| {
            let value = self.number(what)?;
            require(possible.contains(&value), || {
                let (least, most) = (possible.start(), possible.end());
                format!("{what} is {value}, and Whisper models have {least} to {most}")
            })?;
            Ok::<i32, Fault>(value)
        };
        let vocabulary = size("the vocabulary's size", 51_864..=51_866)?;
        size("the audio context", AUDIO_CONTEXT..=AUDIO_CONTEXT)?;
        let width = size("the encoder's width", 64..=2048)?;
        let audio_heads = size("the number of the encoder's heads", 1..=32)?;
        let audio_layers = size("the number of the encoder's layers", 1..=64)?;
        size("the text context", TEXT_CONTEXT..=TEXT_CONTEXT)?;
        size("the decoder's width", width..=width)?;
        let text_heads = size("the number of the decoder's heads", 1..=32)?;
        let text_layers = size("the number of the decoder's layers", 1..=64)?;
        let mel_bands = size("the number of mel bands", 80..=128)?;
        let file_type = self.number("the file type")?;
        require(width % audio_heads == 0 && width % text_heads == 0, || {
            format!("{audio_heads} and {text_heads} heads do not share a width of {width}")
        })?;
        require(FILE_TYPES.contains(&(file_type % QUANTISATION_VERSION)), || {
            format!("the file type {file_type} is unknown")
        })?;
        Ok(Shape { vocabulary, audio_layers, text_layers, text_heads, mel_bands })
    }

    fn filters(&mut self, bands: i32) -> Result<(), Fault> {
        let rows = self.number("the mel filters")?;
        let columns = self.number("the mel filters")?;
        require(rows == bands && columns == BINS, || {
            format!("its mel filters are {rows} x {columns}, not {bands} x {BINS}")
        })?;
        self.skip(u64::from(rows.unsigned_abs()) * u64::from(columns.unsigned_abs()) * 4, "the mel filters")
    }

    fn tokens(&mut self, vocabulary: i32) -> Result<(), Fault> {
        let count = self.number("the vocabulary")?;
        require((1..=vocabulary).contains(&count), || {
            format!("it lists {count} tokens of a vocabulary of {vocabulary}")
        })?;
        let mut space = false;
        for token in 0..count {
            let length = self.number("the vocabulary")?;
            require((0..=1024).contains(&length), || format!("token {token} has {length} bytes"))?;
            let bytes = self.bytes(length.unsigned_abs() as usize, "the vocabulary")?;
            space |= bytes == b" ";
        }
        // whisper.cpp looks it up by its text.
        require(space, || "the vocabulary has no token for a space".to_owned())
    }

    fn tensor(&mut self, number: i32) -> Result<(), Fault> {
        let rank = self.number("a tensor")?;
        let name_length = self.number("a tensor")?;
        let kind = self.number("a tensor")?;
        require((1..=3).contains(&rank) && (1..=256).contains(&name_length), || {
            format!("tensor {number} has {rank} dimensions and a name of {name_length} bytes")
        })?;
        let mut values: u64 = 1;
        for _ in 0..rank {
            let size = self.number("a tensor")?;
            require((1..=1 << 20).contains(&size), || format!("tensor {number} has a dimension of {size}"))?;
            values = values.saturating_mul(size.unsigned_abs().into());
        }
        let (block, bytes) = layout(kind)
            .ok_or_else(|| Fault::Problem(format!("tensor {number} is of the unknown type {kind}")))?;
        require(values.is_multiple_of(block), || format!("tensor {number} is not made of whole blocks"))?;
        self.skip(name_length.unsigned_abs().into(), "the name of a tensor")?;
        self.skip((values / block).saturating_mul(bytes), &format!("tensor {number}"))
    }

    fn number(&mut self, what: &str) -> Result<i32, Fault> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes, what)?;
        Ok(i32::from_le_bytes(bytes))
    }

    fn bytes(&mut self, count: usize, what: &str) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; count];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8], what: &str) -> Result<(), Fault> {
        match self.file.read_exact(bytes) {
            Ok(()) => {
                self.position += bytes.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(self.cut_short(what)),
            Err(error) => Err(error.into()),
        }
    }

    fn skip(&mut self, bytes: u64, what: &str) -> Result<(), Fault> {
        if bytes > self.length.saturating_sub(self.position) {
            return Err(self.cut_short(what));
        }
        self.position += bytes;
        // It is less than the file's length, so it fits.
        self.file.seek_relative(bytes.cast_signed())?;
        Ok(())
    }

    fn cut_short(&self, what: &str) -> Fault {
        Fault::Problem(format!("it is cut short in {what}, at {} bytes", self.length))
    }
}

/// Values in a block and bytes of a block of a `ggml_type`.
fn layout(kind: i32) -> Option<(u64, u64)> {
    Some(match kind {
        0 => (1, 4),      // F32
        1 => (1, 2),      // F16
        2 => (32, 18),    // Q4_0
        3 => (32, 20),    // Q4_1
        6 => (32, 22),    // Q5_0
        7 => (32, 24),    // Q5_1
        8 => (32, 34),    // Q8_0
        10 => (256, 84),  // Q2_K
        11 => (256, 110), // Q3_K
        12 => (256, 144), // Q4_K
        13 => (256, 176), // Q5_K
        14 => (256, 210), // Q6_K
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    /// A small file with the sizes of tiny.en, three tokens and one tensor.
    fn whole() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut put = |numbers: &[i32]| numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        put(&[MAGIC, 51_864, 1500, 384, 6, 4, 448, 384, 6, 4, 80, 1, 80, BINS]);
        bytes.resize(bytes.len() + 80 * 201 * 4, 0);
        for number in [3, 1] {
            bytes.extend(i32::to_le_bytes(number));
        }
        bytes.extend(b" ");
        bytes.extend(1_i32.to_le_bytes());
        bytes.extend(b"a");
        bytes.extend(0_i32.to_le_bytes());
        for number in [2, 4, 1, 3, 5] {
            bytes.extend(i32::to_le_bytes(number));
        }
        bytes.extend(b"name");
        bytes.resize(bytes.len() + 3 * 5 * 2, 0);
        bytes
    }

    fn check_bytes(bytes: &[u8]) -> Result<Shape, ModelFileError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        check(file.path())
    }

    fn problem(bytes: &[u8]) -> String {
        check_bytes(bytes).expect_err("a malformed file").to_string()
    }

    #[test]
    fn a_whole_file_passes() {
        let shape = check_bytes(&whole()).expect("a whole file");
        let expected =
            Shape { vocabulary: 51_864, audio_layers: 4, text_layers: 4, text_heads: 6, mel_bands: 80 };
        assert_eq!(shape, expected);
    }

    #[test]
    fn other_files_are_told_apart() {
        assert!(
            problem(b"GGUF and something").contains("magic") || problem(b"GGUF and").contains("0x46554747")
        );
        assert!(problem(b"").contains("cut short"));
        let mut odd_type = whole();
        odd_type[44] = 4;
        assert!(problem(&odd_type).contains("file type 4"));
        let mut wide = whole();
        wide[12..16].copy_from_slice(&i32::MAX.to_le_bytes());
        assert!(problem(&wide).contains("width is 2147483647"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = check(Path::new("no/such/model.bin")).expect_err("no file").to_string();
        assert!(error.contains("no/such/model.bin"), "{error}");
    }

    proptest! {
        #[test]
        fn a_file_cut_short_anywhere_is_refused(kept in 0.0..1.0_f64) {
            let whole = whole();
            let kept = (whole.len() as f64 * kept) as usize;
            prop_assert!(problem(&whole[..kept]).contains("cut short") || problem(&whole[..kept]).contains("no tensors"));
        }

        #[test]
        fn whatever_is_in_a_file_the_check_ends(at in 0..64_usize, value in any::<i32>()) {
            let mut bytes = whole();
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            // The answer may be either; it must come without a panic and without much memory.
            let _ = check_bytes(&bytes);
        }
    }
}
