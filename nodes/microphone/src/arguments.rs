//! What the graph says of this node.

use std::time::Duration;

use undertone_messages::SAMPLE_RATE;
use undertone_node::Lead;

/// Sends what a microphone hears into the graph, as mono audio at 16 kHz.
///
/// The device is opened once all nodes of the graph have joined it, at its own rate and in its own format. When it fails,
/// is unplugged or falls silent, it is opened again, after 250 ms at first and 5 s at most; the time in between is a gap
/// on record. So is what the graph takes too late. The session ends after `--duration-seconds`, or when this process gets
/// SIGINT or SIGTERM: then all that was said is still worked on. Ctrl-C on `dora run` and `dora stop` end all nodes at
/// once; what is on its way then is dropped.
#[derive(Clone, Debug, PartialEq, clap::Parser)]
#[command(name = "microphone", version, about)]
pub struct Arguments {
    /// The device: its number in `--list`, or a part of its name or identifier, in upper or lower case [default: the
    /// system's default]
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,

    /// Print the devices, with their rates and channels, and end
    #[arg(long)]
    pub list: bool,

    /// Take this channel alone, counted from 1 [default: the average of all]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub channel: Option<u16>,

    /// How long the audio in a message is; only the last one of a session and one before a gap are shorter, and one that tells of a gap while there is no device has none
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 32, value_parser = clap::value_parser!(u32).range(8..=1_000))]
    pub frame_ms: u32,

    /// The session's name [default: the time of its start in UTC, as 20260131T093000Z]
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,

    /// End the session after so much audio
    #[arg(long, value_name = "SECONDS")]
    pub duration_seconds: Option<f64>,

    /// Open the device again when nothing has come from it for so long, and 5 s more right after it was opened
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(200..=60_000))]
    pub silent_device_ms: u32,

    /// How much audio may be on its way, sent and not yet done by the watermark. It must exceed the longest utterance that
    /// the vad lets through (28 s by default) and its hangover. The queues behind the microphone must hold this much:
    /// `queue_size` at least 1000 × SECONDS / `--frame-ms`
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub lead_seconds: f64,

    /// How much audio waits in this node while that is reached; when it is more, the oldest becomes a gap
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    pub buffer_seconds: f64,
}

/// Arguments that make no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArgumentsError {
    /// A session without a name.
    #[error("`--session` is empty; leave it out to name the session by the time of its start")]
    NoName,
    /// A number that cannot be.
    #[error("`--{name} {given}` is not between {least} and {most}")]
    Seconds {
        /// The argument.
        name: &'static str,
        /// What was given.
        given: f64,
        /// The least that works.
        least: f64,
        /// The most that is taken.
        most: f64,
    },
}

/// A day of audio on its way is more than any queue holds, and as a buffer 5.5 GB.
const MOST_SECONDS: f64 = 86_400.0;

/// A hundred years.
const LONGEST_SESSION: f64 = 3.2e9;

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
        let frame = f64::from(self.frame_ms) / 1_000.0;
        let limits = [
            ("lead-seconds", Some(self.lead_seconds), 2.0 * frame, MOST_SECONDS),
            ("buffer-seconds", Some(self.buffer_seconds), frame, MOST_SECONDS),
            ("duration-seconds", self.duration_seconds, frame, LONGEST_SESSION),
        ];
        for (name, given, least, most) in limits {
            if let Some(given) = given.filter(|given| !(least..=most).contains(given)) {
                return Err(ArgumentsError::Seconds { name, given, least, most });
            }
        }
        Ok(())
    }

    /// How many samples at 16 kHz a message holds.
    pub fn frame_samples(&self) -> usize {
        (self.frame_ms * (SAMPLE_RATE / 1_000)) as usize
    }

    /// How many samples at 16 kHz wait in the node at most.
    pub fn room(&self) -> usize {
        (self.buffer_seconds * f64::from(SAMPLE_RATE)) as usize
    }

    /// The session's length in samples at 16 kHz, if there is a limit.
    pub fn limit(&self) -> Option<u64> {
        self.duration_seconds.map(|seconds| (seconds * f64::from(SAMPLE_RATE)).round() as u64)
    }

    /// See `--silent-device-ms`.
    pub fn silent_device(&self) -> Duration {
        Duration::from_millis(u64::from(self.silent_device_ms))
    }

    /// The flow control for these arguments.
    pub fn lead(&self) -> Lead {
        Lead::new((self.lead_seconds * 1_000.0 / f64::from(self.frame_ms)) as u64)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["microphone"], words].concat())
    }

    #[test]
    fn the_defaults_are_what_the_manual_says() {
        let arguments = parse(&[]).unwrap();
        assert_eq!((arguments.frame_samples(), arguments.room(), arguments.limit()), (512, 480_000, None));
        assert_eq!(arguments.lead().messages(), 1_875);
        assert_eq!(arguments.check(), Ok(()));
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_cannot_work_is_refused() {
        assert!(parse(&["--channel", "0"]).is_err(), "channels are counted from 1");
        assert!(parse(&["--frame-ms", "0"]).is_err());
        assert_eq!(parse(&["--session", " "]).unwrap().check(), Err(ArgumentsError::NoName));
        for (name, value) in [
            ("--lead-seconds", "0.06"),
            ("--buffer-seconds", "-1"),
            ("--buffer-seconds", "NaN"),
            ("--duration-seconds", "inf"),
            ("--duration-seconds", "0"),
        ] {
            let error = parse(&[&format!("{name}={value}")]).unwrap().check().unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
