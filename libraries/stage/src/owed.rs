//! Streams whose ends nobody waits for any more.

use undertone_messages::SessionId;

/// Ends that inputs owe to sessions that are over without them, each as often as it is owed to sessions of one name. What an
/// input says up to there is not of a later session of that name.
#[derive(Clone, Debug)]
pub struct OwedEnds<I>(Vec<(SessionId, I)>);

impl<I> Default for OwedEnds<I> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<I: PartialEq> OwedEnds<I> {
    /// Takes note that a session is over without the end of an input.
    pub fn add(&mut self, session: SessionId, input: I) {
        self.0.push((session, input));
    }

    /// Whether a message is of a session that is over. If it is the `last` of its stream, that end is no longer owed.
    pub fn take(&mut self, session: &SessionId, input: &I, last: bool) -> bool {
        let known = |(of, owing): &(SessionId, I)| of == session && owing == input;
        let Some(place) = self.0.iter().position(known) else { return false };
        if last {
            self.0.swap_remove(place);
        }
        true
    }

    /// Takes note that nothing more comes on an input.
    pub fn close(&mut self, input: &I) {
        self.0.retain(|(_, owing)| owing != input);
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
        assert!(!owed.take(&session, &"voice", true), "another input");
        assert!(!owed.take(&"another".into(), &"text", true));
        for last in [false, true, false, true] {
            assert!(owed.take(&session, &"text", last));
        }
        assert!(!owed.take(&session, &"text", false), "a third session of that name");
        owed.add(session.clone(), "text");
        owed.close(&"text");
        assert!(!owed.take(&session, &"text", false));
    }
}
