//! One session's pass through the stage.

use std::collections::VecDeque;

use undertone_messages::{Features, Phase, ScalarBuffer, Scope, Speech, Statistics, Transcript};
use undertone_stage::{CourseError, Join};

use crate::arguments::Config;
use crate::error::ProsodyError;
use crate::extractor::Extractor;
use crate::frame::{COLUMNS, CYCLE_REACH, Frame, append_row};
use crate::functionals::{Running, RunningRate, Span, set_rate, set_session_rate, summarise};
use crate::rates::Rates;
use crate::{FRAME, HOP, SPEECH, TRANSCRIPT};

/// What the stage sends, each on the output of its name. `None` ends the output's stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// The rows of the frames that became complete.
    Features(Option<Features>),
    /// What a window or a segment came to.
    Statistics(Option<Statistics>),
}

/// The segment that is open.
#[derive(Clone, Copy, Debug)]
struct Open {
    number: u64,
    start: u64,
    /// Sample index behind the samples that have arrived.
    end: u64,
    /// Frames whose rows have been sent.
    rows: usize,
    /// The end of the next window, in samples since the segment's first.
    next_window: u64,
    /// Frames that `running` knows.
    counted: usize,
    /// The session so far, with frames of this segment.
    running: Running,
}

/// A message on its way out.
#[derive(Clone, Debug)]
struct Held {
    statistics: Statistics,
    /// The speaking rate is to come.
    waits: bool,
}

/// One session's pass through the stage.
///
/// Messages of one input come in their order; the inputs may come in any order relative to each other, and what goes out
/// on each output is the same. After an error the session cannot go on.
pub struct Prosody {
    config: Config,
    kind: String,
    extractor: Extractor,
    /// The frames of the open segment.
    frames: Vec<Frame>,
    row: Vec<f32>,
    open: Option<Open>,
    ended: bool,
    done: bool,
    running: Running,
    /// Of the segments whose statistics have gone out.
    running_rate: RunningRate,
    /// In the order in which they go out: what was measured of a segment must not overtake what the one before it waits for.
    held: VecDeque<Held>,
    /// `None` if transcripts are not wired.
    rates: Option<Rates>,
}

impl Join for Prosody {
    /// The arguments, and whether transcripts are wired.
    type Config = (Config, bool);
    type Output = Output;
    type Error = ProsodyError;

    fn begin(&(config, transcript): &(Config, bool)) -> Self {
        Self::new(config, transcript)
    }

    fn end(&mut self, input: &str, output: &mut Vec<Output>) -> Result<(), ProsodyError> {
        if input == SPEECH {
            self.end_speech(output)?;
        } else if let Some(rates) = &mut self.rates {
            rates.course.end()?;
        }
        self.advance(output)
    }

    /// Without `speech` there are no further segments, and those that are known can still be closed. Without `transcript`
    /// segments go without a speaking rate from now on, and say why.
    fn lose(&mut self, input: &str, output: &mut Vec<Output>) -> Result<(), ProsodyError> {
        if let (TRANSCRIPT, Some(rates)) = (input, &mut self.rates) {
            rates.course.lose();
        }
        self.advance(output)
    }

    fn has_ended(&self, input: &str) -> bool {
        if input == SPEECH {
            self.ended
        } else {
            self.rates.as_ref().is_none_or(|rates| rates.course.is_over())
        }
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

impl Prosody {
    /// The state at the beginning of a session. `transcript` says whether transcripts are wired.
    pub fn new(config: Config, transcript: bool) -> Self {
        Self {
            extractor: Extractor::new(&config),
            kind: config.kind(),
            config,
            frames: Vec::new(),
            row: Vec::new(),
            open: None,
            ended: false,
            done: false,
            running: Running::default(),
            running_rate: RunningRate::default(),
            held: VecDeque::new(),
            rates: transcript.then(Rates::new),
        }
    }

    /// Takes speech and appends what can be sent now to `output`: features for each message that is not `Silence`.
    ///
    /// # Errors
    ///
    /// The message does not follow the one before, or as [`Prosody::transcript`].
    pub fn speech(&mut self, speech: &Speech, output: &mut Vec<Output>) -> Result<(), ProsodyError> {
        if self.ended {
            return Err(CourseError::AfterEnd { input: SPEECH.to_owned() }.into());
        }
        if speech.phase == Phase::Silence {
            return Ok(());
        }
        let mut open = self.check(speech)?;
        if !speech.samples.is_empty() {
            self.extractor.push(&speech.samples, &mut self.frames);
            open.end = speech.end;
        }
        match speech.phase {
            Phase::Final => {
                self.extractor.finish(&mut self.frames);
                self.append_rows(&mut open, 0);
                self.close(&open, speech.end);
            }
            Phase::Cancelled => {}
            _ => {
                self.append_rows(&mut open, CYCLE_REACH);
                self.send_windows(&mut open);
                self.open = Some(open);
            }
        }
        output.push(Output::Features(Some(self.features(speech))));
        self.advance(output)
    }

    /// Takes a transcript and appends what can be sent now to `output`.
    ///
    /// # Errors
    ///
    /// Transcripts are not in the order of the segments, or one is missing.
    pub fn transcript(
        &mut self,
        transcript: &Transcript,
        output: &mut Vec<Output>,
    ) -> Result<(), ProsodyError> {
        if let Some(rates) = &mut self.rates {
            rates.accept(transcript)?;
        }
        self.advance(output)
    }

    fn end_speech(&mut self, output: &mut Vec<Output>) -> Result<(), ProsodyError> {
        if self.ended {
            return Err(CourseError::AfterEnd { input: SPEECH.to_owned() }.into());
        }
        if let Some(open) = self.open {
            return Err(ProsodyError::Unfinished { segment: open.number });
        }
        self.ended = true;
        output.push(Output::Features(None));
        Ok(())
    }

    /// Checks that a message continues the open segment, or opens the next one, without a hole in its samples.
    fn check(&mut self, speech: &Speech) -> Result<Open, ProsodyError> {
        let Speech { segment, start, phase, end, .. } = *speech;
        let first = end.saturating_sub(speech.samples.len() as u64);
        let expected = match (self.open.take(), phase) {
            (None, Phase::Open) if first == start => {
                self.extractor.reset();
                self.frames.clear();
                let next_window = self.config.every;
                let running = self.running;
                return Ok(Open {
                    number: segment,
                    start,
                    end: start,
                    rows: 0,
                    next_window,
                    counted: 0,
                    running,
                });
            }
            (None, _) => "no segment is open".to_owned(),
            (Some(open), phase) => {
                let follows = open.number == segment && phase != Phase::Open && open.start == start;
                if follows && (speech.samples.is_empty() || first == open.end) {
                    return Ok(open);
                }
                format!("segment {} is open from sample {} to {}", open.number, open.start, open.end)
            }
        };
        Err(ProsodyError::Order { segment, phase, start: first, end, expected })
    }

    /// Adds the rows of the frames that have `reach` frames behind them.
    fn append_rows(&mut self, open: &mut Open, reach: usize) {
        while open.rows + reach < self.frames.len() {
            append_row(&self.frames, open.rows, &mut self.row);
            open.rows += 1;
        }
    }

    fn features(&mut self, speech: &Speech) -> Features {
        if speech.phase == Phase::Cancelled {
            self.row.clear();
        }
        Features {
            segment: speech.segment,
            start: speech.start,
            end: speech.end,
            phase: speech.phase,
            kind: self.kind.clone(),
            hop: HOP as u32,
            width: COLUMNS.len() as u32,
            values: ScalarBuffer::from(std::mem::take(&mut self.row)),
        }
    }

    /// Sums up the windows all of whose frames are decided.
    fn send_windows(&mut self, open: &mut Open) {
        loop {
            let until = open.next_window;
            let last = frames_within(until);
            if last > self.frames.len() {
                break;
            }
            open.next_window += self.config.every;
            if last == 0 {
                continue;
            }
            let from = until.saturating_sub(self.config.window);
            // The first frame that starts at `from` or behind.
            let first = usize::try_from(from.div_ceil(HOP as u64)).unwrap_or(usize::MAX);
            let fresh = self.frames.get(open.counted..last).unwrap_or_default();
            fresh.iter().for_each(|frame| open.running.add(frame));
            open.counted = last;
            let frames = self.frames.get(first..last).unwrap_or_default();
            let (start, end) = (open.start + from, open.start + until);
            let span = Span { segment: open.number, start, end, scope: Scope::Window };
            self.held.push_back(Held { statistics: summarise(span, frames, &open.running), waits: false });
        }
    }

    /// Sums up a segment that ends here. Frames behind the end belong to the next.
    fn close(&mut self, open: &Open, end: u64) {
        let frames = self.frames.get(..frames_within(end.saturating_sub(open.start)).min(self.frames.len()));
        let frames = frames.unwrap_or_default();
        frames.iter().for_each(|frame| self.running.add(frame));
        let span = Span { segment: open.number, start: open.start, end, scope: Scope::Segment };
        let statistics = summarise(span, frames, &self.running);
        self.held.push_back(Held { statistics, waits: self.rates.is_some() });
    }

    /// Sends what can be sent.
    fn advance(&mut self, output: &mut Vec<Output>) -> Result<(), ProsodyError> {
        while let Some(held) = self.held.front_mut() {
            if let (true, Some(rates)) = (held.waits, &mut self.rates) {
                let Some(rate) = rates.take(held.statistics.segment)? else { break };
                rate.iter().for_each(|rate| self.running_rate.add(rate));
                set_rate(&mut held.statistics, rate);
            }
            set_session_rate(&mut held.statistics, &self.running_rate);
            output.extend(self.held.pop_front().map(|held| Output::Statistics(Some(held.statistics))));
        }
        if self.ended && self.held.is_empty() && self.has_ended(TRANSCRIPT) && !self.done {
            self.rates.as_ref().map_or(Ok(()), Rates::check)?;
            self.done = true;
            output.push(Output::Statistics(None));
        }
        Ok(())
    }
}

/// How many frames lie wholly within the first `samples` samples of a segment.
fn frames_within(samples: u64) -> usize {
    let frames = samples.checked_sub(FRAME as u64).map_or(0, |beyond_first| beyond_first / HOP as u64 + 1);
    usize::try_from(frames).unwrap_or(usize::MAX)
}
