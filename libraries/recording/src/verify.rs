//! Checks a recording from end to end.

use std::path::Path;

use arrow::array::StructArray;
use undertone_messages::Header;

use crate::error::RecordingError;
use crate::manifest::{Manifest, Stream, Topic};
use crate::recorder::Streams;
use crate::topic_reader::TopicReader;

/// Reads all of a recording and compares counts and digests with the manifest. Gives the number of messages.
///
/// # Errors
///
/// A file is missing or damaged, or holds something else than the manifest says.
pub fn verify(folder: &Path) -> Result<u64, RecordingError> {
    let manifest = Manifest::read_whole(folder)?;
    let mut messages = 0;
    for (name, topic) in &manifest.topics {
        verify_topic(folder, name, topic, |_, _| messages += 1)?;
    }
    Ok(messages)
}

/// Reads all of a topic and compares counts and digests with the manifest. `each` is given every message.
///
/// # Errors
///
/// As [`verify`].
pub fn verify_topic(
    folder: &Path,
    name: &str,
    topic: &Topic,
    mut each: impl FnMut(&Header, &StructArray),
) -> Result<(), RecordingError> {
    let mut streams = Streams::new(topic.content);
    if let Some(file) = &topic.file {
        let mut reader = TopicReader::open(&folder.join(file))?;
        while let Some(message) = reader.next_message()? {
            let header = streams.take(name, &message)?;
            each(&header, &message);
        }
    }
    let found = streams.finish();
    let show = |stream: Option<&Stream>| match stream {
        None => "nothing".to_owned(),
        Some(Stream { messages, ended, end, blake3 }) => {
            let ended = if *ended { "" } else { " without an end" };
            let end = end.map_or_else(String::new, |end| format!(" up to sample {end}"));
            format!("{messages} messages{end}{ended} with digest {blake3}")
        }
    };
    let mut sessions = found.keys().chain(topic.sessions.keys());
    let Some(session) = sessions.find(|session| found.get(*session) != topic.sessions.get(*session)) else {
        return Ok(());
    };
    Err(RecordingError::Message {
        topic: name.to_owned(),
        problem: format!(
            "session `{session}` is not what was recorded: the manifest of {} says {}, and the file has {}",
            folder.display(),
            show(topic.sessions.get(session)),
            show(found.get(session))
        ),
    })
}
