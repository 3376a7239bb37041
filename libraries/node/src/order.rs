//! The messages of an input, in the order in which they were sent.

use std::collections::BTreeMap;
use std::time::Duration;

use undertone_messages::{Sequence, SessionId};

/// How long a message waits for one that was sent before it, while nothing comes. Dora sends large messages through the
/// daemon while a node's shared memory is full, and others overtake them.
const PATIENCE: Duration = Duration::from_secs(5);

/// Messages that came before one that was sent earlier.
#[derive(Debug)]
pub(crate) struct Early<T> {
    /// By session and number.
    messages: BTreeMap<(SessionId, u64), T>,
    /// How long the node has waited with nothing in its queue since the last of those that were overtaken has come.
    waited: Duration,
}

impl<T> Default for Early<T> {
    fn default() -> Self {
        Self { messages: BTreeMap::new(), waited: Duration::ZERO }
    }
}

impl<T> Early<T> {
    /// Takes message `seq` of `session` as it comes. Gives it, unless it has overtaken others: then it is kept until they
    /// have come.
    pub(crate) fn come(
        &mut self,
        sequence: &Sequence,
        session: SessionId,
        seq: u64,
        message: T,
    ) -> Option<T> {
        if seq > sequence.expected(&session) {
            if self.messages.is_empty() {
                self.waited = Duration::ZERO;
            }
            self.messages.insert((session, seq), message);
            return None;
        }
        if self.messages.keys().any(|(of, _)| *of == session) {
            self.waited = Duration::ZERO;
        }
        Some(message)
    }

    /// A message that had overtaken others and is the next now.
    pub(crate) fn next(&mut self, sequence: &Sequence) -> Option<T> {
        let is_next = |(session, seq): &&(SessionId, u64)| sequence.expected(session) == *seq;
        let key = self.messages.keys().find(is_next)?.clone();
        self.messages.remove(&key)
    }

    /// Takes note that the node has waited and there is nothing in its queue.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.waited += time;
    }

    /// A message that has overtaken others that do not come.
    pub(crate) fn overdue(&mut self) -> Option<T> {
        if self.waited < PATIENCE {
            return None;
        }
        self.messages.pop_first().map(|(_, message)| message)
    }

    /// The session and the number of the first that waits.
    pub(crate) fn first(&self) -> Option<(&SessionId, u64)> {
        self.messages.keys().next().map(|(session, seq)| (session, *seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An input whose messages are their numbers.
    #[derive(Default)]
    struct Input {
        sequence: Sequence,
        early: Early<u64>,
        read: Vec<u64>,
        holes: usize,
    }

    impl Input {
        /// As the node reads what it is given.
        fn read(&mut self, seq: u64) {
            self.read.push(seq);
            self.holes += usize::from(self.sequence.accept(&"a".into(), seq, false).is_err());
            if let Some(next) = self.early.next(&self.sequence) {
                self.read(next);
            }
        }

        fn come(&mut self, seq: u64) {
            if let Some(seq) = self.early.come(&self.sequence, "a".into(), seq, seq) {
                self.read(seq);
            }
        }

        fn wait(&mut self, time: Duration) {
            self.early.wait(time);
            if let Some(seq) = self.early.overdue() {
                self.read(seq);
            }
        }
    }

    #[test]
    fn what_was_overtaken_comes_first_however_long_the_node_works_on_it() {
        let mut input = Input::default();
        // Between these the node works; that it takes longer than the patience is nobody's loss.
        for seq in [0, 3, 1, 2, 4] {
            input.come(seq);
        }
        input.wait(2 * PATIENCE);
        assert_eq!((input.read, input.holes), (vec![0, 1, 2, 3, 4], 0));
    }

    #[test]
    fn a_hole_is_one_when_nothing_has_come_for_a_while() {
        let mut input = Input::default();
        for seq in [5, 0, 1, 2] {
            input.come(seq);
            input.wait(PATIENCE / 2);
        }
        assert_eq!((&input.read, input.holes), (&vec![0, 1, 2], 0), "those that were overtaken are coming");
        input.early.come(&Sequence::default(), "b".into(), 0, 0);
        input.wait(PATIENCE / 2);
        assert_eq!((&input.read, input.holes), (&vec![0, 1, 2, 5], 1), "another session's do not count");
        // The patience begins again with the next.
        input.come(8);
        input.wait(PATIENCE / 2);
        assert_eq!(input.early.first(), Some((&"a".into(), 8)));
    }
}
