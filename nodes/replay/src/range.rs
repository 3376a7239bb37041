//! A part of a recording.

use std::collections::BTreeMap;

use arrow::array::StructArray;

use crate::rewrite::{is_audio, number, text};

/// A part of each session, in samples of its clock: `from` is in, `to` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Where it begins.
    pub from: u64,
    /// Where it ends.
    pub to: u64,
}

/// A segment of speech, as far as it is known.
#[derive(Clone, Copy, Debug)]
struct Segment {
    start: u64,
    end: u64,
    /// Whether its end is known, where messages tell.
    closed: bool,
}

/// The segments of one session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segments(BTreeMap<u64, Segment>);

impl Segments {
    /// Takes note of a message.
    pub(crate) fn note(&mut self, message: &StructArray) {
        let Some(segment) = number(message, "segment") else { return };
        let (Some(start), Some(end)) = (number(message, "start"), number(message, "end")) else { return };
        let closed = match text(message, "phase") {
            Some("silence") => return,
            Some(phase) => matches!(phase, "final" | "cancelled"),
            None => true,
        };
        let known = self.0.entry(segment).or_insert(Segment { start, end, closed: false });
        known.start = known.start.min(start);
        known.end = known.end.max(end);
        known.closed |= closed;
    }

    /// Whether a segment lies in the range as a whole.
    fn is_in(&self, segment: u64, range: Range) -> bool {
        self.0.get(&segment).is_some_and(|segment| segment.is_in(range))
    }

    /// Whether any segment lies in the range as a whole.
    pub(crate) fn any_in(&self, range: Range) -> bool {
        self.0.values().any(|segment| segment.is_in(range))
    }
}

impl Segment {
    fn is_in(&self, range: Range) -> bool {
        self.closed && range.from <= self.start && self.end <= range.to
    }
}

/// What becomes of a message of a session that is played in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It is played as it is.
    Keep,
    /// It is not played.
    Drop,
    /// Audio, of which a part is played.
    Slice(Part),
}

/// A part of an audio message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Sample index of its first sample.
    pub(crate) start: u64,
    /// Samples that are missing before it.
    pub(crate) gap: u64,
    /// Which samples, counted from the message's first.
    pub(crate) samples: std::ops::Range<usize>,
}

impl Range {
    /// All of each session.
    pub const ALL: Self = Self { from: 0, to: u64::MAX };

    /// What becomes of a message that is not the last. `segments` are those of the session.
    pub(crate) fn cut(self, message: &StructArray, time: Option<u64>, segments: &Segments) -> Cut {
        let keep = |keep: bool| if keep { Cut::Keep } else { Cut::Drop };
        match (number(message, "segment"), text(message, "phase")) {
            (Some(segment), phase) if phase != Some("silence") => return keep(segments.is_in(segment, self)),
            _ => {}
        }
        let Some(end) = time else { return Cut::Keep };
        if !is_audio(message) {
            return keep(self.from < end && end <= self.to);
        }
        let Some(start) = number(message, "start") else { return Cut::Keep };
        // What is missing takes its time like what is there: a message that tells of a gap may have no samples.
        let whole = [start.saturating_sub(number(message, "gap").unwrap_or(0)), start, end];
        let [missing, first, last] = whole.map(|sample| sample.clamp(self.from, self.to));
        if [missing, first, last] == whole {
            return Cut::Keep;
        }
        if missing == last {
            return Cut::Drop;
        }
        let place = |sample: u64| sample.saturating_sub(start) as usize;
        Cut::Slice(Part { start: first, gap: first - missing, samples: place(first)..place(last) })
    }
}
