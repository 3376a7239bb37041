//! The node's arguments.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

/// Hears from the features of speech how something is said.
///
/// The model decides what it hears: `features`, as the mfcc or the prosody node makes them, or `encoding`, from the encoder
/// node. From features there is an estimate at regular intervals while somebody speaks, and from both one for each segment
/// that ends. A segment that is too short for the model gets an empty one, with the reason.
#[derive(Clone, Debug, PartialEq, clap::Parser)]
#[command(name = "acoustic", version, about)]
pub struct Arguments {
    /// Folder of the model, or its name under models/ or models/prepared/
    #[arg(long, value_name = "FOLDER", default_value = "acoustic-cnn")]
    pub model: PathBuf,

    /// From features, there is an estimate every so often while somebody speaks, counted from the start of the segment; a
    /// change while the graph runs counts from the next segment on
    #[arg(long, value_name = "MILLISECONDS", default_value = "500")]
    pub every_ms: NonZeroU32,

    /// Threads for the model
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub threads: NonZeroUsize,

    /// ONNX Runtime's library [default: models/prepared/onnxruntime/libonnxruntime.so]
    #[arg(long, value_name = "FILE")]
    pub onnxruntime: Option<PathBuf>,
}
