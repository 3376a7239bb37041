//! A result, or statistics, as one JSON object.

use serde::{Serialize, Serializer};
use undertone_messages::{Contribution, Sentiment, Statistics, likeliest, seconds};

use crate::latency::{Latency, StageLatency};

/// A result as the sink and the gateway write it: the fields and their order are those of the sink's documentation,
/// numbers are the shortest that read back the same.
#[derive(Serialize)]
pub struct Record<'a> {
    session: &'a str,
    segment: u64,
    status: &'static str,
    profile: &'static str,
    start_sample: u64,
    end_sample: u64,
    start_seconds: f64,
    end_seconds: f64,
    text: &'a str,
    label: Option<&'a str>,
    confidence: f32,
    fused_score: f32,
    probabilities: NamedValues<'a>,
    weighting: &'static str,
    model: &'a str,
    bias: NamedValues<'a>,
    temperature: f32,
    abstained: bool,
    anomaly: bool,
    /// What was done with less effort because the graph was late.
    #[serde(skip_serializing_if = "str::is_empty")]
    degraded: &'a str,
    text_sentiment: Option<ContributionRecord<'a>>,
    audio_sentiment: Option<ContributionRecord<'a>>,
    other_sentiments: Vec<ContributionRecord<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<LatencyRecord<'a>>,
}

impl<'a> Record<'a> {
    /// The record of a result of `session`.
    pub fn new(session: &'a str, result: &'a Sentiment, latency: Option<&'a Latency>) -> Self {
        let probabilities = NamedValues { names: &result.labels, values: &result.probabilities };
        let mut contributions: Vec<_> = result
            .contributions
            .iter()
            .map(|contribution| ContributionRecord::new(contribution, &result.labels, result.end))
            .collect();
        let mut take = |modality: &str| {
            let place = contributions.iter().position(|record| record.modality == modality)?;
            Some(contributions.remove(place))
        };
        let (text_sentiment, audio_sentiment) = (take("text"), take("voice"));
        Self {
            session,
            segment: result.segment,
            status: result.status.name(),
            profile: result.profile.name(),
            start_sample: result.start,
            end_sample: result.end,
            start_seconds: seconds(result.start),
            end_seconds: seconds(result.end),
            text: &result.text,
            label: probabilities.likeliest().map(|(label, _)| label),
            confidence: result.confidence,
            fused_score: result.score,
            probabilities,
            weighting: result.weighting.name(),
            model: &result.model,
            bias: NamedValues { names: &result.labels, values: &result.bias },
            temperature: result.temperature,
            abstained: result.abstained,
            anomaly: result.anomaly,
            degraded: &result.degraded,
            text_sentiment,
            audio_sentiment,
            other_sentiments: contributions,
            latency_ms: latency.map(LatencyRecord::new),
        }
    }
}

/// Statistics as the sink writes them. Values that are not defined are `null`.
#[derive(Serialize)]
pub struct StatisticsRecord<'a> {
    r#type: &'static str,
    session: &'a str,
    segment: u64,
    scope: &'static str,
    start_sample: u64,
    end_sample: u64,
    start_seconds: f64,
    end_seconds: f64,
    values: NamedValues<'a>,
    reason: &'a str,
}

impl<'a> StatisticsRecord<'a> {
    /// The record of statistics of `session`.
    pub fn new(session: &'a str, statistics: &'a Statistics) -> Self {
        let Statistics { segment, start, end, scope, names, values, reason } = statistics;
        Self {
            r#type: "statistics",
            session,
            segment: *segment,
            scope: scope.name(),
            start_sample: *start,
            end_sample: *end,
            start_seconds: seconds(*start),
            end_seconds: seconds(*end),
            values: NamedValues { names, values },
            reason,
        }
    }
}

/// Labels with their probabilities, or names with their values: a JSON object in the order of the names.
#[derive(Clone, Copy)]
pub struct NamedValues<'a> {
    /// The names.
    pub names: &'a [String],
    /// As many as names, or none.
    pub values: &'a [f32],
}

impl<'a> NamedValues<'a> {
    /// Each name with its value.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, f32)> {
        self.names.iter().map(String::as_str).zip(self.values.iter().copied())
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The likeliest label, the first if several are.
    pub fn likeliest(self) -> Option<(&'a str, f32)> {
        likeliest(self.names, self.values)
    }
}

impl Serialize for NamedValues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[derive(Serialize)]
struct ContributionRecord<'a> {
    modality: &'a str,
    label: Option<&'a str>,
    probabilities: NamedValues<'a>,
    weight: f32,
    weights: NamedValues<'a>,
    model: &'a str,
    end_sample: u64,
    /// How much of the segment's end the estimate does not cover.
    stale_ms: f64,
    #[serde(skip_serializing_if = "NamedValues::is_empty")]
    emotions: NamedValues<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valence: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arousal: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anomaly: Option<f32>,
    reason: &'a str,
}

impl<'a> ContributionRecord<'a> {
    fn new(contribution: &'a Contribution, labels: &'a [String], end: u64) -> Self {
        let detail = &contribution.detail;
        let probabilities = NamedValues { names: labels, values: &contribution.probabilities };
        Self {
            modality: &contribution.modality,
            label: probabilities.likeliest().map(|(label, _)| label),
            probabilities,
            weight: contribution.weight,
            weights: NamedValues { names: labels, values: &contribution.weights },
            model: &contribution.model,
            end_sample: contribution.end,
            stale_ms: 1000.0 * seconds(end.saturating_sub(contribution.end)),
            emotions: NamedValues { names: &detail.emotions, values: &detail.emotion_probabilities },
            valence: detail.valence,
            arousal: detail.arousal,
            anomaly: detail.anomaly,
            reason: &contribution.reason,
        }
    }
}

#[derive(Serialize)]
struct LatencyRecord<'a> {
    total: Option<f64>,
    hangover: Option<f64>,
    transport: f64,
    queueing: f64,
    stages: Stages<'a>,
}

impl<'a> LatencyRecord<'a> {
    fn new(latency: &'a Latency) -> Self {
        Self {
            total: latency.total_ms.map(to_microsecond),
            hangover: latency.hangover_ms.map(to_microsecond),
            transport: to_microsecond(latency.transport_ms()),
            queueing: to_microsecond(latency.queueing_ms()),
            stages: Stages(&latency.stages),
        }
    }
}

struct Stages<'a>(&'a [StageLatency]);

impl Serialize for Stages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|stage| (&stage.name, StageRecord::new(stage))))
    }
}

#[derive(Serialize)]
struct StageRecord {
    transport: f64,
    queued: f64,
    worked: f64,
}

impl StageRecord {
    fn new(stage: &StageLatency) -> Self {
        Self {
            transport: to_microsecond(stage.waited_ms),
            queued: to_microsecond(stage.queued_ms),
            worked: to_microsecond(stage.worked_ms),
        }
    }
}

/// Milliseconds, rounded to what a clock can tell.
fn to_microsecond(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}
