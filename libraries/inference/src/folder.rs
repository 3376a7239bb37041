//! Model folders: finding them, and checking that their files are what they claim to be.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::error::ModelError;
use crate::search;

const MANIFEST: &str = "manifest.json";

/// What `manifest.json` says of a model: `{"name", "licence", "source", "files": {"model.onnx": "<sha256>", …}}`.
#[derive(Debug, Deserialize)]
struct Manifest {
    name: String,
    files: BTreeMap<String, String>,
}

/// A folder that holds a model.
///
/// If it has a `manifest.json`, each file is compared with the SHA-256 there as it is first used. A folder without one
/// is taken as it is.
#[derive(Debug)]
pub struct ModelFolder {
    path: PathBuf,
    manifest: Option<Manifest>,
    /// SHA-256 of the files that were used so far, so that each is read for it but once.
    hashes: Mutex<BTreeMap<String, String>>,
    /// ONNX Runtime's library, once a model of the folder runs on it.
    library: OnceLock<Library>,
}

/// ONNX Runtime's library, as `folder/file`, and its SHA-256.
pub(crate) type Library = (String, String);

impl ModelFolder {
    /// Finds a model by path or by name.
    ///
    /// A path has a slash in it, or is `.` or `..`. A bare name is looked for as `models/NAME`, then as
    /// `models/prepared/NAME`, in the working directory and in each of its parents.
    ///
    /// # Errors
    ///
    /// No such model: the message lists the places and suggests the nearest name. A manifest that cannot be read.
    pub fn find(name_or_path: &Path) -> Result<Self, ModelError> {
        let directory = std::env::current_dir().map_err(ModelError::unreadable(Path::new(".")))?;
        Self::find_from(&directory, name_or_path)
    }

    /// As [`ModelFolder::find`], with `directory` as the working directory.
    ///
    /// # Errors
    ///
    /// As [`ModelFolder::find`].
    pub fn find_from(directory: &Path, name_or_path: &Path) -> Result<Self, ModelError> {
        let Some(name) = bare_name(name_or_path) else {
            return Self::open(directory.join(name_or_path));
        };
        match search::candidates(directory, Path::new(name)).find(|path| path.is_dir()) {
            Some(path) => Self::open(path),
            None => Err(ModelError::NotFound {
                name: name.to_owned(),
                looked: search::looked(directory),
                suggestion: search::nearest(name, search::model_names(directory).iter().map(String::as_str)),
            }),
        }
    }

    pub(crate) fn open(path: PathBuf) -> Result<Self, ModelError> {
        if !path.is_dir() {
            return Err(ModelError::NotAFolder { path });
        }
        let manifest_path = path.join(MANIFEST);
        let manifest = if manifest_path.exists() {
            let text =
                std::fs::read_to_string(&manifest_path).map_err(ModelError::unreadable(&manifest_path))?;
            let manifest: Manifest = serde_json::from_str(&text).map_err(|error| ModelError::Json {
                path: manifest_path.clone(),
                problem: format!("not a manifest: {error}"),
            })?;
            Some(manifest)
        } else {
            None
        };
        Ok(Self { path, manifest, hashes: Mutex::default(), library: OnceLock::new() })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The model's name: the manifest's, or else the folder's.
    pub fn name(&self) -> String {
        match &self.manifest {
            Some(manifest) => manifest.name.clone(),
            None => self
                .path
                .file_name()
                .map_or_else(|| self.path.display().to_string(), |name| name.to_string_lossy().into_owned()),
        }
    }

    /// Whether the folder has a file called `file`; the file is not checked.
    pub fn has(&self, file: &str) -> bool {
        self.path.join(file).is_file()
    }

    /// The path of a file in the folder, once it is known to exist and to be what the manifest says.
    ///
    /// # Errors
    ///
    /// The file is missing or unreadable; its SHA-256 is not the manifest's, or the manifest does not list it.
    pub fn file(&self, file: &str) -> Result<PathBuf, ModelError> {
        self.sha256(file)?;
        Ok(self.path.join(file))
    }

    /// What a file is called in messages: the model's name, `@`, and the first 12 hexadecimal digits of the file's
    /// SHA-256. A model that has weights in files beside it, ONNX's external data, is called by all of them: by the SHA-256 of
    /// its own and theirs, in the order of their names.
    ///
    /// # Errors
    ///
    /// As [`ModelFolder::file`], for each of these files.
    pub fn identity(&self, file: &str) -> Result<String, ModelError> {
        let mut sha256 = self.sha256(file)?;
        let beside = self.external_data(file)?;
        if !beside.is_empty() {
            let mut hasher = Sha256::new_with_prefix(&sha256);
            for data in beside {
                hasher.update(self.sha256(&data)?);
            }
            sha256 = hexadecimal(hasher);
        }
        Ok(format!("{}@{}", self.name(), sha256.get(..12).unwrap_or(&sha256)))
    }

    /// The files with weights of the model `file`, in the order of their names.
    fn external_data(&self, file: &str) -> Result<Vec<String>, ModelError> {
        let entries = std::fs::read_dir(&self.path).map_err(ModelError::unreadable(&self.path))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut found: Vec<String> = names.filter(|name| is_external_data(file, name)).collect();
        found.sort();
        Ok(found)
    }

    /// Takes note that a model of the folder runs on ONNX Runtime's library.
    pub(crate) fn runs_on(&self, library: &Library) {
        self.library.get_or_init(|| library.clone());
    }

    /// The files that were used so far, as `model/file`, with their SHA-256; with ONNX Runtime's library, if a model of the
    /// folder runs on it.
    pub fn used(&self) -> BTreeMap<String, String> {
        let hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        let own = hashes.iter().map(|(file, hash)| (format!("{}/{file}", self.name()), hash.clone()));
        own.chain(self.library.get().cloned()).collect()
    }

    /// Reads `config.json`.
    ///
    /// # Errors
    ///
    /// As [`ModelFolder::file`], and what [`Config`] says of its fields.
    pub fn config(&self) -> Result<Config, ModelError> {
        Config::read(self.file("config.json")?)
    }

    /// The SHA-256 of a file in lower-case hexadecimal, checked against the manifest.
    pub(crate) fn sha256(&self, file: &str) -> Result<String, ModelError> {
        let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hash) = hashes.get(file) {
            return Ok(hash.clone());
        }
        let path = self.path.join(file);
        if !path.is_file() {
            return Err(self.missing(file));
        }
        let actual = sha256(&path).map_err(ModelError::unreadable(&path))?;
        if let Some(manifest) = &self.manifest {
            let expected = manifest.files.get(file).ok_or_else(|| ModelError::Unlisted {
                manifest: self.path.join(MANIFEST),
                file: file.to_owned(),
            })?;
            if !expected.eq_ignore_ascii_case(&actual) {
                return Err(ModelError::Hash { path, expected: expected.clone(), actual });
            }
        }
        hashes.insert(file.to_owned(), actual.clone());
        Ok(actual)
    }

    fn missing(&self, file: &str) -> ModelError {
        let mut present: Vec<String> = std::fs::read_dir(&self.path)
            .map(|entries| {
                entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
            })
            .unwrap_or_default();
        present.retain(|name| !name.starts_with('.'));
        present.sort();
        let present = if present.is_empty() { "nothing".to_owned() } else { present.join(", ") };
        ModelError::MissingFile { folder: self.path.clone(), file: file.to_owned(), present }
    }
}

/// The name, if `path` is one and not a path.
fn bare_name(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    let mut components = path.components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(_)), None) if !text.ends_with(std::path::is_separator) => Some(text),
        _ => None,
    }
}

/// Whether a file beside a model has weights of it: `model.onnx.data`, as PyTorch calls it, or `model.onnx_data` and, if
/// there are more, `model.onnx_data_1`, as Optimum and Hugging Face's hub do. Whoever chooses other names does without the
/// check.
fn is_external_data(model: &str, name: &str) -> bool {
    match name.strip_prefix(model) {
        Some(".data" | "_data") => true,
        Some(rest) => rest
            .strip_prefix("_data_")
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())),
        None => false,
    }
}

/// The SHA-256 of a file in lower-case hexadecimal, in little memory whatever its size.
fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            length => hasher.update(buffer.get(..length).unwrap_or_default()),
        }
    }
    Ok(hexadecimal(hasher))
}

fn hexadecimal(hasher: Sha256) -> String {
    let mut text = String::with_capacity(64);
    for byte in hasher.finalize() {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
