//! What all messages share: the session, the number and the end of the stream.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringArray, StructArray, UInt64Array, new_null_array};
use arrow::datatypes::{DataType, Field, Fields};

use crate::columns::{Columns, MessageError};

/// The name of a session, shared by all the messages and states that belong to it.
pub type SessionId = Arc<str>;

/// The part of a message that differs from type to type.
pub trait Body: Sized {
    /// The name of the message type, as in the dora type library.
    const NAME: &'static str;

    /// The fields behind `session`, `seq` and `last`, in wire order.
    fn fields() -> Vec<Field>;

    /// The columns of the fields, each of length 1, in the order of [`Body::fields`].
    fn into_columns(self) -> Vec<ArrayRef>;

    /// Reads the body from the message's columns.
    ///
    /// # Errors
    ///
    /// A field that is missing, null, of another type or of an impossible value.
    fn read(columns: &Columns<'_>) -> Result<Self, MessageError>;
}

/// One message of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<B> {
    /// The session that the message belongs to.
    pub session: SessionId,
    /// The message's number in its stream: 0 for the first, then without holes.
    pub seq: u64,
    /// The content, or `None` for the message that ends the stream.
    pub body: Option<B>,
}

impl<B: Body> Message<B> {
    /// The Arrow fields of the message, in wire order.
    pub fn fields() -> Fields {
        let header = [
            Field::new("session", DataType::Utf8, false),
            Field::new("seq", DataType::UInt64, false),
            Field::new("last", DataType::Boolean, false),
        ];
        // Body fields can be null because the message that ends a stream has no body.
        header.into_iter().chain(B::fields().into_iter().map(|field| field.with_nullable(true))).collect()
    }

    /// The message as an Arrow struct array of length 1. Buffers are moved, not copied.
    ///
    /// # Errors
    ///
    /// [`MessageError::Encoding`] if the columns do not fit the fields, which is a defect of the [`Body`].
    pub fn encode(self) -> Result<StructArray, MessageError> {
        let fields = Self::fields();
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![self.session.as_ref()])),
            Arc::new(UInt64Array::from(vec![self.seq])),
            Arc::new(BooleanArray::from(vec![self.body.is_none()])),
        ];
        match self.body {
            Some(body) => columns.extend(body.into_columns()),
            None => columns.extend(fields.iter().skip(3).map(|field| new_null_array(field.data_type(), 1))),
        }
        StructArray::try_new(fields, columns, None)
            .map_err(|error| MessageError::Encoding { message: B::NAME, error: error.to_string() })
    }

    /// Reads a message from an Arrow array, without copying its buffers.
    ///
    /// # Errors
    ///
    /// Names the message type and the field that is missing, null, of another type or of an impossible value.
    pub fn decode(array: &dyn arrow::array::Array) -> Result<Self, MessageError> {
        let columns = Columns::new(B::NAME, array)?;
        let last = columns.boolean("last")?;
        Ok(Self {
            session: columns.text("session")?.into(),
            seq: columns.u64("seq")?,
            body: if last { None } else { Some(B::read(&columns)?) },
        })
    }
}

/// Defines an enum whose variants travel by name, in a `Utf8` field.
macro_rules! names {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// All the values.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            pub(crate) fn read(
                columns: &$crate::columns::Columns<'_>,
                field: &'static str,
            ) -> Result<Self, $crate::columns::MessageError> {
                let text = columns.text(field)?;
                Self::ALL.iter().copied().find(|value| value.name() == text).ok_or_else(|| {
                    columns.value_error(field, text, concat!("one of: ", $($text, " "),+).trim_end())
                })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.name())
            }
        }
    };
}
pub(crate) use names;
