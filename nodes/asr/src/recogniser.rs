//! Whisper on whisper.cpp.
//!
//! What is recognised depends on the samples and the settings alone. Each decode has a state of its own, because
//! whisper.cpp's beam search draws candidates at random from a generator that lives in the state; made anew it starts
//! from the same seed. Temperature fallback, which decodes again at random where a text looks poor, is off: a poor text
//! is rejected by its evidence instead.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::path::Path;

use undertone_inference::ModelFolder;
use undertone_recognition::{Guard, POSITION, Recognition, TAIL, Token, WINDOW};
use undertone_stage::Cancel;
use whisper_rs::{
    DtwMode, DtwModelPreset, DtwParameters, FullParams, SamplingStrategy, SystemInfo, WhisperContext,
    WhisperContextParameters, WhisperState, WhisperTokenId,
};

use crate::error::AsrError;
use crate::filter::{Filter, filter_logits};
use crate::model_file::{self, Shape};

/// How to decode. Made once and used for many windows.
#[derive(Clone)]
pub struct Decoding {
    parameters: FullParams<'static, 'static>,
    /// `None` if whisper.cpp is to find out.
    language: Option<&'static str>,
    threads: usize,
}

/// A loaded model.
pub struct Recogniser {
    context: WhisperContext,
    identity: String,
    files: BTreeMap<String, String>,
}

impl Recogniser {
    /// Loads a model.
    ///
    /// # Errors
    ///
    /// The file is missing, not the one of the manifest, or no whole whisper.cpp model; the processor lacks what the
    /// program was built for.
    pub fn load(folder: &ModelFolder, file: &str) -> Result<Self, AsrError> {
        whisper_rs::install_logging_hooks();
        check_processor()?;
        let path = folder.file(file)?;
        let shape = model_file::check(&path)?;
        let context = open(&path, &shape)?;
        Ok(Self { context, identity: folder.identity(file)?, files: folder.used() })
    }

    /// The files that the model was loaded from, with their SHA-256.
    pub fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    /// The model as `name@` and the first 12 hexadecimal digits of its file's SHA-256.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// How to decode from now on. `beam` is 1 for greedy decoding and at most 8.
    ///
    /// # Errors
    ///
    /// A language that Whisper or this model does not know.
    pub fn decoding(&self, language: &str, beam: u8, threads: u8) -> Result<Decoding, AsrError> {
        let language = self.check_language(language)?;
        let mut parameters = FullParams::new(match beam {
            0 | 1 => SamplingStrategy::Greedy { best_of: 1 },
            width => SamplingStrategy::BeamSearch { beam_size: width.into(), patience: -1.0 },
        });
        parameters.set_n_threads(threads.into());
        // whisper-rs leaks the language's copy, so it is set once and not for each window.
        parameters.set_language(Some(language));
        // A window holds the whole audio, so there is nothing to seek by timestamps; words are timed by alignment.
        parameters.set_no_timestamps(true);
        parameters.set_single_segment(true);
        parameters.set_no_context(true);
        parameters.set_temperature_inc(0.0);
        // Above any probability: whisper.cpp would drop the text, and we want to show what was rejected.
        parameters.set_no_speech_thold(2.0);
        parameters.set_print_progress(false);
        parameters.set_print_realtime(false);
        parameters.set_print_timestamps(false);
        parameters.set_print_special(false);
        let language = (language != "auto").then_some(language);
        Ok(Decoding { parameters, language, threads: threads.into() })
    }

    /// The language as whisper.cpp spells it.
    fn check_language(&self, language: &str) -> Result<&'static str, AsrError> {
        let known = codes().chain(["auto"]).find(|code| *code == language);
        let Some(known) = known else {
            return Err(AsrError::UnknownLanguage { language: language.to_owned() });
        };
        if language != "en" && !self.context.is_multilingual() {
            return Err(AsrError::EnglishOnly {
                language: language.to_owned(),
                model: self.identity.clone(),
            });
        }
        Ok(known)
    }

    /// Recognises one window: mono samples at 16 kHz, which with [`TAIL`] fit into the encoder's `positions`, or into
    /// [`WINDOW`] if these are `None`. Nothing comes of it if it is cancelled.
    ///
    /// # Errors
    ///
    /// whisper.cpp fails, of which no cause but a lack of memory is known.
    pub fn recognise(
        &self,
        samples: &[f32],
        decoding: &Decoding,
        guard: &Guard,
        positions: Option<u16>,
        cancel: &Cancel,
    ) -> Result<Option<Recognition>, AsrError> {
        let mut audio = Vec::with_capacity(samples.len() + TAIL);
        audio.extend_from_slice(samples);
        audio.resize(samples.len() + TAIL, 0.0);
        // Alignment ends the process if the audio is longer than what was encoded.
        audio.truncate(positions.map_or(WINDOW, |positions| usize::from(positions) * POSITION));
        let mut state = self.context.create_state().map_err(AsrError::whisper("make room for decoding"))?;
        let filter = Filter {
            guard: *guard,
            language: decoding.language,
            end_of_text: self.context.token_eot(),
            vocabulary: usize::try_from(self.context.n_vocab()).unwrap_or(0),
        };
        let mut parameters = decoding.parameters.clone();
        parameters.set_audio_ctx(positions.unwrap_or(0).into());
        // SAFETY: the callbacks get what they expect, which outlives `full` and is not changed meanwhile, and `vocabulary` is
        // the number of logits of this very model. They do not unwind.
        unsafe {
            parameters.set_abort_callback(Some(is_cancelled));
            parameters.set_abort_callback_user_data(std::ptr::from_ref(cancel).cast_mut().cast());
            parameters.set_filter_logits_callback(Some(filter_logits));
            parameters.set_filter_logits_callback_user_data((&raw const filter).cast_mut().cast());
        }
        let decoded = state.full(parameters, &audio);
        if cancel.is_cancelled() {
            return Ok(None);
        }
        decoded.map_err(AsrError::whisper("decode a segment"))?;
        self.read(&mut state, decoding.threads).map(Some)
    }

    fn read(&self, state: &mut WhisperState, threads: usize) -> Result<Recognition, AsrError> {
        let end_of_text = self.context.token_eot();
        let mut recognition = Recognition {
            tokens: Vec::new(),
            log_probability: 0.0,
            count: 0,
            no_speech_probability: 0.0,
            language: whisper_rs::get_lang_str(state.full_lang_id_from_state()).unwrap_or("en").to_owned(),
        };
        for segment in state.as_iter() {
            for token in (0..segment.n_tokens()).filter_map(|index| segment.get_token(index)) {
                let data = token.token_data();
                recognition.log_probability += f64::from(data.plog);
                recognition.count += 1;
                if data.id < end_of_text {
                    let bytes = token.to_bytes().map_err(AsrError::whisper("give a token's text"))?.to_vec();
                    recognition.tokens.push(Token {
                        id: data.id,
                        bytes,
                        log_probability: data.plog,
                        end: aligned(data.t_dtw),
                    });
                }
            }
        }
        recognition.no_speech_probability = self.no_speech_probability(state, threads)?;
        Ok(recognition)
    }

    /// The model's probability that nobody speaks: of the no-speech token behind the token that starts a transcript, as
    /// OpenAI's `whisper/decoding.py` has it. whisper.cpp reports the probability behind the last token of the prompt,
    /// where the model was not trained to say it.
    fn no_speech_probability(&self, state: &mut WhisperState, threads: usize) -> Result<f32, AsrError> {
        state
            .decode(&[self.context.token_sot()], 0, threads)
            .map_err(AsrError::whisper("estimate whether somebody speaks"))?;
        let logits = state.get_logits().map_err(AsrError::whisper("give the first token's logits"))?;
        Ok(probability(logits, self.context.token_nosp()))
    }
}

/// whisper.cpp's abort callback, with a [`Cancel`] as its user data.
///
/// # Safety
///
/// `user_data` is a [`Cancel`] that outlives the call.
unsafe extern "C" fn is_cancelled(user_data: *mut c_void) -> bool {
    // SAFETY: the caller's promise.
    unsafe { user_data.cast::<Cancel>().as_ref() }.is_some_and(Cancel::is_cancelled)
}

/// The codes of Whisper's languages.
fn codes() -> impl Iterator<Item = &'static str> {
    (0..=whisper_rs::get_lang_max_id()).filter_map(whisper_rs::get_lang_str)
}

/// The softmax of `logits` at `token`.
fn probability(logits: &[f32], token: WhisperTokenId) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - largest).exp()).sum();
    let logit = usize::try_from(token).ok().and_then(|token| logits.get(token));
    logit.map_or(0.0, |logit| (f64::from(logit - largest).exp() / sum) as f32)
}

/// A time of whisper.cpp's, in hundredths of a second, as a sample index; -1 means that there is none.
fn aligned(hundredths: i64) -> Option<u64> {
    u64::try_from(hundredths).ok().map(|hundredths| hundredths * 160)
}

fn open(path: &Path, shape: &Shape) -> Result<WhisperContext, AsrError> {
    let mut parameters = WhisperContextParameters::default();
    parameters.use_gpu(false);
    // Alignment needs the attention weights that flash attention does not keep.
    parameters.flash_attn(false);
    parameters
        .dtw_parameters(DtwParameters { mode: alignment(shape), dtw_mem_size: alignment_memory(shape) });
    WhisperContext::new_with_params(path, parameters).map_err(AsrError::whisper("load the model"))
}

/// The attention heads that follow the audio: those that OpenAI published for its models, or, as OpenAI's `timing.py`
/// does for others, all of the upper half of the layers.
fn alignment(shape: &Shape) -> DtwMode<'static> {
    let english = shape.vocabulary == 51_864;
    let preset = match (shape.audio_layers, shape.text_layers, english) {
        (4, 4, true) => DtwModelPreset::TinyEn,
        (4, 4, false) => DtwModelPreset::Tiny,
        (6, 6, true) => DtwModelPreset::BaseEn,
        (6, 6, false) => DtwModelPreset::Base,
        (12, 12, true) => DtwModelPreset::SmallEn,
        (12, 12, false) => DtwModelPreset::Small,
        (24, 24, true) => DtwModelPreset::MediumEn,
        (24, 24, false) => DtwModelPreset::Medium,
        (32, 32, _) if shape.vocabulary == 51_866 => DtwModelPreset::LargeV3,
        (32, 32, _) => DtwModelPreset::LargeV2,
        (32, 4, _) => DtwModelPreset::LargeV3Turbo,
        _ => return DtwMode::TopMost { n_top: upper_layers(shape) },
    };
    DtwMode::ModelPreset { model_preset: preset }
}

fn upper_layers(shape: &Shape) -> c_int {
    (shape.text_layers / 2).max(1)
}

/// Bytes for the alignment of the longest text with the longest audio. whisper.cpp ends the process if they are not
/// enough; what is not used is never touched.
fn alignment_memory(shape: &Shape) -> usize {
    // Published presets have at most 23 heads; whisper.cpp keeps four copies of the weights as f32.
    let heads = (upper_layers(shape) * shape.text_heads).max(23).unsigned_abs() as usize;
    let weights = heads * 228 * (WINDOW / POSITION) * size_of::<f32>();
    4 * weights + (32 << 20)
}

/// whisper.cpp uses the instructions it was built for without asking, and the process would end on the first.
#[cfg(target_arch = "x86_64")]
fn check_processor() -> Result<(), AsrError> {
    let built = SystemInfo::default();
    let features = [
        ("avx", built.avx, is_x86_feature_detected!("avx")),
        ("avx2", built.avx2, is_x86_feature_detected!("avx2")),
        ("fma", built.fma, is_x86_feature_detected!("fma")),
        ("f16c", built.f16c, is_x86_feature_detected!("f16c")),
        (
            "avx512",
            whisper_rs::print_system_info().contains("AVX512 = 1"),
            is_x86_feature_detected!("avx512f"),
        ),
    ];
    match features.into_iter().find(|(_, needed, present)| *needed && !present) {
        None => Ok(()),
        Some((feature, ..)) => Err(AsrError::Processor { feature }),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn check_processor() -> Result<(), AsrError> {
    Ok(())
}
