//! What can be wrong with a recording.

use std::io;
use std::path::{Path, PathBuf};

/// What can be wrong with a recording, and where.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The folder has no manifest.
    #[error("{} is not a recording: there is no manifest.json in it", .0.display())]
    NotARecording(PathBuf),
    /// There is something already where a recording is to be made.
    #[error(
        "{} is there already and is not overwritten: name another folder, or say `--replace`", .0.display()
    )]
    Exists(PathBuf),
    /// What is to be replaced is not a recording.
    #[error("{} is not a recording, so it is not replaced: it has {found}", .path.display())]
    NotReplaced {
        /// The folder.
        path: PathBuf,
        /// Something in it that no recording has.
        found: String,
    },
    /// The manifest makes no sense.
    #[error("{}: {problem}", .path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The recording was not finished.
    #[error(
        "{path} was not finished: its recorder is still at work or was killed; if it was, `recording repair {path}` keeps what was written",
        path = .0.display()
    )]
    Unfinished(PathBuf),
    /// Somebody else writes in the folder.
    #[error(
        "{} is still being written by a recorder, or by a repair: wait until that has ended, or stop it", .0.display()
    )]
    AtWork(PathBuf),
    /// The recording is finished and cannot be repaired.
    #[error("{} is finished, so there is nothing to repair", .0.display())]
    Finished(PathBuf),
    /// There is no such topic.
    #[error("{}: there is no topic `{topic}`; it has: {present}", .path.display())]
    NoTopic {
        /// The recording.
        path: PathBuf,
        /// What was looked for.
        topic: String,
        /// What is there.
        present: String,
    },
    /// The topic was recorded without its content.
    #[error("{}: topic `{topic}` was recorded as digests alone; its messages were not kept", .path.display())]
    DigestsAlone {
        /// The recording.
        path: PathBuf,
        /// The topic.
        topic: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A topic cannot be written.
    #[error(
        "topic `{topic}` cannot be written to {}: {source}; what was written before is kept: free some space and say `recording repair`",
        .path.display()
    )]
    Write {
        /// The topic.
        topic: String,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A topic's file was removed while it was recorded.
    #[error(
        "topic `{topic}`: {} was removed while it was recorded, and its messages are lost; `recording repair` keeps the other topics",
        .path.display()
    )]
    Gone {
        /// The topic.
        topic: String,
        /// The file.
        path: PathBuf,
    },
    /// A file is not what a recorder writes.
    #[error("{} is damaged at byte {offset}, in batch {batch}, behind {messages} messages: {problem}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// Which batch, from 0; the schema counts as none.
        batch: u64,
        /// How many messages are before.
        messages: u64,
        /// What is wrong.
        problem: String,
    },
    /// A message cannot be recorded.
    #[error("topic `{topic}`: {problem}")]
    Message {
        /// The topic.
        topic: String,
        /// What is wrong.
        problem: String,
    },
}

impl RecordingError {
    /// For `map_err`: `action` failed on `path`.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
