//! What is encoded of a segment before it has ended.

use undertone_messages::{Encoding, Phase, SAMPLE_RATE, Speech};

use crate::arguments::Arguments;

/// The previews of one session.
#[derive(Debug)]
pub(crate) struct Previews {
    /// Samples from one to the next.
    interval: u64,
    /// The most samples that one covers.
    longest: usize,
    /// Sample index from which on the next is due.
    due: u64,
    /// The end of a segment that was announced, and encoded as if the segment were whole.
    announced: Option<Encoding>,
}

impl Previews {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        let samples = |ms: u32| u64::from(ms) * u64::from(SAMPLE_RATE / 1000);
        Self {
            interval: samples(arguments.preview_ms.get()),
            longest: samples(arguments.preview_window_ms.get()) as usize,
            due: 0,
            announced: None,
        }
    }

    /// The most samples that a preview covers.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// Takes note of a piece of speech.
    pub(crate) fn follow(&mut self, speech: &Speech) {
        if speech.phase == Phase::Open {
            // The first sample that sounds like speech is among the last of these: before it is the pre-roll.
            self.due = speech.end + self.interval;
            self.announced = None;
        }
    }

    /// Whether a preview is due.
    pub(crate) fn is_due(&self, speech: &Speech) -> bool {
        match speech.phase {
            Phase::Tentative => true,
            Phase::Open | Phase::More => self.announced.is_some() || speech.end >= self.due,
            Phase::Silence | Phase::Final | Phase::Cancelled => false,
        }
    }

    /// Takes note of a preview that ends at sample index `end`.
    pub(crate) fn made(&mut self, end: u64) {
        self.due = end + self.interval;
    }

    /// Keeps what was encoded of a segment whose end was announced.
    pub(crate) fn announce(&mut self, encoding: &Encoding) {
        self.announced = Some(encoding.clone());
    }

    /// Speech goes on behind an end that was announced: an encoding without frames, which takes it back.
    pub(crate) fn withdraw(&mut self) -> Option<Encoding> {
        let announced = self.announced.take()?;
        let none = || Vec::new().into();
        Some(Encoding {
            complete: false,
            end: announced.start,
            frames: 0,
            states: none(),
            layer_states: none(),
            energies: none(),
            ..announced
        })
    }

    /// What was encoded when the segment's end was announced, if that is where it ends.
    pub(crate) fn take(&mut self, segment: u64, start: u64, end: u64) -> Option<Encoding> {
        self.announced.take_if(|found| (found.segment, found.start, found.end) == (segment, start, end))
    }
}
