//! # The contract
//!
//! 1. `run(A) == run(A)`: two runs of a graph on the same input give, for every output of every node, the same sequence
//!    of payloads, byte for byte, whatever the load, the pace (`realtime` or `fast`) and the queue timing.
//! 2. `run(A) == replay(record(A))`, from any recorded point of the graph: a replay of `source/audio` computes
//!    everything again; a replay of `vad/speech` computes all below it again.
//! 3. If a run could not keep the contract (a live gap, a killed node, an overflow), its recording says so, where and
//!    how much, and a comparison refuses to call it exact.
//!
//! What proves it are the digests of streams, in the recordings that the `recorder` node writes; `recording compare`
//! compares them and names the first difference.
//!
//! Every test here runs real graphs on the real dora with the real models. That the contract can fail is a test, too: a
//! fusion stage with a deliberate bug does not pass.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use harness::{Graph, kill, repository, wait_for};
use undertone_messages::{AudioFrame, Message};
use undertone_recording::{Comparison, ExceptionKind, Manifest, Options, TopicReader, compare};

/// A few seconds of speech with pauses: two utterances, so that branches can run ahead of one another.
const SHORT: &str = "recordings/session/LJ001-0002.flac recordings/session/LJ002-0020.flac";

/// The arguments that make the source send the short session at a pace.
fn short(pace: &str) -> String {
    let files: Vec<String> =
        SHORT.split(' ').map(|file| repository().join(file).display().to_string()).collect();
    format!("{} --join --silence-ms 800 --session short --pace {pace}", files.join(" "))
}

/// The default graph on the short session.
fn bare(name: &str, pace: &str) -> Graph {
    Graph::open("dataflow.yml", &format!("exact-{name}")).args("source", &short(pace))
}

/// The same with everything recorded.
fn graph(name: &str, pace: &str) -> Graph {
    bare(name, pace).record()
}

/// Runs a graph and gives its recording.
fn record(graph: Graph) -> PathBuf {
    let recording = graph.recording();
    graph.run().expect_success();
    recording
}

/// What all runs are compared with: made once, the first time that a test asks for it.
fn reference() -> &'static Path {
    static REFERENCE: OnceLock<PathBuf> = OnceLock::new();
    REFERENCE.get_or_init(|| record(graph("reference", "fast")))
}

fn compare_all(first: &Path, second: &Path) -> Comparison {
    compare(first, second, &Options::default()).unwrap()
}

/// Fails unless all topics but those in `but` were compared, and are the same.
fn assert_exact(first: &Path, second: &Path, but: &[&str]) {
    let options =
        Options { except: but.iter().map(|topic| (*topic).to_owned()).collect(), ..Options::default() };
    let comparison = compare(first, second, &options).unwrap();
    assert!(comparison.is_exact(), "{comparison}");
    assert!(comparison.only_first.is_empty() && comparison.only_second.is_empty(), "{comparison}");
    let topics: BTreeSet<&str> = comparison.streams.iter().map(|stream| stream.topic.as_str()).collect();
    assert_eq!(topics.len() + but.len(), 9, "{comparison}");
    assert!(comparison.streams.iter().all(|stream| stream.first > 1), "{comparison}");
}

#[test]
fn runs_under_load_are_the_same() {
    let reference = reference();
    for run in 0..5 {
        assert_exact(reference, &record(graph(&format!("load-{run}"), "fast").under_load()), &[]);
    }
}

/// Other nodes than those of the default graph: whisper.cpp, and the voice by its MFCC.
#[test]
fn runs_of_other_graphs_are_the_same() {
    for (graph, topics) in [("asr", 9), ("mfcc", 10)] {
        let run = |name: &str, pace: &str| {
            Graph::open(&format!("dataflows/{graph}.yml"), &format!("exact-{graph}-{name}"))
                .args("source", &short(pace))
                .record()
        };
        let first = record(run("first", "fast"));
        for other in [run("load", "fast").under_load(), run("realtime", "realtime")] {
            let comparison = compare_all(&first, &record(other));
            assert!(comparison.is_exact(), "{graph}: {comparison}");
            assert_eq!(comparison.streams.len(), topics, "{graph}: {comparison}");
        }
    }
}

/// `queue_size: 1` is the smallest there is, for which dora makes room for 64 messages a node. The source keeps to that;
/// the recorder has to hold what is on all wires at once.
#[test]
fn runs_with_the_smallest_queues_are_the_same() {
    let reference = reference();
    for run in 0..5 {
        let graph = bare(&format!("queues-{run}"), "fast").queues(1).add_args("source", "--lead-seconds 3.9");
        assert_exact(reference, &record(graph.record()), &[]);
    }
}

#[test]
fn the_pace_changes_nothing() {
    assert_exact(reference(), &record(graph("realtime", "realtime")), &[]);
}

/// The vad cuts audio into frames of its own.
#[test]
fn the_chunks_of_the_input_change_nothing_behind_the_vad() {
    for samples in [160, 512, 4000] {
        let chunked = graph(&format!("chunks-{samples}"), "fast");
        let chunked = chunked.add_args("source", &format!("--frame-samples {samples} --lead-seconds 20"));
        let audio = compare(
            reference(),
            &record(chunked),
            &Options { topics: BTreeSet::from(["source/audio".to_owned()]), ..Options::default() },
        );
        assert!(!audio.unwrap().is_exact(), "the frames should differ");
        let recording = repository().join(format!("out/tests/exact-chunks-{samples}/recording"));
        assert_exact(reference(), &recording, &["source/audio"]);
    }
}

#[test]
fn a_replay_of_the_audio_computes_everything_again() {
    let recording = reference().display().to_string();
    for (name, pace) in [("fast", "fast"), ("realtime", "realtime --speed 2")] {
        let args = format!("{recording} --pace {pace}");
        let replay = graph(&format!("replay-audio-{name}"), "fast").program("source", "replay", &args);
        assert_exact(reference(), &record(replay), &[]);
    }
}

#[test]
fn a_replay_of_any_point_computes_all_below_it_again() {
    let recording = reference().display().to_string();
    for (node, before) in
        [("vad", &["source"][..]), ("encoder", &[]), ("decoder", &[]), ("acoustic", &[]), ("text", &[])]
    {
        // The rest of the graph stays as it is; only what nobody needs any more is left out.
        let replay = Graph::open("dataflow.yml", &format!("exact-replay-{node}"))
            .args("source", &short("fast"))
            .program(node, "replay", &recording)
            .without(before)
            .rewire(node, "watermark", "fusion/watermark")
            .untyped(node)
            .record();
        let comparison = compare_all(reference(), &record(replay));
        assert!(comparison.is_exact(), "replay of {node}: {comparison}");
        assert!(comparison.streams.iter().any(|stream| stream.topic == "fusion/sentiment"), "{comparison}");
        assert!(comparison.streams.iter().any(|stream| stream.topic.starts_with(node)), "{comparison}");
    }
}

/// A part of a recording gives what the whole gave for that part.
#[test]
fn a_part_of_a_recording_gives_the_same_segments() {
    let args = format!("{} --from 2", reference().display());
    let replay = graph("replay-part", "fast").without(&["source"]).program("vad", "replay", &args);
    let replay = replay.rewire("vad", "watermark", "fusion/watermark").untyped("vad");
    let part = replay.run().expect_success();
    let whole =
        Graph::open("dataflow.yml", "exact-whole").args("source", &short("fast")).run().expect_success();
    assert!(!part.results.is_empty() && part.results.len() < whole.results.len(), "{}", part.log);
    for result in &part.results {
        let same = whole.results.iter().find(|other| other["segment"] == result["segment"]).unwrap();
        for field in ["text", "start_sample", "end_sample", "probabilities"] {
            assert_eq!(result[field], same[field], "{result}");
        }
    }
}

/// If the contract could not fail, it would prove nothing.
#[test]
fn a_clock_in_a_payload_is_caught() {
    let defect = |name: &str| record(graph(name, "fast").add_args("fusion", "--defect clock"));
    let comparison = compare_all(&defect("clock-1"), &defect("clock-2"));
    assert!(!comparison.is_exact(), "{comparison}");
    let difference = comparison.first_difference().unwrap();
    assert!(difference.topic.starts_with("fusion/"), "{difference}");
    for stream in comparison.streams.iter().filter(|stream| !stream.topic.starts_with("fusion/")) {
        assert_eq!(stream.differing, 0, "{comparison}");
    }
}

/// At the pace of the clock the voice is a little ahead of the words, in a fast run far ahead.
#[test]
fn a_join_by_arrival_is_caught() {
    let file = repository().join("recordings/session/jfk.flac");
    let defect = |name: &str, pace: &str| {
        let graph = graph(name, pace).args("source", &format!("{} --pace {pace}", file.display()));
        record(graph.add_args("fusion", "--defect unordered-join"))
    };
    let comparison = compare_all(&defect("join-1", "fast"), &defect("join-2", "realtime"));
    assert!(!comparison.is_exact(), "{comparison}");
    assert!(comparison.first_difference().unwrap().topic.starts_with("fusion/"), "{comparison}");
}

/// What cannot be the same is not called the same.
#[test]
fn a_killed_node_is_on_record() {
    let graph = graph("killed", "realtime");
    let recording = graph.recording();
    let outcome = graph.run_with(|folder| {
        // The source is the last of the recorded nodes to speak, so the recording has begun.
        let begun = folder.join("recording/vad/speech.arrows");
        wait_for("the recording", Duration::from_secs(60), || begun.exists());
        kill("decoder", folder);
    });
    outcome.expect_failure(&["decoder/transcript"]);
    let manifest = Manifest::read(&recording).unwrap();
    let cut = manifest.exceptions.iter().find(|exception| exception.kind == ExceptionKind::CutOff).unwrap();
    assert_eq!(cut.place, "decoder/transcript", "{cut}");
    let comparison = compare_all(&recording, &recording);
    assert_eq!(comparison.first_difference(), None);
    assert!(!comparison.is_exact(), "{comparison}");
    assert!(comparison.to_string().contains("not exact"), "{comparison}");
}

/// Audio that a live source lost is in the audio's own messages, so a run with a gap can be replayed; but nobody can
/// say that another run would lose the same.
#[test]
fn a_gap_is_on_record() {
    let folder = repository().join("out/tests/exact-gap-file");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let mut bytes = std::fs::read(repository().join("recordings/session/LJ001-0004.flac")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 2000].fill(0x55);
    let file = folder.join("damaged.flac");
    std::fs::write(&file, bytes).unwrap();
    let args = format!("{} --tolerate-corruption", file.display());
    let recording = record(graph("gap", "fast").args("source", &args));
    let manifest = Manifest::read(&recording).unwrap();
    let told = manifest.exceptions.iter().filter(|exception| exception.kind == ExceptionKind::Gap);
    let told: Vec<_> = told.map(|gap| (gap.session.clone(), gap.sample, gap.amount)).collect();
    let mut audio = TopicReader::open(&recording.join("source/audio.arrow")).unwrap();
    let mut lost = Vec::new();
    while let Some(message) = audio.next_message().unwrap() {
        let Message { session, body, .. } = Message::<AudioFrame>::decode(&message).unwrap();
        let gap = body.filter(|frame| frame.gap > 0).map(|frame| (frame.start - frame.gap, frame.gap));
        lost.extend(gap.map(|(sample, amount)| (Some(session.to_string()), Some(sample), Some(amount))));
    }
    assert!(!lost.is_empty() && told == lost, "{told:?} and {lost:?}");
    assert!(!compare_all(&recording, &recording).is_exact());
}
