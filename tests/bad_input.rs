//! What goes wrong is said: what, where and what to do. No run that lost anything ends with exit code 0.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Graph, kill, repository, results, wait_for};

/// The default graph with a recording of its own, which `make` writes into the folder of the test.
fn with_recording(name: &str, file: &str, make: impl FnOnce(&Path)) -> Graph {
    let graph = Graph::open("dataflow.yml", name);
    let path = graph.folder().join(file);
    make(&path);
    graph.recordings(&path.display().to_string())
}

fn wav(path: &Path, spec: hound::WavSpec, samples: impl Iterator<Item = i32>) {
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    samples.for_each(|sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
}

#[test]
fn a_missing_file_is_named() {
    let graph = with_recording("missing-file", "speech.wav", |_| {});
    graph.run().expect_failure(&["there is no file or folder", "speech.wav"]);
}

#[test]
fn an_empty_file_is_named() {
    let graph = with_recording("empty-file", "empty.wav", |path| fs::write(path, b"").unwrap());
    graph.run().expect_failure(&["empty.wav", "is an empty file (0 bytes)"]);
}

#[test]
fn a_truncated_flac_says_how_far_it_got() {
    let graph = with_recording("truncated", "cut.flac", |path| {
        let whole = fs::read(repository().join("recordings/session/jfk.flac")).unwrap();
        fs::write(path, &whole[..whole.len() / 2]).unwrap();
    });
    let outcome = graph.run().expect_failure(&["cut.flac", "cut short"]);
    // What was said before the cut is not lost.
    assert!(outcome.words().iter().any(|word| word == "americans"), "{}", outcome.log);
}

#[test]
fn a_text_file_is_not_a_recording() {
    let graph = with_recording("text-file", "notes.wav", |path| {
        fs::write(path, "Dear diary, no audio here.").unwrap()
    });
    graph.run().expect_failure(&["notes.wav", "is not audio of a known format"]);
}

#[test]
fn eight_bit_stereo_at_44100_hz_works() {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 8,
        sample_format: hound::SampleFormat::Int,
    };
    let tone = |index: i32| (f64::from(index / 2) * 0.05).sin() * 100.0;
    let graph = with_recording("eight-bit", "tone.wav", |path| {
        wav(path, spec, (0..88_200).map(|index| tone(index) as i32))
    });
    graph.run().expect_success();
}

#[test]
fn silence_gives_no_utterance_and_no_error() {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let graph =
        with_recording("silence", "silence.wav", |path| wav(path, spec, std::iter::repeat_n(0, 5 * 16_000)));
    let outcome = graph.run().expect_success();
    assert!(outcome.results.is_empty(), "{:?}", outcome.results);
}

/// Samples of 16-bit integers that were not divided by 32768: the level operator would bring them to its target, and
/// nothing behind it could tell.
#[test]
fn audio_beyond_full_scale_is_refused_with_the_operator_and_its_input() {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let graph = Graph::open("dataflows/operator.yml", "beyond-full-scale");
    let path = graph.folder().join("integers.wav");
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    (0..16_000).for_each(|index| writer.write_sample((index as f32 * 0.1).sin() * 9_000.0).unwrap());
    writer.finalize().unwrap();
    let outcome = graph.recordings(&path.display().to_string()).run();
    outcome.expect_failure(&["operator `level`, input `audio`: sample 2 (0.000 s) is", "full scale at ±1"]);
}

#[test]
fn a_mistyped_argument_suggests_the_right_one() {
    let graph = Graph::open("dataflow.yml", "argument").fast().args("vad", "--treshold 0.4");
    graph.run().expect_failure(&["--treshold", "--threshold"]);
}

#[test]
fn a_wire_to_the_wrong_port_is_found_before_and_during_a_run() {
    let graph = || Graph::open("dataflows/mfcc.yml", "wrong-port").fast();
    let invalid = graph().rewire("acoustic", "features", "vad/speech").validate();
    invalid.expect_failure(&["vad/speech", "Features"]);
    // Without the types in the graph the node itself must object.
    let outcome = graph().rewire("acoustic", "features", "vad/speech").untyped("acoustic").run();
    outcome.expect_failure(&["input `features`, wired to vad/speech", "Features message without the field"]);
}

#[test]
fn an_input_that_a_node_does_not_have_is_named() {
    let graph =
        Graph::open("dataflow.yml", "wrong-input").fast().rewire("text", "transcripts", "decoder/transcript");
    graph.run().expect_failure(&["no input `transcripts`", "it takes: transcript"]);
}

#[test]
fn a_queue_that_overflows_is_an_error_that_names_the_wire() {
    // Dora drops what does not fit, in silence; while an utterance is decoded, the rest of the session comes in.
    let outcome = Graph::open("dataflows/asr.yml", "overflow").fast().queue("asr", "speech", 10).run();
    outcome.expect_failure(&["input `speech`, wired to vad/speech", "messages are missing", "queue_size"]);
}

#[test]
fn a_missing_model_is_named_with_the_places_that_were_searched() {
    let graph =
        Graph::open("dataflow.yml", "missing-model").fast().args("acoustic", "--model acoustic-whispe");
    graph.run().expect_failure(&["acoustic-whispe", "acoustic-whisper", "models"]);
}

#[test]
fn a_model_with_another_hash_is_refused() {
    let graph = Graph::open("dataflow.yml", "model-hash").fast();
    let folder = graph.folder().join("acoustic");
    copy(&repository().join("models/acoustic-whisper"), &folder);
    let model = folder.join("model.onnx");
    let mut bytes = fs::read(&model).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&model, bytes).unwrap();
    let graph = graph.args("acoustic", &format!("--model {}", folder.display()));
    graph.run().expect_failure(&["model.onnx", "expected", "SHA-256"]);
}

#[test]
fn a_fusion_that_was_fitted_on_other_models_names_them() {
    let graph = Graph::open("dataflow.yml", "other-models").fast();
    let folder = graph.folder().join("fusion");
    copy(&repository().join("models/fusion"), &folder);
    let config = fs::read_to_string(folder.join("config.json")).unwrap();
    fs::write(folder.join("config.json"), config.replace("acoustic-whisper@", "acoustic-other@")).unwrap();
    // A folder of one's own has no manifest.
    fs::remove_file(folder.join("manifest.json")).unwrap();
    let graph = graph.args("fusion", &format!("--weighting learned --model {}", folder.display()));
    graph.run().expect_failure(&[
        "acoustic-whisper@",
        "knows nothing of the results of",
        "acoustic-other@",
        "evaluate/run fit",
    ]);
}

fn copy(from: &Path, to: &PathBuf) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_killed_node_fails_the_run_and_is_named() {
    let session = repository().join("recordings/session");
    let graph = Graph::open("dataflow.yml", "killed")
        .args("source", &format!("{} --join --silence-ms 1000 --pace realtime", session.display()));
    let outcome = graph.run_with(|folder| {
        wait_for("the first result", Duration::from_secs(90), || results(folder) > 0);
        kill("decoder", folder);
    });
    let outcome = outcome.expect_failure(&["decoder", "decoder/transcript"]);
    // The voice is still heard: the rest of the session has results, from it alone.
    let last = outcome.results.last().expect("no results at all");
    assert_eq!(last["profile"], "audio_only", "{last}");
}
