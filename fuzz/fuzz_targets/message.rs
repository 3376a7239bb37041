//! Arrays of any shape as messages: decoded as each type, recorded and read again.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Field, Fields, Schema};
use arrow_ipc::writer::StreamWriter;
use libfuzzer_sys::fuzz_target;
use undertone_fuzz::{arrays, decode_as_each};
use undertone_recording::{TopicReader, message_digest};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(array) = message(&mut Unstructured::new(bytes)) {
        decode_as_each(&array);
        record(&array);
    }
});

/// An array that is a message in most respects.
fn message(u: &mut Unstructured<'_>) -> Result<ArrayRef> {
    if u.ratio(1, 16)? {
        let data_type = arrays::data_type(u, 3)?;
        let rows = u.int_in_range(0..=3)?;
        return arrays::array(u, &data_type, rows);
    }
    let mut fields = arrays::message_fields(u)?.to_vec();
    while !u.is_empty() && u.ratio(1, 4)? && !fields.is_empty() {
        let index = u.choose_index(fields.len())?;
        match u.int_in_range(0..=2)? {
            0 => _ = fields.remove(index),
            1 => fields[index] = Arc::new(Field::new(fields[index].name(), arrays::data_type(u, 2)?, true)),
            _ => fields.extend(arrays::fields(u, 2)?.iter().cloned()),
        }
    }
    let rows = if u.ratio(1, 8)? { u.int_in_range(0..=4)? } else { 1 };
    let nulls = if u.ratio(1, 8)? { arrays::nulls(u, rows)? } else { None };
    let array = arrays::structure(u, &Fields::from(fields), rows, nulls)?;
    let array: ArrayRef = Arc::new(array.ok_or(arbitrary::Error::IncorrectFormat)?);
    if rows > 0 && u.arbitrary()? {
        return Ok(array.slice(u.choose_index(rows)?, 1));
    }
    Ok(array)
}

/// What has a digest is read again as it was, unless it is refused as a whole.
fn record(array: &ArrayRef) {
    let Some(message) =
        array.as_struct_opt().filter(|message| message.len() == 1 && message.null_count() == 0)
    else {
        return;
    };
    let mut scratch = Vec::new();
    let Ok(digest) = message_digest(message, &mut scratch) else { return };
    let schema = Schema::new(message.fields().clone());
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &schema).expect("memory is never full");
    writer.write(&message.into()).expect("memory is never full");
    drop(writer);
    let header = ["session", "seq", "last"].iter().all(|name| message.column_by_name(name).is_some());
    match TopicReader::new(Path::new("topic.arrows"), bytes.as_slice(), bytes.len() as u64) {
        Ok(mut reader) => {
            let found = reader.next_message().expect("it was written").expect("it was written");
            assert_eq!(message_digest(&found, &mut scratch), Ok(digest));
            decode_as_each(&found);
        }
        Err(error) => assert!(!header || error.to_string().contains("these are not messages"), "{error}"),
    }
}
