//! The recordings in the repository, replayed: what they gave when they were recorded, they give today.
//!
//! A change that alters results on purpose is blessed with `make bless`, which shows what has changed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use harness::{Graph, repository};
use undertone_recording::{Content, Host, Manifest, Options, compare, verify};

/// Between processors with different instruction sets, neural networks differ in the last bits, and where the next layer is
/// in int8 a last bit may be a step: measured were up to 0.03, with and without AVX-512 VNNI.
const TOLERANCE: f64 = 0.05;
/// What else may differ then: the times of words, which are whole frames of the encoder. The words themselves are in the
/// results.
const TIMES: &str = "decoder/transcript";

fn golden(name: &str) -> PathBuf {
    repository().join("recordings").join(name)
}

/// Replays the audio of a golden recording through the default graph, changed by `change`, and compares all that the
/// graph made of it.
fn replay(name: &str, change: impl FnOnce(Graph) -> Graph) {
    let golden = golden(name);
    verify(&golden).unwrap();
    let graph = Graph::open("dataflows/replay.yml", &format!("golden-{name}"));
    let recording = graph.recording();
    let graph = graph
        .args("source", &golden.display().to_string())
        .args("recorder", &recording.display().to_string());
    change(graph).run().expect_success();
    let manifest = Manifest::read(&golden).unwrap();
    let mut options = Options::default();
    if !manifest.host.computes_like(&Host::this()) {
        eprintln!(
            "{name} was recorded on a processor with other instruction sets ({}): floats may differ by {TOLERANCE}",
            manifest.host.features.join(", ")
        );
        options.tolerance = TOLERANCE;
        let digests = manifest.topics.iter().filter(|(_, topic)| topic.content == Content::Digests);
        options.except = digests.map(|(topic, _)| topic.clone()).chain([TIMES.to_owned()]).collect();
    }
    let comparison = compare(&golden, &recording, &options).unwrap();
    assert!(comparison.is_exact(), "{comparison}\nif this is as it should be, say `make bless`");
    let topics: BTreeSet<&str> = comparison.streams.iter().map(|stream| stream.topic.as_str()).collect();
    assert_eq!(topics.len() + options.except.len(), 9, "{comparison}");
}

#[test]
fn the_demo_is_as_it_was() {
    replay("demo", |graph| graph);
}

#[test]
fn two_sessions_with_the_energy_detector_are_as_they_were() {
    replay("sessions", |graph| graph.args("vad", "--detector energy"));
}

#[test]
fn the_graphs_that_the_readme_names_are_valid_as_they_are() {
    Graph::open("dataflows/replay.yml", "golden-validate").validate().expect_success();
    Graph::open("dataflows/record.yml", "record-validate").validate().expect_success();
}
