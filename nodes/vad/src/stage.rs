//! The stage: audio in, speech out.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use undertone_messages::{AudioFrame, SAMPLE_RATE, SampleError, SessionId, Speech};
use undertone_stage::{Factory, FixedArgument, Stage, check_fixed};

use crate::arguments::{Arguments, ArgumentsError, DetectorKind};
use crate::detector::{Detector, DetectorError};
use crate::endpointer::Endpointer;
use crate::energy::Energy;
use crate::silero::SileroModel;
use crate::webrtc::{Webrtc, WebrtcMode};

/// What can be wrong with the arguments, the audio or the detector.
#[derive(Debug, thiserror::Error)]
pub enum VadError {
    /// Arguments that are not possible.
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    /// The detector fails.
    #[error(transparent)]
    Detector(#[from] DetectorError),
    /// Audio at another rate.
    #[error(
        "audio at {received} Hz arrived at sample {start}, but the detectors take {SAMPLE_RATE} Hz: let the source resample it, or put a resampler before this node"
    )]
    SampleRate {
        /// Where.
        start: u64,
        /// The rate of the audio.
        received: u32,
    },
    /// Audio that does not follow the audio before.
    #[error(
        "audio that starts at sample {received} arrived where sample {expected} belongs (the end of the audio before and a gap of {gap} samples): two sources may be wired to this input, or the sender counts lost samples wrongly"
    )]
    Discontinuity {
        /// Where the audio should start.
        expected: u64,
        /// Where it says that it starts.
        received: u64,
        /// The gap that it declares.
        gap: u64,
    },
    /// A sample that is none.
    #[error(transparent)]
    Sample(#[from] SampleError),
}

/// Voice activity detection in one session.
pub struct Vad {
    detector: Box<dyn Detector>,
    endpointer: Endpointer,
    /// After how many samples of silence the detector is refreshed, if ever.
    reset: Option<u64>,
    /// Samples of the present silence when it last was.
    refreshed: u64,
    /// Audio has arrived. The first may start anywhere: a part of a recording keeps its times.
    begun: bool,
    /// Samples of a frame that is not yet complete.
    pending: Vec<f32>,
}

impl Vad {
    /// The state of a new session, with any detector.
    ///
    /// # Errors
    ///
    /// The arguments are not possible.
    pub fn new(arguments: &Arguments, detector: Box<dyn Detector>) -> Result<Self, ArgumentsError> {
        let frame = detector.frame_length();
        let endpointer = Endpointer::new(arguments.rules(frame)?, frame);
        let reset = arguments.reset();
        Ok(Self {
            detector,
            endpointer,
            reset,
            refreshed: 0,
            begun: false,
            pending: Vec::with_capacity(frame),
        })
    }

    /// Sample index behind the last sample that arrived.
    fn position(&self) -> u64 {
        self.endpointer.position() + self.pending.len() as u64
    }

    fn check(&self, input: &AudioFrame) -> Result<(), VadError> {
        let AudioFrame { start, sample_rate, gap, .. } = *input;
        if sample_rate != SAMPLE_RATE {
            return Err(VadError::SampleRate { start, received: sample_rate });
        }
        let expected = self.position().saturating_add(gap);
        if start != expected {
            return Err(VadError::Discontinuity { expected, received: start, gap });
        }
        Ok(input.check_samples()?)
    }

    /// Takes samples, frame by frame, whatever their number.
    fn listen(&mut self, samples: &[f32], output: &mut Vec<Speech>) -> Result<(), VadError> {
        let frame = self.detector.frame_length();
        let missing = (frame - self.pending.len()).min(samples.len());
        let (first, rest) = samples.split_at(missing);
        self.pending.extend_from_slice(first);
        if self.pending.len() < frame {
            return Ok(());
        }
        let whole = std::mem::take(&mut self.pending);
        self.hear(&whole, output)?;
        let frames = rest.chunks_exact(frame);
        self.pending = whole;
        self.pending.clear();
        self.pending.extend_from_slice(frames.remainder());
        for samples in frames {
            self.hear(samples, output)?;
        }
        Ok(())
    }

    /// Takes a whole frame.
    fn hear(&mut self, frame: &[f32], output: &mut Vec<Speech>) -> Result<(), VadError> {
        let probability = self.detector.probability(frame)?;
        self.endpointer.push(frame, probability, output);
        let silence = self.endpointer.silence().unwrap_or(0);
        self.refreshed = self.refreshed.min(silence);
        if self.reset.is_some_and(|reset| silence - self.refreshed >= reset) {
            self.detector.refresh()?;
            self.refreshed = silence;
        }
        Ok(())
    }

    /// Takes the end of the audio: the detector hears the last samples and zeros behind them, the segment is closed.
    fn close(&mut self, output: &mut Vec<Speech>) -> Result<(), VadError> {
        if !self.pending.is_empty() {
            let mut frame = self.pending.clone();
            frame.resize(self.detector.frame_length(), 0.0);
            let probability = self.detector.probability(&frame)?;
            self.endpointer.push(&self.pending, probability, output);
            self.pending.clear();
        }
        self.endpointer.finish(output);
        Ok(())
    }
}

impl Stage for Vad {
    type Input = AudioFrame;
    type Output = Speech;
    type Error = VadError;

    fn push(&mut self, input: AudioFrame, output: &mut Vec<Speech>) -> Result<(), VadError> {
        if !self.begun {
            self.begun = true;
            self.endpointer.begin_at(input.start.saturating_sub(input.gap));
        }
        self.check(&input)?;
        if input.gap > 0 {
            self.close(output)?;
            self.detector.reset()?;
            self.refreshed = 0;
            self.endpointer.skip(input.gap, output);
        }
        self.listen(&input.samples, output)
    }

    fn finish(&mut self, output: &mut Vec<Speech>) -> Result<(), VadError> {
        self.close(output)
    }
}

/// What the sessions share: the arguments that do not change, and the model.
pub struct VadFactory {
    loaded: Arguments,
    source: DetectorSource,
}

/// Where a session's detector comes from.
enum DetectorSource {
    Silero(SileroModel),
    Energy { margin: f32 },
    Webrtc { mode: WebrtcMode },
}

impl VadFactory {
    /// A detector with the state of a new session.
    ///
    /// # Errors
    ///
    /// The detector cannot be created.
    pub fn detector(&self) -> Result<Box<dyn Detector>, DetectorError> {
        Ok(match &self.source {
            DetectorSource::Silero(model) => Box::new(model.detector()),
            DetectorSource::Energy { margin } => Box::new(Energy::new(*margin)),
            DetectorSource::Webrtc { mode } => Box::new(Webrtc::new(*mode)),
        })
    }
}

impl Factory for VadFactory {
    type Arguments = Arguments;
    type Stage = Vad;

    fn load(arguments: &Arguments) -> Result<Self, VadError> {
        let source = match arguments.detector {
            DetectorKind::Energy => DetectorSource::Energy { margin: arguments.margin() },
            DetectorKind::Webrtc => DetectorSource::Webrtc { mode: arguments.mode() },
            DetectorKind::Silero => {
                let folder = arguments.model.as_deref().unwrap_or(Path::new("silero-vad"));
                let threads = arguments.threads.unwrap_or(NonZeroUsize::MIN);
                let runtime = arguments.onnxruntime.as_deref();
                DetectorSource::Silero(SileroModel::open(folder, runtime, threads)?)
            }
        };
        let factory = Self { loaded: arguments.clone(), source };
        // The arguments are checked before the graph starts, not with the first session.
        Vad::new(arguments, factory.detector()?)?;
        Ok(factory)
    }

    fn models(&self) -> BTreeMap<String, String> {
        match &self.source {
            DetectorSource::Silero(model) => model.files().clone(),
            DetectorSource::Energy { .. } | DetectorSource::Webrtc { .. } => BTreeMap::new(),
        }
    }

    fn check(&self, changed: &Arguments) -> Result<(), FixedArgument> {
        let loaded = &self.loaded;
        check_fixed(&[
            ("detector", changed.detector == loaded.detector),
            ("margin-db", changed.margin_db == loaded.margin_db),
            ("webrtc-mode", changed.webrtc_mode == loaded.webrtc_mode),
            ("model", changed.model == loaded.model),
            ("onnxruntime", changed.onnxruntime == loaded.onnxruntime),
            ("threads", changed.threads == loaded.threads),
        ])
    }

    fn create(&mut self, arguments: &Arguments, _session: &SessionId) -> Result<Vad, VadError> {
        Ok(Vad::new(arguments, self.detector()?)?)
    }

    fn adjust(&mut self, arguments: &Arguments, stage: &mut Vad) -> Result<(), VadError> {
        stage.endpointer.adjust(arguments.rules(stage.detector.frame_length())?);
        stage.reset = arguments.reset();
        Ok(())
    }
}
