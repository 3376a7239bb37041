//! What comes while somebody speaks: partial transcripts and estimates, and an answer that is there when the end of speech
//! is certain. In the rehearsal of the live graph, a recorded session at the pace of the clock.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use harness::{
    Graph, Outcome, find_process, normalise, repository, results, signal, soak, transcripts, wait_for,
    word_error_rate,
};
use serde_json::Value;
use undertone_messages::{Body, Emotion, Encoding, Message, Scope, Transcript, TranscriptStatus};
use undertone_recording::{ExceptionKind, Manifest, Options, TopicReader, compare};
use undertone_source::AudioFile;

const SECOND: u64 = 16_000;

/// The graph on two utterances. A pause of the first one is made so long that slow machines, too, have encoded what was
/// announced as its end when speech goes on.
fn spoken(graph: Graph, pace: &str) -> Graph {
    /// Samples of the first recording before its pause.
    const PAUSE: usize = 151_000;
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    let file = FILE.get_or_init(|| {
        let read =
            |name: &str| AudioFile::read_whole(&repository().join("recordings/session").join(name)).unwrap();
        let (first, second) = (read("libri-1088-134315-0000.flac"), read("LJ001-0002.flac"));
        let (before, behind) = first.split_at(PAUSE);
        let silence = |milliseconds: usize| vec![0.0; milliseconds * SECOND as usize / 1000];
        let folder = repository().join("out/tests/pause-clips");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("pause.wav");
        write(&path, &[before, &silence(500), behind, &silence(1500), &second].concat());
        path
    });
    graph
        .args("source", &format!("{} --session short --pace {pace}", file.display()))
        .add_args("vad", "--hangover-ms 1000")
}

/// The rehearsal, recorded: made once, the first time that a test asks for it.
fn rehearsal() -> &'static (Outcome, PathBuf) {
    static REHEARSAL: OnceLock<(Outcome, PathBuf)> = OnceLock::new();
    REHEARSAL.get_or_init(|| {
        let graph = spoken(Graph::open("dataflows/rehearsal.yml", "rehearsal"), "realtime").record();
        let recording = graph.recording();
        (graph.run().expect_success(), recording)
    })
}

/// The messages of a recorded topic, without its end.
fn messages<B: Body>(recording: &Path, topic: &str) -> Vec<B> {
    let mut reader = TopicReader::open(&recording.join(format!("{topic}.arrow"))).unwrap();
    let mut bodies = Vec::new();
    while let Some(message) = reader.next_message().unwrap() {
        bodies.extend(Message::<B>::decode(&message).unwrap().body);
    }
    bodies
}

#[test]
fn working_ahead_changes_no_result() {
    let plain = spoken(Graph::open("dataflow.yml", "not-ahead"), "fast").record();
    let expected = plain.recording();
    plain.run().expect_success();
    let hurried = spoken(Graph::open("dataflows/rehearsal.yml", "ahead-fast"), "fast").record().under_load();
    let fast = hurried.recording();
    hurried.run().expect_success();
    for recording in [&rehearsal().1, &fast] {
        let comparison = compare(&expected, recording, &Options::default()).unwrap();
        assert!(comparison.is_exact(), "{comparison}");
        assert_eq!((comparison.streams.len(), comparison.only_first.len()), (9, 0), "{comparison}");
        assert!(comparison.only_second.iter().all(|topic| topic.ends_with("/preview")), "{comparison}");
    }
}

#[test]
fn whisper_cpp_working_ahead_changes_no_result() {
    let graph = |name: &str, pace: &str| spoken(Graph::open("dataflows/asr.yml", name), pace);
    let plain = graph("asr-not-ahead", "fast").record();
    let expected = plain.recording();
    plain.run().expect_success();
    let ahead = graph("asr-ahead", "realtime")
        .add_output("asr", "preview")
        .add_args("asr", "--preview-ms 2000")
        .record();
    let recording = ahead.recording();
    ahead.run().expect_success();
    let comparison = compare(&expected, &recording, &Options::default()).unwrap();
    assert!(comparison.is_exact(), "{comparison}");
    let partials: Vec<Transcript> = messages(&recording, "asr/preview");
    assert!(
        !partials.is_empty() && partials.iter().all(|partial| partial.status == TranscriptStatus::Partial)
    );
}

#[test]
fn words_come_while_somebody_speaks_and_what_stands_does_not_change() {
    let (_, recording) = rehearsal();
    let finals: Vec<Transcript> = messages(recording, "decoder/transcript");
    let partials: Vec<Transcript> = messages(recording, "decoder/preview");
    let mut stood: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for partial in &partials {
        assert_eq!(partial.status, TranscriptStatus::Partial);
        let words: Vec<String> = partial.words.iter().map(|word| word.text.clone()).collect();
        let stable = &words[..partial.stable as usize];
        let before = stood.entry(partial.segment).or_default();
        assert!(stable.starts_with(before), "{before:?} stood, and then {stable:?}");
        *before = stable.to_vec();
    }
    for transcript in &finals {
        let ends: Vec<u64> =
            partials.iter().filter(|p| p.segment == transcript.segment).map(|p| p.end).collect();
        let mut at = transcript.start + SECOND / 2;
        for end in ends.iter().chain([&transcript.end]) {
            // On a busy machine one may be left out.
            assert!(
                end.saturating_sub(at) < 5 * SECOND / 2,
                "nothing between samples {at} and {end}: {ends:?}"
            );
            at = *end;
        }
        let stable = stood[&transcript.segment].join(" ");
        let whole = normalise(&transcript.text);
        assert!(
            whole.starts_with(&normalise(&stable)),
            "`{stable}` stood, and the whole is `{}`",
            transcript.text
        );
    }
}

#[test]
fn estimates_come_while_somebody_speaks() {
    let (_, recording) = rehearsal();
    let windows: Vec<Emotion> = messages(recording, "acoustic/preview");
    let segments: Vec<Emotion> = messages(recording, "acoustic/emotion");
    for segment in &segments {
        let of_segment: Vec<&Emotion> =
            windows.iter().filter(|window| window.segment == segment.segment).collect();
        assert!(
            of_segment.iter().all(|window| window.scope == Scope::Window && !window.probabilities.is_empty())
        );
        // Every half second, less what a busy machine leaves out.
        let expected = (segment.end - segment.start) / SECOND;
        assert!(of_segment.len() as u64 >= expected, "{} for {expected} s", of_segment.len());
        assert!(of_segment[0].end - segment.start < 3 * SECOND / 2, "{}", of_segment[0].end - segment.start);
    }
}

#[test]
fn an_announced_end_is_encoded_once_and_taken_back_if_speech_goes_on() {
    let (outcome, recording) = rehearsal();
    let previews: Vec<Encoding> = messages(recording, "encoder/preview");
    let finals: Vec<Encoding> = messages(recording, "encoder/encoding");
    // The last one ends with the audio, which nothing announces.
    let (_, announced_finals) = finals.split_last().unwrap();
    for whole in announced_finals {
        assert!(previews.contains(whole), "segment {} was not encoded ahead", whole.segment);
    }
    // Another end, or an encoding without frames, takes back what stands.
    let mut stands: BTreeMap<u64, &Encoding> = BTreeMap::new();
    let mut taken_back = 0;
    for preview in previews.iter().filter(|preview| preview.complete || preview.frames == 0) {
        let before = stands.remove(&preview.segment);
        if preview.complete {
            assert!(before != Some(preview), "an end is encoded twice");
            stands.insert(preview.segment, preview);
        } else {
            assert!(before.is_some(), "nothing was announced that is taken back");
        }
        taken_back += usize::from(before.is_some());
    }
    assert!(stands.into_values().eq(announced_finals), "what stands when a segment ends is not how it ends");
    assert!(taken_back > 0, "there is a pause in these utterances");
    for result in &outcome.results {
        let worked = |stage: &str| result["latency_ms"]["stages"][stage]["worked"].as_f64().unwrap();
        println!("encoder {} ms, decoder {} ms behind the endpoint", worked("encoder"), worked("decoder"));
    }
}

/// The text node stands still for a while, as one does whose machine is out of memory, and then goes on.
#[test]
fn results_go_on_without_a_branch_that_is_silent_and_with_it_when_it_is_back() {
    let session = repository().join("recordings/session");
    let outcome = Graph::open("dataflow.yml", "silent-branch")
        .args(
            "source",
            &format!("{} --join --silence-ms 1000 --session silent --pace realtime", session.display()),
        )
        .add_args("fusion", "--patience text=400")
        .record()
        .run_with(|folder| {
            let text = find_process("text", folder);
            // Then it is known when the text is due, and several short segments come.
            wait_for("the seventh result", Duration::from_secs(90), || results(folder) >= 7);
            signal("STOP", text);
            // Longer than the 10 s after which zenoh, by default, takes a process for dead.
            sleep(Duration::from_secs(12));
            signal("CONT", text);
        })
        .expect_success();
    let profiles: Vec<&str> =
        outcome.results.iter().map(|result| result["profile"].as_str().unwrap()).collect();
    let without: Vec<&Value> =
        outcome.results.iter().filter(|result| result["profile"] == "audio_only").collect();
    assert!((1..=6).contains(&without.len()), "{profiles:?}");
    assert!(without.iter().all(|result| result["degraded"] == "without text, silent for too long"));
    assert_eq!((profiles[0], profiles[profiles.len() - 1]), ("both", "both"), "{profiles:?}");
    // Only the first is waited for.
    let given_up = outcome.log.matches("results do without `text` until it is heard again").count();
    assert_eq!(given_up, 1, "{}", outcome.log);
    let manifest = Manifest::read(&repository().join("out/tests/silent-branch/recording")).unwrap();
    assert!(
        manifest.exceptions.iter().any(|exception| exception.kind == ExceptionKind::Late),
        "{manifest:?}"
    );
}

/// The text node stands still while the second of three sessions ends.
#[test]
fn a_session_ends_without_a_branch_that_is_silent() {
    let names = ["LJ001-0002.flac", "jfk.flac", "libri-1088-134315-0000.flac"];
    let file = |name| repository().join("recordings/session").join(name).display().to_string();
    let outcome = Graph::open("dataflow.yml", "silent-end")
        .args("source", &format!("{} --pace realtime", names.map(file).join(" ")))
        .add_args("fusion", "--patience text=300")
        .record()
        .run_with(|folder| {
            let text = find_process("text", folder);
            // Once the first session has its result, it is known when the text is due.
            wait_for("the first result", Duration::from_secs(60), || results(folder) > 0);
            sleep(Duration::from_secs(8));
            signal("STOP", text);
            // The second ends in this time, the third does not.
            sleep(Duration::from_millis(7500));
            signal("CONT", text);
        })
        .expect_success();
    let profiles: Vec<(&str, &str)> = outcome
        .results
        .iter()
        .map(|result| (result["session"].as_str().unwrap(), result["profile"].as_str().unwrap()))
        .collect();
    assert_eq!(profiles.first().unwrap(), &("LJ001-0002", "both"), "{profiles:?}");
    assert!(profiles.contains(&("jfk", "audio_only")), "{profiles:?}");
    assert_eq!(profiles.last().unwrap(), &("libri-1088-134315-0000", "both"), "{profiles:?}");
    let manifest = Manifest::read(&repository().join("out/tests/silent-end/recording")).unwrap();
    let ended = manifest.exceptions.iter().any(|exception| {
        exception.kind == ExceptionKind::Late
            && exception.text.starts_with("the session ended without the end of `text`")
    });
    assert!(ended, "{manifest:?}");
}

/// With thresholds of 0 every segment is late.
#[test]
fn what_is_late_is_done_with_less_effort_and_says_so() {
    for (rung, reason, profile) in [("0=beam:1", "beam 1", "both"), ("0=skip", "overload", "audio_only")] {
        let name = format!("late-{}", &rung[2..6]);
        let outcome = spoken(Graph::open("dataflow.yml", &name), "realtime")
            .add_args("decoder", &format!("--beam 5 --when-late {rung}"))
            .record()
            .run()
            .expect_success();
        for result in &outcome.results {
            assert!(result["degraded"].as_str().unwrap().starts_with(reason), "{result}");
            assert_eq!(result["profile"], profile, "{result}");
        }
        let recording = repository().join(format!("out/tests/{name}/recording"));
        let late: Vec<Transcript> = messages(&recording, "decoder/transcript");
        let rejected =
            late.iter().filter(|transcript| transcript.status == TranscriptStatus::Rejected).count();
        assert_eq!(rejected, if rung == "0=skip" { late.len() } else { 0 });
        let manifest = Manifest::read(&recording).unwrap();
        assert!(manifest.exceptions.iter().any(|exception| exception.kind == ExceptionKind::Late));
    }
}

/// As above, with another model in place of the one that is too slow: its other weights, in a folder
/// of their own.
#[test]
fn what_is_late_is_heard_by_another_model() {
    const FILE: &str = "ggml-model-f16.bin";
    let other = repository().join("out/tests/late-model-other");
    std::fs::create_dir_all(&other).unwrap();
    let weights = repository().join("models/prepared/whisper-tiny.en/ggml-model-q8_0.bin");
    std::fs::copy(weights, other.join(FILE)).unwrap();
    let outcome = spoken(Graph::open("dataflows/asr.yml", "late-model"), "realtime")
        .add_args("asr", &format!("--when-late 0=model:{}", other.display()))
        .record()
        .run()
        .expect_success();
    assert!(!outcome.results.is_empty());
    for result in &outcome.results {
        let reason = format!("model {}, since it was more than 0.0 s late", other.display());
        assert_eq!(result["degraded"], reason, "{result}");
        assert_eq!(result["profile"], "both", "{result}");
    }
    let recording = repository().join("out/tests/late-model/recording");
    let heard: Vec<Transcript> = messages(&recording, "asr/transcript");
    assert_eq!(heard.len(), outcome.results.len());
    for transcript in heard {
        assert!(transcript.model.starts_with("late-model-other@"), "{transcript:?}");
    }
    let manifest = Manifest::read(&recording).unwrap();
    assert!(manifest.exceptions.iter().any(|exception| exception.kind == ExceptionKind::Late));
}

/// Clips as a push-to-talk button or a browser's noise gate leaves them: digital silence, and then speech from its very first
/// sound on. What is said first is heard as well as in the recording as it was.
#[test]
fn first_sounds_are_kept() {
    const FIRST_WORDS: usize = 3;
    let folder = repository().join("out/tests/first-sounds-clips");
    std::fs::create_dir_all(&folder).unwrap();
    let rates = [false, true].map(|cut| {
        let mut paths = Vec::new();
        for (file, _) in transcripts() {
            let mut samples =
                AudioFile::read_whole(&repository().join("recordings/session").join(&file)).unwrap();
            if cut {
                samples.drain(..onset(&samples));
            }
            let path = folder.join(format!("{}-{cut}.wav", stem(&file)));
            write(&path, &[vec![0.0; SECOND as usize], samples].concat());
            paths.push(path.display().to_string());
        }
        let outcome = Graph::open("dataflow.yml", &format!("first-sounds-{cut}"))
            .args("source", &format!("{} --pace fast", paths.join(" ")))
            .run()
            .expect_success();
        let (mut said, mut heard) = (Vec::new(), Vec::new());
        for (file, words) in transcripts() {
            let session = format!("{}-{cut}", stem(&file));
            let of_session = outcome.results.iter().filter(|result| result["session"] == session.as_str());
            let texts: Vec<&str> = of_session.map(|result| result["text"].as_str().unwrap()).collect();
            said.extend(words.into_iter().take(FIRST_WORDS));
            heard.extend(normalise(&texts.join(" ")).into_iter().take(FIRST_WORDS));
        }
        word_error_rate(&said, &heard)
    });
    println!("word error rate of first words: {:.3} uncut, {:.3} cut at the first sound", rates[0], rates[1]);
    assert!(rates[0] < 0.2 && rates[1] <= rates[0], "{rates:?}");
}

fn stem(file: &str) -> &str {
    file.split_once('.').unwrap().0
}

/// Index of the first sample of a sound: of the first 5 ms that are not 35 dB softer than the loudest.
fn onset(samples: &[f32]) -> usize {
    let powers: Vec<f32> =
        samples.chunks(80).map(|block| block.iter().map(|sample| sample * sample).sum()).collect();
    let loudest = powers.iter().copied().fold(0.0, f32::max);
    80 * powers.iter().position(|power| *power > loudest * 10.0_f32.powf(-3.5)).unwrap()
}

fn write(path: &Path, samples: &[f32]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SECOND as u32,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
    writer.finalize().unwrap();
}

/// In a minute and a half; `cargo bench --bench soak` takes half an hour.
#[test]
fn a_live_session_grows_nothing() {
    let seen = soak("soak-test", Duration::from_secs(90));
    for (node, [early, late]) in &seen.memory {
        assert!(late - early < 8e6, "{node} has {early} bytes and later {late}");
    }
    let [early, late] = seen.latency;
    assert!(seen.results >= 20 && late < early + 200.0, "{seen:?}");
}
