//! Results in, lines out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write};

use undertone_messages::{Message, Sentiment, SessionId, Statistics, Transcript};
use undertone_results::Latency;

use crate::account::Account;
use crate::arguments::{Arguments, Format};
use crate::error::SinkError;
use crate::file::ResultFile;
use crate::pretty::{pretty, words_so_far};
use crate::record::{record, statistics_record};
use crate::summary::{Summary, Tally};

/// An input of the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// Results that are written always.
    Sentiment,
    /// Results that are written with `--provisional`.
    Provisional,
    /// Statistics, which are written in JSON Lines.
    Statistics,
    /// Words as they come, which are written for people.
    Transcript,
}

impl Input {
    /// All inputs.
    pub const ALL: [Self; 4] = [Self::Sentiment, Self::Provisional, Self::Statistics, Self::Transcript];

    /// The name in the graph.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sentiment => "sentiment",
            Self::Provisional => "provisional",
            Self::Statistics => "statistics",
            Self::Transcript => "transcript",
        }
    }
}

/// A session in progress.
#[derive(Debug, Default)]
struct Session {
    tally: Tally,
    ended: BTreeSet<Input>,
}

/// Writes results to a standard output and a file.
#[derive(Debug)]
pub struct Sink<W> {
    /// The standard output, until its reader goes away.
    output: Option<W>,
    file: Option<ResultFile>,
    format: Format,
    provisional: bool,
    latency: bool,
    color: bool,
    inputs: BTreeSet<Input>,
    sessions: BTreeMap<SessionId, Session>,
}

impl<W: Write> Sink<W> {
    /// Creates the file, if one is asked for. `inputs` are those that the graph wires; a session is over when all of
    /// them have ended. `color` sets off what is for people, see [`Arguments::use_color`].
    ///
    /// # Errors
    ///
    /// The arguments leave nowhere to write to, or the file cannot be created.
    pub fn new(
        arguments: &Arguments,
        inputs: impl IntoIterator<Item = Input>,
        output: W,
        color: bool,
    ) -> Result<Self, SinkError> {
        arguments.check()?;
        Ok(Self {
            output: (arguments.format != Format::None).then_some(output),
            file: arguments.output.as_deref().map(ResultFile::create).transpose()?,
            format: arguments.format,
            provisional: arguments.provisional,
            latency: !arguments.no_latency,
            color,
            inputs: inputs.into_iter().collect(),
            sessions: BTreeMap::new(),
        })
    }

    /// Writes a result that came on `sentiment` or `provisional`, and gives the session's summary when all its streams
    /// have ended. With `pretty` the summary is written as well.
    ///
    /// # Errors
    ///
    /// The file or the standard output cannot be written to. If the latter's reader has gone away, that is an error
    /// only without a file.
    pub fn push(
        &mut self,
        input: Input,
        message: Message<Sentiment>,
        latency: Option<&Latency>,
    ) -> Result<Option<Summary>, SinkError> {
        let session = self.sessions.entry(message.session.clone()).or_default();
        let Some(result) = message.body else { return self.end_input(&message.session, input) };
        match input {
            Input::Sentiment => session.tally.count(&result, latency),
            _ => session.tally.count_provisional(),
        }
        if input == Input::Sentiment || self.provisional {
            self.write(&message.session, &result, latency.filter(|_| self.latency))?;
        }
        Ok(None)
    }

    /// Writes statistics: a line of the file, and of the standard output unless that is for people. Gives the session's
    /// summary as [`Sink::push`] does.
    ///
    /// # Errors
    ///
    /// As [`Sink::push`].
    pub fn push_statistics(&mut self, message: Message<Statistics>) -> Result<Option<Summary>, SinkError> {
        self.sessions.entry(message.session.clone()).or_default();
        let Some(statistics) = message.body else {
            return self.end_input(&message.session, Input::Statistics);
        };
        let line = statistics_record(&message.session, &statistics)? + "\n";
        if let Some(file) = &mut self.file {
            file.write(&line)?;
        }
        if self.format == Format::Jsonl { self.print(&line) } else { Ok(()) }?;
        Ok(None)
    }

    /// Writes a transcript that may change yet to a standard output for people. Gives the session's summary as
    /// [`Sink::push`] does.
    ///
    /// # Errors
    ///
    /// As [`Sink::push`].
    pub fn push_transcript(&mut self, message: Message<Transcript>) -> Result<Option<Summary>, SinkError> {
        self.sessions.entry(message.session.clone()).or_default();
        let Some(transcript) = message.body else {
            return self.end_input(&message.session, Input::Transcript);
        };
        if self.format == Format::Pretty {
            self.print(&words_so_far(&transcript, self.color))?;
        }
        Ok(None)
    }

    /// Takes note that a stream has ended, and ends the session with the last of them.
    fn end_input(&mut self, session: &SessionId, input: Input) -> Result<Option<Summary>, SinkError> {
        let over = self.sessions.get_mut(session).is_some_and(|state| {
            state.ended.insert(input);
            state.ended.is_superset(&self.inputs)
        });
        if over { self.end(session) } else { Ok(None) }
    }

    /// Ends the sessions that were cut off, and gives their summaries.
    ///
    /// # Errors
    ///
    /// As [`Sink::push`].
    pub fn end_sessions(&mut self) -> Result<Vec<Summary>, SinkError> {
        let mut summaries = Vec::new();
        for session in self.sessions.keys().cloned().collect::<Vec<_>>() {
            summaries.extend(self.end(&session)?);
        }
        Ok(summaries)
    }

    /// Writes the account, with `pretty`.
    ///
    /// # Errors
    ///
    /// As [`Sink::push`].
    pub fn tell(&mut self, account: &Account) -> Result<(), SinkError> {
        if self.format == Format::Pretty { self.print(&format!("{account}\n")) } else { Ok(()) }
    }

    /// Gives the file its name, if nothing is missing in the account. Not to be called after an error.
    ///
    /// # Errors
    ///
    /// [`SinkError::Missing`], or the file cannot be renamed.
    pub fn finish(self, account: &Account) -> Result<(), SinkError> {
        account.check()?;
        self.file.map_or(Ok(()), ResultFile::finish)
    }

    /// Drops a session and sums it up.
    fn end(&mut self, session: &SessionId) -> Result<Option<Summary>, SinkError> {
        let summary = self.sessions.remove(session).map(|state| state.tally.summary(session));
        if let (Format::Pretty, Some(summary)) = (self.format, &summary) {
            self.print(&format!("{summary}\n\n"))?;
        }
        Ok(summary)
    }

    fn write(
        &mut self,
        session: &SessionId,
        result: &Sentiment,
        latency: Option<&Latency>,
    ) -> Result<(), SinkError> {
        let line = record(session, result, latency)? + "\n";
        // The file first: it goes on when the reader of the standard output does not.
        if let Some(file) = &mut self.file {
            file.write(&line)?;
        }
        match self.format {
            Format::Jsonl => self.print(&line),
            Format::Pretty => self.print(&pretty(session, result, latency, self.color)),
            Format::None => Ok(()),
        }
    }

    /// Writes to the standard output at once, so that a reader sees each result as it comes.
    fn print(&mut self, text: &str) -> Result<(), SinkError> {
        let Some(output) = &mut self.output else { return Ok(()) };
        match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.output = None;
                if self.file.is_some() { Ok(()) } else { Err(SinkError::Closed) }
            }
            Err(error) => Err(SinkError::StandardOutput(error)),
        }
    }
}
