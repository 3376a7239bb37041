//! The file that results go to, line by line, under its own name only when it is whole.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::SinkError;

/// A file of lines.
#[derive(Debug)]
pub(crate) struct ResultFile {
    file: File,
    /// The file that is written.
    written: PathBuf,
    /// The name that it gets at the end, if it is another.
    target: Option<PathBuf>,
}

impl ResultFile {
    /// Creates the file, so that a path that cannot be written is known before the first result.
    pub(crate) fn create(path: &Path) -> Result<Self, SinkError> {
        // Replacing a link or a device by a file is not what anybody means.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let special = fs::metadata(&target).is_ok_and(|metadata| !metadata.is_file());
        let written = if special { target.clone() } else { partial(&target) };
        let created =
            if special { File::options().write(true).open(&written) } else { File::create(&written) };
        let file = created.map_err(|error| SinkError::Create { path: written.clone(), error })?;
        Ok(Self { file, written, target: (!special).then_some(target) })
    }

    /// Writes a line and its end in one piece, so that a reader never sees half of one.
    pub(crate) fn write(&mut self, line: &str) -> Result<(), SinkError> {
        self.file.write_all(line.as_bytes()).map_err(|error| self.write_error(error))
    }

    /// Gives the file its name.
    pub(crate) fn finish(self) -> Result<(), SinkError> {
        let Some(path) = &self.target else { return Ok(()) };
        // Some file systems report a full disk only now.
        self.file.sync_all().map_err(|error| self.write_error(error))?;
        fs::rename(&self.written, path).map_err(|error| SinkError::Rename {
            partial: self.written.clone(),
            path: path.clone(),
            error,
        })
    }

    fn write_error(&self, error: std::io::Error) -> SinkError {
        SinkError::Write { path: self.written.clone(), error }
    }
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}
