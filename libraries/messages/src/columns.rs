//! Typed access to the columns of one message, with errors that name the message and the field.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, LargeListArray, PrimitiveArray, StringArray,
    StructArray,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Fields, Float32Type, UInt32Type, UInt64Type};

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The array is not a message at all.
    #[error(
        "expected a {message} message, a struct array of length 1, but received {received}; the input is wired to an output of another type"
    )]
    NotAMessage {
        /// The message type that was expected.
        message: &'static str,
        /// The Arrow type and length that arrived.
        received: String,
    },
    /// A field is not there.
    #[error(
        "{message} message without the field `{field}` (it has: {present}); the input is wired to an output of another type, or what another version recorded is replayed"
    )]
    MissingField {
        /// The message type that was expected.
        message: &'static str,
        /// The field that was looked for.
        field: &'static str,
        /// The fields that are there.
        present: String,
    },
    /// A field has another Arrow type.
    #[error(
        "{message} message whose field `{field}` is {received}, not {expected}; the input is wired to an output of another type, or what another version recorded is replayed"
    )]
    WrongType {
        /// The message type that was expected.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// The Arrow type that the field must have.
        expected: String,
        /// The Arrow type that the field has.
        received: String,
    },
    /// A field is null, or holds nulls.
    #[error("{message} message whose field `{field}` holds a null")]
    Null {
        /// The message type that was expected.
        message: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A field has a value that the contract does not allow.
    #[error("{message} message whose field `{field}` is {value}, not {expected}")]
    Value {
        /// The message type that was expected.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// The value that arrived.
        value: String,
        /// The values that are allowed.
        expected: String,
    },
    /// A body whose columns do not fit its own fields.
    #[error("{message} message could not be encoded: {error}")]
    Encoding {
        /// The message type.
        message: &'static str,
        /// Arrow's reason.
        error: String,
    },
}

/// The columns of one message.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    message: &'static str,
    array: &'a StructArray,
}

impl<'a> Columns<'a> {
    /// The columns of `array`, which must be a struct array of length 1 that is not null.
    ///
    /// # Errors
    ///
    /// [`MessageError::NotAMessage`] otherwise.
    pub fn new(message: &'static str, array: &'a dyn Array) -> Result<Self, MessageError> {
        match array.as_struct_opt() {
            Some(array) if array.len() == 1 && array.is_valid(0) => Ok(Self { message, array }),
            _ => Err(MessageError::NotAMessage {
                message,
                received: match array.len() {
                    1 if array.is_null(0) => "a null".to_owned(),
                    length => format!("{} of length {length}", array.data_type()),
                },
            }),
        }
    }

    fn column(&self, field: &'static str) -> Result<&'a ArrayRef, MessageError> {
        let column = self.array.column_by_name(field).ok_or_else(|| MessageError::MissingField {
            message: self.message,
            field,
            present: self.array.column_names().join(", "),
        })?;
        if column.is_null(0) { Err(self.null(field)) } else { Ok(column) }
    }

    fn null(&self, field: &'static str) -> MessageError {
        MessageError::Null { message: self.message, field }
    }

    fn wrong_type(&self, field: &'static str, expected: &DataType, received: &DataType) -> MessageError {
        MessageError::WrongType {
            message: self.message,
            field,
            expected: expected.to_string(),
            received: received.to_string(),
        }
    }

    /// An error that says which values `field` may have.
    pub fn value_error(&self, field: &'static str, value: &str, expected: &str) -> MessageError {
        MessageError::Value {
            message: self.message,
            field,
            value: format!("`{value}`"),
            expected: expected.to_owned(),
        }
    }

    /// An error unless `field` has one of `values` for each of so many of what `each` names.
    pub fn one_for_each(
        &self,
        field: &'static str,
        values: &[f32],
        count: usize,
        each: &str,
    ) -> Result<(), MessageError> {
        if values.len() == count {
            return Ok(());
        }
        let expected = format!("{count}, one for each {each}");
        Err(self.value_error(field, &format!("{} values", values.len()), &expected))
    }

    fn primitive<T: ArrowPrimitiveType>(&self, field: &'static str) -> Result<T::Native, MessageError> {
        let column = self.column(field)?;
        let values = column
            .as_primitive_opt::<T>()
            .ok_or_else(|| self.wrong_type(field, &T::DATA_TYPE, column.data_type()))?;
        Ok(values.value(0))
    }

    /// A `UInt64` field.
    ///
    /// # Errors
    ///
    /// The field is missing, null or of another type; so for all the accessors below.
    pub fn u64(&self, field: &'static str) -> Result<u64, MessageError> {
        self.primitive::<UInt64Type>(field)
    }

    /// A `UInt32` field.
    ///
    /// # Errors
    ///
    /// As [`Columns::u64`].
    pub fn u32(&self, field: &'static str) -> Result<u32, MessageError> {
        self.primitive::<UInt32Type>(field)
    }

    /// A `Float32` field.
    ///
    /// # Errors
    ///
    /// As [`Columns::u64`].
    pub fn f32(&self, field: &'static str) -> Result<f32, MessageError> {
        self.primitive::<Float32Type>(field)
    }

    /// A `Float32` field that may be null.
    ///
    /// # Errors
    ///
    /// The field is missing or of another type.
    pub fn optional_f32(&self, field: &'static str) -> Result<Option<f32>, MessageError> {
        match self.primitive::<Float32Type>(field) {
            Ok(value) => Ok(Some(value)),
            Err(MessageError::Null { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A `Boolean` field.
    ///
    /// # Errors
    ///
    /// As [`Columns::u64`].
    pub fn boolean(&self, field: &'static str) -> Result<bool, MessageError> {
        let column = self.column(field)?;
        let values = column
            .as_boolean_opt()
            .ok_or_else(|| self.wrong_type(field, &DataType::Boolean, column.data_type()))?;
        Ok(values.value(0))
    }

    /// A `Utf8` field.
    ///
    /// # Errors
    ///
    /// As [`Columns::u64`].
    pub fn text(&self, field: &'static str) -> Result<&'a str, MessageError> {
        let column = self.column(field)?;
        let values = column
            .as_string_opt::<i32>()
            .ok_or_else(|| self.wrong_type(field, &DataType::Utf8, column.data_type()))?;
        Ok(values.value(0))
    }

    /// The elements of a `LargeList` field, without copying them.
    fn list(&self, field: &'static str, item: &DataType) -> Result<ArrayRef, MessageError> {
        let column = self.column(field)?;
        let expected = list_type(item.clone());
        let list = column
            .as_list_opt::<i64>()
            .filter(|_| column.data_type() == &expected)
            .ok_or_else(|| self.wrong_type(field, &expected, column.data_type()))?;
        let values = list.value(0);
        if values.null_count() > 0 { Err(self.null(field)) } else { Ok(values) }
    }

    /// A `LargeList<Float32>` field, as a view of the message's own buffer.
    ///
    /// # Errors
    ///
    /// As [`Columns::u64`].
    pub fn floats(&self, field: &'static str) -> Result<ScalarBuffer<f32>, MessageError> {
        let values = self.list(field, &DataType::Float32)?;
        Ok(values.as_primitive::<Float32Type>().values().clone())
    }

    /// A `LargeList<UInt32>` field.
    ///
    /// # Errors
    ///
    /// As [`Columns::u64`].
    pub fn u32s(&self, field: &'static str) -> Result<Vec<u32>, MessageError> {
        let values = self.list(field, &DataType::UInt32)?;
        Ok(values.as_primitive::<UInt32Type>().values().to_vec())
    }

    /// A `LargeList<Utf8>` field.
    ///
    /// # Errors
    ///
    /// As [`Columns::u64`].
    pub fn texts(&self, field: &'static str) -> Result<Vec<String>, MessageError> {
        let values = self.list(field, &DataType::Utf8)?;
        Ok(values.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
    }

    /// A `LargeList<Struct>` field, each element read by `read` from columns of length 1.
    ///
    /// # Errors
    ///
    /// As [`Columns::u64`], for the list and for the fields of its elements.
    pub fn structs<T>(
        &self,
        field: &'static str,
        fields: Vec<Field>,
        read: impl Fn(&Columns<'_>) -> Result<T, MessageError>,
    ) -> Result<Vec<T>, MessageError> {
        let values = self.list(field, &DataType::Struct(Fields::from(fields)))?;
        let values = values.as_struct();
        (0..values.len())
            .map(|index| read(&Columns { message: self.message, array: &values.slice(index, 1) }))
            .collect()
    }
}

/// A field of a message body.
pub(crate) fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

/// The type of a list field. Dora's type library spells `List<T>` and means a large list with this element field.
pub(crate) fn list_type(item: DataType) -> DataType {
    DataType::LargeList(Arc::new(Field::new("item", item, true)))
}

pub(crate) fn u64_column(value: u64) -> ArrayRef {
    Arc::new(PrimitiveArray::<UInt64Type>::from_value(value, 1))
}

pub(crate) fn u32_column(value: u32) -> ArrayRef {
    Arc::new(PrimitiveArray::<UInt32Type>::from_value(value, 1))
}

pub(crate) fn f32_column(value: f32) -> ArrayRef {
    Arc::new(PrimitiveArray::<Float32Type>::from_value(value, 1))
}

pub(crate) fn optional_f32_column(value: Option<f32>) -> ArrayRef {
    Arc::new(PrimitiveArray::<Float32Type>::from(vec![value]))
}

pub(crate) fn boolean_column(value: bool) -> ArrayRef {
    Arc::new(BooleanArray::from(vec![value]))
}

pub(crate) fn text_column(value: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

/// A list column of one row whose elements are `values`.
pub(crate) fn list_column(values: ArrayRef) -> ArrayRef {
    let item = Arc::new(Field::new("item", values.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    Arc::new(LargeListArray::new(item, offsets, values, None))
}

pub(crate) fn floats_column(values: ScalarBuffer<f32>) -> ArrayRef {
    list_column(Arc::new(PrimitiveArray::<Float32Type>::new(values, None)))
}

pub(crate) fn u32s_column(values: Vec<u32>) -> ArrayRef {
    list_column(Arc::new(PrimitiveArray::<UInt32Type>::new(values.into(), None)))
}

pub(crate) fn texts_column(values: &[String]) -> ArrayRef {
    list_column(Arc::new(StringArray::from_iter_values(values)))
}

/// A list column of one row whose elements are structs, one for each of `rows`, each given as columns of length 1.
pub(crate) fn structs_column(fields: Vec<Field>, rows: Vec<Vec<ArrayRef>>) -> ArrayRef {
    let fields = Fields::from(fields);
    let columns = fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let parts: Vec<&dyn Array> =
                rows.iter().filter_map(|row| row.get(index)).map(AsRef::as_ref).collect();
            // Concatenation needs one array at least, and fails only on differing types, which `StructArray::new`
            // below would refuse just as well.
            arrow::compute::concat(&parts)
                .unwrap_or_else(|_| arrow::array::new_empty_array(field.data_type()))
        })
        .collect();
    list_column(Arc::new(StructArray::new(fields, columns, None)))
}
