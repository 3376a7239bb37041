//! A result, or statistics, as one JSON object.

use serde::{Serialize, Serializer};
use undertone_messages::{Contribution, Sentiment, Statistics, seconds};

use crate::error::SinkError;
use crate::latency::{Latency, StageLatency};

/// The result as one line of JSON Lines, without the end of the line. The fields and their order are those of the
/// crate's documentation; numbers are the shortest that read back the same.
///
/// # Errors
///
/// None that a result could cause; serialisation reports them all the same.
pub fn record(session: &str, result: &Sentiment, latency: Option<&Latency>) -> Result<String, SinkError> {
    serde_json::to_string(&Record::new(session, result, latency))
        .map_err(|error| SinkError::Json { segment: result.segment, error })
}

#[derive(Serialize)]
struct Record<'a> {
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
    fn new(session: &'a str, result: &'a Sentiment, latency: Option<&'a Latency>) -> Self {
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

/// Statistics as one line of JSON Lines, without the end of the line, as [`record`] writes a result. Values that are not
/// defined are `null`.
///
/// # Errors
///
/// As [`record`].
pub fn statistics_record(session: &str, statistics: &Statistics) -> Result<String, SinkError> {
    let Statistics { segment, start, end, scope, names, values, reason } = statistics;
    let record = StatisticsRecord {
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
    };
    serde_json::to_string(&record).map_err(|error| SinkError::Json { segment: *segment, error })
}

#[derive(Serialize)]
struct StatisticsRecord<'a> {
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

/// Labels with their probabilities, or names with their values: a JSON object in the order of the names.
#[derive(Clone, Copy)]
pub(crate) struct NamedValues<'a> {
    pub(crate) names: &'a [String],
    /// As many as names, or none.
    pub(crate) values: &'a [f32],
}

impl<'a> NamedValues<'a> {
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a str, f32)> {
        self.names.iter().map(String::as_str).zip(self.values.iter().copied())
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The likeliest label, the first if several are.
    pub(crate) fn likeliest(self) -> Option<(&'a str, f32)> {
        self.iter().reduce(|best, next| if next.1 > best.1 { next } else { best })
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
