//! The fused result.

use arrow::array::ArrayRef;
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field};

use crate::columns::{
    Columns, MessageError, boolean_column, f32_column, field, floats_column, list_type, structs_column,
    text_column, texts_column, u64_column,
};
use crate::detail::Detail;
use crate::message::{Body, names};

names! {
    /// Whether a result may still change.
    pub enum SentimentStatus {
        /// From the voice alone, before the words are known.
        Provisional = "provisional",
        /// From all that will ever be known of the segment.
        Final = "final",
    }
}

names! {
    /// Which modalities gave an estimate.
    pub enum Profile {
        /// Voice and text.
        Both = "both",
        /// Voice alone.
        AudioOnly = "audio_only",
        /// Text alone.
        TextOnly = "text_only",
        /// Neither of them: no estimate at all, or one of another modality alone.
        Neither = "neither",
    }
}

names! {
    /// How a result's probabilities P came of its contributions, each with probabilities Pᵢ and weights wᵢ. Everything is by
    /// label, and in the end scaled so that P sums to 1.
    pub enum Weighting {
        /// The weights were set, and the pool is linear: log P = log(Σ wᵢ·Pᵢ) / temperature + bias.
        Fixed = "fixed",
        /// As `Fixed`, but a modality that was unsure has less weight.
        Entropy = "entropy",
        /// The weights were learned, and the pool is logarithmic: log P = Σ wᵢ·log max(Pᵢ, 0.0001) + bias.
        Learned = "learned",
    }
}

/// What one modality brought to a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// `voice`, `text` and so on.
    pub modality: String,
    /// The model as `name@` and the first 12 hexadecimal digits of its SHA-256.
    pub model: String,
    /// The share that the modality had in the weights of the result; the shares sum to 1 unless there is no estimate.
    pub weight: f32,
    /// The weight for each of the result's labels, by which [`Weighting`] says that its probability counts. It may be negative
    /// where it was learned. Empty if `probabilities` is.
    pub weights: Vec<f32>,
    /// A probability for each of the result's labels. Empty if the modality gave no estimate.
    pub probabilities: Vec<f32>,
    /// Sample index behind the last sample that the modality's estimate covers.
    pub end: u64,
    /// Why the modality gave no estimate; empty if it gave one.
    pub reason: String,
    /// What the model told beyond its labels.
    pub detail: Detail,
}

impl Contribution {
    fn fields() -> Vec<Field> {
        let mut fields = vec![
            field("modality", DataType::Utf8),
            field("model", DataType::Utf8),
            field("weight", DataType::Float32),
            field("weights", list_type(DataType::Float32)),
            field("probabilities", list_type(DataType::Float32)),
            field("end", DataType::UInt64),
            field("reason", DataType::Utf8),
        ];
        fields.extend(Detail::fields());
        fields
    }

    fn into_columns(self) -> Vec<ArrayRef> {
        let mut columns = vec![
            text_column(&self.modality),
            text_column(&self.model),
            f32_column(self.weight),
            floats_column(ScalarBuffer::from(self.weights)),
            floats_column(ScalarBuffer::from(self.probabilities)),
            u64_column(self.end),
            text_column(&self.reason),
        ];
        columns.extend(self.detail.into_columns());
        columns
    }

    fn read(columns: &Columns<'_>) -> Result<Self, MessageError> {
        let contribution = Self {
            modality: columns.text("modality")?.to_owned(),
            model: columns.text("model")?.to_owned(),
            weight: columns.f32("weight")?,
            weights: columns.floats("weights")?.to_vec(),
            probabilities: columns.floats("probabilities")?.to_vec(),
            end: columns.u64("end")?,
            reason: columns.text("reason")?.to_owned(),
            detail: Detail::read(columns)?,
        };
        let count = contribution.probabilities.len();
        columns.one_for_each("weights", &contribution.weights, count, "probability")?;
        Ok(contribution)
    }
}

/// The sentiment of a segment, from what was said and how it was said. Its probabilities can be computed again from what it
/// carries: [`Weighting`] says how.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentiment {
    /// Number of the segment in its session.
    pub segment: u64,
    /// Sample index of the segment's first sample.
    pub start: u64,
    /// Sample index behind the segment's last sample.
    pub end: u64,
    /// Whether the result may still change.
    pub status: SentimentStatus,
    /// Which modalities gave an estimate.
    pub profile: Profile,
    /// The labels. Empty if there is no estimate.
    pub labels: Vec<String>,
    /// A probability for each label, which sum to 1. Empty if there is no estimate.
    pub probabilities: Vec<f32>,
    /// How the modalities were weighted.
    pub weighting: Weighting,
    /// The model of fusion, as `name@` and the first 12 hexadecimal digits of its SHA-256. Empty without one.
    pub model: String,
    /// What each modality brought, in the order of their names.
    pub contributions: Vec<Contribution>,
    /// What was added for each label. Empty without a model of fusion, and if there is no estimate.
    pub bias: Vec<f32>,
    /// What the logarithms of a linear pool were divided by; 1 if they were not.
    pub temperature: f32,
    /// Probability of `positive` less probability of `negative`, -1 to 1.
    pub score: f32,
    /// Probability of the likeliest label, 0 to 1.
    pub confidence: f32,
    /// The result is too unsure to be used.
    pub abstained: bool,
    /// The audio is not like the speech that the models know.
    pub anomaly: bool,
    /// What was said, as far as it is known and trusted.
    pub text: String,
    /// What was done with less effort than the graph asks for, because results were late; empty otherwise.
    pub degraded: String,
}

impl Body for Sentiment {
    const NAME: &'static str = "Sentiment";

    fn fields() -> Vec<Field> {
        vec![
            field("segment", DataType::UInt64),
            field("start", DataType::UInt64),
            field("end", DataType::UInt64),
            field("status", DataType::Utf8),
            field("profile", DataType::Utf8),
            field("labels", list_type(DataType::Utf8)),
            field("probabilities", list_type(DataType::Float32)),
            field("weighting", DataType::Utf8),
            field("model", DataType::Utf8),
            field("contributions", list_type(DataType::Struct(Contribution::fields().into()))),
            field("bias", list_type(DataType::Float32)),
            field("temperature", DataType::Float32),
            field("score", DataType::Float32),
            field("confidence", DataType::Float32),
            field("abstained", DataType::Boolean),
            field("anomaly", DataType::Boolean),
            field("text", DataType::Utf8),
            field("degraded", DataType::Utf8),
        ]
    }

    fn into_columns(self) -> Vec<ArrayRef> {
        let contributions = self.contributions.into_iter().map(Contribution::into_columns).collect();
        vec![
            u64_column(self.segment),
            u64_column(self.start),
            u64_column(self.end),
            text_column(self.status.name()),
            text_column(self.profile.name()),
            texts_column(&self.labels),
            floats_column(ScalarBuffer::from(self.probabilities)),
            text_column(self.weighting.name()),
            text_column(&self.model),
            structs_column(Contribution::fields(), contributions),
            floats_column(ScalarBuffer::from(self.bias)),
            f32_column(self.temperature),
            f32_column(self.score),
            f32_column(self.confidence),
            boolean_column(self.abstained),
            boolean_column(self.anomaly),
            text_column(&self.text),
            text_column(&self.degraded),
        ]
    }

    fn read(columns: &Columns<'_>) -> Result<Self, MessageError> {
        let sentiment = Self {
            segment: columns.u64("segment")?,
            start: columns.u64("start")?,
            end: columns.u64("end")?,
            status: SentimentStatus::read(columns, "status")?,
            profile: Profile::read(columns, "profile")?,
            labels: columns.texts("labels")?,
            probabilities: columns.floats("probabilities")?.to_vec(),
            weighting: Weighting::read(columns, "weighting")?,
            model: columns.text("model")?.to_owned(),
            contributions: columns.structs("contributions", Contribution::fields(), Contribution::read)?,
            bias: columns.floats("bias")?.to_vec(),
            temperature: columns.f32("temperature")?,
            score: columns.f32("score")?,
            confidence: columns.f32("confidence")?,
            abstained: columns.boolean("abstained")?,
            anomaly: columns.boolean("anomaly")?,
            text: columns.text("text")?.to_owned(),
            degraded: columns.text("degraded")?.to_owned(),
        };
        let (labels, bias) = (sentiment.labels.len(), &sentiment.bias);
        columns.one_for_each("probabilities", &sentiment.probabilities, labels, "label")?;
        columns.one_for_each("bias", bias, if bias.is_empty() { 0 } else { labels }, "label")?;
        for Contribution { probabilities, .. } in &sentiment.contributions {
            let count = if probabilities.is_empty() { 0 } else { labels };
            columns.one_for_each("contributions", probabilities, count, "label")?;
        }
        Ok(sentiment)
    }
}
