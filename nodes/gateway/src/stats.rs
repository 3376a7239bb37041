//! Where the time went, over the latest results.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use undertone_results::{Latency, nearest_rank};

/// How many results are looked back on.
const RESULTS: usize = 1_000;

/// Where the time went for the latest results.
#[derive(Debug, Default)]
pub struct LatencyStatistics {
    parts: BTreeMap<String, VecDeque<f64>>,
    results: u64,
}

/// Percentiles by nearest rank, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    count: usize,
    p50_ms: f64,
    p90_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
}

impl LatencyStatistics {
    /// Takes note of a result.
    pub fn count(&mut self, latency: &Latency) {
        self.results += 1;
        latency.sums().for_each(|(part, value)| self.add(part, value));
        for stage in &latency.stages {
            self.add(&format!("stage {}", stage.name), stage.worked_ms);
        }
    }

    fn add(&mut self, part: &str, value: f64) {
        let values = self.parts.entry(part.to_owned()).or_default();
        if values.len() == RESULTS {
            values.pop_front();
        }
        values.push_back(value);
    }

    /// How many results there were, in all.
    pub fn results(&self) -> u64 {
        self.results
    }

    /// The percentiles of each part: `total`, `hangover`, `transport`, `queueing`, and `stage NAME` for the work in each
    /// node.
    pub fn percentiles(&self) -> BTreeMap<&str, Percentiles> {
        let percentiles = |values: &VecDeque<f64>| {
            let mut sorted: Vec<f64> = values.iter().copied().collect();
            sorted.sort_by(f64::total_cmp);
            let rank = |percent| (nearest_rank(&sorted, percent).unwrap_or(0.0) * 1_000.0).round() / 1_000.0;
            Percentiles {
                count: sorted.len(),
                p50_ms: rank(50),
                p90_ms: rank(90),
                p95_ms: rank(95),
                p99_ms: rank(99),
            }
        };
        self.parts.iter().map(|(part, values)| (part.as_str(), percentiles(values))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_results_count() {
        let mut statistics = LatencyStatistics::default();
        for result in 0..1_500 {
            statistics.count(&Latency { total_ms: Some(f64::from(result)), ..Latency::default() });
        }
        let percentiles = statistics.percentiles();
        assert_eq!(statistics.results(), 1_500);
        let expected =
            Percentiles { count: 1_000, p50_ms: 999.0, p90_ms: 1_399.0, p95_ms: 1_449.0, p99_ms: 1_489.0 };
        assert_eq!(percentiles.get("total"), Some(&expected));
        assert!(!percentiles.contains_key("hangover"));
    }
}
