//! Where the time goes between the last sample of speech and the result: the default graph at the pace of the clock. And
//! the memory of encoder and decoder meanwhile.
//!
//! `cargo bench --workspace --bench latency`. Not a test: it fails only if the graph does.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::thread;

use harness::{Graph, repository, watch};
use serde_json::Value;

fn main() {
    let session = repository().join("recordings/session");
    let outcome = Graph::open("dataflow.yml", "latency")
        .args("source", &format!("{} --join --silence-ms 1000 --pace realtime", session.display()))
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
        for (stage, times) in latency["stages"].as_object().into_iter().flatten() {
            parts.entry(format!("work in {stage}")).or_default().extend(times["worked"].as_f64());
        }
    }
    println!(
        "{} utterances, from the last sample of speech to the result, in milliseconds:",
        outcome.results.len()
    );
    println!("{:<20} {:>9} {:>9} {:>9}", "", "median", "mean", "largest");
    for (part, mut values) in parts {
        values.sort_by(f64::total_cmp);
        let median = values.get(values.len() / 2).copied().unwrap_or(f64::NAN);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let largest = values.last().copied().unwrap_or(f64::NAN);
        println!("{part:<20} {median:>9.1} {mean:>9.1} {largest:>9.1}");
    }
    let speech: f64 = outcome.results.iter().filter_map(duration).sum();
    println!("{speech:.1} s of speech");
}

fn duration(result: &Value) -> Option<f64> {
    Some(result["end_seconds"].as_f64()? - result["start_seconds"].as_f64()?)
}
