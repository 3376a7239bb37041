//! A live graph that runs for long: does anything grow?

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::{Graph, find_process, memory, repository};

/// The nodes of the live graph whose memory is watched.
const NODES: [&str; 8] = ["source", "vad", "encoder", "acoustic", "decoder", "text", "fusion", "sink"];

/// What was seen of a long run, in its second and its last quarter: in the first one, memory is still being taken for the
/// longest segment so far.
#[derive(Debug)]
pub struct Soak {
    /// Of each node, the median of the memory of its own in bytes.
    pub memory: BTreeMap<&'static str, [f64; 2]>,
    /// The median of the time from the end of speech to the result less the hangover, in milliseconds.
    pub latency: [f64; 2],
    /// Results in all.
    pub results: usize,
}

/// Plays the recorded session over and over at the pace of the clock, in the graph that works ahead.
pub fn soak(name: &str, length: Duration) -> Soak {
    let session = repository().join("recordings/session").display().to_string();
    // The session takes 53.7 s with its pauses.
    let rounds = length.as_secs().div_ceil(54).max(1) as usize;
    // The longest utterance first: models keep the memory that it takes.
    let longest = format!("{session}/libri-1088-134315-0000.flac");
    let sessions = [vec![longest], vec![session; rounds]].concat().join(" ");
    let samples = std::sync::Arc::new(std::sync::Mutex::new(BTreeMap::new()));
    let seen = samples.clone();
    let outcome = Graph::open("dataflows/rehearsal.yml", name)
        .args("source", &format!("{sessions} --join --silence-ms 1000 --session soak --pace realtime"))
        .within(2 * length + Duration::from_secs(120))
        .run_with(move |folder| {
            let done = AtomicBool::new(false);
            thread::scope(|scope| {
                for node in NODES {
                    let (done, seen) = (&done, &seen);
                    scope.spawn(move || {
                        let series = memory_of(node, folder, done);
                        done.store(true, Ordering::Relaxed);
                        seen.lock().unwrap().insert(node, series);
                    });
                }
            });
        })
        .expect_success();
    let late = |result: &Value| {
        let latency = &result["latency_ms"];
        Some(latency["total"].as_f64()? - latency["hangover"].as_f64()?)
    };
    let latencies: Vec<f64> = outcome.results.iter().filter_map(late).collect();
    let memory = samples.lock().unwrap().iter().map(|(node, series)| (*node, quarters(series))).collect();
    Soak { memory, latency: quarters(&latencies), results: outcome.results.len() }
}

/// The memory of a node's own, each second until one of the nodes ends.
fn memory_of(node: &str, folder: &Path, done: &AtomicBool) -> Vec<f64> {
    let status = Path::new("/proc").join(find_process(node, folder).to_string()).join("status");
    let mut series = Vec::new();
    while !done.load(Ordering::Relaxed)
        && let Some(bytes) = fs::read_to_string(&status).ok().and_then(|status| memory(&status, "RssAnon:"))
    {
        series.push(bytes as f64);
        thread::sleep(Duration::from_secs(1));
    }
    series
}

/// The medians of the second and of the last quarter.
fn quarters(series: &[f64]) -> [f64; 2] {
    let quarter = series.len() / 4;
    [quarter..2 * quarter, 3 * quarter..series.len()].map(|range| {
        let mut values = series.get(range).unwrap_or_default().to_vec();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    })
}
