//! What every message says of itself, whatever its type.

use std::ops::Range;

use arrow::array::{Array, AsArray, StructArray};
use arrow::datatypes::UInt64Type;

use crate::columns::{Columns, MessageError};
use crate::message::SessionId;

/// The three fields that all messages share, and the time that a message speaks of: what a node needs that passes
/// messages on without knowing their type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The session that the message belongs to.
    pub session: SessionId,
    /// The message's number in its stream.
    pub seq: u64,
    /// Whether the message ends its stream.
    pub last: bool,
    /// The sample index at which the message's content is complete: `end`, or for a watermark `position`, or for audio
    /// `start` and the number of `samples`. `None` for the last message, and for types that have none of these.
    pub time: Option<u64>,
    /// The samples that were lost right before this message, in audio; otherwise none.
    pub gap: Range<u64>,
}

impl Header {
    /// Reads the header of a message of any type.
    ///
    /// # Errors
    ///
    /// The array is not a struct array of length 1, or one of the three fields is missing, null or of another type.
    pub fn read(array: &dyn Array) -> Result<Self, MessageError> {
        let columns = Columns::new("Undertone", array)?;
        let message = array.as_struct_opt();
        Ok(Self {
            session: columns.text("session")?.into(),
            seq: columns.u64("seq")?,
            last: columns.boolean("last")?,
            time: message.and_then(time),
            gap: message.and_then(gap).unwrap_or_default(),
        })
    }
}

/// See [`Header::time`].
fn time(message: &StructArray) -> Option<u64> {
    number(message, "end").or_else(|| number(message, "position")).or_else(|| {
        let samples = message.column_by_name("samples")?.as_list_opt::<i64>()?;
        number(message, "start")?.checked_add(samples.value(0).len() as u64)
    })
}

/// See [`Header::gap`].
fn gap(message: &StructArray) -> Option<Range<u64>> {
    let start = number(message, "start")?;
    Some(start.saturating_sub(number(message, "gap")?)..start)
}

/// A field, if there is a number in it.
fn number(message: &StructArray, field: &str) -> Option<u64> {
    let column = message.column_by_name(field)?.as_primitive_opt::<UInt64Type>()?;
    column.is_valid(0).then(|| column.value(0))
}
