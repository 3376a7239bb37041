//! What can go wrong.

use std::io;
use std::path::PathBuf;

/// Why results could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The arguments leave nowhere to write to.
    #[error("--format none writes nothing; add `--output FILE`, or choose `--format jsonl` or `pretty`")]
    Nowhere,
    /// The file cannot be created.
    #[error("cannot create {}: {error}; --output needs a folder that exists and may be written to", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// The file cannot be written to.
    #[error("cannot write to {}: {error}; results are missing from here on", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// The file is written and cannot get its name.
    #[error("cannot rename {} to {}: {error}; the results are in the former", partial.display(), path.display())]
    Rename {
        /// The file as it is.
        partial: PathBuf,
        /// The file as it should be.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// The reader of the standard output has gone away, and there is no file.
    #[error(
        "the reader of the standard output has gone away, and no file is written; add `--output FILE` to keep the results"
    )]
    Closed,
    /// The standard output cannot be written to.
    #[error("cannot write to the standard output: {0}")]
    StandardOutput(io::Error),
    /// Messages are missing on a wire that leads here.
    #[error(
        "{missing} of the {sent} messages on {from} → {to} did not arrive: results may be missing or wrong"
    )]
    Missing {
        /// The output, as `node/output`.
        from: String,
        /// The input, as `node/input`.
        to: String,
        /// How many are missing.
        missing: u64,
        /// How many were sent.
        sent: u64,
    },
    /// A result cannot be put as JSON.
    #[error("the result for segment {segment} cannot be written as JSON: {error}")]
    Json {
        /// The segment.
        segment: u64,
        /// The reason.
        error: serde_json::Error,
    },
}
