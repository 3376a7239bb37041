//! The WebRTC voice activity detector: Gaussian mixtures over the energies of six bands from 80 Hz to 4 kHz.
//!
//! It is libfvad, the detector cut out of WebRTC, through the crate `fvad`. It says yes or no; the probability is 1 or 0.
//! It has a frame of its own, since it takes 10, 20 or 30 ms and nothing else.

use fvad::{Fvad, Mode, SampleRate};

use crate::detector::{Detector, DetectorError};

/// 30 ms, on which the detector is surest.
const FRAME: usize = 480;

/// How sure the WebRTC detector has to be before it says that a frame is speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum WebrtcMode {
    /// Misses the least speech, and takes the most noise for speech.
    Quality,
    /// A little stricter.
    LowBitrate,
    /// Strict.
    Aggressive,
    /// Takes the least noise for speech, and misses the most speech.
    VeryAggressive,
}

impl From<WebrtcMode> for Mode {
    fn from(mode: WebrtcMode) -> Self {
        match mode {
            WebrtcMode::Quality => Self::Quality,
            WebrtcMode::LowBitrate => Self::LowBitrate,
            WebrtcMode::Aggressive => Self::Aggressive,
            WebrtcMode::VeryAggressive => Self::VeryAggressive,
        }
    }
}

/// The WebRTC detector in one session.
pub struct Webrtc {
    fvad: Fvad,
    mode: WebrtcMode,
    samples: [i16; FRAME],
}

impl Webrtc {
    /// A detector for a new session.
    ///
    /// # Errors
    ///
    /// There is no memory left.
    pub fn new(mode: WebrtcMode) -> Result<Self, DetectorError> {
        let fvad = Fvad::new().ok_or(DetectorError::Webrtc { problem: "found no memory for its state" })?;
        let fvad = fvad.set_mode(mode.into()).set_sample_rate(SampleRate::Rate16kHz);
        Ok(Self { fvad, mode, samples: [0; FRAME] })
    }
}

impl Detector for Webrtc {
    fn frame_length(&self) -> usize {
        FRAME
    }

    fn probability(&mut self, frame: &[f32]) -> Result<f32, DetectorError> {
        for (sample, new) in self.samples.iter_mut().zip(frame) {
            // A cast of floating point numbers saturates.
            *sample = (new * 32768.0).round() as i16;
        }
        match self.fvad.is_voice_frame(&self.samples) {
            Some(voice) => Ok(f32::from(u8::from(voice))),
            None => Err(DetectorError::Webrtc { problem: "did not accept a frame of 480 samples at 16 kHz" }),
        }
    }

    fn reset(&mut self) -> Result<(), DetectorError> {
        *self = Self::new(self.mode)?;
        Ok(())
    }
}
