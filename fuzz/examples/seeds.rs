//! Writes what the fuzzer begins with: a topic's file of each kind, and a manifest.
//!
//! cargo run --example seeds -- FOLDER

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::StructArray;
use undertone_messages::{
    AudioFrame, Body, Message, Phase, Profile, Scope, Sentiment, SentimentStatus, Speech, Statistics,
    Transcript, TranscriptStatus, Watermark, Weighting, Word,
};
use undertone_recording::{Content, Dataflow, Recorder};

fn message<B: Body>(seq: u64, body: Option<B>) -> StructArray {
    Message { session: "s".into(), seq, body }.encode().expect("it is a message")
}

fn messages() -> Vec<(&'static str, StructArray)> {
    let samples = || (0..24).map(|sample| sample as f32 / 32.0).collect::<Vec<_>>();
    let word = |text: &str| Word { text: text.to_owned(), start: 1, end: 2, probability: 0.5 };
    let audio = AudioFrame { start: 3, sample_rate: 16_000, samples: samples().into(), gap: 0 };
    let speech = Speech {
        segment: 1,
        start: 2,
        end: 3,
        phase: Phase::Open,
        samples: samples().into(),
        probability: 0.5,
    };
    let transcript = Transcript {
        segment: 1,
        start: 2,
        end: 3,
        text: "fellow Americans".to_owned(),
        words: vec![word("fellow"), word("Americans")],
        stable: 2,
        average_log_probability: -0.5,
        no_speech_probability: 0.25,
        language: "en".to_owned(),
        status: TranscriptStatus::Final,
        reason: String::new(),
        model: "model".to_owned(),
        degraded: String::new(),
    };
    let sentiment = Sentiment {
        segment: 1,
        start: 2,
        end: 3,
        status: SentimentStatus::Final,
        profile: Profile::Both,
        labels: vec!["negative".to_owned(), "positive".to_owned()],
        probabilities: vec![0.25, 0.75],
        weighting: Weighting::Learned,
        model: "model".to_owned(),
        contributions: Vec::new(),
        bias: vec![-0.5, 0.5],
        temperature: 1.0,
        score: 0.5,
        confidence: 0.75,
        abstained: false,
        anomaly: true,
        text: "fellow Americans".to_owned(),
        degraded: String::new(),
    };
    let statistics = Statistics {
        segment: 1,
        start: 2,
        end: 3,
        scope: Scope::Segment,
        names: vec!["f0_mean".to_owned(), "energy_mean".to_owned()],
        values: vec![f32::NAN, -20.0],
        reason: "the transcript was rejected".to_owned(),
    };
    vec![
        ("source/audio", message(0, Some(audio))),
        ("vad/speech", message(0, Some(speech))),
        ("asr/transcript", message(0, Some(transcript))),
        ("fusion/sentiment", message(0, Some(sentiment))),
        ("prosody/statistics", message(0, Some(statistics))),
        ("fusion/watermark", message(0, Some(Watermark { position: 7 }))),
        ("source/audio", message::<AudioFrame>(1, None)),
        ("vad/speech", message::<Speech>(1, None)),
        ("asr/transcript", message::<Transcript>(1, None)),
        ("fusion/sentiment", message::<Sentiment>(1, None)),
        ("prosody/statistics", message::<Statistics>(1, None)),
        ("fusion/watermark", message::<Watermark>(1, None)),
    ]
}

/// Records the messages twice, and copies what that leaves: unfinished files, and then whole ones.
fn seeds(content: Content, into: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let folder = into.join("recording");
    let topics: BTreeMap<String, Content> =
        messages().into_iter().map(|(topic, _)| (topic.to_owned(), content)).collect();
    let dataflow = Dataflow::new("nodes: []".to_owned());
    let mut recorder = Recorder::create(&folder, true, &topics, Some(dataflow))?;
    for (topic, message) in messages() {
        recorder.write(topic, &message)?;
    }
    recorder.flush()?;
    let copy = |from: PathBuf, name: String| fs::copy(from, into.join(name.replace('/', "-")));
    for topic in topics.keys() {
        copy(folder.join(format!("{topic}.arrows")), format!("{topic}-{content:?}.arrows"))?;
    }
    recorder.finish()?;
    for topic in topics.keys() {
        copy(folder.join(format!("{topic}.arrow")), format!("{topic}-{content:?}.arrow"))?;
    }
    copy(folder.join("manifest.json"), format!("{content:?}.json"))?;
    fs::remove_dir_all(folder)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("which folder?")?);
    seeds(Content::Messages, &folder)?;
    seeds(Content::Digests, &folder)
}
