//! The stage: speech in, transcripts out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use undertone_inference::ModelFolder;
use undertone_messages::{Phase, SAMPLE_RATE, SessionId, Speech, Transcript};
use undertone_recognition::{Agreement, Collector, Relief, Rung, Schedule, Segment, Transcription};
use undertone_stage::{Cancel, Factory, FixedArgument, Preview, Stage, check_fixed};

use crate::arguments::Arguments;
use crate::error::AsrError;
use crate::recogniser::Recogniser;
use crate::transcriber::Transcriber;

/// The models of all rungs of the ladder, by what the arguments call them.
type Models = BTreeMap<PathBuf, Arc<Recogniser>>;

/// Recognition in one session.
pub struct Asr {
    transcriber: Transcriber,
    /// What to do with less effort, and how, for those rungs that recognise anything.
    ladder: Vec<(Rung, Option<Transcriber>)>,
    minimum_ms: u32,
    collector: Collector,
    schedule: Schedule,
    agreement: Agreement,
    /// A segment whose end was announced, and what was recognised of it.
    ahead: Option<(Segment, Transcription)>,
    /// How late the present input is.
    late: Duration,
    /// What was done with less effort for the last segment.
    relief: Option<String>,
}

impl Asr {
    /// The state of a new session. `models` has those of the ladder.
    ///
    /// # Errors
    ///
    /// A language that the model does not know.
    pub fn new(
        arguments: &Arguments,
        recogniser: Arc<Recogniser>,
        models: &Models,
    ) -> Result<Self, AsrError> {
        let same = |rung: &&Rung| rung.relief == Relief::Beam(arguments.beam);
        let ladder = arguments.when_late.iter().filter(|rung| !same(rung)).map(|rung| {
            let transcriber = match &rung.relief {
                Relief::Skip => None,
                Relief::Beam(beam) => {
                    let less = Arguments { beam: *beam, ..arguments.clone() };
                    Some(Transcriber::new(&less, recogniser.clone())?)
                }
                Relief::Model(name) => {
                    let smaller = models.get(name).unwrap_or(&recogniser);
                    Some(Transcriber::new(arguments, smaller.clone())?)
                }
            };
            Ok((rung.clone(), transcriber))
        });
        Ok(Self {
            ladder: ladder.collect::<Result<_, AsrError>>()?,
            transcriber: Transcriber::new(arguments, recogniser)?,
            minimum_ms: arguments.minimum_ms,
            collector: Collector::default(),
            schedule: Schedule::every(arguments.preview_ms),
            agreement: Agreement::default(),
            ahead: None,
            late: Duration::ZERO,
            relief: None,
        })
    }

    /// The transcript of a segment that has ended, with as much effort as there is time for.
    fn transcribe(&mut self, segment: &Segment) -> Result<Transcript, AsrError> {
        self.relief = None;
        let ahead = self.ahead.take().filter(|(known, _)| known == segment);
        let mut transcriber = &self.transcriber;
        let too_short = Transcription::too_short(segment.samples.len() as u64, self.minimum_ms);
        let transcription = if let Some(rejected) = too_short {
            rejected
        } else if let Some((_, transcription)) = ahead {
            transcription
        } else {
            let rung = Rung::find(&self.ladder, self.late, |(rung, _)| rung);
            self.relief = rung.map(|(rung, _)| rung.text());
            let skipped = || Transcription::rejected(self.relief.clone().unwrap_or_default());
            if let Some((_, Some(less))) = rung {
                transcriber = less;
            }
            match rung {
                Some((_, None)) => skipped(),
                _ => transcriber.transcribe(&segment.samples, &Cancel::default())?.unwrap_or_else(skipped),
            }
        };
        let model = transcriber.identity();
        let transcript = transcription.into_transcript(segment.number, segment.start, segment.end(), model);
        Ok(Transcript { degraded: self.relief.clone().unwrap_or_default(), ..transcript })
    }
}

impl Stage for Asr {
    type Input = Speech;
    type Output = Transcript;
    type Error = AsrError;

    fn push(&mut self, speech: Speech, output: &mut Vec<Transcript>) -> Result<(), AsrError> {
        self.schedule.follow(&speech);
        if let Some(segment) = self.collector.push(&speech)? {
            output.push(self.transcribe(&segment)?);
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<Transcript>) -> Result<(), AsrError> {
        Ok(self.collector.finish()?)
    }

    fn lateness(&mut self, late: Duration) {
        self.late = late;
    }

    fn relief(&mut self) -> Option<String> {
        self.relief.take()
    }
}

/// Previews are partial transcripts of what there is of a segment. When its end is announced it is recognised as if that
/// were certain, so that the transcript is there when it is.
impl Preview for Asr {
    fn is_due(&self, speech: &Speech) -> bool {
        self.schedule.is_due(speech)
    }

    fn preview(&mut self, speech: &Speech, cancel: &Cancel) -> Result<Option<Transcript>, AsrError> {
        let Some(segment) = self.collector.open().filter(|open| open.number == speech.segment) else {
            return Ok(None);
        };
        if Transcription::too_short(segment.samples.len() as u64, self.minimum_ms).is_some() {
            return Ok(None);
        }
        let found = self.transcriber.transcribe(&segment.samples, cancel)?;
        let Some(transcription) = found else { return Ok(None) };
        self.schedule.looked(segment.end());
        if speech.phase == Phase::Tentative {
            self.ahead = Some((segment.clone(), transcription.clone()));
        }
        // What is not to be trusted may be, once more was heard.
        if transcription.objection.is_some() {
            return Ok(None);
        }
        let (number, start, end) = (segment.number, segment.start, segment.end());
        let transcript = transcription.into_transcript(number, start, end, self.transcriber.identity());
        Ok(Some(self.agreement.partial(transcript)))
    }

    fn is_outdated(speech: &Speech, later: &Speech) -> bool {
        Schedule::is_outdated(speech, later)
    }

    fn makes_way(speech: &Speech, other: &Speech) -> bool {
        Schedule::makes_way(speech, other)
    }
}

/// Makes the states of sessions, which share a model.
pub struct AsrFactory {
    recogniser: Arc<Recogniser>,
    models: Models,
    loaded: Arguments,
}

impl Factory for AsrFactory {
    type Arguments = Arguments;
    type Stage = Asr;

    fn load(arguments: &Arguments) -> Result<Self, AsrError> {
        let load = |name: &Path| -> Result<Arc<Recogniser>, AsrError> {
            let recogniser = Arc::new(Recogniser::load(&ModelFolder::find(name)?, &arguments.file)?);
            // A tenth of a second of silence touches all of the model's memory, so that the first utterance finds it ready.
            let silence = [0.0; SAMPLE_RATE as usize / 10];
            Transcriber::new(arguments, recogniser.clone())?.transcribe(&silence, &Cancel::default())?;
            Ok(recogniser)
        };
        let recogniser = load(&arguments.model)?;
        let models = arguments.when_late.iter().filter_map(|rung| match &rung.relief {
            Relief::Model(name) => Some(load(name).map(|model| (name.clone(), model))),
            Relief::Beam(_) | Relief::Skip => None,
        });
        Ok(Self { models: models.collect::<Result<_, _>>()?, recogniser, loaded: arguments.clone() })
    }

    fn models(&self) -> BTreeMap<String, String> {
        let models = self.models.values().chain([&self.recogniser]);
        models.flat_map(|model| model.files().clone()).collect()
    }

    fn check(&self, changed: &Arguments) -> Result<(), FixedArgument> {
        check_fixed(&[
            ("model", changed.model == self.loaded.model),
            ("file", changed.file == self.loaded.file),
            ("when-late", changed.when_late == self.loaded.when_late),
        ])
    }

    fn create(&mut self, arguments: &Arguments, _: &SessionId) -> Result<Asr, AsrError> {
        Asr::new(arguments, self.recogniser.clone(), &self.models)
    }

    fn adjust(&mut self, arguments: &Arguments, stage: &mut Asr) -> Result<(), AsrError> {
        let collector = std::mem::take(&mut stage.collector);
        let changed = Asr::new(arguments, self.recogniser.clone(), &self.models)?;
        *stage = Asr { collector, agreement: std::mem::take(&mut stage.agreement), ..changed };
        Ok(())
    }
}
