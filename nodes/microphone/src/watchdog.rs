//! When a device is opened, given up and opened again.

use std::time::Duration;

/// The first wait before a device is opened again.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);

/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A device that has been heard for so long has recovered, and the next wait is the shortest again.
const RECOVERED: Duration = Duration::from_secs(5);

/// How much longer a device may say nothing after it was opened: a sound server finds its pace, a headset wakes up.
const FIRST_SOUND: Duration = Duration::from_secs(5);

/// What a device is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is to be opened at a time.
    Waiting {
        /// When.
        until: Duration,
    },
    /// It is being opened.
    Opening {
        /// Since when.
        since: Duration,
    },
    /// It is open.
    Open {
        /// Since when.
        since: Duration,
        /// When it was heard last, if it was.
        heard: Option<Duration>,
    },
}

/// The state of a device. Knows no clock and no device: all times are given, as durations since some start.
#[derive(Clone, Debug)]
pub struct Watchdog {
    state: State,
    /// After how long a device that says nothing is given up.
    patience: Duration,
    /// The next wait.
    wait: Duration,
}

impl Watchdog {
    /// The device is to be opened at once.
    pub fn new(patience: Duration, now: Duration) -> Self {
        Self { state: State::Waiting { until: now }, patience, wait: SHORTEST_WAIT }
    }

    /// What the device is doing.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether to begin to open the device now. True once.
    pub fn opens(&mut self, now: Duration) -> bool {
        match self.state {
            State::Waiting { until } if until <= now => {
                self.state = State::Opening { since: now };
                true
            }
            _ => false,
        }
    }

    /// The device is open.
    pub fn opened(&mut self, now: Duration) {
        self.state = State::Open { since: now, heard: None };
    }

    /// Samples came.
    pub fn heard(&mut self, now: Duration) {
        if let State::Open { since, heard } = &mut self.state {
            *heard = Some(now);
            if now.saturating_sub(*since) >= RECOVERED {
                self.wait = SHORTEST_WAIT;
            }
        }
    }

    /// Whether the device is open and has said nothing for too long.
    pub fn is_silent(&self, now: Duration) -> bool {
        self.silent_at().is_some_and(|silent| silent <= now)
    }

    /// For how long the device has said nothing, if it is open.
    pub fn silence(&self, now: Duration) -> Duration {
        match self.state {
            State::Open { since, heard } => now.saturating_sub(heard.unwrap_or(since)),
            _ => Duration::ZERO,
        }
    }

    /// When the device will have said nothing for too long, if it is open.
    fn silent_at(&self) -> Option<Duration> {
        match self.state {
            State::Open { since, heard } => Some(heard.unwrap_or(since + FIRST_SOUND) + self.patience),
            _ => None,
        }
    }

    /// The device failed. Gives the wait until it is opened again, which is twice the last one.
    pub fn failed(&mut self, now: Duration) -> Duration {
        let wait = self.wait;
        self.wait = (2 * wait).min(LONGEST_WAIT);
        self.state = State::Waiting { until: now + wait };
        wait
    }

    /// How long nothing is to be done, unless something happens.
    pub fn quiet(&self, now: Duration) -> Duration {
        match self.state {
            State::Waiting { until } => until.saturating_sub(now),
            State::Opening { .. } => self.patience,
            State::Open { .. } => self.silent_at().unwrap_or(now).saturating_sub(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn waits_double_up_to_five_seconds() {
        let mut watchdog = Watchdog::new(PATIENCE, ms(0));
        let mut now = ms(0);
        let mut waits = Vec::new();
        for _ in 0..7 {
            assert!(watchdog.opens(now));
            assert!(!watchdog.opens(now), "it is being opened already");
            let wait = watchdog.failed(now);
            waits.push(wait.as_millis());
            assert!(!watchdog.opens(now + wait - ms(1)));
            now += wait;
        }
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    }

    #[test]
    fn a_device_that_says_nothing_is_given_up() {
        let mut watchdog = Watchdog::new(PATIENCE, ms(0));
        assert!(watchdog.opens(ms(0)));
        assert!(!watchdog.is_silent(ms(60_000)), "opening takes as long as it takes");
        watchdog.opened(ms(60_000));
        assert_eq!(watchdog.quiet(ms(60_500)), ms(6_500), "its first samples may take longer");
        watchdog.heard(ms(61_000));
        assert!(!watchdog.is_silent(ms(62_999)));
        assert!(watchdog.is_silent(ms(63_000)));
    }

    /// A device that opens and fails at once, again and again, is not opened four times a second.
    #[test]
    fn only_a_device_that_works_for_a_while_has_recovered() {
        let mut watchdog = Watchdog::new(PATIENCE, ms(0));
        let mut fail_after = |heard: u64| {
            watchdog.opened(ms(0));
            watchdog.heard(ms(heard));
            watchdog.failed(ms(heard)).as_millis()
        };
        assert_eq!(
            [fail_after(100), fail_after(4_999), fail_after(5_000), fail_after(0)],
            [250, 500, 250, 500]
        );
    }

    proptest! {
        /// Whatever happens to the device: it is opened again in the end, never more often than allowed, and never while
        /// it is open.
        #[test]
        fn it_is_always_opened_again(events in prop::collection::vec((0..4_u8, 1..3_000_u64), 1..200)) {
            let mut watchdog = Watchdog::new(PATIENCE, ms(0));
            let mut now = ms(0);
            let mut failed_at = None;
            for (event, later) in events {
                now += ms(later);
                let before = watchdog.state();
                if watchdog.opens(now) {
                    let waiting = matches!(before, State::Waiting { until } if until <= now);
                    prop_assert!(waiting);
                    if let Some(failed) = failed_at {
                        prop_assert!(now - failed >= SHORTEST_WAIT);
                    }
                }
                match (event, watchdog.state()) {
                    (0, State::Opening { .. }) => watchdog.opened(now),
                    (1, State::Open { .. }) => watchdog.heard(now),
                    (2, State::Opening { .. } | State::Open { .. }) => {
                        failed_at = Some(now);
                        let wait = watchdog.failed(now);
                        prop_assert!((SHORTEST_WAIT..=LONGEST_WAIT).contains(&wait));
                    }
                    _ => {}
                }
                if watchdog.is_silent(now) {
                    failed_at = Some(now);
                    watchdog.failed(now);
                }
                // Left alone, it comes to where it opens or is silent.
                let quiet = watchdog.quiet(now);
                prop_assert!(quiet <= FIRST_SOUND + PATIENCE);
                let mut later = watchdog.clone();
                let comes = later.opens(now + quiet) || later.is_silent(now + quiet);
                let is_opening = matches!(later.state(), State::Opening { .. });
                prop_assert!(comes || is_opening);
            }
        }
    }
}
