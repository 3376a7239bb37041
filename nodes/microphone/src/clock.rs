//! When samples were captured.

use std::time::Duration;

use undertone_messages::SAMPLE_RATE;

/// Nanoseconds a sample, a whole number at 16 kHz.
const NANOSECONDS: i128 = 1_000_000_000 / SAMPLE_RATE as i128;

/// By how much a sound card may be slower than its nominal rate, in parts in a million.
const DRIFT: i128 = 200;

/// Knows when each sample of a session was captured, from when blocks of them arrived.
///
/// A block can come late and never early. So the earliest counts, and later ones move the clock by no more than a slow
/// sound card could. Times are durations since some start.
#[derive(Clone, Debug, Default)]
pub struct SampleClock {
    /// A sample index and when that sample was captured, in nanoseconds.
    anchor: Option<(u64, i128)>,
}

impl SampleClock {
    /// Takes note that sample `index` was captured at `time`, or before.
    pub fn observe(&mut self, index: u64, time: Duration) {
        let time = nanoseconds(time);
        let Some((before, _)) = self.anchor else {
            self.anchor = Some((index, time));
            return;
        };
        let elapsed = i128::from(index.saturating_sub(before)) * NANOSECONDS;
        let latest = self.nanoseconds(index) + elapsed * DRIFT / 1_000_000;
        self.anchor = Some((index, time.min(latest)));
    }

    /// Takes note that sample `index` was captured at `time`, whatever was known before: there was a break.
    pub fn restart(&mut self, index: u64, time: Duration) {
        self.anchor = Some((index, nanoseconds(time)));
    }

    /// When sample `index` was captured, or will be. Nothing is known before the first sample.
    pub fn at(&self, index: u64) -> Option<Duration> {
        self.anchor?;
        Some(Duration::from_nanos(u64::try_from(self.nanoseconds(index)).unwrap_or(0)))
    }

    /// How many samples would have been captured from sample `index` to `time`.
    pub fn samples_until(&self, index: u64, time: Duration) -> u64 {
        if self.anchor.is_none() {
            return 0;
        }
        let missing = nanoseconds(time) - self.nanoseconds(index);
        u64::try_from((missing + NANOSECONDS / 2).div_euclid(NANOSECONDS)).unwrap_or(0)
    }

    fn nanoseconds(&self, index: u64) -> i128 {
        let (anchor, time) = self.anchor.unwrap_or_default();
        time + (i128::from(index) - i128::from(anchor)) * NANOSECONDS
    }
}

fn nanoseconds(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_earliest_block_counts() {
        let mut clock = SampleClock::default();
        assert_eq!((clock.at(0), clock.samples_until(0, MS)), (None, 0));
        clock.observe(0, 30 * MS);
        clock.observe(160, 32 * MS);
        assert_eq!(clock.at(0), Some(22 * MS));
        assert_eq!(clock.at(16_160), Some(1_032 * MS));
        // A block that comes late moves it by 200 parts in a million.
        clock.observe(16_160, 1_500 * MS);
        assert_eq!(clock.at(16_160), Some(Duration::from_micros(1_032_200)));
    }

    #[test]
    fn the_wall_clock_tells_how_many_samples_are_missing() {
        let mut clock = SampleClock::default();
        clock.observe(16_000, 2_000 * MS);
        assert_eq!(clock.samples_until(32_000, 4_500 * MS), 24_000);
        assert_eq!(clock.samples_until(32_000, 2_999 * MS), 0);
        clock.restart(56_000, 4_500 * MS);
        assert_eq!(clock.at(56_000), Some(4_500 * MS));
    }

    proptest! {
        /// For an hour of a sound card that is wrong by up to 150 parts in a million, and callbacks that come up to 20 ms
        /// late, the error is never more than what one callback can be late.
        #[test]
        fn a_card_that_drifts_is_followed(drift in -150_i64..=150, lateness in prop::collection::vec(0_u64..20_000, 1..40)) {
            let mut clock = SampleClock::default();
            let block = 16_000_u64;
            for count in 0..3_600 {
                let sample = count * block;
                let micros = (count as i64 * 1_000_000 + count as i64 * drift) as u64;
                let late = lateness[count as usize % lateness.len()];
                clock.observe(sample, Duration::from_micros(1_000_000 + micros + late));
                let known = clock.at(sample).unwrap().as_micros() as i64 - 1_000_000;
                let error = known - micros as i64;
                prop_assert!((-10..20_000).contains(&error), "off by {error} µs at {count} s");
            }
        }
    }
}
