//! What a session came to.

use std::fmt;

use undertone_messages::{SAMPLE_RATE, Sentiment, SessionId};
use undertone_results::{Latency, nearest_rank};

/// What a session came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The session.
    pub session: SessionId,
    /// Results received on `sentiment`.
    pub results: u64,
    /// Results received on `provisional`.
    pub provisional: u64,
    /// Speech in the results of `sentiment`, in seconds.
    pub speech_seconds: f64,
    /// Results of `sentiment` that abstained.
    pub abstained: u64,
    /// Where the time went in the results of `sentiment`, in the order of [`Latency`].
    pub latency: Vec<LatencySummary>,
}

/// One part of the latency over a session, in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct LatencySummary {
    /// `total`, `hangover`, `transport`, `queueing`, or the name of a stage for the time in it.
    pub part: String,
    /// Arithmetic mean.
    pub mean_ms: f64,
    /// Median: the smallest value that is not below half of the values (nearest rank).
    pub p50_ms: f64,
    /// 95th percentile by nearest rank.
    pub p95_ms: f64,
}

impl LatencySummary {
    fn new(part: &str, values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let rank = |percent| nearest_rank(&sorted, percent).unwrap_or(0.0);
        Self {
            part: part.to_owned(),
            mean_ms: values.iter().sum::<f64>() / values.len() as f64,
            p50_ms: rank(50),
            p95_ms: rank(95),
        }
    }
}

/// What a session has come to so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    results: u64,
    provisional: u64,
    speech: u64,
    abstained: u64,
    /// All the values of each part, in the order of their first appearance.
    latency: Vec<(String, Vec<f64>)>,
}

impl Tally {
    pub(crate) fn count_provisional(&mut self) {
        self.provisional += 1;
    }

    pub(crate) fn count(&mut self, result: &Sentiment, latency: Option<&Latency>) {
        self.results += 1;
        self.speech += result.end.saturating_sub(result.start);
        self.abstained += u64::from(result.abstained);
        let Some(latency) = latency else { return };
        latency.sums().for_each(|(part, value)| self.add(part, value));
        for stage in &latency.stages {
            self.add(&stage.name, stage.worked_ms);
        }
    }

    fn add(&mut self, part: &str, value: f64) {
        match self.latency.iter_mut().find(|(name, _)| name == part) {
            Some((_, values)) => values.push(value),
            None => self.latency.push((part.to_owned(), vec![value])),
        }
    }

    pub(crate) fn summary(&self, session: &SessionId) -> Summary {
        Summary {
            session: session.clone(),
            results: self.results,
            provisional: self.provisional,
            speech_seconds: self.speech as f64 / f64::from(SAMPLE_RATE),
            abstained: self.abstained,
            latency: self.latency.iter().map(|(part, values)| LatencySummary::new(part, values)).collect(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.results == 1 { "" } else { "s" };
        write!(
            formatter,
            "{}: {} utterance{plural}, {:.1} s of speech, {} abstained; {} provisional results received",
            self.session, self.results, self.speech_seconds, self.abstained, self.provisional
        )?;
        let width = self.latency.iter().map(|part| part.part.chars().count()).max().unwrap_or(0).max(10);
        if !self.latency.is_empty() {
            write!(formatter, "\n  {:width$} {:>9} {:>9} {:>9}", "latency ms", "mean", "p50", "p95")?;
        }
        for LatencySummary { part, mean_ms, p50_ms, p95_ms } in &self.latency {
            write!(formatter, "\n  {part:width$} {mean_ms:>9.1} {p50_ms:>9.1} {p95_ms:>9.1}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let values: Vec<f64> = (1..=40).rev().map(f64::from).collect();
        let summary = LatencySummary::new("total", &values);
        assert_eq!((summary.mean_ms, summary.p50_ms, summary.p95_ms), (20.5, 20.0, 38.0));
        let one = LatencySummary::new("total", &[7.0]);
        assert_eq!((one.mean_ms, one.p50_ms, one.p95_ms), (7.0, 7.0, 7.0));
    }
}
