//! ONNX Runtime's library, when it is not what it should be. In a process of its own, because a process that has
//! loaded one library cannot load another.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use tempfile::TempDir;
use undertone_inference::{ModelFolder, Session, load_runtime};

/// A folder with a library that is none and a manifest that has `file` of a SHA-256 that nothing has.
fn damaged(file: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("libonnxruntime.so"), "damaged").unwrap();
    let files = format!(r#"{{"{file}": "{}"}}"#, "0".repeat(64));
    let manifest = format!(r#"{{"name": "onnxruntime", "files": {files}}}"#);
    std::fs::write(folder.path().join("manifest.json"), manifest).unwrap();
    folder
}

#[test]
fn a_library_that_is_missing_damaged_or_none_is_refused_and_the_right_one_loads_afterwards() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let folder = ModelFolder::find(&data).unwrap();
    let error = Session::open(&folder, "classifier.onnx", 1).unwrap_err().to_string();
    assert!(error.contains("load_runtime"), "{error}");
    for file in ["nowhere/libonnxruntime.so", "../data", "make.py"] {
        let error = load_runtime(Some(&data.join(file))).unwrap_err().to_string();
        for part in [file, "make models", "--onnxruntime"] {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }
    for (file, expected) in [
        ("libonnxruntime.so", "not the file that its manifest.json describes"),
        ("libother.so", "does not list libonnxruntime.so"),
    ] {
        let folder = damaged(file);
        let error = load_runtime(Some(&folder.path().join("libonnxruntime.so"))).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    load_runtime(None).unwrap();
    assert!(!folder.used().contains_key("onnxruntime/libonnxruntime.so"));
    Session::open(&folder, "classifier.onnx", 1).unwrap();
    // What runs the model is among what was used, as the manifest of its folder has it.
    let prepared = ModelFolder::find(Path::new("onnxruntime")).unwrap();
    prepared.file("libonnxruntime.so").unwrap();
    let (library, sha256) = prepared.used().pop_first().unwrap();
    assert_eq!(folder.used().get(&library), Some(&sha256));
}
