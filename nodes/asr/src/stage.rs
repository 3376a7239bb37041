//! The stage: speech in, transcripts out.

use std::collections::BTreeMap;
use std::sync::Arc;

use undertone_inference::ModelFolder;
use undertone_messages::{SAMPLE_RATE, SessionId, Speech, Transcript, TranscriptStatus, Word, seconds};
use undertone_recognition::{Collector, Segment, Transcription};
use undertone_stage::{Factory, Stage};

use crate::arguments::Arguments;
use crate::error::AsrError;
use crate::recogniser::Recogniser;
use crate::transcriber::Transcriber;

/// Recognition in one session.
pub struct Asr {
    transcriber: Transcriber,
    minimum: u64,
    collector: Collector,
}

impl Asr {
    /// The state of a new session.
    ///
    /// # Errors
    ///
    /// A language that the model does not know.
    pub fn new(arguments: &Arguments, recogniser: Arc<Recogniser>) -> Result<Self, AsrError> {
        let transcriber = Transcriber::new(arguments, recogniser)?;
        Ok(Self { transcriber, minimum: minimum(arguments), collector: Collector::default() })
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
        if let Some(segment) = self.collector.push(&speech)? {
            output.push(self.transcribe(&segment)?);
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<Transcript>) -> Result<(), AsrError> {
        Ok(self.collector.finish()?)
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
