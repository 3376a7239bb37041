//! ONNX Runtime's library, when it is not what it should be. In a process of its own, because a process that has
//! loaded one library cannot load another.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use undertone_inference::{ModelFolder, Session, load_runtime};

#[test]
fn a_library_that_is_missing_or_no_library_is_refused_and_the_right_one_loads_afterwards() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let folder = ModelFolder::find(&data).unwrap();
    let error = Session::open(&folder, "classifier.onnx", 1).unwrap_err().to_string();
    assert!(error.contains("load_runtime"), "{error}");
    for file in ["nowhere/libonnxruntime.so", "make.py"] {
        let error = load_runtime(Some(&data.join(file))).unwrap_err().to_string();
        for part in [file, "make models", "--onnxruntime"] {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }
    load_runtime(None).unwrap();
    Session::open(&folder, "classifier.onnx", 1).unwrap();
}
