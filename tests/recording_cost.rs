//! What recording costs: the default graph at the pace of the clock, in turn without and with a recorder on all of its
//! wires. `cargo bench --workspace --bench recording_cost`.
#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench that cannot go on fails"
)]

use std::sync::mpsc;

use harness::{Graph, children_seconds, repository, watch};

const PAIRS: usize = 3;

/// A run's processor time and that of its recorder, in seconds, and the latency of each of its results, in milliseconds.
struct Cost {
    seconds: f64,
    recorder: f64,
    latencies: Vec<f64>,
}

fn main() {
    let (mut ratios, mut shares, mut delays) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        // Whatever the machine does besides falls on the one as often as on the other.
        let (without, with) = if pair % 2 == 0 {
            let without = run(false);
            (without, run(true))
        } else {
            let with = run(true);
            (run(false), with)
        };
        println!(
            "processor time: {:.2} s, with a recorder {:.2} s, of which the recorder {:.2} s",
            without.seconds, with.seconds, with.recorder
        );
        ratios.push(with.seconds / without.seconds);
        shares.push(with.recorder / with.seconds);
        assert_eq!(with.latencies.len(), without.latencies.len());
        delays.extend(with.latencies.iter().zip(&without.latencies).map(|(with, without)| with - without));
    }
    println!("medians of {PAIRS} pairs of runs and {} pairs of results:", delays.len());
    println!("processor time with a recorder to that without: {:.3}", quantile(&mut ratios, 0.5));
    println!("share of the recorder in it: {:.3}", quantile(&mut shares, 0.5));
    println!(
        "latency with a recorder less that without: {:.1} ms (quartiles {:.1} and {:.1} ms)",
        quantile(&mut delays, 0.5),
        quantile(&mut delays, 0.25),
        quantile(&mut delays, 0.75)
    );
}

fn run(recorded: bool) -> Cost {
    let session = repository().join("recordings/session");
    let graph = Graph::open("dataflow.yml", "recording-cost")
        .args("source", &format!("{} --join --silence-ms 1000 --pace realtime", session.display()));
    let before = children_seconds();
    let (send, receive) = mpsc::channel();
    let outcome = if recorded {
        graph.record().run_with(move |folder| send.send(watch("recorder", folder).seconds).unwrap())
    } else {
        graph.run()
    };
    let results = outcome.expect_success().results;
    let latencies = results.iter().map(|result| result["latency_ms"]["total"].as_f64().unwrap()).collect();
    Cost { seconds: children_seconds() - before, recorder: receive.try_recv().unwrap_or(0.0), latencies }
}

/// A quantile of some values, the nearest one.
fn quantile(values: &mut [f64], at: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * at).round() as usize]
}
