//! What is encoded of a segment before it has ended.

use undertone_messages::{Encoding, Phase, SAMPLE_RATE, Speech};
use undertone_recognition::Schedule;

use crate::arguments::Arguments;

/// The previews of one session.
#[derive(Debug)]
pub(crate) struct Previews {
    schedule: Schedule,
    /// The most samples that one covers.
    longest: usize,
    /// The end of a segment that was announced, and encoded as if the segment were whole.
    announced: Option<Encoding>,
}

impl Previews {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        Self {
            schedule: Schedule::every(arguments.preview_ms.get()),
            longest: arguments.preview_window_ms.get() as usize * (SAMPLE_RATE as usize / 1000),
            announced: None,
        }
    }

    /// The most samples that a preview covers.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// Takes note of a piece of speech.
    pub(crate) fn follow(&mut self, speech: &Speech) {
        self.schedule.follow(speech);
        if speech.phase == Phase::Open {
            self.announced = None;
        }
    }

    /// Whether a preview is due, or an announced end to be taken back.
    pub(crate) fn is_due(&self, speech: &Speech) -> bool {
        self.schedule.is_due(speech) || (speech.phase == Phase::More && self.announced.is_some())
    }

    /// Takes note of a preview that ends at sample index `end`.
    pub(crate) fn made(&mut self, end: u64) {
        self.schedule.looked(end);
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
