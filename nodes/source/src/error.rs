//! What can be wrong with a recording.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What is wrong with a recording, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The arguments contradict each other.
    #[error(transparent)]
    Arguments(#[from] crate::ArgumentsError),
    /// There is no such file or folder.
    #[error("there is no file or folder {}{}", Located(path), suggestion(similar.as_ref()))]
    NotFound {
        /// The path as it was given.
        path: PathBuf,
        /// The nearest name in the same folder.
        similar: Option<PathBuf>,
    },
    /// A file was needed and the path is a folder, a device or the like.
    #[error("{} is {what}, not a file; name a recording", Located(path))]
    NotAFile {
        /// The path as it was given.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// A folder holds no recording.
    #[error("the folder {} holds no recording: of its {others} other files none ends in {}{}", Located(path), extensions(), if *folders > 0 { format!(", and its {folders} sub-folders are not searched; name them one by one") } else { String::new() })]
    NoRecordings {
        /// The folder as it was given.
        path: PathBuf,
        /// How many files it holds that are not recordings.
        others: usize,
        /// How many folders it holds.
        folders: usize,
    },
    /// The operating system refused to open or read.
    #[error("cannot read {}: {error}", Located(path))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// The file has no bytes.
    #[error("{} is an empty file (0 bytes); copy or record it again", Located(path))]
    EmptyFile {
        /// The file.
        path: PathBuf,
    },
    /// The file is whole, and holds no sound at all.
    #[error(
        "{} is an empty recording: its {format} header is in order and it holds no samples; if the recorder was stopped before it could finish the header, a repair tool may bring the sound back; otherwise leave the file out",
        Located(path)
    )]
    EmptyRecording {
        /// The file.
        path: PathBuf,
        /// The container's name.
        format: &'static str,
    },
    /// The file is not audio, or of a format that is not read.
    #[error("{} is not audio of a known format{}; wav, flac, mp3, ogg (vorbis), m4a (aac-lc, alac) and aac are known, by content and not by name", Located(path), resemblance(*looks_like))]
    NotAudio {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        looks_like: Option<&'static str>,
    },
    /// The format is known and its header makes no sense.
    #[error("the header of {} is broken ({reason}); copy or record the file again", Located(path))]
    BrokenHeader {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No track of the file is audio.
    #[error("{} holds no audio track that can be read", Located(path))]
    NoAudioTrack {
        /// The file.
        path: PathBuf,
    },
    /// The format is known and this way of coding in it cannot be decoded.
    #[error(
        "{} is coded as {codec}, which cannot be decoded here{}; convert it first, for example with `ffmpeg -i INPUT -ac 1 -ar 16000 OUTPUT.wav`",
        Located(path),
        parenthesis(reason)
    )]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The codec, or the property of the file.
        codec: String,
        /// More about it, or nothing.
        reason: &'static str,
    },
    /// A number of channels that cannot be.
    #[error(
        "the header of {} gives {channels} channels, not 1 to {most}; copy or record the file again",
        Located(path)
    )]
    Channels {
        /// The file.
        path: PathBuf,
        /// The number.
        channels: usize,
        /// The highest number that is taken.
        most: usize,
    },
    /// A sample rate that cannot be.
    #[error(
        "the header of {} gives a sample rate of {rate} Hz, not {least} to {most} Hz; copy or record the file again",
        Located(path)
    )]
    SampleRate {
        /// The file.
        path: PathBuf,
        /// The sample rate.
        rate: u32,
        /// The lowest rate that is taken.
        least: u32,
        /// The highest rate that is taken.
        most: u32,
    },
    /// The file ends before its sound does.
    #[error("{} is cut short: it ends after {reached:.3} s{}", Located(path), of_seconds(*expected))]
    CutShort {
        /// The file.
        path: PathBuf,
        /// How much sound there is, in seconds.
        reached: f64,
        /// How much there should be by the header, in seconds, if it says so.
        expected: Option<f64>,
    },
    /// The file ends before its format allows to read any of it.
    #[error(
        "{} is cut short: {missing} bytes are missing at its end, and without them an MP4 cannot be read; copy or record it again",
        Located(path)
    )]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// How much is missing, in bytes.
        missing: u64,
    },
    /// A part of the file cannot be decoded, or is missing.
    #[error("{} is damaged at {at:.3} s{} ({reason})", Located(path), seconds_lost(*lost))]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where, in seconds since the file's first sample.
        at: f64,
        /// How much is missing, in seconds, if that is known.
        lost: Option<f64>,
        /// What the decoder says.
        reason: String,
        /// What tolerance makes of it.
        remedy: Remedy,
    },
    /// The decoder itself failed.
    #[error(
        "{} makes the decoder fail ({reason}); it is damaged, or of a kind that the decoder does not know; copy or record it again, or convert it first, for example with `ffmpeg -i INPUT -ac 1 -ar 16000 OUTPUT.wav`",
        Located(path)
    )]
    DecoderFailed {
        /// The file.
        path: PathBuf,
        /// The assertion that failed.
        reason: String,
    },
    /// The file decodes, but not to what was encoded.
    #[error(
        "{} is damaged: the decoded sound does not match the checksum in its header (MD5)",
        Located(path)
    )]
    Checksum {
        /// The file.
        path: PathBuf,
    },
    /// A floating-point sample is infinite or not a number.
    #[error(
        "{} holds a sample at {at:.3} s that is infinite or not a number; whatever wrote it has a defect; convert it to 16-bit to see it",
        Located(path)
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Where, in seconds since the file's first sample.
        at: f64,
    },
    /// The sample rate cannot be converted.
    #[error("{} cannot be brought to 16 kHz: {error}", Located(path))]
    Rate {
        /// The file.
        path: PathBuf,
        /// What the resampler said.
        error: undertone_audio::RateError,
    },
}

/// What tolerance makes of a part that cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// A gap of its length, if that is known, and what is behind it.
    Gap,
    /// The file ends before it.
    End,
    /// Nothing: it is an error all the same.
    None,
}

impl SourceError {
    /// What to do about a damaged file, for whoever ends because of it. Empty if the error says it itself.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::CutShort { .. } | Self::Corrupt { remedy: Remedy::End, .. } => {
                "; copy or record it again, or take what is there with `--tolerate-corruption`"
            }
            Self::Corrupt { remedy: Remedy::Gap, .. } => {
                "; copy or record it again, or leave a gap with `--tolerate-corruption`"
            }
            Self::Corrupt { remedy: Remedy::None, .. } => "; copy or record it again",
            Self::Checksum { .. } => {
                "; copy or record it again, or take it as it is with `--tolerate-corruption`"
            }
            _ => "",
        }
    }

    /// What was made of a damaged file, for whoever went on.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Corrupt { remedy: Remedy::Gap, lost: Some(_), .. } => {
                "; it goes on behind a gap of that length"
            }
            Self::Corrupt { remedy: Remedy::Gap, .. } => "; it goes on without a gap",
            Self::CutShort { .. } | Self::Corrupt { .. } => "; what is there is sent",
            Self::Checksum { .. } => "; it is sent as it is",
            _ => "",
        }
    }
}

/// A path as it was given, and where that is if it was relative: a node's working directory is easily mistaken.
struct Located<'a>(&'a PathBuf);

impl fmt::Display for Located<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`", self.0.display())?;
        match std::path::absolute(self.0) {
            Ok(absolute) if &absolute != self.0 => write!(formatter, " ({})", absolute.display()),
            _ => Ok(()),
        }
    }
}

fn suggestion(similar: Option<&PathBuf>) -> String {
    similar.map(|path| format!("; did you mean `{}`?", path.display())).unwrap_or_default()
}

fn extensions() -> String {
    crate::AUDIO_EXTENSIONS.map(|extension| format!(".{extension}")).join(" ")
}

fn resemblance(what: Option<&str>) -> String {
    what.map(|what| format!(": it looks like {what}")).unwrap_or_default()
}

fn parenthesis(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}

fn of_seconds(expected: Option<f64>) -> String {
    expected.map(|expected| format!(" of {expected:.3} s")).unwrap_or_default()
}

fn seconds_lost(lost: Option<f64>) -> String {
    lost.map(|lost| format!(", {lost:.3} s are lost")).unwrap_or_default()
}
