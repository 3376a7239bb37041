//! One session: its client, its audio and its results.

use std::collections::{BTreeMap, BTreeSet};

use undertone_messages::{Phase, SAMPLE_RATE, SentimentStatus, SessionId, Watermark};
use undertone_node::Lead;

use crate::audio::{Audio, Ready};
use crate::close::{Closing, Fault};
use crate::event::{Event, Span};
use crate::hub::{Call, Signal};
use crate::input::{Input, Report};
use crate::limits::{Limits, SECOND, milliseconds, samples};
use crate::log::EventLog;
use crate::request::Request;

/// How long a connection may take for what it is sent before it counts as stuck.
const STUCK: i64 = 20 * SECOND;
/// How long a connection must have made no progress before it counts as behind.
const BEHIND: i64 = SECOND;
/// How long an utterance's result may take before the utterance counts as late.
const LATE: i64 = SECOND;
/// Events that a connection is given at once.
const BATCH: usize = 64;
/// Version of the protocol.
const VERSION: u32 = 1;

/// A connection's number.
pub type ConnectionId = u64;

/// A client that is connected.
struct Connection {
    id: ConnectionId,
    signal: Signal,
    /// Number of the last event that was handed to it.
    sent: u64,
    /// When it last took something, or had taken all.
    progress: i64,
    /// When it came.
    since: i64,
}

/// What a connection is to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// What it is to send.
    pub events: Vec<std::sync::Arc<str>>,
    /// How it is to close, behind that.
    pub closing: Option<Closing>,
}

/// Where the audio of a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    /// More may come.
    Open,
    /// No more comes, and the graph is yet to be told.
    Ending,
    /// The graph has been told.
    Ended,
    /// All of the graph's streams have ended.
    Done,
}

/// An utterance that has ended and has no result yet.
struct Pending {
    samples: u64,
    since: i64,
}

/// Segments of which it is remembered that their result came before the end of their speech. They come on two wires, and
/// the one is never that much ahead of the other.
const ANSWERED: usize = 64;

/// For how long other messages may come behind the end of the results.
const STRAGGLERS: i64 = 5 * SECOND;

/// One session.
pub struct Session {
    name: SessionId,
    token: String,
    limits: Limits,
    audio: Audio,
    stream: Stream,
    /// The number of the graph's next message.
    seq: u64,
    lead: Lead,
    /// Sample index behind the last sample that the graph has.
    sent: u64,
    watermark: u64,
    /// Inputs whose stream of this session has ended.
    ended: BTreeSet<Input>,
    /// Since when all results are there.
    complete: Option<i64>,
    pending: BTreeMap<u64, Pending>,
    /// Segments with a result, and without an end of their speech yet.
    answered: BTreeSet<u64>,
    late: bool,
    log: EventLog,
    connection: Option<Connection>,
    /// Since when no client is connected.
    away: i64,
    /// How the session ended before its time.
    closing: Option<Closing>,
    /// The client has all it will ever want.
    settled: bool,
}

impl Session {
    /// A new session, which no client has joined yet. `messages` of it may be on their way at a time.
    pub fn new(name: SessionId, token: String, messages: u64, limits: Limits, now: i64) -> Self {
        Self {
            name,
            token,
            audio: Audio::new(&limits, now),
            limits,
            stream: Stream::Open,
            seq: 0,
            // One is for the message that ends the session.
            lead: Lead::new(messages),
            sent: 0,
            watermark: 0,
            ended: BTreeSet::new(),
            complete: None,
            pending: BTreeMap::new(),
            answered: BTreeSet::new(),
            late: false,
            log: EventLog::default(),
            connection: None,
            away: now,
            closing: None,
            settled: false,
        }
    }

    /// The token with which the session can be resumed.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The session's name.
    pub fn name(&self) -> &SessionId {
        &self.name
    }

    /// Gives the session a client, which has seen the events up to number `after`. One that is connected has to go.
    ///
    /// # Errors
    ///
    /// Events behind `after` are no longer kept, or have never been.
    pub fn join(&mut self, id: ConnectionId, signal: Signal, after: u64, now: i64) -> Result<(), Fault> {
        if after > self.log.latest() {
            return Err(Fault::BadQuery(format!(
                "`after={after}`, but the latest event is {}",
                self.log.latest()
            )));
        }
        if after + 1 < self.log.first() {
            return Err(Fault::EventsLost { wanted: after + 1, kept: self.log.first() });
        }
        if let Some(old) = self.connection.take() {
            old.signal.call(Call::Evicted(Closing::of(&Fault::Replaced)));
        }
        let resumed = self.log.latest() > 0;
        let connection = Connection { id, signal, sent: after, progress: now, since: now };
        self.connection = Some(connection);
        if self.stream == Stream::Open {
            let missed = self.audio.missed(now);
            if missed > 0 {
                self.audio.lose(missed)?;
            }
        }
        if self.stream == Stream::Done {
            // It gets the end that it has missed, and nothing begins.
            self.call();
            return Ok(());
        }
        let position = self.audio.position();
        let (name, token, told) = (self.name.clone(), self.token.clone(), self.limits.told());
        self.tell(&Event::Ready {
            version: VERSION,
            session: &name,
            resume: &token,
            resumed,
            position_sample: position,
            position_seconds: undertone_messages::seconds(position),
            sample_rate: SAMPLE_RATE,
            limits: told,
        });
        Ok(())
    }

    /// Whether a client may come back to it.
    pub fn can_be_resumed(&self) -> bool {
        self.closing.is_none() && !self.settled
    }

    /// Whether this connection is the session's.
    pub fn is_of(&self, id: ConnectionId) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.id == id)
    }

    /// Whether a client is connected.
    pub fn connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Whether more audio may come.
    pub fn open(&self) -> bool {
        self.stream == Stream::Open
    }

    /// Takes note that the client is gone. `left` means that it wants no more: it closed the connection as one does, or
    /// was told the end.
    pub fn leave(&mut self, left: bool, now: i64) {
        self.connection = None;
        self.away = now;
        let nothing = !self.audio.started();
        if left || nothing {
            self.settled = true;
            self.end();
        }
    }

    /// Takes what the client sent.
    pub fn receive(&mut self, request: Result<Request, Fault>, now: i64) {
        if self.closing.is_some() || self.settled {
            return;
        }
        let taken = match (request, self.stream) {
            (Err(fault), _) => Err(fault),
            // Who said it on a connection that broke cannot know whether it was heard.
            (Ok(Request::End), Stream::Ending | Stream::Ended | Stream::Done) => Ok(()),
            (Ok(Request::Audio { .. }), Stream::Ending | Stream::Ended | Stream::Done) => {
                Err(Fault::AfterEnd)
            }
            (Ok(Request::End), Stream::Open) => {
                self.end();
                Ok(())
            }
            (Ok(Request::Audio { rate, samples }), Stream::Open) => self.audio.push(rate, &samples, now),
        };
        if let Err(fault) = taken {
            self.fail(&fault);
        }
    }

    /// Ends the session before its time, and says why.
    pub fn fail(&mut self, fault: &Fault) {
        if self.closing.is_none() {
            self.tell(&Event::error(fault));
            self.closing = Some(Closing::of(fault));
            self.end();
        }
        self.call();
    }

    /// Tells the client of something that ends nothing.
    pub fn warn(&mut self, fault: &Fault) {
        self.tell(&Event::error(fault));
    }

    /// Takes note that no more audio comes.
    fn end(&mut self) {
        if self.stream == Stream::Open {
            self.stream = Stream::Ending;
            if let Err(fault) = self.audio.finish() {
                tracing::error!("session `{}`: {fault}", self.name);
            }
            if !self.audio.started() {
                self.finish();
            }
        }
    }

    /// All of the graph's streams have ended.
    fn finish(&mut self) {
        self.stream = Stream::Done;
        self.lead.reached(&self.name, None);
        if self.closing.is_none() {
            let position = self.audio.position();
            let position_seconds = undertone_messages::seconds(position);
            self.tell(&Event::End { position_sample: position, position_seconds });
        }
    }

    /// Takes note of a message that says nothing.
    pub fn spend(&mut self, now: i64) {
        self.audio.spend(now);
    }

    /// How long the client's messages are to be left in the network.
    pub fn wait(&mut self, now: i64) -> i64 {
        if self.closing.is_some() { 100 * crate::limits::MS } else { self.audio.wait(now) }
    }

    /// What the connection is to do.
    pub fn output(&mut self, now: i64) -> Output {
        let Some(connection) = &mut self.connection else { return Output::default() };
        let Some(events) = self.log.behind(connection.sent, BATCH) else {
            return Output { events: Vec::new(), closing: Some(Closing::of(&Fault::TooSlow)) };
        };
        connection.sent += events.len() as u64;
        connection.progress = now;
        let mut closing = None;
        if connection.sent == self.log.latest() {
            let done = (self.stream == Stream::Done).then(Closing::done);
            closing = self.closing.clone().or(done);
        }
        Output { events, closing }
    }

    /// Whether there is a message for the graph.
    pub fn has_message(&self) -> bool {
        let free = self.lead.free();
        match self.stream {
            Stream::Open => free > 1 && self.audio.has_frame(),
            Stream::Ending if self.audio.has_frame() => free > 1,
            Stream::Ending => free > 0,
            Stream::Ended | Stream::Done => false,
        }
    }

    /// The next message for the graph: its number, and a frame, or nothing if it ends the stream.
    pub fn take(&mut self, now: i64) -> (u64, Option<Ready>) {
        let seq = self.seq;
        self.seq += 1;
        let Some(ready) = self.audio.take(now) else {
            self.stream = Stream::Ended;
            self.lead.sent(&self.name, None);
            return (seq, None);
        };
        self.sent = ready.frame.end();
        self.lead.sent(&self.name, Some(self.sent));
        if let Some(reason) = ready.gap {
            let start = ready.frame.start;
            let span = Span::new(start.saturating_sub(ready.frame.gap), start);
            self.tell(&Event::Gap { span, samples: ready.frame.gap, reason });
        }
        (seq, Some(ready))
    }

    /// Sample index behind the last sample that the graph has.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Takes note of the watermark.
    pub fn reached(&mut self, watermark: Watermark) {
        self.watermark = self.watermark.max(watermark.position);
        self.lead.reached(&self.name, Some(watermark));
    }

    /// Takes what the graph says.
    pub fn report(&mut self, report: &Report, now: i64) {
        if self.stream == Stream::Done {
            return;
        }
        match report {
            Report::Speech(speech) => match speech.phase {
                Phase::Final if !self.answered.remove(&speech.segment) => {
                    let samples = speech.end.saturating_sub(speech.start);
                    self.pending.insert(speech.segment, Pending { samples, since: now });
                }
                Phase::Cancelled => drop(self.pending.remove(&speech.segment)),
                _ => {}
            },
            Report::Sentiment(result, _) if result.status == SentimentStatus::Final => {
                self.answer(result.segment);
            }
            _ => {}
        }
        let name = self.name.clone();
        self.tell(&report.event(&name));
    }

    /// Takes note that a segment has its result.
    fn answer(&mut self, segment: u64) {
        if self.pending.remove(&segment).is_none() {
            self.answered.insert(segment);
            if self.answered.len() > ANSWERED {
                // Segments are numbered as they come: this is the oldest.
                self.answered.pop_first();
            }
        }
    }

    /// Takes note that the session's stream on an input has ended; `inputs` are those that are waited for.
    pub fn ended(&mut self, input: Option<Input>, inputs: &BTreeSet<Input>) {
        self.ended.extend(input);
        if self.stream == Stream::Ended && self.ended.is_superset(inputs) {
            self.finish();
        }
    }

    /// The inputs, of those that are waited for, whose streams have yet to end: none if the graph has heard nothing of it.
    pub fn owed<'a>(&'a self, inputs: &'a BTreeSet<Input>) -> impl Iterator<Item = Input> + 'a {
        inputs.difference(&self.ended).copied().filter(|_| self.seq > 0)
    }

    /// Looks at the time. `inputs` are those that are waited for.
    pub fn tick(&mut self, now: i64, inputs: &BTreeSet<Input>) {
        self.check_complete(now, inputs);
        self.check_idle(now);
        self.check_late(now);
        self.check_reader(now);
        if self.connection.is_none() && self.stream == Stream::Open && self.grace_is_over(now) {
            // Who comes back now has nothing more to say.
            self.settled = true;
            self.end();
        }
    }

    /// Whether the session can be forgotten.
    pub fn is_over(&self, now: i64) -> bool {
        let forgotten = self.settled || self.closing.is_some() || self.grace_is_over(now);
        self.stream == Stream::Done && self.connection.is_none() && forgotten
    }

    /// Whether only a client that comes back would want it.
    pub fn is_left_over(&self) -> bool {
        self.stream == Stream::Done && self.connection.is_none()
    }

    /// Since when no client is connected.
    pub fn away(&self) -> i64 {
        self.away
    }

    fn grace_is_over(&self, now: i64) -> bool {
        now - self.away > self.limits.grace()
    }

    /// Fusion ends a session without an input that does not end it, and so is it here.
    fn check_complete(&mut self, now: i64, inputs: &BTreeSet<Input>) {
        let results = || inputs.iter().filter(|input| input.is_needed());
        let complete = results().next().is_some() && results().all(|input| self.ended.contains(input));
        if self.stream == Stream::Ended && complete && now - *self.complete.get_or_insert(now) > STRAGGLERS {
            self.finish();
        }
    }

    fn check_idle(&mut self, now: i64) {
        let Some(connection) = &self.connection else { return };
        let since = connection.since.max(self.audio.last());
        // Who is held back is not idle.
        let held = self.audio.wait(now) > 0;
        if self.stream == Stream::Open && !held && now - since > self.limits.idle() {
            self.fail(&Fault::Idle(self.limits.idle_seconds));
        }
    }

    fn check_late(&mut self, now: i64) {
        let queued = self.late_samples(now);
        let threshold = samples(self.limits.backpressure_ms);
        let late = if self.late { queued * 2 > threshold } else { queued > threshold };
        if late != self.late {
            self.late = late;
            self.tell(&Event::Backpressure { active: late, queued_ms: milliseconds(queued) });
        }
    }

    /// Audio that waits here, and utterances whose results are late.
    fn late_samples(&self, now: i64) -> u64 {
        let late = self.pending.values().filter(|pending| now - pending.since > LATE);
        self.audio.waiting() + late.map(|pending| pending.samples).sum::<u64>()
    }

    fn check_reader(&mut self, now: i64) {
        let Some(connection) = &mut self.connection else { return };
        let behind = self.log.latest() - connection.sent;
        let stuck = now - connection.progress;
        if behind == 0 {
            connection.progress = now;
        } else if stuck > STUCK || (behind > self.limits.lag_events && stuck > BEHIND) {
            let connection = self.connection.take();
            self.away = now;
            if let Some(connection) = connection {
                connection.signal.call(Call::Evicted(Closing::of(&Fault::TooSlow)));
            }
        }
    }

    fn tell(&mut self, event: &Event<'_>) {
        if self.settled {
            return;
        }
        self.log.push(|number| event.write(number));
        self.call();
    }

    fn call(&self) {
        if let Some(connection) = &self.connection {
            connection.signal.call(Call::News);
        }
    }

    /// The session in numbers.
    pub fn depth(&self, now: i64) -> Depth {
        Depth {
            session: self.name.to_string(),
            connected: self.connected(),
            open: self.open(),
            position_sample: self.audio.position(),
            waiting_samples: self.audio.waiting(),
            in_graph_samples: if self.stream == Stream::Done {
                0
            } else {
                self.sent.saturating_sub(self.watermark)
            },
            messages: self.messages(),
            late_ms: milliseconds(self.late_samples(now)),
            dropped_samples: self.audio.dropped(),
            events: self.log.latest(),
            unsent_events: self
                .connection
                .as_ref()
                .map_or(0, |connection| self.log.latest() - connection.sent),
        }
    }

    /// Messages on their way through the graph.
    pub fn messages(&self) -> u64 {
        self.lead.messages() - self.lead.free()
    }

    /// Samples that did not fit, in all.
    pub fn dropped(&self) -> u64 {
        self.audio.dropped()
    }
}

impl Depth {
    /// Whether a client is connected.
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Whether more audio may come.
    pub fn is_open(&self) -> bool {
        self.open
    }
}

/// A session in numbers.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Depth {
    session: String,
    connected: bool,
    open: bool,
    position_sample: u64,
    /// Samples that wait for the graph to take them.
    waiting_samples: u64,
    /// Samples that were sent and are not below the watermark.
    in_graph_samples: u64,
    /// Messages that were sent and are not below the watermark.
    messages: u64,
    /// Audio that is late, as in `backpressure` events.
    late_ms: u64,
    dropped_samples: u64,
    events: u64,
    unsent_events: u64,
}
