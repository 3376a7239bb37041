//! The model: its tokenizer, its windows, and how it is run.

use std::collections::BTreeMap;
use tokenizers::{
    Encoding, PostProcessor, Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy,
};
use undertone_inference::Dimension::{Fixed, Open};
use undertone_inference::{
    Config, Dimension, Element, ModelError, ModelFolder, Port, Session, Tensor, load_runtime,
};

use crate::arguments::Arguments;
use crate::stage::TextError;

const IDS: &str = "input_ids";
const MASK: &str = "attention_mask";
const TYPES: &str = "token_type_ids";
const ANY_LENGTH: &[Dimension] = &[Fixed(1), Open("tokens")];

/// One of this many tokens of a window is in the window before as well, so that no phrase is only seen cut.
const OVERLAP: usize = 4;

/// A model that reads emotion.
///
/// Its folder holds `model.onnx`, a sequence-classification export that turns `input_ids` and, as far as it has them,
/// `attention_mask` and `token_type_ids`, each `i64[batch, tokens]`, into `logits`, `f32[batch, labels]`;
/// `tokenizer.json`; and `config.json` with `id2label`, `max_position_embeddings` and, if it was calibrated,
/// `temperature` and `uniform_share` ([`undertone_inference::Calibration`]). This is what exports from Hugging Face's
/// transformers look like. The labels exclude each other: a `problem_type` must be `single_label_classification`.
pub struct TextModel {
    session: Session,
    files: BTreeMap<String, String>,
    tokenizer: Tokenizer,
    config: Config,
    output: String,
    has_mask: bool,
    has_types: bool,
}

impl TextModel {
    /// Loads the model that the arguments name and warms it up.
    ///
    /// # Errors
    ///
    /// The model or ONNX Runtime is missing or damaged, or the model is no sequence classifier.
    pub fn load(arguments: &Arguments) -> Result<Self, TextError> {
        load_runtime(arguments.onnxruntime.as_deref())?;
        let folder = ModelFolder::find(&arguments.model)?;
        let config = folder.config()?;
        let tokenizer = tokenizer(&folder, &config)?;
        let session = Session::open(&folder, "model.onnx", arguments.threads.get())?;
        let output = session.only_output_or("logits").to_owned();
        let (has_mask, has_types) = (session.input(MASK).is_some(), session.input(TYPES).is_some());
        check(&session, &config, &output)?;
        let files = folder.used();
        let mut model = Self { session, files, tokenizer, config, output, has_mask, has_types };
        for sentence in ["Yes.", "This is a sentence of about as many words as people say before they stop."]
        {
            model.probabilities(sentence)?;
        }
        Ok(model)
    }

    /// The model's labels, in the order of the probabilities.
    ///
    /// # Errors
    ///
    /// None that [`TextModel::load`] lets through.
    pub fn labels(&self) -> Result<&[String], ModelError> {
        self.config.labels()
    }

    /// What the model is called in messages.
    pub fn identity(&self) -> &str {
        self.session.identity()
    }

    /// The files that the model was loaded from, with their SHA-256.
    pub fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    /// A probability for each label, or `None` if the text holds nothing to read.
    ///
    /// If the text does not fit into the model it is read in windows, each of which overlaps with the one before by a
    /// quarter. The result is the mean of their probabilities, each weighted by its number of tokens.
    ///
    /// # Errors
    ///
    /// The tokenizer or the model fails.
    pub fn probabilities(&mut self, text: &str) -> Result<Option<Vec<f32>>, TextError> {
        let encoding = self
            .tokenizer
            .encode_fast(text, true)
            .map_err(|error| TextError::Tokenize { text: text.to_owned(), error: error.to_string() })?;
        let mut sums = vec![0.0; self.config.labels()?.len()];
        let mut tokens = 0.0;
        for window in std::iter::once(&encoding).chain(encoding.get_overflowing()) {
            let weight =
                window.get_special_tokens_mask().iter().filter(|special| **special == 0).count() as f64;
            if weight > 0.0 {
                for (sum, probability) in sums.iter_mut().zip(self.read(window)?) {
                    *sum += weight * f64::from(probability);
                }
                tokens += weight;
            }
        }
        Ok((tokens > 0.0).then(|| sums.into_iter().map(|sum| (sum / tokens) as f32).collect()))
    }

    /// A probability for each label, from one window.
    fn read(&mut self, window: &Encoding) -> Result<Vec<f32>, ModelError> {
        let widen = |values: &[u32]| values.iter().copied().map(i64::from).collect::<Vec<i64>>();
        let shape = [1, window.len()];
        let ids = widen(window.get_ids());
        let mask = widen(window.get_attention_mask());
        let types = widen(window.get_type_ids());
        let mut inputs = vec![(IDS, Tensor::i64(&shape, &ids))];
        if self.has_mask {
            inputs.push((MASK, Tensor::i64(&shape, &mask)));
        }
        if self.has_types {
            inputs.push((TYPES, Tensor::i64(&shape, &types)));
        }
        let outputs = self.session.run(&inputs)?;
        let (_, logits) = outputs.f32(&self.output)?;
        self.config.probabilities(logits)
    }
}

/// The tokenizer, set to cut text into windows that the model can take.
fn tokenizer(folder: &ModelFolder, config: &Config) -> Result<Tokenizer, TextError> {
    let path = folder.file("tokenizer.json")?;
    let broken =
        |error: tokenizers::Error| TextError::Tokenizer { path: path.clone(), error: error.to_string() };
    let mut tokenizer = Tokenizer::from_file(&path).map_err(broken)?;
    let length = longest_window(config)?;
    let special = tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
    if length <= special {
        return Err(config
            .problem(&format!("room for {length} tokens, but the tokenizer adds {special} to every text"))
            .into());
    }
    let truncation = TruncationParams {
        max_length: length,
        stride: (length - special) / OVERLAP,
        strategy: TruncationStrategy::OnlyFirst,
        direction: TruncationDirection::Right,
    };
    tokenizer.with_truncation(Some(truncation)).map_err(broken)?;
    tokenizer.with_padding(None);
    // What somebody says is text, even if it is spelled like a control token.
    tokenizer.set_encode_special_tokens(true);
    Ok(tokenizer)
}

/// The most tokens that the model takes at once, special ones included.
///
/// RoBERTa, its relatives and MPNet count positions from behind the padding token, so that they have room for fewer than
/// `max_position_embeddings` (transformers, `create_position_ids_from_input_ids`).
fn longest_window(config: &Config) -> Result<usize, ModelError> {
    let positions: usize = config.required("max_position_embeddings")?;
    let offset = match config.model_type()?.as_deref() {
        Some("roberta" | "xlm-roberta" | "xlm-roberta-xl" | "camembert" | "longformer" | "mpnet") => {
            config.field("pad_token_id")?.unwrap_or(1) + 1
        }
        _ => 0,
    };
    Ok(positions.saturating_sub(offset))
}

/// Compares the model with what a sequence classifier is.
fn check(session: &Session, config: &Config, output: &str) -> Result<(), ModelError> {
    let inputs: Vec<Port<'_>> = [IDS, MASK, TYPES]
        .into_iter()
        .filter(|name| *name == IDS || session.input(name).is_some())
        .map(|name| Port { name, element: Element::I64, shape: ANY_LENGTH })
        .collect();
    let shape = [Fixed(1), Fixed(config.labels()?.len())];
    session.check(&inputs, &[Port { name: output, element: Element::F32, shape: &shape }])
}
