//! Reads the messages of a topic's file, one batch at a time.
//!
//! A finished file is an Arrow IPC file, an unfinished one an Arrow IPC stream; and a file is a magic number, a stream,
//! and a footer. So both are read as the stream that they are, from front to back, in the memory of one batch. Nothing
//! in the file is believed before it is checked: Arrow's own reader allocates what a length in the file asks for.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StructArray, UInt32Array};
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::compute::take;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::read_record_batch;
use arrow_ipc::root_as_message;

use crate::error::RecordingError;

/// The first bytes of an Arrow IPC file.
const MAGIC: [u8; 8] = *b"ARROW1\0\0";
/// The last bytes of one, behind the footer and its length.
const END_MAGIC: [u8; 6] = *b"ARROW1";
/// What a batch may come to when it is decompressed. A recorder's batches are about a megabyte.
const MOST_DECOMPRESSED: u64 = 1 << 28;

/// The messages of a topic, in the order in which they were recorded.
pub struct TopicReader<R = BufReader<File>> {
    path: PathBuf,
    input: R,
    /// Bytes in the file behind the position.
    remaining: u64,
    offset: u64,
    batch: u64,
    messages: u64,
    schema: SchemaRef,
    rows: VecDeque<StructArray>,
    /// Whether the file claims to be finished.
    finished_file: bool,
    ended: bool,
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
            messages: 0,
            schema: Arc::new(Schema::empty()),
            rows: VecDeque::new(),
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
        reader.schema = Arc::new(fb_to_schema(schema));
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
        while self.rows.is_empty() {
            let Some(batch) = self.next_batch()? else { return Ok(None) };
            let rows = StructArray::from(batch);
            self.rows.extend((0..rows.len()).map(|row| rows.slice(row, 1)));
        }
        self.messages += 1;
        Ok(self.rows.pop_front())
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, RecordingError> {
        if self.ended {
            return Ok(None);
        }
        let mut start = [0; 8];
        if self.remaining == 0 && !self.finished_file {
            // A stream whose recorder was killed between two batches has no end mark.
            self.ended = true;
            return Ok(None);
        }
        self.read_exact(&mut start)?;
        let Some(frame) = self.frame(start)? else {
            self.ended = true;
            if self.finished_file {
                self.check_footer()?;
            }
            return Ok(None);
        };
        let batch = self.decode(&frame).map_err(|problem| self.damaged(&problem))?;
        self.batch += 1;
        Ok(Some(batch))
    }

    fn decode(&self, frame: &Frame) -> Result<RecordBatch, String> {
        let message = frame.message()?;
        let batch = message.header_as_record_batch().ok_or("a batch was expected")?;
        check_batch(&batch, &frame.body)?;
        let dictionaries = HashMap::new();
        read_record_batch(&frame.body, batch, self.schema(), &dictionaries, None, &message.version())
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
        let mut metadata = Vec::new();
        self.append(u64::from(length), &mut metadata)?;
        let body = match root_as_message(&metadata) {
            Ok(message) => message.bodyLength(),
            Err(error) => return Err(self.damaged(&error.to_string())),
        };
        let body = u64::try_from(body).map_err(|_| self.damaged("a batch of negative size"))?;
        if body > self.remaining {
            return Err(self.damaged(&format!(
                "the file is cut short: {} of the batch's {body} bytes are there",
                self.remaining
            )));
        }
        let mut buffer = MutableBuffer::from_len_zeroed(body as usize);
        self.read_exact(buffer.as_slice_mut())?;
        Ok(Some(Frame { metadata, body: buffer.into() }))
    }

    /// Behind the last batch of a finished file are the footer, its length and the magic number.
    fn check_footer(&mut self) -> Result<(), RecordingError> {
        let mut footer = Vec::new();
        self.append(self.remaining, &mut footer)?;
        let intact = footer.split_last_chunk::<6>().is_some_and(|(footer, magic)| {
            let length = footer.split_last_chunk::<4>().map(|(_, length)| u32::from_le_bytes(*length));
            *magic == END_MAGIC && length.is_some_and(|length| footer.len() as u64 == u64::from(length) + 4)
        });
        if intact { Ok(()) } else { Err(self.damaged("the footer is not whole")) }
    }

    /// Reads `length` bytes more, which must be there.
    fn append(&mut self, length: u64, bytes: &mut Vec<u8>) -> Result<(), RecordingError> {
        if length > self.remaining {
            return Err(self.damaged("the file is cut short"));
        }
        let start = bytes.len();
        bytes.resize(start + length as usize, 0);
        self.read_exact(bytes.get_mut(start..).unwrap_or_default())
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
        RecordingError::Damaged {
            path: self.path.clone(),
            offset: self.offset,
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
        root_as_message(&self.metadata).map_err(|error| error.to_string())
    }
}

fn read(input: &mut impl Read, bytes: &mut [u8], path: &Path) -> Result<(), RecordingError> {
    input.read_exact(bytes).map_err(|error| {
        let cut = io::Error::new(ErrorKind::UnexpectedEof, "it became shorter while it was read");
        let error = if error.kind() == ErrorKind::UnexpectedEof { cut } else { error };
        RecordingError::file("read", path)(error)
    })
}

/// Checks what a batch says of its buffers, which Arrow takes on trust.
fn check_batch(batch: &arrow_ipc::RecordBatch<'_>, body: &[u8]) -> Result<(), &'static str> {
    let rows = usize::try_from(batch.length()).map_err(|_| "a batch of a negative number of messages")?;
    // Each message has a session, so at least an offset of 4 bytes; compression makes that smaller.
    if rows > MOST_DECOMPRESSED as usize / 4 {
        return Err("a batch of too many messages");
    }
    let compressed = batch.compression().is_some();
    let mut decompressed = 0_u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let start = usize::try_from(buffer.offset()).map_err(|_| "a buffer before the batch")?;
        let length = usize::try_from(buffer.length()).map_err(|_| "a buffer of negative size")?;
        let end = start.checked_add(length).ok_or("a buffer behind the batch")?;
        let content = body.get(start..end).ok_or("a buffer behind the batch")?;
        if compressed && length > 0 {
            let (size, _) = content.split_first_chunk::<8>().ok_or("a compressed buffer without a size")?;
            // -1 stands for a buffer that is not compressed after all.
            let size = match i64::from_le_bytes(*size) {
                -1 => 0,
                size => u64::try_from(size).map_err(|_| "a compressed buffer of negative size")?,
            };
            decompressed = decompressed.saturating_add(size);
        }
    }
    if decompressed > MOST_DECOMPRESSED {
        return Err("a batch that would fill the memory");
    }
    Ok(())
}

/// A message that holds nothing but itself: a row of a batch keeps, and sends, the whole batch.
pub fn compact(row: &StructArray) -> StructArray {
    // Taking a row that is there does not fail.
    let taken = take(row, &UInt32Array::from(vec![0]), None);
    taken.ok().and_then(|taken| taken.as_struct_opt().cloned()).unwrap_or_else(|| row.clone())
}
