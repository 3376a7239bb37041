//! How something was meant: transcripts in, a probability for each emotion out.
//!
//! Any sequence-classification model serves whose labels exclude each other and that was exported to ONNX with its
//! `config.json` and `tokenizer.json`, with token types (BERT, MiniLM) or without (DistilBERT); see [`TextModel`]. Text that
//! is longer than the model can take is read in overlapping windows.

mod arguments;
mod model;
mod stage;

pub use arguments::Arguments;
pub use model::TextModel;
pub use stage::{Text, TextError, TextFactory};
