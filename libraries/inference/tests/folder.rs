//! Model folders: where they are looked for, and what keeps a damaged one from being used.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its functions as well")]

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use undertone_inference::{ModelError, ModelFolder};

/// SHA-256 of the three letters `abc` (FIPS 180-2, appendix B.1).
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn manifest(sha256: &str) -> String {
    format!(
        r#"{{"name": "alpha", "licence": "MIT", "source": "a test", "files": {{"model.onnx": "{sha256}"}}}}"#
    )
}

fn find(directory: &Path, name: &str) -> Result<ModelFolder, ModelError> {
    ModelFolder::find_from(directory, Path::new(name))
}

#[test]
fn a_name_is_found_from_a_folder_below() {
    let root = TempDir::new().unwrap();
    write(root.path(), "models/alpha/model.onnx", "abc");
    write(root.path(), "models/prepared/beta/model.onnx", "abc");
    let below = root.path().join("graphs/live");
    fs::create_dir_all(&below).unwrap();
    assert_eq!(find(&below, "alpha").unwrap().path(), root.path().join("models/alpha"));
    assert_eq!(find(&below, "beta").unwrap().path(), root.path().join("models/prepared/beta"));
}

#[test]
fn a_committed_model_comes_before_a_prepared_one_and_a_near_one_before_a_far_one() {
    let root = TempDir::new().unwrap();
    write(root.path(), "models/prepared/alpha/model.onnx", "far, prepared");
    assert_eq!(find(root.path(), "alpha").unwrap().path(), root.path().join("models/prepared/alpha"));
    write(root.path(), "models/alpha/model.onnx", "far, committed");
    assert_eq!(find(root.path(), "alpha").unwrap().path(), root.path().join("models/alpha"));
    write(root.path(), "near/models/prepared/alpha/model.onnx", "near");
    let near = root.path().join("near");
    assert_eq!(find(&near, "alpha").unwrap().path(), near.join("models/prepared/alpha"));
}

#[test]
fn a_path_is_taken_as_it_is() {
    let root = TempDir::new().unwrap();
    write(root.path(), "mine/model.onnx", "abc");
    write(root.path(), "models/mine/model.onnx", "another");
    for path in ["./mine", "mine/", root.path().join("mine").to_str().unwrap()] {
        let folder = find(root.path(), path).unwrap();
        assert_eq!(folder.identity("model.onnx").unwrap(), format!("mine@{}", &ABC[..12]));
    }
    let error = find(root.path(), "./models/nothing").unwrap_err().to_string();
    assert!(error.contains("models/nothing is not a folder"), "{error}");
}

#[test]
fn an_unknown_name_lists_the_places_and_suggests_the_nearest() {
    let root = TempDir::new().unwrap();
    write(root.path(), "models/acoustic-cnn/model.onnx", "abc");
    write(root.path(), "models/prepared/silero-vad/model.onnx", "abc");
    write(root.path(), "models/train/acoustic.py", "no model");
    let error = find(root.path(), "acoustic-cn").unwrap_err().to_string();
    assert!(error.contains("did you mean `acoustic-cnn`? Run `make models`"), "{error}");
    assert!(error.contains("models/prepared/acoustic-cn"), "{error}");
    assert!(error.contains(root.path().to_str().unwrap()), "{error}");
    let error = find(root.path(), "silerovad").unwrap_err().to_string();
    assert!(error.contains("did you mean `silero-vad`?"), "{error}");
    let error = find(root.path(), "whisper-tiny").unwrap_err().to_string();
    assert!(!error.contains("did you mean"), "{error}");
    let error = find(root.path(), "trains").unwrap_err().to_string();
    assert!(!error.contains("did you mean"), "{error}");
}

#[test]
fn a_file_that_matches_its_manifest_is_used_under_the_manifests_name() {
    let root = TempDir::new().unwrap();
    write(root.path(), "models/folder/model.onnx", "abc");
    write(root.path(), "models/folder/manifest.json", &manifest(ABC));
    let folder = find(root.path(), "folder").unwrap();
    assert_eq!(folder.file("model.onnx").unwrap(), root.path().join("models/folder/model.onnx"));
    assert_eq!(folder.identity("model.onnx").unwrap(), "alpha@ba7816bf8f01");
}

#[test]
fn a_file_that_differs_from_its_manifest_is_refused() {
    let root = TempDir::new().unwrap();
    let wrong = ABC.replace('b', "c");
    write(root.path(), "models/alpha/model.onnx", "abc");
    write(root.path(), "models/alpha/manifest.json", &manifest(&wrong));
    let folder = find(root.path(), "alpha").unwrap();
    for error in [folder.file("model.onnx").unwrap_err(), folder.identity("model.onnx").unwrap_err()] {
        let error = error.to_string();
        assert!(error.contains(&format!("expected SHA-256 {wrong}")), "{error}");
        assert!(error.contains(&format!("actual {ABC}")), "{error}");
        assert!(error.contains("models/alpha/model.onnx"), "{error}");
        assert!(error.contains("make models"), "{error}");
    }
}

/// ONNX keeps large weights in files beside the model, which ONNX Runtime finds by itself.
#[test]
fn weights_beside_a_model_count_in_its_name_and_are_used_files() {
    let root = TempDir::new().unwrap();
    write(root.path(), "mine/model.onnx", "abc");
    let identity = || find(root.path(), "./mine").unwrap().identity("model.onnx").unwrap();
    // Files of other models, and no files of weights.
    for file in ["model-int8.onnx_data", "model.onnx_data_old", "model.onnx.database", "config.json"] {
        write(root.path(), &format!("mine/{file}"), "other");
    }
    assert_eq!(identity(), "mine@ba7816bf8f01");
    let mut known = vec![identity()];
    for file in ["model.onnx.data", "model.onnx_data", "model.onnx_data_1"] {
        for weights in ["1", "2"] {
            write(root.path(), &format!("mine/{file}"), weights);
            let now = identity();
            assert!(!known.contains(&now) && now == identity(), "{file}: {now} after {known:?}");
            known.push(now);
        }
    }
    let folder = find(root.path(), "./mine").unwrap();
    folder.identity("model.onnx").unwrap();
    let used: Vec<String> = folder.used().into_keys().collect();
    let expected = ["model.onnx", "model.onnx.data", "model.onnx_data", "model.onnx_data_1"];
    assert_eq!(used, expected.map(|file| format!("mine/{file}")));
}

#[test]
fn a_file_longer_than_the_read_buffer_is_hashed_whole() {
    let root = TempDir::new().unwrap();
    // SHA-256 of a million letters `a` (FIPS 180-2, appendix B.3).
    let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    write(root.path(), "models/alpha/model.onnx", &"a".repeat(1_000_000));
    write(root.path(), "models/alpha/manifest.json", &manifest(expected));
    find(root.path(), "alpha").unwrap().file("model.onnx").unwrap();
}

#[test]
fn a_file_that_is_missing_or_not_listed_is_refused() {
    let root = TempDir::new().unwrap();
    write(root.path(), "models/alpha/model.onnx", "abc");
    write(root.path(), "models/alpha/config.json", "{}");
    write(root.path(), "models/alpha/manifest.json", &manifest(ABC));
    let folder = find(root.path(), "alpha").unwrap();
    let error = folder.file("tokenizer.json").unwrap_err().to_string();
    assert!(error.contains("no file tokenizer.json"), "{error}");
    assert!(error.contains("it has: config.json, manifest.json, model.onnx"), "{error}");
    let error = folder.config().unwrap_err().to_string();
    assert!(error.contains("does not list config.json"), "{error}");
}

#[test]
fn a_manifest_that_is_no_manifest_is_refused() {
    let root = TempDir::new().unwrap();
    write(root.path(), "models/alpha/model.onnx", "abc");
    write(root.path(), "models/alpha/manifest.json", r#"{"name": "alpha"}"#);
    let error = find(root.path(), "alpha").unwrap_err().to_string();
    assert!(error.contains("manifest.json: not a manifest") && error.contains("files"), "{error}");
}
