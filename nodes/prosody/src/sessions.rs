//! Many sessions, one after another or side by side, with numbered messages.

use std::collections::BTreeMap;

use undertone_messages::{Features, Message, SessionId, Speech, Statistics, Transcript};

use crate::SPEECH;
use crate::arguments::Config;
use crate::error::{ProsodyError, SessionError};
use crate::prosody::{Output, Prosody};

/// A message that the node sends, on the output of its name.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputMessage {
    /// On `features`.
    Features(Message<Features>),
    /// On `statistics`.
    Statistics(Message<Statistics>),
}

/// A session in progress, and the numbers of its next messages.
struct Session {
    prosody: Prosody,
    features: u64,
    statistics: u64,
}

impl Session {
    fn number(&mut self, session: &SessionId, output: Output) -> OutputMessage {
        fn message<B>(session: &SessionId, next: &mut u64, body: Option<B>) -> Message<B> {
            let seq = *next;
            *next += 1;
            Message { session: session.clone(), seq, body }
        }
        match output {
            Output::Features(body) => OutputMessage::Features(message(session, &mut self.features, body)),
            Output::Statistics(body) => {
                OutputMessage::Statistics(message(session, &mut self.statistics, body))
            }
        }
    }
}

/// The sessions in progress. Each begins with its first message on any input, and is dropped when its outputs end.
pub struct Sessions {
    config: Config,
    /// Whether transcripts are wired.
    transcript: bool,
    /// Nothing more will come on `transcript`.
    transcript_lost: bool,
    sessions: BTreeMap<SessionId, Session>,
}

impl Sessions {
    /// No sessions yet. `transcript` says whether transcripts are wired.
    pub fn new(config: Config, transcript: bool) -> Self {
        Self { config, transcript, transcript_lost: false, sessions: BTreeMap::new() }
    }

    /// Takes a message that arrived on `speech` and gives what can be sent now.
    ///
    /// # Errors
    ///
    /// As [`Prosody::speech`] and [`Prosody::end_speech`].
    pub fn speech(&mut self, message: &Message<Speech>) -> Result<Vec<OutputMessage>, SessionError> {
        self.step(&message.session, |prosody, output| match &message.body {
            Some(speech) => prosody.speech(speech, output),
            None => prosody.end_speech(output),
        })
    }

    /// Takes a message that arrived on `transcript` and gives what can be sent now.
    ///
    /// # Errors
    ///
    /// As [`Prosody::transcript`].
    pub fn transcript(&mut self, message: &Message<Transcript>) -> Result<Vec<OutputMessage>, SessionError> {
        self.step(&message.session, |prosody, output| match &message.body {
            Some(transcript) => prosody.transcript(transcript, output),
            None => prosody.end_transcript(output),
        })
    }

    /// Takes note that nothing more will come on `transcript`, in any session, and gives what can be sent now.
    ///
    /// # Errors
    ///
    /// As [`Prosody::transcript`].
    pub fn lose_transcript(&mut self) -> Result<Vec<OutputMessage>, SessionError> {
        self.transcript_lost = true;
        let mut messages = Vec::new();
        for session in self.sessions.keys().cloned().collect::<Vec<_>>() {
            messages.extend(self.step(&session, Prosody::lose_transcript)?);
        }
        Ok(messages)
    }

    /// The sessions in which the stream of `input` has not ended.
    pub fn unfinished(&self, input: &str) -> Vec<SessionId> {
        let ended = |prosody: &Prosody| {
            if input == SPEECH { prosody.speech_has_ended() } else { prosody.transcript_has_ended() }
        };
        let unfinished = self.sessions.iter().filter(|(_, session)| !ended(&session.prosody));
        unfinished.map(|(session, _)| session.clone()).collect()
    }

    /// Lets a session, which may be new, take a step, and drops it if it is done.
    fn step(
        &mut self,
        id: &SessionId,
        step: impl FnOnce(&mut Prosody, &mut Vec<Output>) -> Result<(), ProsodyError>,
    ) -> Result<Vec<OutputMessage>, SessionError> {
        let fail = |error| SessionError { session: id.clone(), error };
        let mut output = Vec::new();
        let mut session = match self.sessions.remove(id) {
            Some(session) => session,
            None => self.begin(&mut output).map_err(fail)?,
        };
        step(&mut session.prosody, &mut output).map_err(fail)?;
        let messages = output.into_iter().map(|output| session.number(id, output)).collect();
        if !session.prosody.is_done() {
            self.sessions.insert(id.clone(), session);
        }
        Ok(messages)
    }

    /// A new session, without transcripts if these were lost before.
    fn begin(&self, output: &mut Vec<Output>) -> Result<Session, ProsodyError> {
        let mut prosody = Prosody::new(self.config, self.transcript);
        if self.transcript_lost {
            prosody.lose_transcript(output)?;
        }
        Ok(Session { prosody, features: 0, statistics: 0 })
    }
}
