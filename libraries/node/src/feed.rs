//! A node at the head of a graph, which sends what it has in its own time and no faster than the graph takes it.

use std::time::{Duration, Instant};

use arrow::array::StructArray;
use clap::Parser;
use eyre::{Result, bail};
use undertone_messages::{Body, Header, Message, Watermark};

use crate::lead::Lead;
use crate::node::{Delivery, Event, Next, Node};
use crate::report::Incident;
use crate::trace::{Capture, Trace, now_ns};
use crate::wake::Wake;

/// How long to wait for the watermark before the log says so.
const PATIENCE: Duration = Duration::from_secs(30);

/// How fast recordings are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Pace {
    /// As from a microphone: each message when its last sample would have been spoken.
    Realtime,
    /// As fast as the graph takes it.
    Fast,
}

/// A node that sends, and what it knows of the messages on their way.
pub struct Feed<A> {
    node: Node<A>,
    /// Without a watermark in the graph there is nothing to keep to.
    lead: Option<Lead>,
    /// Whether there are inputs besides the watermark, which would fill up if nobody read them.
    others: bool,
    realtime: bool,
    begun: Instant,
    begun_ns: i64,
}

/// What came of waiting for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// One came.
    Something,
    /// None came in time.
    Nothing,
    /// Dora asked the node to stop, or all inputs have closed.
    End,
}

impl<A: Parser + Clone> Feed<A> {
    /// The input that tells how far the results are.
    pub const WATERMARK: &str = "watermark";

    /// Begins now. Messages are kept within `lead` if the graph wires the input `watermark`.
    ///
    /// # Errors
    ///
    /// Nothing would hold messages back that are sent as fast as the graph takes them.
    pub fn new(node: Node<A>, pace: Pace, lead: Lead) -> Result<Self> {
        let feed = Self::begin(node, pace == Pace::Realtime, lead);
        if !feed.realtime && feed.lead.is_none() {
            bail!(
                "`--pace fast` would overflow the queues of the graph: wire the input `watermark` to \
                 fusion/watermark, or say `--pace realtime`"
            );
        }
        Ok(feed)
    }

    /// Begins now, with audio that comes in its own time and cannot be held back: see [`Feed::listen`]. The caller sends
    /// no more than [`Feed::free`] messages.
    pub fn live(node: Node<A>, lead: Lead) -> Self {
        Self::begin(node, true, lead)
    }

    fn begin(mut node: Node<A>, realtime: bool, lead: Lead) -> Self {
        node.put_at_head();
        let flow_control = node.inputs().any(|input| input == Self::WATERMARK);
        let others = node.inputs().any(|input| input != Self::WATERMARK);
        let lead = flow_control.then_some(lead);
        Self { node, lead, others, realtime, begun: Instant::now(), begun_ns: now_ns() }
    }

    /// Ends [`Feed::listen`] early, from other threads.
    pub fn wake(&self) -> Wake {
        self.node.wake()
    }

    /// How many messages may be sent now. Without a watermark in the graph nothing is known of what becomes of them, and
    /// the number is the highest there is.
    pub fn free(&self) -> u64 {
        self.lead.as_ref().map_or(u64::MAX, Lead::free)
    }

    /// Takes what has come from the graph; waits for something to come, or a call, but no longer than `patience`. False
    /// if dora asked the node to stop.
    ///
    /// # Errors
    ///
    /// As [`Feed::wait_until`].
    pub fn listen(&mut self, patience: Duration) -> Result<bool> {
        let mut taken = self.take_event(patience)?;
        while taken == Taken::Something {
            taken = self.take_event(Duration::ZERO)?;
        }
        Ok(taken != Taken::End)
    }

    /// Tells of something because of which another run might differ.
    pub fn incident(&mut self, incident: Incident) {
        self.node.incident(incident);
    }

    /// Waits until a message is due, in time since the beginning, and may be sent. False if dora asked the node to
    /// stop.
    ///
    /// # Errors
    ///
    /// The watermark's node failed, or as [`Node::wait`].
    pub fn wait_until(&mut self, due: Duration) -> Result<bool> {
        loop {
            let early = due.saturating_sub(self.begun.elapsed());
            let allowed = self.lead.as_ref().is_none_or(|lead| lead.free() > 0);
            let patience = if allowed { early } else { PATIENCE };
            if patience.is_zero() && !self.others {
                return Ok(true);
            }
            match self.take_event(patience)? {
                Taken::Something => {}
                Taken::Nothing if patience.is_zero() => return Ok(true),
                Taken::Nothing => {}
                Taken::End => return Ok(false),
            }
        }
    }

    /// Waits until everything that was sent is done.
    ///
    /// # Errors
    ///
    /// As [`Feed::wait_until`].
    pub fn settle(&mut self) -> Result<()> {
        while self.lead.as_ref().is_some_and(|lead| !lead.is_settled()) {
            if self.take_event(PATIENCE)? == Taken::End {
                break;
            }
        }
        Ok(())
    }

    /// Handles one event, if one comes within `patience`.
    fn take_event(&mut self, patience: Duration) -> Result<Taken> {
        let begun = Instant::now();
        match self.node.wait(patience)? {
            Next::Event(Event::Message(delivery)) => self.take(&delivery)?,
            Next::Event(Event::Lost { reason, .. }) => bail!("{reason}"),
            Next::Event(Event::Arguments(_)) => {
                tracing::error!("the arguments of this node hold for its whole run")
            }
            Next::Nothing => {
                // A call ends the wait early.
                if patience == PATIENCE && begun.elapsed() >= PATIENCE {
                    self.warn();
                }
                return Ok(Taken::Nothing);
            }
            Next::Ended => return Ok(Taken::End),
        }
        Ok(Taken::Something)
    }

    fn warn(&self) {
        tracing::warn!(
            "no progress for {} s: the watermark is further behind than may be on its way{}",
            PATIENCE.as_secs(),
            self.lead
                .as_ref()
                .and_then(Lead::unsettled)
                .map(|id| format!(" in session `{id}`"))
                .unwrap_or_default()
        );
    }

    fn take(&mut self, delivery: &Delivery) -> Result<()> {
        if delivery.input != Self::WATERMARK {
            // What a replay does not need of the inputs of the node in whose place it stands.
            self.node.read_header(delivery)?.1?;
            return Ok(());
        }
        let message = self.node.read::<Watermark>(delivery)?;
        if let Some(lead) = &mut self.lead {
            lead.reached(&message.session, message.body);
        }
        Ok(())
    }

    /// Sends a message. `captured` is the sample index up to which audio was needed for it, and `due` the time since the
    /// beginning at which a microphone would have captured that, so that a late message counts as late.
    ///
    /// # Errors
    ///
    /// As [`Node::send`].
    pub fn send<B: Body>(
        &mut self,
        output: &str,
        message: Message<B>,
        captured: u64,
        due: Duration,
    ) -> Result<()> {
        let array = message.encode()?;
        self.send_array(output, array, captured, due, true)
    }

    /// As [`Feed::send`], for a message that is encoded already. `captured_then` tells whether a microphone would have
    /// captured `captured` at `due`: not where only the message's own time is known, since more audio was needed to know
    /// that speech had ended, and not where time passes faster or slower.
    ///
    /// # Errors
    ///
    /// As [`Node::send`].
    pub fn send_array(
        &mut self,
        output: &str,
        message: StructArray,
        captured: u64,
        due: Duration,
        captured_then: bool,
    ) -> Result<()> {
        let header = Header::read(&message)?;
        let on_time = self.realtime && !header.last;
        let at_ns = if on_time { self.begun_ns + due.as_nanos() as i64 } else { now_ns() };
        let capture = Capture { sample: captured, at_ns, realtime: self.realtime && captured_then };
        self.send_read(output, message, &header, capture)
    }

    /// Sends a message of live audio.
    ///
    /// # Errors
    ///
    /// As [`Node::send`].
    pub fn send_live<B: Body>(&mut self, output: &str, message: Message<B>, capture: Capture) -> Result<()> {
        let array = message.encode()?;
        let header = Header::read(&array)?;
        self.send_read(output, array, &header, capture)
    }

    fn send_read(
        &mut self,
        output: &str,
        message: StructArray,
        header: &Header,
        capture: Capture,
    ) -> Result<()> {
        if let Some(lead) = &mut self.lead {
            lead.sent(&header.session, (!header.last).then(|| header.time.unwrap_or(capture.sample)));
        }
        let trace = Trace { capture: Some(capture), hops: Vec::new() };
        self.node.send_array(output, message, header.seq, header.last, &trace)
    }
}
