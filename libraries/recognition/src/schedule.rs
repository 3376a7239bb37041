//! When a segment that is still open is worth another look.

use undertone_messages::{Phase, SAMPLE_RATE, Speech};

/// Samples of a second. Of less, Whisper makes up more than it hears.
const SECOND: u64 = SAMPLE_RATE as u64;

/// Times of previews on a session's clock: at regular intervals while somebody speaks, counted from a segment's first
/// sound, and whenever its end is announced.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Samples from one to the next.
    interval: u64,
    /// Sample index from which on the next is due.
    due: u64,
}

impl Schedule {
    /// Looks every `milliseconds`.
    pub fn every(milliseconds: u32) -> Self {
        Self { interval: u64::from(milliseconds) * u64::from(SAMPLE_RATE / 1000), due: 0 }
    }

    /// Takes note of a piece of speech.
    pub fn follow(&mut self, speech: &Speech) {
        if speech.phase == Phase::Open {
            // The first sound is in the last frame of these samples; before it is the pre-roll.
            self.due = speech.end + self.interval;
        }
    }

    /// Whether a look is due when this piece of speech has come.
    pub fn is_due(&self, speech: &Speech) -> bool {
        match speech.phase {
            Phase::Tentative => true,
            Phase::Open | Phase::More => self.is_due_at(speech.end),
            Phase::Silence | Phase::Final | Phase::Cancelled => false,
        }
    }

    /// Whether a look at what ends at this sample index is due.
    fn is_due_at(&self, end: u64) -> bool {
        end >= self.due
    }

    /// Whether what covers `start..end` is long enough for a look, a second or an interval that is shorter, and one is due.
    pub fn is_due_for(&self, start: u64, end: u64) -> bool {
        end.saturating_sub(start) >= self.interval.min(SECOND) && self.is_due_at(end)
    }

    /// Takes note of a look at what ends at sample index `end`.
    pub fn looked(&mut self, end: u64) {
        self.due = end + self.interval;
    }

    /// Whether a look at `speech` has become useless, now that there is a `later` piece: the announced end was none, or what
    /// is begun is to make way for the end.
    pub fn is_outdated(speech: &Speech, later: &Speech) -> bool {
        match (speech.phase, later.phase) {
            // What comes behind the end does not change it.
            (Phase::Tentative, _) if speech.segment != later.segment => false,
            (Phase::Tentative, Phase::Final) => speech.end != later.end,
            (Phase::Tentative, _) => true,
            (_, Phase::More) => false,
            _ => true,
        }
    }

    /// Whether a look at `speech` makes way for `other`, of another session: what is done for an announced end has to be done
    /// anyway.
    pub fn makes_way(speech: &Speech, other: &Speech) -> bool {
        other.phase == Phase::Final && speech.phase != Phase::Tentative
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Previews of a segment from its first sample on, every half second, of at most `window`: the ends, in half seconds, of
    /// those that are looked at.
    fn looks(milliseconds: u32, window: u64) -> Vec<u64> {
        let mut schedule = Schedule::every(milliseconds);
        let mut looks = Vec::new();
        for half in 1..=40 {
            let end = half * SECOND / 2;
            if schedule.is_due_for(end.saturating_sub(window), end) {
                schedule.looked(end);
                looks.push(half);
            }
        }
        looks
    }

    #[test]
    fn an_interval_may_be_longer_than_what_a_look_covers() {
        assert_eq!(looks(8_000, 2 * SECOND), [2, 18, 34]);
        assert_eq!(looks(3_000, SECOND), [2, 8, 14, 20, 26, 32, 38]);
    }

    #[test]
    fn less_than_a_second_is_looked_at_only_if_the_interval_is_shorter() {
        assert_eq!(looks(1_000, 8 * SECOND)[..3], [2, 4, 6]);
        assert_eq!(looks(500, 8 * SECOND)[..3], [1, 2, 3]);
    }
}
