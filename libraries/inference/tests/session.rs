//! Sessions on real ONNX models: the small ones of `tests/data`, and Silero VAD as `make models` prepares it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its functions as well")]

use std::path::{Path, PathBuf};

use undertone_inference::Dimension::{Fixed, Open};
use undertone_inference::{Element, ModelError, ModelFolder, Port, Session, Tensor, load_runtime};

const FEATURES: Port<'_> =
    Port { name: "features", element: Element::F32, shape: &[Fixed(1), Open("frames"), Fixed(3)] };
const LOGITS: Port<'_> = Port { name: "logits", element: Element::F32, shape: &[Fixed(1), Fixed(2)] };

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn open(file: &str) -> Session {
    load_runtime(None).unwrap();
    Session::open(&ModelFolder::find(&data()).unwrap(), file, 1).unwrap()
}

/// Asserts that the error's message has each of `expected` in it.
fn assert_says(result: Result<(), ModelError>, expected: &[&str]) {
    let error = result.unwrap_err().to_string();
    for part in expected {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

#[test]
fn a_model_runs_at_any_length() {
    let mut session = open("classifier.onnx");
    session.check(&[FEATURES], &[LOGITS]).unwrap();
    let frames: Vec<f32> = (0..30).map(|value| value as f32).collect();
    session.warm_up(&[("features", Tensor::f32(&[1, 10, 3], &frames))]).unwrap();
    for count in [1, 7, 10] {
        // The mean of frames 0 to n - 1, where frame i is [3i, 3i + 1, 3i + 2].
        let first = 3.0 * (count as f32 - 1.0) / 2.0;
        let outputs =
            session.run(&[("features", Tensor::f32(&[1, count, 3], &frames[..3 * count]))]).unwrap();
        let (shape, logits) = outputs.f32("logits").unwrap();
        assert_eq!(shape, [1, 2]);
        let expected = [first + 2.0 * (first + 1.0) + 0.5, -first + 3.0 * (first + 2.0) - 0.5];
        assert!((logits[0] - expected[0]).abs() < 1e-4, "{logits:?}, not {expected:?}");
        assert!((logits[1] - expected[1]).abs() < 1e-4, "{logits:?}, not {expected:?}");
    }
}

#[test]
fn integers_go_in_as_well() {
    let mut session = open("tokens.onnx");
    let inputs = [
        ("attention_mask", Tensor::i64(&[1, 4], &[1, 1, 0, 1])),
        ("input_ids", Tensor::i64(&[1, 4], &[10, 20, 30, 40])),
    ];
    assert_eq!(session.run(&inputs).unwrap().f32("sum").unwrap(), (&[1][..], &[70.0][..]));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let frames: Vec<f32> = (0..3000).map(|value| (value as f32).sin()).collect();
    let input = [("features", Tensor::f32(&[1, 1000, 3], &frames))];
    let mut first = open("classifier.onnx");
    let mut second = open("classifier.onnx");
    let bits = |session: &mut Session| -> Vec<u32> {
        let outputs = session.run(&input).unwrap();
        outputs.f32("logits").unwrap().1.iter().map(|logit| logit.to_bits()).collect()
    };
    let expected = bits(&mut first);
    assert_eq!(bits(&mut first), expected);
    assert_eq!(bits(&mut second), expected);
}

#[test]
fn weights_beside_a_model_are_checked_before_it_is_opened() {
    load_runtime(None).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::copy(data().join("classifier.onnx"), folder.path().join("model.onnx")).unwrap();
    std::fs::write(folder.path().join("model.onnx_data"), "weights").unwrap();
    let found = ModelFolder::find(folder.path()).unwrap();
    let identity = Session::open(&found, "model.onnx", 1).unwrap().identity().to_owned();
    assert_eq!(identity, found.identity("model.onnx").unwrap());
    let sha256 =
        found.used().into_iter().find_map(|(file, hash)| file.ends_with("/model.onnx").then_some(hash));
    let sha256 = sha256.unwrap();
    assert!(!identity.ends_with(&sha256[..12]), "{identity}");
    let manifest = |files: &str| {
        let text = format!(r#"{{"name": "mine", "files": {{"model.onnx": "{sha256}"{files}}}}}"#);
        std::fs::write(folder.path().join("manifest.json"), text).unwrap();
        Session::open(&ModelFolder::find(folder.path()).unwrap(), "model.onnx", 1).map(|_| ())
    };
    assert_says(manifest(""), &["does not list model.onnx_data"]);
    let other = format!(r#", "model.onnx_data": "{}""#, "0".repeat(64));
    assert_says(manifest(&other), &["model.onnx_data is not the file that its manifest.json describes"]);
}

#[test]
fn an_input_with_another_name_is_named_with_those_that_exist() {
    let session = open("classifier.onnx");
    let feature = Port { name: "feature", ..FEATURES };
    let expected = ["classifier.onnx", "no input named `feature`", "f32[batch, frames, 3]", "`features`?"];
    assert_says(session.check(&[feature], &[LOGITS]), &expected);
    let scores = Port { name: "scores", ..LOGITS };
    assert_says(
        session.check(&[FEATURES], &[scores]),
        &["no output named `scores`", "logits: f32[batch, 2]"],
    );
}

#[test]
fn another_type_or_shape_is_named_with_the_one_that_is_needed() {
    let session = open("classifier.onnx");
    let integers = Port { element: Element::I64, ..FEATURES };
    assert_says(session.check(&[integers], &[]), &["f32[batch, frames, 3]", "i64[1, frames, 3] is needed"]);
    let wide = Port { shape: &[Fixed(1), Open("frames"), Fixed(40)], ..FEATURES };
    assert_says(session.check(&[wide], &[]), &["f32[batch, frames, 3]", "f32[1, frames, 40] is needed"]);
    let open_width = Port { shape: &[Fixed(1), Open("frames"), Open("width")], ..FEATURES };
    assert_says(session.check(&[open_width], &[]), &["f32[1, frames, width] is needed"]);
    let flat = Port { shape: &[Fixed(1), Fixed(3)], ..FEATURES };
    assert_says(session.check(&[flat], &[]), &["f32[1, 3] is needed"]);
    let three = Port { shape: &[Fixed(1), Fixed(3)], ..LOGITS };
    assert_says(session.check(&[FEATURES], &[three]), &["output `logits`", "f32[1, 3] is needed"]);
}

#[test]
fn an_input_that_nobody_gives_is_named() {
    let session = open("tokens.onnx");
    let ids = Port { name: "input_ids", element: Element::I64, shape: &[Fixed(1), Open("tokens")] };
    assert_says(session.check(&[ids], &[]), &["needs the input `attention_mask`", "given are: input_ids"]);
}

#[test]
fn an_only_input_or_output_is_known_without_its_name() {
    let session = open("classifier.onnx");
    assert_eq!((session.only_input_or("x"), session.only_output_or("y")), ("features", "logits"));
    assert_eq!(open("tokens.onnx").only_input_or("input_ids"), "input_ids");
}

#[test]
fn a_tensor_of_another_shape_is_refused_by_name() {
    let mut session = open("classifier.onnx");
    for (shape, values) in [([1, 2, 3], 5), ([1, 1, 4], 4)] {
        let values = vec![0.0; values];
        let error = session.run(&[("features", Tensor::f32(&shape, &values))]).unwrap_err().to_string();
        assert!(error.contains(&format!("features: f32{shape:?}")), "{error}");
        assert!(error.contains("classifier.onnx"), "{error}");
    }
}

#[test]
fn an_output_that_the_model_does_not_have_is_named() {
    let mut session = open("classifier.onnx");
    let outputs = session.run(&[("features", Tensor::f32(&[1, 1, 3], &[0.0; 3]))]).unwrap();
    let error = outputs.f32("scores").unwrap_err().to_string();
    assert!(error.contains("`scores`") && error.contains("only logits"), "{error}");
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    load_runtime(None).unwrap();
    let folder = ModelFolder::find(&data()).unwrap();
    assert_says(Session::open(&folder, "make.py", 1).map(drop), &["could not open", "make.py"]);
}

#[test]
fn a_second_library_is_refused_and_a_second_load_is_not() {
    load_runtime(None).unwrap();
    load_runtime(None).unwrap();
    assert_says(load_runtime(Some(&data().join("make.py"))), &["already loaded", "make.py"]);
}

#[test]
fn silero_vad_hears_no_speech_in_silence() {
    load_runtime(None).unwrap();
    let folder = ModelFolder::find(Path::new("silero-vad")).unwrap();
    let mut session = Session::open(&folder, "model.onnx", 1).unwrap();
    assert!(session.identity().starts_with("silero-vad@"), "{}", session.identity());
    let input = Port { name: "input", element: Element::F32, shape: &[Fixed(1), Fixed(576)] };
    let state = Port { name: "state", element: Element::F32, shape: &[Fixed(2), Fixed(1), Fixed(128)] };
    let rate = Port { name: "sr", element: Element::I64, shape: &[] };
    let output = Port { name: "output", element: Element::F32, shape: &[Fixed(1), Fixed(1)] };
    let next = Port { name: "stateN", element: Element::F32, shape: &[Fixed(2), Fixed(1), Fixed(128)] };
    session.check(&[input, state, rate], &[output, next]).unwrap();
    let outputs = session
        .run(&[
            ("input", Tensor::f32(&[1, 576], &[0.0; 576])),
            ("state", Tensor::f32(&[2, 1, 128], &[0.0; 256])),
            ("sr", Tensor::i64(&[], &[16_000])),
        ])
        .unwrap();
    let (_, probability) = outputs.f32("output").unwrap();
    assert!((0.0..0.1).contains(&probability[0]), "{probability:?}");
    assert_eq!(outputs.f32("stateN").unwrap().0, [2, 1, 128]);
}
