//! Recordings are read by what researchers use: each topic in one line of pyarrow, polars and pandas.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod session;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use session::{Sent, record, record_unfinished};
use undertone_recording::{Content, message_digest};

/// The columns of each topic of [`session::session`], written out: what Python is to find, less the ends of streams.
fn expected(name: &str) -> Value {
    let samples: Vec<f32> = (0..16).map(|index| 0.5 + index as f32 / 32.0).collect();
    let labels = json!(["negative", "neutral", "positive"]);
    let probabilities = json!([0.5, 0.25, 0.25]);
    let model = "model@0123456789ab";
    let text = "and so my fellow Americans";
    let word = |text: &str, start: u64, probability: f64| json!({"text": text, "start": start, "end": start + 80, "probability": probability});
    let emotions = ["calm", "angry"];
    let contribution = |modality: &str, weight: f64| {
        json!({
            "modality": modality, "model": model, "weight": weight, "weights": [weight, -0.5, 0.5],
            "probabilities": probabilities, "end": 1824, "reason": "", "emotions": emotions, "emotion_probabilities": [0.25, 0.75], "valence": -0.5, "arousal": null,
            "anomaly": 0.5,
        })
    };
    match name {
        "source/audio" => json!({"start": 800, "sample_rate": 16_000, "samples": samples, "gap": 0}),
        "vad/speech" => json!({
            "segment": 5, "start": 800, "end": 1824, "phase": "open", "samples": samples, "probability": 0.5,
        }),
        "mfcc/features" => json!({
            "segment": 5, "start": 800, "end": 1824, "phase": "more", "kind": "mfcc kaldi", "hop": 160, "width": 4, "values": samples,
        }),
        "acoustic/emotion" => json!({
            "segment": 5, "start": 800, "end": 1824, "modality": "voice", "scope": "segment", "labels": labels,
            "probabilities": probabilities, "model": model, "reason": "", "emotions": emotions,
            "emotion_probabilities": [0.25, 0.75], "valence": -0.5, "arousal": null, "anomaly": 0.5,
        }),
        "asr/transcript" => json!({
            "segment": 5, "start": 800, "end": 1824, "text": text,
            "words": [
                word("and", 800, 0.875), word("so", 900, 0.5), word("my", 1000, 0.5), word("fellow", 1100, 0.25),
                word("Americans", 1200, 1.0),
            ],
            "stable": 5, "average_log_probability": -0.25, "no_speech_probability": 0.125, "language": "en",
            "status": "final", "reason": "", "model": model, "degraded": "",
        }),
        "fusion/sentiment" => json!({
            "segment": 5, "start": 800, "end": 1824, "status": "final", "profile": "both", "labels": labels,
            "probabilities": probabilities, "weighting": "learned", "model": model,
            "contributions": [contribution("text", 0.25), contribution("voice", 0.75)],
            "bias": [-0.5, 0.0, 0.5], "temperature": 1.0, "score": 0.5, "confidence": 0.75, "abstained": false, "anomaly": true, "text": text,
            "degraded": "",
        }),
        "fusion/watermark" => json!({"position": 1824}),
        _ => unreachable!("{name}"),
    }
}

#[test]
fn a_recording_is_read_in_python() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join(".venv/bin/python");
    assert!(python.exists(), "there is no {}: run `make setup`", python.display());
    let folder = tempfile::tempdir().unwrap();
    let messages: Vec<Sent> = session::session("s", 5);
    let whole = record(&folder.path().join("whole"), &messages, Content::Messages);
    record(&folder.path().join("digests"), &messages, Content::Digests);
    drop(record_unfinished(&folder.path().join("unfinished"), &messages, Content::Messages));

    let topics = whole.topics.keys().map(|name| {
        let of_topic = messages.iter().filter(|(topic, _)| topic == name).map(|(_, message)| message);
        let digests = of_topic.map(|message| message_digest(message, &mut Vec::new()).unwrap().to_string());
        let mut columns =
            vec![json!(["session", ["s", "s"]]), json!(["seq", [0, 1]]), json!(["last", [false, true]])];
        let body = expected(name);
        let first = messages.iter().find(|(topic, _)| topic == name).unwrap();
        // The end of a stream has no value in the columns of its body.
        let names = first.1.column_names().into_iter().skip(3);
        columns.extend(names.map(|column| json!([column, [body[column], null]])));
        (name.clone(), json!({"columns": columns, "digests": digests.collect::<Vec<_>>()}))
    });
    let expected = Value::Object(topics.collect());
    std::fs::write(folder.path().join("expected.json"), expected.to_string()).unwrap();

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read_recordings.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "7 topics");
}
