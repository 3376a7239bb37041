//! Silero VAD on real speech, against the reference. Needs the models of `make models`.
#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};

use clap::Parser;
use undertone_messages::{AudioFrame, Phase, ScalarBuffer, SessionId, Speech};
use undertone_stage::{Factory, Stage};
use undertone_vad::{Arguments, Detector, SileroModel, Vad, VadFactory};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The first 6 s of the inaugural address of John F. Kennedy, 1961 (public domain): "And so, my fellow Americans: ask
/// not what your", with pauses of 1 s before and 0.9 s behind "ask not".
fn speech() -> Vec<f32> {
    let mut file = hound::WavReader::open(data("jfk.wav")).expect("a recording");
    file.samples::<i16>().map(|sample| f32::from(sample.expect("a sample")) / 32768.0).collect()
}

fn model() -> SileroModel {
    SileroModel::open(Path::new("silero-vad"), None, std::num::NonZeroUsize::MIN)
        .expect("run `make models` first")
}

fn probabilities(detector: &mut impl Detector, samples: &[f32]) -> Vec<f32> {
    let mut padded = samples.to_vec();
    padded.resize(samples.len().next_multiple_of(512), 0.0);
    padded.chunks(512).map(|frame| detector.probability(frame).expect("a probability")).collect()
}

fn hear(line: &str, samples: &[f32], chunk: usize) -> Vec<Speech> {
    let arguments = Arguments::try_parse_from(line.split_whitespace()).expect("valid arguments");
    let mut factory = VadFactory::load(&arguments).expect("run `make models` first");
    let mut stage: Vad = factory.create(&arguments, &SessionId::from("session")).expect("a session");
    let mut output = Vec::new();
    for (n, samples) in samples.chunks(chunk).enumerate() {
        let samples = ScalarBuffer::from(samples.to_vec());
        let frame = AudioFrame { start: (n * chunk) as u64, sample_rate: 16_000, samples, gap: 0 };
        stage.push(frame, &mut output).expect("good audio");
    }
    stage.finish(&mut output).expect("an end");
    output
}

#[test]
fn probabilities_are_those_of_the_reference() {
    let text = std::fs::read_to_string(data("jfk.silero.txt")).expect("vectors of silero_vectors.py");
    let expected: Vec<f32> = text.lines().map(|line| line.parse().expect("a number")).collect();
    let found = probabilities(&mut model().detector(), &speech());
    assert_eq!(found.len(), expected.len());
    for (n, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert!((found - expected).abs() < 1e-4, "frame {n}: {found} instead of {expected}");
    }
}

#[test]
fn a_reset_forgets_state_and_context() {
    let mut detector = model().detector();
    let first = probabilities(&mut detector, &speech()[..16_000]);
    assert_ne!(probabilities(&mut detector, &speech()[..16_000]), first, "the state makes a difference");
    detector.reset().expect("a reset");
    assert_eq!(probabilities(&mut detector, &speech()[..16_000]), first);
}

#[test]
fn a_refreshed_detector_is_one_that_was_new_a_second_ago() {
    let speech = speech();
    let (past, next) = speech[..73 * 512].split_at(70 * 512);
    let mut refreshed = model().detector();
    let stale = {
        let mut detector = model().detector();
        probabilities(&mut detector, past);
        probabilities(&mut detector, next)
    };
    probabilities(&mut refreshed, past);
    refreshed.refresh().expect("a refresh");
    let mut new = model().detector();
    probabilities(&mut new, &past[39 * 512..]);
    let expected = probabilities(&mut new, next);
    assert_ne!(stale, expected, "the state makes a difference");
    assert_eq!(probabilities(&mut refreshed, next), expected);
    // What was heard again counts once.
    let mut twice = model().detector();
    probabilities(&mut twice, past);
    twice.refresh().and_then(|()| twice.refresh()).expect("two refreshes");
    assert_eq!(probabilities(&mut twice, next), expected);
}

#[test]
fn a_refresh_of_a_young_detector_changes_nothing() {
    let speech = speech();
    let (past, next) = speech[..40 * 512].split_at(20 * 512);
    let (mut one, mut other) = (model().detector(), model().detector());
    for detector in [&mut one, &mut other] {
        probabilities(detector, past);
    }
    one.refresh().expect("a refresh");
    assert_eq!(probabilities(&mut one, next), probabilities(&mut other, next));
}

#[test]
fn what_was_before_long_silence_does_not_matter() {
    // 6 s of silence or of noise, and 2 s of silence before the speech.
    let noise = |n: usize| ((n * n * 7_919 % 2_003) as f32 / 2_003.0 - 0.5) * 0.01;
    let heard = |line: &str, level: f32| -> Vec<Speech> {
        let past: Vec<f32> = (0..189 * 512).map(|n| level * noise(n)).collect();
        let samples = [past, vec![0.0; 63 * 512], speech()].concat();
        hear(line, &samples, 1024).into_iter().filter(|message| message.phase == Phase::Final).collect()
    };
    assert_eq!(heard("vad", 0.0), heard("vad", 1.0));
    assert_ne!(heard("vad --reset-ms 0", 0.0), heard("vad --reset-ms 0", 1.0), "without a reset it does");
}

#[test]
fn sessions_side_by_side_do_not_disturb_each_other() {
    let model = model();
    let speech = &speech()[..32_000];
    let alone = probabilities(&mut model.detector(), speech);
    let (mut one, mut other) = (model.detector(), model.detector());
    for (frame, expected) in speech.chunks_exact(512).zip(alone) {
        other.probability(&[0.3; 512]).expect("a probability");
        assert_eq!(one.probability(frame).expect("a probability"), expected);
    }
}

#[test]
fn three_phrases_are_three_segments_that_do_not_clip_a_word() {
    let messages = hear("vad", &speech(), 1024);
    let found: Vec<(u64, u64)> = messages
        .iter()
        .filter(|message| message.phase == Phase::Final)
        .map(|message| (message.start, message.end))
        .collect();
    // By waveform and probability: "And so … Americans" 0.33 to 2.22 s, "ask not" 3.27 to 4.42 s, "what your" from 5.38 s.
    let phrases = [(5_280, 35_520), (52_320, 70_720), (86_080, 96_000)];
    assert_eq!(found.len(), phrases.len(), "{found:?}");
    for ((start, end), (onset, offset)) in found.into_iter().zip(phrases) {
        assert!(start < onset && onset - start <= 8_000, "{start} for a phrase at {onset}");
        assert!(end >= offset && end - offset <= 4_000, "{end} for a phrase until {offset}");
    }
}

#[test]
fn the_same_audio_gives_the_same_messages_in_any_chunks() {
    let speech = speech();
    let expected = hear("vad", &speech, 160);
    for chunk in [512, 1024, 4000] {
        assert_eq!(hear("vad", &speech, chunk), expected, "in chunks of {chunk}");
    }
}

#[test]
fn a_missing_model_is_an_error_that_names_it() {
    let arguments = Arguments::try_parse_from(["vad", "--model", "silero-bad"]).expect("valid arguments");
    let error = VadFactory::load(&arguments).err().expect("there is no such model").to_string();
    assert!(error.contains("silero-bad") && error.contains("make models"), "{error}");
}
