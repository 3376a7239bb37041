//! Checks a recording from end to end.

use std::path::Path;

use crate::error::RecordingError;
use crate::manifest::{Manifest, State};
use crate::recorder::Streams;
use crate::topic_reader::TopicReader;

/// Reads all of a recording and compares counts and digests with the manifest. Gives the number of messages.
///
/// # Errors
///
/// A file is missing or damaged, or holds something else than the manifest says.
pub fn verify(folder: &Path) -> Result<u64, RecordingError> {
    let manifest = Manifest::read(folder)?;
    if manifest.state == State::Recording {
        return Err(RecordingError::Unfinished(folder.to_owned()));
    }
    let mut messages = 0;
    for (name, topic) in &manifest.topics {
        let mut streams = Streams::new(topic.content);
        if let Some(file) = &topic.file {
            let mut reader = TopicReader::open(&folder.join(file))?;
            while let Some(message) = reader.next_message()? {
                streams.take(name, &message)?;
                messages += 1;
            }
        }
        let found = streams.finish();
        let sessions = found.keys().chain(topic.sessions.keys());
        for session in sessions {
            let (found, expected) = (found.get(session), topic.sessions.get(session));
            if found != expected {
                let show = |stream: Option<&crate::manifest::Stream>| {
                    stream.map_or_else(
                        || "nothing".to_owned(),
                        |stream| format!("{} messages with digest {}", stream.messages, stream.blake3),
                    )
                };
                return Err(RecordingError::Message {
                    topic: name.clone(),
                    problem: format!(
                        "session `{session}` is not what was recorded: the manifest of {} says {}, and the file has {}",
                        folder.display(),
                        show(expected),
                        show(found)
                    ),
                });
            }
        }
    }
    Ok(messages)
}
