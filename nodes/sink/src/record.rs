//! A result, or statistics, as one line.

use undertone_messages::{Sentiment, Statistics};
use undertone_results::{Latency, Record, StatisticsRecord};

use crate::error::SinkError;

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

/// Statistics as one line of JSON Lines, without the end of the line, as [`record`] writes a result. Values that are not
/// defined are `null`.
///
/// # Errors
///
/// As [`record`].
pub fn statistics_record(session: &str, statistics: &Statistics) -> Result<String, SinkError> {
    serde_json::to_string(&StatisticsRecord::new(session, statistics))
        .map_err(|error| SinkError::Json { segment: statistics.segment, error })
}
