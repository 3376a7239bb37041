//! The ledger: which segments there are, where they end, and where there is silence.

use std::collections::VecDeque;
use std::ops::Range;

use undertone_messages::{Phase, Speech};
use undertone_stage::CourseError;

use crate::SPEECH;
use crate::error::FusionError;

/// A segment that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// An entry of the ledger that is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// There is no speech before this sample that was not entered before.
    Silence(u64),
    Segment(Segment),
}

/// What a message of the ledger brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing that matters.
    None,
    /// A segment has ended.
    Ended(Segment),
    /// A segment was given up.
    Cancelled(u64),
}

/// The ledger of a session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// The number of the first segment, which need not be 0: a part of a recording keeps its numbers.
    first: Option<u64>,
    /// The number of the next segment, once there was one.
    next: u64,
    /// The number and the start of the segment that is open.
    open: Option<(u64, u64)>,
    /// Whatever begins later begins here or behind.
    floor: u64,
    ended: bool,
    entries: VecDeque<Entry>,
}

impl Ledger {
    /// Takes a message.
    pub(crate) fn push(&mut self, speech: &Speech) -> Result<News, FusionError> {
        if self.ended {
            return Err(CourseError::AfterEnd { input: SPEECH.to_owned() }.into());
        }
        let Speech { segment, start, end, phase, .. } = *speech;
        match (phase, self.open) {
            (Phase::Silence, None) if end >= self.floor => {
                self.floor = end;
                self.entries.push_back(Entry::Silence(end));
                Ok(News::None)
            }
            (Phase::Open, None) if self.may_open(segment) && start >= self.floor => {
                self.first.get_or_insert(segment);
                self.next = segment.saturating_add(1);
                self.open = Some((segment, start));
                Ok(News::None)
            }
            (Phase::More | Phase::Tentative, Some((open, _))) if segment == open => Ok(News::None),
            (Phase::Final, Some((open, start))) if segment == open && end >= start => {
                let segment = Segment { number: segment, start, end };
                self.open = None;
                self.floor = end;
                self.entries.push_back(Entry::Segment(segment));
                Ok(News::Ended(segment))
            }
            (Phase::Cancelled, Some((open, _))) if segment == open => {
                self.open = None;
                Ok(News::Cancelled(segment))
            }
            _ => Err(FusionError::Ledger { phase, segment, at: end, state: self.state() }),
        }
    }

    /// Takes note of the ledger's last message.
    pub(crate) fn end(&mut self) -> Result<(), FusionError> {
        if self.ended {
            return Err(CourseError::AfterEnd { input: SPEECH.to_owned() }.into());
        }
        if let Some((segment, start)) = self.open {
            let state = "the stream ended while it was open".to_owned();
            return Err(FusionError::Ledger { phase: Phase::Open, segment, at: start, state });
        }
        self.ended = true;
        Ok(())
    }

    fn may_open(&self, segment: u64) -> bool {
        self.first.is_none() || segment == self.next
    }

    fn state(&self) -> String {
        let floor = self.floor;
        match (self.open, self.first) {
            (Some((segment, start)), _) => format!("segment {segment} is open since sample {start}"),
            (None, Some(_)) => {
                format!("no segment is open before sample {floor}, and the next is {}", self.next)
            }
            (None, None) => format!("no segment is open before sample {floor}"),
        }
    }

    /// Whether the last message has come.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The segments that there are so far, cancelled ones included.
    pub(crate) fn segments(&self) -> Range<u64> {
        self.first.unwrap_or(self.next)..self.next
    }

    /// The oldest entry that is not done.
    pub(crate) fn front(&self) -> Option<Entry> {
        self.entries.front().copied()
    }

    /// The oldest entry is done.
    pub(crate) fn done(&mut self) {
        self.entries.pop_front();
    }

    /// Whether a segment was given up, or is done.
    pub(crate) fn is_past(&self, segment: u64) -> bool {
        let waits = |entry: &Entry| matches!(entry, Entry::Segment(waiting) if waiting.number == segment);
        let open = self.open.is_some_and(|(open, _)| open == segment);
        self.segments().contains(&segment) && !open && !self.entries.iter().any(waits)
    }
}

#[cfg(test)]
mod tests {
    use undertone_messages::ScalarBuffer;

    use super::*;

    fn speech(phase: Phase, segment: u64, start: u64, end: u64) -> Speech {
        Speech { segment, start, end, phase, samples: ScalarBuffer::from(vec![]), probability: 0.5 }
    }

    #[test]
    fn a_ledger_that_contradicts_itself_is_refused() {
        use Phase::{Cancelled, Final, More, Open, Silence};
        let beginnings: [&[(Phase, u64, u64, u64)]; 2] =
            [&[(Silence, 0, 100, 100)], &[(Silence, 0, 100, 100), (Open, 0, 100, 200)]];
        let wrong: [&[(Phase, u64, u64, u64)]; 2] = [
            &[
                (Open, 0, 99, 200),
                (Silence, 0, 99, 99),
                (More, 0, 100, 200),
                (Final, 0, 100, 200),
                (Cancelled, 0, 100, 200),
            ],
            &[
                (Open, 1, 200, 300),
                (Silence, 1, 300, 300),
                (More, 1, 200, 300),
                (Final, 0, 100, 99),
                (Cancelled, 1, 100, 100),
            ],
        ];
        for (beginning, messages) in beginnings.iter().zip(wrong) {
            let mut ledger = Ledger::default();
            for &(phase, segment, start, end) in *beginning {
                ledger.push(&speech(phase, segment, start, end)).unwrap();
            }
            for &(phase, segment, start, end) in messages {
                let error = ledger.clone().push(&speech(phase, segment, start, end)).unwrap_err();
                assert!(matches!(error, FusionError::Ledger { .. }), "{error}");
            }
        }
    }

    #[test]
    fn the_first_segment_may_have_any_number() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.segments(), 0..0);
        ledger.push(&speech(Phase::Silence, 7, 100, 100)).unwrap();
        ledger.push(&speech(Phase::Open, 7, 100, 200)).unwrap();
        assert!(!ledger.is_past(6) && !ledger.is_past(7), "there never was a segment 6");
        ledger.push(&speech(Phase::Cancelled, 7, 100, 100)).unwrap();
        assert!(ledger.is_past(7));
        for wrong in [0, 7, 9] {
            let error = ledger.clone().push(&speech(Phase::Open, wrong, 300, 400)).unwrap_err();
            assert!(error.to_string().contains("the next is 8"), "{error}");
        }
        ledger.push(&speech(Phase::Open, 8, 300, 400)).unwrap();
        assert_eq!(ledger.segments(), 7..9);
    }

    #[test]
    fn a_ledger_may_not_end_within_a_segment_or_go_on_behind_its_end() {
        let mut ledger = Ledger::default();
        ledger.push(&speech(Phase::Open, 0, 0, 10)).unwrap();
        assert!(matches!(ledger.end(), Err(FusionError::Ledger { segment: 0, .. })));
        ledger.push(&speech(Phase::Final, 0, 0, 20)).unwrap();
        ledger.end().unwrap();
        let late = ledger.push(&speech(Phase::Silence, 1, 30, 30));
        assert_eq!(late, Err(CourseError::AfterEnd { input: "speech".to_owned() }.into()));
    }
}
