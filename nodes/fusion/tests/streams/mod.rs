//! Streams as vad, acoustic, asr and text send them, to build tests from.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Parser;
use serde_json::{Value, json};
use undertone_fusion::{
    Arguments, Config, Emotion, Fusion, FusionError, Inputs, Model, Output, Speech, Transcript,
};
use undertone_messages::{Detail, Phase, ScalarBuffer, Scope, Sentiment, TranscriptStatus, Watermark};
use undertone_stage::Join;

pub const LABELS: [&str; 3] = ["negative", "neutral", "positive"];

/// What happens on an input.
#[derive(Clone, Debug)]
pub enum Step {
    Speech(Speech),
    Emotion(Emotion),
    Transcript(Transcript),
    End,
    Lost,
    GivenUp,
}

/// What was sent on each output; `None` is the end of its stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sent {
    pub provisional: Vec<Option<Sentiment>>,
    pub sentiment: Vec<Option<Sentiment>>,
    pub watermark: Vec<Option<u64>>,
}

impl Sent {
    pub fn new(output: Vec<Output>) -> Self {
        let mut sent = Self::default();
        for output in output {
            match output {
                Output::Provisional(body) => sent.provisional.push(body),
                Output::Sentiment(body) => sent.sentiment.push(body),
                Output::Watermark(body) => {
                    sent.watermark.push(body.map(|Watermark { position }| position));
                }
            }
        }
        sent
    }

    /// The segments that have a final result, in order.
    pub fn finals(&self) -> Vec<u64> {
        self.sentiment.iter().flatten().map(|result| result.segment).collect()
    }
}

pub fn config(inputs: &[&str], words: &[&str]) -> Config {
    let arguments = Arguments::try_parse_from(["fusion"].iter().chain(words)).unwrap();
    Config::new(&arguments, Inputs::new(inputs.iter().copied()).unwrap(), None).unwrap()
}

/// A fit with equal quantiles of confidence, from 0.5 to 1, and the same bias for all weightings.
pub fn fit(models: &[&str], weights: Value, bias: [f64; 3], temperature: f64) -> Value {
    let confidence = json!([0.5, 0.75, 1.0]);
    let scaling = json!({"temperature": temperature, "bias": bias, "confidence": confidence});
    json!({
        "models": models,
        "learned": {"weights": weights, "bias": bias, "confidence": confidence},
        "fixed": scaling,
        "entropy": scaling,
    })
}

/// A configuration with a model of fusion, whose name is `fusion`.
pub fn config_with_model(
    inputs: &[&str],
    fits: &[Value],
    labels: [&str; 3],
    words: &[&str],
) -> Result<Config, FusionError> {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("fusion");
    std::fs::create_dir(&folder).unwrap();
    let model = json!({"labels": labels, "fits": fits}).to_string();
    std::fs::write(folder.join("config.json"), model).unwrap();
    let model = Model::load(&folder).unwrap();
    let arguments = Arguments::try_parse_from(["fusion"].iter().chain(words)).unwrap();
    Config::new(&arguments, Inputs::new(inputs.iter().copied()).unwrap(), Some(Arc::new(model)))
}

pub fn apply(
    fusion: &mut Fusion,
    input: &str,
    step: Step,
    output: &mut Vec<Output>,
) -> Result<(), FusionError> {
    match step {
        Step::Speech(speech) => fusion.speech(&speech, output),
        Step::Emotion(emotion) => fusion.emotion(input, emotion, output),
        Step::Transcript(transcript) => fusion.transcript(transcript, output),
        Step::End => fusion.end(input, output),
        Step::Lost => fusion.lose(input, output),
        Step::GivenUp => fusion.give_up(input, output),
    }
}

/// Feeds steps in the order given.
pub fn run<'a>(
    config: &Config,
    steps: impl IntoIterator<Item = (&'a str, Step)>,
) -> Result<Sent, FusionError> {
    let mut fusion = Fusion::begin(config);
    let mut output = Vec::new();
    for (input, step) in steps {
        apply(&mut fusion, input, step, &mut output)?;
    }
    Ok(Sent::new(output))
}

/// All steps of all streams, in an order that `choices` decides: each picks among the streams that are not empty.
/// Without choices, one stream after the other.
pub fn interleave<'a>(
    streams: &BTreeMap<&'a str, Vec<Step>>,
    choices: impl IntoIterator<Item = usize>,
) -> Vec<(&'a str, Step)> {
    let mut left: Vec<_> = streams.iter().map(|(input, steps)| (*input, steps.iter())).collect();
    let mut choices = choices.into_iter();
    let mut order = Vec::new();
    while !left.is_empty() {
        let index = choices.next().unwrap_or(0) % left.len();
        let (input, steps) = &mut left[index];
        match steps.next() {
            Some(step) => order.push((*input, step.clone())),
            None => drop(left.remove(index)),
        }
    }
    order
}

pub fn speech(phase: Phase, segment: u64, start: u64, end: u64) -> Step {
    let samples = ScalarBuffer::from(vec![0.0; 4]);
    Step::Speech(Speech { segment, start, end, phase, samples, probability: 0.9 })
}

/// A whole segment of the ledger.
pub fn segment(number: u64, start: u64, end: u64) -> Vec<Step> {
    vec![speech(Phase::Open, number, start, end), speech(Phase::Final, number, start, end)]
}

pub fn emotion(modality: &str, scope: Scope, segment: u64, probabilities: &[f32]) -> Emotion {
    Emotion {
        segment,
        start: 0,
        end: 1,
        modality: modality.to_owned(),
        scope,
        labels: LABELS.iter().take(probabilities.len()).map(|label| (*label).to_owned()).collect(),
        probabilities: probabilities.to_vec(),
        model: format!("{modality}-model@0123456789ab"),
        reason: if probabilities.is_empty() { "too short".to_owned() } else { String::new() },
        detail: Detail::default(),
    }
}

/// The voice's closing message.
pub fn voice(segment: u64, probabilities: &[f32]) -> Step {
    Step::Emotion(emotion("voice", Scope::Segment, segment, probabilities))
}

/// The text's closing message.
pub fn text(segment: u64, probabilities: &[f32]) -> Step {
    Step::Emotion(emotion("text", Scope::Segment, segment, probabilities))
}

pub fn transcript(segment: u64, status: TranscriptStatus, text: &str) -> Step {
    let rejected = status == TranscriptStatus::Rejected;
    Step::Transcript(Transcript {
        segment,
        start: 0,
        end: 1,
        text: text.to_owned(),
        words: Vec::new(),
        stable: 0,
        average_log_probability: -0.2,
        no_speech_probability: 0.1,
        language: "en".to_owned(),
        status,
        reason: if rejected { "nobody speaks".to_owned() } else { String::new() },
        model: "whisper@0123456789ab".to_owned(),
        degraded: String::new(),
    })
}
