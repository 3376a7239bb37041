//! ONNX Runtime's library.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::error::ModelError;
use crate::search;

/// The library in use. A process can have but one, and it stays until the process ends.
static RUNTIME: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// Loads ONNX Runtime from `library`, or else from `onnxruntime/libonnxruntime.so` in the `models` or `models/prepared`
/// folder of the working directory or one of its parents. Telemetry is off. Further calls do nothing.
///
/// # Errors
///
/// The library is missing, is no ONNX Runtime, or is too old; another one was loaded before.
pub fn load_runtime(library: Option<&Path>) -> Result<(), ModelError> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    match (&*runtime, library) {
        (Some(_), None) => Ok(()),
        (Some((loaded, _)), Some(library)) => {
            let asked = absolute(library)?;
            if *loaded == asked {
                Ok(())
            } else {
                Err(ModelError::RuntimeTwice { loaded: loaded.clone(), asked })
            }
        }
        (None, library) => {
            let path = absolute(&library.map_or_else(find, |library| Ok(library.to_owned()))?)?;
            *runtime = Some((path.clone(), load(&path)?));
            Ok(())
        }
    }
}

/// The environment in which sessions are opened.
pub(crate) fn environment() -> Result<Environment, ModelError> {
    let runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    runtime.as_ref().map(|(_, environment)| environment.clone()).ok_or(ModelError::RuntimeNotLoaded)
}

fn find() -> Result<PathBuf, ModelError> {
    let directory = std::env::current_dir().map_err(ModelError::unreadable(Path::new(".")))?;
    search::candidates(&directory, Path::new("onnxruntime/libonnxruntime.so"))
        .find(|path| path.is_file())
        .ok_or_else(|| ModelError::RuntimeNotFound { looked: search::looked(&directory) })
}

/// The path with links resolved: `ort` would look for a relative one beside the executable first.
fn absolute(library: &Path) -> Result<PathBuf, ModelError> {
    library
        .canonicalize()
        .map_err(|error| ModelError::RuntimeLoad { path: library.to_owned(), error: error.to_string() })
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
