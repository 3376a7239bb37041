//! Files whose parts are whole, and say wrong things of each other: lengths, counts, offsets, types.
#![no_main]

use arbitrary::{Result, Unstructured};
use arrow::datatypes::{DataType, Field, Schema};
use arrow_ipc::writer::StreamWriter;
use arrow_ipc::{
    BodyCompressionBuilder, Buffer, CompressionType, FieldNode, MessageBuilder, MessageHeader,
    MetadataVersion, RecordBatchBuilder,
};
use flatbuffers::FlatBufferBuilder;
use libfuzzer_sys::fuzz_target;
use undertone_fuzz::arrays;

fuzz_target!(|bytes: &[u8]| {
    let mut file = Vec::new();
    // What was made until the bytes ran out is a file as well.
    let _ = write(&mut Unstructured::new(bytes), &mut file);
    undertone_fuzz::read(&file);
});

fn write(u: &mut Unstructured<'_>, file: &mut Vec<u8>) -> Result<()> {
    let mut fields = arrays::message_fields(u)?;
    if u.ratio(1, 2)? {
        let others = arrays::fields(u, 3)?;
        fields = fields.iter().take(3).chain(&others).cloned().collect();
    }
    let schema = Schema::new(fields.clone());
    drop(StreamWriter::try_new(&mut *file, &schema).map_err(|_| arbitrary::Error::IncorrectFormat)?);
    while !u.is_empty() && u.ratio(7, 8)? {
        let mut batch = Batch::default();
        let rows = u.int_in_range(0..=3)?;
        batch.compressed = u.ratio(1, 4)?;
        for field in &fields {
            batch.column(u, field, rows)?;
        }
        while !u.is_empty() && u.ratio(3, 4)? {
            batch.spoil(u)?;
        }
        let length = if u.ratio(1, 16)? { u.arbitrary()? } else { rows as i64 };
        batch.write(u, length, file)?;
    }
    Ok(())
}

/// What Arrow writes of a batch.
#[derive(Default)]
struct Batch {
    compressed: bool,
    nodes: Vec<(i64, i64)>,
    buffers: Vec<(i64, i64)>,
    body: Vec<u8>,
}

impl Batch {
    /// Adds a column as it should be.
    fn column(&mut self, u: &mut Unstructured<'_>, field: &Field, rows: usize) -> Result<()> {
        let valid: Vec<bool> = (0..rows).map(|_| u.ratio(7, 8)).collect::<Result<_>>()?;
        let nulls = valid.iter().filter(|valid| !**valid).count();
        self.nodes.push((rows as i64, nulls as i64));
        let bits = |bits: &[bool]| -> Vec<u8> {
            bits.chunks(8)
                .map(|byte| byte.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit)))
                .collect()
        };
        self.buffer(u, if nulls == 0 { Vec::new() } else { bits(&valid) })?;
        let lengths = |u: &mut Unstructured<'_>, wide: bool| -> Result<(usize, Vec<u8>)> {
            let mut end = 0_usize;
            let mut offsets = Vec::new();
            for row in 0..=rows {
                end += if row == 0 { 0 } else { u.int_in_range(0..=3)? };
                match wide {
                    true => offsets.extend((end as i64).to_le_bytes()),
                    false => offsets.extend((end as i32).to_le_bytes()),
                }
            }
            Ok((end, offsets))
        };
        match field.data_type() {
            DataType::Boolean => self.buffer(u, bits(&valid))?,
            DataType::Utf8 => {
                let (end, offsets) = lengths(u, false)?;
                self.buffer(u, offsets)?;
                self.buffer(u, vec![b'a'; end])?;
            }
            DataType::List(item) => {
                let (end, offsets) = lengths(u, false)?;
                self.buffer(u, offsets)?;
                self.column(u, item, end)?;
            }
            DataType::LargeList(item) => {
                let (end, offsets) = lengths(u, true)?;
                self.buffer(u, offsets)?;
                self.column(u, item, end)?;
            }
            DataType::Struct(fields) => {
                fields.iter().try_for_each(|field| self.column(u, field, rows))?;
            }
            other => {
                let width = other.primitive_width().unwrap_or(32);
                let bytes = (0..rows * width).map(|_| u.arbitrary()).collect::<Result<_>>()?;
                self.buffer(u, bytes)?;
            }
        }
        Ok(())
    }

    fn buffer(&mut self, u: &mut Unstructured<'_>, mut bytes: Vec<u8>) -> Result<()> {
        if self.compressed && !bytes.is_empty() {
            // Said not to be compressed after all; now and then with a size that is made up.
            let size: i64 = if u.ratio(1, 16)? { u.arbitrary()? } else { -1 };
            bytes.splice(0..0, size.to_le_bytes());
        }
        self.buffers.push((self.body.len() as i64, bytes.len() as i64));
        self.body.extend(bytes);
        self.body.resize(self.body.len().next_multiple_of(8), 0);
        Ok(())
    }

    /// Makes something wrong.
    fn spoil(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let pairs = if u.arbitrary()? { &mut self.nodes } else { &mut self.buffers };
        match u.int_in_range(0..=4)? {
            0 | 1 if !pairs.is_empty() => {
                let index = u.choose_index(pairs.len())?;
                let (first, second) = &mut pairs[index];
                let number = if u.arbitrary()? { first } else { second };
                *number = match u.int_in_range(0..=3)? {
                    0 => u.arbitrary()?,
                    1 => number.wrapping_add(u.arbitrary::<i8>()?.into()),
                    2 => *u.choose(&[0, -1, 1 << 20, 1 << 29, 1 << 31, i64::MAX, i64::MIN])?,
                    _ => u.arbitrary::<u8>()?.into(),
                };
            }
            2 if !pairs.is_empty() => _ = pairs.remove(u.choose_index(pairs.len())?),
            3 => pairs.push((u.arbitrary::<u8>()?.into(), u.arbitrary::<u8>()?.into())),
            _ if !self.body.is_empty() => {
                let index = u.choose_index(self.body.len())?;
                self.body[index] = u.arbitrary()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Appends the batch as a frame of an Arrow IPC stream.
    fn write(self, u: &mut Unstructured<'_>, length: i64, file: &mut Vec<u8>) -> Result<()> {
        let mut builder = FlatBufferBuilder::new();
        let pairs = self.nodes.iter().map(|(length, nulls)| FieldNode::new(*length, *nulls));
        let nodes = builder.create_vector(&pairs.collect::<Vec<_>>());
        let pairs = self.buffers.iter().map(|(offset, length)| Buffer::new(*offset, *length));
        let buffers = builder.create_vector(&pairs.collect::<Vec<_>>());
        let codec = if u.ratio(1, 16)? { CompressionType(u.arbitrary()?) } else { CompressionType::ZSTD };
        let compression = self.compressed.then(|| {
            let mut compression = BodyCompressionBuilder::new(&mut builder);
            compression.add_codec(codec);
            compression.finish()
        });
        let variadic = u.ratio(1, 32)?.then(|| builder.create_vector(&[1_i64]));
        let (has_nodes, has_buffers) = (!u.ratio(1, 32)?, !u.ratio(1, 32)?);
        let version = if u.ratio(1, 32)? { MetadataVersion(u.arbitrary()?) } else { MetadataVersion::V5 };
        let body = if u.ratio(1, 32)? { u.arbitrary()? } else { self.body.len() as i64 };
        let mut batch = RecordBatchBuilder::new(&mut builder);
        batch.add_length(length);
        if has_nodes {
            batch.add_nodes(nodes);
        }
        if has_buffers {
            batch.add_buffers(buffers);
        }
        compression.into_iter().for_each(|compression| batch.add_compression(compression));
        variadic.into_iter().for_each(|counts| batch.add_variadicBufferCounts(counts));
        let batch = batch.finish();
        let mut message = MessageBuilder::new(&mut builder);
        message.add_version(version);
        message.add_header_type(MessageHeader::RecordBatch);
        message.add_bodyLength(body);
        message.add_header(batch.as_union_value());
        let message = message.finish();
        builder.finish(message, None);
        let metadata = builder.finished_data();
        let size = metadata.len().next_multiple_of(8);
        file.extend([0xff; 4]);
        file.extend((size as u32).to_le_bytes());
        file.extend(metadata);
        file.resize(file.len() + size - metadata.len(), 0);
        file.extend(self.body);
        Ok(())
    }
}
