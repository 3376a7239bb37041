//! The `source` node: recordings in, audio frames out, never further ahead of the results than `--lead-seconds`.

mod progress;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use eyre::{Result, bail};
use undertone_messages::{AudioFrame, Message, SessionId, Watermark};
use undertone_node::{Capture, Delivery, Event, Inputs, Next, Node, Start, Trace, now_ns};
use undertone_source::{Arguments, Frames, Lead, Pace, Pacer, sessions};

use crate::progress::ProgressReport;

/// How long to wait for the watermark before the log says so.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    undertone_node::run(send_recordings)
}

fn send_recordings(start: Start<Arguments>) -> Result<()> {
    let arguments = start.arguments.clone();
    let sessions = sessions(&arguments)?;
    let mut length = Some(Duration::ZERO);
    for session in &sessions {
        length = length.zip(session.check(&arguments)?).map(|(sum, more)| sum.saturating_add(more));
    }
    let mut progress = ProgressReport::new(arguments.progress, length);
    let mut pacer = Pacer::new(arguments.pace);
    let mut source = Source::join(start)?;
    for session in &sessions {
        let mut seq = 0;
        let mut frames = session.frames(&arguments);
        while let Some(frame) = frames.next() {
            log_tolerated(&mut frames);
            let frame = frame?;
            let due = pacer.due(&frame);
            if !source.wait_until(due)? {
                return Ok(());
            }
            progress.sent(&frame);
            source.send(Message { session: session.name.clone(), seq, body: Some(frame) }, due)?;
            seq += 1;
        }
        log_tolerated(&mut frames);
        if !source.wait_until(Duration::ZERO)? {
            return Ok(());
        }
        source.send(Message { session: session.name.clone(), seq, body: None }, Duration::ZERO)?;
    }
    progress.done();
    source.settle()
}

/// What `--tolerate-corruption` went over.
fn log_tolerated(frames: &mut Frames) {
    frames.take_tolerated().iter().for_each(|error| tracing::warn!("{error}"));
}

/// The node and what it knows of the audio on its way.
struct Source {
    node: Node<Arguments>,
    /// Without a watermark in the graph there is nothing to keep to.
    lead: Option<Lead>,
    realtime: bool,
    begun: Instant,
    begun_ns: i64,
    /// Sample index behind the last frame, for the stamp.
    captured: u64,
}

impl Source {
    fn join(start: Start<Arguments>) -> Result<Self> {
        let arguments = start.arguments.clone();
        let node = start.join(Inputs::Optionally(&["watermark"]), &["audio"])?;
        let realtime = arguments.pace == Pace::Realtime;
        let flow_control = node.inputs().any(|input| input == "watermark");
        if !realtime && !flow_control {
            bail!(
                "`--pace fast` would overflow the queues of the graph: wire the input `watermark` to \
                 fusion/watermark, or say `--pace realtime`"
            );
        }
        let lead = Lead::new(arguments.lead_seconds, arguments.frame_samples as usize);
        let lead = flow_control.then_some(lead);
        Ok(Self { node, lead, realtime, begun: Instant::now(), begun_ns: now_ns(), captured: 0 })
    }

    /// Waits until a message is due and may be sent. False if dora asked the node to stop.
    fn wait_until(&mut self, due: Duration) -> Result<bool> {
        loop {
            let early = due.saturating_sub(self.begun.elapsed());
            let allowed = self.lead.as_ref().is_none_or(|lead| lead.free() > 0);
            if allowed && early.is_zero() {
                return Ok(true);
            }
            if !self.take_event(if allowed { early } else { PATIENCE })? {
                return Ok(false);
            }
        }
    }

    /// Waits until everything that was sent is done.
    fn settle(&mut self) -> Result<()> {
        while self.lead.as_ref().is_some_and(|lead| !lead.is_settled()) && self.take_event(PATIENCE)? {}
        Ok(())
    }

    /// Handles one event, if one comes within `patience`. False if dora asked the node to stop.
    fn take_event(&mut self, patience: Duration) -> Result<bool> {
        match self.node.wait(patience)? {
            Next::Event(Event::Message(delivery)) => self.take_watermark(&delivery)?,
            Next::Event(Event::Lost { reason, .. }) => bail!("{reason}"),
            Next::Event(Event::Arguments(_)) => {
                tracing::error!("a source's arguments hold for its whole run")
            }
            Next::Nothing if patience == PATIENCE => tracing::warn!(
                "no progress for {} s: the watermark is more than `--lead-seconds` behind{}",
                PATIENCE.as_secs(),
                self.lead
                    .as_ref()
                    .and_then(Lead::unsettled)
                    .map(|id| format!(" in session `{id}`"))
                    .unwrap_or_default()
            ),
            Next::Nothing => {}
            Next::Ended => return Ok(false),
        }
        Ok(true)
    }

    fn take_watermark(&mut self, delivery: &Delivery) -> Result<()> {
        let message = self.node.read::<Watermark>(delivery)?;
        let session: &SessionId = &message.session;
        if let Some(lead) = &mut self.lead {
            lead.reached(session, message.body);
        }
        Ok(())
    }

    /// Sends a frame, or the end of its session. `due` stands for the time at which a microphone would have captured
    /// the frame's last sample, so that a late frame counts as late.
    fn send(&mut self, message: Message<AudioFrame>, due: Duration) -> Result<()> {
        if let Some(lead) = &mut self.lead {
            match &message.body {
                Some(frame) => lead.frame_sent(&message.session, frame.end()),
                None => lead.end_sent(&message.session),
            }
        }
        let at_ns = match &message.body {
            Some(frame) => {
                self.captured = frame.end();
                if self.realtime { self.begun_ns + due.as_nanos() as i64 } else { now_ns() }
            }
            None => now_ns(),
        };
        let capture = Capture { sample: self.captured, at_ns, realtime: self.realtime };
        self.node.send("audio", message, &Trace { capture: Some(capture), hops: Vec::new() })
    }
}
