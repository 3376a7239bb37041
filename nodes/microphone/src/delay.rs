//! How long sound is on its way through the device.

use std::time::Duration;

/// How long a device is listened to before its word counts. PulseAudio's is off by up to 0.5 s when a stream begins, and
/// right within a second.
const WINDOW: Duration = Duration::from_secs(2);

/// The delay between the sound and the callback that brings it, over the callback's own length: what waits in the device
/// and in a sound server. A device tells it with every callback, more or less well; the least of 2 s counts.
#[derive(Clone, Debug, Default)]
pub struct Delay {
    /// When the window began, and the least within it.
    window: Option<(Duration, Duration)>,
    /// The least of the window before it.
    known: Duration,
}

impl Delay {
    /// Takes note of what a callback said at `now`.
    pub fn note(&mut self, now: Duration, delay: Duration) {
        match &mut self.window {
            Some((begun, least)) if now.saturating_sub(*begun) < WINDOW => *least = delay.min(*least),
            window => {
                if let Some((_, least)) = window {
                    self.known = *least;
                }
                *window = Some((now, delay));
            }
        }
    }

    /// The delay, as far as it is known; 0 in the first 2 s.
    pub fn known(&self) -> Duration {
        self.known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_two_seconds_counts() {
        let ms = Duration::from_millis;
        let mut delay = Delay::default();
        for (now, said) in [(0, 500), (500, 300), (1_000, 12), (1_500, 40), (1_999, 11)] {
            delay.note(ms(now), ms(said));
            assert_eq!(delay.known(), ms(0));
        }
        delay.note(ms(2_000), ms(60));
        assert_eq!(delay.known(), ms(11));
        delay.note(ms(4_000), ms(70));
        assert_eq!(delay.known(), ms(60));
    }
}
