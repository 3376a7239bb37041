//! Writes the messages of a topic as they come.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryArray, RecordBatch, StructArray};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow_ipc::writer::StreamWriter;

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
}

impl TopicWriter {
    /// Creates the file, for messages that look like `first`.
    pub(crate) fn create(
        topic: &str,
        path: &Path,
        content: Content,
        first: &StructArray,
    ) -> Result<Self, RecordingError> {
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
        // What has no digest could not be compared later.
        let mut scratch = Vec::new();
        message_digest(first, &mut scratch).map_err(|error| RecordingError::Message {
            topic: topic.to_owned(),
            problem: error.to_string(),
        })?;
        let output = StreamWriter::try_new(output, &schema).map_err(failed(topic, path))?;
        Ok(Self { topic: topic.to_owned(), path: path.to_owned(), content, fields, schema, output, scratch })
    }

    /// Writes a message.
    pub(crate) fn write(&mut self, message: &StructArray) -> Result<(), RecordingError> {
        let refuse = |problem: String| RecordingError::Message { topic: self.topic.clone(), problem };
        if message.fields() != &self.fields {
            return Err(refuse(format!(
                "its messages began with the fields {}, and one has {}; a topic has messages of one type",
                names(&self.fields),
                names(message.fields())
            )));
        }
        let columns = match self.content {
            Content::Messages => message.columns().to_vec(),
            Content::Digests => {
                let digest =
                    message_digest(message, &mut self.scratch).map_err(|error| refuse(error.to_string()))?;
                let digest = FixedSizeBinaryArray::try_from_iter([digest.0].into_iter())
                    .map_err(failed(&self.topic, &self.path))?;
                let header = header_fields(&self.fields)
                    .filter_map(|field| message.column_by_name(field.name()).cloned());
                header.chain([Arc::new(digest) as ArrayRef]).collect()
            }
        };
        RecordBatch::try_new(self.schema.clone(), columns)
            .and_then(|batch| self.output.write(&batch))
            .map_err(failed(&self.topic, &self.path))
    }

    /// Hands everything to the operating system.
    pub(crate) fn flush(&mut self) -> Result<(), RecordingError> {
        self.output.flush().map_err(failed(&self.topic, &self.path))
    }
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
