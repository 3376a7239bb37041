//! What is written, compared with what it should look like, and what happens when it cannot be written.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it must be"
)]

use std::fs;
use std::io::{self, Write};
use std::sync::Arc;

use clap::Parser;
use proptest::prelude::*;
use undertone_messages::{
    Contribution, Detail, Message, Profile, Scope, Sentiment, SentimentStatus, Statistics, Transcript,
    TranscriptStatus, Weighting, Word,
};
use undertone_node::Wire;
use undertone_sink::{
    Account, Arguments, Input, Latency, Sink, SinkError, StageLatency, pretty, record, words_so_far,
};

/// What a voice tells beside its label.
fn detail() -> Detail {
    Detail {
        emotions: ["sad", "happy"].map(str::to_owned).to_vec(),
        emotion_probabilities: vec![0.25, 0.75],
        valence: Some(0.45),
        arousal: Some(-0.1),
        anomaly: Some(0.02),
    }
}

fn contribution(modality: &str, weight: f32, probabilities: &[f32], reason: &str) -> Contribution {
    Contribution {
        modality: modality.to_owned(),
        model: format!("{modality}-model@0123456789ab"),
        weight,
        weights: vec![weight; probabilities.len()],
        probabilities: probabilities.to_vec(),
        end: 241_600,
        reason: reason.to_owned(),
        detail: if modality == "voice" && !probabilities.is_empty() { detail() } else { Detail::default() },
    }
}

/// What fusion gives for a segment with all its modalities.
fn both() -> Sentiment {
    Sentiment {
        segment: 4,
        start: 197_440,
        end: 241_600,
        status: SentimentStatus::Final,
        profile: Profile::Both,
        labels: ["negative", "neutral", "positive"].map(str::to_owned).to_vec(),
        probabilities: vec![0.083_65, 0.171_95, 0.744_4],
        weighting: Weighting::Fixed,
        model: String::new(),
        contributions: vec![
            contribution("text", 0.65, &[0.021, 0.103, 0.876], ""),
            contribution("voice", 0.35, &[0.2, 0.3, 0.5], ""),
        ],
        bias: vec![],
        temperature: 1.0,
        score: 0.660_75,
        confidence: 0.744_4,
        abstained: false,
        anomaly: false,
        text: "We went out to dinner, and it was \"lovely\".".to_owned(),
        degraded: String::new(),
    }
}

/// The same segment when the transcript was rejected.
fn audio_only() -> Sentiment {
    Sentiment {
        profile: Profile::AudioOnly,
        probabilities: vec![0.2, 0.3, 0.5],
        contributions: vec![
            contribution("text", 0.0, &[], "the transcript was rejected: no-speech probability 0.93"),
            contribution("voice", 1.0, &[0.2, 0.3, 0.5], ""),
        ],
        score: 0.3,
        confidence: 0.5,
        abstained: true,
        text: String::new(),
        ..both()
    }
}

fn provisional() -> Sentiment {
    Sentiment {
        status: SentimentStatus::Provisional,
        contributions: vec![contribution("voice", 1.0, &[0.2, 0.3, 0.5], "")],
        abstained: false,
        ..audio_only()
    }
}

/// A segment without any estimate, in a graph without text.
fn neither() -> Sentiment {
    Sentiment {
        segment: 5,
        profile: Profile::Neither,
        labels: vec![],
        probabilities: vec![],
        contributions: vec![contribution("voice", 0.0, &[], "0.21 s is shorter than a window of 0.5 s")],
        score: 0.0,
        confidence: 0.0,
        ..audio_only()
    }
}

/// Eight emotions of three modalities, one of them with a long name.
fn emotions() -> Sentiment {
    let labels = ["angry", "calm", "disappointment", "disgust", "fearful", "happy", "sad", "surprised"];
    let probabilities = [0.05, 0.1, 0.4, 0.02, 0.03, 0.1, 0.25, 0.05];
    Sentiment {
        labels: labels.map(str::to_owned).to_vec(),
        probabilities: probabilities.to_vec(),
        contributions: vec![
            contribution("electrodermal", 0.2, &probabilities, ""),
            contribution("text", 0.52, &probabilities, ""),
            contribution("voice", 0.28, &probabilities, ""),
        ],
        score: 0.0,
        confidence: 0.4,
        text: "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be \
               in want of a wife. However little known the feelings \u{1b}[31mor views of such a man may be."
            .to_owned(),
        ..both()
    }
}

fn latency() -> Latency {
    let stage = |name: &str, waited_ms, queued_ms, worked_ms| StageLatency {
        name: name.to_owned(),
        waited_ms,
        queued_ms,
        worked_ms,
    };
    Latency {
        total_ms: Some(842.300_1),
        hangover_ms: Some(512.0),
        stages: vec![
            stage("vad", 0.212, 0.0, 1.25),
            stage("asr", 0.3, 3.1, 301.0),
            stage("text", 0.25, 0.0, 9.871_23),
            stage("fusion", 0.2, 0.01, 0.04),
        ],
    }
}

/// The latency of a session that was replayed as fast as it went.
fn fast() -> Latency {
    Latency { total_ms: None, hangover_ms: None, ..latency() }
}

/// What the node prosody says of a segment without a voice.
fn statistics() -> Statistics {
    Statistics {
        segment: 4,
        start: 197_440,
        end: 241_600,
        scope: Scope::Segment,
        names: ["f0_mean", "energy_mean"].map(str::to_owned).to_vec(),
        values: vec![f32::NAN, -31.5],
        reason: "the transcript has no words".to_owned(),
    }
}

#[test]
fn statistics_are_one_json_object_a_line_beside_the_results() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    let arguments = Arguments::parse_from(["sink", "--format", "pretty", "--output", path.to_str().unwrap()]);
    let mut output = Vec::new();
    let mut sink = Sink::new(&arguments, [Input::Statistics], &mut output, false).unwrap();
    let message = |seq, body| Message { session: "s".into(), seq, body };
    assert_eq!(sink.push_statistics(message(0, Some(statistics()))).unwrap(), None);
    let summary = sink.push_statistics(message(1, None)).unwrap();
    assert_eq!(summary.unwrap().results, 0, "statistics are no results, and the session is over");
    sink.finish(&Account::new(Vec::new(), false)).unwrap();
    let expected = concat!(
        r#"{"type":"statistics","session":"s","segment":4,"scope":"segment","start_sample":197440,"#,
        r#""end_sample":241600,"start_seconds":12.34,"end_seconds":15.1,"#,
        r#""values":{"f0_mean":null,"energy_mean":-31.5},"reason":"the transcript has no words"}"#,
        "\n"
    );
    assert_eq!(fs::read_to_string(path).unwrap(), expected);
    assert!(!String::from_utf8(output).unwrap().contains("f0_mean"), "this is not for people");
}

#[test]
fn results_are_one_json_object_a_line() {
    let lines = [
        record("librivox-01", &both(), Some(&latency())),
        record("librivox-01", &both(), Some(&fast())),
        record("librivox-01", &audio_only(), None),
        record("librivox-01", &neither(), None),
        record("librivox-01", &provisional(), None),
        record("an \"odd\" name\n", &emotions(), None),
    ];
    let lines: String = lines.into_iter().map(|line| line.unwrap() + "\n").collect();
    assert_eq!(lines, include_str!("golden/results.jsonl"));
}

#[test]
fn results_are_laid_out_for_people() {
    let text: String = [
        pretty("librivox-01", &both(), Some(&latency()), false),
        pretty("librivox-01", &audio_only(), Some(&fast()), false),
        pretty("librivox-01", &provisional(), None, false),
        pretty("librivox-01", &neither(), None, false),
        pretty("librivox-01", &emotions(), None, false),
    ]
    .concat();
    assert_eq!(text, include_str!("golden/results.txt"));
}

#[test]
fn what_was_done_with_less_effort_is_told() {
    let text = "without text, silent for too long";
    for result in [both(), neither()] {
        let late = Sentiment { degraded: text.to_owned(), ..result };
        assert!(pretty("s", &late, None, false).contains(&format!(" · late: {text}")));
        assert!(record("s", &late, None).unwrap().contains(&format!(r#""degraded":"{text}""#)));
    }
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    for result in [both(), audio_only(), provisional(), neither(), emotions()] {
        let colored = pretty("s", &result, Some(&latency()), true);
        let plain = pretty("s", &result, Some(&latency()), false);
        assert!(colored.contains('\u{1b}') && !plain.contains('\u{1b}'));
        let mut stripped = String::new();
        let mut rest = colored.as_str();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            stripped.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        assert_eq!(stripped + rest, plain);
    }
    let colored = pretty("s", &both(), None, true);
    let fused = colored.lines().find(|line| line.contains("fused")).unwrap();
    assert_eq!(
        fused.matches("\u{1b}[31").count()
            + fused.matches("\u{1b}[32").count()
            + fused.matches("\u{1b}[33").count(),
        3
    );
}

fn arguments(words: &[&str]) -> Arguments {
    Arguments::try_parse_from(["sink"].iter().chain(words)).unwrap()
}

fn message(seq: u64, body: Option<Sentiment>) -> Message<Sentiment> {
    Message { session: Arc::from("librivox-01"), seq, body }
}

/// Three results and two provisional ones through a sink, and what it wrote to the standard output.
fn written(words: &[&str]) -> String {
    let mut output = Vec::new();
    let mut sink =
        Sink::new(&arguments(words), [Input::Sentiment, Input::Provisional], &mut output, false).unwrap();
    for (seq, result) in (0..).zip([provisional(), provisional()]) {
        assert_eq!(sink.push(Input::Provisional, message(seq, Some(result)), None).unwrap(), None);
    }
    for (seq, result) in (0..).zip([both(), audio_only(), neither()]) {
        let ms = Latency { total_ms: Some(800.0 + 10.0 * seq as f64), ..latency() };
        assert_eq!(sink.push(Input::Sentiment, message(seq, Some(result)), Some(&ms)).unwrap(), None);
    }
    assert_eq!(sink.push(Input::Sentiment, message(3, None), None).unwrap(), None);
    let summary = sink.push(Input::Provisional, message(2, None), None).unwrap().unwrap();
    assert_eq!((summary.results, summary.provisional, summary.abstained), (3, 2, 2));
    assert_eq!(summary.speech_seconds, 8.28);
    assert_eq!(sink.end_sessions().unwrap(), []);
    sink.finish(&Account::default()).unwrap();
    String::from_utf8(output).unwrap()
}

#[test]
fn a_session_ends_with_its_summary() {
    let text = written(&["--format", "pretty"]);
    let summary = text.split_once("librivox-01: ").unwrap().1;
    assert_eq!(format!("librivox-01: {summary}"), include_str!("golden/summary.txt"));
    assert_eq!(text.matches("provisional\n").count(), 0);
    assert_eq!(written(&["--format", "pretty", "--provisional"]).matches("provisional\n").count(), 2);
}

#[test]
fn json_lines_are_results_alone() {
    let status = |text: &str, status| text.matches(&format!("\"status\":\"{status}\"")).count();
    let text = written(&[]);
    assert_eq!((text.lines().count(), status(&text, "final"), status(&text, "provisional")), (3, 3, 0));
    assert_eq!(text.matches("latency_ms").count(), 3);
    let text = written(&["--provisional", "--no-latency"]);
    assert_eq!((text.lines().count(), status(&text, "final"), status(&text, "provisional")), (5, 3, 2));
    assert_eq!(text.matches("latency_ms").count(), 0);
}

#[test]
fn the_file_has_the_lines_whatever_the_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    fs::write(&path, "from an earlier run").unwrap();
    let lines = written(&[]);
    for format in ["jsonl", "pretty", "none"] {
        let text = written(&["--format", format, "--output", path.to_str().unwrap()]);
        assert_eq!(fs::read_to_string(&path).unwrap(), lines);
        assert_eq!(text.is_empty(), format == "none");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no partial file is left");
}

#[test]
fn a_file_that_is_not_whole_has_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    fs::write(&path, "from an earlier run").unwrap();
    let words = ["--format", "none", "--output", path.to_str().unwrap()];
    let mut sink = Sink::new(&arguments(&words), [Input::Sentiment], io::sink(), false).unwrap();
    sink.push(Input::Sentiment, message(0, Some(both())), None).unwrap();
    let partial = folder.path().join("results.jsonl.partial");
    assert_eq!(fs::read_to_string(&partial).unwrap().lines().count(), 1, "it can be followed");
    assert_eq!(fs::read_to_string(&path).unwrap(), "from an earlier run");
    let summaries = sink.end_sessions().unwrap();
    assert_eq!(summaries[0].results, 1, "a session that was cut off is summed up");
    sink.finish(&Account::default()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
}

#[test]
fn a_file_with_a_hole_in_its_account_keeps_its_other_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    let wire = |from: &str, to: &str, received| Wire {
        from: from.to_owned(),
        to: to.to_owned(),
        sent: Some(10),
        received,
        ended: true,
    };
    for (received, whole) in [(9, false), (10, true)] {
        let words = ["--format", "pretty", "--output", path.to_str().unwrap()];
        let mut output = Vec::new();
        let mut sink = Sink::new(&arguments(&words), [Input::Sentiment], &mut output, false).unwrap();
        let account = Account::new(vec![wire("source/audio", "vad/audio", received)], false);
        sink.tell(&account).unwrap();
        let outcome = sink.finish(&account).map_err(|error| error.to_string());
        assert_eq!(outcome.is_ok(), whole, "{outcome:?}");
        assert_eq!(path.exists(), whole);
        let last = String::from_utf8(output).unwrap().lines().last().unwrap().to_owned();
        let sum =
            format!("account: 1 wire, 10 messages sent, {received} received, {} missing", 10 - received);
        assert_eq!(last, sum);
    }
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (link, target) = (folder.path().join("latest.jsonl"), folder.path().join("monday.jsonl"));
    fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    written(&["--format", "none", "--output", link.to_str().unwrap()]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap().lines().count(), 3);
}

#[test]
fn a_file_that_cannot_be_created_is_named_before_the_first_result() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/results.jsonl");
    let words = ["--output", path.to_str().unwrap()];
    let error = Sink::new(&arguments(&words), Input::ALL, io::sink(), false).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()) && error.contains("folder that exists"), "{error}");
    let words = ["--output", folder.path().to_str().unwrap()];
    let error = Sink::new(&arguments(&words), Input::ALL, io::sink(), false).unwrap_err().to_string();
    assert!(error.contains(folder.path().to_str().unwrap()), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_that_names_the_file() {
    let words = ["--format", "none", "--output", "/dev/full"];
    let mut sink = Sink::new(&arguments(&words), [Input::Sentiment], io::sink(), false).unwrap();
    let error = sink.push(Input::Sentiment, message(0, Some(both())), None).unwrap_err().to_string();
    assert!(error.contains("cannot write to /dev/full") && error.contains("space"), "{error}");
}

/// A standard output that fails as told.
struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_goes_away_costs_results_only_without_a_file() {
    let closed = || Broken(io::ErrorKind::BrokenPipe);
    let mut sink = Sink::new(&arguments(&[]), [Input::Sentiment], closed(), false).unwrap();
    let error = sink.push(Input::Sentiment, message(0, Some(both())), None).unwrap_err();
    assert!(matches!(error, SinkError::Closed), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    let words = ["--output", path.to_str().unwrap()];
    let mut sink = Sink::new(&arguments(&words), [Input::Sentiment], closed(), false).unwrap();
    for seq in 0..2 {
        sink.push(Input::Sentiment, message(seq, Some(both())), None).unwrap();
    }
    sink.finish(&Account::default()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);

    let words = ["--output", path.to_str().unwrap()];
    let mut sink =
        Sink::new(&arguments(&words), [Input::Sentiment], Broken(io::ErrorKind::StorageFull), false).unwrap();
    let error = sink.push(Input::Sentiment, message(0, Some(both())), None).unwrap_err();
    assert!(
        matches!(error, SinkError::StandardOutput(_)),
        "a full disk under the output is no reader gone: {error}"
    );
}

proptest! {
    #[test]
    fn numbers_read_back_the_same(value in 0.0_f32..=1.0, start in 0_u64..1 << 40, ms in 0.0_f64..1e6) {
        let result = Sentiment { start, score: value, ..both() };
        let latency = Latency { total_ms: Some(ms), ..latency() };
        let line = record("s", &result, Some(&latency)).unwrap();
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        let digits = |field: &str| {
            let (_, behind) = line.split_once(&format!("\"{field}\":")).unwrap();
            behind.split_once(',').unwrap().0
        };
        prop_assert_eq!(digits("start_seconds").parse::<f64>().unwrap(), start as f64 / 16_000.0);
        let digits = digits("fused_score");
        prop_assert_eq!(digits.parse::<f32>().unwrap(), value);
        // As many digits as Rust prints, which are the fewest that read back the same, and as near. Of two that are, each may
        // take another: 0.251953125 is half way between 0.25195312 and 0.25195313.
        let significant = |digits: &str| {
            let mantissa = digits.split('e').next().unwrap().replace('.', "");
            mantissa.trim_matches('0').len()
        };
        let shortest = format!("{value:e}");
        prop_assert_eq!(significant(digits), significant(&shortest));
        let (exact, rounding) = (f64::from(value), f64::from(value) * 1e-15);
        let distance = |digits: &str| (digits.parse::<f64>().unwrap() - exact).abs();
        prop_assert!(distance(digits) <= distance(&shortest) + rounding, "{} and not {}", digits, shortest);
        prop_assert!((read["latency_ms"]["total"].as_f64().unwrap() - ms).abs() <= 5.1e-4);
    }

    #[test]
    fn people_get_at_most_100_columns(
        words in prop::collection::vec("[a-zA-Z,.'äß—中]{1,40}", 0..40),
        parts in prop::collection::vec((1_u32..100, "[a-z]{1,20}"), 0..9),
        modality in "[a-z]{1,20}",
        reason in "[ -~]{0,150}",
    ) {
        let sum: u32 = parts.iter().map(|(part, _)| part).sum();
        let probabilities: Vec<f32> = parts.iter().map(|(part, _)| *part as f32 / sum as f32).collect();
        let result = Sentiment {
            labels: parts.iter().map(|(_, label)| label.clone()).collect(),
            probabilities: probabilities.clone(),
            contributions: vec![
                contribution(&modality, 1.0, &probabilities, ""),
                contribution("voice", 0.0, &[], &reason),
            ],
            text: words.join(" "),
            ..both()
        };
        let text = pretty("session", &result, Some(&latency()), false);
        for line in text.lines() {
            prop_assert!(textwrap::core::display_width(line) <= 100, "{}", line);
        }
    }
}

#[test]
fn words_that_stand_are_set_off_from_those_that_may_change() {
    let word = |text: &str| Word { text: text.to_owned(), start: 0, end: 1, probability: 0.9 };
    let transcript = Transcript {
        segment: 0,
        start: 0,
        end: 20_000,
        text: "And so my fellow".to_owned(),
        words: ["And", "so", "my", "fel\u{1b}low"].map(word).to_vec(),
        stable: 2,
        average_log_probability: -0.2,
        no_speech_probability: 0.1,
        language: "en".to_owned(),
        status: TranscriptStatus::Partial,
        reason: String::new(),
        model: "whisper@0123456789ab".to_owned(),
        degraded: String::new(),
    };
    assert_eq!(words_so_far(&transcript, false), "  1.25 s … And so my fel low\n");
    let coloured = words_so_far(&transcript, true);
    assert!(coloured.contains(" And so \u{1b}[2mmy fel low\u{1b}[0m"), "{coloured:?}");
    let nothing_stands = Transcript { stable: 0, ..transcript.clone() };
    assert_eq!(words_so_far(&nothing_stands, false), "  1.25 s … And so my fel low\n");
    let characters = ["今", "日", "は"].map(word).to_vec();
    let without_spaces = Transcript { words: characters, stable: 1, language: "ja".to_owned(), ..transcript };
    assert_eq!(words_so_far(&without_spaces, false), "  1.25 s … 今日は\n");
    assert!(words_so_far(&without_spaces, true).contains(" 今\u{1b}[2m日は\u{1b}[0m"));
}
