//! The model: Whisper's decoder on ONNX Runtime, one step at a time.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use undertone_encoder::{EncoderModel, Precision};
use undertone_inference::{Config, ModelFolder, Session, Tensor};
use undertone_recognition::{POSITION, WINDOW};

use crate::error::DecoderError;
use crate::vocabulary::Vocabulary;

/// Positions that the decoder was trained to see: 30 s.
const POSITIONS: usize = WINDOW / POSITION;
/// Values of an attention head, in every model of Whisper's.
const HEAD: usize = 64;

/// The sizes in the model's `config.json`.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    layers: usize,
    heads: usize,
    vocabulary: usize,
    text_context: usize,
    alignment_heads: usize,
}

/// What the decoder sees of a window: keys and values of each layer's cross-attention.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// `[heads, 64, positions]` of each layer.
    keys: Vec<Vec<f32>>,
    /// `[heads, positions, 64]` of each layer.
    values: Vec<Vec<f32>>,
    /// Positions of the utterance and the silence that was encoded with it; the others are filled up.
    frames: usize,
}

impl Memory {
    /// Positions of the utterance and the silence that was encoded with it.
    pub fn frames(&self) -> usize {
        self.frames
    }
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
    suppressed: Vec<usize>,
    suppressed_at_begin: Vec<usize>,
    vocabulary: Vocabulary,
    encoder: String,
    silence: Memory,
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
            suppressed: config.required("suppressed")?,
            suppressed_at_begin: config.required("suppressed_at_begin")?,
            vocabulary,
            encoder,
            silence: Memory { keys: Vec::new(), values: Vec::new(), frames: 0 },
            names: Names::new(sizes.layers),
            files: BTreeMap::new(),
        };
        model.silence = model.project(&states)?;
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

    /// Tokens that no text has; `first` says whether the text is empty so far.
    pub fn suppressed(&self, first: bool) -> impl Iterator<Item = usize> {
        let at_begin = if first { self.suppressed_at_begin.as_slice() } else { &[] };
        self.suppressed.iter().chain(at_begin).copied()
    }

    /// What the decoder is to see of an encoding, `[frames, width]`: its own states, and up to 30 s those that encoded
    /// silence has at the positions behind it.
    ///
    /// # Errors
    ///
    /// ONNX Runtime fails, or the states are not those of the model's encoder.
    pub fn memory(&mut self, states: &[f32]) -> Result<Memory, DecoderError> {
        let mut memory = self.project(states)?;
        let frames = memory.frames;
        for (own, silent) in memory.keys.iter_mut().zip(&self.silence.keys) {
            *own = own
                .chunks(frames.max(1))
                .zip(silent.chunks(POSITIONS))
                .flat_map(|(own, silent)| own.iter().chain(silent.get(frames..).unwrap_or_default()))
                .copied()
                .collect();
        }
        for (own, silent) in memory.values.iter_mut().zip(&self.silence.values) {
            *own = own
                .chunks((frames * HEAD).max(1))
                .zip(silent.chunks(POSITIONS * HEAD))
                .flat_map(|(own, silent)| own.iter().chain(silent.get(frames * HEAD..).unwrap_or_default()))
                .copied()
                .collect();
        }
        Ok(memory)
    }

    /// Keys and values of encoder states.
    fn project(&mut self, states: &[f32]) -> Result<Memory, DecoderError> {
        let width = self.width();
        let frames = states.len() / width;
        let shape = [frames, width];
        let outputs = self.cross.run(&[("states", Tensor::f32(&shape, states))])?;
        let mut memory = Memory { keys: Vec::new(), values: Vec::new(), frames };
        for [key, value] in &self.names.made {
            memory.keys.push(outputs.f32(key)?.1.to_vec());
            memory.values.push(outputs.f32(value)?.1.to_vec());
        }
        Ok(memory)
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
        let (key_shape, value_shape) = ([heads, HEAD, POSITIONS], [heads, POSITIONS, HEAD]);
        let mut inputs = vec![("tokens", Tensor::i64(&tokens_shape, tokens))];
        for (([key, value], keys), values) in self.names.past.iter().zip(&cache.keys).zip(&cache.values) {
            inputs.push((key, Tensor::f32(&past_shape, keys)));
            inputs.push((value, Tensor::f32(&past_shape, values)));
        }
        for (([key, value], keys), values) in self.names.cross.iter().zip(&memory.keys).zip(&memory.values) {
            inputs.push((key, Tensor::f32(&key_shape, keys)));
            inputs.push((value, Tensor::f32(&value_shape, values)));
        }
        let outputs = self.step.run(&inputs)?;
        let logits = outputs.f32("logits")?.1.to_vec();
        let alignment = rows(outputs.f32("alignment")?.1, texts * length, memory.frames);
        let mut present = Cache { keys: Vec::new(), values: Vec::new(), texts, tokens: cache.tokens + length };
        for [key, value] in &self.names.present {
            present.keys.push(outputs.f32(key)?.1.to_vec());
            present.values.push(outputs.f32(value)?.1.to_vec());
        }
        *cache = present;
        Ok(Step { logits, alignment })
    }
}

/// Of `[heads, rows, positions]` for each row `[heads, frames]`.
fn rows(scores: &[f32], count: usize, frames: usize) -> Vec<Vec<f32>> {
    let of_row = |row: usize| {
        scores
            .chunks(POSITIONS)
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
        let scores: Vec<f32> = (0..4 * POSITIONS).map(|n| n as f32).collect();
        let position = POSITIONS as f32;
        assert_eq!(
            rows(&scores, 2, 2),
            [
                vec![0.0, 1.0, 2.0 * position, 2.0 * position + 1.0],
                vec![position, position + 1.0, 3.0 * position, 3.0 * position + 1.0]
            ]
        );
    }
}
