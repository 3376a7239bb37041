//! Makes a recording.

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io::{BufWriter, ErrorKind};
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch, StructArray};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use undertone_messages::Header;

use crate::digest::{Digest, message_digest};
use crate::error::RecordingError;
use crate::manifest::{
    Content, Dataflow, Exception, ExceptionKind, MANIFEST, Manifest, State, Stream, Topic,
};
use crate::topic_reader::TopicReader;
use crate::topic_writer::{DIGEST, TopicWriter, failed};

/// The file of a topic while it is recorded: an Arrow IPC stream.
const UNFINISHED: &str = "arrows";
/// The file of a topic: an Arrow IPC file.
const FINISHED: &str = "arrow";
/// A batch of a finished file is full with so many bytes in so many messages, whatever comes first.
const BATCH_BYTES: usize = 1 << 20;
const BATCH_MESSAGES: usize = 1 << 10;

/// A recording in the making.
pub struct Recorder {
    folder: PathBuf,
    manifest: Manifest,
    topics: BTreeMap<String, TopicWriter>,
}

impl Recorder {
    /// Begins a recording of `topics` in a new folder. With `replace` a recording that is there is removed first.
    ///
    /// # Errors
    ///
    /// The folder is there already and is not to be replaced, or is not a recording; or it cannot be made.
    pub fn create(
        folder: &Path,
        replace: bool,
        topics: &BTreeMap<String, Content>,
        dataflow: Option<Dataflow>,
    ) -> Result<Self, RecordingError> {
        if folder.exists() {
            if !replace {
                return Err(RecordingError::Exists(folder.to_owned()));
            }
            remove(folder)?;
        }
        fs::create_dir_all(folder).map_err(RecordingError::file("create", folder))?;
        let mut manifest = Manifest::begin(dataflow);
        let topic = |content: &Content| Topic { content: *content, ..Topic::default() };
        manifest.topics = topics.iter().map(|(name, content)| (name.clone(), topic(content))).collect();
        manifest.write(folder)?;
        Ok(Self { folder: folder.to_owned(), manifest, topics: BTreeMap::new() })
    }

    /// Records a message.
    ///
    /// # Errors
    ///
    /// The disk is full, or the message is of another type than those of the topic before it.
    pub fn write(&mut self, topic: &str, message: &StructArray) -> Result<(), RecordingError> {
        if let Some(writer) = self.topics.get_mut(topic) {
            return writer.write(message);
        }
        let content = self.manifest.topics.get(topic).map(|topic| topic.content).unwrap_or_default();
        let path = file_of(&self.folder, topic, UNFINISHED);
        let mut writer = TopicWriter::create(topic, &path, content, message)?;
        writer.write(message)?;
        self.topics.insert(topic.to_owned(), writer);
        Ok(())
    }

    /// Hands what was recorded so far to the operating system, so that it outlives this process.
    ///
    /// # Errors
    ///
    /// The disk is full.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        self.topics.values_mut().try_for_each(TopicWriter::flush)
    }

    /// The manifest, to add what is learnt of the nodes and what has happened.
    pub fn manifest_mut(&mut self) -> &mut Manifest {
        &mut self.manifest
    }

    /// Finishes the files. What cannot be finished stays as it is and can be repaired.
    ///
    /// # Errors
    ///
    /// The disk is full.
    pub fn finish(mut self) -> Result<Manifest, RecordingError> {
        self.flush()?;
        finish(&self.folder, self.manifest, State::Finished)
    }
}

/// Finishes a recording whose recorder was killed: its files become whole up to where they were written, and the
/// manifest says what is missing.
///
/// # Errors
///
/// It is not an unfinished recording, or the disk is full.
pub fn repair(folder: &Path) -> Result<Manifest, RecordingError> {
    let manifest = Manifest::read(folder)?;
    if manifest.state != State::Recording {
        return Err(RecordingError::Finished(folder.to_owned()));
    }
    finish(folder, manifest, State::Repaired)
}

/// Makes whole files of the unfinished ones. It can be broken off and done again.
fn finish(folder: &Path, mut manifest: Manifest, state: State) -> Result<Manifest, RecordingError> {
    let mut exceptions = Vec::new();
    for (name, topic) in &mut manifest.topics {
        let unfinished = file_of(folder, name, UNFINISHED);
        let finished = file_of(folder, name, FINISHED);
        let source = match [&unfinished, &finished].into_iter().find(|path| path.exists()) {
            // A repair that was broken off may have finished this one.
            Some(path) => path,
            None => continue,
        };
        let (streams, damage) = finish_topic(name, source, &finished, topic.content)?;
        if unfinished.exists() {
            fs::remove_file(&unfinished).map_err(RecordingError::file("remove", &unfinished))?;
        }
        let file = finished.strip_prefix(folder).ok().filter(|_| finished.exists());
        topic.file = file.map(|file| file.display().to_string());
        topic.sessions = streams;
        if let Some(error) = damage {
            exceptions.push(Exception {
                kind: ExceptionKind::Damaged,
                place: name.clone(),
                session: None,
                sample: None,
                amount: None,
                text: error.to_string(),
            });
        }
        for (session, stream) in &topic.sessions {
            if !stream.ended {
                exceptions.push(Exception {
                    kind: ExceptionKind::CutOff,
                    place: name.clone(),
                    session: Some(session.clone()),
                    sample: stream.end,
                    amount: None,
                    text: format!("the stream stops after {} messages without its end", stream.messages),
                });
            }
        }
    }
    manifest.exceptions.extend(exceptions);
    manifest.state = state;
    manifest.write(folder)?;
    Ok(manifest)
}

/// Writes the messages of an unfinished file, or of as much of it as is whole, into a finished one.
fn finish_topic(
    topic: &str,
    source: &Path,
    finished: &Path,
    content: Content,
) -> Result<(BTreeMap<String, Stream>, Option<RecordingError>), RecordingError> {
    let mut streams = Streams::new(content);
    let mut reader = match TopicReader::open(source) {
        Ok(reader) => reader,
        // Killed before the first flush: the file is there and holds nothing that is whole.
        Err(error @ RecordingError::Damaged { .. }) => return Ok((streams.finish(), Some(error))),
        Err(error) => return Err(error),
    };
    let partial = finished.with_extension("arrow.partial");
    let create = File::create(&partial).map_err(RecordingError::file("create", &partial))?;
    let options = IpcWriteOptions::default()
        .try_with_compression(Some(CompressionType::ZSTD))
        .map_err(failed(topic, &partial))?;
    let schema = reader.schema();
    let mut writer = FileWriter::try_new_with_options(BufWriter::new(create), &schema, options)
        .map_err(failed(topic, &partial))?;
    let mut batch = Vec::new();
    let mut bytes = 0;
    let damage = loop {
        let message = match reader.next_message() {
            Ok(Some(message)) => message,
            Ok(None) => break None,
            Err(error @ RecordingError::Damaged { .. }) => break Some(error),
            Err(error) => return Err(error),
        };
        streams.take(topic, &message)?;
        bytes += message.to_data().get_slice_memory_size().unwrap_or(0);
        batch.push(RecordBatch::from(message));
        if bytes >= BATCH_BYTES || batch.len() >= BATCH_MESSAGES {
            write_batch(&mut writer, &mut batch).map_err(failed(topic, &partial))?;
            bytes = 0;
        }
    };
    write_batch(&mut writer, &mut batch).map_err(failed(topic, &partial))?;
    writer.finish().map_err(failed(topic, &partial))?;
    drop(writer);
    fs::rename(&partial, finished).map_err(RecordingError::file("rename", &partial))?;
    Ok((streams.finish(), damage))
}

fn write_batch(
    writer: &mut FileWriter<BufWriter<File>>,
    batch: &mut Vec<RecordBatch>,
) -> Result<(), arrow::error::ArrowError> {
    if !batch.is_empty() {
        writer.write(&arrow::compute::concat_batches(writer.schema(), batch.iter())?)?;
        batch.clear();
    }
    Ok(())
}

/// What the streams of a topic come to.
pub(crate) struct Streams {
    content: Content,
    streams: BTreeMap<String, (Stream, blake3::Hasher)>,
    scratch: Vec<u8>,
}

impl Streams {
    pub(crate) fn new(content: Content) -> Self {
        Self { content, streams: BTreeMap::new(), scratch: Vec::new() }
    }

    /// Takes a message of the topic's file.
    pub(crate) fn take(&mut self, topic: &str, message: &StructArray) -> Result<(), RecordingError> {
        let refuse = |problem: String| RecordingError::Message { topic: topic.to_owned(), problem };
        let header = Header::read(message).map_err(|error| refuse(error.to_string()))?;
        let digest = digest_of(self.content, message, &mut self.scratch).map_err(refuse)?;
        let (stream, hasher) = self.streams.entry(header.session.to_string()).or_insert_with(|| {
            let stream = Stream { messages: 0, ended: false, end: None, blake3: Digest([0; 32]) };
            (stream, blake3::Hasher::new())
        });
        stream.messages += 1;
        stream.ended = header.last;
        stream.end = stream.end.max(header.time);
        hasher.update(&digest.0);
        Ok(())
    }

    pub(crate) fn finish(self) -> BTreeMap<String, Stream> {
        let finish = |(mut stream, hasher): (Stream, blake3::Hasher)| {
            stream.blake3 = Digest(*hasher.finalize().as_bytes());
            stream
        };
        self.streams.into_iter().map(|(session, stream)| (session, finish(stream))).collect()
    }
}

/// The digest of a message as it stands in a topic's file.
pub(crate) fn digest_of(
    content: Content,
    message: &StructArray,
    scratch: &mut Vec<u8>,
) -> Result<Digest, String> {
    match content {
        Content::Messages => message_digest(message, scratch).map_err(|error| error.to_string()),
        Content::Digests => message
            .column_by_name(DIGEST)
            .and_then(|column| column.as_fixed_size_binary_opt())
            .filter(|column| column.is_valid(0))
            .and_then(|column| column.value(0).try_into().ok())
            .map(Digest)
            .ok_or_else(|| "a message without its digest".to_owned()),
    }
}

/// The path of a topic's file.
fn file_of(folder: &Path, topic: &str, extension: &str) -> PathBuf {
    // Not `with_extension`: a name may have a dot in it.
    folder.join(format!("{topic}.{extension}"))
}

/// Removes a recording: the manifest and the files of topics. What else is in the folder is somebody's, and an error.
fn remove(folder: &Path) -> Result<(), RecordingError> {
    Manifest::read(folder)?;
    let mut pending = vec![folder.to_owned()];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(&path).map_err(RecordingError::file("read", &path))? {
            let path = entry.map_err(RecordingError::file("read", &path))?.path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let ours = name.starts_with(MANIFEST)
                || [".arrow", ".arrows", ".arrow.partial"].iter().any(|end| name.ends_with(end));
            if !ours {
                return Err(RecordingError::NotReplaced {
                    path: folder.to_owned(),
                    found: path.display().to_string(),
                });
            }
        }
    }
    fs::remove_dir_all(folder).or_else(|error| match error.kind() {
        ErrorKind::NotFound => Ok(()),
        _ => Err(RecordingError::file("remove", folder)(error)),
    })
}
