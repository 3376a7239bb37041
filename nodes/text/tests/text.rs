//! The stage on a small DistilBERT-shaped model with random weights, and on the model that comes with Undertone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its functions as well")]

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde::Deserialize;
use undertone_messages::{Emotion, Scope, Transcript, TranscriptStatus};
use undertone_stage::{Factory, Stage};
use undertone_text::{Arguments, Text, TextFactory, TextModel};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn arguments(model: &Path, more: &[&str]) -> Arguments {
    let words = ["text", "--model", model.to_str().unwrap()];
    Arguments::try_parse_from(words.iter().chain(more)).unwrap()
}

fn tiny(more: &[&str]) -> Arguments {
    arguments(&data().join("tiny-distilbert"), more)
}

fn stage(arguments: &Arguments) -> Text {
    TextFactory::load(arguments).unwrap().create(arguments, &"session".into()).unwrap()
}

fn transcript(segment: u64, text: &str, status: TranscriptStatus, reason: &str) -> Transcript {
    Transcript {
        segment,
        start: 1600 * segment,
        end: 1600 * segment + 1000,
        text: text.to_owned(),
        words: Vec::new(),
        stable: 0,
        average_log_probability: -0.1,
        no_speech_probability: 0.0,
        language: "en".to_owned(),
        status,
        reason: reason.to_owned(),
        model: "recogniser@0123456789ab".to_owned(),
        degraded: String::new(),
    }
}

fn push(stage: &mut Text, transcript: Transcript) -> Vec<Emotion> {
    let mut output = Vec::new();
    stage.push(transcript, &mut output).unwrap();
    output
}

fn assert_near(actual: &[f32], expected: &[f32]) {
    let near = |(actual, expected): (&f32, &f32)| (actual - expected).abs() < 1e-5;
    assert!(
        actual.len() == expected.len() && actual.iter().zip(expected).all(near),
        "{actual:?}, not {expected:?}"
    );
}

#[derive(Deserialize)]
struct Expected {
    text: String,
    probabilities: Vec<f32>,
}

fn expected() -> Vec<Expected> {
    serde_json::from_str(&fs::read_to_string(data().join("expected.json")).unwrap()).unwrap()
}

#[test]
fn probabilities_are_those_of_the_model_at_any_length() {
    let mut model = TextModel::load(&tiny(&[])).unwrap();
    let expected = expected();
    for Expected { text, probabilities } in &expected {
        assert_near(&model.probabilities(text).unwrap().unwrap(), probabilities);
    }
    // The one word that does not fit into the first window counts.
    assert!((expected[3].probabilities[0] - expected[4].probabilities[0]).abs() > 1e-4);
}

#[test]
fn the_end_of_a_long_text_is_read_too() {
    let mut model = TextModel::load(&tiny(&[])).unwrap();
    let long = "happy day with you my friend ".repeat(40);
    let alone = model.probabilities(&long).unwrap().unwrap();
    let with_end =
        model.probabilities(&(long + &"they hate this terrible door ".repeat(5))).unwrap().unwrap();
    assert!((alone[0] - with_end[0]).abs() > 1e-4, "{alone:?} {with_end:?}");
}

#[test]
fn a_final_transcript_gets_one_estimate() {
    let emotions =
        push(&mut stage(&tiny(&[])), transcript(7, "I am so happy to see you.", TranscriptStatus::Final, ""));
    let [emotion] = emotions.try_into().unwrap();
    assert_eq!((emotion.segment, emotion.start, emotion.end), (7, 11_200, 12_200));
    assert_eq!((emotion.modality.as_str(), emotion.scope), ("text", Scope::Segment));
    assert_eq!(emotion.labels, ["NEGATIVE", "POSITIVE"]);
    assert!(emotion.model.starts_with("tiny-distilbert@"), "{}", emotion.model);
    assert_eq!(emotion.reason, "");
    assert_near(&emotion.probabilities, &expected()[0].probabilities);
}

#[test]
fn a_rejected_transcript_and_one_without_words_get_an_empty_estimate_with_the_reason() {
    let mut stage = stage(&tiny(&["--partials"]));
    let cases = [
        ("I am so happy", TranscriptStatus::Rejected, "transcript rejected: words repeat", Scope::Segment),
        ("", TranscriptStatus::Final, "the transcript has no words", Scope::Segment),
        (" \n\t", TranscriptStatus::Final, "the transcript has no words", Scope::Segment),
        ("", TranscriptStatus::Partial, "the transcript has no words", Scope::Window),
    ];
    for (text, status, reason, scope) in cases {
        let [emotion] = push(&mut stage, transcript(2, text, status, "words repeat")).try_into().unwrap();
        assert_eq!((emotion.segment, emotion.start, emotion.end, emotion.scope), (2, 3200, 4200, scope));
        assert!(emotion.labels.is_empty() && emotion.probabilities.is_empty());
        assert_eq!(emotion.reason, reason);
    }
}

#[test]
fn partial_transcripts_are_read_only_if_asked_for() {
    let partial = || transcript(0, "terrible day", TranscriptStatus::Partial, "");
    let without = tiny(&[]);
    let mut factory = TextFactory::load(&without).unwrap();
    let mut stage = factory.create(&without, &"session".into()).unwrap();
    assert_eq!(push(&mut stage, partial()), []);
    factory.adjust(&tiny(&["--partials"]), &mut stage).unwrap();
    let [emotion] = push(&mut stage, partial()).try_into().unwrap();
    assert_eq!(emotion.scope, Scope::Window);
    assert_near(&emotion.probabilities, &expected()[1].probabilities);
    let message = factory.check(&tiny(&["--partials", "--threads", "2"])).unwrap_err().to_string();
    assert!(message.contains("--threads cannot be changed"), "{message}");
}

#[test]
fn a_control_token_that_is_spoken_is_text() {
    let mut model = TextModel::load(&tiny(&[])).unwrap();
    let control = model.probabilities("good [SEP] bad").unwrap().unwrap();
    // Without the tokens of `[SEP]`, its three letters in brackets are words like others.
    let letters = model.probabilities("good [ sep ] bad").unwrap().unwrap();
    assert_eq!(control, letters);
}

/// A copy of the small model in which the text of a file is replaced.
fn changed(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    let folder = tempfile::TempDir::new().unwrap();
    for name in ["model.onnx", "config.json", "tokenizer.json"] {
        fs::copy(data().join("tiny-distilbert").join(name), folder.path().join(name)).unwrap();
    }
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(path, text.replace(from, to)).unwrap();
    folder
}

fn load_error(folder: &Path) -> String {
    TextModel::load(&arguments(folder, &[])).err().unwrap().to_string()
}

#[test]
fn a_folder_that_does_not_fit_the_model_is_refused() {
    let cases: [(&str, &str, &str, &[&str]); 5] = [
        (
            "config.json",
            r#""1": "POSITIVE""#,
            r#""1": "POSITIVE", "2": "NEUTRAL""#,
            &["id2label", "label2id"],
        ),
        (
            "config.json",
            r#""max_position_embeddings": 64"#,
            r#""room": 64"#,
            &["no `max_position_embeddings`"],
        ),
        (
            "config.json",
            r#""max_position_embeddings": 64"#,
            r#""max_position_embeddings": 2"#,
            &["2 tokens", "adds 2"],
        ),
        (
            "config.json",
            r#""vocab_size""#,
            r#""problem_type": "multi_label_classification", "vocab_size""#,
            &["multi_label_classification", "exclude each other"],
        ),
        ("tokenizer.json", "WordPiece", "WordPieces", &["tokenizer.json is not a tokenizer"]),
    ];
    for (file, from, to, expected) in cases {
        let folder = changed(file, from, to);
        let message = load_error(folder.path());
        for part in expected {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
    let folder = changed("config.json", "id2label", "no-labels");
    fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
    assert!(load_error(folder.path()).contains("no file tokenizer.json"));
}

#[test]
fn labels_that_are_too_many_for_the_model_are_refused() {
    let folder = changed("config.json", r#""label2id""#, r#""unused""#);
    let config = fs::read_to_string(folder.path().join("config.json")).unwrap();
    let config = config.replace(r#""1": "POSITIVE""#, r#""1": "POSITIVE", "2": "NEUTRAL""#);
    fs::write(folder.path().join("config.json"), config).unwrap();
    let message = load_error(folder.path());
    assert!(message.contains("f32[batch, 2]") && message.contains("f32[1, 3]"), "{message}");
}

#[test]
fn the_temperature_of_the_config_is_used() {
    let folder = changed("config.json", r#""vocab_size""#, r#""temperature": 1000, "vocab_size""#);
    let mut model = TextModel::load(&arguments(folder.path(), &[])).unwrap();
    let probabilities = model.probabilities("terrible day").unwrap().unwrap();
    assert!((probabilities[0] - 0.5).abs() < 0.01, "{probabilities:?}");
    assert!((expected()[1].probabilities[0] - 0.5).abs() > 0.01);
}

#[test]
fn what_counts_positions_from_padding_has_room_for_fewer_tokens() {
    for kind in ["roberta", "mpnet"] {
        let folder = changed("config.json", r#""distilbert""#, &format!(r#""{kind}", "pad_token_id": 61"#));
        // 64 positions less 62 leave room for the two special tokens alone.
        assert!(load_error(folder.path()).contains("room for 2 tokens"));
    }
}

#[test]
fn the_default_model_reads_what_was_meant() {
    let arguments = Arguments::try_parse_from(["text"]).unwrap();
    let mut stage = stage(&arguments);
    let cases = [
        ("I am so happy that you came, thank you!", "positive"),
        ("This is terrible, I hate it.", "negative"),
        ("The train leaves at five.", "neutral"),
    ];
    for (text, label) in cases {
        let [emotion] =
            push(&mut stage, transcript(0, text, TranscriptStatus::Final, "")).try_into().unwrap();
        assert_eq!(emotion.labels, ["negative", "neutral", "positive"]);
        let (likeliest, _) = emotion
            .labels
            .iter()
            .zip(&emotion.probabilities)
            .max_by(|(_, one), (_, other)| one.total_cmp(other))
            .unwrap();
        assert_eq!(likeliest, label, "{text}: {:?}", emotion.probabilities);
    }
}

#[test]
fn the_default_model_reads_beyond_its_512_tokens() {
    let mut model = TextModel::load(&Arguments::try_parse_from(["text"]).unwrap()).unwrap();
    let praise = "I love this so much, it is wonderful. ".repeat(60);
    let complaint = "I hate this so much, it is terrible. ".repeat(60);
    let positive = |probabilities: Option<Vec<f32>>| probabilities.unwrap()[2];
    let alone = positive(model.probabilities(&praise).unwrap());
    let both = positive(model.probabilities(&(praise + &complaint)).unwrap());
    // Cut off after 512 tokens, the two texts would be one and the same.
    assert!(both < alone - 0.2, "{alone} {both}");
}
