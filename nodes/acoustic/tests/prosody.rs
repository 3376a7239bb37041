//! A model on rows of the prosody node: it hears that node's rows, and no others that are as wide.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its functions as well")]

use std::path::Path;

use clap::Parser;
use undertone_acoustic::{Acoustic, AcousticFactory, Arguments};
use undertone_messages::{Emotion, Features, Scope, Speech};
use undertone_prosody::{COLUMNS, Config, Output, Prosody};
use undertone_stage::{Factory, Stage};

fn acoustic() -> Acoustic {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/prosody");
    let arguments = Arguments::try_parse_from(["acoustic", "--model", model.to_str().unwrap()]).unwrap();
    AcousticFactory::load(&arguments).unwrap().create(&arguments, &"session".into()).unwrap()
}

/// What the prosody node, with these arguments, makes of a voice of a second.
fn features(hertz: f32, arguments: &str) -> Vec<Features> {
    let words = std::iter::once("prosody").chain(arguments.split_whitespace());
    let config = Config::new(&undertone_prosody::Arguments::parse_from(words)).unwrap();
    let voice = (0..16_000).map(|n| 0.3 * (-6.0 * (n as f32 * hertz / 16_000.0).fract()).exp());
    let (mut prosody, mut output) = (Prosody::new(config, false), Vec::new());
    for speech in Speech::whole(voice.collect()) {
        prosody.speech(&speech, &mut output).unwrap();
    }
    let features = |output| if let Output::Features(features) = output { features } else { None };
    output.into_iter().filter_map(features).collect()
}

fn push(features: Vec<Features>) -> Result<Vec<Emotion>, String> {
    let (mut stage, mut emotions) = (acoustic(), Vec::new());
    features
        .into_iter()
        .try_for_each(|features| stage.push(features, &mut emotions).map_err(|error| error.to_string()))?;
    Ok(emotions)
}

#[test]
fn a_model_hears_the_rows_of_the_prosody_node() {
    for (hertz, high) in [(110.0, false), (330.0, true)] {
        let features = features(hertz, "");
        let rows: Vec<f32> = features.iter().flat_map(|features| features.values.to_vec()).collect();
        let mean = |column: usize| {
            let values = rows.iter().skip(column).step_by(COLUMNS.len());
            values.sum::<f32>() * COLUMNS.len() as f32 / rows.len() as f32
        };
        // As in `make_prosody.py`.
        let expected = 1.0 / (1.0 + (6.0 - 0.02 * mean(0) - 2.0 * mean(1)).exp());

        let emotions = push(features).unwrap();
        let last = emotions.last().unwrap();
        assert_eq!((last.scope, last.reason.as_str()), (Scope::Segment, ""));
        assert!(last.model.starts_with("test-prosody@"), "{last:?}");
        let [_, probability] = last.probabilities[..] else { unreachable!() };
        assert!((probability - expected).abs() < 1e-4, "{probability}, not {expected}");
        assert_eq!(probability > 0.5, high, "{hertz} Hz: {last:?}");
    }
}

#[test]
fn rows_of_another_kind_are_refused() {
    let message = push(features(110.0, "--f0-max 400")).unwrap_err();
    for part in [
        "`prosody f0_max=400` arrived",
        "trained on `prosody`: wire the prosody node",
        "write \"preset\": \"prosody f0_max=400\"",
    ] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    let mfcc = |mut features: Features| {
        features.kind = "mfcc kaldi coefficients=10".to_owned();
        features
    };
    let message = push(features(110.0, "").into_iter().map(mfcc).collect()).unwrap_err();
    assert!(message.contains("wire the prosody node"), "{message}");
    assert!(!message.contains("mfcc node"), "{message}");
}
