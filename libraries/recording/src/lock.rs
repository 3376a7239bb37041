//! Who may write in the folder of a recording.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::RecordingError;

/// The lock's name in the folder. Not the manifest, which is another file each time that it is written.
pub(crate) const LOCK: &str = "recorder.lock";

/// The right to write in the folder of a recording, which one at a time has. The operating system takes it from a process
/// that is killed; what that leaves of the file holds nobody up.
pub(crate) struct Lock {
    folder: PathBuf,
    file: File,
}

impl Lock {
    /// Takes the right, if nobody has it.
    pub(crate) fn take(folder: &Path) -> Result<Self, RecordingError> {
        let path = folder.join(LOCK);
        let open = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = open.map_err(RecordingError::file("create", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { folder: folder.to_owned(), file }),
            Err(TryLockError::WouldBlock) => Err(RecordingError::AtWork(folder.to_owned())),
            Err(TryLockError::Error(error)) => Err(RecordingError::file("lock", &path)(error)),
        }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // It may be gone with its folder, and where it stays it does no harm.
        let _ = fs::remove_file(self.folder.join(LOCK));
        let _ = self.file.unlock();
    }
}
