//! What the graph says of this node.

use std::collections::BTreeSet;
use std::path::PathBuf;

use undertone_messages::SAMPLE_RATE;
use undertone_node::{Lead, Pace};

use crate::range::Range;

/// Plays what was recorded on the wires of a graph.
///
/// It stands in the place of the node whose outputs it plays: named like that node, it plays the topics NODE/OUTPUT that
/// were recorded of it, on the outputs that the graph names. Under another name, or to play the outputs of several
/// nodes, say `--topic`. Inputs: `watermark`, which `--pace fast` needs; others, of the node in whose place it stands,
/// are read and ignored.
#[derive(Clone, Debug, PartialEq, clap::Parser)]
#[command(name = "replay", version)]
pub struct Arguments {
    /// The folder of the recording; relative to the graph's own folder
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,

    /// Which topic an output plays; may be repeated
    #[arg(long, value_name = "OUTPUT=NODE/OUTPUT")]
    pub topic: Vec<Wiring>,

    /// How fast to send
    #[arg(long, value_enum, default_value_t = Pace::Fast)]
    pub pace: Pace,

    /// With `--pace realtime`, how many times as fast as it was recorded. How late results are is known of audio at 1
    /// alone; in other replays results do not tell it, and nothing is done with less effort because they are late
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub speed: f64,

    /// Play from this time of each session on
    #[arg(long, value_name = "SECONDS")]
    pub from: Option<f64>,

    /// Play up to this time of each session
    #[arg(long, value_name = "SECONDS")]
    pub to: Option<f64>,

    /// Play again and again, or so many times; from the second time on sessions are called NAME-2, NAME-3 and so on,
    /// without the names that are in the recording
    #[arg(long = "loop", value_name = "TIMES", num_args = 0..=1, default_value = "1", default_missing_value = "0", hide_default_value = true)]
    pub times: u64,

    /// How many messages may be on their way, sent and not yet done by the watermark. They must cover the longest
    /// utterance, because the watermark waits for it to end; the queues behind this node must hold as many
    #[arg(long, value_name = "MESSAGES", default_value_t = 900, value_parser = clap::value_parser!(u64).range(2..))]
    pub lead_messages: u64,
}

/// Which topic an output plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wiring {
    /// The output of this node.
    pub output: String,
    /// The topic in the recording, `node/output`.
    pub topic: String,
}

impl std::str::FromStr for Wiring {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((output, topic)) if !output.is_empty() && topic.contains('/') => {
                Ok(Self { output: output.to_owned(), topic: topic.to_owned() })
            }
            _ => Err("write it as OUTPUT=NODE/OUTPUT, as in speech=vad/speech".to_owned()),
        }
    }
}

/// Arguments that make no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArgumentsError {
    /// A speed that is no speed.
    #[error("`--speed {0}` is not a number above 0")]
    Speed(f64),
    /// A speed where there is none.
    #[error("`--speed {0}` needs `--pace realtime`: `--pace fast` is as fast as the graph takes it")]
    SpeedWhereFast(f64),
    /// An output that is to play two topics.
    #[error("`--topic {0}=…` is there twice: an output plays one topic")]
    OutputTwice(String),
    /// A range that holds nothing.
    #[error(
        "`--from {from}` and `--to {to}` leave nothing to play: they are seconds of session time, 0 ≤ from < to"
    )]
    Range {
        /// Where it begins.
        from: f64,
        /// Where it ends.
        to: f64,
    },
}

impl Arguments {
    /// Checks what clap cannot.
    ///
    /// # Errors
    ///
    /// [`ArgumentsError`].
    pub fn check(&self) -> Result<(), ArgumentsError> {
        if !(self.speed.is_finite() && self.speed > 0.0) {
            return Err(ArgumentsError::Speed(self.speed));
        }
        if self.pace == Pace::Fast && self.speed != 1.0 {
            return Err(ArgumentsError::SpeedWhereFast(self.speed));
        }
        let (from, to) = (self.from.unwrap_or(0.0), self.to.unwrap_or(f64::INFINITY));
        if !(from.is_finite() && 0.0 <= from && from < to) {
            return Err(ArgumentsError::Range { from, to });
        }
        let mut outputs = BTreeSet::new();
        if let Some(again) = self.topic.iter().find(|wiring| !outputs.insert(&wiring.output)) {
            return Err(ArgumentsError::OutputTwice(again.output.clone()));
        }
        Ok(())
    }

    /// The part of each session to play.
    pub fn range(&self) -> Range {
        // Checked to be positive; what is beyond a u64 is beyond any recording.
        let sample = |seconds: f64| (seconds * f64::from(SAMPLE_RATE)).round() as u64;
        Range { from: self.from.map_or(0, sample), to: self.to.map_or(u64::MAX, sample) }
    }

    /// The flow control for these arguments.
    pub fn lead(&self) -> Lead {
        Lead::new(self.lead_messages)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["replay"], words].concat())
    }

    #[test]
    fn the_manual_is_right() {
        let arguments = parse(&["recording"]).unwrap();
        assert_eq!((arguments.times, arguments.pace, arguments.range()), (1, Pace::Fast, Range::ALL));
        assert_eq!(arguments.check(), Ok(()));
        assert_eq!(parse(&["recording", "--loop"]).unwrap().times, 0);
        assert_eq!(parse(&["recording", "--loop", "3"]).unwrap().times, 3);
        let part = parse(&["recording", "--from", "1.5", "--to", "2"]).unwrap();
        assert_eq!(part.range(), Range { from: 24_000, to: 32_000 });
        let wiring = parse(&["recording", "--topic", "speech=vad/speech"]).unwrap().topic;
        assert_eq!(wiring, [Wiring { output: "speech".to_owned(), topic: "vad/speech".to_owned() }]);
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let check = |words: &[&str]| parse(&[&["recording"], words].concat()).unwrap().check();
        assert!(matches!(check(&["--from", "3", "--to", "3"]), Err(ArgumentsError::Range { .. })));
        assert!(matches!(check(&["--from=-1"]), Err(ArgumentsError::Range { .. })));
        assert!(matches!(check(&["--speed", "2"]), Err(ArgumentsError::SpeedWhereFast(_))));
        assert_eq!(check(&["--speed", "2", "--pace", "realtime"]), Ok(()));
        assert!(matches!(check(&["--speed", "NaN", "--pace", "realtime"]), Err(ArgumentsError::Speed(_))));
        let topics = ["--topic", "a=x/y", "--topic", "b=x/y", "--topic", "a=u/v"];
        assert_eq!(check(&topics[..4]), Ok(()));
        assert_eq!(check(&topics), Err(ArgumentsError::OutputTwice("a".to_owned())));
        let error = parse(&["recording", "--topic", "vad"]).unwrap_err().to_string();
        assert!(error.contains("OUTPUT=NODE/OUTPUT"), "{error}");
    }
}
