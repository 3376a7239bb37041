//! What tells speech from other sound, frame by frame.

use undertone_inference::ModelError;

/// A voice activity detector for mono audio at 16 kHz, with the state of one session.
pub trait Detector: Send {
    /// Samples in a frame. Always the same for one detector, and not 0.
    fn frame_length(&self) -> usize;

    /// The probability, 0 to 1, that the next frame is speech. `frame` has [`Detector::frame_length`] samples, full
    /// scale at ±1, and follows the frame before without a gap.
    ///
    /// # Errors
    ///
    /// The detector's model or library fails.
    fn probability(&mut self, frame: &[f32]) -> Result<f32, DetectorError>;

    /// Forgets the past, as after a gap.
    ///
    /// # Errors
    ///
    /// As [`Detector::probability`].
    fn reset(&mut self) -> Result<(), DetectorError>;

    /// Forgets what is not recent, after long silence. Nothing happens in a detector that silence does not spoil.
    ///
    /// # Errors
    ///
    /// As [`Detector::probability`].
    fn refresh(&mut self) -> Result<(), DetectorError> {
        Ok(())
    }
}

/// How a detector fails.
#[derive(Debug, thiserror::Error)]
pub enum DetectorError {
    /// A model is missing, is not what it should be, or fails.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A model's output is not a probability.
    #[error(
        "the model {model} gave {value} where a probability from 0 to 1 belongs: it is not a Silero VAD, or damaged"
    )]
    NotAProbability {
        /// The model.
        model: String,
        /// What it gave.
        value: String,
    },
    /// A model's output is too short or too long.
    #[error(
        "the model {model} gave {received} values as `{output}` instead of {expected}: it is not a Silero VAD for 16 kHz"
    )]
    OutputLength {
        /// The model.
        model: String,
        /// The output.
        output: &'static str,
        /// How many values it should have.
        expected: usize,
        /// How many values it has.
        received: usize,
    },
    /// The library for `webrtc` fails.
    #[error("libfvad did not accept a frame of 480 samples at 16 kHz")]
    Webrtc,
}
