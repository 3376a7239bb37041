//! A session's clock beside the gateway's, and how fast a client may send. Times are nanoseconds since some start, on a
//! clock that nobody sets.
//!
//! A frame can come late and never early. So the earliest of the latest frames tells when samples were captured, and what
//! the others come behind it is latency. A lag that each frame has for seconds is none: no network holds all of them back
//! by the same, but a sound card may be slower than its nominal rate, and a client may leave pauses out.

use std::collections::VecDeque;

use crate::limits::{MS, SECOND, nanoseconds, samples};

/// How long a client may be silent before that counts as a pause of its own instead of a slow network, and by how much it
/// may catch up before it counts as ahead of the clock.
const PAUSE: i64 = 2 * SECOND;
/// For how long each frame must lag before the lag counts as the client's own. Longer than a network stalls, and short
/// enough that a client that leaves out every other second is at most half of it late.
const WINDOW: i64 = 5 * SECOND;
/// Frames of the window that are told apart.
const STEP: i64 = 100 * MS;
/// Samples whose arrivals are told apart.
const PIECE: u64 = samples(10);

/// When samples should have been captured: the session's first sample came into the world when the first frame arrived,
/// less the frame's length, and all others follow at their rate. A lag that lasts for 5 s moves the clock, and so does a
/// pause of more than 2 s, at once.
#[derive(Clone, Debug)]
pub struct Clock {
    /// When sample 0 would have been captured, by the frames of the window.
    origin: Option<i64>,
    /// What is earlier is ahead of the clock.
    floor: i64,
    /// Frames of the window that came earlier than all behind them: when, and when sample 0 would have been captured had
    /// they come in time. The first is the earliest.
    window: VecDeque<(i64, i64)>,
    last: i64,
    /// What came that may still be asked for.
    arrivals: VecDeque<Arrival>,
    /// How many of them are kept.
    most: usize,
}

/// Samples that arrived together.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    /// Sample index behind the last of them.
    end: u64,
    at: i64,
    /// The clock's origin then. Later frames can change it and not how late these were.
    origin: i64,
}

impl Clock {
    /// A clock that has not begun. It remembers when the last `kept` samples arrived.
    pub fn new(kept: u64) -> Self {
        // One more at each end, whose piece is kept in part.
        let most = usize::try_from(kept / PIECE).unwrap_or(usize::MAX).saturating_add(2);
        Self { origin: None, floor: 0, window: VecDeque::new(), last: 0, arrivals: VecDeque::new(), most }
    }

    /// Takes note of a frame of `length` samples that arrives at `now` and ends at sample `end`.
    pub fn arrived(&mut self, length: u64, end: u64, now: i64) {
        let own = now - nanoseconds(end);
        let paused = now - self.last - nanoseconds(length) > PAUSE;
        let goes_on = self.origin.is_some_and(|origin| !(paused && own > origin + PAUSE));
        if !goes_on {
            self.floor = own;
            self.window.clear();
        }
        let origin = self.follow(own, now);
        self.origin = Some(origin);
        self.last = now;
        self.keep(Arrival { end, at: now, origin });
    }

    /// The origin, by one frame more.
    fn follow(&mut self, own: i64, now: i64) -> i64 {
        while self.window.front().is_some_and(|(at, _)| now - at > WINDOW) {
            self.window.pop_front();
        }
        while self.window.back().is_some_and(|(_, later)| *later >= own) {
            self.window.pop_back();
        }
        if self.window.back().is_none_or(|(at, _)| now - at >= STEP) {
            self.window.push_back((now, own));
        }
        let earliest = self.window.front().map_or(own, |(_, earliest)| *earliest);
        self.floor = self.floor.max(earliest - PAUSE);
        earliest.max(self.floor)
    }

    fn keep(&mut self, arrival: Arrival) {
        match self.arrivals.back_mut() {
            // Many small messages are kept as one, which is there when the last of them is.
            Some(last) if last.end / PIECE == arrival.end / PIECE => *last = arrival,
            _ => self.arrivals.push_back(arrival),
        }
        if self.arrivals.len() > self.most {
            self.arrivals.pop_front();
        }
    }

    /// When the last frame arrived.
    pub fn last(&self) -> i64 {
        self.last
    }

    /// When the audio before sample `end` was there: when it should have been captured, or if it came earlier, because
    /// the client sends faster than the clock, when it arrived. To be asked with rising samples.
    pub fn captured(&mut self, end: u64, now: i64) -> i64 {
        while self.arrivals.front().is_some_and(|arrival| arrival.end < end) {
            self.arrivals.pop_front();
        }
        let arrival = self.arrivals.front();
        let arrived = arrival.map_or(now, |arrival| arrival.at);
        let origin = arrival.map(|arrival| arrival.origin).or(self.origin);
        origin.map_or(now, |origin| origin + nanoseconds(end)).min(arrived)
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
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEPT: u64 = samples(10_000);
    /// Samples of a frame, and how long it is.
    const FRAME: u64 = samples(100);
    const LENGTH: i64 = 100 * MS;

    /// A client that is heard at once: its clock, its position, and what time it is.
    struct Client {
        clock: Clock,
        end: u64,
        now: i64,
    }

    impl Client {
        fn new() -> Self {
            Self { clock: Clock::new(KEPT), end: 0, now: 1_000 * SECOND }
        }

        /// The next frame, so long behind the one before. Gives how late it is, in nanoseconds.
        fn next(&mut self, behind: i64) -> i64 {
            self.now += behind;
            self.end += FRAME;
            self.clock.arrived(FRAME, self.end, self.now);
            self.now - self.clock.captured(self.end, self.now)
        }

        fn frames(&mut self, count: usize, behind: i64) {
            for _ in 0..count {
                self.next(behind);
            }
        }
    }

    #[test]
    fn audio_in_time_counts_from_its_capture() {
        let mut clock = Clock::new(KEPT);
        // 100 ms each; the second is 30 ms late on the network.
        clock.arrived(1_600, 1_600, 10 * SECOND);
        clock.arrived(1_600, 3_200, 10 * SECOND + 130 * MS);
        assert_eq!(clock.captured(1_024, 11 * SECOND), 10 * SECOND - 36 * MS);
        assert_eq!(clock.captured(2_048, 11 * SECOND), 10 * SECOND + 28 * MS);
        assert_eq!(clock.position(11 * SECOND), 17_600);
    }

    #[test]
    fn audio_ahead_of_time_counts_from_its_arrival() {
        let mut clock = Clock::new(KEPT);
        for frame in 1..=10 {
            clock.arrived(1_600, 1_600 * frame, 10 * SECOND + frame as i64 * MS);
        }
        assert_eq!(clock.captured(16_000, 20 * SECOND), 10 * SECOND + 10 * MS);
    }

    #[test]
    fn a_pause_of_the_client_is_no_latency() {
        let mut clock = Clock::new(KEPT);
        clock.arrived(1_600, 1_600, 10 * SECOND);
        clock.arrived(1_600, 3_200, 70 * SECOND);
        assert_eq!(clock.captured(3_200, 71 * SECOND), 70 * SECOND);
        // A network that stalls and catches up is.
        let mut clock = Clock::new(KEPT);
        clock.arrived(1_600, 1_600, 10 * SECOND);
        clock.arrived(1_600, 3_200, 10 * SECOND + 1_500 * MS);
        assert_eq!(clock.captured(3_200, 71 * SECOND), 10 * SECOND + 100 * MS);
    }

    #[test]
    fn a_client_whose_clock_is_slow_is_not_late() {
        for (permille, most) in [(1, 6 * MS), (10, 60 * MS)] {
            let mut client = Client::new();
            for frame in 0..36_000 {
                let late = client.next(LENGTH + LENGTH * permille / 1_000);
                assert!((0..=most).contains(&late), "{late} ns late in frame {frame}");
            }
        }
    }

    #[test]
    fn a_client_that_leaves_pauses_out_is_not_late_for_long() {
        let mut client = Client::new();
        let mut latest = 0;
        for _ in 0..8 {
            latest = latest.max(client.next(LENGTH + SECOND));
            for _ in 0..19 {
                latest = latest.max(client.next(LENGTH));
            }
        }
        assert!(latest <= 2 * SECOND, "{latest} ns late");
        client.frames(51, LENGTH);
        assert_eq!(client.next(LENGTH), 0);
    }

    #[test]
    fn a_stall_is_latency_and_its_end_is_none() {
        let mut client = Client::new();
        (0..600).for_each(|_| assert_eq!(client.next(LENGTH), 0));
        // What waited 1.5 s for the network comes at once.
        for waited in 0..=15 {
            let late = client.next(if waited == 0 { 1_600 * MS } else { 0 });
            assert_eq!(late, 1_500 * MS - waited * LENGTH);
        }
        assert_eq!(client.next(LENGTH), 0);
        // The same, but it catches up only after the lag has become the client's own.
        client.frames(1, 1_600 * MS);
        client.frames(60, LENGTH);
        client.frames(15, 0);
        assert_eq!(client.next(LENGTH), 0);
        assert_eq!(client.next(LENGTH + 300 * MS), 300 * MS, "the clock went back with it");
    }

    #[test]
    fn a_machine_that_stood_still_is_not_late_for_long() {
        for jump in [SECOND, 8 * SECOND, 40 * SECOND] {
            let mut client = Client::new();
            client.frames(100, LENGTH);
            client.now += jump;
            client.frames(60, LENGTH);
            assert_eq!(client.next(LENGTH), 0);
        }
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten() {
        let mut clock = Clock::new(KEPT);
        for end in 1..=1_000_000 {
            // Slow, so that each frame of the window counts.
            clock.arrived(1, end, nanoseconds(end) + end as i64 * 10);
        }
        assert_eq!(clock.arrivals.len(), 1_002);
        assert!((40..=51).contains(&clock.window.len()), "{}", clock.window.len());
    }

    proptest! {
        /// For ten minutes of a network that holds each frame back by less than its length and lets one of them through at
        /// once in every 5 s, and a client that is slow by up to 1 %, the stamp is when a frame was spoken.
        #[test]
        fn jitter_is_latency(
            slow in 0..=10_i64,
            delays in prop::collection::vec(0..200 * MS, 0..24),
        ) {
            let mut clock = Clock::new(KEPT);
            let delays = std::iter::once(0).chain(delays);
            for (frame, delay) in (1..3_000).zip(delays.cycle()) {
                let end = 2 * FRAME * frame as u64;
                let spoken = frame * (2 * LENGTH + 2 * LENGTH * slow / 1_000);
                clock.arrived(2 * FRAME, end, spoken + delay);
                let error = clock.captured(end, spoken + delay) - spoken;
                prop_assert!((-60 * MS..=0).contains(&error), "{error} ns off in frame {frame}");
            }
        }

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
