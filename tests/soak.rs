//! Half an hour of live speech, or as many minutes as `SOAK_MINUTES` says: the memory of each node, and the latency, early and
//! late.
//!
//! `cargo bench --workspace --bench soak`. Not a test: `live.rs` has a short one.

use std::time::Duration;

use harness::soak;

fn main() {
    let minutes = std::env::var("SOAK_MINUTES").ok().and_then(|minutes| minutes.parse().ok()).unwrap_or(30);
    let seen = soak("soak", Duration::from_secs(60 * minutes));
    println!("{minutes} minutes, {} results", seen.results);
    println!("{:<10} {:>15} {:>15}", "", "second quarter", "last quarter");
    for (node, [early, late]) in &seen.memory {
        println!("{node:<10} {:>12.1} MB {:>12.1} MB", early / 1e6, late / 1e6);
    }
    let [early, late] = seen.latency;
    println!("{:<10} {early:>12.1} ms {late:>12.1} ms", "latency");
}
