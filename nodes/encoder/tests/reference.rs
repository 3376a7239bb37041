//! The states equal those of CTranslate2 on real speech: `vectors/make.py` made the expected ones.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Parser;
use undertone_encoder::{Arguments, EncoderFactory, EncoderModel, Precision};
use undertone_inference::{ModelFolder, load_runtime};
use undertone_messages::{Encoding, Phase, Speech};
use undertone_recognition::TAIL;
use undertone_source::AudioFile;
use undertone_stage::{Cancel, Factory, Preview, Stage};

const WIDTH: usize = 384;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// "then in the same operations with ugly ones", LJ Speech.
fn clip() -> Vec<f32> {
    AudioFile::read_whole(&repository().join("recordings/session/LJ001-0013.flac")).unwrap()
}

fn model(precision: Precision) -> EncoderModel {
    load_runtime(None).unwrap();
    let folder = ModelFolder::find(Path::new("whisper-tiny.en-onnx")).unwrap();
    EncoderModel::load(&folder, precision, NonZeroUsize::MIN).unwrap()
}

/// CTranslate2's states of every 10th frame, in float32.
fn expected() -> Vec<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/states-LJ001-0013.npy");
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(bytes[..8], *b"\x93NUMPY\x01\x00");
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[header..].as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
}

/// Root mean square difference from CTranslate2's states, relative to these.
fn difference(precision: Precision) -> f32 {
    let encoded = model(precision).encode(&clip(), TAIL, &[]).unwrap();
    assert_eq!((encoded.frames, encoded.states.len()), (155, 155 * WIDTH));
    let found: Vec<f32> = encoded.states.chunks(WIDTH).step_by(10).flatten().copied().collect();
    let expected = expected();
    assert_eq!(found.len(), expected.len());
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>();
    let difference = square(&mut found.iter().zip(&expected).map(|(found, expected)| found - expected));
    (difference / square(&mut expected.iter().copied())).sqrt()
}

#[test]
fn fp32_states_are_those_of_the_reference() {
    let difference = difference(Precision::Fp32);
    assert!(difference < 1e-3, "{difference}");
}

#[test]
fn int8_states_are_near_those_of_the_reference() {
    let difference = difference(Precision::Int8);
    assert!(difference < 0.1, "{difference}");
}

/// A piece of a segment that begins at sample 1,000.
fn speech(end: u64, phase: Phase, samples: &[f32]) -> Speech {
    Speech { segment: 3, start: 1_000, end, phase, samples: samples.to_vec().into(), probability: 1.0 }
}

fn encode(words: &[&str], samples: &[f32], chunk: usize) -> Vec<Encoding> {
    let arguments = Arguments::parse_from(["encoder"].iter().chain(words));
    let mut factory = EncoderFactory::load(&arguments).unwrap();
    let mut stage = factory.create(&arguments, &"s".into()).unwrap();
    let (mut end, mut output) = (1_000, Vec::new());
    for (number, piece) in samples.chunks(chunk).enumerate() {
        end += piece.len() as u64;
        let phase = if number == 0 { Phase::Open } else { Phase::More };
        stage.push(speech(end, phase, piece), &mut output).unwrap();
    }
    stage.push(speech(end, Phase::Final, &[]), &mut output).unwrap();
    stage.finish(&mut output).unwrap();
    output
}

#[test]
fn the_chunks_of_the_speech_change_nothing() {
    let clip = clip();
    let whole = encode(&[], &clip, clip.len());
    assert_eq!(encode(&[], &clip, 1024), whole);
    assert_eq!(whole.len(), 1);
    assert_eq!((whole[0].segment, whole[0].start, whole[0].complete), (3, 1_000, true));
    assert_eq!(whole[0].end, 1_000 + clip.len() as u64);
    assert_eq!(whole[0].energies.len(), clip.len().div_ceil(160));
}

#[test]
fn an_end_that_is_announced_stands_in_the_place_of_one_before() {
    let arguments = Arguments::parse_from(["encoder"]);
    let mut stage = EncoderFactory::load(&arguments).unwrap().create(&arguments, &"s".into()).unwrap();
    let clip = clip();
    let (mut end, mut output) = (1_000, Vec::new());
    let mut announced = Vec::new();
    for (phase, piece) in [Phase::Open, Phase::More].into_iter().zip(clip.chunks(clip.len().div_ceil(2))) {
        end += piece.len() as u64;
        stage.push(speech(end, phase, piece), &mut output).unwrap();
        // Nobody had the time to take the first one back.
        let tentative = speech(end, Phase::Tentative, &[]);
        stage.push(tentative.clone(), &mut output).unwrap();
        announced.extend(stage.preview(&tentative, &Cancel::default()).unwrap());
    }
    let ends: Vec<(u64, bool)> = announced.iter().map(|encoding| (encoding.end, encoding.complete)).collect();
    assert_eq!(ends, [(1_000 + clip.len().div_ceil(2) as u64, true), (end, true)]);
    stage.push(speech(end, Phase::Final, &[]), &mut output).unwrap();
    assert_eq!(output, announced[1..]);
}

#[test]
fn an_announced_end_is_taken_back_if_the_next_is_too_far_for_one_look() {
    let arguments = Arguments::parse_from(["encoder"]);
    let mut stage = EncoderFactory::load(&arguments).unwrap().create(&arguments, &"s".into()).unwrap();
    let mut preview = |end, phase, samples: &[f32]| {
        stage.push(speech(end, phase, samples), &mut Vec::new()).unwrap();
        let tentative = speech(end, Phase::Tentative, &[]);
        stage.push(tentative.clone(), &mut Vec::new()).unwrap();
        stage.preview(&tentative, &Cancel::default()).unwrap()
    };
    assert!(preview(17_000, Phase::Open, &[0.0; 16_000]).unwrap().complete);
    let withdrawal = preview(497_000, Phase::More, &[0.0; 480_000]).unwrap();
    assert_eq!((withdrawal.complete, withdrawal.frames), (false, 0));
}

#[test]
fn the_layers_that_are_asked_for_are_sent() {
    let clip = clip();
    let encoding = encode(&["--layers", "4,2"], &clip, 1024).remove(0);
    assert_eq!(encoding.layers, [4, 2]);
    let frame = encoding.frames as usize * WIDTH;
    assert_eq!(encoding.layer_states.len(), 2 * frame);
    let alone = encode(&["--layers", "2"], &clip, 1024).remove(0);
    assert_eq!(encoding.layer_states[frame..], alone.layer_states[..]);
}

#[test]
fn a_segment_that_is_too_long_for_one_look_has_several_windows() {
    let long = clip().repeat(13);
    let windows = encode(&[], &long, 1024);
    assert!(windows.len() > 1);
    for pair in windows.windows(2) {
        assert_eq!(pair[0].end, pair[1].start);
        assert!(!pair[0].complete);
    }
    assert!(windows.iter().all(|window| window.frames <= 1500));
    assert_eq!(
        windows.last().map(|window| (window.complete, window.end)),
        Some((true, 1_000 + long.len() as u64))
    );
}

#[test]
fn a_layer_that_is_not_there_is_an_error() {
    for (layers, text) in [("0", "layers 1 to 4"), ("5", "layers 1 to 4"), ("2,2", "twice")] {
        let arguments = Arguments::parse_from(["encoder", "--layers", layers]);
        let error = EncoderFactory::load(&arguments).err().unwrap().to_string();
        assert!(error.contains(text), "{error}");
    }
}
