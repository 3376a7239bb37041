//! What was learned about the inputs' models: how much each of their probabilities counts, and how sure a result really is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use undertone_inference::{Config, ModelError, ModelFolder};

use crate::arguments::Weighting;

/// A model of fusion. Its folder holds a `config.json` such as this:
///
/// ```json
/// {
///   "labels": ["negative", "neutral", "positive"],
///   "fits": [{
///     "models": ["acoustic-whisper@0123456789ab", "text-minilm@0123456789ab"],
///     "learned": {"weights": [[0.9, 0.9, 0.9], [1.1, 0.2, 1.0]], "bias": [0.1, -0.2, 0.1], "confidence": [0.35, …, 0.99]},
///     "fixed": {"temperature": 1.1, "bias": [0.2, -0.4, 0.1], "confidence": […]},
///     "entropy": {"temperature": 0.9, "bias": [0.1, -0.3, 0.1], "confidence": […]}
///   }]
/// }
/// ```
///
/// There is a fit for each set of models of which results were seen together: both modalities, the voice alone, the text
/// alone. `fixed` and `entropy` may be left out, which those with inputs beyond `acoustic` and `text` do: they have no default
/// weight. `confidence` has the quantiles of the results' confidence on held-out data, from 0 to 100 % in equal steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    identity: String,
    files: BTreeMap<String, String>,
    labels: Vec<String>,
    fits: BTreeMap<BTreeSet<String>, Fits>,
}

/// What was learned of models whose estimates come together, for each weighting.
#[derive(Clone, Debug, PartialEq)]
struct Fits {
    learned: Logistic,
    fixed: Option<Scaling>,
    entropy: Option<Scaling>,
}

/// What was learned of models whose estimates come together, for one weighting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fit<'a> {
    /// The logarithmic pool itself.
    Logarithmic(&'a Logistic),
    /// How sure the linear pool really is.
    Linear(&'a Scaling),
}

/// A logistic regression on log-probabilities.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Logistic {
    /// For each model, how much the logarithm of its probability of each label counts.
    pub(crate) weights: BTreeMap<String, Vec<f64>>,
    /// What is added for each label.
    pub(crate) bias: Vec<f64>,
    confidence: Vec<f64>,
}

/// How a linear pool becomes calibrated.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scaling {
    /// What the logarithms of the probabilities are divided by.
    pub(crate) temperature: f64,
    /// What is then added for each label.
    pub(crate) bias: Vec<f64>,
    confidence: Vec<f64>,
}

/// A fit as the file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FitFields {
    models: Vec<String>,
    learned: Learned,
    fixed: Option<Scaling>,
    entropy: Option<Scaling>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Learned {
    weights: Vec<Vec<f64>>,
    bias: Vec<f64>,
    confidence: Vec<f64>,
}

impl Model {
    /// Reads the model in a folder, given by path or by name.
    ///
    /// # Errors
    ///
    /// The model is missing or damaged, or its `config.json` makes no sense.
    pub fn load(name_or_path: &Path) -> Result<Self, ModelError> {
        let folder = ModelFolder::find(name_or_path)?;
        let identity = folder.identity("config.json")?;
        Self::read(&folder.config()?, identity, folder.used())
    }

    fn read(config: &Config, identity: String, files: BTreeMap<String, String>) -> Result<Self, ModelError> {
        let labels: Vec<String> = config.required("labels")?;
        if !labels.is_sorted() {
            return Err(config.problem("`labels` must be in alphabetical order"));
        }
        let mut fits = BTreeMap::new();
        for fields in config.required::<Vec<FitFields>>("fits")? {
            let models: BTreeSet<String> = fields.models.iter().cloned().collect();
            let problem = |problem: &str| config.problem(&format!("the fit of {models:?}: {problem}"));
            if models.len() < fields.models.len() {
                return Err(problem("names a model twice"));
            }
            let read = Fits::read(fields, labels.len()).map_err(problem)?;
            if fits.insert(models.clone(), read).is_some() {
                return Err(problem("is there twice"));
            }
        }
        Ok(Self { identity, files, labels, fits })
    }

    /// The model's name, `@`, and the first 12 hexadecimal digits of the SHA-256 of its file.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The files that were read, as `model/file`, with their SHA-256.
    pub fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    /// The labels, in alphabetical order.
    pub(crate) fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The fit of these models with a weighting.
    pub(crate) fn fit(&self, models: &BTreeSet<String>, weighting: Weighting) -> Option<Fit<'_>> {
        self.fits.get(models)?.of(weighting)
    }

    /// The sets of models that there are fits of with a weighting, for error messages.
    pub(crate) fn known(&self, weighting: Weighting) -> String {
        let fitted = self.fits.iter().filter(|(_, fits)| fits.of(weighting).is_some());
        let sets = fitted.map(|(set, _)| set.iter().map(String::as_str).collect::<Vec<_>>().join(" + "));
        let sets: Vec<String> = sets.collect();
        if sets.is_empty() { "nothing".to_owned() } else { sets.join("; ") }
    }
}

impl Fits {
    fn read(fields: FitFields, labels: usize) -> Result<Self, &'static str> {
        let FitFields { models, learned, fixed, entropy } = fields;
        let lengths_fit = learned.weights.len() == models.len()
            && learned.weights.iter().chain([&learned.bias]).all(|values| values.len() == labels);
        if !lengths_fit {
            return Err(
                "`learned` needs weights for each model, and in them and in `bias` a number for each label",
            );
        }
        let scalings = || [&fixed, &entropy].into_iter().flatten();
        if !scalings().all(|scaling| scaling.bias.len() == labels) {
            return Err("each `bias` needs a number for each label");
        }
        let biases = scalings().flat_map(|scaling| &scaling.bias);
        let numbers = learned.weights.iter().flatten().chain(&learned.bias).chain(biases);
        if !numbers.copied().all(f64::is_finite) {
            return Err("there are weights or biases that are not finite");
        }
        let rising = |values: &Vec<f64>| values.len() >= 2 && values.is_sorted();
        if !(rising(&learned.confidence) && scalings().all(|scaling| rising(&scaling.confidence))) {
            return Err("each `confidence` must have two or more quantiles, in rising order");
        }
        if !scalings().all(|scaling| scaling.temperature.is_finite() && scaling.temperature > 0.0) {
            return Err("each `temperature` must be above 0");
        }
        let weights = models.into_iter().zip(learned.weights).collect();
        let learned = Logistic { weights, bias: learned.bias, confidence: learned.confidence };
        Ok(Self { learned, fixed, entropy })
    }

    fn of(&self, weighting: Weighting) -> Option<Fit<'_>> {
        match weighting {
            Weighting::Fixed => self.fixed.as_ref().map(Fit::Linear),
            Weighting::Entropy => self.entropy.as_ref().map(Fit::Linear),
            Weighting::Learned => Some(Fit::Logarithmic(&self.learned)),
        }
    }
}

impl Fit<'_> {
    /// The confidence that a share `coverage` of held-out results had, or more.
    pub(crate) fn threshold(self, coverage: f64) -> f64 {
        let quantiles = match self {
            Self::Logarithmic(logistic) => &logistic.confidence,
            Self::Linear(scaling) => &scaling.confidence,
        };
        let place = (1.0 - coverage) * (quantiles.len() - 1) as f64;
        let at = |place: f64| quantiles.get(place as usize).copied().unwrap_or(0.0);
        let (below, above) = (at(place.floor()), at(place.ceil()));
        below + (above - below) * place.fract()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Model, String> {
        let config = Config::parse(Path::new("config.json"), text).unwrap();
        Model::read(&config, "fusion@0123456789ab".to_owned(), BTreeMap::new())
            .map_err(|error| error.to_string())
    }

    fn with(change: impl FnOnce(&mut serde_json::Value)) -> Result<Model, String> {
        let scaling = |temperature: f64| serde_json::json!({"temperature": temperature, "bias": [0.5, 0.0], "confidence": [0.5, 0.7, 1.0]});
        let mut config = serde_json::json!({"labels": ["a", "b"], "fits": [{
            "models": ["text@1", "voice@1"],
            "learned": {"weights": [[1.0, 0.5], [2.0, 2.0]], "bias": [0.0, 0.25], "confidence": [0.4, 0.8, 1.0]},
            "fixed": scaling(1.5),
            "entropy": scaling(0.5),
        }]});
        change(&mut config);
        read(&config.to_string())
    }

    #[test]
    fn a_fit_is_found_by_the_models_that_it_was_made_for() {
        let model = with(|_| {}).unwrap();
        let set = |models: &[&str]| models.iter().map(|model| (*model).to_owned()).collect::<BTreeSet<_>>();
        let fit = |weighting| model.fit(&set(&["voice@1", "text@1"]), weighting).unwrap();
        let weights = [("text@1", vec![1.0, 0.5]), ("voice@1", vec![2.0, 2.0])];
        let weights = weights.map(|(model, weights)| (model.to_owned(), weights)).into();
        let logistic = Logistic { weights, bias: vec![0.0, 0.25], confidence: vec![0.4, 0.8, 1.0] };
        assert_eq!(fit(Weighting::Learned), Fit::Logarithmic(&logistic));
        let scaling =
            |temperature: f64| Scaling { temperature, bias: vec![0.5, 0.0], confidence: vec![0.5, 0.7, 1.0] };
        assert_eq!(fit(Weighting::Fixed), Fit::Linear(&scaling(1.5)));
        assert_eq!(fit(Weighting::Entropy), Fit::Linear(&scaling(0.5)));
        assert_eq!(model.fit(&set(&["text@1"]), Weighting::Fixed), None);
        assert_eq!(model.known(Weighting::Learned), "text@1 + voice@1");
    }

    #[test]
    fn a_fit_of_the_learned_weights_alone_is_no_fit_of_others() {
        let model = with(|config| {
            let fit = config["fits"][0].as_object_mut().unwrap();
            fit.remove("fixed");
            fit.remove("entropy");
        })
        .unwrap();
        let set = ["text@1", "voice@1"].map(str::to_owned).into();
        assert!(model.fit(&set, Weighting::Learned).is_some());
        for weighting in [Weighting::Fixed, Weighting::Entropy] {
            assert_eq!((model.fit(&set, weighting), &*model.known(weighting)), (None, "nothing"));
        }
    }

    #[test]
    fn a_threshold_leaves_the_stated_share() {
        let model = with(|_| {}).unwrap();
        let fit = Fit::Logarithmic(&model.fits.values().next().unwrap().learned);
        let threshold = |coverage: f64| (fit.threshold(coverage) * 1e9).round() / 1e9;
        assert_eq!([1.0, 0.75, 0.5, 0.25, 0.0].map(threshold), [0.4, 0.6, 0.8, 0.9, 1.0]);
    }

    #[test]
    fn a_model_that_makes_no_sense_is_refused() {
        type Change = fn(&mut serde_json::Value);
        let cases: [(Change, &str); 9] = [
            (|config| config["fits"][0]["fixed"]["bias"] = serde_json::json!([0.0]), "each `bias` needs"),
            (|config| config["labels"] = serde_json::json!(["b", "a"]), "alphabetical"),
            (
                |config| config["fits"][0]["learned"]["bias"] = serde_json::json!([0.0]),
                "a number for each label",
            ),
            (
                |config| config["fits"][0]["learned"]["weights"] = serde_json::json!([[1.0, 1.0]]),
                "weights for each model",
            ),
            (
                |config| config["fits"][0]["models"] = serde_json::json!(["text@1", "text@1"]),
                "names a model twice",
            ),
            (|config| config["fits"][0]["fixed"]["temperature"] = 0.into(), "above 0"),
            (
                |config| config["fits"][0]["entropy"]["confidence"] = serde_json::json!([0.9, 0.5]),
                "in rising order",
            ),
            (|config| config["fits"][0]["fixed"]["temprature"] = 1.into(), "temprature"),
            (
                |config| {
                    let fit = config["fits"][0].clone();
                    config["fits"].as_array_mut().unwrap().push(fit)
                },
                "twice",
            ),
        ];
        for (change, expected) in cases {
            let error = with(change).unwrap_err();
            assert!(error.contains("config.json") && error.contains(expected), "{error}");
        }
    }
}
