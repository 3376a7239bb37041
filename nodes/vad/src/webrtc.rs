//! The WebRTC voice activity detector: Gaussian mixtures over the energies of six bands from 80 Hz to 4 kHz.
//!
//! It is libfvad, the detector cut out of WebRTC, through the crate `webrtc-vad`. It says yes or no; the probability is 1 or 0.
//! It has a frame of its own, since it takes 10, 20 or 30 ms and nothing else.

use webrtc_vad::{SampleRate, Vad, VadMode};

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

impl From<WebrtcMode> for VadMode {
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
    vad: Vad,
    mode: WebrtcMode,
    samples: [i16; FRAME],
}

// SAFETY: libfvad's state is memory that only `vad` points to, and its functions know of no thread.
unsafe impl Send for Webrtc {}

impl Webrtc {
    /// A detector for a new session.
    pub fn new(mode: WebrtcMode) -> Self {
        let vad = Vad::new_with_rate_and_mode(SampleRate::Rate16kHz, mode.into());
        Self { vad, mode, samples: [0; FRAME] }
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
        match self.vad.is_voice_segment(&self.samples) {
            Ok(voice) => Ok(f32::from(u8::from(voice))),
            Err(()) => Err(DetectorError::Webrtc),
        }
    }

    fn reset(&mut self) -> Result<(), DetectorError> {
        *self = Self::new(self.mode);
        Ok(())
    }
}
