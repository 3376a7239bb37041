//! What those who hand results out share: a result as JSON ([`Record`], whose fields are described in the sink's
//! documentation), and where the time went until it was there ([`Latency`]).

mod latency;
mod latency_of;
mod record;

pub use latency::{Latency, StageLatency, nearest_rank};
pub use latency_of::latency_of;
pub use record::{NamedValues, Record, StatisticsRecord};
