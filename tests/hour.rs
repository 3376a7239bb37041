//! What it costs to record and to replay an hour of speech:
//! `cargo bench --workspace --bench hour`.
//!
//! Records an hour of the recorded session, over and over, through the graph of the voice alone, then replays what the
//! vad gave as fast as the graph takes it.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, reason = "a bench that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::time::Instant;

use harness::{Graph, repository, watch};
use undertone_recording::Manifest;

/// How often the session of 53.7 s, with its pauses, makes an hour.
const TIMES: usize = 68;

fn main() {
    let session = repository().join("recordings/session").display().to_string();
    let files = vec![session; TIMES].join(" ");
    let source = format!("{files} --join --silence-ms 1000 --session hour --pace fast");
    let graph = Graph::open("dataflows/audio-only.yml", "bench-record").args("source", &source).record();
    let recording = graph.recording();
    let begun = Instant::now();
    graph
        .run_with(|folder| {
            let usage = watch("recorder", folder);
            println!(
                "the recorder used {:.1} s of processor time and at most {} MB of memory, {} MB in the first 10 s",
                usage.seconds,
                usage.memory / 1_000_000,
                usage.early_memory / 1_000_000
            );
        })
        .expect_success();
    let manifest = Manifest::read(&recording).unwrap();
    let messages: u64 = manifest.topics.values().map(|topic| topic.messages()).sum();
    let bytes: u64 =
        manifest.topics.keys().map(|topic| size(&recording.join(format!("{topic}.arrow")))).sum();
    println!(
        "recorded {messages} messages in {:.1} s, {} MB",
        begun.elapsed().as_secs_f64(),
        bytes / 1_000_000
    );

    let path = recording.display().to_string();
    let graph = Graph::open("dataflows/audio-only.yml", "bench-replay").without(&["source"]);
    let graph =
        graph.program("vad", "replay", &path).rewire("vad", "watermark", "fusion/watermark").untyped("vad");
    let begun = Instant::now();
    let results = graph.run().expect_success().results.len();
    println!("replayed vad/speech to {results} results in {:.1} s", begun.elapsed().as_secs_f64());
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}
