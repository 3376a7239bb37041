//! Voice activity detection and endpointing: audio in, segments of speech out.
//!
//! A [`Detector`] gives each frame of audio a probability of speech: [`Silero`], [`Energy`] or [`Webrtc`]. The
//! [`Endpointer`] turns probabilities into segments; it knows no detector. [`Vad`] puts the two together as a stage and
//! cuts audio of any chunking into the detector's frames, so that the same audio gives the same messages.

mod arguments;
mod detector;
mod endpointer;
mod energy;
mod silero;
mod stage;
mod track;
mod webrtc;

pub use arguments::{Arguments, ArgumentsError, DetectorKind};
pub use detector::{Detector, DetectorError};
pub use endpointer::{EndpointRules, Endpointer};
pub use energy::Energy;
pub use silero::{Silero, SileroModel};
pub use stage::{Vad, VadError, VadFactory};
pub use webrtc::{Webrtc, WebrtcMode};
