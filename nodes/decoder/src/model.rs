//! The model: Whisper's decoder on ONNX Runtime, one step at a time.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use undertone_encoder::{EncoderModel, Precision};
use undertone_inference::{Config, ModelFolder, Session, Tensor};

use crate::error::DecoderError;
use crate::memory::{HEAD, Memory, Projection, Silence, means_of_silence};
use crate::rules::Rules;
use crate::vocabulary::Vocabulary;

/// The sizes in the model's `config.json`.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    layers: usize,
    heads: usize,
    vocabulary: usize,
    text_context: usize,
    alignment_heads: usize,
}

/// Keys and values of the tokens that the decoder has read, of several texts at once: `[texts, heads, tokens, 64]` of
/// each layer.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    keys: Vec<Vec<f32>>,
    values: Vec<Vec<f32>>,
    texts: usize,
    tokens: usize,
}

impl Cache {
    /// The same for a choice of its texts, which may name one several times.
    fn choose(&mut self, chosen: &[usize]) {
        if chosen.iter().copied().eq(0..self.texts) {
            return;
        }
        for part in self.keys.iter_mut().chain(&mut self.values) {
            let size = part.len() / self.texts.max(1);
            let rows = chosen.iter().filter_map(|text| part.get(text * size..(text + 1) * size));
            *part = rows.flatten().copied().collect();
        }
    }
}

/// What the decoder says behind some tokens.
#[derive(Clone, Debug)]
pub struct Step {
    /// Row-major `[texts, tokens, vocabulary]`.
    pub logits: Vec<f32>,
    /// What the alignment heads make of the utterance's frames, before the softmax: of each text and token, in this
    /// order, `[heads, frames]`.
    pub alignment: Vec<Vec<f32>>,
}

/// Whisper's decoder.
pub struct DecoderModel {
    cross: Session,
    step: Session,
    sizes: Sizes,
    rules: Rules,
    vocabulary: Vocabulary,
    encoder: String,
    silence: Silence,
    names: Names,
    files: BTreeMap<String, String>,
}

/// The names of inputs and outputs, one for each layer.
struct Names {
    past: Vec<[String; 2]>,
    present: Vec<[String; 2]>,
    cross: Vec<[String; 2]>,
    made: Vec<[String; 2]>,
}

impl Names {
    fn new(layers: usize) -> Self {
        let pairs = |before: &str| {
            (0..layers).map(|layer| ["key", "value"].map(|kind| format!("{before}{kind}_{layer}"))).collect()
        };
        Self { past: pairs("past_"), present: pairs("present_"), cross: pairs("cross_"), made: pairs("") }
    }
}

impl DecoderModel {
    /// Loads the model. ONNX Runtime must have been loaded.
    ///
    /// # Errors
    ///
    /// The model is missing or damaged, or is none of Whisper's.
    pub fn load(
        folder: &ModelFolder,
        precision: Precision,
        threads: NonZeroUsize,
    ) -> Result<Self, DecoderError> {
        let config = folder.config()?;
        let sizes = Sizes {
            layers: config.required("layers")?,
            heads: config.required("heads")?,
            vocabulary: config.required("vocabulary")?,
            text_context: config.required("text_context")?,
            alignment_heads: alignment_heads(&config)?,
        };
        let vocabulary = Vocabulary::read(&folder.file("tokenizer.json")?, config.required("multilingual")?)?;
        let (suppressed, at_begin) =
            (config.required("suppressed")?, config.required("suppressed_at_begin")?);
        let rules = Rules::new(&vocabulary, suppressed, at_begin);
        // It is needed once, and gone before the decoder takes its memory.
        let (encoder, states) = {
            let mut encoder = EncoderModel::load(folder, precision, threads)?;
            (encoder.identity().to_owned(), encoder.silence()?)
        };
        let open =
            |name: &str| Session::open(folder, &format!("{name}-{}.onnx", precision.name()), threads.get());
        let mut model = Self {
            cross: open("cross")?,
            step: open("decoder")?,
            sizes,
            rules,
            vocabulary,
            encoder,
            silence: Silence::default(),
            names: Names::new(sizes.layers),
            files: BTreeMap::new(),
        };
        let means = means_of_silence(&states, model.width());
        model.silence = Silence::new(model.project(&means)?);
        model.files = folder.used();
        Ok(model)
    }

    /// The model as `name@` and the first 12 hexadecimal digits of the SHA-256 of the decoder's file.
    pub fn identity(&self) -> &str {
        self.step.identity()
    }

    /// The encoder whose states the model reads, as [`EncoderModel::identity`] gives it.
    pub fn encoder(&self) -> &str {
        &self.encoder
    }

    /// The files that the model was loaded from, with their SHA-256.
    pub fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    /// The model's tokens.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Values in a frame of the encoder.
    pub fn width(&self) -> usize {
        self.sizes.heads * HEAD
    }

    /// How many tokens have a logit.
    pub fn logits(&self) -> usize {
        self.sizes.vocabulary
    }

    /// The heads whose attention follows the audio.
    pub fn alignment_heads(&self) -> usize {
        self.sizes.alignment_heads
    }

    /// The most tokens that the model can read, those of the prompt among them.
    pub fn most_tokens(&self) -> usize {
        self.sizes.text_context
    }

    /// Which tokens a text may go on with.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What the decoder is to see of an encoding, `[frames, width]`.
    ///
    /// # Errors
    ///
    /// ONNX Runtime fails, or the states are not those of the model's encoder.
    pub fn memory(&mut self, states: &[f32]) -> Result<Memory, DecoderError> {
        let own = self.project(states)?;
        Ok(self.silence.fill(&own))
    }

    /// Keys and values of encoder states.
    fn project(&mut self, states: &[f32]) -> Result<Projection, DecoderError> {
        let width = self.width();
        let positions = states.len() / width;
        let shape = [positions, width];
        let outputs = self.cross.run(&[("states", Tensor::f32(&shape, states))])?;
        let mut made = Projection { positions, ..Projection::default() };
        for [key, value] in &self.names.made {
            made.keys.push(outputs.f32(key)?.1.to_vec());
            made.values.push(outputs.f32(value)?.1.to_vec());
        }
        Ok(made)
    }

    /// Reads the next tokens of several texts, row-major `[texts, length]`. `chosen` says for each of them which text of
    /// the cache it continues; with an empty cache it does not matter.
    ///
    /// # Errors
    ///
    /// ONNX Runtime fails.
    pub fn step(
        &mut self,
        memory: &Memory,
        cache: &mut Cache,
        chosen: &[usize],
        tokens: &[i64],
    ) -> Result<Step, DecoderError> {
        let (texts, heads) = (chosen.len(), self.sizes.heads);
        let length = tokens.len() / texts.max(1);
        if cache.tokens == 0 {
            let empty = vec![Vec::new(); self.sizes.layers];
            *cache = Cache { keys: empty.clone(), values: empty, texts, tokens: 0 };
        } else {
            cache.choose(chosen);
        }
        let tokens_shape = [texts, length];
        let past_shape = [texts, heads, cache.tokens, HEAD];
        let Memory { seen, log_counts, frames } = memory;
        let counts_shape = [seen.positions];
        let (key_shape, value_shape) = ([heads, HEAD, seen.positions], [heads, seen.positions, HEAD]);
        let mut inputs = vec![
            ("tokens", Tensor::i64(&tokens_shape, tokens)),
            ("log_counts", Tensor::f32(&counts_shape, log_counts)),
        ];
        for (([key, value], keys), values) in self.names.past.iter().zip(&cache.keys).zip(&cache.values) {
            inputs.push((key, Tensor::f32(&past_shape, keys)));
            inputs.push((value, Tensor::f32(&past_shape, values)));
        }
        for (([key, value], keys), values) in self.names.cross.iter().zip(&seen.keys).zip(&seen.values) {
            inputs.push((key, Tensor::f32(&key_shape, keys)));
            inputs.push((value, Tensor::f32(&value_shape, values)));
        }
        let outputs = self.step.run(&inputs)?;
        let logits = outputs.f32("logits")?.1.to_vec();
        let alignment = rows(outputs.f32("alignment")?.1, texts * length, seen.positions, *frames);
        let mut present =
            Cache { keys: Vec::new(), values: Vec::new(), texts, tokens: cache.tokens + length };
        for [key, value] in &self.names.present {
            present.keys.push(outputs.f32(key)?.1.to_vec());
            present.values.push(outputs.f32(value)?.1.to_vec());
        }
        *cache = present;
        Ok(Step { logits, alignment })
    }
}

/// Of `[heads, rows, positions]` for each row `[heads, frames]`.
fn rows(scores: &[f32], count: usize, positions: usize, frames: usize) -> Vec<Vec<f32>> {
    let of_row = |row: usize| {
        scores
            .chunks(positions.max(1))
            .skip(row)
            .step_by(count.max(1))
            .flat_map(|positions| positions.get(..frames).unwrap_or_default())
            .copied()
            .collect()
    };
    (0..count).map(of_row).collect()
}

fn alignment_heads(config: &Config) -> Result<usize, DecoderError> {
    let heads: Vec<[usize; 2]> = config.required("alignment_heads")?;
    Ok(heads.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_of_texts_takes_their_rows() {
        let part = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut cache = Cache { keys: vec![part.clone()], values: vec![part], texts: 3, tokens: 1 };
        cache.choose(&[2, 0, 2]);
        assert_eq!(cache.keys, [vec![5.0, 6.0, 1.0, 2.0, 5.0, 6.0]]);
        assert_eq!(cache.values, cache.keys);
    }

    #[test]
    fn alignment_is_sorted_by_token() {
        // Two heads, two tokens.
        let scores: Vec<f32> = (0..4 * 5).map(|n| n as f32).collect();
        assert_eq!(rows(&scores, 2, 5, 2), [vec![0.0, 1.0, 10.0, 11.0], vec![5.0, 6.0, 15.0, 16.0]]);
    }
}
