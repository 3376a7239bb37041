//! What a client may do, and how much of everything there is.

use serde::Serialize;
use undertone_messages::SAMPLE_RATE;

/// The sample rates that `audio` messages may have, in Hz. Those that are used; odd ones would cost much more to convert.
pub const RATES: [u32; 10] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];

/// Nanoseconds a millisecond.
pub(crate) const MS: i64 = 1_000_000;
/// Nanoseconds a second.
pub(crate) const SECOND: i64 = 1_000 * MS;

/// What a client may do, and how much of everything there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sessions at a time.
    pub sessions: usize,
    /// Samples in a frame on the way into the graph.
    pub frame_samples: usize,
    /// The longest frame of a client, in milliseconds.
    pub max_frame_ms: u64,
    /// How many times faster than the clock audio is read, once the burst is used up.
    pub speed: u64,
    /// How much audio may come at once.
    pub burst_ms: u64,
    /// How much audio of a session waits here for the graph.
    pub buffer_ms: u64,
    /// From how much late audio on a client is told.
    pub backpressure_ms: u64,
    /// How long a client may send no audio, in seconds.
    pub idle_seconds: u64,
    /// How long a session waits for its client to come back, in seconds.
    pub grace_seconds: u64,
    /// How many events a client that does not read may be behind.
    pub lag_events: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 8,
            frame_samples: 1_024,
            max_frame_ms: 1_000,
            speed: 2,
            burst_ms: 5_000,
            buffer_ms: 10_000,
            backpressure_ms: 2_000,
            idle_seconds: 30,
            grace_seconds: 30,
            lag_events: 512,
        }
    }
}

impl Limits {
    /// The longest message in bytes: the longest frame at the highest rate, in hexadecimal, and what is around it.
    pub fn message_bytes(&self) -> usize {
        let samples = self.max_frame_ms as usize * 96;
        4 * samples + 1_024
    }

    /// How long a client may send no audio, in nanoseconds.
    pub(crate) fn idle(&self) -> i64 {
        seconds(self.idle_seconds)
    }

    /// How long a session waits for its client to come back, in nanoseconds.
    pub(crate) fn grace(&self) -> i64 {
        seconds(self.grace_seconds)
    }

    /// As clients are told.
    pub fn told(&self) -> ToldLimits {
        ToldLimits {
            max_frame_ms: self.max_frame_ms,
            speed: self.speed,
            burst_ms: self.burst_ms,
            buffer_ms: self.buffer_ms,
            idle_seconds: self.idle_seconds,
            grace_seconds: self.grace_seconds,
            sample_rates: RATES,
        }
    }
}

/// The limits that concern a client, as `ready` tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ToldLimits {
    max_frame_ms: u64,
    speed: u64,
    burst_ms: u64,
    buffer_ms: u64,
    idle_seconds: u64,
    grace_seconds: u64,
    sample_rates: [u32; 10],
}

/// Samples of so many milliseconds.
pub(crate) const fn samples(ms: u64) -> u64 {
    ms.saturating_mul(SAMPLE_RATE as u64) / 1_000
}

/// Nanoseconds of so many seconds, at most the 292 years that there is room for.
fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(SECOND)
}

/// Milliseconds of so many samples.
pub(crate) const fn milliseconds(samples: u64) -> u64 {
    samples * 1_000 / (SAMPLE_RATE as u64)
}

/// Nanoseconds of so many samples.
pub(crate) fn nanoseconds(samples: u64) -> i64 {
    i64::try_from(samples).unwrap_or(i64::MAX).saturating_mul(SECOND / SAMPLE_RATE as i64)
}
