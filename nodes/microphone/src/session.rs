//! One session on its way into the graph.

use std::time::Duration;

use eyre::Result;
use undertone_audio::Intake;
use undertone_messages::{AudioFrame, Message, SessionId, seconds};
use undertone_microphone::{Arguments, Block, Delay, Loss, News, Timeline};
use undertone_node::{Capture, Feed, Incident, IncidentKind, Wake, now_ns};

use crate::OUTPUT;
use crate::late::Late;
use crate::losses::{Losses, text};

/// A session that is being recorded.
pub struct Session {
    feed: Feed<Arguments>,
    timeline: Timeline,
    delay: Delay,
    losses: Losses,
    late: Late,
    name: Option<SessionId>,
    seq: u64,
    /// Sample index behind what was sent.
    sent: u64,
}

impl Session {
    /// Begins now.
    pub fn new(feed: Feed<Arguments>, arguments: &Arguments) -> Self {
        let intake = Intake::new(arguments.frame_samples(), arguments.room());
        Self {
            feed,
            timeline: Timeline::new(intake, arguments.limit()),
            delay: Delay::default(),
            losses: Losses::default(),
            late: Late::default(),
            name: arguments.session.as_deref().map(SessionId::from),
            seq: 0,
            sent: 0,
        }
    }

    /// Ends [`Session::listen`] early, from other threads.
    pub fn wake(&self) -> Wake {
        self.feed.wake()
    }

    /// Waits, but no longer than `patience`. False if dora asked the node to stop.
    pub fn listen(&mut self, patience: Duration) -> Result<bool> {
        self.feed.listen(patience)
    }

    /// Takes note of what happened to the device.
    pub fn tell(&mut self, news: &News) -> Result<()> {
        match news {
            News::Opened { rate, description } => {
                tracing::info!("listening to {description}");
                self.delay = Delay::default();
                self.timeline.opened(*rate)?;
            }
            News::Closed { text } | News::Refused { text } => tracing::warn!("{text}"),
        }
        Ok(())
    }

    /// Takes what the device captured, and which arrived at `arrived`.
    pub fn take(&mut self, block: &Block, samples: &[f64], arrived: Duration) -> Result<()> {
        self.delay.note(arrived, block.delay);
        let captured = arrived.saturating_sub(block.length);
        if let Some(loss) = self.timeline.take(block, samples, captured)? {
            self.tell_loss(&loss, arrived);
        }
        Ok(())
    }

    /// All that the device had captured before it closed has been taken.
    pub fn closed(&mut self) -> Result<()> {
        Ok(self.timeline.closed()?)
    }

    /// Tells of a device that is away for a while.
    pub fn miss(&mut self, now: Duration) {
        if let Some(loss) = self.timeline.miss(now) {
            self.tell_loss(&loss, now);
        }
    }

    /// Whether the session has its length.
    pub fn is_over(&self, now: Duration) -> bool {
        self.timeline.is_over(now)
    }

    /// Sends what there is, as far as the graph takes it.
    pub fn send(&mut self, now: Duration) -> Result<()> {
        while self.feed.free() > 0
            && let Some(frame) = self.timeline.next_frame()
        {
            self.send_frame(frame, now)?;
        }
        self.tell_late(now);
        Ok(())
    }

    /// Tells of small losses, and of a graph that is late, when it is time.
    fn tell_late(&mut self, now: Duration) {
        if let Some(text) = self.losses.due(now, false) {
            tracing::warn!("{text}");
        }
        let dropped = self.timeline.take_dropped();
        if let Some((text, dropped)) = self.late.note(dropped, self.timeline.is_waiting()) {
            tracing::warn!("{text}");
            if dropped > 0 {
                self.incident(None, dropped, text);
            }
        }
    }

    fn send_frame(&mut self, frame: AudioFrame, now: Duration) -> Result<()> {
        self.sent = frame.end();
        let capture = self.capture(now);
        let message = Message { session: self.name(), seq: self.seq, body: Some(frame) };
        self.seq += 1;
        self.feed.send_live(OUTPUT, message, capture)
    }

    /// When the last sample was captured that was sent.
    fn capture(&self, now: Duration) -> Capture {
        let arrived = self.timeline.captured(self.sent).unwrap_or(now);
        let age = now.saturating_sub(arrived) + self.delay.known();
        let at_ns = now_ns() - i64::try_from(age.as_nanos()).unwrap_or(0);
        Capture { sample: self.sent, at_ns, realtime: true }
    }

    /// Ends the session: sends all that is left and waits until the graph is done with it; unless the graph was stopped,
    /// then nobody takes it any more.
    pub fn end(mut self, stopped: bool, now: Duration) -> Result<()> {
        if let Some(loss) = self.timeline.finish(now)? {
            self.tell_loss(&loss, now);
        }
        if let Some(text) = self.losses.due(now, true) {
            tracing::warn!("{text}");
        }
        while let Some(frame) = self.timeline.next_frame() {
            if stopped || !self.feed.wait_until(Duration::ZERO)? {
                break;
            }
            self.send_frame(frame, now)?;
        }
        self.tell_late(now);
        let end = Message::<AudioFrame> { session: self.name(), seq: self.seq, body: None };
        let capture = self.capture(now);
        self.feed.send_live(OUTPUT, end, capture)?;
        tracing::info!("the session ends after {:.3} s", seconds(self.sent));
        if stopped { Ok(()) } else { self.feed.settle() }
    }

    /// The session's name: without one in the arguments, the time at which it is needed first.
    fn name(&mut self) -> SessionId {
        let now = || jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string().as_str().into();
        self.name.get_or_insert_with(now).clone()
    }

    fn tell_loss(&mut self, loss: &Loss, now: Duration) {
        if let Some(text) = self.losses.note(loss, now) {
            tracing::warn!("{text}");
        }
        self.incident(Some(loss.at), loss.samples, text(loss));
    }

    fn incident(&mut self, sample: Option<u64>, samples: u64, text: String) {
        let session = Some(self.name().to_string());
        let amount = (samples > 0).then_some(samples);
        self.feed.incident(Incident { kind: IncidentKind::Gap, session, sample, amount, text });
    }
}
