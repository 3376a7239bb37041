//! The stage: speech in, transcripts out.

use std::collections::BTreeMap;
use std::sync::Arc;

use undertone_inference::ModelFolder;
use undertone_messages::{SAMPLE_RATE, SessionId, Speech, Transcript};
use undertone_recognition::{Collector, Segment, Transcription};
use undertone_stage::{Factory, Stage, check_fixed};

use crate::arguments::Arguments;
use crate::error::AsrError;
use crate::recogniser::Recogniser;
use crate::transcriber::Transcriber;

/// Recognition in one session.
pub struct Asr {
    transcriber: Transcriber,
    minimum_ms: u32,
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
        Ok(Self { transcriber, minimum_ms: arguments.minimum_ms, collector: Collector::default() })
    }

    fn transcribe(&self, segment: &Segment) -> Result<Transcript, AsrError> {
        let transcription = match Transcription::too_short(segment.samples.len() as u64, self.minimum_ms) {
            Some(rejected) => rejected,
            None => self.transcriber.transcribe(&segment.samples)?,
        };
        let model = self.transcriber.identity();
        Ok(transcription.into_transcript(segment.number, segment.start, segment.end(), model))
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
        stage.minimum_ms = arguments.minimum_ms;
        Ok(())
    }
}

impl AsrFactory {
    fn check_fixed(&self, arguments: &Arguments) -> Result<(), AsrError> {
        let fixed =
            [("model", arguments.model == self.loaded.model), ("file", arguments.file == self.loaded.file)];
        Ok(check_fixed(&fixed)?)
    }
}
