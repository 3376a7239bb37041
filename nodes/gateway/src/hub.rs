//! All sessions: who may come, whose audio goes into the graph next, and what becomes of results.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use subtle::ConstantTimeEq;
use undertone_messages::{AudioFrame, Message, SessionId, Watermark};
use undertone_stage::OwedEnds;

use crate::close::{Closing, Fault};
use crate::input::{Input, Report};
use crate::limits::Limits;
use crate::request::Request;
use crate::session::{ConnectionId, Depth, Output, Session};

/// What a connection is called for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Hub::output`] has something.
    News,
    /// It has lost its session, and is to close.
    Evicted(Closing),
}

/// Calls a connection, which runs elsewhere.
#[derive(Clone)]
pub struct Signal(Arc<dyn Fn(Call) + Send + Sync>);

impl Signal {
    /// A signal that does this.
    pub fn new(call: impl Fn(Call) + Send + Sync + 'static) -> Self {
        Self(Arc::new(call))
    }

    pub(crate) fn call(&self, call: Call) {
        (self.0)(call);
    }
}

/// What a client wants that connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A new session, with this name if any.
    New(Option<String>),
    /// The session with this token, behind this event.
    Resume {
        /// The token.
        token: String,
        /// Number of the last event that the client has seen.
        after: u64,
    },
}

impl Wish {
    /// Reads what the address of the WebSocket says.
    ///
    /// # Errors
    ///
    /// A parameter that there is not, a name that is not possible, or parameters that do not go together.
    pub fn read(mut query: BTreeMap<String, String>) -> Result<Self, Fault> {
        let bad = |text: &str| Err(Fault::BadQuery(text.to_owned()));
        let [session, resume, after] = ["session", "resume", "after"].map(|name| query.remove(name));
        if let Some(name) = query.keys().next() {
            return bad(&format!(
                "there is no parameter `{name}`: the parameters are `session`, `resume` and `after`"
            ));
        }
        match (session, resume, after) {
            (None, Some(token), after) => match after.as_deref().unwrap_or("0").parse() {
                Ok(after) => Ok(Self::Resume { token, after }),
                Err(_) => bad("`after` is the number of an event"),
            },
            (Some(_), Some(_), _) => {
                bad("`resume` and `session` do not go together: a token names its session")
            }
            (_, None, Some(_)) => bad("`after` goes with `resume`"),
            (Some(name), None, None) if !is_name(&name) => {
                bad("a session's name is 1 to 64 letters, digits, `-`, `_` and `.`")
            }
            (name, None, None) => Ok(Self::New(name)),
        }
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

/// Where the graph stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Graph {
    /// Its nodes have not all joined yet.
    Starting,
    /// It runs.
    Ready,
    /// It goes on without an input.
    Degraded(String),
    /// It has failed.
    Failed(String),
    /// The gateway stops.
    Stopping,
}

/// A message for the graph.
pub struct Outgoing {
    /// The message.
    pub message: Message<AudioFrame>,
    /// Sample index behind the session's last sample, with this message.
    pub sample: u64,
    /// How long ago that was captured, in nanoseconds.
    pub age: i64,
}

/// All sessions. Times are nanoseconds since some start, on a clock that nobody sets ([`Shared::now`]).
///
/// [`Shared::now`]: crate::Shared::now
pub struct Hub {
    limits: Limits,
    graph: Graph,
    /// The inputs whose streams are waited for.
    inputs: BTreeSet<Input>,
    /// The most messages that may be on their way through the graph.
    messages: u64,
    sessions: BTreeMap<SessionId, Session>,
    /// Ends that inputs owe to sessions that are forgotten.
    owed: OwedEnds<Input>,
    /// The session that was served last.
    served: Option<SessionId>,
    connections: u64,
    counts: Counts,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Sessions that began.
    pub sessions: u64,
    /// Sessions that went on with another connection.
    pub resumed: u64,
    /// Connections that got no session.
    pub refused: u64,
    /// Samples that did not fit, of sessions that are over.
    pub dropped_samples: u64,
}

impl Hub {
    /// No sessions, and a graph that is yet to start.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            graph: Graph::Starting,
            inputs: BTreeSet::new(),
            messages: 0,
            sessions: BTreeMap::new(),
            owed: OwedEnds::default(),
            served: None,
            connections: 0,
            counts: Counts::default(),
        }
    }

    /// Takes note that the graph runs: with these inputs, and queues for so many messages.
    pub fn open(&mut self, inputs: BTreeSet<Input>, messages: u64) {
        self.inputs = inputs;
        self.messages = messages;
        self.graph = Graph::Ready;
    }

    /// Where the graph stands.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Messages of one session that may be on their way at a time: its share, so that none can keep the others waiting.
    pub fn share(&self) -> u64 {
        self.messages / self.limits.sessions.max(1) as u64
    }

    /// Gives a connection its session. `random` makes the token and, where the client chooses none, the name.
    ///
    /// # Errors
    ///
    /// There is no room, no such session, or no graph.
    pub fn connect(
        &mut self,
        wish: &Wish,
        signal: Signal,
        random: [u8; 24],
        now: i64,
    ) -> Result<ConnectionId, Fault> {
        let connected = self.admit(wish, signal, random, now);
        if connected.is_err() {
            self.counts.refused += 1;
        }
        connected
    }

    fn admit(
        &mut self,
        wish: &Wish,
        signal: Signal,
        random: [u8; 24],
        now: i64,
    ) -> Result<ConnectionId, Fault> {
        match &self.graph {
            Graph::Starting => return Err(Fault::NotReady),
            Graph::Failed(reason) => return Err(Fault::GraphFailed(reason.clone())),
            Graph::Stopping => return Err(Fault::Stopping),
            Graph::Ready | Graph::Degraded(_) => {}
        }
        let id = self.connections + 1;
        match wish {
            Wish::Resume { token, after } => {
                self.find(token)?.join(id, signal, *after, now)?;
                self.counts.resumed += 1;
            }
            Wish::New(name) => {
                self.make_room()?;
                let (token, rest) = random.split_at(16);
                let name: SessionId = match name {
                    Some(name) => name.as_str().into(),
                    None => format!("s-{}", hex::encode(rest)).into(),
                };
                if self.sessions.contains_key(&name) {
                    return Err(Fault::InUse(name.to_string()));
                }
                let mut session =
                    Session::new(name.clone(), hex::encode(token), self.share(), self.limits, now);
                session.join(id, signal, 0, now)?;
                self.sessions.insert(name, session);
                self.counts.sessions += 1;
            }
        }
        self.connections = id;
        Ok(id)
    }

    /// The session with this token. All are compared, each in constant time, so that time tells nothing.
    fn find(&mut self, token: &str) -> Result<&mut Session, Fault> {
        let mut found = None;
        for session in self.sessions.values_mut() {
            let same = bool::from(session.token().as_bytes().ct_eq(token.as_bytes()));
            if same && session.can_be_resumed() {
                found = Some(session);
            }
        }
        found.ok_or(Fault::UnknownSession)
    }

    /// Sees to it that there is room for one more session. Those that have ended and wait for results or for their
    /// client do not count, but of them, too, there is a limit.
    fn make_room(&mut self) -> Result<(), Fault> {
        let open = self.sessions.values().filter(|session| session.open()).count();
        if open >= self.limits.sessions {
            return Err(Fault::Full(self.limits.sessions));
        }
        if self.sessions.len() < 2 * self.limits.sessions {
            return Ok(());
        }
        let left_over = self.sessions.values().filter(|session| session.is_left_over());
        let oldest = left_over.min_by_key(|session| session.away()).map(|session| session.name().clone());
        match oldest {
            Some(name) => {
                self.forget(&name);
                Ok(())
            }
            None => Err(Fault::Full(self.limits.sessions)),
        }
    }

    fn forget(&mut self, name: &SessionId) {
        if let Some(session) = self.sessions.remove(name) {
            self.counts.dropped_samples += session.dropped();
            for input in session.owed(&self.inputs) {
                self.owed.add(name.clone(), input);
            }
        }
    }

    fn of(&mut self, connection: ConnectionId) -> Option<&mut Session> {
        self.sessions.values_mut().find(|session| session.is_of(connection))
    }

    /// Takes what a client sent.
    pub fn receive(&mut self, connection: ConnectionId, request: Result<Request, Fault>, now: i64) {
        if let Some(session) = self.of(connection) {
            session.receive(request, now);
        }
    }

    /// Takes note of a message that says nothing.
    pub fn spend(&mut self, connection: ConnectionId, now: i64) {
        if let Some(session) = self.of(connection) {
            session.spend(now);
        }
    }

    /// How long nothing is to be read from a connection, in nanoseconds.
    pub fn wait(&mut self, connection: ConnectionId, now: i64) -> i64 {
        self.of(connection).map_or(0, |session| session.wait(now))
    }

    /// What a connection is to do.
    pub fn output(&mut self, connection: ConnectionId, now: i64) -> Output {
        self.of(connection).map(|session| session.output(now)).unwrap_or_default()
    }

    /// Takes note that a connection is gone; `left` if its client closed it as one does.
    pub fn disconnect(&mut self, connection: ConnectionId, left: bool, now: i64) {
        if let Some(session) = self.of(connection) {
            session.leave(left, now);
        }
        self.clear(now);
    }

    /// The next message for the graph, if it may have one: the sessions take turns.
    pub fn take(&mut self, now: i64) -> Option<Outgoing> {
        let on_their_way: u64 = self.sessions.values().map(Session::messages).sum();
        if on_their_way >= self.messages {
            return None;
        }
        let ready = |session: &&Session| session.has_message();
        let behind =
            self.sessions.values().filter(ready).find(|session| Some(session.name()) > self.served.as_ref());
        let name = behind.or_else(|| self.sessions.values().find(ready))?.name().clone();
        let session = self.sessions.get_mut(&name)?;
        let (seq, ready) = session.take(now);
        let (body, captured) = ready.map(|ready| (ready.frame, ready.captured)).unzip();
        let sample = session.sent();
        self.served = Some(name.clone());
        let age = captured.map_or(0, |captured| now - captured);
        let end = body.is_none();
        let message = Message { session: name.clone(), seq, body };
        if end && self.inputs.is_empty() {
            // Nothing is waited for.
            self.ended(None, &name);
        }
        Some(Outgoing { message, sample, age })
    }

    /// Takes note of the watermark, or with `None` of the end of its stream.
    pub fn reached(&mut self, session: &SessionId, watermark: Option<Watermark>) {
        match watermark {
            None => self.ended(Some(Input::Watermark), session),
            Some(watermark) => {
                if let Some(session) = self.sessions.get_mut(session) {
                    session.reached(watermark);
                }
            }
        }
    }

    /// Takes what the graph says of a session, or with `None` the end of the stream.
    pub fn report(&mut self, input: Input, session: &SessionId, report: Option<&Report>, now: i64) {
        if self.owed.take(session, &input, report.is_none()) {
            return;
        }
        match report {
            None => self.ended(Some(input), session),
            Some(report) => {
                if let Some(session) = self.sessions.get_mut(session) {
                    session.report(report, now);
                }
            }
        }
    }

    fn ended(&mut self, input: Option<Input>, session: &SessionId) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.ended(input, &self.inputs);
        }
    }

    /// Takes note that an input is lost. Without results there is no going on.
    pub fn lose(&mut self, input: Input, reason: &str) {
        if input.is_needed() {
            self.fail(reason);
            return;
        }
        self.inputs.remove(&input);
        self.owed.close(&input);
        if matches!(self.graph, Graph::Ready | Graph::Degraded(_)) {
            self.graph = Graph::Degraded(reason.to_owned());
        }
        let fault = Fault::InputLost(reason.to_owned());
        for session in self.sessions.values_mut() {
            session.warn(&fault);
            session.ended(None, &self.inputs);
        }
    }

    /// Takes note that the graph has failed: all sessions end.
    pub fn fail(&mut self, reason: &str) {
        self.graph = Graph::Failed(reason.to_owned());
        let fault = Fault::GraphFailed(reason.to_owned());
        self.sessions.values_mut().for_each(|session| session.fail(&fault));
    }

    /// Stops: all sessions end.
    pub fn stop(&mut self) {
        self.graph = Graph::Stopping;
        self.sessions.values_mut().for_each(|session| session.fail(&Fault::Stopping));
    }

    /// Whether all is as it was before the first session, as far as the graph is concerned.
    pub fn is_settled(&self) -> bool {
        self.sessions.values().all(|session| session.messages() == 0 && !session.has_message())
    }

    /// How many clients are connected.
    pub fn connected(&self) -> usize {
        self.sessions.values().filter(|session| session.connected()).count()
    }

    /// Looks at the time.
    pub fn tick(&mut self, now: i64) {
        self.sessions.values_mut().for_each(|session| session.tick(now, &self.inputs));
        self.clear(now);
    }

    fn clear(&mut self, now: i64) {
        let over = self.sessions.values().filter(|session| session.is_over(now));
        for name in over.map(|session| session.name().clone()).collect::<Vec<_>>() {
            self.forget(&name);
        }
    }

    /// The sessions in numbers.
    pub fn depths(&self, now: i64) -> Vec<Depth> {
        self.sessions.values().map(|session| session.depth(now)).collect()
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        let dropped: u64 = self.sessions.values().map(Session::dropped).sum();
        Counts { dropped_samples: self.counts.dropped_samples + dropped, ..self.counts }
    }

    /// How much of everything there is.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Messages that may be on their way through the graph, and that are.
    pub fn messages(&self) -> (u64, u64) {
        (self.messages, self.sessions.values().map(Session::messages).sum())
    }
}
