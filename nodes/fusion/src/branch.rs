//! One input's stream: which segments it has closed, and what it said of those that are not done.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use undertone_messages::{Emotion, Scope, Transcript, TranscriptStatus};
use undertone_stage::{Course, CourseError};

use crate::error::FusionError;

/// A message that says something of a segment.
pub trait Report {
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
    pub(crate) course: Course,
    /// The first segment that a message was about, and so the lowest.
    first: Option<u64>,
    /// The messages of each segment that is not done, in order.
    reports: BTreeMap<u64, Vec<T>>,
    /// Segments that are done and that the input has not closed.
    given_up: BTreeSet<u64>,
}

impl<T: Report> Branch<T> {
    pub(crate) fn new(input: &str) -> Self {
        Self { course: Course::new(input), first: None, reports: BTreeMap::new(), given_up: BTreeSet::new() }
    }

    /// Takes a message. One of a segment that the ledger has `cancelled` is checked and forgotten.
    pub(crate) fn accept(&mut self, report: T, cancelled: bool) -> Result<(), FusionError> {
        let (segment, closes) = (report.segment(), report.closes());
        self.course.accept(segment, closes)?;
        self.first.get_or_insert(segment);
        if self.given_up.contains(&segment) {
            if closes {
                self.given_up.remove(&segment);
            }
            return Ok(());
        }
        match (cancelled, closes) {
            (true, true) => return Err(self.cancelled(segment)),
            (true, false) => {}
            (false, _) => self.reports.entry(segment).or_default().push(report),
        }
        Ok(())
    }

    /// Checks that all messages were about `segments`, once it is known that there are no others.
    pub(crate) fn check(&self, segments: &Range<u64>) -> Result<(), FusionError> {
        let mut ends = [self.first, self.course.latest()].into_iter().flatten();
        match ends.find(|segment| !segments.contains(segment)) {
            None => Ok(()),
            Some(segment) => {
                let (input, segments) = (self.course.input().to_owned(), segments.clone());
                Err(FusionError::UnknownSegment { input, segment, segments })
            }
        }
    }

    /// Where the input stands with a segment that has ended and is not done.
    pub(crate) fn standing(&self, segment: u64) -> Result<Standing, CourseError> {
        if self.reports(segment).last().is_some_and(T::closes) {
            return Ok(Standing::Closed);
        }
        Ok(if self.course.awaits(segment)? { Standing::Waiting } else { Standing::Lost })
    }

    /// What the input has said of a segment so far.
    pub(crate) fn reports(&self, segment: u64) -> &[T] {
        self.reports.get(&segment).map_or(&[], Vec::as_slice)
    }

    /// Forgets a segment that is done.
    pub(crate) fn forget(&mut self, segment: u64) {
        let reports = self.reports.remove(&segment);
        if !reports.is_some_and(|reports| reports.last().is_some_and(T::closes)) && !self.course.is_over() {
            self.given_up.insert(segment);
        }
    }

    /// Forgets a segment that the ledger cancelled.
    pub(crate) fn cancel(&mut self, segment: u64) -> Result<(), FusionError> {
        let reports = self.reports.remove(&segment);
        if reports.is_some_and(|reports| reports.iter().any(T::closes)) {
            return Err(self.cancelled(segment));
        }
        Ok(())
    }

    fn cancelled(&self, segment: u64) -> FusionError {
        FusionError::Cancelled { input: self.course.input().to_owned(), segment }
    }
}
