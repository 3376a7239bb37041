//! What a file says of itself is checked here before Arrow reads it, which takes counts, lengths and types on trust:
//! with wrong ones it stops the program, or asks for more memory than there is.

use arrow::datatypes::{DataType, Schema};
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::{CompressionType, Endianness, Field, Precision, RecordBatch, Type};

use crate::topic_writer::DIGEST;

/// What the buffers of a batch may come to when they are decompressed. A recorder's batches are about a megabyte.
const MOST_DECOMPRESSED: u64 = 1 << 26;
/// Elements that an array of a batch may have. Without it, elements that take no space, such as empty structs, could be
/// without number.
const MOST_ELEMENTS: usize = 1 << 28;
/// Messages that a batch may have. A recorder's batches have a thousand.
const MOST_MESSAGES: i64 = 1 << 16;
/// Bytes that a message may have, so that its batch is not refused later.
pub(crate) const MOST_MESSAGE_BYTES: usize = 1 << 25;

/// The columns of the messages, if all are of types that a recorder writes.
pub(crate) fn schema(schema: &arrow_ipc::Schema<'_>) -> Result<Schema, &'static str> {
    if schema.endianness() != Endianness::Little {
        return Err("its numbers are big-endian");
    }
    let fields = schema.fields().ok_or("a schema without fields")?;
    for field in fields {
        let width = field.type_as_fixed_size_binary().map(|binary| binary.byteWidth());
        match (field.name(), width) {
            (Some(DIGEST), Some(32)) if field.dictionary().is_none() => {}
            _ => data_type(&field)?,
        }
    }
    Ok(fb_to_schema(*schema))
}

/// Checks that the type of a field is one of those that [`crate::message_digest`] knows.
fn data_type(field: &Field<'_>) -> Result<(), &'static str> {
    const UNKNOWN: &str = "a field of a type that no recorder writes";
    if field.dictionary().is_some() {
        return Err(UNKNOWN);
    }
    let known = match field.type_type() {
        Type::Bool | Type::Utf8 => true,
        Type::Int => field
            .type_as_int()
            .is_some_and(|int| matches!((int.bitWidth(), int.is_signed()), (8, false) | (32 | 64, _))),
        Type::FloatingPoint => field
            .type_as_floating_point()
            .is_some_and(|float| matches!(float.precision(), Precision::SINGLE | Precision::DOUBLE)),
        Type::List | Type::LargeList => {
            let children = field.children().filter(|children| children.len() == 1);
            return children.map_or(Err(UNKNOWN), |children| data_type(&children.get(0)));
        }
        Type::Struct_ => {
            return field.children().into_iter().flatten().try_for_each(|child| data_type(&child));
        }
        _ => false,
    };
    if known { Ok(()) } else { Err(UNKNOWN) }
}

/// Checks that a batch has an array for each field of `schema`, and each array the buffers that it needs.
pub(crate) fn batch(batch: &RecordBatch<'_>, body: &[u8], schema: &Schema) -> Result<(), &'static str> {
    if !(0..=MOST_MESSAGES).contains(&batch.length()) {
        return Err("a batch of an impossible number of messages");
    }
    if batch.variadicBufferCounts().is_some_and(|counts| !counts.is_empty()) {
        return Err("a batch with columns that no recorder writes");
    }
    let compressed = batch.compression().map(|compression| compression.codec());
    if compressed.is_some_and(|codec| codec != CompressionType::ZSTD) {
        return Err("a batch that is not compressed with Zstandard");
    }
    let nodes = batch.nodes().into_iter().flatten();
    let mut arrays = nodes.map(|node| (node.length(), node.null_count()));
    let mut sizes = Vec::new();
    for buffer in batch.buffers().into_iter().flatten() {
        sizes.push(size(buffer, body, compressed.is_some())?);
    }
    let total = sizes.iter().fold(0_u64, |total, size| total.saturating_add(*size as u64));
    if total > MOST_DECOMPRESSED {
        return Err("a batch that would fill the memory");
    }
    let mut sizes = sizes.into_iter();
    for field in schema.fields() {
        array(field.data_type(), &mut arrays, &mut sizes)?;
    }
    if arrays.next().is_some() || sizes.next().is_some() {
        return Err("a batch with more columns than the messages have");
    }
    Ok(())
}

/// How many bytes a buffer has when it is decompressed.
fn size(buffer: &arrow_ipc::Buffer, body: &[u8], compressed: bool) -> Result<usize, &'static str> {
    let start = usize::try_from(buffer.offset()).map_err(|_| "a buffer before the batch")?;
    let length = usize::try_from(buffer.length()).map_err(|_| "a buffer of negative size")?;
    let end = start.checked_add(length).ok_or("a buffer behind the batch")?;
    let content = body.get(start..end).ok_or("a buffer behind the batch")?;
    if !compressed || length == 0 {
        return Ok(length);
    }
    let (size, rest) = content.split_first_chunk::<8>().ok_or("a compressed buffer without a size")?;
    match i64::from_le_bytes(*size) {
        // A buffer that is not compressed after all, because that would make it larger.
        -1 => Ok(rest.len()),
        size => usize::try_from(size).map_err(|_| "a compressed buffer of negative size"),
    }
}

/// Takes the length and the nulls of an array, the sizes of its buffers, and those of its children.
fn array(
    data_type: &DataType,
    arrays: &mut impl Iterator<Item = (i64, i64)>,
    sizes: &mut impl Iterator<Item = usize>,
) -> Result<(), &'static str> {
    const FEWER: &str = "a batch with fewer columns than the messages have";
    const SMALL: &str = "a buffer that is too small for its array";
    let (length, nulls) = arrays.next().ok_or(FEWER)?;
    let length = usize::try_from(length).ok().filter(|length| *length <= MOST_ELEMENTS);
    let length = length.ok_or("an array of an impossible length")?;
    if usize::try_from(nulls).map_or(true, |nulls| nulls > length) {
        return Err("an array of an impossible number of nulls");
    }
    let mut next = || sizes.next().ok_or(FEWER);
    if next()? < length.div_ceil(8) && nulls > 0 {
        return Err("nulls that are not said which");
    }
    // A buffer of `count` values of `width` bytes.
    let mut values = |count: usize, width: usize| {
        let size = next()?;
        // Arrow takes offsets for a slice of numbers, of which there is no half.
        if size % width == 0 && size / width >= count { Ok(()) } else { Err(SMALL) }
    };
    // One offset more than elements; none will do where there is no element.
    let offsets = length + usize::from(length > 0);
    match data_type {
        DataType::Boolean => values(length.div_ceil(8), 1),
        DataType::Utf8 => values(offsets, 4).and_then(|()| values(0, 1)),
        DataType::List(child) => {
            values(offsets, 4)?;
            array(child.data_type(), arrays, sizes)
        }
        DataType::LargeList(child) => {
            values(offsets, 8)?;
            array(child.data_type(), arrays, sizes)
        }
        DataType::Struct(fields) => {
            fields.iter().try_for_each(|field| array(field.data_type(), arrays, sizes))
        }
        DataType::FixedSizeBinary(width) => values(length, usize::try_from(*width).unwrap_or(1).max(1)),
        other => values(length, other.primitive_width().unwrap_or(1)),
    }
}
