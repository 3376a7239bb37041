//! Arrow types and arrays of any shape, from the bytes that the fuzzer gives.

use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use arrow::array::{
    ArrayRef, BooleanArray, FixedSizeBinaryArray, LargeListArray, LargeStringArray, ListArray, NullArray,
    PrimitiveArray, StringArray, StructArray, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, Fields, Float16Type, Float32Type, Float64Type, Int8Type, Int32Type,
    Int64Type, TimeUnit, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use undertone_messages::{
    AudioFrame, Emotion, Encoding, Features, Message, Sentiment, Speech, Statistics, Transcript, Watermark,
};

/// Names that some message has a field of, and one that none has.
const NAMES: [&str; 14] = [
    "session", "seq", "last", "start", "end", "position", "samples", "layers", "labels", "names", "words",
    "digest", "item", "other",
];

/// The fields of a message of any type.
pub fn message_fields(u: &mut Unstructured<'_>) -> Result<Fields> {
    u.choose(&[
        Message::<AudioFrame>::fields,
        Message::<Speech>::fields,
        Message::<Encoding>::fields,
        Message::<Features>::fields,
        Message::<Emotion>::fields,
        Message::<Transcript>::fields,
        Message::<Sentiment>::fields,
        Message::<Statistics>::fields,
        Message::<Watermark>::fields,
    ])
    .map(|fields| fields())
}

/// Any fields at all, nested `depth` deep at most.
pub fn fields(u: &mut Unstructured<'_>, depth: usize) -> Result<Fields> {
    (0..u.int_in_range(0..=4)?).map(|_| field(u, depth)).collect()
}

fn field(u: &mut Unstructured<'_>, depth: usize) -> Result<Arc<Field>> {
    Ok(Arc::new(Field::new(*u.choose(&NAMES)?, data_type(u, depth)?, u.arbitrary()?)))
}

/// Types that are recorded and some that are not.
pub fn data_type(u: &mut Unstructured<'_>, depth: usize) -> Result<DataType> {
    Ok(match u.int_in_range(0..=if depth == 0 { 17 } else { 22 })? {
        0 => DataType::Boolean,
        1 => DataType::UInt8,
        2 => DataType::UInt32,
        3 => DataType::UInt64,
        4 => DataType::Int32,
        5 => DataType::Int64,
        6 => DataType::Float32,
        7 => DataType::Float64,
        8 => DataType::Utf8,
        9 => DataType::FixedSizeBinary(u.int_in_range(-1..=33)?),
        10 => DataType::Null,
        11 => DataType::LargeUtf8,
        12 => DataType::Int8,
        13 => DataType::Float16,
        14 => DataType::Utf8View,
        15 => DataType::Timestamp(TimeUnit::Millisecond, None),
        16 => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        17 => DataType::UInt16,
        18 => DataType::List(field(u, depth - 1)?),
        19 => DataType::LargeList(field(u, depth - 1)?),
        20 => DataType::FixedSizeList(field(u, depth - 1)?, u.int_in_range(-1..=3)?),
        21 => DataType::ListView(field(u, depth - 1)?),
        _ => DataType::Struct(fields(u, depth - 1)?),
    })
}

/// An array of a type, or one of nulls where this code makes none of the type.
pub fn array(u: &mut Unstructured<'_>, data_type: &DataType, rows: usize) -> Result<ArrayRef> {
    let nulls = nulls(u, rows)?;
    Ok(match data_type {
        DataType::Boolean => {
            let values = (0..rows).map(|_| u.arbitrary::<bool>()).collect::<Result<Vec<_>>>()?;
            Arc::new(BooleanArray::new(values.into(), nulls))
        }
        DataType::UInt8 => primitive::<UInt8Type>(u, rows, nulls)?,
        DataType::UInt16 => primitive::<UInt16Type>(u, rows, nulls)?,
        DataType::UInt32 => primitive::<UInt32Type>(u, rows, nulls)?,
        DataType::UInt64 => primitive::<UInt64Type>(u, rows, nulls)?,
        DataType::Int8 => primitive::<Int8Type>(u, rows, nulls)?,
        DataType::Int32 => primitive::<Int32Type>(u, rows, nulls)?,
        DataType::Int64 => primitive::<Int64Type>(u, rows, nulls)?,
        DataType::Float32 => primitive::<Float32Type>(u, rows, nulls)?,
        DataType::Float64 => primitive::<Float64Type>(u, rows, nulls)?,
        DataType::Float16 => Arc::new(PrimitiveArray::<Float16Type>::new_null(rows)),
        DataType::Null => Arc::new(NullArray::new(rows)),
        DataType::Utf8 => Arc::new(StringArray::from(texts(u, rows, nulls.as_ref())?)),
        DataType::LargeUtf8 => Arc::new(LargeStringArray::from(texts(u, rows, nulls.as_ref())?)),
        DataType::FixedSizeBinary(width @ 0..) => {
            let bytes =
                (0..rows * *width as usize).map(|_| u.arbitrary::<u8>()).collect::<Result<Vec<_>>>()?;
            match FixedSizeBinaryArray::try_new(*width, bytes.into(), nulls) {
                Ok(array) => Arc::new(array),
                Err(_) => new_null_array(data_type, rows),
            }
        }
        DataType::List(item) => {
            let (offsets, values) = elements(u, item, rows)?;
            match ListArray::try_new(item.clone(), OffsetBuffer::from_lengths(offsets), values, nulls) {
                Ok(array) => Arc::new(array),
                Err(_) => new_null_array(data_type, rows),
            }
        }
        DataType::LargeList(item) => {
            let (offsets, values) = elements(u, item, rows)?;
            match LargeListArray::try_new(item.clone(), OffsetBuffer::from_lengths(offsets), values, nulls) {
                Ok(array) => Arc::new(array),
                Err(_) => new_null_array(data_type, rows),
            }
        }
        DataType::Struct(fields) => match structure(u, fields, rows, nulls)? {
            Some(array) => Arc::new(array),
            None => new_null_array(data_type, rows),
        },
        _ => return Err(arbitrary::Error::IncorrectFormat),
    })
}

/// A struct array; none if nulls are where none may be.
pub fn structure(
    u: &mut Unstructured<'_>,
    fields: &Fields,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Result<Option<StructArray>> {
    if fields.is_empty() {
        return Ok(Some(StructArray::new_empty_fields(rows, nulls)));
    }
    let columns = fields.iter().map(|field| array(u, field.data_type(), rows)).collect::<Result<_>>()?;
    Ok(StructArray::try_new(fields.clone(), columns, nulls).ok())
}

pub fn nulls(u: &mut Unstructured<'_>, rows: usize) -> Result<Option<NullBuffer>> {
    // Most have none.
    if !u.ratio(1, 4)? {
        return Ok(None);
    }
    let valid = (0..rows).map(|_| u.arbitrary::<bool>()).collect::<Result<Vec<_>>>()?;
    Ok(Some(NullBuffer::from(valid)))
}

fn primitive<T: ArrowPrimitiveType>(
    u: &mut Unstructured<'_>,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef>
where
    T::Native: for<'a> arbitrary::Arbitrary<'a>,
{
    let values = (0..rows).map(|_| u.arbitrary::<T::Native>()).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(PrimitiveArray::<T>::new(values.into(), nulls)))
}

fn texts(u: &mut Unstructured<'_>, rows: usize, nulls: Option<&NullBuffer>) -> Result<Vec<Option<String>>> {
    let known = ["s", "open", "final", "both", "window"];
    (0..rows)
        .map(|row| {
            let text =
                if u.arbitrary()? { (*u.choose(&known)?).to_owned() } else { u.arbitrary::<String>()? };
            Ok(nulls.is_none_or(|nulls| nulls.is_valid(row)).then_some(text))
        })
        .collect()
}

/// The lengths of so many lists, and their elements.
fn elements(u: &mut Unstructured<'_>, item: &Field, rows: usize) -> Result<(Vec<usize>, ArrayRef)> {
    let lengths = (0..rows).map(|_| u.int_in_range(0..=4)).collect::<Result<Vec<usize>>>()?;
    let values = array(u, item.data_type(), lengths.iter().sum())?;
    Ok((lengths, values))
}
