//! The stage: transcripts in, emotion out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use undertone_inference::ModelError;
use undertone_messages::{Detail, Emotion, Scope, SessionId, Transcript, TranscriptStatus};
use undertone_stage::{Cancel, Factory, FixedArgument, Preview, Stage, check_fixed, lock};

use crate::arguments::Arguments;
use crate::model::TextModel;

/// What can be wrong with the model or the text.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The model is missing or damaged, or fails.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The tokenizer is damaged.
    #[error("{} is not a tokenizer of the tokenizers library: {error}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: String,
    },
    /// The tokenizer fails on a text.
    #[error("the tokenizer failed on `{text}`: {error}")]
    Tokenize {
        /// The text.
        text: String,
        /// The reason.
        error: String,
    },
}

/// The text estimates of one session.
pub struct Text {
    model: Arc<Mutex<TextModel>>,
    /// Whether partial transcripts are read.
    partials: bool,
    /// The last text that was read ahead, and what the model made of it.
    ahead: Option<(String, Option<Vec<f32>>)>,
}

impl Text {
    /// What the model makes of a transcript.
    fn read(&mut self, transcript: &Transcript, scope: Scope) -> Result<Emotion, TextError> {
        let mut model = lock(&self.model);
        let emotion = empty(&model, transcript, scope);
        let known = self.ahead.take_if(|(text, _)| *text == transcript.text);
        let probabilities = match known {
            Some((_, probabilities)) => probabilities,
            None => model.probabilities(&transcript.text)?,
        };
        match probabilities {
            Some(probabilities) => Ok(Emotion { labels: model.labels()?.to_vec(), probabilities, ..emotion }),
            None => Ok(Emotion { reason: "the transcript has no words".to_owned(), ..emotion }),
        }
    }
}

impl Stage for Text {
    type Input = Transcript;
    type Output = Emotion;
    type Error = TextError;

    fn push(&mut self, input: Transcript, output: &mut Vec<Emotion>) -> Result<(), TextError> {
        let emotion = match input.status {
            TranscriptStatus::Partial if !self.partials => return Ok(()),
            TranscriptStatus::Partial => self.read(&input, Scope::Window)?,
            TranscriptStatus::Final => self.read(&input, Scope::Segment)?,
            TranscriptStatus::Rejected => {
                let reason = format!("transcript rejected: {}", input.reason);
                Emotion { reason, ..empty(&lock(&self.model), &input, Scope::Segment) }
            }
        };
        output.push(emotion);
        Ok(())
    }

    fn finish(&mut self, _output: &mut Vec<Emotion>) -> Result<(), TextError> {
        Ok(())
    }
}

/// A partial transcript is read ahead, since the final one may have the same text; nothing is sent.
impl Preview for Text {
    fn is_due(&self, transcript: &Transcript) -> bool {
        self.ahead.as_ref().is_none_or(|(text, _)| *text != transcript.text)
    }

    fn preview(&mut self, transcript: &Transcript, _: &Cancel) -> Result<Option<Emotion>, TextError> {
        let probabilities = lock(&self.model).probabilities(&transcript.text)?;
        self.ahead = Some((transcript.text.clone(), probabilities));
        Ok(None)
    }

    fn is_outdated(_: &Transcript, _: &Transcript) -> bool {
        // It takes no longer than the way to another.
        false
    }

    fn makes_way(_: &Transcript, _: &Transcript) -> bool {
        true
    }
}

/// A message without an estimate yet.
fn empty(model: &TextModel, transcript: &Transcript, scope: Scope) -> Emotion {
    Emotion {
        segment: transcript.segment,
        start: transcript.start,
        end: transcript.end,
        modality: "text".to_owned(),
        scope,
        labels: Vec::new(),
        probabilities: Vec::new(),
        model: model.identity().to_owned(),
        reason: String::new(),
        detail: Detail::default(),
    }
}

/// The model, which all sessions share.
pub struct TextFactory {
    model: Arc<Mutex<TextModel>>,
    /// What the model was loaded with.
    arguments: Arguments,
}

impl Factory for TextFactory {
    type Arguments = Arguments;
    type Stage = Text;

    fn load(arguments: &Arguments) -> Result<Self, TextError> {
        let model = Arc::new(Mutex::new(TextModel::load(arguments)?));
        Ok(Self { model, arguments: arguments.clone() })
    }

    fn models(&self) -> BTreeMap<String, String> {
        lock(&self.model).files().clone()
    }

    fn check(&self, changed: &Arguments) -> Result<(), FixedArgument> {
        check_fixed(&[
            ("model", changed.model == self.arguments.model),
            ("threads", changed.threads == self.arguments.threads),
            ("onnxruntime", changed.onnxruntime == self.arguments.onnxruntime),
        ])
    }

    fn create(&mut self, arguments: &Arguments, _session: &SessionId) -> Result<Text, TextError> {
        Ok(Text { model: Arc::clone(&self.model), partials: arguments.partials, ahead: None })
    }

    fn adjust(&mut self, arguments: &Arguments, stage: &mut Text) -> Result<(), TextError> {
        stage.partials = arguments.partials;
        Ok(())
    }
}
