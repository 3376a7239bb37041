//! The parameters as command-line arguments, and the checks.

use clap::Parser;
use undertone_messages::SAMPLE_RATE;

use crate::{FRAME, HOP, YIN_WINDOW};

/// The defaults of the arguments that change rows.
const F0_MIN: f64 = 60.0;
const F0_MAX: f64 = 500.0;
const LAG_MS: u32 = 250;

/// Measures how something is said: pitch, loudness, voice quality, spectrum and speaking rate.
///
/// Inputs: `speech` (from vad), `transcript` (from decoder or asr, may be left out). Outputs: `features`, a row every 10 ms,
/// and `statistics`, while somebody speaks and for each segment that ends.
#[derive(Clone, Debug, PartialEq, Parser)]
#[command(name = "prosody", version)]
pub struct Arguments {
    /// Lowest pitch that is looked for, in hertz.
    #[arg(long, value_name = "HZ", default_value_t = F0_MIN)]
    pub f0_min: f64,

    /// Highest pitch that is looked for, in hertz.
    #[arg(long, value_name = "HZ", default_value_t = F0_MAX)]
    pub f0_max: f64,

    /// How long the pitch of a frame may wait for what comes behind it, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = LAG_MS)]
    pub lag_ms: u32,

    /// Length of the sliding window in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 5000)]
    pub window_ms: u32,

    /// From one sliding window to the next, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub every_ms: u32,
}

/// What the arguments mean, checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    pub(crate) f0_min: f64,
    pub(crate) f0_max: f64,
    /// Frames that the pitch of a frame waits for.
    pub(crate) lag: usize,
    /// Length of the sliding window in samples.
    pub(crate) window: u64,
    /// Samples from one sliding window to the next.
    pub(crate) every: u64,
}

/// An argument that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--{argument} is {value}; it must be {expected}")]
pub struct ConfigError {
    /// The argument without dashes.
    pub argument: &'static str,
    /// What was given.
    pub value: String,
    /// What can be.
    pub expected: &'static str,
}

/// Milliseconds of a hop.
const HOP_MS: u32 = 1000 * HOP as u32 / SAMPLE_RATE;

impl Config {
    /// Checks the arguments.
    ///
    /// # Errors
    ///
    /// The first argument that cannot be.
    pub fn new(arguments: &Arguments) -> Result<Self, ConfigError> {
        let Arguments { f0_min, f0_max, lag_ms, window_ms, every_ms } = *arguments;
        let check = |holds: bool, argument, value: String, expected| {
            if holds { Ok(()) } else { Err(ConfigError { argument, value, expected }) }
        };
        check((50.0..=400.0).contains(&f0_min), "f0-min", f0_min.to_string(), "from 50 to 400 Hz")?;
        let highest = f0_max > 1.1 * f0_min && f0_max <= 1000.0;
        check(highest, "f0-max", f0_max.to_string(), "more than 1.1 times --f0-min and at most 1000 Hz")?;
        // What belongs to a frame's cycles may lie up to two hops behind the frame.
        let lag = lag_ms.is_multiple_of(HOP_MS) && (50..=5000).contains(&lag_ms);
        check(lag, "lag-ms", lag_ms.to_string(), "a multiple of 10 from 50 to 5000")?;
        check(
            (100..=600_000).contains(&window_ms),
            "window-ms",
            window_ms.to_string(),
            "from 100 to 600000",
        )?;
        check((10..=600_000).contains(&every_ms), "every-ms", every_ms.to_string(), "from 10 to 600000")?;
        let samples = |ms: u32| u64::from(ms) * u64::from(SAMPLE_RATE) / 1000;
        Ok(Self {
            f0_min,
            f0_max,
            lag: (lag_ms / HOP_MS) as usize,
            window: samples(window_ms),
            every: samples(every_ms),
        })
    }

    /// What its rows are called in messages: `prosody`, and what of the arguments that change rows differs from the defaults,
    /// such as `prosody f0_max=400`.
    pub(crate) fn kind(&self) -> String {
        let Self { f0_min, f0_max, lag, window: _, every: _ } = *self;
        let lag_ms = lag * HOP_MS as usize;
        let differing = [
            (f0_min != F0_MIN).then(|| format!("f0_min={f0_min}")),
            (f0_max != F0_MAX).then(|| format!("f0_max={f0_max}")),
            (lag_ms != LAG_MS as usize).then(|| format!("lag_ms={lag_ms}")),
        ];
        std::iter::once("prosody".to_owned())
            .chain(differing.into_iter().flatten())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Samples in the shortest period, rounded down, and in the longest, rounded up.
    pub(crate) fn periods(&self) -> (usize, usize) {
        let rate = f64::from(SAMPLE_RATE);
        let longest = (rate / self.f0_min).ceil() as usize;
        ((rate / self.f0_max).floor() as usize, longest.min(FRAME - YIN_WINDOW - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(line: &str) -> Result<Config, String> {
        let words = std::iter::once("prosody").chain(line.split_whitespace());
        let arguments = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
        Config::new(&arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_those_of_the_manual() {
        let expected = Config { f0_min: 60.0, f0_max: 500.0, lag: 25, window: 80_000, every: 8_000 };
        assert_eq!(config(""), Ok(expected));
        assert_eq!(expected.periods(), (32, 267));
    }

    #[test]
    fn rows_are_called_by_what_differs_from_the_defaults() {
        let kind = |line: &str| config(line).unwrap().kind();
        assert_eq!(kind("--window-ms 1000 --every-ms 100"), "prosody");
        assert_eq!(kind("--f0-max 400"), "prosody f0_max=400");
        assert_eq!(kind("--f0-min 75.5 --f0-max 500 --lag-ms 300"), "prosody f0_min=75.5 lag_ms=300");
    }

    #[test]
    fn what_cannot_be_names_the_argument() {
        for (line, expected) in [
            ("--f0-min 20", "--f0-min is 20"),
            ("--f0-min nan", "--f0-min is NaN"),
            ("--f0-min 200 --f0-max 210", "--f0-max is 210"),
            ("--f0-max 2000", "at most 1000 Hz"),
            ("--lag-ms 15", "--lag-ms is 15"),
            ("--window-ms 0", "--window-ms is 0"),
            ("--every-ms 0", "--every-ms is 0"),
            ("--window-sm 500", "--window-ms"),
        ] {
            let error = config(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
