//! Where models are looked for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What `name` is called in the `models` folders of `directory` and its parents, nearest first.
pub(crate) fn candidates(directory: &Path, name: &Path) -> impl Iterator<Item = PathBuf> {
    directory.ancestors().flat_map(move |ancestor| {
        let models = ancestor.join("models");
        [models.join(name), models.join("prepared").join(name)]
    })
}

/// `directory` and its parents: where [`candidates`] looks.
pub(crate) fn looked(directory: &Path) -> Vec<PathBuf> {
    directory.ancestors().map(Path::to_owned).collect()
}

/// The names of the models that [`candidates`] would find.
pub(crate) fn model_names(directory: &Path) -> BTreeSet<String> {
    candidates(directory, Path::new(""))
        .filter_map(|models| std::fs::read_dir(models).ok())
        .flat_map(|entries| entries.flatten())
        .filter(|entry| holds_a_model(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn holds_a_model(folder: &Path) -> bool {
    ["manifest.json", "config.json", "model.onnx"].iter().any(|file| folder.join(file).is_file())
}

/// The name among `names` that was probably meant by `name`: a third of its letters may differ.
pub(crate) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let tolerance = (name.chars().count() / 3).max(2);
    names
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= tolerance)
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}
