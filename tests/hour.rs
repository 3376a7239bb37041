//! What it costs to record and to replay an hour of speech:
//! `cargo bench -p undertone-tests --bench hour`.
//!
//! Records an hour of the recorded session, over and over, through the graph of the voice alone, then replays what the
//! vad gave as fast as the graph takes it.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, reason = "a bench that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Graph, find_process, repository};
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
    graph.run_with(|folder| watch("recorder", folder)).expect_success();
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

/// Prints the processor time and the peak memory of a node, as far as they were seen before it ended.
fn watch(node: &str, folder: &Path) {
    let process = Path::new("/proc").join(find_process(node, folder).to_string());
    let (mut peak, mut early, mut ticks) = (0, None, 0);
    let begun = Instant::now();
    while let Ok(status) = fs::read_to_string(process.join("status")) {
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let Some(kilobytes) = line.and_then(|line| line.trim().strip_suffix(" kB")) else { break };
        peak = kilobytes.trim().parse::<u64>().unwrap();
        if begun.elapsed() > Duration::from_secs(10) {
            early.get_or_insert(peak);
        }
        // User and system time are the 14th and 15th field, in hundredths of a second.
        let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
        let times = stat.split_whitespace().skip(13).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
        ticks = times.sum::<u64>().max(ticks);
        sleep(Duration::from_millis(50));
    }
    println!(
        "the {node} used {:.1} s of processor time and at most {} MB of memory, {} MB in the first 10 s",
        ticks as f64 / 100.0,
        peak / 1000,
        early.unwrap_or(peak) / 1000
    );
}
