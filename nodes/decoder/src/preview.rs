//! What is recognised of a segment before it has ended.

use undertone_messages::{Encoding, Transcript};
use undertone_recognition::{Agreement, Recognition, Schedule};

use crate::arguments::Arguments;

/// The previews of one session.
pub(crate) struct Previews {
    schedule: Schedule,
    agreement: Agreement,
    /// Segments before this one are over.
    next: u64,
    /// An encoding whose segment may be over, and what was recognised.
    recognised: Option<(Encoding, Recognition)>,
}

impl Previews {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        let schedule = Schedule::every(arguments.preview_ms);
        Self { schedule, agreement: Agreement::default(), next: 0, recognised: None }
    }

    /// The same with other arguments: what stands goes on standing, and what was recognised ahead with the old ones is dropped.
    pub(crate) fn adjusted(self, arguments: &Arguments) -> Self {
        Self { schedule: Schedule::every(arguments.preview_ms), recognised: None, ..self }
    }

    /// Whether an encoding is to be recognised ahead of its time. One without frames takes an announced end back.
    pub(crate) fn is_due(&self, encoding: &Encoding) -> bool {
        let open = encoding.frames > 0 && encoding.segment >= self.next;
        open && (encoding.complete || self.schedule.is_due_for(encoding.start, encoding.end))
    }

    /// Takes note of a preview that ends at sample index `end`.
    pub(crate) fn made(&mut self, end: u64) {
        self.schedule.looked(end);
    }

    /// Keeps what was recognised of a segment whose end was announced.
    pub(crate) fn keep(&mut self, encoding: Encoding, recognition: Recognition) {
        self.recognised = Some((encoding, recognition));
    }

    /// Takes note that a segment is over.
    pub(crate) fn close(&mut self, segment: u64) {
        self.next = segment + 1;
    }

    /// What was recognised of this very encoding.
    pub(crate) fn take(&mut self, encoding: &Encoding) -> Option<Recognition> {
        self.recognised.take().filter(|(known, _)| known == encoding).map(|(_, recognition)| recognition)
    }

    /// Makes a transcript a partial one, which tells what stands.
    pub(crate) fn partial(&mut self, transcript: Transcript) -> Transcript {
        self.agreement.partial(transcript)
    }
}
