//! A session's clock beside the clock on the wall, and how fast a client may send. Times are nanoseconds.

use std::collections::VecDeque;

use crate::limits::{MS, SECOND, nanoseconds, samples};

/// How long a client may be silent before that counts as a pause of its own instead of a slow network.
const PAUSE: i64 = 2 * SECOND;

/// When samples should have been captured: the session's first sample came into the world when the first frame arrived,
/// less the frame's length, and all others follow at their rate. A client that pauses begins anew.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// When sample 0 would have been captured.
    origin: Option<i64>,
    last: i64,
    /// Where frames ended that may still be asked for, and when they arrived.
    arrivals: VecDeque<(u64, i64)>,
}

impl Clock {
    /// Takes note of a frame of `length` samples that arrives at `now` and ends at sample `end`.
    pub fn arrived(&mut self, length: u64, end: u64, now: i64) {
        let own = now - nanoseconds(end);
        let paused = now - self.last - nanoseconds(length) > PAUSE;
        match self.origin {
            Some(origin) if !(paused && own > origin + PAUSE) => {}
            _ => self.origin = Some(own),
        }
        self.last = now;
        self.arrivals.push_back((end, now));
    }

    /// When the last frame arrived.
    pub fn last(&self) -> i64 {
        self.last
    }

    /// When the audio before sample `end` was there: when it should have been captured, or if it came earlier, because
    /// the client sends faster than the clock, when it arrived. To be asked with rising samples.
    pub fn captured(&mut self, end: u64, now: i64) -> i64 {
        while self.arrivals.front().is_some_and(|(sample, _)| *sample < end) {
            self.arrivals.pop_front();
        }
        let arrived = self.arrivals.front().map_or(now, |(_, at)| *at);
        let due = self.origin.map_or(now, |origin| origin + nanoseconds(end));
        due.min(arrived)
    }

    /// How far the session's clock is at `now`, in samples. 0 before the first frame.
    pub fn position(&self, now: i64) -> u64 {
        let elapsed = self.origin.map_or(0, |origin| (now - origin).max(0));
        u64::try_from(elapsed).unwrap_or(0) / (nanoseconds(1).max(1) as u64)
    }
}

/// How much may be read: a burst, and behind it a multiple of real time. What a client sends beyond that waits in the
/// network.
#[derive(Clone, Debug)]
pub struct Allowance {
    /// Samples that may still be read; less than 0 once a frame has used more.
    left: i64,
    burst: i64,
    speed: i64,
    updated: i64,
}

impl Allowance {
    /// A full one.
    pub fn new(burst_ms: u64, speed: u64, now: i64) -> Self {
        let burst = samples(burst_ms.max(1)) as i64;
        Self { left: burst, burst, speed: speed.max(1) as i64, updated: now }
    }

    /// Takes note of a message with so much audio, at 16 kHz. Each costs 10 ms at least, so that many small ones cost
    /// something, too.
    pub fn spend(&mut self, length: u64, now: i64) {
        self.refill(now);
        self.left -= length.max(samples(10)) as i64;
    }

    /// How long nothing may be read.
    pub fn wait(&mut self, now: i64) -> i64 {
        self.refill(now);
        if self.left > 0 { 0 } else { nanoseconds((1 - self.left) as u64) / self.speed + MS }
    }

    fn refill(&mut self, now: i64) {
        let elapsed = (now - self.updated).max(0);
        let more = elapsed.saturating_mul(self.speed) / nanoseconds(1);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(self.burst);
            self.updated = now;
        } else if now < self.updated {
            // The clock on the wall was set back.
            self.updated = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn audio_in_time_counts_from_its_capture() {
        let mut clock = Clock::default();
        // 100 ms each; the second is 30 ms late on the network.
        clock.arrived(1_600, 1_600, 10 * SECOND);
        clock.arrived(1_600, 3_200, 10 * SECOND + 130 * MS);
        assert_eq!(clock.captured(1_024, 11 * SECOND), 10 * SECOND - 36 * MS);
        assert_eq!(clock.captured(2_048, 11 * SECOND), 10 * SECOND + 28 * MS);
        assert_eq!(clock.position(11 * SECOND), 17_600);
    }

    #[test]
    fn audio_ahead_of_time_counts_from_its_arrival() {
        let mut clock = Clock::default();
        for frame in 1..=10 {
            clock.arrived(1_600, 1_600 * frame, 10 * SECOND + frame as i64 * MS);
        }
        assert_eq!(clock.captured(16_000, 20 * SECOND), 10 * SECOND + 10 * MS);
    }

    #[test]
    fn a_pause_of_the_client_is_no_latency() {
        let mut clock = Clock::default();
        clock.arrived(1_600, 1_600, 10 * SECOND);
        clock.arrived(1_600, 3_200, 70 * SECOND);
        assert_eq!(clock.captured(3_200, 71 * SECOND), 70 * SECOND);
        // A network that stalls and catches up is.
        let mut clock = Clock::default();
        clock.arrived(1_600, 1_600, 10 * SECOND);
        clock.arrived(1_600, 3_200, 10 * SECOND + 1_500 * MS);
        assert_eq!(clock.captured(3_200, 71 * SECOND), 10 * SECOND + 100 * MS);
    }

    proptest! {
        /// Whatever a client does, it gets no more than the burst, its speed and one message.
        #[test]
        fn nobody_reads_more_than_the_allowance(
            messages in prop::collection::vec((0..20_000_u64, 0..500 * MS), 1..200),
        ) {
            let mut allowance = Allowance::new(5_000, 2, 0);
            let (mut now, mut read) = (0, 0);
            for (length, pause) in messages {
                now += pause;
                now += allowance.wait(now);
                prop_assert_eq!(allowance.wait(now), 0);
                allowance.spend(length, now);
                read += length;
                let most = samples(5_000) + 2 * (now / nanoseconds(1)) as u64 + 20_000;
                prop_assert!(read <= most, "{} of {} at {}", read, most, now);
            }
        }
    }
}
