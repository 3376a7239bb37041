//! Writes the messages of a topic as they come.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, FixedSizeBinaryArray, RecordBatch, StructArray};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow_ipc::writer::StreamWriter;
use undertone_messages::Header;

use crate::checks::MOST_MESSAGE_BYTES;
use crate::digest::message_digest;
use crate::error::RecordingError;
use crate::manifest::Content;

/// The column that stands for the content of a message that is recorded as its digest alone.
pub(crate) const DIGEST: &str = "digest";

/// The unfinished file of a topic: an Arrow IPC stream with a batch for each message, so that whatever was written
/// before a crash can be read.
pub(crate) struct TopicWriter<W: Write = BufWriter<File>> {
    topic: String,
    path: PathBuf,
    content: Content,
    /// The fields of the topic's messages.
    fields: Fields,
    schema: SchemaRef,
    output: StreamWriter<W>,
    scratch: Vec<u8>,
    /// Part of a message may have been written: what came behind it could not be read.
    broken: bool,
}

impl TopicWriter {
    /// Creates the file, for messages that look like `first`.
    pub(crate) fn create(
        topic: &str,
        path: &Path,
        content: Content,
        first: &StructArray,
    ) -> Result<Self, RecordingError> {
        // Before there is a file that nothing could be written to.
        check(first)
            .and_then(|()| message_digest(first, &mut Vec::new()).map_err(|error| error.to_string()))
            .map_err(refused(topic))?;
        let create = |path: &Path| {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            File::create_new(path)
        };
        let file = create(path).map_err(RecordingError::file("create", path))?;
        Self::new(topic, path, content, first, BufWriter::with_capacity(1 << 18, file))
    }
}

impl<W: Write> TopicWriter<W> {
    /// Writes to `output`; `path` is for error messages.
    pub(crate) fn new(
        topic: &str,
        path: &Path,
        content: Content,
        first: &StructArray,
        output: W,
    ) -> Result<Self, RecordingError> {
        let fields = first.fields().clone();
        let schema = Arc::new(Schema::new(match content {
            Content::Messages => fields.clone(),
            Content::Digests => header_fields(&fields)
                .chain([Field::new(DIGEST, DataType::FixedSizeBinary(32), false)])
                .collect(),
        }));
        let output = StreamWriter::try_new(output, &schema).map_err(failed(topic, path))?;
        let (topic, path) = (topic.to_owned(), path.to_owned());
        Ok(Self { topic, path, content, fields, schema, output, scratch: Vec::new(), broken: false })
    }

    /// Writes a message.
    pub(crate) fn write(&mut self, message: &StructArray) -> Result<(), RecordingError> {
        if message.fields() != &self.fields {
            return Err(refused(&self.topic)(difference(&self.fields, message.fields())));
        }
        check(message).map_err(refused(&self.topic))?;
        if self.broken {
            let error = io::Error::other("a message before could be written only in part");
            return Err(failed(&self.topic, &self.path)(error.into()));
        }
        let columns = match self.content {
            Content::Messages => message.columns().to_vec(),
            Content::Digests => {
                let digest = message_digest(message, &mut self.scratch)
                    .map_err(|error| refused(&self.topic)(error.to_string()))?;
                let digest = FixedSizeBinaryArray::try_from_iter([digest.0].into_iter())
                    .map_err(failed(&self.topic, &self.path))?;
                let header = header_fields(&self.fields)
                    .filter_map(|field| message.column_by_name(field.name()).cloned());
                header.chain([Arc::new(digest) as ArrayRef]).collect()
            }
        };
        let written =
            RecordBatch::try_new(self.schema.clone(), columns).and_then(|batch| self.output.write(&batch));
        self.broken = written.is_err();
        written.map_err(failed(&self.topic, &self.path))
    }

    /// Hands everything to the operating system.
    pub(crate) fn flush(&mut self) -> Result<(), RecordingError> {
        self.output.flush().map_err(failed(&self.topic, &self.path))
    }
}

/// Checks that a message could be read again.
fn check(message: &StructArray) -> Result<(), String> {
    Header::read(message).map_err(|error| error.to_string())?;
    let bytes = message.to_data().get_slice_memory_size().map_err(|error| error.to_string())?;
    if bytes > MOST_MESSAGE_BYTES {
        return Err(format!("a message of {bytes} bytes; at most {MOST_MESSAGE_BYTES} are recorded"));
    }
    Ok(())
}

/// For `map_err`: a message cannot be recorded.
fn refused(topic: &str) -> impl FnOnce(String) -> RecordingError {
    let topic = topic.to_owned();
    move |problem| RecordingError::Message { topic, problem }
}

/// The fields that each message has.
fn header_fields(fields: &Fields) -> impl Iterator<Item = Field> {
    let of_header = |name: &str| matches!(name, "session" | "seq" | "last");
    fields.iter().filter(move |field| of_header(field.name())).map(|field| field.as_ref().clone())
}

/// The first field in which the messages of a topic and another one differ, in words.
fn difference(fields: &Fields, others: &Fields) -> String {
    let place = fields.iter().zip(others).take_while(|(field, other)| field == other).count();
    let show = |fields: &Fields| fields.get(place).map_or_else(|| "nothing".to_owned(), |it| it.to_string());
    format!(
        "its messages began with {}, and one has {} in that place; a topic has messages of one type",
        show(fields),
        show(others)
    )
}

/// For `map_err`: a topic cannot be written.
pub(crate) fn failed(topic: &str, path: &Path) -> impl FnOnce(ArrowError) -> RecordingError {
    let (topic, path) = (topic.to_owned(), path.to_owned());
    move |error| {
        let source = match error {
            ArrowError::IoError(_, source) => source,
            other => io::Error::other(other),
        };
        RecordingError::Write { topic, path, source }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use undertone_messages::{AudioFrame, Message};

    use super::*;
    use crate::topic_reader::TopicReader;

    /// A disk with room for so many bytes.
    struct Disk {
        room: usize,
        written: Vec<u8>,
    }

    impl Write for &mut Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let length = bytes.len().min(self.room - self.written.len());
            if length == 0 && !bytes.is_empty() {
                return Err(ErrorKind::StorageFull.into());
            }
            self.written.extend(&bytes[..length]);
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn frames() -> Vec<StructArray> {
        let frame = |seq: u64| {
            let samples = vec![0.5; seq as usize].into();
            let body = AudioFrame { start: seq, sample_rate: 16_000, samples, gap: 0 };
            Message { session: "s".into(), seq, body: Some(body) }.encode().unwrap()
        };
        (0..4).map(frame).collect()
    }

    /// Writes the messages until the disk is full. Gives how many were written.
    fn record(disk: &mut Disk, messages: &[StructArray]) -> Result<usize, (usize, RecordingError)> {
        let path = Path::new("recording/source/audio.arrows");
        let mut writer = TopicWriter::new("source/audio", path, Content::Messages, &messages[0], disk)
            .map_err(|error| (0, error))?;
        for (count, message) in messages.iter().enumerate() {
            if let Err(error) = writer.write(message) {
                // Neither is what comes later written behind half a message.
                let text = writer.write(message).unwrap_err().to_string();
                assert!(text.contains("source/audio") && text.contains("only in part"), "{text}");
                return Err((count, error));
            }
        }
        writer.flush().map_err(|error| (messages.len(), error))?;
        Ok(messages.len())
    }

    #[test]
    fn a_full_disk_is_an_error_and_what_was_written_before_can_be_read() {
        let messages = frames();
        let mut enough = Disk { room: usize::MAX, written: Vec::new() };
        assert_eq!(record(&mut enough, &messages).unwrap(), messages.len());
        let mut counts = std::collections::BTreeSet::new();
        for room in 0..enough.written.len() {
            let mut disk = Disk { room, written: Vec::new() };
            let (count, error) = record(&mut disk, &messages).unwrap_err();
            counts.insert(count);
            assert!(
                matches!(&error, RecordingError::Write { source, .. } if source.kind() == ErrorKind::StorageFull)
            );
            let text = error.to_string();
            assert!(
                text.contains("topic `source/audio`") && text.contains("recording/source/audio.arrows"),
                "{text}"
            );
            let mut found = Vec::new();
            if let Ok(mut reader) =
                TopicReader::new(Path::new("disk"), disk.written.as_slice(), disk.written.len() as u64)
            {
                while let Ok(Some(message)) = reader.next_message() {
                    found.push(message);
                }
            }
            assert_eq!(found, messages[..count], "with room for {room} bytes");
        }
        assert_eq!(counts, (0..messages.len()).collect());
    }
}
