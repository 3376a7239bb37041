//! The stage on the encoder's states, with the model that comes with the project.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its functions as well"
)]

use std::path::Path;

use clap::Parser;
use undertone_acoustic::{Arguments, Kind, Tone, ToneFactory, ToneModel};
use undertone_messages::{Emotion, Encoding, Scope};
use undertone_stage::{Cancel, Factory, Preview, Stage};

const WIDTH: usize = 384;
const HOP: u64 = 320;

fn arguments() -> Arguments {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/acoustic-whisper");
    Arguments::try_parse_from(["acoustic", "--model", model.to_str().unwrap()]).unwrap()
}

/// The encoder and the layers that the model's `config.json` names.
fn known() -> (String, Vec<u32>) {
    let path = arguments().model.join("config.json");
    let config: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let feature = &config["feature"];
    let layers = feature["layers"].as_array().unwrap().iter().map(|layer| layer.as_u64().unwrap() as u32);
    (feature["encoders"][0].as_str().unwrap().to_owned(), layers.collect())
}

fn stage() -> Tone {
    let arguments = arguments();
    ToneFactory::load(&arguments).unwrap().create(&arguments, &"session".into()).unwrap()
}

/// Numbers like states of a layer, those of frames `first..first + count`.
fn states(layer: u32, first: usize, count: usize) -> Vec<f32> {
    let factor = 7919 + 2 * layer as usize;
    (first * WIDTH..(first + count) * WIDTH)
        .map(|index| (index * factor % 1000) as f32 / 250.0 - 2.0)
        .collect()
}

/// A window of `count` frames from the segment's frame `first`, with 10 frames of silence behind it.
fn window(first: usize, count: usize, complete: bool) -> Encoding {
    let (encoder, mut layers) = known();
    let (frames, start) = (count + 10, 8_000 + first as u64 * HOP);
    let silence = vec![100.0; 10 * WIDTH];
    // In another order than the model's, and with one that it does not hear.
    layers.reverse();
    layers.insert(1, 9);
    let of_layer = |layer: &u32| [states(*layer, first, count), silence.clone()].concat();
    Encoding {
        segment: 4,
        start,
        end: start + count as u64 * HOP,
        complete,
        frames: frames as u32,
        hop: HOP as u32,
        width: WIDTH as u32,
        states: vec![0.0; frames * WIDTH].into(),
        layer_states: layers.iter().flat_map(of_layer).collect::<Vec<_>>().into(),
        layers,
        energies: Vec::new().into(),
        model: encoder,
    }
}

fn push(windows: impl IntoIterator<Item = Encoding>) -> Vec<Emotion> {
    let (mut stage, mut output) = (stage(), Vec::new());
    for window in windows {
        stage.push(window, &mut output).unwrap();
    }
    stage.finish(&mut output).unwrap();
    output
}

fn error(windows: impl IntoIterator<Item = Encoding>) -> String {
    let (mut stage, mut output) = (stage(), Vec::new());
    let failed = windows.into_iter().find_map(|window| stage.push(window, &mut output).err());
    failed.or_else(|| stage.finish(&mut output).err()).unwrap().to_string()
}

#[test]
fn the_model_says_what_it_hears() {
    assert_eq!(Kind::read(&arguments()).unwrap(), Kind::Encoding);
    let cnn = Arguments::try_parse_from(["acoustic", "--model", "acoustic-cnn"]).unwrap();
    assert_eq!(Kind::read(&cnn).unwrap(), Kind::Mfcc);
}

#[test]
fn a_segment_is_judged_by_the_layers_of_the_model_without_the_silence_behind_it() {
    let emotions = push([window(0, 120, true)]);
    assert_eq!(emotions.len(), 1);
    let emotion = &emotions[0];
    assert_eq!((emotion.segment, emotion.start, emotion.end), (4, 8_000, 8_000 + 120 * HOP));
    assert_eq!((emotion.scope, emotion.modality.as_str()), (Scope::Segment, "voice"));
    assert_eq!(emotion.labels, ["negative", "neutral", "positive"]);
    let mut model = ToneModel::load(&arguments()).unwrap();
    let layers: Vec<f32> = known().1.into_iter().flat_map(|layer| states(layer, 0, 120)).collect();
    let estimate = model.estimate(&layers).unwrap();
    assert_eq!((&emotion.probabilities, &emotion.detail), (&estimate.probabilities, &estimate.detail));
}

#[test]
fn emotions_valence_arousal_and_oddity_come_with_the_labels() {
    let detail = push([window(0, 120, true)]).remove(0).detail;
    assert_eq!(detail.emotions.len(), 8);
    assert!((detail.emotion_probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    let happy = detail.emotions.iter().position(|emotion| emotion == "happy").unwrap();
    assert!((0.0..=1.0).contains(&detail.emotion_probabilities[happy]));
    assert!(
        (-1.0..=1.0).contains(&detail.valence.unwrap()) && (-1.0..=1.0).contains(&detail.arousal.unwrap())
    );
    // Numbers in rows are no speech.
    assert!(detail.anomaly.unwrap() > 1.0, "{detail:?}");
}

#[test]
fn the_windows_of_a_long_segment_are_judged_together() {
    let whole = push([window(0, 120, true)]).remove(0);
    assert_eq!(push([window(0, 70, false), window(70, 50, true)]), [whole]);
}

#[test]
fn a_segment_that_is_too_short_gets_an_empty_estimate_with_the_reason() {
    let emotion = push([window(0, 24, true)]).remove(0);
    assert!(emotion.labels.is_empty() && emotion.probabilities.is_empty());
    assert_eq!(emotion.reason, "0.48 s is too short: it has 24 frames, and the model needs 25");
}

#[test]
fn no_window_is_judged_behind_the_estimate_of_its_segment() {
    let mut stage = stage();
    let whole = window(0, 120, true);
    // As the runtime does it: one that is not due is not made.
    let preview = |stage: &mut Tone| {
        stage.is_due(&whole).then(|| stage.preview(&whole, &Cancel::default()).unwrap()).flatten()
    };
    assert_eq!(preview(&mut stage).map(|emotion| emotion.scope), Some(Scope::Window));
    stage.push(whole.clone(), &mut Vec::new()).unwrap();
    assert_eq!(preview(&mut stage), None);
}

#[test]
fn what_the_model_does_not_know_is_an_error_that_says_what_to_do() {
    let (encoder, layers) = known();
    let lacking = Encoding { layers: vec![7; layers.len() + 1], ..window(0, 50, true) };
    let found = error([lacking]);
    let needed = layers.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    assert!(found.contains(&format!("--layers {needed}")), "{found}");
    let other = Encoding { model: "whisper-base-onnx@0123456789ab".to_owned(), ..window(0, 50, true) };
    let found = error([other]);
    assert!(found.contains("whisper-base-onnx@0123456789ab") && found.contains(&encoder), "{found}");
}

#[test]
fn windows_out_of_order_are_an_error() {
    let found = error([window(0, 50, false), window(60, 50, true)]);
    assert!(found.contains("goes on at 24000"), "{found}");
    let found = error([window(0, 50, false)]);
    assert!(found.contains("the session ended where its next window was due"), "{found}");
}
