//! When a frame is due.

use std::time::Duration;

use undertone_messages::{AudioFrame, SAMPLE_RATE};
use undertone_node::Pace;

/// Nanoseconds a sample: a whole number at 16 kHz, so that times do not drift.
const SAMPLE_NANOSECONDS: u64 = 1_000_000_000 / SAMPLE_RATE as u64;

/// Says when frames are due, over all sessions, in time since the first one began.
///
/// Under [`Pace::Realtime`] a frame is due once its last sample would have been spoken, as from a microphone. The time
/// counts samples, gaps included, so neither late wake-ups nor slow sends add up. A graph that has fallen behind gets
/// the frames that are overdue at once.
#[derive(Clone, Debug)]
pub struct Pacer {
    pace: Pace,
    samples: u64,
}

impl Pacer {
    /// A pacer at the start of the first session.
    pub fn new(pace: Pace) -> Self {
        Self { pace, samples: 0 }
    }

    /// When the next frame is due, since the start. Each frame is to be asked for once, in order.
    pub fn due(&mut self, frame: &AudioFrame) -> Duration {
        self.samples += frame.gap + frame.samples.len() as u64;
        match self.pace {
            Pace::Fast => Duration::ZERO,
            Pace::Realtime => Self::time(self.samples),
        }
    }

    /// How long `samples` samples last.
    pub fn time(samples: u64) -> Duration {
        let rate = u64::from(SAMPLE_RATE);
        let fraction = (samples % rate) * SAMPLE_NANOSECONDS;
        Duration::from_secs(samples / rate).saturating_add(Duration::from_nanos(fraction))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(start: u64, length: usize, gap: u64) -> AudioFrame {
        AudioFrame { start, sample_rate: SAMPLE_RATE, samples: vec![0.0; length].into(), gap }
    }

    #[test]
    fn a_frame_is_due_when_its_last_sample_would_have_been_spoken() {
        let mut pacer = Pacer::new(Pace::Realtime);
        assert_eq!(pacer.due(&frame(0, 1_024, 0)), Duration::from_millis(64));
        assert_eq!(pacer.due(&frame(1_024, 1_024, 0)), Duration::from_millis(128));
        // A gap takes the time that it took, and the next session follows without a pause.
        assert_eq!(pacer.due(&frame(3_648, 16, 1_600)), Duration::from_millis(229));
        assert_eq!(pacer.due(&frame(0, 16_000, 0)), Duration::from_millis(1_229));
    }

    #[test]
    fn fast_is_always_due() {
        let mut pacer = Pacer::new(Pace::Fast);
        for start in 0..10 {
            assert_eq!(pacer.due(&frame(start * 512, 512, 0)), Duration::ZERO);
        }
    }

    proptest! {
        #[test]
        fn due_times_do_not_depend_on_how_the_audio_is_cut(lengths in prop::collection::vec(1_usize..5_000, 1..50)) {
            let mut pacer = Pacer::new(Pace::Realtime);
            let mut samples = 0;
            for length in lengths {
                let due = pacer.due(&frame(samples, length, 0));
                samples += length as u64;
                prop_assert_eq!(due, Pacer::time(samples));
                prop_assert_eq!(due.as_nanos() * 16_000, u128::from(samples) * 1_000_000_000);
            }
        }
    }
}
