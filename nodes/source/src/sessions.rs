//! Which recordings make which sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use undertone_messages::SessionId;

use crate::arguments::{Arguments, ArgumentsError};
use crate::audio_file::AudioFile;
use crate::error::SourceError;
use crate::frames::Frames;
use crate::pacer::Pacer;

/// The extensions of recordings in a folder, in lower case, and of videos, whose sound is read. Some of them cannot be
/// decoded: a folder with such a file is an error rather than a session fewer.
pub const AUDIO_EXTENSIONS: [&str; 30] = [
    "wav", "wave", "flac", "mp3", "ogg", "oga", "opus", "m4a", "m4b", "aac", "alac", "aif", "aiff", "caf",
    "amr", "wma", "mka", "mp4", "webm", "mkv", "mp2", "aifc", "au", "snd", "w64", "wv", "ape", "spx", "sph",
    "3gp",
];

/// Names this near to a missing one are suggested, by Jaro-Winkler similarity, as clap does for arguments.
const NEAR: f64 = 0.8;

/// Recordings that are sent as one conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The session's name, different from that of any other of this source.
    pub name: SessionId,
    /// Its files, one behind the other.
    pub files: Vec<PathBuf>,
}

/// The sessions that the arguments ask for, in the order in which they are sent.
///
/// # Errors
///
/// A path that does not exist, a folder without recordings, arguments that contradict each other. The files are not
/// opened: see [`Session::check`].
pub fn sessions(arguments: &Arguments) -> Result<Vec<Session>, SourceError> {
    arguments.check()?;
    let mut files = Vec::new();
    for path in &arguments.paths {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => files.append(&mut recordings(path)?),
            Ok(_) => files.push(path.clone()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(not_found(path)),
            Err(error) => return Err(SourceError::Read { path: path.clone(), error }),
        }
    }
    if arguments.join {
        let name = arguments.session.clone().or_else(|| files.first().map(|file| stem(file)));
        return Ok(vec![Session { name: name.unwrap_or_default().into(), files }]);
    }
    let names = match &arguments.session {
        Some(name) if files.len() == 1 => vec![name.as_str().into()],
        Some(name) => {
            return Err(ArgumentsError::OneNameForMany { name: name.clone(), sessions: files.len() }.into());
        }
        None => distinct_names(&files),
    };
    Ok(names.into_iter().zip(files).map(|(name, file)| Session { name, files: vec![file] }).collect())
}

impl Session {
    /// Opens each file, so that what is wrong with a header is known before the first frame is sent. Gives the length
    /// of the session if the files tell theirs, or an estimate: see [`AudioFile::duration`].
    ///
    /// # Errors
    ///
    /// As [`AudioFile::open`].
    pub fn check(&self, arguments: &Arguments) -> Result<Option<Duration>, SourceError> {
        let pauses = self.files.len().saturating_sub(1) as u64;
        let mut length = Some(Pacer::time(pauses * arguments.silence_samples()));
        for file in &self.files {
            let duration = AudioFile::open_with(file, arguments.corruption())?.duration();
            length = length.zip(duration).map(|(sum, duration)| sum.saturating_add(duration));
        }
        Ok(length)
    }

    /// The session's frames.
    pub fn frames(&self, arguments: &Arguments) -> Frames {
        let frame_samples = arguments.frame_samples as usize;
        let silence = arguments.silence_samples();
        Frames::new(self.files.clone(), frame_samples, silence, arguments.corruption())
    }
}

/// The recordings of a folder, sorted by name.
fn recordings(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let read_error = |error| SourceError::Read { path: folder.to_owned(), error };
    let (mut files, mut others, mut folders) = (Vec::new(), 0, 0);
    for entry in std::fs::read_dir(folder).map_err(read_error)? {
        let entry = entry.map_err(read_error)?;
        // macOS leaves a hidden `._NAME.wav` beside each file on foreign disks.
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            folders += 1;
        } else if is_recording(&path) {
            files.push(path);
        } else {
            others += 1;
        }
    }
    if files.is_empty() {
        return Err(SourceError::NoRecordings { path: folder.to_owned(), others, folders });
    }
    files.sort();
    Ok(files)
}

fn is_recording(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| AUDIO_EXTENSIONS.contains(&extension.as_str()))
}

/// The file's name without its extension.
fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

/// A name for each file: its stem, or for a second one of that stem the first of `STEM-2`, `STEM-3` … that no file has.
fn distinct_names(files: &[PathBuf]) -> Vec<SessionId> {
    let stems: Vec<String> = files.iter().map(|file| stem(file)).collect();
    let mut taken: BTreeSet<String> = stems.iter().cloned().collect();
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let mut names = Vec::with_capacity(stems.len());
    for stem in &stems {
        let number = seen.entry(stem).or_insert(0);
        *number += 1;
        let mut name = stem.clone();
        if *number > 1 {
            name = format!("{stem}-{number}");
            while !taken.insert(name.clone()) {
                *number += 1;
                name = format!("{stem}-{number}");
            }
        }
        names.push(name.into());
    }
    names
}

/// The error for a path that does not exist, with the nearest name beside it.
pub(crate) fn not_found(path: &Path) -> SourceError {
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("."),
    };
    let wanted = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let mut names: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    // The order of a folder is the file system's; equally near names are to give the same suggestion each time.
    names.sort();
    let similar = names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wanted, &name.to_string_lossy().to_lowercase()), name))
        .filter(|(similarity, _)| *similarity > NEAR)
        .reduce(|best, other| if other.0 > best.0 { other } else { best })
        .map(|(_, name)| path.with_file_name(name));
    SourceError::NotFound { path: path.to_owned(), similar }
}
