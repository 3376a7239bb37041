//! One input's stream: which segments it has closed, and what it said of those that are not done.

use std::collections::BTreeMap;
use std::ops::Range;

use undertone_messages::{Emotion, Scope, Transcript, TranscriptStatus};

use crate::error::FusionError;

/// A message that says something of a segment.
pub(crate) trait Report {
    /// The segment.
    fn segment(&self) -> u64;

    /// Whether nothing more will come of the segment.
    fn closes(&self) -> bool;
}

impl Report for Emotion {
    fn segment(&self) -> u64 {
        self.segment
    }

    fn closes(&self) -> bool {
        self.scope == Scope::Segment
    }
}

impl Report for Transcript {
    fn segment(&self) -> u64 {
        self.segment
    }

    fn closes(&self) -> bool {
        self.status != TranscriptStatus::Partial
    }
}

/// How a stream ended, if it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Open,
    Ended,
    Lost,
}

/// Where an input stands with a segment that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its closing message is to come.
    Waiting,
    /// Its closing message is there.
    Closed,
    /// It died before its closing message.
    Lost,
}

/// One input's stream of a session.
#[derive(Clone, Debug)]
pub(crate) struct Branch<T> {
    input: String,
    course: Course,
    /// The first segment that a message was about, and so the lowest.
    first: Option<u64>,
    /// The highest segment that a message was about, and whether that message closed it.
    latest: Option<(u64, bool)>,
    /// The messages of each segment that is not done, in order.
    reports: BTreeMap<u64, Vec<T>>,
}

impl<T: Report> Branch<T> {
    pub(crate) fn new(input: &str) -> Self {
        Self {
            input: input.to_owned(),
            course: Course::Open,
            first: None,
            latest: None,
            reports: BTreeMap::new(),
        }
    }

    /// Takes a message. One of a segment that the ledger has `cancelled` is checked and forgotten.
    pub(crate) fn accept(&mut self, report: T, cancelled: bool) -> Result<(), FusionError> {
        let (input, segment, closes) = (self.input.clone(), report.segment(), report.closes());
        if self.course != Course::Open {
            return Err(FusionError::AfterEnd { input });
        }
        match self.latest {
            Some((latest, closed)) if segment < latest || (segment == latest && closed) => {
                return Err(FusionError::OutOfOrder { input, segment, latest });
            }
            _ => self.latest = Some((segment, closes)),
        }
        self.first.get_or_insert(segment);
        match (cancelled, closes) {
            (true, true) => return Err(FusionError::Cancelled { input, segment }),
            (true, false) => {}
            (false, _) => self.reports.entry(segment).or_default().push(report),
        }
        Ok(())
    }

    /// Takes note of the stream's last message.
    pub(crate) fn end(&mut self) -> Result<(), FusionError> {
        if self.course != Course::Open {
            return Err(FusionError::AfterEnd { input: self.input.clone() });
        }
        self.course = Course::Ended;
        Ok(())
    }

    /// Takes note that no more will come, unless the stream has ended as it should.
    pub(crate) fn lose(&mut self) {
        if self.course == Course::Open {
            self.course = Course::Lost;
        }
    }

    /// Whether nothing more will come.
    pub(crate) fn is_over(&self) -> bool {
        self.course != Course::Open
    }

    /// The highest segment that a message was about.
    fn latest(&self) -> Option<u64> {
        self.latest.map(|(segment, _)| segment)
    }

    /// Checks that all messages were about `segments`, once it is known that there are no others.
    pub(crate) fn check(&self, segments: &Range<u64>) -> Result<(), FusionError> {
        match [self.first, self.latest()].into_iter().flatten().find(|segment| !segments.contains(segment)) {
            None => Ok(()),
            Some(segment) => {
                let (input, segments) = (self.input.clone(), segments.clone());
                Err(FusionError::UnknownSegment { input, segment, segments })
            }
        }
    }

    /// Where the input stands with a segment that has ended and is not done.
    pub(crate) fn standing(&self, segment: u64) -> Result<Standing, FusionError> {
        if self.reports(segment).last().is_some_and(T::closes) {
            return Ok(Standing::Closed);
        }
        let passed = self.latest().is_some_and(|latest| latest > segment);
        match self.course {
            Course::Open if !passed => Ok(Standing::Waiting),
            Course::Lost if !passed => Ok(Standing::Lost),
            _ => Err(FusionError::Skipped { input: self.input.clone(), segment }),
        }
    }

    /// What the input has said of a segment so far.
    pub(crate) fn reports(&self, segment: u64) -> &[T] {
        self.reports.get(&segment).map_or(&[], Vec::as_slice)
    }

    /// Forgets a segment that is done.
    pub(crate) fn forget(&mut self, segment: u64) {
        self.reports.remove(&segment);
    }

    /// Forgets a segment that the ledger cancelled.
    pub(crate) fn cancel(&mut self, segment: u64) -> Result<(), FusionError> {
        let reports = self.reports.remove(&segment);
        if reports.is_some_and(|reports| reports.iter().any(T::closes)) {
            return Err(FusionError::Cancelled { input: self.input.clone(), segment });
        }
        Ok(())
    }
}
