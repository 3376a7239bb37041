//! The stage: features in, emotion out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use undertone_inference::ModelError;
use undertone_messages::{Emotion, Features, Phase, SAMPLE_RATE, Scope, SessionId};
use undertone_stage::{Factory, FixedArgument, Stage, lock};

use crate::arguments::Arguments;
use crate::estimate::{check_model, emotion, too_short};
use crate::model::{AcousticModel, Frames, is_prosody};
use crate::segment::Segment;

/// What can be wrong with the model or the features.
#[derive(Debug, thiserror::Error)]
pub enum AcousticError {
    /// The model is missing or damaged, or fails.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Features of another kind than the model was trained on.
    #[error(
        "segment {segment}: features of {width} values every {hop} samples arrived, but the model {model} takes {expected_width} values every {expected_hop} samples: give the mfcc node the `feature` settings of the model's config.json (--coefficients, --deltas, --hop-ms), or choose another --model"
    )]
    Features {
        /// The segment.
        segment: u64,
        /// Values in a frame, as they arrived.
        width: u32,
        /// Samples from frame to frame, as they arrived.
        hop: u32,
        /// The model.
        model: String,
        /// Values in a frame, as the model takes them.
        expected_width: usize,
        /// Samples from frame to frame, as the model takes them.
        expected_hop: u64,
    },
    /// Features that are as wide as the model's and something else.
    #[error(
        "segment {segment}: features of the kind `{kind}` arrived, but the model {model} was trained on `{expected}`: {}, or choose another --model{}",
        sender(expected),
        if_trained_on(kind)
    )]
    Kind {
        /// The segment.
        segment: u64,
        /// What arrived.
        kind: String,
        /// The model.
        model: String,
        /// What the model was trained on.
        expected: String,
    },
    /// A message that does not follow the one before.
    #[error(
        "segment {segment}: `{phase}` arrived while {state}: two outputs may be wired to this input, or the sender breaks the order open, more, final"
    )]
    Order {
        /// The segment of the message.
        segment: u64,
        /// The phase of the message.
        phase: Phase,
        /// Which segment is open.
        state: String,
    },
    /// The session ended before the segment.
    #[error(
        "the session ended inside segment {segment}, which has neither been final nor cancelled: the sender ended too early"
    )]
    Unfinished {
        /// The segment that is open.
        segment: u64,
    },
}

/// Where rows of a kind come from.
fn sender(kind: &str) -> &'static str {
    if is_prosody(kind) {
        "wire the prosody node to `features`, with the arguments that this names"
    } else {
        "give the mfcc node the `feature` settings of the model's config.json (--preset and others)"
    }
}

/// What to write if the model was trained on the very kind of rows that arrived.
fn if_trained_on(kind: &str) -> String {
    let preset = if is_prosody(kind) { Some(kind) } else { kind.strip_prefix("mfcc ") };
    preset.map_or_else(String::new, |preset| {
        format!("; if this model was trained on them, write \"preset\": \"{preset}\" under `feature` of its config.json")
    })
}

/// The acoustic estimates of one session.
pub struct Acoustic {
    model: Arc<Mutex<AcousticModel>>,
    frames: Frames,
    kind: Option<String>,
    /// Samples from one estimate to the next.
    interval: u64,
    open: Option<Segment>,
}

impl Acoustic {
    fn check(&self, input: &Features) -> Result<(), AcousticError> {
        let Frames { width, hop, .. } = self.frames;
        let segment = input.segment;
        let model = || lock(&self.model).classifier.identity().to_owned();
        // The kind first: rows of another node cannot be made to fit.
        if let Some(expected) = &self.kind
            && *expected != input.kind
        {
            let (kind, expected) = (input.kind.clone(), expected.clone());
            return Err(AcousticError::Kind { segment, kind, model: model(), expected });
        }
        if input.width as usize == width && u64::from(input.hop) == hop {
            return Ok(());
        }
        Err(AcousticError::Features {
            segment,
            width: input.width,
            hop: input.hop,
            model: model(),
            expected_width: width,
            expected_hop: hop,
        })
    }

    /// The segment that the message belongs to; `Open` begins it.
    fn segment(&mut self, input: &Features) -> Result<Segment, AcousticError> {
        match (self.open.take(), input.phase) {
            (None, Phase::Open) => Ok(Segment::new(input.segment, input.start, self.interval, self.frames)),
            (Some(open), phase) if open.number == input.segment && phase != Phase::Open => Ok(open),
            (open, phase) => Err(AcousticError::Order {
                segment: input.segment,
                phase,
                state: open.map_or_else(
                    || "no segment is open".to_owned(),
                    |open| format!("segment {} is open", open.number),
                ),
            }),
        }
    }
}

impl Stage for Acoustic {
    type Input = Features;
    type Output = Emotion;
    type Error = AcousticError;

    fn push(&mut self, input: Features, output: &mut Vec<Emotion>) -> Result<(), AcousticError> {
        if input.phase == Phase::Silence {
            return Ok(());
        }
        self.check(&input)?;
        let mut segment = self.segment(&input)?;
        if input.phase == Phase::Cancelled {
            return Ok(());
        }
        segment.extend(&input.values);
        let mut model = lock(&self.model);
        estimate_windows(&mut model, &mut segment, output)?;
        if input.phase == Phase::Final {
            output.push(estimate_segment(&mut model, &segment, input.end)?);
        } else {
            drop(model);
            self.open = Some(segment);
        }
        Ok(())
    }

    fn finish(&mut self, _output: &mut Vec<Emotion>) -> Result<(), AcousticError> {
        match self.open.take() {
            None => Ok(()),
            Some(segment) => Err(AcousticError::Unfinished { segment: segment.number }),
        }
    }
}

/// Judges the windows that have become complete.
fn estimate_windows(
    model: &mut AcousticModel,
    segment: &mut Segment,
    output: &mut Vec<Emotion>,
) -> Result<(), AcousticError> {
    let number = segment.number;
    while let Some(window) = segment.next_window() {
        let estimate = model.estimate(window.values)?;
        let emotion = emotion(&model.classifier, number, Scope::Window, window.samples);
        output.push(estimate.into_emotion(emotion));
    }
    Ok(())
}

/// Judges a segment that ends at sample index `end`.
fn estimate_segment(
    model: &mut AcousticModel,
    segment: &Segment,
    end: u64,
) -> Result<Emotion, AcousticError> {
    let values = segment.until(end);
    let Frames { width, minimum, .. } = model.frames();
    let count = values.len() / width;
    let emotion = emotion(&model.classifier, segment.number, Scope::Segment, segment.start..end);
    if count < minimum {
        let reason = too_short(end.saturating_sub(segment.start), count, minimum);
        return Ok(Emotion { reason, ..emotion });
    }
    Ok(model.estimate(values)?.into_emotion(emotion))
}

/// The model, which all sessions share.
pub struct AcousticFactory {
    model: Arc<Mutex<AcousticModel>>,
    /// What the model was loaded with.
    arguments: Arguments,
}

impl Factory for AcousticFactory {
    type Arguments = Arguments;
    type Stage = Acoustic;

    fn load(arguments: &Arguments) -> Result<Self, AcousticError> {
        let model = Arc::new(Mutex::new(AcousticModel::load(arguments)?));
        Ok(Self { model, arguments: arguments.clone() })
    }

    fn models(&self) -> BTreeMap<String, String> {
        lock(&self.model).classifier.files().clone()
    }

    fn check(&self, changed: &Arguments) -> Result<(), FixedArgument> {
        check_model(changed, &self.arguments)
    }

    fn create(&mut self, arguments: &Arguments, _session: &SessionId) -> Result<Acoustic, AcousticError> {
        let model = lock(&self.model);
        let (frames, kind) = (model.frames(), model.kind().map(str::to_owned));
        let model = Arc::clone(&self.model);
        Ok(Acoustic { model, frames, kind, interval: interval(arguments), open: None })
    }

    fn adjust(&mut self, arguments: &Arguments, stage: &mut Acoustic) -> Result<(), AcousticError> {
        stage.interval = interval(arguments);
        Ok(())
    }
}

/// Samples from one estimate to the next.
fn interval(arguments: &Arguments) -> u64 {
    u64::from(arguments.every_ms.get()) * u64::from(SAMPLE_RATE / 1000)
}
