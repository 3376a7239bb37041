//! Recording and replaying as users do it, and what goes wrong with it.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use harness::{Graph, Outcome, kill, repository, wait_for};
use undertone_recording::{ExceptionKind, Manifest, Options, State, compare};

/// Two short sessions, recorded in the repository.
fn golden() -> PathBuf {
    repository().join("recordings/sessions")
}

/// The voice's half of the default graph on a short recording: no words, which take most of the time.
fn graph(name: &str) -> Graph {
    let file = repository().join("recordings/session/LJ001-0002.flac");
    Graph::open("dataflows/audio-only.yml", &format!("recordings-{name}"))
        .args("source", &file.display().to_string())
}

/// The same from a recording.
fn replay(name: &str, args: &str) -> Graph {
    graph(name).program("source", "replay", args)
}

/// Runs the command `recording`, and gives its exit code and what it printed.
fn recording(arguments: &[&str]) -> (i32, String) {
    let program = repository().join("target/release/recording");
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

fn same(first: &Path, second: &Path) -> bool {
    compare(first, second, &Options::default()).unwrap().is_exact()
}

#[test]
fn a_recording_is_not_overwritten_unless_it_is_asked_for() {
    let first = graph("twice").record();
    let folder = first.recording();
    first.run().expect_success();
    let started = Manifest::read(&folder).unwrap().started;
    // Another run into the same folder: the graph is opened under another name, which is another folder.
    let again = || graph("twice-again").record().args("recorder", &folder.display().to_string());
    again().run().expect_failure(&["recordings-twice/recording", "is there already", "--replace"]);
    assert_eq!(Manifest::read(&folder).unwrap().started, started);
    again().add_args("recorder", "--replace").run().expect_success();
    assert_ne!(Manifest::read(&folder).unwrap().started, started);
}

#[test]
fn a_recorder_that_is_wired_wrong_says_so() {
    let twice = graph("wired-twice").record().rewire("recorder", "more", "vad/speech");
    twice.run().expect_failure(&["two inputs are wired to vad/speech"]);
    let digests = graph("digests-unknown").record().add_args("recorder", "--digests vad/speach");
    digests.run().expect_failure(&["vad/speach", "vad/speech"]);
}

#[test]
fn a_killed_recorder_leaves_what_it_had() {
    let slow = graph("killed").add_args("source", "--pace realtime").record();
    let folder = slow.recording();
    let outcome = slow.run_with(|folder| {
        let begun = folder.join("recording/vad/speech.arrows");
        wait_for("the recording", Duration::from_secs(60), || begun.exists());
        // Twice the time after which what was recorded is handed to the operating system.
        sleep(Duration::from_secs(2));
        kill("recorder", folder);
    });
    outcome.expect_failure(&["recorder"]);
    let path = folder.to_str().unwrap();
    let (code, text) = recording(&["compare", path, path]);
    assert_ne!(code, 0, "{text}");
    assert!(text.contains("recording repair"), "{text}");
    replay("unfinished", path).run().expect_failure(&["was not finished", "recording repair"]);
    let (code, text) = recording(&["repair", path]);
    assert_eq!(code, 0, "{text}");
    let manifest = Manifest::read(&folder).unwrap();
    assert_eq!(manifest.state, State::Repaired);
    assert!(manifest.topics["source/audio"].messages() > 10, "{text}");
    assert!(manifest.exceptions.iter().any(|exception| exception.kind == ExceptionKind::CutOff), "{text}");
    let vad = &manifest.nodes["vad"];
    assert!(vad.program.is_some() && !vad.models.is_empty(), "{vad:?}");
    assert_eq!(vad.arguments.as_deref(), Some(&["--detector".to_owned(), "silero".to_owned()][..]));
    assert_eq!(recording(&["verify", path]).0, 0);
    // All that there is can be played, and nobody takes it for the whole.
    let outcome = replay("repaired", path).run().expect_failure(&["was cut off"]);
    assert!(outcome.log.contains("source/audio"), "{}", outcome.log);
}

/// A message that cannot be written ends the recording; what came before is whole.
#[test]
fn a_recorder_that_fails_finishes_what_it_has() {
    let slow = graph("failed").add_args("source", "--pace realtime").record();
    let folder = slow.recording();
    let outcome = slow.run_with(|folder| {
        let recording = folder.join("recording");
        wait_for("the recording", Duration::from_secs(60), || recording.join("manifest.json").exists());
        // Nothing can be in a folder that is a file.
        std::fs::write(recording.join("acoustic"), "").unwrap();
    });
    outcome.expect_failure(&["is not whole", "recording/acoustic"]);
    let manifest = Manifest::read(&folder).unwrap();
    assert_eq!(manifest.state, State::Finished);
    assert!(manifest.topics["source/audio"].messages() > 0);
    assert!(manifest.exceptions.iter().any(|exception| exception.text.contains("recording/acoustic")));
    assert!(manifest.nodes.values().any(|node| node.arguments.is_some()));
    assert_eq!(recording(&["verify", folder.to_str().unwrap()]).0, 0);
}

#[test]
fn an_overflow_is_on_record() {
    let long = repository().join("recordings/session/jfk.flac");
    let crowded = graph("overflow").args("source", &long.display().to_string()).queues(1).record();
    let folder = crowded.recording();
    crowded.run().expect_failure(&["messages are missing"]);
    let manifest = Manifest::read(&folder).unwrap();
    assert!(!manifest.exceptions.is_empty());
    let path = folder.to_str().unwrap();
    let (code, text) = recording(&["compare", path, path]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("not exact"), "{text}");
}

/// Messages that find no room in shared memory take another way, on which others overtake them.
#[test]
fn a_full_shared_memory_changes_nothing() {
    // Only encodings are large enough for shared memory.
    let file = repository().join("recordings/session/jfk.flac").display().to_string();
    let graph = |name: &str| Graph::open("dataflow.yml", &format!("recordings-memory-{name}"));
    let usual = graph("usual").args("source", &format!("{file} --pace fast")).record();
    let small = graph("small").args("source", &format!("{file} --pace fast")).record();
    let small = small.set("encoder", "shared_memory_pool_size", "64KB");
    let folders = (usual.recording(), small.recording());
    usual.run().expect_success();
    small.run().expect_success();
    assert!(same(&folders.0, &folders.1));
}

#[test]
fn a_replay_that_cannot_be_says_why() {
    let path = golden().display().to_string();
    replay("missing", "no-such-recording").run().expect_failure(&["no-such-recording", "not a recording"]);
    let topic = replay("topic", &format!("{path} --topic audio=vad/audio"));
    topic.run().expect_failure(&["vad/audio", "vad/speech"]);
    let output = replay("output", &format!("{path} --topic speech=vad/speech"));
    output.run().expect_failure(&["no output `speech`"]);
    let range = replay("range", &format!("{path} --from 3 --to 2"));
    range.run().expect_failure(&["--from 3", "--to 2"]);
    let digests = replay("digests", &repository().join("recordings/demo").display().to_string());
    let digests = digests.add_args("source", "--topic audio=vad/speech");
    digests.run().expect_failure(&["vad/speech", "digests alone"]);
    let fast = replay("no-watermark", &path).without_input("source", "watermark");
    fast.run().expect_failure(&["--pace fast", "watermark"]);
}

/// Each time is a session of its own.
#[test]
fn a_loop_gives_the_same_sessions_again_under_new_names() {
    let looped = replay("loop", &format!("{} --loop 3", golden().display())).record();
    let folder = looped.recording();
    looped.run().expect_success();
    let sessions = &Manifest::read(&folder).unwrap().topics["fusion/sentiment"].sessions;
    let names: Vec<&str> = sessions.keys().map(String::as_str).collect();
    let expected =
        ["LJ001-0008", "LJ001-0008-2", "LJ001-0008-3", "LJ002-0020", "LJ002-0020-2", "LJ002-0020-3"];
    assert_eq!(names, expected);
    for (one, two) in [("LJ001-0008", "LJ001-0008-2"), ("LJ002-0020", "LJ002-0020-3")] {
        assert_eq!((sessions[one].messages, sessions[one].end), (sessions[two].messages, sessions[two].end));
    }
}

/// At the pace of the clock nothing holds the replay back, so the graph needs no watermark. When time passes faster,
/// nobody can say how late a result is.
#[test]
fn a_replay_without_flow_control_is_whole() {
    let path = golden().display().to_string();
    let free =
        replay("free", &format!("{path} --pace realtime --speed 4")).without_input("source", "watermark");
    let free = free.record();
    let folder = free.recording();
    let outcome = free.run().expect_success();
    assert!(totals(&outcome).iter().all(Option::is_none), "{:?}", outcome.results);
    let bound = replay("bound", &format!("{path} --pace realtime")).record();
    let other = bound.recording();
    let outcome = bound.run().expect_success();
    assert!(totals(&outcome).iter().all(Option::is_some), "{:?}", outcome.results);
    assert!(same(&folder, &other));
}

/// How late each result is, in milliseconds.
fn totals(outcome: &Outcome) -> Vec<Option<f64>> {
    assert!(!outcome.results.is_empty());
    outcome.results.iter().map(|result| result.pointer("/latency_ms/total")?.as_f64()).collect()
}

/// Where nothing is said any more, what the voice gave has ended long before the speech does, by more messages than may be
/// on their way.
#[test]
fn several_topics_are_replayed_though_one_ends_long_before_the_other() {
    let name = |name: &str| format!("several-{name}");
    let whole = graph(&name("whole"));
    let silence = whole.folder().join("silence.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&silence, spec).unwrap();
    (0..60 * 16_000).for_each(|_| writer.write_sample(0_i16).unwrap());
    writer.finalize().unwrap();
    let whole = whole.add_args("source", &format!("{} --join --session s", silence.display())).record();
    let folder = whole.recording();
    whole.run().expect_success();
    let args = format!("{} --topic emotion=acoustic/emotion --lead-messages 40", folder.display());
    let replayed = graph(&name("replayed"))
        .without(&["source", "mfcc", "acoustic"])
        .program("vad", "replay", &args)
        .rewire("vad", "watermark", "fusion/watermark")
        .add_output("vad", "emotion")
        .rewire("fusion", "acoustic", "vad/emotion")
        .untyped("fusion")
        .record();
    let other = replayed.recording();
    replayed.run().expect_success();
    let results = Options { topics: ["fusion/sentiment".to_owned()].into(), ..Options::default() };
    assert!(compare(&folder, &other, &results).unwrap().is_exact());
}
