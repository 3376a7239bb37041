//! The node's arguments, as they are written in the graph.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::defect::Defect;

/// Joins what was said with how it was said: one sentiment for each segment of speech.
///
/// Inputs: `speech` (from vad), `transcript` (from asr, may be left out), and any number of estimates: `acoustic`,
/// `text` and others under names of your choice. Outputs: `provisional`, `sentiment`, `watermark`.
#[derive(Clone, Debug, PartialEq, Parser)]
#[command(name = "fusion", version)]
pub struct Arguments {
    /// Weight of the input `text` beside the input `acoustic`, which has the rest.
    #[arg(long, value_name = "0..1", default_value_t = 0.65, value_parser = fraction, allow_negative_numbers = true)]
    pub text_weight: f64,

    /// Share of a further input, as `face=0.2`; `text` and `acoustic` divide what is left. Repeat it for each further
    /// input. The last one for an input counts. `--weighting learned` needs none.
    #[arg(long = "weight", value_name = "INPUT=SHARE")]
    pub shares: Vec<Share>,

    /// What the weights depend on.
    #[arg(long, value_enum, default_value_t)]
    pub weighting: Weighting,

    /// What was learned about the inputs' models, for `--weighting learned`, and for probabilities of the other weightings
    /// that are nearer to how often they are right, at the default `--text-weight`: a folder, or its name under models/ or
    /// models/prepared/. The model's card says how near.
    #[arg(long, value_name = "FOLDER")]
    pub model: Option<PathBuf>,

    /// How an input's estimates over a segment become one. An input without estimates of windows in a segment counts
    /// with its estimate of the segment.
    #[arg(long, value_enum, default_value_t)]
    pub pooling: Pooling,

    /// What to do if an input lacks labels that another has.
    #[arg(long, value_enum, default_value_t)]
    pub missing_labels: MissingLabels,

    /// Another name for a label, as `text:LABEL_0=negative`. Labels that get one name are added up, so
    /// `acoustic:sad=negative` and `acoustic:angry=negative` go together. Repeat it for each label.
    #[arg(long = "map", value_name = "INPUT:LABEL=LABEL")]
    pub mappings: Vec<Mapping>,

    /// The input that provisional results are from [default: acoustic, if it is wired].
    #[arg(long, value_name = "INPUT")]
    pub provisional_from: Option<String>,

    /// How long a segment waits for an input beyond the time at which it is due, as `text=400`; then its result does without,
    /// and so do the next ones until the input is heard again. It is due after as long behind the end of the segment as it
    /// took at the most, but for once, for its last 20, and longer for a segment that is longer than those, but 2 s at the
    /// least and 10 s at the most; 10 s as long as nothing is known. A session ends without an input that does not end it so
    /// long behind the last result. Repeat it for each input; without it, a result waits for as long as it takes. For live
    /// graphs: results then depend on the clock.
    #[arg(long, value_name = "INPUT=MILLISECONDS")]
    pub patience: Vec<Patience>,

    /// Mark results whose highest probability is below this as abstained. 0 marks those without an estimate alone.
    #[arg(long, value_name = "0..1", default_value_t = 0.0, value_parser = fraction, allow_negative_numbers = true)]
    pub abstain_below: f64,

    /// Mark the least confident results as abstained, so that this share remains of results such as those that the
    /// `--model` was fitted on.
    #[arg(long, value_name = "0..1", value_parser = fraction, allow_negative_numbers = true, conflicts_with = "abstain_below")]
    pub coverage: Option<f64>,

    /// A deliberate bug, for tests that show that they can fail.
    #[arg(long, value_enum, hide = true)]
    pub defect: Option<Defect>,
}

/// What the weights depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Weighting {
    /// The arguments alone.
    #[default]
    Fixed,
    /// The arguments, and how sure each input is: 1 less its normalised entropy.
    Entropy,
    /// The `--model`, whose weights replace those of the arguments.
    Learned,
}

impl From<Weighting> for undertone_messages::Weighting {
    fn from(weighting: Weighting) -> Self {
        match weighting {
            Weighting::Fixed => Self::Fixed,
            Weighting::Entropy => Self::Entropy,
            Weighting::Learned => Self::Learned,
        }
    }
}

/// How an input's estimates over a segment become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Pooling {
    /// The estimate of the whole segment.
    #[default]
    Segment,
    /// The mean of the estimates of its windows.
    Mean,
    /// Each label's highest probability in any window, scaled so that they sum to 1.
    Max,
}

/// What to do if an input lacks labels that another has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum MissingLabels {
    /// Stop with an error that names the models and their labels.
    #[default]
    Refuse,
    /// Take the missing labels' probability from the inputs that have all labels.
    Infer,
}

/// How long a segment waits for an input beyond its due time, as `text=400`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The input.
    pub input: String,
    /// How long beyond its due time.
    pub time: Duration,
}

impl FromStr for Patience {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write INPUT=MILLISECONDS, as `text=400`".to_owned();
        let (input, time) = text.split_once('=').filter(|(input, _)| !input.is_empty()).ok_or_else(wrong)?;
        Ok(Self { input: input.to_owned(), time: Duration::from_millis(time.parse().map_err(|_| wrong())?) })
    }
}

/// The share of a further input, as `face=0.2`.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The input.
    pub input: String,
    /// Its share, 0 to 1.
    pub share: f64,
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (input, share) = text.split_once('=').ok_or("write INPUT=SHARE, as `face=0.2`")?;
        if input.is_empty() {
            return Err("the name of the input is missing: write INPUT=SHARE, as `face=0.2`".to_owned());
        }
        Ok(Self { input: input.to_owned(), share: fraction(share)? })
    }
}

/// Another name for a label, as `text:LABEL_0=negative`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The input whose label it is.
    pub input: String,
    /// The label, in lower case.
    pub from: String,
    /// The new name, in lower case.
    pub to: String,
}

impl FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':').and_then(|(input, labels)| Some((input, labels.split_once('=')?)));
        match parts {
            Some((input, (from, to))) if !input.is_empty() && !from.is_empty() && !to.is_empty() => {
                Ok(Self { input: input.to_owned(), from: from.to_lowercase(), to: to.to_lowercase() })
            }
            _ => Err("write INPUT:LABEL=LABEL, as `text:LABEL_0=negative`".to_owned()),
        }
    }
}

/// A number from 0 to 1.
fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err(format!("`{text}` is not a number from 0 to 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, String> {
        let words = ["fusion"].iter().chain(words);
        Arguments::try_parse_from(words).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_those_of_the_manual() {
        let arguments = parse(&[]).unwrap();
        assert_eq!(arguments.text_weight, 0.65);
        assert_eq!(arguments.weighting, Weighting::Fixed);
        assert_eq!(arguments.pooling, Pooling::Segment);
        assert_eq!(arguments.missing_labels, MissingLabels::Refuse);
        assert_eq!(arguments.abstain_below, 0.0);
        assert_eq!(arguments.defect, None);
    }

    #[test]
    fn shares_and_mappings_can_be_repeated() {
        // As the node parses them: a later argument replaces an earlier one, except where both count.
        let command = <Arguments as clap::CommandFactory>::command().args_override_self(true);
        let words = ["fusion", "--weight=face=0.2", "--weight", "pose=0.1", "--map", "text:LABEL_0=Negative"];
        let matches =
            command.try_get_matches_from(words.iter().chain(&["--map=text:LABEL_1=positive"])).unwrap();
        let arguments = <Arguments as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();
        let shares: Vec<_> =
            arguments.shares.iter().map(|share| (share.input.as_str(), share.share)).collect();
        assert_eq!(shares, [("face", 0.2), ("pose", 0.1)]);
        let mapping =
            |from: &str, to: &str| Mapping { input: "text".into(), from: from.into(), to: to.into() };
        assert_eq!(arguments.mappings, [mapping("label_0", "negative"), mapping("label_1", "positive")]);
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_its_argument() {
        for (words, expected) in [
            (&["--text-weight", "1.5"][..], "'--text-weight <0..1>': `1.5` is not a number from 0 to 1"),
            (&["--text-weight", "NaN"], "`NaN` is not a number from 0 to 1"),
            (&["--abstain-below", "-0.1"], "`-0.1` is not a number from 0 to 1"),
            (&["--weight", "face"], "write INPUT=SHARE"),
            (&["--weight", "=0.2"], "the name of the input is missing"),
            (&["--map", "text=negative"], "write INPUT:LABEL=LABEL"),
            (&["--map", "text:=negative"], "write INPUT:LABEL=LABEL"),
            (&["--weighting", "entropie"], "entropy"),
            (&["--text-wieght", "0.5"], "a similar argument exists: '--text-weight'"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(expected), "{words:?}: {error}");
        }
    }
}
