//! What is said of lost audio.

use std::time::Duration;

use undertone_messages::seconds;
use undertone_microphone::{Loss, LossCause};

/// How often small losses are told.
const INTERVAL: Duration = Duration::from_secs(10);

/// Tells of losses: the first at once, and those that follow within 10 s together, so that a machine that is too busy is
/// not kept busy by its log.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    told: Option<Duration>,
    /// Losses that are not told yet, and their samples.
    count: u64,
    samples: u64,
}

impl Losses {
    /// Takes note of a loss. Gives what is to be logged.
    pub fn note(&mut self, loss: &Loss, now: Duration) -> Option<String> {
        if loss.cause != LossCause::Away && self.told.is_some_and(|told| now.saturating_sub(told) < INTERVAL)
        {
            self.count += 1;
            self.samples += loss.samples;
            return None;
        }
        self.told = Some(now);
        Some(text(loss))
    }

    /// What is to be logged of losses that were not told one by one, once it is time; `ended` means that it is.
    pub fn due(&mut self, now: Duration, ended: bool) -> Option<String> {
        let is_time = ended || self.told.is_some_and(|told| now.saturating_sub(told) >= INTERVAL);
        if self.count == 0 || !is_time {
            return None;
        }
        let text = format!("{} more losses, {:.3} s of audio in all", self.count, seconds(self.samples));
        *self = Self { told: Some(now), ..Self::default() };
        Some(text)
    }
}

/// A loss in words.
pub fn text(Loss { cause, at, samples }: &Loss) -> String {
    let what = match cause {
        LossCause::Away => "while the microphone was away",
        LossCause::Torn => "because this machine was too busy to take them from the microphone",
        LossCause::Overflow => "because the node was too busy to take them",
    };
    format!("{:.3} s of audio are missing at {:.3} s, {what}", seconds(*samples), seconds(*at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_losses_are_told_together() {
        let loss = |cause| Loss { cause, at: 16_000, samples: 1_600 };
        let s = Duration::from_secs;
        let mut losses = Losses::default();
        assert!(
            losses
                .note(&loss(LossCause::Overflow), s(1))
                .unwrap()
                .contains("0.100 s of audio are missing at 1.000 s")
        );
        for now in 2..5 {
            assert_eq!(losses.note(&loss(LossCause::Torn), s(now)), None);
        }
        assert!(
            losses.note(&loss(LossCause::Away), s(5)).unwrap().contains("away"),
            "a break is always told"
        );
        assert_eq!(losses.due(s(14), false), None);
        assert!(losses.due(s(15), false).unwrap().contains("3 more losses, 0.300 s"));
        assert_eq!(losses.due(s(40), true), None);
        assert!(losses.note(&loss(LossCause::Overflow), s(41)).is_some());
        assert_eq!(losses.note(&loss(LossCause::Overflow), s(42)), None);
        assert!(losses.due(s(43), true).unwrap().contains("1 more"));
    }
}
