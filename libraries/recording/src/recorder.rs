//! Makes a recording.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch, StructArray};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use undertone_messages::Header;

use crate::digest::{Digest, message_digest};
use crate::error::RecordingError;
use crate::lock::{LOCK, Lock};
use crate::manifest::{
    Content, Dataflow, Exception, ExceptionKind, FINISHED, MANIFEST, MANIFEST_PARTIAL, Manifest, NodeRecord,
    PARTIAL, State, Stream, Topic, UNFINISHED, check_name, file_of,
};
use crate::topic_reader::TopicReader;
use crate::topic_writer::{DIGEST, TopicWriter, failed};

/// A batch of a finished file is full with so many bytes in so many messages, whatever comes first.
const BATCH_BYTES: usize = 1 << 20;
const BATCH_MESSAGES: usize = 1 << 10;

/// A recording in the making.
pub struct Recorder {
    lock: Lock,
    manifest: Manifest,
    topics: BTreeMap<String, TopicWriter>,
}

impl Recorder {
    /// Begins a recording of `topics` in a new folder. With `replace` a recording that is there is removed first.
    ///
    /// # Errors
    ///
    /// The folder is there already and is not to be replaced, is not a recording, or is one that is still being made; it
    /// cannot be made; or a topic has a name that no topic has.
    pub fn create(
        folder: &Path,
        replace: bool,
        topics: &BTreeMap<String, Content>,
        dataflow: Option<Dataflow>,
    ) -> Result<Self, RecordingError> {
        for topic in topics.keys() {
            check_name(topic).map_err(|problem| RecordingError::Message { topic: topic.clone(), problem })?;
        }
        if folder.exists() {
            if !replace {
                return Err(RecordingError::Exists(folder.to_owned()));
            }
            remove(folder)?;
        }
        fs::create_dir_all(folder).map_err(RecordingError::file("create", folder))?;
        let lock = Lock::take(folder)?;
        let mut manifest = Manifest::begin(dataflow);
        let topic = |content: &Content| Topic { content: *content, ..Topic::default() };
        manifest.topics = topics.iter().map(|(name, content)| (name.clone(), topic(content))).collect();
        manifest.write(folder)?;
        Ok(Self { lock, manifest, topics: BTreeMap::new() })
    }

    /// Records a message.
    ///
    /// # Errors
    ///
    /// The disk is full, or the message is of another type than those of the topic before it, or of one that cannot be
    /// recorded, or the recording has no such topic.
    pub fn write(&mut self, topic: &str, message: &StructArray) -> Result<(), RecordingError> {
        if let Some(writer) = self.topics.get_mut(topic) {
            return writer.write(message);
        }
        let content = self.manifest.topic(self.lock.folder(), topic)?.content;
        let path = self.path(topic);
        let writer = TopicWriter::create(topic, &path, content, message)?;
        self.topics.entry(topic.to_owned()).or_insert(writer).write(message)
    }

    /// The file that a topic is recorded in.
    fn path(&self, topic: &str) -> PathBuf {
        self.lock.folder().join(file_of(topic, UNFINISHED))
    }

    /// Hands what was recorded so far to the operating system, so that it outlives this process.
    ///
    /// # Errors
    ///
    /// The disk is full.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        // All of them, whatever becomes of one.
        self.topics.values_mut().map(TopicWriter::flush).fold(Ok(()), Result::and)
    }

    /// Enters what is known of the nodes. It outlives this process, as what was flushed does.
    ///
    /// # Errors
    ///
    /// The disk is full.
    pub fn describe(&mut self, nodes: BTreeMap<String, NodeRecord>) -> Result<(), RecordingError> {
        if nodes == self.manifest.nodes {
            return Ok(());
        }
        self.manifest.nodes = nodes;
        self.manifest.write(self.lock.folder())
    }

    /// The manifest, to add what is learnt of the nodes and what has happened.
    pub fn manifest_mut(&mut self) -> &mut Manifest {
        &mut self.manifest
    }

    /// Finishes the files. What cannot be finished stays as it is and can be repaired.
    ///
    /// # Errors
    ///
    /// The disk is full, or the file of a topic is gone.
    pub fn finish(mut self) -> Result<Manifest, RecordingError> {
        let flushed = self.flush();
        let gone = self.topics.keys().filter(|topic| !self.path(topic).exists()).cloned().collect::<Vec<_>>();
        // A repair, which finds no file, does not know of the messages.
        self.manifest.exceptions.extend(gone.iter().map(|topic| Exception {
            kind: ExceptionKind::Missing,
            place: topic.clone(),
            session: None,
            sample: None,
            amount: None,
            text: "its file was removed while it was recorded".to_owned(),
        }));
        // What is known of the nodes outlives a disk that is full.
        flushed.and(self.manifest.write(self.lock.folder()))?;
        if let Some(topic) = gone.into_iter().next() {
            return Err(RecordingError::Gone { path: self.path(&topic), topic });
        }
        drop(self.topics);
        finish(&self.lock, self.manifest, State::Finished)
    }
}

/// Finishes a recording whose recorder was killed: its files become whole up to where they were written, and the
/// manifest says what is missing.
///
/// # Errors
///
/// It is not an unfinished recording, its recorder is still at work, or the disk is full.
pub fn repair(folder: &Path) -> Result<Manifest, RecordingError> {
    // Before anything is written into a folder that is none of ours.
    unfinished(folder)?;
    let lock = Lock::take(folder)?;
    // Its recorder may just have finished it.
    let manifest = unfinished(folder)?;
    finish(&lock, manifest, State::Repaired)
}

/// The manifest of a recording that is not finished.
fn unfinished(folder: &Path) -> Result<Manifest, RecordingError> {
    let manifest = Manifest::read(folder)?;
    match manifest.state {
        State::Recording => Ok(manifest),
        State::Finished | State::Repaired => Err(RecordingError::Finished(folder.to_owned())),
    }
}

/// Makes whole files of the unfinished ones. It can be broken off and done again: an unfinished file stays until the
/// manifest tells of the finished one.
fn finish(lock: &Lock, mut manifest: Manifest, state: State) -> Result<Manifest, RecordingError> {
    let folder = lock.folder();
    let mut exceptions = manifest.exceptions.clone();
    for (name, topic) in manifest.topics.clone() {
        let unfinished = folder.join(file_of(&name, UNFINISHED));
        if !unfinished.exists() {
            continue;
        }
        let (topic, missing) = finish_topic(folder, &name, topic)?;
        // It tells of them already if it was broken off right here.
        exceptions.extend(missing.into_iter().filter(|exception| !manifest.exceptions.contains(exception)));
        manifest.exceptions.clone_from(&exceptions);
        manifest.topics.insert(name, topic);
        manifest.write(folder)?;
        fs::remove_file(&unfinished).map_err(RecordingError::file("remove", &unfinished))?;
    }
    manifest.state = state;
    manifest.write(folder)?;
    Ok(manifest)
}

/// Writes the messages of an unfinished file, or of as much of it as is whole, into a finished one. Gives what is in it
/// and what is missing.
fn finish_topic(
    folder: &Path,
    name: &str,
    mut topic: Topic,
) -> Result<(Topic, Vec<Exception>), RecordingError> {
    let mut streams = Streams::new(topic.content);
    let mut missing = Vec::new();
    let mut reader = match TopicReader::open(&folder.join(file_of(name, UNFINISHED))) {
        Ok(reader) => reader,
        // Killed before the first flush: the file is there and holds nothing that is whole.
        Err(error @ RecordingError::Damaged { .. }) => return Ok((topic, vec![damaged(name, &error)])),
        Err(error) => return Err(error),
    };
    let partial = folder.join(file_of(name, PARTIAL));
    let create = File::create(&partial).map_err(RecordingError::file("create", &partial))?;
    let options = IpcWriteOptions::default()
        .try_with_compression(Some(CompressionType::ZSTD))
        .map_err(failed(name, &partial))?;
    let mut writer = FileWriter::try_new_with_options(BufWriter::new(create), &reader.schema(), options)
        .map_err(failed(name, &partial))?;
    let mut batch = Vec::new();
    let mut bytes = 0;
    loop {
        let message = match reader.next_message().and_then(|message| match message {
            Some(message) => streams.take(name, &message).map(|_| Some(message)),
            None => Ok(None),
        }) {
            Ok(Some(message)) => message,
            Ok(None) => break,
            // What is behind cannot be told apart.
            Err(error @ (RecordingError::Damaged { .. } | RecordingError::Message { .. })) => {
                missing.push(damaged(name, &error));
                break;
            }
            Err(error) => return Err(error),
        };
        bytes += message.to_data().get_slice_memory_size().unwrap_or(0);
        batch.push(RecordBatch::from(message));
        if bytes >= BATCH_BYTES || batch.len() >= BATCH_MESSAGES {
            write_batch(&mut writer, &mut batch).map_err(failed(name, &partial))?;
            bytes = 0;
        }
    }
    write_batch(&mut writer, &mut batch).map_err(failed(name, &partial))?;
    writer.finish().map_err(failed(name, &partial))?;
    drop(writer);
    let file = file_of(name, FINISHED);
    fs::rename(&partial, folder.join(&file)).map_err(RecordingError::file("rename", &partial))?;
    topic.file = Some(file);
    topic.sessions = streams.finish();
    let unended = topic.sessions.iter().filter(|(_, stream)| !stream.ended);
    missing.extend(unended.map(|(session, stream)| Exception {
        kind: ExceptionKind::CutOff,
        place: name.to_owned(),
        session: Some(session.clone()),
        sample: stream.end,
        amount: None,
        text: format!("the stream stops after {} messages without its end", stream.messages),
    }));
    Ok((topic, missing))
}

fn damaged(topic: &str, error: &RecordingError) -> Exception {
    Exception {
        kind: ExceptionKind::Damaged,
        place: topic.to_owned(),
        session: None,
        sample: None,
        amount: None,
        text: error.to_string(),
    }
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

    /// Takes a message of the topic's file, and gives its header.
    pub(crate) fn take(&mut self, topic: &str, message: &StructArray) -> Result<Header, RecordingError> {
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
        Ok(header)
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

/// Removes a recording: the manifest and the files of its topics. What else is in the folder is somebody's, and an error,
/// and so is a recorder that is still at work.
fn remove(folder: &Path) -> Result<(), RecordingError> {
    let manifest = Manifest::read(folder)?;
    let _lock = Lock::take(folder)?;
    let endings = [UNFINISHED, FINISHED, PARTIAL];
    let topics = manifest.topics.keys().flat_map(|topic| endings.map(|ending| file_of(topic, ending)));
    let ours: BTreeSet<PathBuf> = topics
        .chain([MANIFEST, MANIFEST_PARTIAL, LOCK].map(str::to_owned))
        .map(|file| folder.join(file))
        .collect();
    let mut pending = vec![folder.to_owned()];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(&path).map_err(RecordingError::file("read", &path))? {
            let entry = entry.map_err(RecordingError::file("read", &path))?;
            let path = entry.path();
            // A link to a folder is none of ours.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                pending.push(path);
            } else if !ours.contains(&path) {
                let (path, found) = (folder.to_owned(), path.display().to_string());
                return Err(RecordingError::NotReplaced { path, found });
            }
        }
    }
    fs::remove_dir_all(folder).map_err(RecordingError::file("remove", folder))
}
