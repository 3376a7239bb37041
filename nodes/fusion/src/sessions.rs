//! Many sessions, one after another or side by side, with numbered messages.

use std::collections::{BTreeMap, BTreeSet};

use undertone_messages::{Emotion, Message, Sentiment, SessionId, Speech, Transcript, Watermark};

use crate::config::Config;
use crate::error::{FusionError, SessionError};
use crate::fusion::{Fusion, Output};
use crate::{SPEECH, TRANSCRIPT};

/// A message that fusion sends, on the output of its name.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputMessage {
    /// On `provisional`.
    Provisional(Message<Sentiment>),
    /// On `sentiment`.
    Sentiment(Message<Sentiment>),
    /// On `watermark`.
    Watermark(Message<Watermark>),
}

/// A session in progress, and the numbers of its next messages.
#[derive(Clone, Debug)]
struct Session {
    fusion: Fusion,
    provisional: u64,
    sentiment: u64,
    watermark: u64,
}

impl Session {
    fn number(&mut self, session: &SessionId, output: Output) -> OutputMessage {
        fn message<B>(session: &SessionId, next: &mut u64, body: Option<B>) -> Message<B> {
            let seq = *next;
            *next += 1;
            Message { session: session.clone(), seq, body }
        }
        match output {
            Output::Provisional(body) => {
                OutputMessage::Provisional(message(session, &mut self.provisional, body))
            }
            Output::Sentiment(body) => OutputMessage::Sentiment(message(session, &mut self.sentiment, body)),
            Output::Watermark(body) => OutputMessage::Watermark(message(session, &mut self.watermark, body)),
        }
    }
}

/// The sessions in progress. Each begins with its first message on any input, and is dropped when its outputs end.
#[derive(Clone, Debug)]
pub struct Sessions {
    config: Config,
    sessions: BTreeMap<SessionId, Session>,
    /// Inputs on which nothing more will come.
    closed: BTreeSet<String>,
}

impl Sessions {
    /// No sessions yet.
    pub fn new(config: Config) -> Self {
        Self { config, sessions: BTreeMap::new(), closed: BTreeSet::new() }
    }

    /// Changes the arguments of all sessions from their next results on. The configuration must be for the same
    /// inputs.
    pub fn adjust(&mut self, config: &Config) {
        self.config = config.clone();
        self.sessions.values_mut().for_each(|session| session.fusion.adjust(config.clone()));
    }

    /// Takes a message that arrived on `speech` and gives what can be sent now.
    ///
    /// # Errors
    ///
    /// As [`Fusion::speech`].
    pub fn speech(&mut self, message: Message<Speech>) -> Result<Vec<OutputMessage>, SessionError> {
        self.step(&message.session, |fusion, output| match &message.body {
            Some(speech) => fusion.speech(speech, output),
            None => fusion.end(SPEECH, output),
        })
    }

    /// Takes a message that arrived on `transcript` and gives what can be sent now.
    ///
    /// # Errors
    ///
    /// As [`Fusion::transcript`].
    pub fn transcript(&mut self, message: Message<Transcript>) -> Result<Vec<OutputMessage>, SessionError> {
        self.step(&message.session, |fusion, output| match message.body {
            Some(transcript) => fusion.transcript(transcript, output),
            None => fusion.end(TRANSCRIPT, output),
        })
    }

    /// Takes a message that arrived on another input and gives what can be sent now.
    ///
    /// # Errors
    ///
    /// As [`Fusion::emotion`].
    pub fn emotion(
        &mut self,
        input: &str,
        message: Message<Emotion>,
    ) -> Result<Vec<OutputMessage>, SessionError> {
        self.step(&message.session, |fusion, output| match message.body {
            Some(emotion) => fusion.emotion(input, emotion, output),
            None => fusion.end(input, output),
        })
    }

    /// Takes note that nothing more will come on `input`, in any session, and gives what can be sent now. Where its
    /// stream has not ended, [`Sessions::unfinished`], the input counts as dead.
    ///
    /// # Errors
    ///
    /// The input is the ledger of a session that needs it, or as [`Fusion::emotion`].
    pub fn close(&mut self, input: &str) -> Result<Vec<OutputMessage>, SessionError> {
        self.closed.insert(input.to_owned());
        let mut messages = Vec::new();
        for session in self.sessions.keys().cloned().collect::<Vec<_>>() {
            messages.extend(self.step(&session, |fusion, output| fusion.lost(input, output))?);
        }
        Ok(messages)
    }

    /// Whether nothing more will come on `input`, see [`Sessions::close`].
    pub fn is_closed(&self, input: &str) -> bool {
        self.closed.contains(input)
    }

    /// The sessions in which the stream of `input` has not ended.
    pub fn unfinished(&self, input: &str) -> Vec<SessionId> {
        let unfinished = self.sessions.iter().filter(|(_, session)| !session.fusion.has_ended(input));
        unfinished.map(|(session, _)| session.clone()).collect()
    }

    /// Whether no session is in progress.
    pub fn is_idle(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Lets a session, which may be new, take a step, and drops it if it is done.
    fn step(
        &mut self,
        id: &SessionId,
        step: impl FnOnce(&mut Fusion, &mut Vec<Output>) -> Result<(), FusionError>,
    ) -> Result<Vec<OutputMessage>, SessionError> {
        let fail = |error| SessionError { session: id.clone(), error };
        let mut output = Vec::new();
        let mut session = match self.sessions.remove(id) {
            Some(session) => session,
            None => self.begin(&mut output).map_err(fail)?,
        };
        step(&mut session.fusion, &mut output).map_err(fail)?;
        let messages = output.into_iter().map(|output| session.number(id, output)).collect();
        if !session.fusion.is_done() {
            self.sessions.insert(id.clone(), session);
        }
        Ok(messages)
    }

    /// A new session, in which the inputs that have closed are dead from the start.
    fn begin(&self, output: &mut Vec<Output>) -> Result<Session, FusionError> {
        let mut fusion = Fusion::new(self.config.clone());
        for input in &self.closed {
            fusion.lost(input, output)?;
        }
        Ok(Session { fusion, provisional: 0, sentiment: 0, watermark: 0 })
    }
}
