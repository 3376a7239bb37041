//! The events of a session, as far back as they may be asked for.

use std::collections::VecDeque;
use std::sync::Arc;

/// The most events that are kept.
const MOST_EVENTS: usize = 4_096;
/// The most bytes of events that are kept.
const MOST_BYTES: usize = 2 << 20;

/// Numbered events, the oldest of which are let go when there are too many.
#[derive(Clone, Debug, Default)]
pub struct EventLog {
    events: VecDeque<Arc<str>>,
    bytes: usize,
    /// Number of the latest event.
    latest: u64,
}

impl EventLog {
    /// Number of the latest event; 0 before the first.
    pub fn latest(&self) -> u64 {
        self.latest
    }

    /// Number of the oldest event that is kept, or of the next one if none is.
    pub fn first(&self) -> u64 {
        self.latest + 1 - self.events.len() as u64
    }

    /// Adds the next event, which `write` makes of its number.
    pub fn push(&mut self, write: impl FnOnce(u64) -> String) {
        self.latest += 1;
        let event: Arc<str> = write(self.latest).into();
        self.bytes += event.len();
        self.events.push_back(event);
        while self.events.len() > MOST_EVENTS || (self.bytes > MOST_BYTES && self.events.len() > 1) {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes -= oldest.len();
        }
    }

    /// The events behind number `after`, `most` of them at most. `None` if they are no longer kept.
    pub fn behind(&self, after: u64, most: usize) -> Option<Vec<Arc<str>>> {
        let skip = usize::try_from((after + 1).checked_sub(self.first())?).unwrap_or(usize::MAX);
        Some(self.events.iter().skip(skip).take(most).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_oldest_go() {
        let mut log = EventLog::default();
        assert_eq!((log.first(), log.latest()), (1, 0));
        assert_eq!(log.behind(0, 9).map(|events| events.len()), Some(0));
        for _ in 0..MOST_EVENTS + 10 {
            log.push(|number| number.to_string());
        }
        assert_eq!((log.first(), log.latest()), (11, MOST_EVENTS as u64 + 10));
        assert_eq!(log.behind(9, 1), None);
        assert_eq!(log.behind(10, 2), Some(vec!["11".into(), "12".into()]));
        log.push(|_| "x".repeat(MOST_BYTES));
        assert_eq!(log.first(), log.latest());
    }

    proptest! {
        /// However a reader takes them, it gets each once and in order, or is told that it is too late.
        #[test]
        fn readers_get_all_in_order(steps in prop::collection::vec((0..2_000_u64, 0..500_usize), 1..40)) {
            let (mut log, mut read) = (EventLog::default(), 0);
            for (pushed, most) in steps {
                (0..pushed).for_each(|_| log.push(|number| number.to_string()));
                match log.behind(read, most) {
                    Some(events) => for event in events {
                        read += 1;
                        prop_assert_eq!(&*event, read.to_string());
                    },
                    None => {
                        prop_assert!(read + 1 < log.first());
                        read = log.first() - 1;
                    }
                }
            }
        }
    }
}
