//! ONNX Runtime's library.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::error::ModelError;
use crate::folder::{Library, ModelFolder};
use crate::search;

/// The library in use. A process can have but one, and it stays until the process ends.
static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

struct Runtime {
    /// The library's, with links resolved.
    path: PathBuf,
    library: Library,
    environment: Environment,
}

/// Loads ONNX Runtime from `library`, or else from `onnxruntime/libonnxruntime.so` in the `models` or `models/prepared`
/// folder of the working directory or one of its parents. Telemetry is off. Further calls do nothing.
///
/// If there is a `manifest.json` beside the library, it is compared with the SHA-256 there, as the files of models are.
///
/// # Errors
///
/// The library is missing, not the one of its manifest, no ONNX Runtime, or too old; another one was loaded before.
pub fn load_runtime(library: Option<&Path>) -> Result<(), ModelError> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    match (&*runtime, library) {
        (Some(_), None) => Ok(()),
        (Some(Runtime { path: loaded, .. }), Some(library)) => {
            let asked = absolute(library)?;
            if *loaded == asked {
                Ok(())
            } else {
                Err(ModelError::RuntimeTwice { loaded: loaded.clone(), asked })
            }
        }
        (None, named) => {
            let named = named.map_or_else(find, |library| Ok(library.to_owned()))?;
            let path = absolute(&named)?;
            let library = check(&named)?;
            *runtime = Some(Runtime { environment: load(&path)?, path, library });
            Ok(())
        }
    }
}

/// The environment in which sessions are opened, and the library behind it.
pub(crate) fn environment() -> Result<(Environment, Library), ModelError> {
    let runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Runtime { library, environment, .. } = runtime.as_ref().ok_or(ModelError::RuntimeNotLoaded)?;
    Ok((environment.clone(), library.clone()))
}

/// Compares the library with the manifest of the folder in which it was named, if that has one.
fn check(named: &Path) -> Result<Library, ModelError> {
    let file = named.file_name().unwrap_or_default().to_string_lossy();
    let folder = named.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = ModelFolder::open(folder.to_owned())?;
    let sha256 = folder.sha256(&file)?;
    Ok((format!("{}/{file}", folder.name()), sha256))
}

fn find() -> Result<PathBuf, ModelError> {
    let directory = std::env::current_dir().map_err(ModelError::unreadable(Path::new(".")))?;
    search::candidates(&directory, Path::new("onnxruntime/libonnxruntime.so"))
        .find(|path| path.is_file())
        .ok_or_else(|| ModelError::RuntimeNotFound { looked: search::looked(&directory) })
}

/// The path with links resolved: `ort` would look for a relative one beside the executable first.
fn absolute(library: &Path) -> Result<PathBuf, ModelError> {
    let failed = |error: String| ModelError::RuntimeLoad { path: library.to_owned(), error };
    let path = library.canonicalize().map_err(|error| failed(error.to_string()))?;
    if path.is_file() { Ok(path) } else { Err(failed("it is no file".to_owned())) }
}

fn load(path: &Path) -> Result<Environment, ModelError> {
    let failed = |error: String| ModelError::RuntimeLoad { path: path.to_owned(), error };
    let environment = ort::init_from(path)
        .map_err(|error| failed(error.to_string()))?
        .with_name("undertone")
        .with_telemetry(false)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    environment.set_log_level(LogLevel::Warning);
    tracing::debug!(library = %path.display(), "loaded ONNX Runtime");
    Ok(environment)
}
