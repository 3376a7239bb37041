//! The stage on a small real model: when there is an estimate, over what, and that it is the model's.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its functions as well"
)]

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use proptest::prelude::*;
use serde::Deserialize;
use undertone_acoustic::{Acoustic, AcousticError, AcousticFactory, AcousticModel, Arguments};
use undertone_messages::{Emotion, Features, Phase, Scope};
use undertone_stage::{Factory, Stage};

const WIDTH: usize = 4;
const HOP: u64 = 160;
const FRAME: u64 = 400;
const LABELS: [&str; 3] = ["negative", "neutral", "positive"];

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn arguments(more: &[&str]) -> Arguments {
    let model = data().join("cnn");
    let words = ["acoustic", "--model", model.to_str().unwrap()];
    Arguments::try_parse_from(words.iter().chain(more)).unwrap()
}

fn stage(more: &[&str]) -> Acoustic {
    let arguments = arguments(more);
    AcousticFactory::load(&arguments).unwrap().create(&arguments, &"session".into()).unwrap()
}

/// The first `frames` frames of the features that `make.py` uses.
fn values(frames: usize) -> Vec<f32> {
    (0..frames * WIDTH)
        .map(|index| (((index * 7919 % 1000) as f64 / 500.0 - 1.0) * (index as f64 / 400.0)) as f32)
        .collect()
}

fn features(segment: u64, start: u64, end: u64, phase: Phase, values: &[f32]) -> Features {
    Features {
        segment,
        start,
        end,
        phase,
        kind: "mfcc kaldi".to_owned(),
        hop: HOP as u32,
        width: WIDTH as u32,
        values: values.to_vec().into(),
    }
}

fn push(stage: &mut Acoustic, inputs: impl IntoIterator<Item = Features>) -> Vec<Emotion> {
    let mut output = Vec::new();
    for input in inputs {
        stage.push(input, &mut output).unwrap();
    }
    output
}

/// A segment in three messages: its first third, its second, and the rest with its end.
fn segment(number: u64, start: u64, end: u64, frames: usize) -> [Features; 3] {
    let values = values(frames);
    let (first, second) = (frames / 3 * WIDTH, frames / 3 * 2 * WIDTH);
    [
        features(number, start, start + FRAME, Phase::Open, &values[..first]),
        features(number, start, start + FRAME, Phase::More, &values[first..second]),
        features(number, start, end, Phase::Final, &values[second..]),
    ]
}

#[derive(Deserialize)]
struct Expected {
    first: usize,
    last: usize,
    probabilities: Vec<f32>,
}

fn expected() -> Vec<Expected> {
    serde_json::from_str(&fs::read_to_string(data().join("expected.json")).unwrap()).unwrap()
}

fn assert_near(actual: &[f32], expected: &[f32]) {
    let near = |(actual, expected): (&f32, &f32)| (actual - expected).abs() < 2e-5;
    assert!(
        actual.len() == expected.len() && actual.iter().zip(expected).all(near),
        "{actual:?}, not {expected:?}"
    );
}

/// What numpy gets for frames `first..last`.
fn expect(first: usize, last: usize) -> Vec<f32> {
    expected().into_iter().find(|case| (case.first, case.last) == (first, last)).unwrap().probabilities
}

#[test]
fn probabilities_are_those_of_the_model() {
    let mut model = AcousticModel::load(&arguments(&[])).unwrap();
    let values = values(400);
    for Expected { first, last, probabilities } in expected() {
        assert_near(
            &model.estimate(&values[first * WIDTH..last * WIDTH]).unwrap().probabilities,
            &probabilities,
        );
    }
}

#[test]
fn an_open_segment_is_judged_at_multiples_of_the_interval_and_once_whole() {
    let start = 7000;
    // 101 frames lie wholly within 1.025 s, so that the window of 1.025 s holds the last 100 of them.
    let (every, end) = (16_400, start + FRAME + 229 * HOP);
    let emotions = push(&mut stage(&["--every-ms", "1025"]), segment(3, start, end, 240));
    let scopes: Vec<Scope> = emotions.iter().map(|emotion| emotion.scope).collect();
    assert_eq!(scopes, [Scope::Window, Scope::Window, Scope::Segment]);
    let ranges: Vec<(u64, u64)> = emotions.iter().map(|emotion| (emotion.start, emotion.end)).collect();
    assert_eq!(ranges, [(start + HOP, start + every), (start + 103 * HOP, start + 2 * every), (start, end)]);
    for emotion in &emotions {
        assert_eq!((emotion.segment, emotion.modality.as_str()), (3, "voice"));
        assert_eq!(emotion.labels, LABELS);
        assert!(emotion.model.starts_with("test-cnn@") && emotion.model.len() == "test-cnn@".len() + 12);
        assert_eq!(emotion.reason, "");
    }
    assert_near(&emotions[2].probabilities, &expect(0, 230));
}

#[test]
fn windows_hold_the_last_frames_only() {
    let emotions = push(&mut stage(&["--every-ms", "1515"]), segment(0, 0, 40_000, 240));
    // 150 frames lie within 1.515 s; the model's window holds 100.
    assert_eq!((emotions[0].start, emotions[0].end), (50 * HOP, 24_240));
    assert_near(&emotions[0].probabilities, &expect(50, 150));
}

#[test]
fn frames_behind_the_end_are_hangover_and_not_judged() {
    let mut stage = stage(&[]);
    let end = FRAME + 49 * HOP;
    let inputs = [
        features(0, 0, end + 8000, Phase::Open, &values(99)),
        features(0, 0, end, Phase::Tentative, &[]),
        features(0, 0, end, Phase::Final, &[]),
    ];
    let emotions = push(&mut stage, inputs);
    let last = emotions.last().unwrap();
    assert_eq!((last.scope, last.start, last.end), (Scope::Segment, 0, end));
    assert_near(&last.probabilities, &expect(0, 50));
}

#[test]
fn a_segment_that_is_too_short_gets_an_empty_estimate_with_the_reason() {
    for (frames, empty) in [(0, true), (29, true), (30, false)] {
        let end = 1000 + FRAME + 29 * HOP - if frames == 30 { 0 } else { 1 };
        let mut stage = stage(&[]);
        let inputs = [
            features(0, 1000, 1000, Phase::Open, &[]),
            features(0, 1000, end, Phase::Final, &values(frames)),
        ];
        let emotions = push(&mut stage, inputs);
        assert_eq!(emotions.len(), 1);
        let emotion = &emotions[0];
        assert_eq!((emotion.scope, emotion.start, emotion.end), (Scope::Segment, 1000, end));
        assert_eq!(emotion.labels.is_empty() && emotion.probabilities.is_empty(), empty);
        let reason = format!("0.31 s is too short: it has {frames} frames, and the model needs 30");
        assert_eq!(emotion.reason, if empty { reason } else { String::new() });
    }
}

#[test]
fn frames_behind_the_end_do_not_make_a_short_segment_long() {
    let inputs = [
        features(0, 0, 12_000, Phase::Open, &values(49)),
        features(0, 0, FRAME + 28 * HOP, Phase::Final, &[]),
    ];
    let emotions = push(&mut stage(&[]), inputs);
    let last = emotions.last().unwrap();
    assert!(last.reason.contains("29 frames"), "{}", last.reason);
}

#[test]
fn a_cancelled_segment_is_dropped_and_the_next_begins_anew() {
    let mut stage = stage(&[]);
    let inputs = [
        features(0, 0, 4000, Phase::Open, &values(20)),
        features(0, 0, 4000, Phase::Cancelled, &values(200)),
    ];
    assert_eq!(push(&mut stage, inputs), []);
    let after = push(&mut stage, segment(1, 50_000, 60_000, 60));
    assert_eq!(after, push(&mut self::stage(&[]), segment(1, 50_000, 60_000, 60)));
}

#[test]
fn silence_says_nothing() {
    assert_eq!(push(&mut stage(&[]), [features(0, 16_000, 16_000, Phase::Silence, &[])]), []);
}

fn error(stage: &mut Acoustic, input: Features) -> AcousticError {
    stage.push(input, &mut Vec::new()).unwrap_err()
}

#[test]
fn features_of_another_width_or_hop_are_refused_with_both() {
    let narrow = Features { width: 2, ..features(5, 0, 400, Phase::Open, &values(1)) };
    let message = error(&mut stage(&[]), narrow).to_string();
    for part in ["segment 5", "2 values every 160 samples", "takes 4 values every 160 samples", "test-cnn@"] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    let sparse = Features { hop: 200, ..features(5, 0, 400, Phase::Open, &values(1)) };
    let message = error(&mut stage(&[]), sparse).to_string();
    assert!(message.contains("4 values every 200 samples"), "{message}");
}

#[test]
fn messages_out_of_order_are_refused() {
    let orphan = features(2, 0, 400, Phase::More, &[]);
    let message = error(&mut stage(&[]), orphan).to_string();
    assert!(message.contains("segment 2: `more` arrived while no segment is open"), "{message}");
    for (number, phase) in [(0, Phase::Open), (1, Phase::Open), (1, Phase::More), (1, Phase::Cancelled)] {
        let mut stage = stage(&[]);
        push(&mut stage, [features(0, 0, 400, Phase::Open, &[])]);
        let message = error(&mut stage, features(number, 0, 400, phase, &[])).to_string();
        assert!(message.contains("while segment 0 is open"), "{message}");
    }
}

#[test]
fn a_session_that_ends_inside_a_segment_is_an_error() {
    let mut stage = stage(&[]);
    push(&mut stage, [features(4, 0, 400, Phase::Open, &[])]);
    let message = stage.finish(&mut Vec::new()).unwrap_err().to_string();
    assert!(message.contains("inside segment 4"), "{message}");
    let mut stage = self::stage(&[]);
    push(&mut stage, segment(0, 0, 10_000, 60));
    stage.finish(&mut Vec::new()).unwrap();
}

#[test]
fn a_new_interval_counts_from_the_next_segment_on_and_the_model_stays() {
    let before = arguments(&["--every-ms", "500"]);
    let mut factory = AcousticFactory::load(&before).unwrap();
    let mut stage = factory.create(&before, &"session".into()).unwrap();
    let [open, more, last] = segment(0, 0, 31_000, 190);
    let ends = |emotions: &[Emotion]| emotions.iter().map(|emotion| emotion.end).collect::<Vec<_>>();
    let mut emotions = push(&mut stage, [open]);
    factory.adjust(&arguments(&["--every-ms", "1000"]), &mut stage).unwrap();
    emotions.extend(push(&mut stage, [more, last]));
    assert_eq!(ends(&emotions), [8000, 16_000, 24_000, 31_000]);
    assert_eq!(ends(&push(&mut stage, segment(1, 0, 31_000, 190))), [16_000, 31_000]);
    let message =
        factory.check(&arguments(&["--every-ms", "1000", "--threads", "2"])).unwrap_err().to_string();
    assert!(message.contains("--threads cannot be changed"), "{message}");
}

/// A copy of a test model with another configuration, without a manifest.
fn with_config(
    model: &str,
    change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>),
) -> tempfile::TempDir {
    let folder = tempfile::TempDir::new().unwrap();
    let text = fs::read_to_string(data().join("cnn/config.json")).unwrap();
    let mut config = serde_json::from_str(&text).unwrap();
    change(&mut config);
    fs::write(folder.path().join("config.json"), serde_json::to_string(&config).unwrap()).unwrap();
    fs::copy(data().join(model).join("model.onnx"), folder.path().join("model.onnx")).unwrap();
    folder
}

fn load_error(folder: &Path) -> String {
    let words = ["acoustic", "--model", folder.to_str().unwrap()];
    AcousticModel::load(&Arguments::try_parse_from(words).unwrap()).unwrap_err().to_string()
}

#[test]
fn a_configuration_that_does_not_fit_the_model_is_refused() {
    let cases: [(&str, serde_json::Value, &[&str]); 9] = [
        (
            "feature",
            serde_json::json!({"coefficients": 40, "hop_ms": 10}),
            &["f32[batch, frames, 4]", "f32[1, frames, 40]"],
        ),
        ("feature", serde_json::json!({"coefficients": 4, "hop_ms": 10.01}), &["feature.hop_ms", "10.01"]),
        ("feature", serde_json::Value::Null, &["no `feature`"]),
        ("id2label", serde_json::json!({"0": "a", "1": "b"}), &["f32[batch, 3]", "f32[1, 2]"]),
        ("minimum_frames", serde_json::json!(101), &["`minimum_frames` is 101", "`window_frames` 100"]),
        ("window_frames", serde_json::json!("many"), &["`window_frames`", "config.json"]),
        (
            "emotions",
            serde_json::json!({
                "labels": [{"label": "calm", "valence": 0.5, "arousal": -0.5}], "temperature": 1, "uniform_share": 1
            }),
            &["`emotions`", "`uniform_share` is 1"],
        ),
        (
            "emotions",
            serde_json::json!({
                "labels": [{"label": "calm", "valence": 0.5, "arousal": -0.5}], "temperature": 1
            }),
            &["`emotions` needs two labels"],
        ),
        (
            "problem_type",
            serde_json::json!("multi_label_classification"),
            &["multi_label_classification", "exclude each other"],
        ),
    ];
    for (field, value, expected) in cases {
        let folder = with_config("cnn", |config| {
            config.insert(field.to_owned(), value);
        });
        let message = load_error(folder.path());
        for part in expected {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
}

#[test]
fn outputs_beside_the_logits_are_checked() {
    let estimate = |emotions: &[&str], oddity: f32| {
        let label = |label| serde_json::json!({"label": label, "valence": 0.5, "arousal": -0.5});
        let labels: Vec<serde_json::Value> = emotions.iter().map(label).collect();
        let folder = with_config("detail", |config| {
            config.insert("emotions".to_owned(), serde_json::json!({"labels": labels, "temperature": 1}));
            config.insert("anomaly".to_owned(), serde_json::json!({"threshold": 2}));
        });
        let words = ["acoustic", "--model", folder.path().to_str().unwrap()];
        let mut model = AcousticModel::load(&Arguments::try_parse_from(words).unwrap()).unwrap();
        let frames = [oddity, 0.1, 0.2, 0.3].repeat(50);
        model.estimate(&frames).map(|estimate| estimate.detail).map_err(|error| error.to_string())
    };
    let detail = estimate(&["calm", "angry"], 3.0).unwrap();
    assert_eq!((detail.anomaly, detail.emotion_probabilities.len()), (Some(1.5), 2));
    assert_eq!(estimate(&["calm", "angry"], 0.0).unwrap().anomaly, Some(0.0));
    for oddity in [f32::NAN, f32::INFINITY, -1.0] {
        let message = estimate(&["calm", "angry"], oddity).unwrap_err();
        assert!(message.contains(&format!("output `anomaly` cannot be read: it is {oddity}")), "{message}");
    }
    let message = estimate(&["calm", "angry", "sad"], 0.0).unwrap_err();
    for part in ["output `emotions` cannot be read", "2 logits", "3 labels"] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn a_model_that_is_missing_is_named() {
    let message = load_error(Path::new("acoustic-cnn-that-nobody-made"));
    assert!(
        message.contains("acoustic-cnn-that-nobody-made") && message.contains("make models"),
        "{message}"
    );
}

/// A voice that glides: `seconds` of a buzz at `pitch` Hz, which rises by half, with noise on top.
fn buzz(seconds: f64, pitch: f64, amplitude: f64) -> Vec<f32> {
    let duration = (seconds * 16_000.0) as usize;
    (0..duration)
        .map(|sample| {
            let time = sample as f64 / 16_000.0;
            let phase = pitch * time * (1.0 + time / (4.0 * seconds));
            let noise = (sample * 7919 % 1000) as f64 / 1000.0 - 0.5;
            (amplitude * (phase.fract() - 0.5 + 0.1 * noise)) as f32
        })
        .collect()
}

/// A segment as the mfcc node makes it with its own defaults.
fn mfcc(samples: &[f32]) -> Vec<Features> {
    let config = undertone_mfcc::Config::default();
    let mut extractor = undertone_mfcc::Extractor::new(&config).unwrap();
    let end = samples.len() as u64;
    let mut message = |phase, samples: &[f32]| {
        let mut values = Vec::new();
        extractor.push(samples, &mut values);
        let (hop, width) = (config.hop as u32, extractor.width() as u32);
        let kind = config.kind();
        Features { segment: 0, start: 0, end, phase, kind, hop, width, values: values.into() }
    };
    let mut messages = vec![message(Phase::Open, &[])];
    messages.extend(samples.chunks(2048).map(|samples| message(Phase::More, samples)));
    messages.push(message(Phase::Final, &[]));
    messages
}

#[test]
fn the_default_model_takes_what_the_mfcc_node_makes_by_default() {
    let arguments = Arguments::try_parse_from(["acoustic"]).unwrap();
    let mut factory = AcousticFactory::load(&arguments).unwrap();
    let mut hear = |samples: &[f32]| {
        let mut stage = factory.create(&arguments, &"session".into()).unwrap();
        push(&mut stage, mfcc(samples))
    };
    let low = hear(&buzz(2.2, 90.0, 0.05));
    let scopes: Vec<(Scope, u64)> = low.iter().map(|emotion| (emotion.scope, emotion.end)).collect();
    let windows = [16_000, 24_000, 32_000].map(|end| (Scope::Window, end));
    assert_eq!(scopes[scopes.len() - 4..], [&windows[..], &[(Scope::Segment, 35_200)]].concat());
    for emotion in &low {
        assert_eq!(emotion.labels, LABELS);
        assert!((emotion.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(emotion.model.starts_with("acoustic-cnn@"), "{}", emotion.model);
    }
    // A loud, high voice is not like a soft, low one.
    let high = hear(&buzz(2.2, 300.0, 0.9));
    let [low, high] = [low, high].map(|heard| heard.last().unwrap().detail.emotion_probabilities.clone());
    let distance: f32 = low.iter().zip(&high).map(|(low, high)| (low - high).abs()).sum();
    assert!(distance > 0.1, "{low:?} {high:?}");
    assert!(hear(&buzz(0.3, 90.0, 0.05))[0].reason.contains("too short"));
    // White noise, in every window and as a whole.
    let noise: Vec<f32> = (0..35_200_u64).map(|n| (n * n * 7919 % 65_521) as f32 / 65_521.0 - 0.5).collect();
    for emotion in hear(&noise) {
        assert!(emotion.detail.anomaly.unwrap() > 1.0, "{emotion:?}");
    }
}

#[test]
fn features_of_another_kind_are_refused_with_both_although_they_are_as_wide() {
    let arguments = Arguments::try_parse_from(["acoustic"]).unwrap();
    let mut stage = AcousticFactory::load(&arguments).unwrap().create(&arguments, &"session".into()).unwrap();
    let librosa = mfcc(&buzz(0.3, 90.0, 0.05)).remove(0);
    let message = error(&mut stage, Features { kind: "mfcc librosa".to_owned(), ..librosa }).to_string();
    for part in
        ["segment 0", "`mfcc librosa` arrived", "acoustic-cnn@", "trained on `mfcc kaldi`", "--preset"]
    {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

/// A model of one's own, whose `config.json` says by its fields what differs from the preset.
#[test]
fn an_own_model_takes_the_rows_that_its_fields_describe() {
    let kind = |words: &[&str]| {
        let words = ["mfcc"].iter().chain(words);
        undertone_mfcc::Arguments::try_parse_from(words).unwrap().config().unwrap().kind()
    };
    let hear = |feature: &serde_json::Value, kind: &str| {
        let folder = with_config("cnn", |config| {
            config.insert("feature".to_owned(), feature.clone());
        });
        let words = ["acoustic", "--model", folder.path().to_str().unwrap()];
        let arguments = Arguments::try_parse_from(words).unwrap();
        let mut stage =
            AcousticFactory::load(&arguments).unwrap().create(&arguments, &"session".into()).unwrap();
        let rows = Features { kind: kind.to_owned(), ..features(0, 0, 400, Phase::Open, &values(1)) };
        stage.push(rows, &mut Vec::new()).map_err(|error| error.to_string())
    };
    let feature = |preset: &str, coefficients: u32, deltas: u32, frame_ms: u32| {
        serde_json::json!({
            "preset": preset, "coefficients": coefficients, "deltas": deltas, "hop_ms": 10, "frame_ms": frame_ms
        })
    };
    for (feature, words) in [
        (feature("kaldi", 4, 0, 25), &["--coefficients", "4"][..]),
        (feature("htk", 2, 1, 25), &["--preset", "htk", "--coefficients", "2", "--deltas", "1"]),
        (feature("librosa", 4, 0, 32), &["--preset", "librosa", "--coefficients", "4", "--frame-ms", "32"]),
    ] {
        hear(&feature, &kind(words)).unwrap();
        hear(&feature, &kind(&[words, &["--lifter", "12"]].concat())).unwrap_err();
    }
    // What the fields cannot say is said as the error asks for it.
    let other = kind(&["--coefficients", "4", "--energy", "true"]);
    let message = hear(&feature("kaldi", 4, 0, 25), &other).unwrap_err();
    assert!(message.contains("trained on `mfcc kaldi coefficients=4`"), "{message}");
    let (_, asked) = message.split_once("\"preset\": \"").unwrap();
    let (preset, _) = asked.split_once('"').unwrap();
    hear(&feature(preset, 4, 0, 25), &other).unwrap();
}

/// Cuts the features into messages at `cuts`; the phases stay open, more, final.
fn cut(frames: usize, end: u64, cuts: &[usize]) -> Vec<Features> {
    let values = values(frames);
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (frames + 1)).collect();
    cuts.sort_unstable();
    let mut first = 0;
    let mut messages = Vec::new();
    for cut in cuts {
        let phase = if messages.is_empty() { Phase::Open } else { Phase::More };
        let piece = &values[first * WIDTH..cut * WIDTH];
        messages.push(features(9, 320, FRAME + HOP * cut as u64, phase, piece));
        first = cut;
    }
    messages.push(features(9, 320, end, Phase::Final, &values[first * WIDTH..]));
    messages
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn how_features_are_cut_into_messages_does_not_change_a_bit(
        frames in 0usize..400, hangover in 0u64..8000, every in 100u32..1500,
        cuts in prop::collection::vec(0usize..400, 1..12), others in prop::collection::vec(0usize..400, 1..12),
    ) {
        let end = (320 + FRAME + HOP * frames as u64).saturating_sub(hangover).max(320);
        let every = every.to_string();
        let emotions = push(&mut stage(&["--every-ms", &every]), cut(frames, end, &cuts));
        prop_assert_eq!(&emotions, &push(&mut stage(&["--every-ms", &every]), cut(frames, end, &others)));
        let (last, windows) = emotions.split_last().unwrap();
        prop_assert_eq!((last.scope, last.start, last.end), (Scope::Segment, 320, end));
        for window in windows {
            prop_assert_eq!(window.scope, Scope::Window);
            prop_assert!((window.end - 320).is_multiple_of(16 * every.parse::<u64>().unwrap()));
            prop_assert!((window.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }
}
