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
            return Err(refused(&self.topic)(format!(
                "its messages began with the fields {}, and one has {}; a topic has messages of one type",
                names(&self.fields),
                names(message.fields())
            )));
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

fn names(fields: &Fields) -> String {
    fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
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
