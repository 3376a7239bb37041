//! How something is said: features of speech in, a probability for each emotion out.
//!
//! While somebody speaks there is an estimate at every multiple of an interval, counted in samples from the start of the
//! segment, over the window that ends there; when the segment ends there is one over all of it. What is estimated, and
//! when, depends on the features alone and not on how they were cut into messages.
//!
//! Any ONNX model serves whose `config.json` names its labels and the features that it takes; see [`AcousticModel`].

mod arguments;
mod model;
mod segment;
mod stage;

pub use arguments::Arguments;
pub use model::AcousticModel;
pub use stage::{Acoustic, AcousticError, AcousticFactory};
