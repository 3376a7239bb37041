//! The node's arguments, as they are written in the graph.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::error::SinkError;

/// Writes results: as JSON Lines for programs, and with bars for people.
///
/// Inputs: `sentiment` and `provisional` (from fusion), `statistics` (from prosody), `transcript` (words as they come, from
/// the recogniser's `preview`); any of them may be left out.
#[derive(Clone, Debug, PartialEq, Parser)]
#[command(name = "sink", version)]
pub struct Arguments {
    /// What to write to the standard output.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,

    /// Also write JSON Lines to this file, whatever the format of the standard output. A file that exists is replaced
    /// at the end.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Write provisional results, too. Without it they are only counted.
    #[arg(long)]
    pub provisional: bool,

    /// Leave out the latency, so that two runs write the same lines.
    #[arg(long)]
    pub no_latency: bool,

    /// Colour in `pretty`: auto means on a terminal, unless the environment has NO_COLOR.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: ColorChoice,
}

/// What to write to the standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a result.
    #[default]
    Jsonl,
    /// A few lines a result, and a summary at the end of a session.
    Pretty,
    /// Nothing.
    None,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless the environment has a `NO_COLOR` that is not empty (no-color.org).
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Arguments {
    /// Checks what the parser cannot.
    ///
    /// # Errors
    ///
    /// Nothing would be written anywhere.
    pub fn check(&self) -> Result<(), SinkError> {
        if self.format == Format::None && self.output.is_none() {
            return Err(SinkError::Nowhere);
        }
        Ok(())
    }

    /// Whether to use colour on a standard output that is a `terminal` or not, with this `NO_COLOR` in the environment.
    pub fn use_color(&self, terminal: bool, no_color: Option<&OsStr>) -> bool {
        match self.color {
            ColorChoice::Auto => terminal && no_color.is_none_or(OsStr::is_empty),
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Arguments {
        Arguments::try_parse_from(["sink"].iter().chain(words)).unwrap()
    }

    #[test]
    fn colour_is_for_terminals_whose_user_wants_it() {
        let auto = parse(&[]);
        assert!(auto.use_color(true, None));
        assert!(auto.use_color(true, Some(OsStr::new(""))));
        assert!(!auto.use_color(true, Some(OsStr::new("1"))));
        assert!(!auto.use_color(false, None));
        assert!(parse(&["--color", "always"]).use_color(false, Some(OsStr::new("1"))));
        assert!(!parse(&["--color", "never"]).use_color(true, None));
    }

    #[test]
    fn results_must_go_somewhere() {
        assert!(parse(&["--format", "none"]).check().unwrap_err().to_string().contains("--output"));
        parse(&["--format", "none", "--output", "results.jsonl"]).check().unwrap();
        parse(&["--format", "pretty"]).check().unwrap();
    }
}
