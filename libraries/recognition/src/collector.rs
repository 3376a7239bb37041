//! Puts the samples of segments together.

use undertone_messages::{Phase, Speech, seconds};

/// Speech that is not as its contract says.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SpeechError {
    /// Pieces that do not belong together.
    #[error(
        "segment {segment}: {problem}. Two detectors may be wired to this input, or the sender of `Speech` is broken"
    )]
    Order {
        /// The segment.
        segment: u64,
        /// What is wrong.
        problem: String,
    },
    /// A sample that is not a number, or infinite.
    #[error("sample {position} ({:.3} s) is {value}: what made this audio is broken; samples must be finite, full scale at ±1", seconds(*position))]
    NotFinite {
        /// Where.
        position: u64,
        /// The value.
        value: f32,
    },
}

/// A segment of speech, complete or as far as it has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Its number in its session.
    pub number: u64,
    /// Sample index of its first sample.
    pub start: u64,
    /// Mono samples at 16 kHz, full scale at ±1.
    pub samples: Vec<f32>,
}

impl Segment {
    /// Sample index behind the last sample.
    pub fn end(&self) -> u64 {
        self.start + self.samples.len() as u64
    }

    fn error(&self, problem: String) -> SpeechError {
        SpeechError::Order { segment: self.number, problem }
    }

    fn append(&mut self, speech: &Speech) -> Result<(), SpeechError> {
        let (due, length) = (self.end(), speech.samples.len() as u64);
        if speech.end.checked_sub(length) != Some(due) {
            let end = speech.end;
            return Err(
                self.error(format!("{length} samples that end at {end} arrived where sample {due} belongs"))
            );
        }
        if let Some((value, position)) =
            speech.samples.iter().zip(due..).find(|(value, _)| !value.is_finite())
        {
            return Err(SpeechError::NotFinite { position, value: *value });
        }
        self.samples.extend_from_slice(&speech.samples);
        Ok(())
    }
}

/// The segment of a session that is open.
#[derive(Clone, Debug, Default)]
pub struct Collector {
    open: Option<Segment>,
}

impl Collector {
    /// Takes the next piece of speech; gives the segment that it completes. One that is cancelled is forgotten.
    ///
    /// # Errors
    ///
    /// The piece does not belong where it comes, or has a sample that is no finite number. The session cannot go on.
    pub fn push(&mut self, speech: &Speech) -> Result<Option<Segment>, SpeechError> {
        match speech.phase {
            Phase::Silence => {}
            Phase::Open => self.begin(speech)?,
            Phase::More => self.segment(speech)?.append(speech)?,
            Phase::Tentative => drop(self.segment(speech)?),
            Phase::Cancelled => {
                self.segment(speech)?;
                self.open = None;
            }
            Phase::Final => {
                self.segment(speech)?;
                return self.close(speech.end);
            }
        }
        Ok(None)
    }

    /// What there is of the segment that is open.
    pub fn open(&self) -> Option<&Segment> {
        self.open.as_ref()
    }

    /// Takes note that the session has ended.
    ///
    /// # Errors
    ///
    /// A segment is still open.
    pub fn finish(&mut self) -> Result<(), SpeechError> {
        match self.open.take() {
            None => Ok(()),
            Some(open) => Err(open.error("the session ended while it was open".to_owned())),
        }
    }

    /// The open segment, if it is the one that `speech` belongs to.
    fn segment(&mut self, speech: &Speech) -> Result<&mut Segment, SpeechError> {
        let Speech { segment, start, phase, .. } = speech;
        let problem = match &mut self.open {
            Some(open) if (open.number, open.start) == (*segment, *start) => None,
            Some(open) => Some(format!(
                "`{phase}` from sample {start} arrived while segment {} from sample {} was open",
                open.number, open.start
            )),
            None => Some(format!("`{phase}` arrived for a segment that was not opened")),
        };
        match (&mut self.open, problem) {
            (Some(open), None) => Ok(open),
            (_, problem) => {
                Err(SpeechError::Order { segment: *segment, problem: problem.unwrap_or_default() })
            }
        }
    }

    fn begin(&mut self, speech: &Speech) -> Result<(), SpeechError> {
        if let Some(open) = &self.open {
            return Err(open.error(format!("it is still open, and segment {} is opened", speech.segment)));
        }
        let mut segment = Segment { number: speech.segment, start: speech.start, samples: Vec::new() };
        segment.append(speech)?;
        self.open = Some(segment);
        Ok(())
    }

    fn close(&mut self, end: u64) -> Result<Option<Segment>, SpeechError> {
        let Some(mut segment) = self.open.take() else { return Ok(None) };
        let length = end.checked_sub(segment.start).and_then(|length| usize::try_from(length).ok());
        match length.filter(|length| *length <= segment.samples.len()) {
            None => Err(segment.error(format!(
                "it ends at sample {end}, outside the samples that arrived, {} to {}",
                segment.start,
                segment.end()
            ))),
            Some(length) => {
                segment.samples.truncate(length);
                Ok(Some(segment))
            }
        }
    }
}
