//! Streams whose ends nobody waits for any more.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use undertone_messages::SessionId;

/// Ends that inputs owe to sessions that are over without them, and how many to sessions of one name. What an input says up to
/// there is not of a later session of that name.
#[derive(Clone, Debug)]
pub struct OwedEnds<I>(BTreeMap<(SessionId, I), u32>);

impl<I> Default for OwedEnds<I> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<I: Ord> OwedEnds<I> {
    /// Takes note that a session is over without the end of an input.
    pub fn add(&mut self, session: SessionId, input: I) {
        *self.0.entry((session, input)).or_default() += 1;
    }

    /// Whether a message is of a session that is over. If it is the `last` of its stream, that end is no longer owed.
    pub fn take(&mut self, session: &SessionId, input: I, last: bool) -> bool {
        let Entry::Occupied(mut entry) = self.0.entry((session.clone(), input)) else { return false };
        if last {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
        true
    }

    /// Takes note that nothing more comes on an input.
    pub fn close(&mut self, input: &I) {
        self.0.retain(|(_, known), _| known != input);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_ends_are_passed_over_as_are_owed() {
        let (mut owed, session) = (OwedEnds::default(), SessionId::from("again"));
        owed.add(session.clone(), "text");
        owed.add(session.clone(), "text");
        assert!(!owed.take(&session, "voice", true), "another input");
        assert!(!owed.take(&"another".into(), "text", true));
        for last in [false, true, false, true] {
            assert!(owed.take(&session, "text", last));
        }
        assert!(!owed.take(&session, "text", false), "a third session of that name");
        owed.add(session.clone(), "text");
        owed.close(&"text");
        assert!(!owed.take(&session, "text", false));
    }
}
