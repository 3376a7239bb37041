//! Messages with some fields changed.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeListArray, StringArray, StructArray, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::UInt64Type;
use undertone_recording::compact;

use crate::range::Part;

/// A field, if there is a number in it.
pub(crate) fn number(message: &StructArray, field: &str) -> Option<u64> {
    let column = message.column_by_name(field)?.as_primitive_opt::<UInt64Type>()?;
    column.is_valid(0).then(|| column.value(0))
}

/// A field, if there is a text in it.
pub(crate) fn text<'a>(message: &'a StructArray, field: &str) -> Option<&'a str> {
    let column = message.column_by_name(field)?.as_string_opt::<i32>()?;
    column.is_valid(0).then(|| column.value(0))
}

/// Whether the message is of audio, and not of speech, which has samples as well.
pub(crate) fn is_audio(message: &StructArray) -> bool {
    message.column_by_name("samples").is_some() && message.column_by_name("phase").is_none()
}

/// The message with its place in its stream changed.
pub(crate) fn renumber(message: &StructArray, session: &str, seq: u64) -> StructArray {
    let same = text(message, "session") == Some(session) && number(message, "seq") == Some(seq);
    if same {
        return compact(message);
    }
    let session = Arc::new(StringArray::from(vec![session])) as ArrayRef;
    let seq = Arc::new(UInt64Array::from(vec![seq])) as ArrayRef;
    replace(&compact(message), &[("session", session), ("seq", seq)])
}

/// A part of an audio message.
pub(crate) fn slice(message: &StructArray, part: Part) -> StructArray {
    let samples = message.column_by_name("samples").and_then(|column| column.as_list_opt::<i64>());
    let Some(samples) = samples else { return message.clone() };
    let values = samples.value(0).slice(part.samples.start, part.samples.len());
    let item = match samples.data_type() {
        arrow::datatypes::DataType::LargeList(item) => item.clone(),
        _ => return message.clone(),
    };
    let list = LargeListArray::new(item, OffsetBuffer::from_lengths([values.len()]), values, None);
    let number = |value: u64| Arc::new(UInt64Array::from(vec![value])) as ArrayRef;
    let changed =
        [("start", number(part.start)), ("samples", Arc::new(list) as ArrayRef), ("gap", number(part.gap))];
    replace(message, &changed)
}

/// The message with other columns, of the same types.
fn replace(message: &StructArray, columns: &[(&str, ArrayRef)]) -> StructArray {
    let column = |(name, column): (&str, &ArrayRef)| {
        let changed = columns.iter().find(|(changed, _)| *changed == name);
        changed.map_or_else(|| column.clone(), |(_, column)| column.clone())
    };
    let columns = message.column_names().into_iter().zip(message.columns()).map(column).collect();
    StructArray::new(message.fields().clone(), columns, message.nulls().cloned())
}
