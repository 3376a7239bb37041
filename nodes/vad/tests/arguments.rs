//! Arguments: defaults, and every contradiction with what the error says of it.
#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

use clap::{CommandFactory, Parser};
use undertone_vad::{Arguments, DetectorKind, WebrtcMode};

const FRAME: usize = 512;

fn parse(line: &str) -> Arguments {
    Arguments::try_parse_from(std::iter::once("vad").chain(line.split_whitespace())).expect("known arguments")
}

fn refusal(line: &str) -> String {
    parse(line).rules(FRAME).expect_err("contradictory arguments").to_string()
}

#[test]
fn the_definition_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn defaults_are_those_of_the_manual() {
    let arguments = parse("");
    assert_eq!(arguments.detector, DetectorKind::Silero);
    assert_eq!((arguments.margin(), arguments.mode()), (10.0, WebrtcMode::VeryAggressive));
    let rules = arguments.rules(FRAME).expect("the defaults are possible");
    assert_eq!((rules.threshold, rules.negative_threshold), (0.5, 0.35));
    assert_eq!((rules.minimum_speech, rules.hangover, rules.tentative), (4_000, 8_000, 3_200));
    assert_eq!((rules.pre_roll, rules.post_roll), (4_800, 1_600));
    assert_eq!((rules.longest, rules.chunk), (448_000, 2_048));
}

#[test]
fn only_silero_is_reset_and_0_is_never() {
    assert_eq!(parse("").reset(), Some(32_000));
    assert_eq!(parse("--reset-ms 500").reset(), Some(8_000));
    assert_eq!(parse("--reset-ms 0").reset(), None);
    assert_eq!(parse("--detector energy").reset(), None);
    assert_eq!(parse("--detector webrtc").reset(), None);
}

#[test]
fn the_negative_threshold_follows_the_threshold() {
    let negative = |line: &str| parse(line).rules(FRAME).expect("possible").negative_threshold;
    assert!((negative("--threshold 0.7") - 0.55).abs() < 1e-6);
    assert_eq!(negative("--threshold 0.1"), 0.01);
    assert_eq!(negative("--threshold 0.005"), 0.005);
    assert_eq!(negative("--threshold 0.7 --negative-threshold 0.2"), 0.2);
}

#[test]
fn thresholds_are_probabilities_above_0() {
    for (line, complaint) in [
        ("--threshold 0", "--threshold 0 is not a probability"),
        ("--threshold 1.5", "--threshold 1.5 is not a probability"),
        ("--threshold NaN", "--threshold NaN is not a probability"),
        ("--negative-threshold 0", "--negative-threshold 0 is not a probability"),
        ("--negative-threshold NaN", "--negative-threshold NaN is not a probability"),
        ("--threshold 0.3 --negative-threshold 0.4", "--negative-threshold 0.4 is above --threshold 0.3"),
    ] {
        let text = refusal(line);
        assert!(text.contains(complaint), "{line}: {text}");
    }
}

#[test]
fn durations_fit_into_each_other() {
    for (line, complaint) in [
        ("--tentative-ms 600", "--tentative-ms 600 is more than --hangover-ms 500"),
        ("--post-roll-ms 300", "--post-roll-ms 300 is more than --tentative-ms 200"),
        ("--longest-seconds 2", "give at least 2.1"),
        ("--longest-seconds NaN", "give at least 2.1"),
        ("--minimum-speech-ms 20000", "--longest-seconds 28 is too short"),
        ("--chunk-ms 0", "--chunk-ms 0"),
    ] {
        let text = refusal(line);
        assert!(text.contains(complaint), "{line}: {text}");
    }
    let rules = parse("--longest-seconds 2.1 --tentative-ms 500 --post-roll-ms 500").rules(FRAME);
    assert_eq!(rules.expect("the limits are allowed").longest, 33_600);
    let tiny = "--pre-roll-ms 0 --minimum-speech-ms 0 --hangover-ms 0 --tentative-ms 0 --post-roll-ms 0";
    let text = refusal(&format!("{tiny} --longest-seconds 0.3"));
    assert!(text.contains("give at least 0.384"), "{text}");
}

#[test]
fn an_argument_of_another_detector_is_refused() {
    for (line, complaint) in [
        ("--margin-db 9", "--margin-db is only for --detector energy, and the detector is silero"),
        ("--detector energy --webrtc-mode quality", "--webrtc-mode is only for --detector webrtc"),
        ("--detector energy --model x", "--model is only for --detector silero, and the detector is energy"),
        ("--detector webrtc --onnxruntime x", "--onnxruntime is only for --detector silero"),
        ("--detector energy --reset-ms 0", "--reset-ms is only for --detector silero"),
        ("--detector webrtc --threads 2", "--threads is only for --detector silero"),
        ("--detector energy --margin-db NaN", "--margin-db NaN"),
        ("--detector energy --margin-db 61", "--margin-db 61"),
    ] {
        let text = refusal(line);
        assert!(text.contains(complaint), "{line}: {text}");
    }
}
