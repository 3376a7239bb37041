//! Keeps a device open.

use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use undertone_node::Wake;

use crate::arguments::Arguments;
use crate::error::{MicrophoneError, advice};
use crate::host::Target;
use crate::ring::{Block, Reader};
use crate::stream::Open;
use crate::watchdog::{State, Watchdog};

/// How long the first opening may take. A sound server that is being started takes a few seconds.
const FIRST_OPENING: Duration = Duration::from_secs(15);

/// What happened to the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is open.
    Opened {
        /// Samples a second.
        rate: u32,
        /// What it is, for the log.
        description: String,
    },
    /// It was open and is not any more.
    Closed {
        /// Why, and what comes next.
        text: String,
    },
    /// It could not be opened again.
    Refused {
        /// Why, and what comes next.
        text: String,
    },
}

/// Opens a device, notices when it fails or says nothing, and opens it again.
///
/// Opening and closing may take any time when a sound server hangs, so other threads do both.
pub struct Keeper {
    target: Target,
    channel: Option<u16>,
    wake: Wake,
    begun: Instant,
    watchdog: Watchdog,
    opening: Option<Receiver<Result<Open, MicrophoneError>>>,
    open: Option<Open>,
    /// Of a stream that was closed: what it captured before is still to be read.
    rest: Option<Reader>,
    /// The device has been open once.
    proven: bool,
}

impl Keeper {
    /// Begins now.
    pub fn new(target: Target, arguments: &Arguments, wake: Wake) -> Self {
        Self {
            target,
            channel: arguments.channel,
            wake,
            begun: Instant::now(),
            watchdog: Watchdog::new(arguments.silent_device(), Duration::ZERO),
            opening: None,
            open: None,
            rest: None,
            proven: false,
        }
    }

    /// The time since the beginning.
    pub fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The time from the beginning to a moment.
    pub fn since_begin(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.begun)
    }

    /// How long to wait for samples before [`Keeper::check`] has something to do.
    pub fn quiet(&self) -> Duration {
        self.watchdog.quiet(self.now())
    }

    /// Does what is due: opens, or gives up. What a stream has captured is to be read first.
    ///
    /// # Errors
    ///
    /// The device could not be opened the first time.
    pub fn check(&mut self) -> Result<Option<News>, MicrophoneError> {
        let now = self.now();
        if !self.has_waiting() && self.watchdog.opens(now) {
            self.rest = None;
            self.opening = Some(self.begin_opening());
        }
        match self.watchdog.state() {
            State::Waiting { .. } => Ok(None),
            State::Opening { since } => self.check_opening(now, since),
            State::Open { .. } => Ok(self.check_open(now)),
        }
    }

    fn begin_opening(&self) -> Receiver<Result<Open, MicrophoneError>> {
        let (give, take) = channel();
        let (target, channel, wake) = (self.target.clone(), self.channel, self.wake.clone());
        thread::spawn(move || {
            // If nobody waits any more, the stream closes.
            let _ = give.send(Open::new(&target, channel, &wake));
            wake.wake();
        });
        take
    }

    fn check_opening(&mut self, now: Duration, since: Duration) -> Result<Option<News>, MicrophoneError> {
        let Some(opening) = &self.opening else { return Ok(None) };
        let outcome = match opening.try_recv() {
            Err(TryRecvError::Empty) if self.proven || now.saturating_sub(since) < FIRST_OPENING => {
                return Ok(None);
            }
            Err(_) => {
                let seconds = now.saturating_sub(since).as_secs();
                Err(MicrophoneError::NoAnswer { device: self.target.name(), seconds })
            }
            Ok(outcome) => outcome,
        };
        self.opening = None;
        match outcome {
            Ok(open) => {
                self.watchdog.opened(now);
                self.proven = true;
                let news = News::Opened { rate: open.rate, description: open.description.clone() };
                self.open = Some(open);
                Ok(Some(news))
            }
            Err(error) if !self.proven => Err(error),
            Err(error) => {
                let wait = self.watchdog.failed(now).as_secs_f64();
                Ok(Some(News::Refused { text: format!("{error}; trying again in {wait:.2} s") }))
            }
        }
    }

    fn check_open(&mut self, now: Duration) -> Option<News> {
        let open = self.open.as_ref()?;
        let reason = match open.errors.try_recv() {
            Ok(error) => format!("the microphone failed ({error}; {})", advice(error.kind())),
            Err(_) if self.watchdog.is_silent(now) => {
                let silence = self.watchdog.silence(now).as_secs_f64();
                format!("nothing has come from the microphone for {silence:.1} s")
            }
            Err(_) => return None,
        };
        let wait = self.watchdog.failed(now).as_secs_f64();
        let Open { stream, reader, .. } = self.open.take()?;
        self.rest = Some(reader);
        // Waits for the stream's own thread, which may hang.
        thread::spawn(move || drop(stream));
        Some(News::Closed {
            text: format!("{reason}; opening it again in {wait:.2} s, the time between is a gap"),
        })
    }

    /// The next block that was captured; its samples take the place of those in `samples`.
    pub fn read(&mut self, samples: &mut Vec<f64>) -> Option<Block> {
        if let Some(block) = self.rest.as_mut().and_then(|rest| rest.read(samples)) {
            return Some(block);
        }
        let block = self.open.as_mut()?.reader.read(samples)?;
        self.watchdog.heard(self.begun.elapsed());
        Some(block)
    }

    /// Whether there are blocks to read.
    pub fn has_waiting(&self) -> bool {
        self.rest.as_ref().is_some_and(Reader::has_blocks)
            || self.open.as_ref().is_some_and(|open| open.reader.has_blocks())
    }

    /// Whether more may come from the device as it is, or was, open.
    pub fn has_more(&self) -> bool {
        self.open.is_some() || self.has_waiting()
    }

    /// Closes the device.
    pub fn close(&mut self) {
        if let Some(Open { stream, .. }) = self.open.take() {
            thread::spawn(move || drop(stream));
        }
    }
}
