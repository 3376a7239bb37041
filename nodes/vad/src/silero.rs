//! Silero VAD, a recurrent network on ONNX Runtime.
//!
//! Source: Silero VAD 6.2 (<https://github.com/snakers4/silero-vad>), whose `OnnxWrapper` this follows: a step takes 512
//! new samples behind the last 64 of the step before, and a state that it gives back. State and context begin as zeros.
//!
//! The state goes stale in long silence: onsets are then found late, and some utterances not at all, which the same
//! network hears when it is new. A network that is new this very moment says little in its first frames, which may be
//! those of an onset. So [`Detector::refresh`] starts it anew a second ago: it hears the last [`RECENT`] frames again.
//! [`Vad`](crate::Vad) says when, by the samples of the session alone.
//!
//! Shouts and cries at a high pitch it may still miss. In 13 of RAVDESS's 1,200 clips, all of strong intensity by three
//! women, it is never sure for 250 ms. That is the network's own: neither another level (down to -26 dB) nor a lower
//! minimum of speech or threshold (0.3) brings back more than 8, and those in scraps; played at 0.7 times the speed it
//! hears 10.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use undertone_inference::{Dimension, Element, ModelFolder, Port, Session, Tensor, load_runtime};
use undertone_messages::SAMPLE_RATE;

use crate::detector::{Detector, DetectorError};

const FRAME: usize = 512;
const CONTEXT: usize = 64;
/// Frames that a detector hears again when it forgets the rest: 992 ms. It costs as many steps, so that silence costs half
/// as much again when a detector is refreshed each 2 s.
const RECENT: usize = 31;
const STATE: [usize; 3] = [2, 1, 128];
const STATE_LENGTH: usize = 2 * 128;

/// The model, which the sessions share.
#[derive(Clone, Debug)]
pub struct SileroModel {
    session: Arc<Mutex<Session>>,
    files: BTreeMap<String, String>,
}

impl SileroModel {
    /// Opens and warms up the model of a folder, given as a path or by name; see [`ModelFolder::find`].
    ///
    /// # Errors
    ///
    /// ONNX Runtime or the model is missing, damaged, or of another shape.
    pub fn open(model: &Path, runtime: Option<&Path>, threads: NonZeroUsize) -> Result<Self, DetectorError> {
        load_runtime(runtime)?;
        let folder = ModelFolder::find(model)?;
        let session = Session::open(&folder, "model.onnx", threads.get())?;
        check(&session)?;
        let model = Self { session: Arc::new(Mutex::new(session)), files: folder.used() };
        model.detector().probability(&[0.0; FRAME])?;
        model.detector().probability(&[0.0; FRAME])?;
        Ok(model)
    }

    /// The files that the model was loaded from, with their SHA-256.
    pub fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    /// A detector for a new session.
    pub fn detector(&self) -> Silero {
        let recent = VecDeque::with_capacity(RECENT);
        Silero { model: self.clone(), window: [0.0; CONTEXT + FRAME], state: [0.0; STATE_LENGTH], recent }
    }
}

fn check(session: &Session) -> Result<(), DetectorError> {
    use Dimension::{Fixed, Open};
    let window = [Fixed(1), Fixed(CONTEXT + FRAME)];
    let state = STATE.map(Fixed);
    let inputs = [
        Port { name: "input", element: Element::F32, shape: &window },
        Port { name: "state", element: Element::F32, shape: &state },
        Port { name: "sr", element: Element::I64, shape: &[] },
    ];
    let outputs = [
        Port { name: "output", element: Element::F32, shape: &[Open("batch"), Fixed(1)] },
        Port {
            name: "stateN",
            element: Element::F32,
            shape: &[Open("layers"), Open("batch"), Open("width")],
        },
    ];
    Ok(session.check(&inputs, &outputs)?)
}

/// Silero VAD in one session.
#[derive(Clone, Debug)]
pub struct Silero {
    model: SileroModel,
    /// The context, then the frame.
    window: [f32; CONTEXT + FRAME],
    state: [f32; STATE_LENGTH],
    /// The last frames, oldest first: [`RECENT`] at most.
    recent: VecDeque<[f32; FRAME]>,
}

impl Silero {
    /// The network's next step.
    fn step(&mut self, frame: &[f32]) -> Result<f32, DetectorError> {
        self.window.copy_within(FRAME.., 0);
        for (sample, new) in self.window.iter_mut().skip(CONTEXT).zip(frame) {
            *sample = *new;
        }
        let mut session = self.model.session.lock().unwrap_or_else(PoisonError::into_inner);
        let model = session.identity().to_owned();
        let outputs = session.run(&[
            ("input", Tensor::f32(&[1, CONTEXT + FRAME], &self.window)),
            ("state", Tensor::f32(&STATE, &self.state)),
            ("sr", Tensor::i64(&[], &[i64::from(SAMPLE_RATE)])),
        ])?;
        let (_, state) = outputs.f32("stateN")?;
        self.state = state.try_into().map_err(|_| DetectorError::OutputLength {
            model: model.clone(),
            output: "stateN",
            expected: STATE_LENGTH,
            received: state.len(),
        })?;
        match outputs.f32("output")?.1 {
            [probability] if (0.0..=1.0).contains(probability) => Ok(*probability),
            values => Err(DetectorError::NotAProbability { model, value: format!("{values:?}") }),
        }
    }

    fn remember(&mut self, frame: &[f32]) {
        let mut kept =
            if self.recent.len() < RECENT { None } else { self.recent.pop_front() }.unwrap_or([0.0; FRAME]);
        kept.iter_mut().zip(frame).for_each(|(sample, new)| *sample = *new);
        self.recent.push_back(kept);
    }
}

impl Detector for Silero {
    fn frame_length(&self) -> usize {
        FRAME
    }

    fn probability(&mut self, frame: &[f32]) -> Result<f32, DetectorError> {
        self.remember(frame);
        self.step(frame)
    }

    fn reset(&mut self) -> Result<(), DetectorError> {
        *self = self.model.detector();
        Ok(())
    }

    fn refresh(&mut self) -> Result<(), DetectorError> {
        let recent = std::mem::take(&mut self.recent);
        self.reset()?;
        recent.iter().try_for_each(|frame| self.step(frame).map(drop))?;
        self.recent = recent;
        Ok(())
    }
}
