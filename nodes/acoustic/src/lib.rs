//! How something is said: features of speech in, a probability for each emotion out.
//!
//! There are two kinds of models, and a model's `config.json` says which it is ([`Kind`]). [`Acoustic`] gives rows of the
//! mfcc node to an [`AcousticModel`], while somebody speaks and when it is over. [`Tone`] gives layers of what the encoder
//! node makes of a segment, which is there for the words already, to a [`ToneModel`].
//!
//! By rows of the mfcc node, while somebody speaks, there is an estimate at every multiple of an interval, counted in
//! samples from the start of the segment, over the window that ends there; when the segment ends there is one over all of
//! it. What is estimated, and when, depends on the features alone and not on how they were cut into messages.
//!
//! Beside its labels a model may tell finer emotions, from which valence and arousal follow, and how unlike speech what it
//! was given is:
//!
//! | field of `config.json` | output of the model | what the message has |
//! | --- | --- | --- |
//! | `emotions`: `labels` (`label`, `valence`, `arousal`, each −1 to 1), `temperature`, `uniform_share` | `emotions`, `f32[batch, emotions]`, logits | their probabilities, and the means of valence and arousal |
//! | `anomaly`: `threshold` | `anomaly`, `f32[batch]`, 0 or more | it, divided by the threshold: above 1 the sound is no speech as the model knows it |
//!
//! `temperature` and `uniform_share` are those of [`undertone_inference::Calibration`], for the labels beside them.
//!
//! Any ONNX model serves whose `config.json` names its labels and the features that it takes; see [`AcousticModel`].

mod arguments;
mod detail;
mod estimate;
mod model;
mod segment;
mod stage;
mod tone;

pub use arguments::Arguments;
pub use model::{AcousticModel, Estimate, Kind, ToneModel};
pub use stage::{Acoustic, AcousticError, AcousticFactory};
pub use tone::{Tone, ToneError, ToneFactory};
