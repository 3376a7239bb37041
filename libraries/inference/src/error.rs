//! What can be wrong with a model, and what to do about it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What is wrong with a model or with ONNX Runtime.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// No folder has the name.
    #[error(
        "no model named `{name}`: looked for models/{name} and models/prepared/{name} in {}{} Run `make models` to prepare the models and to see which are made on request (by `.venv/bin/python models/models prepare {name}`), or give the path of a model folder (with a slash, such as ./{name})",
        list(looked),
        suggest(suggestion)
    )]
    NotFound {
        /// The name that was looked for.
        name: String,
        /// The folders whose `models` was looked into.
        looked: Vec<PathBuf>,
        /// The nearest name that does exist.
        suggestion: Option<String>,
    },
    /// A path does not lead to a folder.
    #[error("{} is not a folder: a model is a folder that holds model.onnx and config.json; give its path, or the name of a model under models/", path.display())]
    NotAFolder {
        /// The path that was given.
        path: PathBuf,
    },
    /// A file is not in the folder.
    #[error("the model folder {} has no file {file} (it has: {present}). If the model was prepared by `make models`, run it again; if it is your own, add the file", folder.display())]
    MissingFile {
        /// The model folder.
        folder: PathBuf,
        /// The file that was looked for.
        file: String,
        /// The files that are there.
        present: String,
    },
    /// A file could not be read.
    #[error("{} could not be read: {error}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        error: std::io::Error,
    },
    /// A file is not the one that the manifest describes.
    #[error("{} is not the file that its manifest.json describes: expected SHA-256 {expected}, actual {actual}. It was changed or cut short: run `make models` (or restore the file); if you changed it on purpose, correct manifest.json", path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// The hash in the manifest.
        expected: String,
        /// The hash of the file.
        actual: String,
    },
    /// A manifest does not list a file that is needed.
    #[error("{} does not list {file}, so that its SHA-256 cannot be checked: add it under \"files\", or delete manifest.json if the folder is your own", manifest.display())]
    Unlisted {
        /// The manifest.
        manifest: PathBuf,
        /// The file that was to be read.
        file: String,
    },
    /// A JSON file is not as it should be.
    #[error("{}: {problem}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
    /// ONNX Runtime's library is nowhere.
    #[error(
        "ONNX Runtime's library was not found: looked for models/onnxruntime/libonnxruntime.so and models/prepared/onnxruntime/libonnxruntime.so in {}. Run `make models`, or name the library with --onnxruntime",
        list(looked)
    )]
    RuntimeNotFound {
        /// The folders whose `models` was looked into.
        looked: Vec<PathBuf>,
    },
    /// ONNX Runtime's library does not load.
    #[error("ONNX Runtime could not be loaded from {}: {error}. Run `make models`, or name a library of version 1.{} or later with --onnxruntime", path.display(), ort::MINOR_VERSION)]
    RuntimeLoad {
        /// The library.
        path: PathBuf,
        /// The reason.
        error: String,
    },
    /// A second library was asked for.
    #[error("ONNX Runtime was already loaded from {}, and a process can have but one: it cannot be loaded from {} as well", loaded.display(), asked.display())]
    RuntimeTwice {
        /// The library in use.
        loaded: PathBuf,
        /// The library that was asked for.
        asked: PathBuf,
    },
    /// A session was opened too early.
    #[error("ONNX Runtime is not loaded: call load_runtime before a session is opened")]
    RuntimeNotLoaded,
    /// ONNX Runtime does not accept the model.
    #[error("ONNX Runtime could not open {}: {error}", path.display())]
    Open {
        /// The model.
        path: PathBuf,
        /// ONNX Runtime's reason.
        error: String,
    },
    /// An input or output is not there.
    #[error("{} has no {kind} named `{name}` (it has: {present}){} Export the model with this name", path.display(), suggest(suggestion))]
    MissingPort {
        /// The model.
        path: PathBuf,
        /// `input` or `output`.
        kind: &'static str,
        /// The name that was looked for.
        name: String,
        /// The inputs or outputs that are there.
        present: String,
        /// The nearest name that does exist.
        suggestion: Option<String>,
    },
    /// An input or output has another element type or shape.
    #[error("{}: {kind} `{name}` is {declared}, but {expected} is needed. Export the model with this type and shape", path.display())]
    WrongPort {
        /// The model.
        path: PathBuf,
        /// `input` or `output`.
        kind: &'static str,
        /// The input or output.
        name: String,
        /// The type and shape that are needed.
        expected: String,
        /// The type and shape that the model declares.
        declared: String,
    },
    /// The model wants an input that nobody gives.
    #[error("{} needs the input `{name}` ({declared}), which is not given here; given are: {given}. Export the model without it", path.display())]
    UnfedInput {
        /// The model.
        path: PathBuf,
        /// The input.
        name: String,
        /// Its type and shape.
        declared: String,
        /// The inputs that are given.
        given: String,
    },
    /// The model fails on an input.
    #[error("{} failed on {inputs}: {error}", path.display())]
    Run {
        /// The model.
        path: PathBuf,
        /// The inputs with their types and shapes.
        inputs: String,
        /// ONNX Runtime's reason.
        error: String,
    },
    /// An output is not what the model declared.
    #[error("{}: output `{name}` cannot be read: {problem}", path.display())]
    Output {
        /// The model.
        path: PathBuf,
        /// The output.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The model and its configuration disagree.
    #[error("{} names {labels} labels, but the model gives {logits} logits: correct id2label", path.display())]
    LabelCount {
        /// The configuration.
        path: PathBuf,
        /// The number of labels.
        labels: usize,
        /// The number of logits.
        logits: usize,
    },
    /// A logit that is not a number.
    #[error("logit {index} is {value}: the model is damaged, or its input was not finite")]
    NotFinite {
        /// Which logit.
        index: usize,
        /// Its value.
        value: f32,
    },
}

impl ModelError {
    pub(crate) fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |error| Self::Unreadable { path: path.to_owned(), error }
    }
}

/// Paths in a row.
fn list(paths: &[PathBuf]) -> String {
    let mut text = String::new();
    for path in paths {
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{}", path.display());
    }
    text
}

/// The end of a sentence, which asks whether the suggestion was meant.
fn suggest(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map_or_else(|| ".".to_owned(), |name| format!("; did you mean `{name}`?"))
}
