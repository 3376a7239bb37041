//! Digests: what proves that two streams are the same, byte for byte.
//!
//! The digest of a message is the BLAKE3 hash of its canonical encoding; the digest of a stream is the BLAKE3 hash of
//! the digests of its messages, one after another. The canonical encoding depends on the message's names, types and
//! values alone, not on how Arrow lays them out: for each field its name, its type and its value, where
//!
//! - a text, and the name and the type of a field, is its length in bytes as 64-bit integer and its UTF-8;
//! - a number is its little-endian bytes (a float its bits, so that −0 is not 0 and each NaN is itself);
//! - a boolean is one byte, 0 or 1;
//! - a list is the number of its elements as 64-bit integer and the elements;
//! - a struct is its fields in order;
//! - and each of these has a byte before it: 0 for null, with nothing behind it, and 1 for a value.

use std::fmt;
use std::fmt::Write;

use arrow::array::{Array, AsArray, StructArray};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int32Type, Int64Type, UInt8Type, UInt32Type, UInt64Type,
};

/// The digest of a message or of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let hash = blake3::Hash::from_hex(&text).map_err(serde::de::Error::custom)?;
        Ok(Self(*hash.as_bytes()))
    }
}

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

/// The Arrow type has no place in a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a field is of type {0}, which is not recorded: numbers, booleans, texts, and lists and structs of them are"
)]
pub struct UnknownType(pub String);

/// The digest of one message, an array of length 1. `scratch` saves an allocation for each.
///
/// # Errors
///
/// [`UnknownType`].
pub fn message_digest(message: &StructArray, scratch: &mut Vec<u8>) -> Result<Digest, UnknownType> {
    scratch.clear();
    for (field, column) in message.fields().iter().zip(message.columns()) {
        text(field.name(), scratch);
        text(&type_name(field.data_type())?, scratch);
        value(column, 0, scratch)?;
    }
    Ok(Digest::of(scratch))
}

/// The name of a type, the same in each version of Arrow: not Arrow's own, which has changed before.
pub(crate) fn type_name(data_type: &DataType) -> Result<String, UnknownType> {
    Ok(match data_type {
        DataType::LargeList(item) | DataType::List(item) => {
            format!("list<{}>", type_name(item.data_type())?)
        }
        DataType::Struct(fields) => {
            let mut name = "struct<".to_owned();
            for field in fields {
                // Writing to a string does not fail.
                let _ = write!(name, "{}:{},", field.name(), type_name(field.data_type())?);
            }
            name + ">"
        }
        DataType::UInt8 => "u8".to_owned(),
        DataType::UInt32 => "u32".to_owned(),
        DataType::UInt64 => "u64".to_owned(),
        DataType::Int32 => "i32".to_owned(),
        DataType::Int64 => "i64".to_owned(),
        DataType::Float32 => "f32".to_owned(),
        DataType::Float64 => "f64".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        DataType::Utf8 => "text".to_owned(),
        other => return Err(UnknownType(other.to_string())),
    })
}

fn text(text: &str, output: &mut Vec<u8>) {
    output.extend_from_slice(&(text.len() as u64).to_le_bytes());
    output.extend_from_slice(text.as_bytes());
}

/// Appends the value of a row.
pub(crate) fn value(array: &dyn Array, row: usize, output: &mut Vec<u8>) -> Result<(), UnknownType> {
    if array.is_null(row) {
        output.push(0);
        return Ok(());
    }
    output.push(1);
    match array.data_type() {
        DataType::UInt8 => output.push(array.as_primitive::<UInt8Type>().value(row)),
        DataType::UInt32 => output.extend(array.as_primitive::<UInt32Type>().value(row).to_le_bytes()),
        DataType::UInt64 => output.extend(array.as_primitive::<UInt64Type>().value(row).to_le_bytes()),
        DataType::Int32 => output.extend(array.as_primitive::<Int32Type>().value(row).to_le_bytes()),
        DataType::Int64 => output.extend(array.as_primitive::<Int64Type>().value(row).to_le_bytes()),
        DataType::Float32 => output.extend(array.as_primitive::<Float32Type>().value(row).to_le_bytes()),
        DataType::Float64 => output.extend(array.as_primitive::<Float64Type>().value(row).to_le_bytes()),
        DataType::Boolean => output.push(u8::from(array.as_boolean().value(row))),
        DataType::Utf8 => text(array.as_string::<i32>().value(row), output),
        DataType::LargeList(_) => return elements(&array.as_list::<i64>().value(row), output),
        DataType::List(_) => return elements(&array.as_list::<i32>().value(row), output),
        DataType::Struct(_) => {
            return array.as_struct().columns().iter().try_for_each(|column| value(column, row, output));
        }
        other => return Err(UnknownType(other.to_string())),
    }
    Ok(())
}

/// Appends the elements of a list.
fn elements(array: &dyn Array, output: &mut Vec<u8>) -> Result<(), UnknownType> {
    output.extend_from_slice(&(array.len() as u64).to_le_bytes());
    // Samples and features are most of what there is to hash, and have no nulls.
    if let (Some(floats), 0) = (array.as_primitive_opt::<Float32Type>(), array.null_count()) {
        for float in floats.values() {
            output.push(1);
            output.extend(float.to_le_bytes());
        }
        return Ok(());
    }
    (0..array.len()).try_for_each(|row| value(array, row, output))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray, UInt64Array};
    use arrow::datatypes::Field;
    use undertone_messages::{AudioFrame, Message, Watermark};

    use super::*;

    fn digest(message: &StructArray) -> String {
        message_digest(message, &mut Vec::new()).unwrap().to_string()
    }

    fn frame(samples: &[f32]) -> StructArray {
        let body = AudioFrame { start: 3, sample_rate: 16_000, samples: samples.to_vec().into(), gap: 0 };
        Message { session: "s".into(), seq: 7, body: Some(body) }.encode().unwrap()
    }

    /// The canonical encoding, written out by hand: recordings of all versions must agree on it.
    #[test]
    fn the_encoding_is_as_documented() {
        let message = Message { session: "s".into(), seq: 7, body: Some(Watermark { position: 513 }) };
        let mut expected = Vec::new();
        for (name, kind, value) in [
            ("session", "text", [&[1, 1, 0, 0, 0, 0, 0, 0, 0][..], b"s"].concat()),
            ("seq", "u64", vec![1, 7, 0, 0, 0, 0, 0, 0, 0]),
            ("last", "bool", vec![1, 0]),
            ("position", "u64", vec![1, 1, 2, 0, 0, 0, 0, 0, 0]),
        ] {
            text(name, &mut expected);
            text(kind, &mut expected);
            expected.extend(value);
        }
        assert_eq!(digest(&message.encode().unwrap()), Digest::of(&expected).to_string());
    }

    #[test]
    fn every_bit_of_a_sample_counts() {
        let digests = [
            digest(&frame(&[0.0, 1.0])),
            digest(&frame(&[-0.0, 1.0])),
            digest(&frame(&[0.0, f32::from_bits(1.0_f32.to_bits() + 1)])),
            digest(&frame(&[0.0])),
            digest(&frame(&[])),
        ];
        let different: std::collections::BTreeSet<_> = digests.iter().collect();
        assert_eq!(different.len(), digests.len());
        assert_eq!(digest(&frame(&[f32::NAN])), digest(&frame(&[f32::NAN])));
    }

    #[test]
    fn the_layout_does_not_count() {
        let rows = StructArray::from(vec![
            (
                Arc::new(Field::new("text", DataType::Utf8, false)),
                Arc::new(StringArray::from(vec!["a", "bc", "d"])) as ArrayRef,
            ),
            (Arc::new(Field::new("n", DataType::UInt64, false)), Arc::new(UInt64Array::from(vec![1, 2, 3]))),
        ]);
        let alone = StructArray::from(vec![
            (
                Arc::new(Field::new("text", DataType::Utf8, false)),
                Arc::new(StringArray::from(vec!["bc"])) as ArrayRef,
            ),
            (Arc::new(Field::new("n", DataType::UInt64, false)), Arc::new(UInt64Array::from(vec![2]))),
        ]);
        assert_eq!(digest(&rows.slice(1, 1)), digest(&alone));
        assert_ne!(digest(&rows.slice(0, 1)), digest(&alone));
    }
}
