//! Progress, on its way back to the source.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field};

use crate::columns::{Columns, MessageError, field, u64_column};
use crate::message::Body;

/// Everything before a time is done: all results that concern it have been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// Sample index behind the last sample that is done.
    pub position: u64,
}

impl Body for Watermark {
    const NAME: &'static str = "Watermark";

    fn fields() -> Vec<Field> {
        vec![field("position", DataType::UInt64)]
    }

    fn into_columns(self) -> Vec<ArrayRef> {
        vec![u64_column(self.position)]
    }

    fn read(columns: &Columns<'_>) -> Result<Self, MessageError> {
        Ok(Self { position: columns.u64("position")? })
    }
}
