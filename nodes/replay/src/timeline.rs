//! When each session begins.

use std::collections::{BTreeMap, BTreeSet};

use undertone_messages::Header;

use crate::range::Range;

/// When each session begins, in samples since the replay began, as far as it is known.
///
/// A recording tells the time within each session, and in each topic the order of messages of different sessions. A
/// session that began while another one was in progress begins there again; one that began when all others had ended
/// begins behind the end of them all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    starts: BTreeMap<String, u64>,
    /// Where the latest session ends.
    end: u64,
}

/// The place in one topic up to which its messages were noted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    now: u64,
    open: BTreeSet<String>,
}

impl Timeline {
    /// Takes note of a message; those of a topic come in the order in which they were recorded, topic after topic.
    pub(crate) fn note(&mut self, cursor: &mut Cursor, header: &Header, range: Range) {
        let session = header.session.to_string();
        let begins = if cursor.open.is_empty() { self.end } else { cursor.now };
        let start = *self.starts.entry(session.clone()).or_insert(begins);
        let time = start + header.time.unwrap_or(0).clamp(range.from, range.to) - range.from;
        cursor.now = cursor.now.max(time);
        self.end = self.end.max(time);
        if header.last {
            cursor.open.remove(&session);
        } else {
            cursor.open.insert(session);
        }
    }

    /// When a session begins.
    pub(crate) fn start(&self, session: &str) -> u64 {
        self.starts.get(session).copied().unwrap_or(0)
    }

    /// How long it all lasts.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(timeline: &mut Timeline, cursor: &mut Cursor, session: &str, time: Option<u64>) {
        let header = Header { session: session.into(), seq: 0, last: time.is_none(), time, gap: 0..0 };
        timeline.note(cursor, &header, Range::ALL);
    }

    #[test]
    fn sessions_follow_one_another_or_run_side_by_side_as_they_did() {
        let (mut timeline, mut cursor) = (Timeline::default(), Cursor::default());
        for (session, time) in [
            ("a", Some(100)),
            ("a", Some(200)),
            ("b", Some(50)),
            ("a", None),
            ("b", Some(150)),
            ("b", None),
            ("c", Some(10)),
            ("c", None),
        ] {
            note(&mut timeline, &mut cursor, session, time);
        }
        assert_eq!((timeline.start("a"), timeline.start("b"), timeline.start("c")), (0, 200, 350));
        // Another topic keeps what is known.
        let mut other = Cursor::default();
        note(&mut timeline, &mut other, "c", Some(40));
        assert_eq!(timeline.start("c"), 350);
        assert_eq!(timeline.end(), 390);
    }
}
