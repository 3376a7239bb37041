//! What `config.json` says of a model.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::calibration::Calibration;
use crate::error::ModelError;

/// A model's `config.json`: the fields that Hugging Face's exports have, and `temperature` and `uniform_share`, which are ours.
#[derive(Clone, Debug)]
pub struct Config {
    path: PathBuf,
    fields: Map<String, Value>,
    /// Or what keeps a node from reading probabilities of them.
    labels: Result<Vec<String>, String>,
    calibration: Calibration,
}

impl Config {
    pub(crate) fn read(path: PathBuf) -> Result<Self, ModelError> {
        let text = std::fs::read_to_string(&path).map_err(ModelError::unreadable(&path))?;
        Self::parse(&path, &text)
    }

    /// Reads the text of a `config.json`; `path` is for messages.
    ///
    /// # Errors
    ///
    /// [`ModelError::Json`]: no JSON object; labels whose numbers are not 0, 1, 2 and so on; `id2label` and `label2id`
    /// that contradict each other; a calibration that makes no sense.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ModelError> {
        let problem = |problem: String| ModelError::Json { path: path.to_owned(), problem };
        let fields: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| problem(format!("not a JSON object: {error}")))?;
        let labels = exclusive(labels(&fields).map_err(problem)?, fields.get("problem_type"));
        let calibration = calibration(&fields).map_err(problem)?;
        Ok(Self { path: path.to_owned(), fields, labels, calibration })
    }

    /// The file, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The labels in the order of the model's logits. They exclude each other, as a softmax takes them to.
    ///
    /// # Errors
    ///
    /// [`ModelError::Json`] if there are none, or but one; if `problem_type` says that the model was trained for something
    /// else, such as `multi_label_classification` or `regression`.
    pub fn labels(&self) -> Result<&[String], ModelError> {
        self.labels.as_deref().map_err(|problem| self.problem(problem))
    }

    /// The architecture, such as `distilbert`.
    ///
    /// # Errors
    ///
    /// As [`Config::field`].
    pub fn model_type(&self) -> Result<Option<String>, ModelError> {
        self.field("model_type")
    }

    /// The most tokens that the model takes at once, those that the tokenizer adds included.
    ///
    /// # Errors
    ///
    /// As [`Config::field`].
    pub fn max_position_embeddings(&self) -> Result<Option<usize>, ModelError> {
        self.field("max_position_embeddings")
    }

    /// A field of the file, or `None` if it is absent or null.
    ///
    /// # Errors
    ///
    /// [`ModelError::Json`] if the field has another form.
    pub fn field<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ModelError> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::deserialize(value)
                .map(Some)
                .map_err(|error| self.problem(&format!("`{name}` is not as expected: {error}"))),
        }
    }

    /// A field of the file that must be there.
    ///
    /// # Errors
    ///
    /// [`ModelError::Json`] if the field is absent or has another form.
    pub fn required<T: DeserializeOwned>(&self, name: &str) -> Result<T, ModelError> {
        self.field(name)?.ok_or_else(|| self.problem(&format!("no `{name}`: add it")))
    }

    /// An error about this file.
    pub fn problem(&self, problem: &str) -> ModelError {
        ModelError::Json { path: self.path.clone(), problem: problem.to_owned() }
    }

    /// A probability for each label, calibrated as the file says.
    ///
    /// # Errors
    ///
    /// [`ModelError::LabelCount`] if there is not one logit for each label; as [`Calibration::probabilities`].
    pub fn probabilities(&self, logits: &[f32]) -> Result<Vec<f32>, ModelError> {
        let labels = self.labels()?.len();
        if labels != logits.len() {
            return Err(ModelError::LabelCount { path: self.path.clone(), labels, logits: logits.len() });
        }
        self.calibration.probabilities(logits)
    }
}

/// The labels, if they exclude each other; else what keeps them from it. Hugging Face's transformers write a `problem_type`
/// when they train a classifier, and no other sign tells a sigmoid for each label from a softmax over all of them.
fn exclusive(labels: Option<Vec<String>>, problem_type: Option<&Value>) -> Result<Vec<String>, String> {
    match problem_type {
        None | Some(Value::Null) => {}
        Some(kind) if kind == "single_label_classification" => {}
        Some(kind) => {
            return Err(format!(
                "`problem_type` is {kind}: the node needs labels that exclude each other, as in a \"single_label_classification\"; choose another --model"
            ));
        }
    }
    let labels = labels
        .ok_or("no labels: add \"id2label\": {\"0\": \"…\", \"1\": \"…\"}, in the order of the logits")?;
    match labels.as_slice() {
        [only] => Err(format!(
            "\"{only}\" is the only label: the node needs two or more, which exclude each other; choose another --model"
        )),
        _ => Ok(labels),
    }
}

/// The labels by number, from `id2label`, `label2id` or both.
fn labels(fields: &Map<String, Value>) -> Result<Option<Vec<String>>, String> {
    let by_number = fields.get("id2label").filter(|value| !value.is_null()).map(id2label).transpose()?;
    let by_name = fields.get("label2id").filter(|value| !value.is_null()).map(label2id).transpose()?;
    match (by_number, by_name) {
        (Some(first), Some(second)) if first != second => Err(format!(
            "`id2label` gives the labels {first:?} and `label2id` {second:?}: correct one of them, or delete it"
        )),
        (Some(labels), _) | (None, Some(labels)) => Ok(Some(labels)),
        (None, None) => Ok(None),
    }
}

fn id2label(value: &Value) -> Result<Vec<String>, String> {
    let entries = value.as_object().ok_or("`id2label` is not an object such as {\"0\": \"negative\"}")?;
    let numbered = entries.iter().map(|(number, label)| {
        let number = number.parse().map_err(|_| {
            format!("`id2label` has the key \"{number}\", which is not the number of a logit")
        })?;
        let label = label.as_str().ok_or_else(|| format!("label {number} of `id2label` is not a string"))?;
        Ok((number, label.to_owned()))
    });
    in_order("id2label", numbered.collect::<Result<_, String>>()?)
}

fn label2id(value: &Value) -> Result<Vec<String>, String> {
    let entries = value.as_object().ok_or("`label2id` is not an object such as {\"negative\": 0}")?;
    let numbered = entries.iter().map(|(label, number)| {
        let number =
            number.as_u64().ok_or_else(|| format!("`{label}` of `label2id` is not the number of a logit"))?;
        Ok((number, label.clone()))
    });
    in_order("label2id", numbered.collect::<Result<_, String>>()?)
}

/// Sorts labels by number, so that 10 comes behind 9 and not behind 1.
fn in_order(field: &str, mut numbered: Vec<(u64, String)>) -> Result<Vec<String>, String> {
    numbered.sort();
    let whole = numbered.iter().zip(0..).all(|((number, _), expected)| *number == expected);
    if numbered.is_empty() || !whole {
        let numbers: Vec<u64> = numbered.iter().map(|(number, _)| *number).collect();
        return Err(format!("`{field}` numbers its labels {numbers:?}: they must be 0, 1, 2 and so on"));
    }
    Ok(numbered.into_iter().map(|(_, label)| label).collect())
}

/// Of `temperature`, 1 if it is absent, and `uniform_share`, else 0.
fn calibration(fields: &Map<String, Value>) -> Result<Calibration, String> {
    let number = |name: &str, default: f64| match fields.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value.as_f64().ok_or_else(|| format!("`{name}` is {value}: it must be a number")),
    };
    Calibration::new(number("temperature", 1.0)? as f32, number("uniform_share", 0.0)? as f32)
}
