//! What the arguments mean for the inputs that are wired.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::arguments::{Arguments, MissingLabels, Pooling, Weighting};
use crate::error::FusionError;
use crate::model::Model;
use crate::{ACOUSTIC, SPEECH, TEXT, TRANSCRIPT};

/// The inputs that are wired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Whether transcripts are wired.
    pub(crate) transcript: bool,
    /// The inputs with estimates.
    pub(crate) estimates: BTreeSet<String>,
}

impl Inputs {
    /// The inputs of these names. All but `speech` and `transcript` carry [`crate::Emotion`] messages.
    ///
    /// # Errors
    ///
    /// `speech` is not among them, or no input with estimates is.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, FusionError> {
        let mut estimates: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
        if !estimates.remove(SPEECH) {
            return Err(FusionError::NoLedger);
        }
        let transcript = estimates.remove(TRANSCRIPT);
        if estimates.is_empty() { Err(FusionError::NoEstimates) } else { Ok(Self { transcript, estimates }) }
    }

    /// The inputs with estimates, for error messages.
    fn wired(&self) -> String {
        self.estimates.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Checks that an argument names an input with estimates.
    fn check(&self, argument: &'static str, input: &str) -> Result<(), FusionError> {
        if self.estimates.contains(input) {
            return Ok(());
        }
        Err(FusionError::NotWired { argument, input: input.to_owned(), wired: self.wired() })
    }

    /// An error for an input that is not among them.
    pub(crate) fn unknown(&self, input: &str) -> FusionError {
        let transcript = self.transcript.then_some(TRANSCRIPT);
        let names = [SPEECH].into_iter().chain(transcript).chain(self.estimates.iter().map(String::as_str));
        FusionError::UnknownInput { input: input.to_owned(), wired: names.collect::<Vec<_>>().join(", ") }
    }
}

/// What fusion does, settled for the inputs that are wired.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub(crate) inputs: Inputs,
    /// The weight of each input with estimates; they sum to 1.
    pub(crate) weights: BTreeMap<String, f64>,
    pub(crate) weighting: Weighting,
    pub(crate) pooling: Pooling,
    pub(crate) missing_labels: MissingLabels,
    /// New names of labels, by input and label in lower case.
    pub(crate) mappings: BTreeMap<String, BTreeMap<String, String>>,
    /// The input that provisional results are from, if there are any.
    pub(crate) provisional: Option<String>,
    pub(crate) abstention: Abstention,
    /// What was learned about the inputs' models.
    pub(crate) model: Option<Arc<Model>>,
}

/// Which results are too unsure to be used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Abstention {
    /// Those whose confidence is below this.
    Below(f64),
    /// The least confident, so that this share remains.
    Coverage(f64),
}

impl Config {
    /// Settles the arguments for the inputs that are wired.
    ///
    /// # Errors
    ///
    /// An argument names an input that is not wired, an input has no weight, the weights leave nothing, or an argument
    /// needs a model or does not go with one.
    pub fn new(
        arguments: &Arguments,
        inputs: Inputs,
        model: Option<Arc<Model>>,
    ) -> Result<Self, FusionError> {
        for (argument, wanted) in [
            ("weighting learned", arguments.weighting == Weighting::Learned),
            ("coverage", arguments.coverage.is_some()),
        ] {
            if wanted && model.is_none() {
                return Err(FusionError::NoModel { argument });
            }
        }
        if model.is_some() && arguments.pooling != Pooling::Segment {
            return Err(FusionError::PooledWindows);
        }
        let weights = weights(arguments, &inputs)?;
        let mut mappings: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for mapping in &arguments.mappings {
            inputs.check("map", &mapping.input)?;
            mappings
                .entry(mapping.input.clone())
                .or_default()
                .insert(mapping.from.clone(), mapping.to.clone());
        }
        for patience in
            arguments.patience.iter().filter(|patience| patience.input != TRANSCRIPT || !inputs.transcript)
        {
            inputs.check("patience", &patience.input)?;
        }
        if let Some(input) = &arguments.provisional_from {
            inputs.check("provisional-from", input)?;
        }
        let source = arguments.provisional_from.as_deref().unwrap_or(ACOUSTIC);
        // Alone, an input's result is final as soon as it could be provisional.
        let waits = inputs.transcript || inputs.estimates.len() > 1;
        let provisional = (waits && inputs.estimates.contains(source)).then(|| source.to_owned());
        Ok(Self {
            weights,
            weighting: arguments.weighting,
            pooling: arguments.pooling,
            missing_labels: arguments.missing_labels,
            mappings,
            provisional,
            abstention: match arguments.coverage {
                Some(coverage) => Abstention::Coverage(coverage),
                None => Abstention::Below(arguments.abstain_below),
            },
            model,
            inputs,
        })
    }
}

/// The weight of each input with estimates: further inputs have their shares, and `text` and `acoustic` divide the
/// rest.
fn weights(arguments: &Arguments, inputs: &Inputs) -> Result<BTreeMap<String, f64>, FusionError> {
    let mut shares = BTreeMap::new();
    for share in &arguments.shares {
        inputs.check("weight", &share.input)?;
        if share.input == TEXT || share.input == ACOUSTIC {
            return Err(FusionError::OwnWeight);
        }
        shares.insert(share.input.as_str(), share.share);
    }
    let sum: f64 = shares.values().sum();
    let (text, acoustic) = (inputs.estimates.contains(TEXT), inputs.estimates.contains(ACOUSTIC));
    let shares_error = |rule| Err(FusionError::Shares { sum: sum.to_string(), rule });
    if (text || acoustic) && sum >= 1.0 {
        return shares_error("they must leave something for `text` and `acoustic`, so less than 1 in all");
    }
    let split = if text && acoustic { arguments.text_weight } else { f64::from(u8::from(text)) };
    let rest = if text || acoustic { 1.0 - sum } else { 0.0 };
    let mut weights = BTreeMap::new();
    for input in &inputs.estimates {
        let weight = match input.as_str() {
            TEXT => rest * split,
            ACOUSTIC => rest * (1.0 - split),
            other => match shares.get(other) {
                Some(share) => *share,
                // The model's weights replace those of the arguments.
                None if arguments.weighting == Weighting::Learned => 0.0,
                None => return Err(FusionError::NoWeight { input: input.clone() }),
            },
        };
        weights.insert(input.clone(), weight);
    }
    let total: f64 = weights.values().sum();
    if total <= 0.0 && arguments.weighting != Weighting::Learned {
        return shares_error("one of them must be greater than 0");
    }
    if total > 0.0 {
        weights.values_mut().for_each(|weight| *weight /= total);
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn config(inputs: &[&str], words: &[&str]) -> Result<Config, FusionError> {
        let arguments = Arguments::try_parse_from(["fusion"].iter().chain(words)).unwrap();
        Config::new(&arguments, Inputs::new(["speech"].into_iter().chain(inputs.iter().copied()))?, None)
    }

    fn weight(config: &Config, input: &str) -> f64 {
        (config.weights[input] * 1e12).round() / 1e12
    }

    #[test]
    fn text_and_voice_divide_what_further_inputs_leave() {
        let two = config(&["acoustic", "text"], &[]).unwrap();
        assert_eq!((weight(&two, "text"), weight(&two, "acoustic")), (0.65, 0.35));
        let words = ["--weight", "face=0.2", "--text-weight", "0.75"];
        let three = config(&["acoustic", "text", "face", "transcript"], &words).unwrap();
        assert_eq!(
            (weight(&three, "text"), weight(&three, "acoustic"), weight(&three, "face")),
            (0.6, 0.2, 0.2)
        );
    }

    #[test]
    fn an_input_that_is_not_wired_leaves_its_weight_to_the_others() {
        assert_eq!(weight(&config(&["acoustic"], &[]).unwrap(), "acoustic"), 1.0);
        let text = config(&["text", "face"], &["--weight", "face=0.2"]).unwrap();
        assert_eq!((weight(&text, "text"), weight(&text, "face")), (0.8, 0.2));
        let others =
            config(&["voice", "words"], &["--weight", "voice=0.2", "--weight", "words=0.6"]).unwrap();
        assert_eq!((weight(&others, "voice"), weight(&others, "words")), (0.25, 0.75));
    }

    #[test]
    fn the_last_share_of_an_input_counts() {
        let config = config(&["text", "face"], &["--weight", "face=0.2", "--weight", "face=0.3"]).unwrap();
        assert_eq!(weight(&config, "face"), 0.3);
    }

    #[test]
    fn provisional_results_need_somebody_to_wait_for() {
        let provisional = |inputs: &[&str], words: &[&str]| config(inputs, words).unwrap().provisional;
        assert_eq!(provisional(&["acoustic", "text"], &[]).as_deref(), Some("acoustic"));
        assert_eq!(provisional(&["acoustic", "transcript"], &[]).as_deref(), Some("acoustic"));
        assert_eq!(provisional(&["acoustic"], &[]), None);
        assert_eq!(provisional(&["text", "transcript"], &[]), None);
        assert_eq!(
            provisional(&["text", "transcript"], &["--provisional-from", "text"]).as_deref(),
            Some("text")
        );
    }

    #[test]
    fn arguments_that_do_not_fit_the_graph_are_errors() {
        let error = |inputs: &[&str], words: &[&str]| config(inputs, words).unwrap_err().to_string();
        assert_eq!(Inputs::new(["acoustic"]).unwrap_err(), FusionError::NoLedger);
        assert_eq!(config(&["transcript"], &[]).unwrap_err(), FusionError::NoEstimates);
        assert!(error(&["acoustic", "face"], &[]).contains("add `--weight face=0.2`"));
        let typo = error(&["acoustic", "face"], &["--weight", "fase=0.2"]);
        assert!(typo.contains("--weight names the input `fase`"), "{typo}");
        assert!(typo.contains("acoustic, face"), "{typo}");
        assert!(error(&["acoustic"], &["--map", "text:a=b"]).contains("--map names the input `text`"));
        assert!(
            error(&["acoustic"], &["--provisional-from", "text"])
                .contains("--provisional-from names the input `text`")
        );
        assert!(error(&["text"], &["--weight", "text=0.2"]).contains("--text-weight"));
        assert!(error(&["text", "face"], &["--weight", "face=1"]).contains("sum to 1; they must leave"));
        assert!(error(&["text"], &["--weighting", "learned"]).contains("--weighting learned needs a model"));
        assert!(error(&["text"], &["--coverage", "0.9"]).contains("--coverage needs a model"));
        assert!(error(&["face"], &["--weight", "face=0"]).contains("sum to 0; one of them"));
    }
}
