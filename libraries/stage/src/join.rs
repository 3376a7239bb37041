//! Stages that join several inputs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem::{Discriminant, discriminant};

use undertone_messages::{Message, SessionId};

/// One session's pass through a stage that joins several inputs and may have several outputs.
///
/// Messages of one input come in their order; the inputs may come in any order relative to each other, and what goes out
/// on each output is the same. How an input's messages are taken is up to the stage, see [`JoinSessions::push`].
pub trait Join {
    /// What a session begins with.
    type Config: Clone;
    /// What is sent: a variant for each output. One without a body ends the output's stream.
    type Output;
    /// What can be wrong with an input.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The state at the beginning of a session.
    fn begin(config: &Self::Config) -> Self;

    /// Takes the last message of `input` and appends what can be sent now to `output`.
    ///
    /// # Errors
    ///
    /// The stream must not end here. The session cannot go on.
    fn end(&mut self, input: &str, output: &mut Vec<Self::Output>) -> Result<(), Self::Error>;

    /// Takes note that nothing more will come on `input`, and appends what can be sent now to `output`. If its stream
    /// has ended as it should, nothing happens.
    ///
    /// # Errors
    ///
    /// The stage cannot do without the input, or as [`Join::end`].
    fn lose(&mut self, input: &str, output: &mut Vec<Self::Output>) -> Result<(), Self::Error>;

    /// Whether the stream of `input` has ended or was lost.
    fn has_ended(&self, input: &str) -> bool;

    /// Whether the outputs' streams have ended.
    fn is_done(&self) -> bool;
}

/// What is sent on one of a stage's outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbered<O> {
    /// The session.
    pub session: SessionId,
    /// The number of the message on its output, as [`Message::seq`].
    pub seq: u64,
    /// The output and the body.
    pub output: O,
}

/// What is wrong, and in which session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("session `{session}`: {error}")]
pub struct SessionError<E> {
    /// The session.
    pub session: SessionId,
    /// What is wrong.
    pub error: E,
}

/// What a step of a session gives.
type Sent<J> = Result<Vec<Numbered<<J as Join>::Output>>, SessionError<<J as Join>::Error>>;

/// The sessions in progress. Each begins with its first message on any input, and is dropped when its outputs end.
pub struct JoinSessions<J: Join> {
    config: J::Config,
    states: BTreeMap<SessionId, State<J>>,
    /// Inputs on which nothing more will come.
    closed: BTreeSet<String>,
}

/// A session in progress.
struct State<J: Join> {
    join: J,
    /// The number of the next message on each output.
    next: HashMap<Discriminant<J::Output>, u64>,
}

impl<J: Join> State<J> {
    fn number(&mut self, session: &SessionId, output: J::Output) -> Numbered<J::Output> {
        let next = self.next.entry(discriminant(&output)).or_default();
        let seq = *next;
        *next += 1;
        Numbered { session: session.clone(), seq, output }
    }
}

impl<J: Join> JoinSessions<J> {
    /// No sessions yet.
    pub fn new(config: J::Config) -> Self {
        Self { config, states: BTreeMap::new(), closed: BTreeSet::new() }
    }

    /// Changes what sessions begin with, and those in progress by `adjust`.
    pub fn adjust(&mut self, config: J::Config, adjust: impl Fn(&mut J, J::Config)) {
        self.states.values_mut().for_each(|state| adjust(&mut state.join, config.clone()));
        self.config = config;
    }

    /// Takes a message that arrived on `input`, its body by `take`, and gives what can be sent now.
    ///
    /// # Errors
    ///
    /// Those of `take` and of [`Join::end`].
    pub fn push<B>(
        &mut self,
        input: &str,
        message: Message<B>,
        take: impl FnOnce(&mut J, B, &mut Vec<J::Output>) -> Result<(), J::Error>,
    ) -> Sent<J> {
        let Message { session, body, .. } = message;
        self.step(&session, |join, output| match body {
            Some(body) => take(join, body, output),
            None => join.end(input, output),
        })
    }

    /// Takes note that nothing more will come on `input`, in any session, and gives what can be sent now.
    ///
    /// # Errors
    ///
    /// Those of [`Join::lose`].
    pub fn close(&mut self, input: &str) -> Sent<J> {
        self.closed.insert(input.to_owned());
        let mut messages = Vec::new();
        for session in self.states.keys().cloned().collect::<Vec<_>>() {
            messages.extend(self.step(&session, |join, output| join.lose(input, output))?);
        }
        Ok(messages)
    }

    /// Whether nothing more will come on `input`, see [`JoinSessions::close`].
    pub fn is_closed(&self, input: &str) -> bool {
        self.closed.contains(input)
    }

    /// The sessions in which the stream of `input` has not ended.
    pub fn unfinished(&self, input: &str) -> impl Iterator<Item = &SessionId> {
        let unfinished = self.states.iter().filter(move |(_, state)| !state.join.has_ended(input));
        unfinished.map(|(session, _)| session)
    }

    /// Whether no session is in progress.
    pub fn is_idle(&self) -> bool {
        self.states.is_empty()
    }

    /// The sessions in progress.
    pub fn iter(&self) -> impl Iterator<Item = (&SessionId, &J)> {
        self.states.iter().map(|(session, state)| (session, &state.join))
    }

    /// Lets a session, which may be new, take a step, and drops it if it is done.
    ///
    /// # Errors
    ///
    /// Those of `step`.
    pub fn step(
        &mut self,
        session: &SessionId,
        step: impl FnOnce(&mut J, &mut Vec<J::Output>) -> Result<(), J::Error>,
    ) -> Sent<J> {
        let fail = |error| SessionError { session: session.clone(), error };
        let mut output = Vec::new();
        let mut state = match self.states.remove(session) {
            Some(state) => state,
            None => State { join: self.begin(&mut output).map_err(fail)?, next: HashMap::new() },
        };
        step(&mut state.join, &mut output).map_err(fail)?;
        let messages = output.into_iter().map(|output| state.number(session, output)).collect();
        if !state.join.is_done() {
            self.states.insert(session.clone(), state);
        }
        Ok(messages)
    }

    /// A new session, in which the inputs that have closed are lost from the start.
    fn begin(&self, output: &mut Vec<J::Output>) -> Result<J, J::Error> {
        let mut join = J::begin(&self.config);
        self.closed.iter().try_for_each(|input| join.lose(input, output))?;
        Ok(join)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends on what is added up to at the end of either input, and that both have ended.
    struct Sums {
        sum: u64,
        open: BTreeSet<String>,
    }

    #[derive(Debug, PartialEq)]
    enum Output {
        Sum(u64),
        Done,
    }

    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("`{0}` has ended twice")]
    struct Twice(String);

    impl Join for Sums {
        type Config = u64;
        type Output = Output;
        type Error = Twice;

        fn begin(first: &u64) -> Self {
            Self { sum: *first, open: ["a", "b"].map(str::to_owned).into() }
        }

        fn end(&mut self, input: &str, output: &mut Vec<Output>) -> Result<(), Twice> {
            output.push(Output::Sum(self.sum));
            if !self.open.remove(input) {
                return Err(Twice(input.to_owned()));
            }
            if self.open.is_empty() {
                output.push(Output::Done);
            }
            Ok(())
        }

        fn lose(&mut self, input: &str, output: &mut Vec<Output>) -> Result<(), Twice> {
            if self.open.contains(input) { self.end(input, output) } else { Ok(()) }
        }

        fn has_ended(&self, input: &str) -> bool {
            !self.open.contains(input)
        }

        fn is_done(&self) -> bool {
            self.open.is_empty()
        }
    }

    fn push(sessions: &mut JoinSessions<Sums>, session: &str, input: &str, body: Option<u64>) -> Sent<Sums> {
        let add = |sums: &mut Sums, value, _: &mut Vec<Output>| {
            sums.sum += value;
            Ok(())
        };
        sessions.push(input, Message { session: session.into(), seq: 0, body }, add)
    }

    fn sent(session: &str, seq: u64, output: Output) -> Numbered<Output> {
        Numbered { session: session.into(), seq, output }
    }

    #[test]
    fn sessions_side_by_side_are_numbered_apart_by_output() {
        let mut sessions = JoinSessions::<Sums>::new(0);
        assert_eq!(push(&mut sessions, "x", "a", Some(1)), Ok(vec![]));
        assert_eq!(push(&mut sessions, "y", "a", Some(5)), Ok(vec![]));
        assert_eq!(push(&mut sessions, "x", "a", None), Ok(vec![sent("x", 0, Output::Sum(1))]));
        assert_eq!(push(&mut sessions, "y", "b", None), Ok(vec![sent("y", 0, Output::Sum(5))]));
        assert!(sessions.unfinished("a").eq([&"y".into()]) && sessions.unfinished("b").eq([&"x".into()]));
        let error = push(&mut sessions, "y", "b", None).unwrap_err();
        assert_eq!(error.to_string(), "session `y`: `b` has ended twice");
        let end = [sent("x", 1, Output::Sum(1)), sent("x", 0, Output::Done)];
        assert_eq!(push(&mut sessions, "x", "b", None).as_deref(), Ok(&end[..]));
        assert!(sessions.is_idle());
    }

    #[test]
    fn an_input_that_has_closed_is_lost_in_sessions_to_come_as_well() {
        let mut sessions = JoinSessions::<Sums>::new(0);
        push(&mut sessions, "x", "a", Some(1)).unwrap();
        assert_eq!(sessions.close("b"), Ok(vec![sent("x", 0, Output::Sum(1))]));
        sessions.adjust(7, |sums, _| sums.sum += 1);
        let end = [sent("x", 1, Output::Sum(2)), sent("x", 0, Output::Done)];
        assert_eq!(push(&mut sessions, "x", "a", None).as_deref(), Ok(&end[..]));
        assert_eq!(push(&mut sessions, "y", "a", Some(1)), Ok(vec![sent("y", 0, Output::Sum(7))]));
        assert!(sessions.unfinished("b").next().is_none());
    }
}
