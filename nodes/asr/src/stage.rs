//! The stage: speech in, transcripts out.

use std::collections::BTreeMap;
use std::sync::Arc;

use undertone_inference::ModelFolder;
use undertone_messages::{
    Phase, SAMPLE_RATE, SessionId, Speech, Transcript, TranscriptStatus, Word, seconds,
};
use undertone_stage::{Factory, Stage};

use crate::arguments::Arguments;
use crate::error::AsrError;
use crate::recogniser::Recogniser;
use crate::transcriber::{Transcriber, Transcription};

/// Recognition in one session.
pub struct Asr {
    transcriber: Transcriber,
    minimum: u64,
    open: Option<Segment>,
}

/// A segment that has not ended.
struct Segment {
    number: u64,
    start: u64,
    samples: Vec<f32>,
}

impl Segment {
    fn end(&self) -> u64 {
        self.start + self.samples.len() as u64
    }

    fn error(&self, problem: String) -> AsrError {
        AsrError::Speech { segment: self.number, problem }
    }

    fn append(&mut self, speech: &Speech) -> Result<(), AsrError> {
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
            return Err(AsrError::NotFinite { position, value: *value });
        }
        self.samples.extend_from_slice(&speech.samples);
        Ok(())
    }
}

impl Asr {
    /// The state of a new session.
    ///
    /// # Errors
    ///
    /// A language that the model does not know.
    pub fn new(arguments: &Arguments, recogniser: Arc<Recogniser>) -> Result<Self, AsrError> {
        let transcriber = Transcriber::new(arguments, recogniser)?;
        Ok(Self { transcriber, minimum: minimum(arguments), open: None })
    }

    /// The open segment, if it is the one that `speech` belongs to.
    fn segment(&mut self, speech: &Speech) -> Result<&mut Segment, AsrError> {
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
            (_, problem) => Err(AsrError::Speech { segment: *segment, problem: problem.unwrap_or_default() }),
        }
    }

    fn open(&mut self, speech: &Speech) -> Result<(), AsrError> {
        if let Some(open) = &self.open {
            return Err(open.error(format!("it is still open, and segment {} is opened", speech.segment)));
        }
        let mut segment = Segment { number: speech.segment, start: speech.start, samples: Vec::new() };
        segment.append(speech)?;
        self.open = Some(segment);
        Ok(())
    }

    fn close(&mut self, end: u64) -> Result<Option<Transcript>, AsrError> {
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
                self.transcribe(&segment).map(Some)
            }
        }
    }

    fn transcribe(&self, segment: &Segment) -> Result<Transcript, AsrError> {
        let length = segment.samples.len() as u64;
        if length < self.minimum {
            let reason = format!(
                "too short to be recognised: {:.3} s, and at least {:.3} s are needed",
                seconds(length),
                seconds(self.minimum)
            );
            return Ok(self.transcript(segment, Transcription::rejected(reason)));
        }
        Ok(self.transcript(segment, self.transcriber.transcribe(&segment.samples)?))
    }

    fn transcript(&self, segment: &Segment, transcription: Transcription) -> Transcript {
        let Transcription { wording, language, objection, .. } = transcription;
        let words: Vec<Word> = wording
            .words
            .into_iter()
            .map(|word| Word {
                text: word.text,
                start: segment.start + word.start,
                end: segment.start + word.end,
                probability: word.probability,
            })
            .collect();
        // Of what was rejected, all may be seen.
        let text = if words.is_empty() { wording.notes.join(" ") } else { wording.text };
        Transcript {
            segment: segment.number,
            start: segment.start,
            end: segment.end(),
            text,
            words,
            average_log_probability: transcription.average_log_probability,
            no_speech_probability: transcription.no_speech_probability,
            language,
            status: match objection {
                None => TranscriptStatus::Final,
                Some(_) => TranscriptStatus::Rejected,
            },
            reason: objection.unwrap_or_default(),
            model: self.transcriber.identity().to_owned(),
        }
    }
}

impl Stage for Asr {
    type Input = Speech;
    type Output = Transcript;
    type Error = AsrError;

    fn push(&mut self, speech: Speech, output: &mut Vec<Transcript>) -> Result<(), AsrError> {
        match speech.phase {
            Phase::Silence => {}
            Phase::Open => self.open(&speech)?,
            Phase::More => self.segment(&speech)?.append(&speech)?,
            Phase::Tentative => drop(self.segment(&speech)?),
            Phase::Cancelled => {
                self.segment(&speech)?;
                self.open = None;
            }
            Phase::Final => {
                self.segment(&speech)?;
                output.extend(self.close(speech.end)?);
            }
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<Transcript>) -> Result<(), AsrError> {
        match self.open.take() {
            None => Ok(()),
            Some(open) => Err(open.error("the session ended while it was open".to_owned())),
        }
    }
}

fn minimum(arguments: &Arguments) -> u64 {
    u64::from(arguments.minimum_ms) * u64::from(SAMPLE_RATE / 1000)
}

/// Makes the states of sessions, which share a model.
pub struct AsrFactory {
    recogniser: Arc<Recogniser>,
    loaded: Arguments,
}

impl Factory for AsrFactory {
    type Arguments = Arguments;
    type Stage = Asr;

    fn load(arguments: &Arguments) -> Result<Self, AsrError> {
        let folder = ModelFolder::find(&arguments.model)?;
        let recogniser = Arc::new(Recogniser::load(&folder, &arguments.file)?);
        // A tenth of a second of silence touches all of the model's memory, so that the first utterance finds it ready.
        Transcriber::new(arguments, recogniser.clone())?.transcribe(&[0.0; SAMPLE_RATE as usize / 10])?;
        Ok(Self { recogniser, loaded: arguments.clone() })
    }

    fn models(&self) -> BTreeMap<String, String> {
        self.recogniser.files().clone()
    }

    fn create(&mut self, arguments: &Arguments, _: &SessionId) -> Result<Asr, AsrError> {
        self.check_fixed(arguments)?;
        Asr::new(arguments, self.recogniser.clone())
    }

    fn adjust(&mut self, arguments: &Arguments, stage: &mut Asr) -> Result<(), AsrError> {
        self.check_fixed(arguments)?;
        stage.transcriber = Transcriber::new(arguments, self.recogniser.clone())?;
        stage.minimum = minimum(arguments);
        Ok(())
    }
}

impl AsrFactory {
    fn check_fixed(&self, arguments: &Arguments) -> Result<(), AsrError> {
        let fixed =
            [("model", arguments.model == self.loaded.model), ("file", arguments.file == self.loaded.file)];
        match fixed.into_iter().find(|(_, same)| !same) {
            None => Ok(()),
            Some((name, _)) => Err(AsrError::Fixed { name }),
        }
    }
}
