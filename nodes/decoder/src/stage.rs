//! The stage: encodings in, transcripts out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use undertone_inference::{ModelFolder, load_runtime};
use undertone_messages::{Encoding, SessionId, Transcript, WindowOrder, seconds};
use undertone_recognition::{Guard, Recognition, Relief, Rung, Stop, Transcription, judge};
use undertone_stage::{Cancel, Factory, FixedArgument, Preview, Stage, check_fixed, lock};

use crate::arguments::Arguments;
use crate::error::DecoderError;
use crate::model::DecoderModel;
use crate::preview::Previews;
use crate::recogniser::Recogniser;
use crate::search::Search;

/// The most tokens of a text, as OpenAI's decoder has it: half of what the model can read.
const MOST_TOKENS: usize = 224;

/// Decoding in one session.
pub struct Decoder {
    recogniser: Arc<Mutex<Recogniser>>,
    arguments: Arguments,
    language: Option<String>,
    order: WindowOrder,
    heard: Heard,
    previews: Previews,
    /// How late the present segment is.
    late: Duration,
    /// What was done with less effort for it.
    relief: Option<String>,
}

/// What was recognised of a segment so far.
#[derive(Default)]
struct Heard {
    /// Of each window, with its start in the segment.
    recognised: Vec<(u64, Recognition)>,
    energies: Vec<f32>,
    /// Why the text of a window was cut short, by what there was of the segment then.
    stop: Option<Stop>,
    /// What was done with less effort.
    rung: Option<Rung>,
}

impl Decoder {
    fn new(arguments: &Arguments, recogniser: Arc<Mutex<Recogniser>>) -> Result<Self, DecoderError> {
        let language = lock(&recogniser).check_language(&arguments.language)?;
        if arguments.when_late.iter().any(|rung| matches!(rung.relief, Relief::Model(_))) {
            return Err(DecoderError::OtherModel);
        }
        Ok(Self {
            recogniser,
            arguments: arguments.clone(),
            language,
            order: WindowOrder::default(),
            heard: Heard::default(),
            previews: Previews::new(arguments),
            late: Duration::ZERO,
            relief: None,
        })
    }

    /// Recognises a window of the segment that begins at `start`, with as much effort as there is time for.
    fn hear(&mut self, encoding: &Encoding, start: u64, guard: &Guard) -> Result<(), DecoderError> {
        self.heard.energies.extend_from_slice(&encoding.energies);
        let recognition = match self.previews.take(encoding) {
            Some(recognition) => Some(recognition),
            None => {
                let rung = Rung::find(&self.arguments.when_late, self.late, |rung| rung);
                let mut beam = Some(self.arguments.beam);
                if let Some(rung) = rung.filter(|rung| rung.relief != Relief::Beam(self.arguments.beam)) {
                    beam = if let Relief::Beam(beam) = rung.relief { Some(beam) } else { None };
                    self.heard.rung = Some(rung.clone());
                }
                match beam {
                    Some(beam) => self.recognise(encoding, guard, beam, &Cancel::default())?,
                    None => None,
                }
            }
        };
        if let Some(recognition) = recognition {
            self.heard.stop = self.heard.stop.or_else(|| recognition.stop(guard));
            self.heard.recognised.push((encoding.start - start, recognition));
        }
        Ok(())
    }

    /// Recognises a window, unless it is cancelled.
    fn recognise(
        &self,
        encoding: &Encoding,
        guard: &Guard,
        beam: u8,
        cancel: &Cancel,
    ) -> Result<Option<Recognition>, DecoderError> {
        let mut recogniser = lock(&self.recogniser);
        if encoding.model != recogniser.model().encoder() {
            return Err(DecoderError::OtherEncoder {
                found: encoding.model.clone(),
                needed: recogniser.model().encoder().to_owned(),
            });
        }
        let samples = encoding.end.saturating_sub(encoding.start);
        let timestamps = self.arguments.timestamps;
        let search = Search { beam: beam.into(), timestamps, guard: *guard };
        let mut decoding = recogniser.begin(&encoding.states, self.language.as_deref(), search)?;
        while !cancel.is_cancelled() {
            if !recogniser.advance(&mut decoding)? {
                return Ok(Some(recogniser.finish(decoding, samples)));
            }
        }
        Ok(None)
    }

    fn guard(&self, samples: u64) -> Guard {
        let limits = &self.arguments.limits;
        Guard {
            repetition: limits.token_repetition(),
            most_tokens: MOST_TOKENS,
            most_english_tokens: limits.most_english_tokens(seconds(samples)),
        }
    }
}

impl Stage for Decoder {
    type Input = Encoding;
    type Output = Transcript;
    type Error = DecoderError;

    fn push(&mut self, encoding: Encoding, output: &mut Vec<Transcript>) -> Result<(), DecoderError> {
        let start = self.order.accept(&encoding)?;
        let Encoding { segment, end, complete, .. } = encoding;
        let length = end - start;
        let short = complete.then(|| Transcription::too_short(length, self.arguments.minimum_ms)).flatten();
        if short.is_none() {
            self.hear(&encoding, start, &self.guard(length))?;
        }
        if !complete {
            return Ok(());
        }
        self.previews.close(segment);
        let Heard { recognised, energies, stop, rung } = std::mem::take(&mut self.heard);
        self.relief = rung.as_ref().map(Rung::text);
        let degraded = self.relief.clone().unwrap_or_default();
        let transcription = match (short, rung) {
            (Some(short), _) => short,
            (None, Some(Rung { relief: Relief::Skip, .. })) => Transcription::rejected(degraded.clone()),
            (None, _) => judge(recognised, length, &energies, stop, &self.arguments.limits),
        };
        let model = lock(&self.recogniser).model().identity().to_owned();
        output.push(Transcript { degraded, ..transcription.into_transcript(segment, start, end, &model) });
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<Transcript>) -> Result<(), DecoderError> {
        Ok(self.order.finish()?)
    }

    fn lateness(&mut self, late: Duration) {
        self.late = late;
    }

    fn relief(&mut self) -> Option<String> {
        self.relief.take()
    }
}

/// Previews are partial transcripts of what the encoder has previewed. An end that it announces is recognised as if it were
/// certain, so that the transcript is there when it is.
impl Preview for Decoder {
    fn is_due(&self, encoding: &Encoding) -> bool {
        self.previews.is_due(encoding)
    }

    fn preview(&mut self, encoding: &Encoding, cancel: &Cancel) -> Result<Option<Transcript>, DecoderError> {
        let Encoding { segment, start, end, complete, .. } = *encoding;
        let length = end.saturating_sub(start);
        if Transcription::too_short(length, self.arguments.minimum_ms).is_some() {
            return Ok(None);
        }
        let guard = self.guard(length);
        let Some(recognition) = self.recognise(encoding, &guard, self.arguments.beam, cancel)? else {
            return Ok(None);
        };
        let (pieces, stop) = (vec![(0, recognition.clone())], recognition.stop(&guard));
        let transcription = judge(pieces, length, &encoding.energies, stop, &self.arguments.limits);
        self.previews.made(end);
        if complete {
            self.previews.keep(encoding.clone(), recognition);
        }
        // What is not to be trusted may be, once more was heard.
        if transcription.objection.is_some() {
            return Ok(None);
        }
        let model = lock(&self.recogniser).model().identity().to_owned();
        let transcript = transcription.into_transcript(segment, start, end, &model);
        Ok(Some(self.previews.partial(transcript)))
    }

    fn is_outdated(encoding: &Encoding, later: &Encoding) -> bool {
        let same_end = (encoding.segment, encoding.end) == (later.segment, later.end);
        if encoding.complete { !same_end } else { later.complete || later.segment != encoding.segment }
    }

    fn makes_way(encoding: &Encoding, _: &Encoding) -> bool {
        // What is done for an announced end has to be done anyway.
        !encoding.complete
    }
}

/// Makes the states of sessions, which share a model.
pub struct DecoderFactory {
    recogniser: Arc<Mutex<Recogniser>>,
    loaded: Arguments,
}

impl Factory for DecoderFactory {
    type Arguments = Arguments;
    type Stage = Decoder;

    fn load(arguments: &Arguments) -> Result<Self, DecoderError> {
        load_runtime(arguments.onnxruntime.as_deref())?;
        let folder = ModelFolder::find(&arguments.model)?;
        let mut recogniser =
            Recogniser::new(DecoderModel::load(&folder, arguments.precision, arguments.threads)?);
        recogniser.warm_up()?;
        Ok(Self { recogniser: Arc::new(Mutex::new(recogniser)), loaded: arguments.clone() })
    }

    fn models(&self) -> BTreeMap<String, String> {
        lock(&self.recogniser).model().files().clone()
    }

    fn check(&self, changed: &Arguments) -> Result<(), FixedArgument> {
        check_fixed(&[
            ("model", changed.model == self.loaded.model),
            ("precision", changed.precision == self.loaded.precision),
            ("threads", changed.threads == self.loaded.threads),
            ("onnxruntime", changed.onnxruntime == self.loaded.onnxruntime),
            ("when-late", changed.when_late == self.loaded.when_late),
        ])
    }

    fn create(&mut self, arguments: &Arguments, _: &SessionId) -> Result<Decoder, DecoderError> {
        Decoder::new(arguments, self.recogniser.clone())
    }

    fn adjust(&mut self, arguments: &Arguments, stage: &mut Decoder) -> Result<(), DecoderError> {
        let changed = Decoder::new(arguments, self.recogniser.clone())?;
        let heard = std::mem::take(&mut stage.heard);
        let previews = std::mem::replace(&mut stage.previews, Previews::new(arguments)).adjusted(arguments);
        *stage = Decoder { order: stage.order, heard, previews, ..changed };
        Ok(())
    }
}
