//! A node's place in the graph: its inputs, its outputs and what happens on them.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, StructArray};
use clap::Parser;
use dora_node_api::dora_core::config::DataId;
use dora_node_api::futures::StreamExt;
use dora_node_api::futures::executor::block_on;
use dora_node_api::futures::future::{Either, select};
use dora_node_api::{DoraArray, DoraNode, EventStream, StopCause};
use eyre::{Context, Result, bail, eyre};
use serde_yaml_ng::Value;
use undertone_messages::{Body, Header, Message, Sequence, SequenceError};
use undertone_stage::{Join, JoinSessions};

use crate::alarm::Alarm;
use crate::order::Early;
use crate::report::{Incident, IncidentKind, InputReport, NodeReport, Reports, Wire};
use crate::run::{Changes, NodeArguments, is_repeatable, parse};
use crate::trace::{Hop, Trace, now_ns};
use crate::wake::Wake;

/// How often a node that waits looks for messages that were dropped on their way in.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How long a node stays after its last message. Dora tells receivers that an output has closed on another way than its
/// messages take; without this, a node that ends right after it has sent can close its output before its last messages
/// are there, and they are lost. A graph with flow control has no such nodes, and ends without a delay.
const LINGER: Duration = Duration::from_millis(500);

/// The most incidents that a node tells of.
const MOST_INCIDENTS: usize = 100;

/// The inputs that a node takes.
#[derive(Clone, Copy, Debug)]
pub enum Inputs<'a> {
    /// These, each of which must be wired.
    Exactly(&'a [&'a str]),
    /// These, each of which may be left out.
    Optionally(&'a [&'a str]),
    /// These must be wired, and any others may be.
    AtLeast(&'a [&'a str]),
    /// This one, once or several times: under its name, or its name and a suffix, as in `audio-2`. And these, each of
    /// which may be left out.
    Several(&'a str, &'a [&'a str]),
}

/// The outputs that a node gives.
#[derive(Clone, Copy, Debug)]
pub enum Outputs<'a> {
    /// These, each of which may be left out.
    Optionally(&'a [&'a str]),
    /// Whatever the graph names.
    Any,
}

/// What happens to a node.
#[derive(Debug)]
pub enum Event {
    /// A message arrived.
    Message(Delivery),
    /// An input closed before the last message of its streams, or before its first: its node failed or was killed.
    Lost {
        /// The input.
        input: String,
        /// What is known of the reason.
        reason: String,
    },
    /// `dora param set` or `dora param delete` asks for another argument. A node whose arguments can change does what
    /// [`Node::take_over`] says.
    Arguments(Change),
}

/// A change of an argument that somebody wishes.
#[derive(Debug)]
pub struct Change {
    name: String,
    /// None: as the graph has it.
    value: Option<serde_json::Value>,
}

impl Change {
    /// The changes so far, with this one. `repeatable` arguments are added to what was said before.
    fn after(&self, changes: &Changes, repeatable: bool) -> Changes {
        let mut changes = changes.clone();
        changes.retain(|(name, value)| {
            let adds = repeatable && self.value.as_ref().is_some_and(|new| new != value);
            adds || *name != self.name
        });
        changes.extend(self.value.clone().map(|value| (self.name.clone(), value)));
        changes
    }

    /// What is logged, and on record.
    fn text(&self, repeatable: bool) -> String {
        let Self { name, value } = self;
        match value {
            Some(value) if repeatable => format!("`--{name} {value}` was added while the graph ran"),
            Some(value) => format!("`--{name}` was changed to {value} while the graph ran"),
            None => format!("`--{name}` was changed back while the graph ran"),
        }
    }
}

/// What a wait brought.
#[derive(Debug)]
pub enum Next {
    /// An event.
    Event(Event),
    /// Nothing in the time given, or until [`Wake::wake`].
    Nothing,
    /// The node's work is done: all inputs have closed, or dora asked it to stop.
    Ended,
}

/// A message as it arrived.
#[derive(Debug)]
pub struct Delivery {
    /// The input, as it is named in the graph.
    pub input: String,
    /// The message, for [`Node::read`].
    pub array: ArrayRef,
    /// The message's way here.
    pub trace: Trace,
}

/// The state of one input.
#[derive(Debug, Default)]
struct Input {
    /// The output that it is wired to, as `node/output`.
    edge: String,
    sequence: Sequence,
    /// How much the sender had sent, as far as it has said.
    sent: Option<u64>,
    received: u64,
    /// Messages that came before one that was sent earlier.
    early: Early<Delivery>,
    /// What dora said of the sender's failure.
    failure: Option<String>,
    /// When it closed: nothing more comes, for whatever reason.
    closed: Option<Instant>,
}

/// The state of one output.
#[derive(Debug, Default)]
struct Output {
    sent: u64,
    /// The news that went out with the last report.
    reported: u64,
}

/// A node that has joined its graph.
pub struct Node<A> {
    dora: DoraNode,
    events: EventStream,
    alarm: Alarm,
    wake: Wake,
    name: String,
    inputs: BTreeMap<String, Input>,
    outputs: BTreeMap<String, Output>,
    /// What is known of the nodes before this one, and of this one all but the counts.
    reports: Reports,
    /// How often there was news in the reports.
    news: u64,
    /// Nothing of what the node sends follows from what it takes.
    at_head: bool,
    /// The arguments that every node has, which hold for its whole run.
    own_arguments: NodeArguments,
    /// What was changed and taken over.
    changed: Changes,
    /// When the node was done with the event before the present one.
    free_ns: i64,
    /// When the node took the present event.
    begun_ns: i64,
    sent: Option<Instant>,
    stopped: bool,
    arguments: PhantomData<A>,
}

impl<A> Drop for Node<A> {
    fn drop(&mut self) {
        if let Some(sent) = self.sent {
            std::thread::sleep(LINGER.saturating_sub(sent.elapsed()));
        }
    }
}

impl<A: Parser + Clone> Node<A> {
    /// Joins the graph and checks that it is wired as the node expects.
    pub(crate) fn join(
        inputs: Inputs<'_>,
        outputs: Outputs<'_>,
        own_arguments: NodeArguments,
    ) -> Result<Self> {
        if std::env::var_os("DORA_NODE_CONFIG").is_none() {
            bail!("a node runs in a graph: start it with `dora run dataflow.yml`, or see --help");
        }
        let (dora, events) = DoraNode::init_from_env_force().wrap_err("cannot join the graph")?;
        let config = dora.node_config();
        let wired: BTreeMap<String, Input> = config
            .inputs
            .iter()
            .map(|(id, input)| {
                (id.to_string(), Input { edge: input.mapping.to_string(), ..Input::default() })
            })
            .collect();
        let name = dora.id().to_string();
        check_inputs(&name, inputs, &wired)?;
        let outputs_wired: BTreeSet<String> = config.outputs.iter().map(ToString::to_string).collect();
        check_outputs(&name, outputs, &outputs_wired)?;
        if dora.restart_count() > 0 {
            tracing::warn!("restarted: what this node knew of the sessions in progress is lost");
        }
        let own = NodeReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            arguments: std::env::args().skip(1).collect(),
            ..NodeReport::default()
        };
        let now = now_ns();
        Ok(Self {
            dora,
            events,
            alarm: Alarm::new(CHECK_INTERVAL),
            wake: Wake::default(),
            reports: Reports(BTreeMap::from([(name.clone(), own)])),
            news: 1,
            at_head: false,
            name,
            inputs: wired,
            outputs: outputs_wired.into_iter().map(|output| (output, Output::default())).collect(),
            own_arguments,
            changed: Changes::new(),
            free_ns: now,
            begun_ns: now,
            sent: None,
            stopped: false,
            arguments: PhantomData,
        })
    }

    /// The inputs that are wired, by name.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        self.inputs.keys().map(String::as_str)
    }

    /// The inputs that have closed, each with how long ago and what is known of the reason. That is a failure only for a
    /// node that waits for more: one that was told of it by [`Event::Lost`], or that takes sessions which have yet to
    /// begin.
    pub fn closed(&self) -> impl Iterator<Item = (&str, Duration, String)> {
        self.inputs.iter().filter_map(|(name, input)| {
            let failure = input.failure.as_deref().unwrap_or("it has closed");
            Some((name.as_str(), input.closed?.elapsed(), format!("{}: {failure}", input.edge)))
        })
    }

    /// The inputs whose node has failed, as far as dora has told, each with what is known of it. It is not told by
    /// [`Event::Lost`] where all streams that had begun have ended.
    pub fn failed(&self) -> impl Iterator<Item = (&str, String)> {
        self.inputs.iter().filter_map(|(name, input)| {
            Some((name.as_str(), format!("{}: {}", input.edge, input.failure.as_ref()?)))
        })
    }

    /// The output that an input is wired to, as `node/output`.
    pub fn wire(&self, input: &str) -> Option<&str> {
        self.inputs.get(input).map(|input| input.edge.as_str())
    }

    /// The outputs that the graph names, in alphabetical order.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.outputs.keys().map(String::as_str)
    }

    /// Whether the graph names `output` among the node's outputs.
    pub fn has_output(&self, output: &str) -> bool {
        self.outputs.contains_key(output)
    }

    /// The node's name in the graph.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The graph as dora read it, in YAML.
    ///
    /// # Errors
    ///
    /// Dora does not tell.
    pub fn dataflow(&self) -> Result<String> {
        let descriptor = self.dora.dataflow_descriptor().wrap_err("the graph is not known")?;
        let write = || {
            let mut graph = serde_yaml_ng::to_value(descriptor)?;
            remove_nulls(&mut graph);
            serde_yaml_ng::to_string(&graph)
        };
        write().wrap_err("the graph cannot be written")
    }

    /// Tells the files of the models that were loaded, with their SHA-256.
    pub fn uses(&mut self, models: BTreeMap<String, String>) {
        self.own().models = models;
        self.news += 1;
    }

    /// The number that dora gave this run of the graph, for its command line.
    pub fn dataflow_id(&self) -> String {
        self.dora.dataflow_id().to_string()
    }

    /// Puts the node at the head of the graph: nothing of what it sends follows from what it takes.
    pub fn put_at_head(&mut self) {
        self.at_head = true;
    }

    /// Tells of something because of which another run might differ. Of a node that never ends, only the first
    /// [`MOST_INCIDENTS`] are told: reports travel with messages.
    pub fn incident(&mut self, incident: Incident) {
        let own = self.own();
        // An argument may well be changed to what it once was.
        let known = incident.kind != IncidentKind::Changed && own.incidents.contains(&incident);
        if known || own.incidents.len() > MOST_INCIDENTS {
            return;
        }
        let incident = if own.incidents.len() < MOST_INCIDENTS {
            incident
        } else {
            let text = format!("more than {MOST_INCIDENTS} incidents; the others are not told");
            tracing::warn!("{text}");
            Incident { session: None, sample: None, amount: None, text, ..incident }
        };
        own.incidents.push(incident);
        self.news += 1;
    }

    /// Gives all the arguments, as they are with a change, to `adopt`. If it takes them over, this is on record, since
    /// another run, without the change, might differ from here on. A change that does not make sense, or that `adopt`
    /// refuses, is logged, and the arguments stay as they were.
    pub fn take_over(&mut self, change: Change, adopt: impl FnOnce(A) -> Result<()>) {
        let latest = self.changed.iter().rfind(|(name, _)| *name == change.name).map(|(_, value)| value);
        if latest == change.value.as_ref() {
            return;
        }
        let repeatable = is_repeatable::<A>(&change.name);
        let changed = change.after(&self.changed, repeatable);
        let adopted =
            parse::<A>(std::env::args_os(), &changed).map_err(Into::into).and_then(|(arguments, own)| {
                if own != self.own_arguments {
                    bail!("it holds for the whole run");
                }
                adopt(arguments)
            });
        match adopted {
            Ok(()) => {
                let (kind, text) = (IncidentKind::Changed, change.text(repeatable));
                tracing::info!("{text}");
                self.changed = changed;
                self.incident(Incident { kind, session: None, sample: None, amount: None, text });
            }
            Err(error) => tracing::error!("`--{}` stays as it was: {error:#}", change.name),
        }
    }

    fn own(&mut self) -> &mut NodeReport {
        self.reports.0.entry(self.name.clone()).or_default()
    }

    /// Brings the counts in the node's own report up to date.
    fn count(&mut self) {
        let input = |(name, input): (&String, &Input)| {
            let Input { edge, sequence, sent, received, early, .. } = input;
            let ended = *received > 0 && early.first().is_none() && sequence.close().is_ok();
            (name.clone(), InputReport { wire: edge.clone(), sent: *sent, received: *received, ended })
        };
        let inputs = self.inputs.iter().filter(|_| !self.at_head).map(input).collect();
        let outputs = self.outputs.iter().map(|(name, output)| (name.clone(), output.sent)).collect();
        let own = self.own();
        (own.inputs, own.outputs) = (inputs, outputs);
    }

    /// What this node knows of the nodes before it and of itself, by name.
    pub fn reports(&mut self) -> &BTreeMap<String, NodeReport> {
        self.count();
        &self.reports.0
    }

    /// The account of the wires that lead here, as far as their receivers have told. They tell at the first and the last
    /// message of each stream, so a wire whose streams have not ended is among them without numbers that mean anything,
    /// see [`Wire::ended`]. Not among them are the wires before an operator, since it cannot tell, and those to a
    /// [`crate::Feed`]: what arrives there leads nowhere.
    pub fn account(&mut self) -> Vec<Wire> {
        self.count();
        self.reports.account()
    }

    /// Ends waits of this node early, from other threads.
    pub fn wake(&self) -> Wake {
        self.wake.clone()
    }

    /// Whether dora has asked the node to stop.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Checks, once all inputs have closed, that no session waits for one. A stream that was cut off is noticed when that
    /// happens; one of which nothing has arrived, not even its first message, only by the session's other inputs.
    ///
    /// # Errors
    ///
    /// A session waits: which, and for what.
    pub fn check_ends<J: Join>(&self, sessions: &JoinSessions<J>) -> Result<()> {
        let Some(session) = self.inputs().find_map(|input| sessions.unfinished(input).next()) else {
            return Ok(());
        };
        let waits_for = |input: &&str| sessions.unfinished(input).any(|unfinished| unfinished == session);
        let wires: Vec<_> = self.inputs().filter(waits_for).filter_map(|input| self.wire(input)).collect();
        bail!(
            "nothing of session `{session}` has arrived from {}, while it has from others",
            wires.join(" and ")
        )
    }

    /// Waits for the next event. `None` means that the node's work is done: all inputs have closed, or dora asked it
    /// to stop.
    ///
    /// # Errors
    ///
    /// Dora reports an error of its own, or messages were dropped on their way in.
    pub fn next_event(&mut self) -> Result<Option<Event>> {
        loop {
            match self.wait(Duration::MAX)? {
                Next::Event(event) => return Ok(Some(event)),
                Next::Ended => return Ok(None),
                Next::Nothing => {}
            }
        }
    }

    /// Waits for the next event, but no longer than `patience`.
    ///
    /// # Errors
    ///
    /// As [`Node::next_event`].
    pub fn wait(&mut self, patience: Duration) -> Result<Next> {
        self.free_ns = now_ns();
        let begun = Instant::now();
        while !self.stopped {
            self.check_drops()?;
            let next = |input: &mut Input| input.early.next(&input.sequence);
            if let Some(delivery) = self.inputs.values_mut().find_map(next) {
                self.begun_ns = now_ns();
                return Ok(Next::Event(Event::Message(delivery)));
            }
            let asked = Instant::now();
            let remaining = patience.saturating_sub(begun.elapsed());
            // In order of arrival. `EventStream::recv` would put control events first, so that an input could close
            // before its last messages were seen.
            let quiet = select(self.wake.called(), self.alarm.within(remaining.min(CHECK_INTERVAL)));
            let called = match block_on(select(self.events.next(), quiet)) {
                Either::Left((Some(event), _)) => {
                    self.begun_ns = now_ns();
                    if let Some(event) = self.handle(event)? {
                        return Ok(Next::Event(event));
                    }
                    continue;
                }
                Either::Left((None, _)) => break,
                Either::Right((quiet, _)) => matches!(quiet, Either::Left(_)),
            };
            // Of the time in which the process was stopped, only that much.
            let waited = asked.elapsed().min(CHECK_INTERVAL);
            self.inputs.values_mut().for_each(|input| input.early.wait(waited));
            if called {
                return Ok(Next::Nothing);
            }
            if let Some(delivery) = self.inputs.values_mut().find_map(|input| input.early.overdue()) {
                self.begun_ns = now_ns();
                return Ok(Next::Event(Event::Message(delivery)));
            }
            if begun.elapsed() >= patience {
                return Ok(Next::Nothing);
            }
        }
        self.check_drops()?;
        Ok(Next::Ended)
    }

    /// Takes note that the node now takes up something that it put off when it came.
    pub(crate) fn take_up(&mut self) {
        (self.free_ns, self.begun_ns) = (now_ns(), now_ns());
    }

    /// Turns one of dora's events into one of ours, if it is any of the node's business.
    fn handle(&mut self, event: dora_node_api::Event) -> Result<Option<Event>> {
        use dora_node_api::Event as Dora;
        match event {
            Dora::Input { id, metadata, data } => {
                if let Some(reports) = Reports::read(&metadata.parameters) {
                    if let Some(input) = self.inputs.get_mut(id.as_str()) {
                        // The numbers rise, and a later message may have overtaken this one.
                        input.sent = input.sent.max(reports.sent(&input.edge));
                    }
                    self.news += u64::from(self.reports.merge(reports));
                }
                let delivery = Delivery {
                    input: id.to_string(),
                    array: data.into_inner(),
                    trace: Trace::read(&metadata.parameters),
                };
                Ok(self.in_order(delivery).map(Event::Message))
            }
            Dora::InputClosed { id } => Ok(self.close(&id)),
            Dora::NodeFailed { affected_input_ids, error, source_node_id } => {
                for id in &affected_input_ids {
                    if let Some(input) = self.inputs.get_mut(id.as_str()) {
                        input.failure = Some(format!("node `{source_node_id}` failed: {}", error.trim()));
                    }
                }
                Ok(None)
            }
            Dora::NodeRestarted { id } => {
                tracing::warn!("node `{id}` restarted: what it knew of the sessions in progress is lost");
                Ok(None)
            }
            Dora::ParamUpdate { key, value } => {
                Ok(Some(Event::Arguments(Change { name: key, value: Some(value) })))
            }
            Dora::ParamDeleted { key } => Ok(Some(Event::Arguments(Change { name: key, value: None }))),
            Dora::Stop(StopCause::Manual) => {
                self.stopped = true;
                Ok(None)
            }
            Dora::Error(error) => Err(eyre!("dora reports: {error}")),
            // The end of the event stream follows `Stop(AllInputsClosed)`. Everything else concerns operators.
            _ => Ok(None),
        }
    }

    /// The message, if it is the next of its stream, or nothing but an error can be made of it.
    fn in_order(&mut self, delivery: Delivery) -> Option<Delivery> {
        let Some(input) = self.inputs.get_mut(&delivery.input) else { return Some(delivery) };
        match Header::read(&delivery.array) {
            Ok(header) => input.early.come(&input.sequence, header.session, header.seq, delivery),
            Err(_) => Some(delivery),
        }
    }

    /// An input has closed: is it an end or a failure?
    fn close(&mut self, id: &DataId) -> Option<Event> {
        let input = self.inputs.get_mut(id.as_str())?;
        input.closed = Some(Instant::now());
        let reason = match (input.sequence.close(), input.early.first(), input.received) {
            (Err(cut_off), ..) => cut_off.to_string(),
            // Of a session that has not begun, the sequence knows nothing.
            (Ok(()), Some((session, seq)), _) => {
                format!("it closed, and the messages of session `{session}` before number {seq} are missing")
            }
            (Ok(()), None, 0) => "it closed before its first message".to_owned(),
            (Ok(()), None, _) => return None,
        };
        let reason = input.failure.as_ref().map_or(reason.clone(), |failure| format!("{failure}; {reason}"));
        Some(Event::Lost { input: id.to_string(), reason: format!("{}: {reason}", input.edge) })
    }

    /// Reads a message and checks that its stream is whole so far.
    ///
    /// # Errors
    ///
    /// The message is of another type than `B`, or messages before it are missing. Names the edge.
    pub fn read<B: Body>(&mut self, delivery: &Delivery) -> Result<Message<B>> {
        let edge = self.wire(&delivery.input).unwrap_or_default().to_owned();
        let context = || format!("input `{}`, wired to {edge}", delivery.input);
        let message = Message::<B>::decode(&delivery.array).wrap_err_with(context)?;
        let (_, order) = self.read_header(delivery)?;
        order.wrap_err_with(context)?;
        Ok(message)
    }

    /// Reads what a message of any type says of itself, and whether its stream is whole so far.
    ///
    /// # Errors
    ///
    /// The message is none of Undertone's. Names the edge.
    pub fn read_header(&mut self, delivery: &Delivery) -> Result<(Header, Result<(), SequenceError>)> {
        let name = &delivery.input;
        let input = self.inputs.get_mut(name).ok_or_else(|| eyre!("there is no input `{name}`"))?;
        let context = || format!("input `{name}`, wired to {}", input.edge);
        let header = Header::read(&delivery.array).wrap_err_with(context)?;
        input.received += 1;
        let order = input.sequence.accept(&header.session, header.seq, header.last);
        if !header.gap.is_empty() {
            let samples = header.gap.end - header.gap.start;
            let text = format!("{samples} samples of audio were lost before they got into the graph");
            self.incident(Incident {
                kind: IncidentKind::Gap,
                session: Some(header.session.to_string()),
                sample: Some(header.gap.start),
                amount: Some(samples),
                text,
            });
        }
        Ok((header, order))
    }

    /// Sends a message that was caused by the audio and the messages of `cause`. Without the output in the graph,
    /// nobody listens and nothing happens.
    ///
    /// # Errors
    ///
    /// The message cannot be encoded or sent.
    pub fn send<B: Body>(&mut self, output: &str, message: Message<B>, cause: &Trace) -> Result<()> {
        if !self.outputs.contains_key(output) {
            return Ok(());
        }
        let (seq, last) = (message.seq, message.body.is_none());
        self.send_array(output, message.encode()?, seq, last, cause)
    }

    /// As [`Node::send`], for a message that is encoded already: number `seq` of its stream, and the `last` or not.
    ///
    /// # Errors
    ///
    /// The message cannot be sent.
    pub fn send_array(
        &mut self,
        output: &str,
        message: StructArray,
        seq: u64,
        last: bool,
        cause: &Trace,
    ) -> Result<()> {
        let Some(state) = self.outputs.get_mut(output) else { return Ok(()) };
        state.sent += 1;
        let report = seq == 0 || last || state.reported != self.news;
        state.reported = self.news;
        let mut metadata = self.arrived(cause).write();
        if report {
            self.count();
            self.reports.write(&mut metadata);
        }
        self.sent = Some(Instant::now());
        self.dora
            .send_output(DataId::from(output.to_owned()), metadata, DoraArray::from_array(message))
            .wrap_err_with(|| format!("cannot send on output `{output}`"))
    }

    /// A message's way, up to and with this node, as if it were sent on now.
    pub fn arrived(&self, trace: &Trace) -> Trace {
        let mut trace = trace.clone();
        trace.hops.push(Hop {
            node: self.name.clone(),
            free_ns: self.free_ns,
            begun_ns: self.begun_ns,
            sent_ns: now_ns(),
        });
        trace
    }

    /// Messages that dora dropped on their way in are lost even where no later message shows the hole, and the graph
    /// would wait for them forever.
    fn check_drops(&mut self) -> Result<()> {
        let mut drops: Vec<_> = self.events.drain_drop_counts().into_iter().filter(|(_, n)| *n > 0).collect();
        drops.sort();
        match drops.first() {
            None => Ok(()),
            Some((input, lost)) => {
                let edge = self.inputs.get(input.as_str()).map_or("another node", |input| &input.edge);
                bail!(
                    "input `{input}`, wired to {edge}: {lost} messages are missing, because the queue was full; \
                     raise its `queue_size`, or let the source wait for the watermark"
                )
            }
        }
    }
}

/// Dora lists all that a graph may say, also where it says nothing.
fn remove_nulls(value: &mut Value) {
    match value {
        Value::Mapping(mapping) => {
            mapping.retain(|_, value| !value.is_null());
            mapping.values_mut().for_each(remove_nulls);
        }
        Value::Sequence(sequence) => sequence.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}

/// Checks that the outputs in the graph are those that the node gives.
fn check_outputs(node: &str, outputs: Outputs<'_>, wired: &BTreeSet<String>) -> Result<()> {
    let Outputs::Optionally(known) = outputs else { return Ok(()) };
    match wired.iter().find(|output| !known.contains(&output.as_str())) {
        Some(unknown) => bail!("node `{node}` has no output `{unknown}`; it gives: {}", known.join(", ")),
        None => Ok(()),
    }
}

/// Whether an input is the one of that name, under it or with a suffix.
fn is_one_of(input: &str, name: &str) -> bool {
    input.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Checks that the inputs in the graph are those that the node takes.
fn check_inputs(node: &str, inputs: Inputs<'_>, wired: &BTreeMap<String, Input>) -> Result<()> {
    let (required, known) = match &inputs {
        Inputs::Exactly(names) => (*names, names.to_vec()),
        Inputs::Optionally(names) => (&[][..], names.to_vec()),
        Inputs::AtLeast(names) => (*names, Vec::new()),
        Inputs::Several(name, others) => (&[][..], [&[*name], *others].concat()),
    };
    let takes = |input: &str| match inputs {
        Inputs::Exactly(names) | Inputs::Optionally(names) => names.contains(&input),
        Inputs::AtLeast(_) => true,
        Inputs::Several(name, others) => others.contains(&input) || is_one_of(input, name),
    };
    if let Some(unknown) = wired.keys().find(|input| !takes(input)) {
        bail!("node `{node}` has no input `{unknown}`; it takes: {}", known.join(", "));
    }
    let missing = match inputs {
        Inputs::Several(name, _) if !wired.keys().any(|input| is_one_of(input, name)) => Some(name),
        _ => required.iter().copied().find(|name| !wired.contains_key(*name)),
    };
    let Some(missing) = missing else { return Ok(()) };
    let present = wired.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let present = if present.is_empty() { "none" } else { &present };
    bail!("input `{missing}` of node `{node}` is not wired (its inputs in the graph: {present})")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_replaces_the_one_before_unless_both_count() {
        let change = |name: &str, value: Option<&str>| Change {
            name: name.to_owned(),
            value: value.map(|value| json!(value)),
        };
        let mut changes = Changes::new();
        for (name, value, repeatable) in [
            ("threshold", Some("0.5"), false),
            ("patience", Some("text=500"), true),
            ("patience", Some("acoustic=500"), true),
            ("threshold", Some("0.7"), false),
            ("patience", Some("text=500"), true),
        ] {
            changes = change(name, value).after(&changes, repeatable);
        }
        let kept = ["acoustic=500", "text=500"].map(|value| ("patience".to_owned(), json!(value)));
        let threshold = ("threshold".to_owned(), json!("0.7"));
        assert_eq!(changes, [kept[0].clone(), threshold.clone(), kept[1].clone()]);
        assert_eq!(change("patience", None).after(&changes, true), [threshold]);
        let text = change("patience", Some("text=500")).text(true);
        assert_eq!(text, "`--patience \"text=500\"` was added while the graph ran");
    }

    fn check(inputs: Inputs<'_>, wired: &[&str]) -> Result<(), String> {
        let wired = wired.iter().map(|name| ((*name).to_owned(), Input::default())).collect();
        check_inputs("n", inputs, &wired).map_err(|error| error.to_string())
    }

    #[test]
    fn inputs_that_the_node_does_not_have_are_named() {
        let error = check(Inputs::Exactly(&["audio"]), &["audio", "speech"]).unwrap_err();
        assert!(error.contains("no input `speech`") && error.contains("takes: audio"), "{error}");
        assert!(check(Inputs::Optionally(&["sentiment", "provisional"]), &["sentiment"]).is_ok());
        assert!(check(Inputs::AtLeast(&["speech"]), &["speech", "face"]).is_ok());
        assert!(check(Inputs::Several("audio", &[]), &["audio", "audio-2"]).is_ok());
        assert!(check(Inputs::Several("audio", &[]), &["audio", "audios"]).is_err());
        let error = check(Inputs::Several("audio", &["preview"]), &["audio", "previw"]).unwrap_err();
        assert!(error.contains("takes: audio, preview"), "{error}");
    }

    #[test]
    fn inputs_that_are_missing_are_named() {
        let error = check(Inputs::AtLeast(&["speech"]), &["face"]).unwrap_err();
        assert!(error.contains("`speech`") && error.contains("face"), "{error}");
        assert!(check(Inputs::Several("audio", &[]), &[]).unwrap_err().contains("none"));
        assert!(check(Inputs::Several("audio", &["preview"]), &["audio", "preview"]).is_ok());
        assert!(check(Inputs::Several("audio", &["preview"]), &["preview"]).is_err());
        assert!(check(Inputs::Optionally(&["sentiment"]), &[]).is_ok());
    }
}
