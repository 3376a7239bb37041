//! What a model tells beyond its labels.

use arrow::array::ArrayRef;
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field};

use crate::columns::{
    Columns, MessageError, field, floats_column, list_type, optional_f32_column, texts_column,
};

/// What a model tells beyond its labels; nothing where it does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detail {
    /// Emotions, finer than the labels. Empty if the model tells none.
    pub emotions: Vec<String>,
    /// A probability for each emotion, which sum to 1.
    pub emotion_probabilities: Vec<f32>,
    /// How pleasant, -1 to 1.
    pub valence: Option<f32>,
    /// How excited, -1 to 1.
    pub arousal: Option<f32>,
    /// How far this is from what the model was trained on, 0 or more. Above 1 it is so far that the estimate should not be
    /// trusted.
    pub anomaly: Option<f32>,
}

impl Detail {
    pub(crate) fn fields() -> [Field; 5] {
        [
            field("emotions", list_type(DataType::Utf8)),
            field("emotion_probabilities", list_type(DataType::Float32)),
            field("valence", DataType::Float32),
            field("arousal", DataType::Float32),
            field("anomaly", DataType::Float32),
        ]
    }

    pub(crate) fn into_columns(self) -> [ArrayRef; 5] {
        [
            texts_column(&self.emotions),
            floats_column(ScalarBuffer::from(self.emotion_probabilities)),
            optional_f32_column(self.valence),
            optional_f32_column(self.arousal),
            optional_f32_column(self.anomaly),
        ]
    }

    pub(crate) fn read(columns: &Columns<'_>) -> Result<Self, MessageError> {
        let detail = Self {
            emotions: columns.texts("emotions")?,
            emotion_probabilities: columns.floats("emotion_probabilities")?.to_vec(),
            valence: columns.optional_f32("valence")?,
            arousal: columns.optional_f32("arousal")?,
            anomaly: columns.optional_f32("anomaly")?,
        };
        let probabilities = &detail.emotion_probabilities;
        columns.one_for_each("emotion_probabilities", probabilities, detail.emotions.len(), "emotion")?;
        Ok(detail)
    }
}
