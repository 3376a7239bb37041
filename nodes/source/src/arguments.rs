//! What the graph says of this node.

use std::path::PathBuf;

use undertone_messages::SAMPLE_RATE;
use undertone_node::{Lead, Pace};

use crate::audio_file::Corruption;
use crate::pacer::Pacer;

/// Whether progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Progress {
    /// On a terminal.
    Auto,
    /// Without a terminal too.
    Always,
    /// Not at all.
    Never,
}

/// Sends recordings into the graph, as mono audio at 16 kHz.
///
/// Reads wav, flac, mp3, ogg (vorbis), m4a (aac-lc, alac) and aac, of any sample rate and number of channels; channels
/// are averaged. Each file is a session of its own, named like the file without folder and extension; a second file of
/// that name becomes NAME-2. All files are looked at before the graph starts. A file that is damaged or cut short ends
/// the run with an error, behind all that could be read of it.
#[derive(Clone, Debug, PartialEq, clap::Parser)]
#[command(name = "source", version, about)]
pub struct Arguments {
    /// Recordings, and folders of them: a folder stands for its recordings, sorted by name byte by byte, without its
    /// sub-folders and hidden files
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    // Fast, because it changes no result: payloads know sample time alone. A graph that shows what it is like to be live
    // says `--pace realtime`.
    /// How fast to send
    #[arg(long, value_enum, default_value_t = Pace::Fast)]
    pub pace: Pace,

    /// How many samples at 16 kHz a message holds; only the last one of a session, and one before a gap, holds fewer
    #[arg(long, value_name = "SAMPLES", default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(16..=160_000))]
    pub frame_samples: u32,

    /// Send all files as one session, one right behind the other
    #[arg(long)]
    pub join: bool,

    /// Silence between joined files
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0, requires = "join", value_parser = clap::value_parser!(u32).range(..=600_000))]
    pub silence_ms: u32,

    /// The session's name, instead of the file's; with several files only together with `--join`
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,

    /// How much audio may be on its way, sent and not yet done by the watermark. It must exceed the longest utterance
    /// that the vad lets through (28 s by default) and its hangover, because the watermark waits for an utterance to
    /// end. The queues behind the source must hold this much: `queue_size` at least SECONDS × 16000 / SAMPLES
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub lead_seconds: f64,

    /// Go on when a file is damaged: what cannot be decoded becomes a gap of its length, a file that is cut short ends
    /// where it ends, and the log tells of each. Of an MP3 or a bare AAC stream, the length may be an estimate; the log
    /// says so
    #[arg(long)]
    pub tolerate_corruption: bool,

    /// Whether to show how far the recordings are sent
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub progress: Progress,
}

/// Arguments that contradict each other.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArgumentsError {
    /// One name for several sessions.
    #[error(
        "`--session {name}` names one session and there are {sessions}; add `--join` to make them one, or leave the name out"
    )]
    OneNameForMany {
        /// The name.
        name: String,
        /// How many sessions there would be.
        sessions: usize,
    },
    /// A session without a name.
    #[error("`--session` is empty; leave it out to name the session like its file")]
    NoName,
    /// Too little audio on its way for anything to move.
    #[error(
        "`--lead-seconds {given}` is not between {least} (two frames of {frame_samples} samples) and {most}"
    )]
    Lead {
        /// What was given.
        given: f64,
        /// The least that works.
        least: f64,
        /// The most that is taken.
        most: f64,
        /// Samples a frame.
        frame_samples: u32,
    },
}

/// A day of audio on its way is more than any queue holds.
const MOST_LEAD_SECONDS: f64 = 86_400.0;

impl Arguments {
    /// Checks what clap cannot.
    ///
    /// # Errors
    ///
    /// [`ArgumentsError`].
    pub fn check(&self) -> Result<(), ArgumentsError> {
        if self.session.as_deref().is_some_and(|name| name.trim().is_empty()) {
            return Err(ArgumentsError::NoName);
        }
        let least = f64::from(2 * self.frame_samples) / f64::from(SAMPLE_RATE);
        if !(least..=MOST_LEAD_SECONDS).contains(&self.lead_seconds) {
            return Err(ArgumentsError::Lead {
                given: self.lead_seconds,
                least,
                most: MOST_LEAD_SECONDS,
                frame_samples: self.frame_samples,
            });
        }
        Ok(())
    }

    /// What to do about damage.
    pub fn corruption(&self) -> Corruption {
        if self.tolerate_corruption { Corruption::Tolerate } else { Corruption::Refuse }
    }

    /// The silence between joined files, in samples.
    pub fn silence_samples(&self) -> u64 {
        u64::from(self.silence_ms) * u64::from(SAMPLE_RATE) / 1_000
    }

    /// The pacer for these arguments.
    pub fn pacer(&self) -> Pacer {
        Pacer::new(self.pace)
    }

    /// The flow control for these arguments.
    pub fn lead(&self) -> Lead {
        Lead::new((self.lead_seconds * f64::from(SAMPLE_RATE) / f64::from(self.frame_samples)) as u64)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["source"], words].concat())
    }

    #[test]
    fn the_defaults_are_what_the_manual_says() {
        let arguments = parse(&["a.wav", "folder"]).unwrap();
        assert_eq!(arguments.paths, [PathBuf::from("a.wav"), PathBuf::from("folder")]);
        assert_eq!(arguments.pace, Pace::Fast);
        assert_eq!(arguments.frame_samples, 1_024);
        assert_eq!(arguments.lead().messages(), 937);
        assert_eq!(arguments.check(), Ok(()));
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_cannot_work_is_refused() {
        assert!(parse(&[]).is_err());
        assert!(parse(&["a.wav", "--silence-ms", "300"]).is_err(), "silence needs --join");
        assert!(parse(&["a.wav", "--join", "--silence-ms", "300"]).is_ok());
        assert!(parse(&["a.wav", "--frame-samples", "0"]).is_err());
        let error = parse(&["a.wav", "--pase", "fast"]).unwrap_err().to_string();
        assert!(error.contains("--pace"), "{error}");
        for lead in ["0", "0.127", "NaN", "-3", "inf"] {
            let arguments = parse(&["a.wav", &format!("--lead-seconds={lead}")]).unwrap();
            assert!(matches!(arguments.check(), Err(ArgumentsError::Lead { .. })), "{lead}");
        }
        assert_eq!(parse(&["a.wav", "--session", " "]).unwrap().check(), Err(ArgumentsError::NoName));
    }
}
