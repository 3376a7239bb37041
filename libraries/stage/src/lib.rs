//! The contract of a pipeline stage, apart from any runtime.
//!
//! A stage with one input and one output is a [`Stage`]: pure code that turns message bodies into message bodies. It
//! knows no clock, no dora and no environment, and what it gives depends on what it was given alone, so one
//! implementation serves a node of its own, an in-process operator, a unit test and the preparation of training data.
//! A stage sees one session; [`Sessions`] keeps one for each.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use undertone_messages::{Body, Message, SessionId};

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
}

/// The sessions that are in progress, each with a state of its own that is dropped at the session's end.
pub struct Sessions<S> {
    states: BTreeMap<SessionId, State<S>>,
}

/// What is kept of one session.
struct State<S> {
    stage: S,
    /// The number of the next message.
    seq: u64,
}

impl<S> Default for Sessions<S> {
    fn default() -> Self {
        Self { states: BTreeMap::new() }
    }
}

impl<S: Stage> Sessions<S> {
    /// Takes a message and gives the messages that follow from it, numbered, the last of a session marked. `create`
    /// makes the stage of a session whose first message this is.
    ///
    /// # Errors
    ///
    /// Those of the stage and of `create`.
    pub fn push(
        &mut self,
        message: Message<S::Input>,
        create: impl FnOnce(&SessionId) -> Result<S, S::Error>,
    ) -> Result<Vec<Message<S::Output>>, S::Error> {
        let Message { session, body, .. } = message;
        let last = body.is_none();
        let state = match self.states.entry(session.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(State { stage: create(&session)?, seq: 0 }),
        };
        let mut bodies = Vec::new();
        match body {
            Some(body) => state.stage.push(body, &mut bodies)?,
            None => state.stage.finish(&mut bodies)?,
        }
        let messages = bodies
            .into_iter()
            .map(Some)
            .chain(last.then_some(None))
            .zip(state.seq..)
            .map(|(body, seq)| Message { session: session.clone(), seq, body })
            .collect::<Vec<_>>();
        state.seq += messages.len() as u64;
        if last {
            self.states.remove(&session);
        }
        Ok(messages)
    }

    /// The stages of the sessions in progress.
    pub fn states_mut(&mut self) -> impl Iterator<Item = &mut S> {
        self.states.values_mut().map(|state| &mut state.stage)
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
