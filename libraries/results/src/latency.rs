//! Where the time between speech and result went. Times are milliseconds of a wall clock.

/// Where the time went for one result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latency {
    /// From the last sample of speech to the result. Unknown where the audio did not come at the pace of a clock.
    pub total_ms: Option<f64>,
    /// The part of it in which it was not yet known that the speech had ended. Unknown as `total_ms` is.
    pub hangover_ms: Option<f64>,
    /// The stages on the way of the message that completed the result, in their order.
    pub stages: Vec<StageLatency>,
}

/// Where the time went in one stage.
#[derive(Clone, Debug, PartialEq)]
pub struct StageLatency {
    /// The node's name in the graph.
    pub name: String,
    /// On the way from the stage before.
    pub waited_ms: f64,
    /// In the queue, while the stage was busy with earlier messages.
    pub queued_ms: f64,
    /// In the stage.
    pub worked_ms: f64,
}

impl Latency {
    /// What concerns no single stage, as far as it is known, by name.
    pub fn sums(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let sums = [
            ("total", self.total_ms),
            ("hangover", self.hangover_ms),
            ("transport", Some(self.transport_ms())),
            ("queueing", Some(self.queueing_ms())),
        ];
        sums.into_iter().filter_map(|(part, value)| Some((part, value?)))
    }

    /// On the way between stages, all of them together.
    pub fn transport_ms(&self) -> f64 {
        self.stages.iter().map(|stage| stage.waited_ms).sum()
    }

    /// In queues, all of them together.
    pub fn queueing_ms(&self) -> f64 {
        self.stages.iter().map(|stage| stage.queued_ms).sum()
    }
}

/// A percentile by nearest rank: the smallest value that is not below `percent` of the values, which are sorted. `None`
/// without values.
pub fn nearest_rank(sorted: &[f64], percent: usize) -> Option<f64> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let sorted: Vec<f64> = (1..=40).map(f64::from).collect();
        let ranks = [0, 50, 95, 99, 100].map(|percent| nearest_rank(&sorted, percent));
        assert_eq!(ranks, [1.0, 20.0, 38.0, 40.0, 40.0].map(Some));
        assert_eq!(nearest_rank(&[], 50), None);
    }
}
