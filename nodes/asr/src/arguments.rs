//! What the graph says of this node.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use undertone_recognition::{Limits, POSITION, Rung, TAIL, WINDOW};

/// Writes down what is said, by Whisper.
///
/// Takes segments of speech and gives for each that ends one transcript: final, or rejected with the evidence against
/// it. Everything but the model (`--model`, `--file`) and `--when-late` can be changed while the graph runs.
#[derive(Clone, Debug, PartialEq, clap::Parser)]
#[command(name = "asr", version, about)]
pub struct Arguments {
    /// Folder of the Whisper model, or its name under models/ or models/prepared/
    #[arg(long, value_name = "FOLDER", default_value = "whisper-tiny.en")]
    pub model: PathBuf,

    /// The model's weights in that folder, in whisper.cpp's ggml format; ggml-model-q8_0.bin is half as large
    #[arg(long, value_name = "FILE", default_value = "ggml-model-f16.bin")]
    pub file: String,

    /// The language as ISO 639-1 code, or `auto`, which costs a second pass of the encoder; only `en` with an
    /// English-only model
    #[arg(long, value_name = "CODE", default_value = "en")]
    pub language: String,

    /// Candidates that beam search keeps; 1 is greedy decoding
    #[arg(long, value_name = "WIDTH", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub beam: u8,

    /// Threads for the model
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub threads: u8,

    /// How much of its window the encoder computes: `full` (30 s), `auto` (the utterance and a margin), or a number of
    /// positions of 20 ms. Less than full is faster, and what looks odd is decoded again with the full window
    #[arg(long, value_name = "POSITIONS", default_value_t = AudioContext::Full)]
    pub audio_context: AudioContext,

    /// A segment shorter than this is rejected unheard
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 100)]
    pub minimum_ms: u32,

    /// With the output `preview` in the graph, there is a partial transcript this often while somebody speaks, counted from
    /// the first sound; each costs as much as a whole one, so that `--audio-context auto` is of use
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1000)]
    pub preview_ms: u32,

    /// What to do with less effort when results are late, as `1000=beam:1` for a greedy search from 1 s on,
    /// `3000=model:FOLDER` for a smaller model, and `8000=skip` to reject what is 8 s late. Only with audio at the pace of the
    /// clock, and results then depend on the clock
    #[arg(long, value_name = "MILLISECONDS=WHAT", value_delimiter = ',')]
    pub when_late: Vec<Rung>,

    /// What is rejected.
    #[command(flatten)]
    pub limits: Limits,
}

/// How much of its window the encoder computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioContext {
    /// All 1,500 positions: 30 s.
    Full,
    /// As many as the utterance needs, with a margin.
    Auto,
    /// This many, 1 to 1,500; an utterance that does not fit gets all.
    Positions(u16),
}

/// Positions of the full window.
const ALL: usize = WINDOW / POSITION;
/// Positions of silence behind the tail with [`AudioContext::Auto`].
const MARGIN: usize = 50;
/// [`AudioContext::Auto`] rounds up to a multiple of this.
const STEP: usize = 64;

impl AudioContext {
    /// Positions to compute for an utterance of `samples`, or `None` for all.
    pub fn positions(self, samples: usize) -> Option<u16> {
        let needed = (samples + TAIL).div_ceil(POSITION);
        let positions = match self {
            Self::Full => ALL,
            Self::Auto => (needed + MARGIN).next_multiple_of(STEP),
            Self::Positions(positions) => positions.into(),
        };
        if positions < needed || positions >= ALL { None } else { u16::try_from(positions).ok() }
    }
}

impl fmt::Display for AudioContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => formatter.write_str("full"),
            Self::Auto => formatter.write_str("auto"),
            Self::Positions(positions) => positions.fmt(formatter),
        }
    }
}

impl FromStr for AudioContext {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "full" => Ok(Self::Full),
            "auto" => Ok(Self::Auto),
            _ => text
                .parse()
                .ok()
                .filter(|positions| (1..=ALL).contains(&usize::from(*positions)))
                .map(Self::Positions)
                .ok_or_else(|| format!("neither `full` nor `auto` nor a number from 1 to {ALL}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
        let arguments = Arguments::parse_from(["asr", "--minimum-log-probability", "-2.5"]);
        assert_eq!(arguments.limits.minimum_log_probability, -2.5);
    }

    /// Those that `AsrFactory::check` refuses to change.
    #[test]
    fn the_manual_names_what_cannot_be_changed_while_the_graph_runs() {
        let about = Arguments::command().get_long_about().unwrap().to_string();
        let (_, fixed) = about.split_once("Everything but").unwrap();
        for argument in ["--model", "--file", "--when-late"] {
            assert!(fixed.contains(argument), "{argument} is not in: {fixed}");
        }
    }

    #[test]
    fn impossible_arguments_are_refused() {
        for arguments in [
            ["--audio-context", "1501"],
            ["--audio-context", "0"],
            ["--audio-context", "ful"],
            ["--beam", "0"],
            ["--beam", "9"],
            ["--threads", "0"],
        ] {
            assert!(Arguments::try_parse_from(["asr", arguments[0], arguments[1]]).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn an_utterance_is_never_cut_by_a_small_context() {
        for context in [AudioContext::Full, AudioContext::Auto, AudioContext::Positions(512)] {
            assert_eq!(context.to_string().parse(), Ok(context));
            for samples in (0..WINDOW - TAIL).step_by(777) {
                if let Some(positions) = context.positions(samples) {
                    assert!(usize::from(positions) * POSITION >= samples + TAIL, "{context} {samples}");
                    assert!(usize::from(positions) < ALL);
                }
            }
        }
    }
}
