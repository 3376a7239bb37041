//! The loop of a node around a stage that makes previews.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clap::Parser;
use eyre::{Context, Result, eyre};
use undertone_messages::{Message, SessionId};
use undertone_stage::{Cancel, Factory, Preview, Stage};

use crate::node::{Change, Delivery, Event, Inputs, Next, Node};
use crate::run::{Service, Start, run};
use crate::trace::Trace;

/// The output that previews go to, and the input that takes those of the node before.
const PREVIEW: &str = "preview";

/// As that of the process's first thread: models use it.
const STACK: usize = 8 << 20;

type Input<F> = <<F as Factory>::Stage as Stage>::Input;
type Output<F> = <<F as Factory>::Stage as Stage>::Output;

/// Runs a node as [`crate::run_stage`] does, around a stage that makes previews.
///
/// Previews go to the output `preview`. They are made of the messages on the input `preview`, which a node before sends,
/// or of those on `input` where that is not wired. Without either wire there are none, and the node is as others.
///
/// A preview is made when no message waits, of the latest message of a session alone, on a thread of its own, while
/// the node goes on listening. One that has become useless is given up.
pub fn run_preview_stage<F>(input: &str, output: &str) -> ExitCode
where
    F: Factory<Arguments: Parser + Clone, Stage: Preview>,
{
    run(|start| serve_previews::<F>(start, input, output))
}

/// What [`run_preview_stage`] does once it knows its arguments, for a node that chooses its stage by them.
///
/// # Errors
///
/// As [`crate::serve`].
pub fn serve_previews<F>(start: Start<F::Arguments>, input: &str, output: &str) -> Result<()>
where
    F: Factory<Arguments: Parser + Clone, Stage: Preview>,
{
    let inputs = Inputs::Several(input, &[PREVIEW]);
    let mut service = Service::<F>::new(start, inputs, &[output, PREVIEW])?;
    let from_before = service.node.wire(PREVIEW).is_some();
    let mut previews = Previews::<F>::new(from_before, service.node.has_output(PREVIEW));
    let mut backlog = VecDeque::new();
    loop {
        if let Some(waiting) = backlog.pop_front() {
            service.node.take_up();
            previews.handle(&mut service, waiting)?;
            continue;
        }
        let patience = if previews.pending.is_empty() { Duration::MAX } else { Duration::ZERO };
        match service.node.wait(patience)? {
            Next::Event(event) => {
                let waiting = Waiting::read(&mut service.node, event)?;
                previews.handle(&mut service, waiting)?;
            }
            Next::Nothing => previews.make(&mut service, &mut backlog)?,
            Next::Ended => return Ok(()),
        }
    }
}

/// Something that has happened and waits for its turn.
enum Waiting<F: Factory> {
    Message(Arrived<F>),
    Preview(Arrived<F>),
    Lost(String),
    Arguments(Change),
}

/// A message and its way here.
struct Arrived<F: Factory> {
    message: Message<Input<F>>,
    trace: Trace,
}

impl<F> Waiting<F>
where
    F: Factory<Arguments: Parser + Clone>,
{
    fn read(node: &mut Node<F::Arguments>, event: Event) -> Result<Self> {
        let arrived = |node: &mut Node<_>, delivery: Delivery| -> Result<_> {
            Ok(Arrived { message: node.read(&delivery)?, trace: delivery.trace })
        };
        Ok(match event {
            Event::Message(delivery) if delivery.input == PREVIEW => Self::Preview(arrived(node, delivery)?),
            Event::Message(delivery) => Self::Message(arrived(node, delivery)?),
            Event::Lost { reason, .. } => Self::Lost(reason),
            Event::Arguments(change) => Self::Arguments(change),
        })
    }

    fn arrived(&self) -> Option<&Arrived<F>> {
        match self {
            Self::Message(arrived) | Self::Preview(arrived) => Some(arrived),
            Self::Lost(_) | Self::Arguments(_) => None,
        }
    }
}

/// What is known of previews.
struct Previews<F: Factory> {
    /// They are made of what the node before previews, and not of the node's own input.
    from_before: bool,
    /// Somebody takes them, or they make the node's own work quicker.
    wanted: bool,
    /// The latest message of each session that is worth one, and its way here; first the session that waits longest.
    pending: VecDeque<(SessionId, Input<F>, Trace)>,
    /// The number of the next preview of each session.
    next: BTreeMap<SessionId, u64>,
    /// Sessions of which one of two inputs has ended: this node's own, or that with previews.
    half_ended: BTreeSet<SessionId>,
}

impl<F> Previews<F>
where
    F: Factory<Arguments: Parser + Clone, Stage: Preview>,
{
    fn new(from_before: bool, has_output: bool) -> Self {
        Self {
            from_before,
            wanted: from_before || has_output,
            pending: VecDeque::new(),
            next: BTreeMap::new(),
            half_ended: BTreeSet::new(),
        }
    }

    fn handle(&mut self, service: &mut Service<F>, waiting: Waiting<F>) -> Result<()> {
        match waiting {
            Waiting::Message(arrived) => self.message(service, arrived),
            Waiting::Preview(arrived) => self.preview(service, arrived),
            Waiting::Lost(reason) => service.lose(&reason),
            Waiting::Arguments(change) => {
                service.change(change);
                Ok(())
            }
        }
    }

    /// A message of the node's own input.
    fn message(&mut self, service: &mut Service<F>, arrived: Arrived<F>) -> Result<()> {
        let Arrived { message, trace } = arrived;
        if !self.wanted {
            return service.push(message, &trace);
        }
        let (session, later) = (message.session.clone(), message.body.clone());
        service.push(message, &trace)?;
        let Some(later) = later else { return self.end(service, &session, &trace) };
        self.drop_outdated(&session, &later);
        if self.from_before { Ok(()) } else { self.note(service, session, later, trace) }
    }

    /// A preview of the node before.
    fn preview(&mut self, service: &mut Service<F>, arrived: Arrived<F>) -> Result<()> {
        let Arrived { message: Message { session, body, .. }, trace } = arrived;
        match body {
            None => self.end(service, &session, &trace),
            // What was sent before the session's end may come after it.
            Some(_) if self.half_ended.contains(&session) => Ok(()),
            Some(body) => {
                self.drop_outdated(&session, &body);
                self.note(service, session, body, trace)
            }
        }
    }

    /// Drops what waits for a preview, if it has become useless with a `later` message.
    fn drop_outdated(&mut self, session: &SessionId, later: &Input<F>) {
        self.pending.retain(|(of, body, _)| of != session || !F::Stage::is_outdated(body, later));
    }

    /// Takes note of a message that may be worth a preview.
    fn note(
        &mut self,
        service: &mut Service<F>,
        session: SessionId,
        body: Input<F>,
        trace: Trace,
    ) -> Result<()> {
        if service.stage(&session)?.is_due(&body) {
            match self.pending.iter_mut().find(|(of, ..)| *of == session) {
                Some(pending) => *pending = (session, body, trace),
                None => self.pending.push_back((session, body, trace)),
            }
        }
        Ok(())
    }

    /// One of a session's inputs has ended.
    fn end(&mut self, service: &mut Service<F>, session: &SessionId, trace: &Trace) -> Result<()> {
        self.pending.retain(|(of, ..)| of != session);
        if self.from_before && !self.half_ended.remove(session) {
            self.half_ended.insert(session.clone());
            return Ok(());
        }
        let seq = self.next.remove(session).unwrap_or_default();
        service.node.send::<Output<F>>(PREVIEW, Message { session: session.clone(), seq, body: None }, trace)
    }

    /// Makes the preview that waits, while the node goes on listening. What it hears goes to the backlog.
    fn make(&mut self, service: &mut Service<F>, backlog: &mut VecDeque<Waiting<F>>) -> Result<()> {
        let Some((session, body, trace)) = self.pending.pop_front() else { return Ok(()) };
        let cancel = Cancel::default();
        let (node, stage) = service.node_and_stage(&session)?;
        // What made it worth one may have been done while it waited.
        if !stage.is_due(&body) {
            return Ok(());
        }
        let listen = |node: &mut Node<F::Arguments>, event| {
            let waiting = Waiting::<F>::read(node, event)?;
            if let Some(Arrived { message: Message { session: of, body: Some(later), .. }, .. }) =
                waiting.arrived()
            {
                let useless = if *of == session {
                    F::Stage::is_outdated(&body, later)
                } else {
                    matches!(waiting, Waiting::Message(_)) && F::Stage::makes_way(&body, later)
                };
                if useless {
                    cancel.cancel();
                }
            }
            backlog.push_back(waiting);
            Ok(())
        };
        let made = while_listening(node, || stage.preview(&body, &cancel), listen)?
            .wrap_err_with(|| format!("session `{session}`"))?;
        if let Some(body) = made.filter(|_| !cancel.is_cancelled()) {
            let next = self.next.entry(session.clone()).or_default();
            let message = Message { session, seq: *next, body: Some(body) };
            *next += 1;
            service.node.take_up();
            service.node.send(PREVIEW, message, &trace)?;
        }
        Ok(())
    }
}

/// Does `work` on another thread, and gives the events that happen meanwhile to `listen`.
fn while_listening<A, T>(
    node: &mut Node<A>,
    work: impl FnOnce() -> T + Send,
    mut listen: impl FnMut(&mut Node<A>, Event) -> Result<()>,
) -> Result<T>
where
    A: Parser + Clone,
    T: Send,
{
    let (done, wake) = (AtomicBool::new(false), node.wake());
    thread::scope(|scope| {
        let work = || {
            let made = work();
            done.store(true, Ordering::Release);
            wake.wake();
            made
        };
        let worker = thread::Builder::new().name("preview".to_owned()).stack_size(STACK);
        let worker = worker.spawn_scoped(scope, work).wrap_err("cannot start a thread")?;
        while !done.load(Ordering::Acquire) && !worker.is_finished() {
            match node.wait(Duration::MAX)? {
                Next::Event(event) => listen(node, event)?,
                Next::Nothing => {}
                // What is in progress is finished; the caller hears of the end as well.
                Next::Ended => break,
            }
        }
        worker.join().map_err(|_| eyre!("a preview panicked"))
    })
}
