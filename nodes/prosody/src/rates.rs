//! The input `transcript`: the speaking rate of each segment, held until the segment is closed.

use std::collections::BTreeMap;

use undertone_messages::{Transcript, TranscriptStatus};
use undertone_stage::{Course, CourseError};

use crate::TRANSCRIPT;
use crate::error::ProsodyError;
use crate::rate::Rate;

/// The transcripts of a session.
#[derive(Clone, Debug)]
pub(crate) struct Rates {
    pub(crate) course: Course,
    /// What was said of segments that are not closed.
    known: BTreeMap<u64, Result<Rate, String>>,
}

impl Rates {
    /// Nothing has arrived yet.
    pub(crate) fn new() -> Self {
        Self { course: Course::new(TRANSCRIPT), known: BTreeMap::new() }
    }

    /// Takes a transcript. Partial ones do not count.
    pub(crate) fn accept(&mut self, transcript: &Transcript) -> Result<(), CourseError> {
        self.course.check_open()?;
        if transcript.status != TranscriptStatus::Partial {
            self.course.accept(transcript.segment, true)?;
            self.known.insert(transcript.segment, Rate::read(transcript));
        }
        Ok(())
    }

    /// The rate of a segment that has ended, or why there is none. `None` if it is to come.
    pub(crate) fn take(&mut self, segment: u64) -> Result<Option<Result<Rate, String>>, CourseError> {
        if let Some(rate) = self.known.remove(&segment) {
            return Ok(Some(rate));
        }
        let lost = !self.course.awaits(segment)?;
        Ok(lost.then(|| Err(format!("input `{TRANSCRIPT}` ended early"))))
    }

    /// Checks that there was nothing about other segments, once all have been taken.
    pub(crate) fn check(&self) -> Result<(), ProsodyError> {
        match self.known.keys().next() {
            None => Ok(()),
            Some(segment) => Err(ProsodyError::UnknownSegment { segment: *segment }),
        }
    }
}
