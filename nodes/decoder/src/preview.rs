//! What is recognised of a segment before it has ended.

use undertone_messages::{Encoding, SAMPLE_RATE, Transcript, TranscriptStatus};
use undertone_recognition::{Agreement, Recognition};

use crate::arguments::Arguments;

/// The previews of one session.
pub(crate) struct Previews {
    /// Samples from one to the next.
    interval: u64,
    /// The segment of the last preview, where its first began, and from which sample index on the next is due.
    segment: Option<(u64, u64)>,
    due: u64,
    agreement: Agreement,
    /// An encoding whose segment may be over, and what was recognised.
    recognised: Option<(Encoding, Recognition)>,
}

impl Previews {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        let interval = u64::from(arguments.preview_ms) * u64::from(SAMPLE_RATE / 1000);
        Self { interval, segment: None, due: 0, agreement: Agreement::default(), recognised: None }
    }

    /// Whether an encoding is to be recognised ahead of its time. One without frames takes an announced end back.
    pub(crate) fn is_due(&self, encoding: &Encoding) -> bool {
        encoding.frames > 0 && (encoding.complete || encoding.end >= self.due)
    }

    /// Takes note of a preview that ends at sample index `end`.
    pub(crate) fn made(&mut self, end: u64) {
        self.due = end + self.interval;
    }

    /// Keeps what was recognised of a segment whose end was announced.
    pub(crate) fn keep(&mut self, encoding: Encoding, recognition: Recognition) {
        self.recognised = Some((encoding, recognition));
    }

    /// What was recognised of this very encoding.
    pub(crate) fn take(&mut self, encoding: &Encoding) -> Option<Recognition> {
        self.recognised.take().filter(|(known, _)| known == encoding).map(|(_, recognition)| recognition)
    }

    /// Makes a transcript a partial one, which tells what stands.
    pub(crate) fn agree(&mut self, transcript: Transcript) -> Transcript {
        let Transcript { segment, start, words, .. } = transcript;
        let begun = self.segment.filter(|(number, _)| *number == segment).map_or(start, |(_, begun)| begun);
        self.segment = Some((segment, begun));
        let (words, stable) = self.agreement.take(segment, words);
        Transcript {
            start: begun,
            text: words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "),
            words,
            stable: stable as u32,
            status: TranscriptStatus::Partial,
            ..transcript
        }
    }
}
