//! How far a source may be ahead of the graph.

use std::collections::{BTreeMap, BTreeSet};

use undertone_messages::{SessionId, Watermark};

/// Counts what has been sent and is not done yet, over all sessions, and holds it within a limit.
///
/// A receiver's queue drops messages when it is full, and queues count messages. So the limit is a number of messages,
/// and each counts as one: also a session's short last frame and the message that ends it. At no time are more than
/// [`Lead::messages`] of them on their way, and a `queue_size` of that many never overflows, however short the sessions
/// are.
///
/// A message is done once the watermark of its session has reached its end. What is left of a session is done once its
/// watermarks have ended. The next session may begin while earlier ones are not done: the limit holds for all together.
#[derive(Clone, Debug)]
pub struct Lead {
    limit: u64,
    in_flight: u64,
    /// For each session the sample indexes behind its messages, on whichever output; `None` for the end of a stream,
    /// which no position reaches.
    sessions: BTreeMap<SessionId, Vec<Option<u64>>>,
    /// Sessions whose watermarks have ended.
    ended: BTreeSet<SessionId>,
}

impl Lead {
    /// A limit of so many messages. It is two at least: less would let nothing through.
    pub fn new(messages: u64) -> Self {
        Self { limit: messages.max(2), in_flight: 0, sessions: BTreeMap::new(), ended: BTreeSet::new() }
    }

    /// The most messages that can be on their way at a time.
    pub fn messages(&self) -> u64 {
        self.limit
    }

    /// How many messages may be sent now.
    pub fn free(&self) -> u64 {
        self.limit.saturating_sub(self.in_flight)
    }

    /// Takes note of a message that is sent: with its time, at which its content ends, or without one if it ends its
    /// stream.
    pub fn sent(&mut self, session: &SessionId, end: Option<u64>) {
        // A replay may send what the watermark does not wait for.
        if self.ended.contains(session) {
            return;
        }
        self.in_flight += 1;
        self.sessions.entry(session.clone()).or_default().push(end);
    }

    /// Takes note of a message of the watermark's stream. Without a watermark the session's stream has ended: all of
    /// the session is done.
    pub fn reached(&mut self, session: &SessionId, watermark: Option<Watermark>) {
        if watermark.is_none() {
            self.ended.insert(session.clone());
        }
        let Some(pending) = self.sessions.get_mut(session) else { return };
        let before = pending.len();
        pending.retain(|end| match (watermark, end) {
            (None, _) => false,
            (Some(watermark), Some(end)) => *end > watermark.position,
            (Some(_), None) => true,
        });
        self.in_flight -= (before - pending.len()) as u64;
        if pending.is_empty() {
            self.sessions.remove(session);
        }
    }

    /// Whether all that was sent is done.
    pub fn is_settled(&self) -> bool {
        self.in_flight == 0
    }

    /// The earliest session, by name, that is not done.
    pub fn unsettled(&self) -> Option<&SessionId> {
        self.sessions.keys().next()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn session(name: &str) -> SessionId {
        name.into()
    }

    fn at(position: u64) -> Option<Watermark> {
        Some(Watermark { position })
    }

    #[test]
    fn the_watermark_lets_frames_through() {
        let mut lead = Lead::new(4);
        let a = session("a");
        assert_eq!(lead.messages(), 4);
        for frame in 1..=4 {
            assert_eq!(lead.free(), 5 - frame);
            lead.sent(&a, Some(frame * 4_000));
        }
        assert_eq!(lead.free(), 0);
        // Half a frame does not make room.
        lead.reached(&a, at(7_999));
        assert_eq!(lead.free(), 1);
        lead.sent(&a, Some(20_000));
        assert_eq!(lead.free(), 0);
    }

    #[test]
    fn the_limit_holds_over_sessions() {
        let mut lead = Lead::new(4);
        let (a, b) = (session("a"), session("b"));
        lead.sent(&a, Some(4_000));
        lead.sent(&a, Some(4_001));
        lead.sent(&a, None);
        lead.sent(&b, Some(4_000));
        assert_eq!(lead.free(), 0, "a's short frame and end count as frames");
        lead.reached(&a, at(4_001));
        assert_eq!(lead.free(), 2, "a's end is not done by a position");
        assert_eq!(lead.unsettled(), Some(&a));
        lead.reached(&a, None);
        assert_eq!(lead.free(), 3);
        lead.reached(&b, None);
        assert!(lead.is_settled());
        assert_eq!(lead.unsettled(), None);
    }

    /// A replay of several outputs: nothing is said any more, so one of them ends long before the others.
    #[test]
    fn a_stream_that_ends_early_holds_up_no_other() {
        let mut lead = Lead::new(4);
        let a = session("a");
        lead.sent(&a, Some(4_000));
        lead.sent(&a, None);
        for frame in 2..=100 {
            lead.sent(&a, Some(frame * 4_000));
            lead.reached(&a, at(frame * 4_000));
            assert_eq!(lead.free(), 3, "the end alone is on its way");
        }
        lead.sent(&a, None);
        lead.reached(&a, None);
        assert!(lead.is_settled());
    }

    #[test]
    fn a_watermark_of_an_unknown_session_changes_nothing() {
        let mut lead = Lead::new(16);
        lead.sent(&session("a"), Some(1_000));
        lead.reached(&session("b"), at(1_000_000));
        lead.reached(&session("b"), None);
        assert_eq!(lead.free(), 15);
    }

    #[test]
    fn what_is_sent_behind_the_end_of_the_watermarks_is_not_waited_for() {
        let mut lead = Lead::new(4);
        let a = session("a");
        lead.sent(&a, None);
        lead.reached(&a, None);
        lead.sent(&a, Some(1_000));
        assert!(lead.is_settled());
    }

    #[test]
    fn a_tiny_limit_still_lets_two_messages_through() {
        assert_eq!(Lead::new(0).messages(), 2);
    }

    /// The messages of sessions of these lengths: name and end of each frame, `None` for the end of the session.
    fn plan(lengths: &[u64], frame: u64) -> VecDeque<(SessionId, Option<u64>)> {
        let mut plan = VecDeque::new();
        for (index, length) in lengths.iter().enumerate() {
            let name = session(&index.to_string());
            let ends = (1..=length.div_ceil(frame)).map(|count| Some((count * frame).min(*length)));
            plan.extend(ends.chain([None]).map(|end| (name.clone(), end)));
        }
        plan
    }

    proptest! {
        /// Against a graph whose watermark moves in steps and late: its queue never holds more than promised, and all
        /// gets through.
        #[test]
        fn queues_never_overflow_and_nothing_is_stuck(
            lengths in prop::collection::vec(1_u64..20_000, 1..12),
            frame in 16_u64..4_000,
            messages in 2_u64..2_000,
            step in any::<u64>(),
        ) {
            let mut lead = Lead::new(messages);
            // The longest step that a graph may take: the limit, less the frame that a step may begin and end in.
            let step = 1 + step % ((lead.messages() - 2) * frame + 1);
            let mut plan = plan(&lengths, frame);
            let mut queue = VecDeque::new();
            while !(plan.is_empty() && lead.is_settled()) {
                while lead.free() > 0 && let Some((name, end)) = plan.pop_front() {
                    lead.sent(&name, end);
                    queue.push_back((name, end));
                    prop_assert!(queue.len() as u64 <= lead.messages());
                }
                let Some((name, end)) = queue.pop_front() else {
                    return Err(TestCaseError::fail("nothing is on its way and nothing may be sent"));
                };
                match end {
                    Some(end) => lead.reached(&name, at(end / step * step)),
                    None => lead.reached(&name, None),
                }
            }
            prop_assert_eq!(lead.free(), lead.messages());
        }
    }
}
