//! The input `transcript`: the speaking rate of each segment, held until the segment is closed.

use std::collections::BTreeMap;

use undertone_messages::{Transcript, TranscriptStatus};

use crate::TRANSCRIPT;
use crate::error::ProsodyError;
use crate::rate::Rate;

/// How the stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Course {
    #[default]
    Open,
    Ended,
    Lost,
}

/// The transcripts of a session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates {
    course: Course,
    /// The highest segment that was closed.
    latest: Option<u64>,
    /// What was said of segments that are not closed.
    known: BTreeMap<u64, Result<Rate, String>>,
}

impl Rates {
    /// Takes a transcript. Partial ones do not count.
    pub(crate) fn accept(&mut self, transcript: &Transcript) -> Result<(), ProsodyError> {
        if self.course != Course::Open {
            return Err(ProsodyError::AfterEnd { input: TRANSCRIPT });
        }
        if transcript.status == TranscriptStatus::Partial {
            return Ok(());
        }
        let segment = transcript.segment;
        if let Some(latest) = self.latest.filter(|latest| segment <= *latest) {
            return Err(ProsodyError::OutOfOrder { segment, latest });
        }
        self.latest = Some(segment);
        self.known.insert(segment, Rate::read(transcript));
        Ok(())
    }

    /// Takes note of the stream's last message.
    pub(crate) fn end(&mut self) -> Result<(), ProsodyError> {
        if self.course != Course::Open {
            return Err(ProsodyError::AfterEnd { input: TRANSCRIPT });
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

    /// The rate of a segment that has ended, or why there is none. `None` if it is to come.
    pub(crate) fn take(&mut self, segment: u64) -> Result<Option<Result<Rate, String>>, ProsodyError> {
        if let Some(rate) = self.known.remove(&segment) {
            return Ok(Some(rate));
        }
        let passed = self.latest.is_some_and(|latest| latest > segment);
        match self.course {
            Course::Open if !passed => Ok(None),
            Course::Lost if !passed => Ok(Some(Err(format!("input `{TRANSCRIPT}` ended early")))),
            _ => Err(ProsodyError::Skipped { segment }),
        }
    }

    /// Checks that there was nothing about other segments, once all have been taken.
    pub(crate) fn check(&self) -> Result<(), ProsodyError> {
        match self.known.keys().next() {
            None => Ok(()),
            Some(segment) => Err(ProsodyError::UnknownSegment { segment: *segment }),
        }
    }
}
