//! The contract of a pipeline stage, apart from any runtime.
//!
//! A stage with one input and one output is a [`Stage`]: pure code that turns message bodies into message bodies. It
//! knows no clock, no dora and no environment, and what it gives depends on what it was given alone, so one
//! implementation serves a node of its own, an in-process operator, a unit test and the preparation of training data.
//! A stage sees one session; [`Sessions`] keeps one for each. One that can say something of a segment before it has ended
//! is a [`Preview`] too. A stage with several inputs is a [`Join`], and [`JoinSessions`] does for it what [`Sessions`] does
//! for others.

mod course;
mod join;
mod owed;
mod preview;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use undertone_messages::{Body, Message, SessionId};

pub use course::{Course, CourseError};
pub use join::{Join, JoinSessions, Numbered, SessionError};
pub use owed::OwedEnds;
pub use preview::{Cancel, Preview};

/// One session's pass through a stage.
pub trait Stage {
    /// What arrives.
    type Input: Body;
    /// What is sent on.
    type Output: Body;
    /// What can be wrong with an input.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Takes the next input and appends what can be said now to `output`.
    ///
    /// # Errors
    ///
    /// The input breaks the contract of its message, or a model fails on it. The session cannot go on.
    fn push(&mut self, input: Self::Input, output: &mut Vec<Self::Output>) -> Result<(), Self::Error>;

    /// Takes note that the session has ended and appends what was held back to `output`.
    ///
    /// # Errors
    ///
    /// As [`Stage::push`].
    fn finish(&mut self, output: &mut Vec<Self::Output>) -> Result<(), Self::Error>;

    /// Takes note of how late the input that is pushed next is: how long ago the audio that caused it was captured, where
    /// audio comes at the pace of the clock. Only a stage that was told to do less when it is late makes use of it.
    fn lateness(&mut self, _late: Duration) {}

    /// What was done with less effort in the last [`Stage::push`], because it was late.
    fn relief(&mut self) -> Option<String> {
        None
    }
}

/// The sessions that are in progress, each with a state of its own that is dropped at the session's end.
pub struct Sessions<S> {
    states: BTreeMap<SessionId, State<S>>,
}

/// What follows from a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Pushed<B> {
    /// What the stage says.
    pub messages: Vec<Message<B>>,
    /// What it did with less effort, because the message was late.
    pub relief: Option<String>,
}

/// What is kept of one session.
struct State<S> {
    stage: S,
    /// The number of the next message.
    seq: u64,
}

impl<S> State<S> {
    /// Makes messages of bodies.
    fn number<B>(&mut self, session: &SessionId, bodies: impl Iterator<Item = Option<B>>) -> Vec<Message<B>> {
        let message = |(body, seq)| Message { session: session.clone(), seq, body };
        let messages: Vec<_> = bodies.zip(self.seq..).map(message).collect();
        self.seq += messages.len() as u64;
        messages
    }
}

impl<S> Default for Sessions<S> {
    fn default() -> Self {
        Self { states: BTreeMap::new() }
    }
}

impl<S: Stage> Sessions<S> {
    /// Takes a message and gives the messages that follow from it, numbered, the last of a session marked. `late` is how
    /// late the message is, if that is known. `create` makes the stage of a session whose first message this is.
    ///
    /// # Errors
    ///
    /// Those of the stage and of `create`.
    pub fn push(
        &mut self,
        message: Message<S::Input>,
        late: Option<Duration>,
        create: impl FnOnce(&SessionId) -> Result<S, S::Error>,
    ) -> Result<Pushed<S::Output>, S::Error> {
        let Message { session, body, .. } = message;
        let last = body.is_none();
        let state = self.state(&session, create)?;
        let (mut bodies, mut relief) = (Vec::new(), None);
        match body {
            Some(body) => {
                if let Some(late) = late {
                    state.stage.lateness(late);
                }
                state.stage.push(body, &mut bodies)?;
                relief = state.stage.relief();
            }
            None => state.stage.finish(&mut bodies)?,
        }
        let messages = state.number(&session, bodies.into_iter().map(Some).chain(last.then_some(None)));
        if last {
            self.states.remove(&session);
        }
        Ok(Pushed { messages, relief })
    }

    /// Gives up the sessions in progress, whose input was cut off: what the stages held back, without the messages that
    /// would end the streams. A stage that cannot finish at this point has nothing to say; that its input was cut off
    /// is the error.
    pub fn cut_off(&mut self) -> Vec<Message<S::Output>> {
        let mut messages = Vec::new();
        for (session, mut state) in std::mem::take(&mut self.states) {
            let mut bodies = Vec::new();
            if state.stage.finish(&mut bodies).is_ok() {
                messages.extend(state.number(&session, bodies.into_iter().map(Some)));
            }
        }
        messages
    }

    /// The stage of a session, which `create` makes if there is none yet.
    ///
    /// # Errors
    ///
    /// Those of `create`.
    pub fn stage(
        &mut self,
        session: &SessionId,
        create: impl FnOnce(&SessionId) -> Result<S, S::Error>,
    ) -> Result<&mut S, S::Error> {
        Ok(&mut self.state(session, create)?.stage)
    }

    fn state(
        &mut self,
        session: &SessionId,
        create: impl FnOnce(&SessionId) -> Result<S, S::Error>,
    ) -> Result<&mut State<S>, S::Error> {
        match self.states.entry(session.clone()) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(State { stage: create(session)?, seq: 0 })),
        }
    }

    /// The stages of the sessions in progress.
    pub fn states_mut(&mut self) -> impl Iterator<Item = &mut S> {
        self.states.values_mut().map(|state| &mut state.stage)
    }
}

/// What sessions share, such as a model. A stage that panicked with it ends its process, so a poisoned lock is as good as
/// any.
pub fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A change of arguments that cannot be made at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "--{name} cannot be changed while the graph runs: stop the graph, write it under `args:` and start again"
)]
pub struct FixedArgument {
    /// The argument, without its dashes.
    pub name: &'static str,
}

/// For arguments that cannot be changed, each with whether it is as it was.
///
/// # Errors
///
/// The first that is not.
pub fn check_fixed(arguments: &[(&'static str, bool)]) -> Result<(), FixedArgument> {
    match arguments.iter().find(|(_, same)| !same) {
        None => Ok(()),
        Some((name, _)) => Err(FixedArgument { name }),
    }
}

/// Makes a stage's states: what the sessions share, such as a loaded model, and the arguments they start from.
pub trait Factory: Sized {
    /// The stage's arguments, as they are written in the graph.
    type Arguments;
    /// The state of one session.
    type Stage: Stage;

    /// Loads and warms up what all sessions share. Runs before the graph starts.
    ///
    /// # Errors
    ///
    /// A model that is missing, corrupt or of another shape; arguments that contradict each other.
    fn load(arguments: &Self::Arguments) -> Result<Self, <Self::Stage as Stage>::Error>;

    /// The files of the models that were loaded, as `model/file`, with their SHA-256. None without a model.
    fn models(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// Whether arguments that were changed at run time can be applied at all: whether those that what is loaded depends on
    /// are as they were. Neither [`Factory::create`] nor [`Factory::adjust`] is given others.
    ///
    /// # Errors
    ///
    /// One is not.
    fn check(&self, _changed: &Self::Arguments) -> Result<(), FixedArgument> {
        Ok(())
    }

    /// The state of a new session.
    ///
    /// # Errors
    ///
    /// As [`Factory::load`].
    fn create(
        &mut self,
        arguments: &Self::Arguments,
        session: &SessionId,
    ) -> Result<Self::Stage, <Self::Stage as Stage>::Error>;

    /// Applies arguments that were changed at run time to a session in progress.
    ///
    /// # Errors
    ///
    /// The change cannot be made while a session is in progress, or contradicts other arguments. The stage then goes
    /// on as before.
    fn adjust(
        &mut self,
        arguments: &Self::Arguments,
        stage: &mut Self::Stage,
    ) -> Result<(), <Self::Stage as Stage>::Error>;
}

#[cfg(test)]
mod tests {
    use undertone_messages::Watermark;

    use super::*;

    /// Gives each input when the next one comes, and refuses to finish behind 13.
    #[derive(Default)]
    struct Delay(Option<Watermark>);

    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("thirteen")]
    struct Thirteen;

    impl Stage for Delay {
        type Input = Watermark;
        type Output = Watermark;
        type Error = Thirteen;

        fn push(&mut self, input: Watermark, output: &mut Vec<Watermark>) -> Result<(), Thirteen> {
            output.extend(self.0.replace(input));
            Ok(())
        }

        fn finish(&mut self, output: &mut Vec<Watermark>) -> Result<(), Thirteen> {
            output.extend(self.0.take_if(|watermark| watermark.position != 13));
            if self.0.is_some() { Err(Thirteen) } else { Ok(()) }
        }
    }

    fn push(sessions: &mut Sessions<Delay>, session: &str, position: Option<u64>) -> Vec<(u64, Option<u64>)> {
        let body = position.map(|position| Watermark { position });
        let message = Message { session: session.into(), seq: 0, body };
        let sent = sessions.push(message, None, |_| Ok(Delay::default())).unwrap().messages;
        sent.into_iter().map(|message| (message.seq, message.body.map(|body| body.position))).collect()
    }

    #[test]
    fn sessions_side_by_side_are_numbered_apart() {
        let mut sessions = Sessions::default();
        assert_eq!(push(&mut sessions, "a", Some(1)), []);
        assert_eq!(push(&mut sessions, "b", Some(5)), []);
        assert_eq!(push(&mut sessions, "a", Some(2)), [(0, Some(1))]);
        assert_eq!(push(&mut sessions, "a", None), [(1, Some(2)), (2, None)]);
        assert_eq!(push(&mut sessions, "b", None), [(0, Some(5)), (1, None)]);
        // The state is gone: the name stands for a new session.
        assert_eq!(push(&mut sessions, "a", None), [(0, None)]);
    }

    #[test]
    fn a_session_that_is_cut_off_has_no_end() {
        let mut sessions = Sessions::default();
        push(&mut sessions, "a", Some(1));
        push(&mut sessions, "a", Some(2));
        push(&mut sessions, "b", Some(13));
        let sent = sessions.cut_off();
        let expected = Message { session: "a".into(), seq: 1, body: Some(Watermark { position: 2 }) };
        assert_eq!(sent, [expected]);
        assert!(sessions.cut_off().is_empty());
    }
}
