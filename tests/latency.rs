//! Where the time goes between the last sample of speech and the result, at the pace of the clock: in the default graph, and
//! in the one that works ahead while somebody speaks. And the memory of encoder and decoder meanwhile.
//!
//! `cargo bench --workspace --bench latency`. Not a test: it fails only if the graph does.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;

use harness::{Graph, repository, watch};
use serde_json::Value;

fn main() {
    let recordings = repository().join("recordings/session");
    let sessions =
        [("a speech of 11 s", recordings.join("jfk.flac")), ("a session of 50 s", recordings.clone())];
    for (graph, how) in
        [("dataflow.yml", "after the end of speech"), ("dataflows/rehearsal.yml", "working ahead")]
    {
        for (name, path) in &sessions {
            println!("{graph}, {how}: {name}");
            measure(graph, path);
        }
    }
}

fn measure(graph: &str, recordings: &Path) {
    let outcome = Graph::open(graph, "latency")
        .args("source", &format!("{} --join --silence-ms 1000 --pace realtime", recordings.display()))
        .run_with(|folder| {
            thread::scope(|scope| {
                for node in ["encoder", "decoder"] {
                    scope.spawn(move || {
                        let usage = watch(node, folder);
                        let [own, all] = [usage.own_memory, usage.memory].map(|bytes| bytes / 1_000_000);
                        println!(
                            "{node}: at most {own} MB of memory of its own, {all} MB with what it shares"
                        );
                    });
                }
            });
        })
        .expect_success();
    let mut parts: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for result in &outcome.results {
        let latency = &result["latency_ms"];
        for part in ["total", "hangover", "transport", "queueing"] {
            parts.entry(part.to_owned()).or_default().extend(latency[part].as_f64());
        }
        let behind = latency["total"].as_f64().zip(latency["hangover"].as_f64());
        parts
            .entry("total less hangover".to_owned())
            .or_default()
            .extend(behind.map(|(total, hangover)| total - hangover));
        for (stage, times) in latency["stages"].as_object().into_iter().flatten() {
            parts.entry(format!("work in {stage}")).or_default().extend(times["worked"].as_f64());
        }
    }
    println!(
        "{} utterances, from the last sample of speech to the result, in milliseconds:",
        outcome.results.len()
    );
    println!("{:<20} {:>9} {:>9} {:>9}", "", "median", "95 %", "largest");
    for (part, mut values) in parts {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values.get((values.len() as f64 * share) as usize).copied();
        let [median, most, largest] =
            [at(0.5), at(0.95), values.last().copied()].map(|value| value.unwrap_or(f64::NAN));
        println!("{part:<20} {median:>9.1} {most:>9.1} {largest:>9.1}");
    }
    let speech: f64 = outcome.results.iter().filter_map(duration).sum();
    println!("{speech:.1} s of speech\n");
}

fn duration(result: &Value) -> Option<f64> {
    Some(result["end_seconds"].as_f64()? - result["start_seconds"].as_f64()?)
}
