//! Reads the messages of a topic's file, one batch at a time.
//!
//! A finished file is an Arrow IPC file, an unfinished one an Arrow IPC stream; and a file is a magic number, a stream,
//! and a footer. So both are read as the stream that they are, from front to back, in the memory of one batch. Nothing
//! in the file is believed before it is checked: Arrow's own reader allocates what a length in the file asks for.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray, StructArray, UInt32Array};
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::compute::take;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow_ipc::reader::read_record_batch;
use arrow_ipc::{MetadataVersion, root_as_footer, root_as_message};

use crate::checks;
use crate::error::RecordingError;

/// The first bytes of an Arrow IPC file.
const MAGIC: [u8; 8] = *b"ARROW1\0\0";
/// The last bytes of one, behind the footer and its length.
const END_MAGIC: [u8; 6] = *b"ARROW1";

/// The messages of a topic, in the order in which they were recorded.
pub struct TopicReader<R = BufReader<File>> {
    path: PathBuf,
    input: R,
    /// Bytes in the file behind the position.
    remaining: u64,
    offset: u64,
    /// How many batches were read, and where they are if a footer is to name them.
    batch: u64,
    batches: Vec<Block>,
    messages: u64,
    schema: SchemaRef,
    /// The batch that was read last, and how many of its messages have been given.
    rows: StructArray,
    given: usize,
    /// Whether the file claims to be finished.
    finished_file: bool,
    ended: bool,
}

/// The place of a batch: where it begins, and the bytes of its two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    offset: u64,
    metadata: u64,
    body: u64,
}

impl TopicReader {
    /// Opens a topic's file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or does not begin like the file of a topic.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let file = File::open(path).map_err(RecordingError::file("open", path))?;
        let length = file.metadata().map_err(RecordingError::file("open", path))?.len();
        Self::new(path, BufReader::with_capacity(1 << 20, file), length)
    }
}

impl<R: Read> TopicReader<R> {
    /// Reads a topic from `length` bytes of input; `path` is for error messages.
    ///
    /// # Errors
    ///
    /// As [`TopicReader::open`].
    pub fn new(path: &Path, input: R, length: u64) -> Result<Self, RecordingError> {
        let mut reader = Self {
            path: path.to_owned(),
            input,
            remaining: length,
            offset: 0,
            batch: 0,
            batches: Vec::new(),
            messages: 0,
            schema: Arc::new(Schema::empty()),
            rows: StructArray::new_empty_fields(0, None),
            given: 0,
            finished_file: false,
            ended: false,
        };
        let mut start = [0; 8];
        reader.read_exact(&mut start)?;
        if start == MAGIC {
            reader.finished_file = true;
            reader.read_exact(&mut start)?;
            // Writers pad the magic number to 8 or to 64 bytes.
            while start == [0; 8] && reader.offset < 72 {
                reader.read_exact(&mut start)?;
            }
        }
        let frame = reader.frame(start)?.ok_or_else(|| reader.damaged("there is no schema"))?;
        let message = frame.message().map_err(|problem| reader.damaged(&problem))?;
        let Some(schema) = message.header_as_schema() else {
            return Err(reader.damaged("it does not begin with a schema"));
        };
        reader.schema = Arc::new(checks::schema(&schema).map_err(|problem| reader.damaged(problem))?);
        for (name, data_type) in
            [("session", DataType::Utf8), ("seq", DataType::UInt64), ("last", DataType::Boolean)]
        {
            if !reader.schema.field_with_name(name).is_ok_and(|field| *field.data_type() == data_type) {
                return Err(
                    reader.damaged(&format!("these are not messages: no `{name}` of type {data_type}"))
                );
            }
        }
        Ok(reader)
    }

    /// The columns of the messages.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// How many messages have been given.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The next message, a view of its batch; see [`compact`].
    ///
    /// # Errors
    ///
    /// The file is damaged or cut short here, behind all the messages that were given before.
    pub fn next_message(&mut self) -> Result<Option<StructArray>, RecordingError> {
        while self.given == self.rows.len() {
            let Some(rows) = self.next_batch()? else { return Ok(None) };
            (self.rows, self.given) = (rows, 0);
        }
        let message = self.rows.slice(self.given, 1);
        self.given += 1;
        self.messages += 1;
        Ok(Some(message))
    }

    fn next_batch(&mut self) -> Result<Option<StructArray>, RecordingError> {
        if self.ended {
            return Ok(None);
        }
        if self.remaining == 0 && !self.finished_file {
            // A stream whose recorder was killed between two batches has no end mark.
            self.ended = true;
            return Ok(None);
        }
        let offset = self.offset;
        let mut start = [0; 8];
        self.read_exact(&mut start)?;
        let Some(frame) = self.frame(start)? else {
            match self.finished_file {
                true => self.check_footer()?,
                false if self.remaining > 0 => return Err(self.damaged("an end mark before the end")),
                false => {}
            }
            self.ended = true;
            return Ok(None);
        };
        let rows = self.decode(&frame).map_err(|problem| self.damaged_at(offset, &problem))?;
        self.batch += 1;
        if self.finished_file {
            let metadata = (start.len() + frame.metadata.len()) as u64;
            self.batches.push(Block { offset, metadata, body: frame.body.len() as u64 });
        }
        Ok(Some(rows))
    }

    fn decode(&self, frame: &Frame) -> Result<StructArray, String> {
        let message = frame.message()?;
        let batch = message.header_as_record_batch().ok_or("a batch was expected")?;
        checks::batch(&batch, &frame.body, &self.schema)?;
        let dictionaries = HashMap::new();
        read_record_batch(&frame.body, batch, self.schema(), &dictionaries, None, &message.version())
            .map(StructArray::from)
            .map_err(|error| error.to_string())
    }

    /// Reads the rest of a frame that begins with `start`, unless that is the end mark.
    fn frame(&mut self, start: [u8; 8]) -> Result<Option<Frame>, RecordingError> {
        let [a, b, c, d, length @ ..] = start;
        if [a, b, c, d] != [0xff; 4] {
            return Err(self.damaged("there is no batch here"));
        }
        let length = u32::from_le_bytes(length);
        if length == 0 {
            return Ok(None);
        }
        let metadata = self.take(u64::from(length))?;
        let mut frame = Frame { metadata, body: Buffer::default() };
        let body = frame.message().map_err(|problem| self.damaged(&problem))?.bodyLength();
        let body = u64::try_from(body).map_err(|_| self.damaged("a batch of negative size"))?;
        if body > self.remaining {
            return Err(self.damaged(&format!(
                "the file is cut short: {} of the batch's {body} bytes are there",
                self.remaining
            )));
        }
        let mut buffer = MutableBuffer::from_len_zeroed(body as usize);
        self.read_exact(buffer.as_slice_mut())?;
        frame.body = buffer.into();
        Ok(Some(frame))
    }

    /// Behind the last batch of a finished file are the footer, its length and the magic number. Other readers find
    /// the batches by the footer, so it must name those that were read.
    fn check_footer(&mut self) -> Result<(), RecordingError> {
        let broken = self.damaged("the footer is not whole");
        let end = self.take(self.remaining)?;
        let footer = end.split_last_chunk::<6>().filter(|(_, magic)| **magic == END_MAGIC);
        let footer = footer.and_then(|(footer, _)| footer.split_last_chunk::<4>());
        let whole = footer.filter(|(footer, length)| footer.len() == u32::from_le_bytes(**length) as usize);
        let Some((footer, _)) = whole else { return Err(broken) };
        let Ok(footer) = root_as_footer(footer) else { return Err(broken) };
        let schema = footer.schema().and_then(|schema| checks::schema(&schema).ok());
        let dictionaries = footer.dictionaries().is_some_and(|blocks| !blocks.is_empty());
        let part = |number: i64| u64::try_from(number).ok();
        let blocks = footer.recordBatches().into_iter().flatten().map(|block| {
            let (offset, metadata) = (part(block.offset())?, part(block.metaDataLength().into())?);
            Some(Block { offset, metadata, body: part(block.bodyLength())? })
        });
        let same = footer.version() == MetadataVersion::V5
            && schema.as_ref() == Some(self.schema.as_ref())
            && !dictionaries;
        if same && blocks.eq(self.batches.iter().copied().map(Some)) { Ok(()) } else { Err(broken) }
    }

    /// Reads `length` bytes more, which must be there.
    fn take(&mut self, length: u64) -> Result<Vec<u8>, RecordingError> {
        if length > self.remaining {
            return Err(self.damaged("the file is cut short"));
        }
        let mut bytes = vec![0; length as usize];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn read_exact(&mut self, bytes: &mut [u8]) -> Result<(), RecordingError> {
        let length = bytes.len() as u64;
        if length > self.remaining {
            return Err(self.damaged("the file is cut short"));
        }
        read(&mut self.input, bytes, &self.path)?;
        self.remaining -= length;
        self.offset += length;
        Ok(())
    }

    fn damaged(&self, problem: &str) -> RecordingError {
        self.damaged_at(self.offset, problem)
    }

    fn damaged_at(&self, offset: u64, problem: &str) -> RecordingError {
        RecordingError::Damaged {
            path: self.path.clone(),
            offset,
            batch: self.batch,
            messages: self.messages,
            problem: problem.to_owned(),
        }
    }
}

/// A piece of an Arrow IPC stream.
struct Frame {
    metadata: Vec<u8>,
    body: Buffer,
}

impl Frame {
    fn message(&self) -> Result<arrow_ipc::Message<'_>, String> {
        let message = root_as_message(&self.metadata).map_err(|error| error.to_string())?;
        match message.version() {
            MetadataVersion::V5 => Ok(message),
            _ => Err("it is of another version of the Arrow format".to_owned()),
        }
    }
}

fn read(input: &mut impl Read, bytes: &mut [u8], path: &Path) -> Result<(), RecordingError> {
    input.read_exact(bytes).map_err(|error| {
        let cut = io::Error::new(ErrorKind::UnexpectedEof, "it became shorter while it was read");
        let error = if error.kind() == ErrorKind::UnexpectedEof { cut } else { error };
        RecordingError::file("read", path)(error)
    })
}

/// A message that holds nothing but itself: a row of a batch keeps, and sends, the whole batch.
pub fn compact(row: &StructArray) -> StructArray {
    // Taking a row that is there does not fail.
    let taken = take(row, &UInt32Array::from(vec![0]), None);
    let taken = taken.ok().and_then(|taken| taken.as_struct_opt().cloned());
    let mut message = taken.unwrap_or_else(|| row.clone());
    // Arrow makes room for a list of all the elements in the batch.
    message.shrink_to_fit();
    message
}
