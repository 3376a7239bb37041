//! Model folders and ONNX Runtime sessions, with errors that say what is wrong, where, and what to do.
//!
//! A model is a folder: `model.onnx`, `config.json`, `manifest.json` and what else it needs. [`ModelFolder`] finds it by
//! name or path and checks the SHA-256 of each file that is used; [`Config`] reads the labels and the [`Calibration`];
//! [`load_runtime`] checks and loads ONNX Runtime's library, once in a process; [`Session`] opens the model, compares its
//! inputs and outputs with what the caller needs, and runs it without copying the tensors.
//!
//! Sessions are set up so that the same input gives the same bytes: one thread unless told otherwise, operators in
//! sequence, kernels that are deterministic.

mod calibration;
mod config;
mod error;
mod folder;
mod runtime;
mod search;
mod session;

pub use calibration::Calibration;
pub use config::Config;
pub use error::ModelError;
pub use folder::ModelFolder;
pub use runtime::load_runtime;
pub use session::{Declared, Dimension, Element, Outputs, Port, Session, Tensor};
