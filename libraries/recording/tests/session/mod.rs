//! Messages of every type, and recordings of them.
#![allow(dead_code, reason = "each test needs a part of this")]

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::StructArray;
use proptest::prelude::*;
use undertone_messages::{
    AudioFrame, Body, Contribution, Detail, Emotion, Features, Message, Phase, Profile, Scope, Sentiment,
    SentimentStatus, Speech, Transcript, TranscriptStatus, Watermark, Weighting, Word,
};
use undertone_recording::{Content, Manifest, Recorder, TopicReader};

/// A message on its topic.
pub type Sent = (&'static str, StructArray);

/// What a message of any type says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Audio(AudioFrame),
    Speech(Speech),
    Features(Features),
    Emotion(Emotion),
    Transcript(Transcript),
    Sentiment(Sentiment),
    Watermark(Watermark),
}

pub fn message<B: Body>(session: &str, seq: u64, body: Option<B>) -> StructArray {
    Message { session: session.into(), seq, body }.encode().unwrap()
}

impl Said {
    pub fn topic(&self) -> &'static str {
        match self {
            Self::Audio(_) => "source/audio",
            Self::Speech(_) => "vad/speech",
            Self::Features(_) => "mfcc/features",
            Self::Emotion(_) => "acoustic/emotion",
            Self::Transcript(_) => "asr/transcript",
            Self::Sentiment(_) => "fusion/sentiment",
            Self::Watermark(_) => "fusion/watermark",
        }
    }

    pub fn message(self, session: &str, seq: u64) -> StructArray {
        match self {
            Self::Audio(body) => message(session, seq, Some(body)),
            Self::Speech(body) => message(session, seq, Some(body)),
            Self::Features(body) => message(session, seq, Some(body)),
            Self::Emotion(body) => message(session, seq, Some(body)),
            Self::Transcript(body) => message(session, seq, Some(body)),
            Self::Sentiment(body) => message(session, seq, Some(body)),
            Self::Watermark(body) => message(session, seq, Some(body)),
        }
    }

    /// The message that ends the stream of this one.
    pub fn end(&self, session: &str, seq: u64) -> StructArray {
        match self {
            Self::Audio(_) => message::<AudioFrame>(session, seq, None),
            Self::Speech(_) => message::<Speech>(session, seq, None),
            Self::Features(_) => message::<Features>(session, seq, None),
            Self::Emotion(_) => message::<Emotion>(session, seq, None),
            Self::Transcript(_) => message::<Transcript>(session, seq, None),
            Self::Sentiment(_) => message::<Sentiment>(session, seq, None),
            Self::Watermark(_) => message::<Watermark>(session, seq, None),
        }
    }
}

/// A folder for many small recordings: in memory where there is one, which is ten times as fast as many disks.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn floats() -> impl Strategy<Value = Vec<f32>> {
    // With infinities, NaNs and both zeros.
    prop::collection::vec(prop::num::f32::ANY, 0..40)
}

fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(all)
}

prop_compose! {
    fn detail()(scores in prop::collection::vec((".*", 0.0f32..1.0), 0..9), valence: Option<f32>, arousal: Option<f32>,
                anomaly: Option<f32>) -> Detail {
        let (emotions, emotion_probabilities) = scores.into_iter().unzip();
        Detail { emotions, emotion_probabilities, valence, arousal, anomaly }
    }
}

prop_compose! {
    fn emotion()(segment: u64, start: u64, end: u64, modality: String, scope in one_of(Scope::ALL),
                 scores in prop::collection::vec(any::<(String, f32)>(), 0..5), model: String, reason: String,
                 detail in detail()) -> Emotion {
        let (labels, probabilities) = scores.into_iter().unzip();
        Emotion { segment, start, end, modality, scope, labels, probabilities, model, reason, detail }
    }
}

prop_compose! {
    fn transcript()(segment: u64, start: u64, end: u64, text: String, words in prop::collection::vec(any::<(String, u64, u64, f32)>(), 0..5),
                    average_log_probability: f32, no_speech_probability: f32, status in one_of(TranscriptStatus::ALL), model: String, stable: u32)
        -> Transcript {
        let words = words.into_iter().map(|(text, start, end, probability)| Word { text, start, end, probability });
        Transcript {
            segment, start, end, text, words: words.collect(), stable, average_log_probability, no_speech_probability,
            language: "en".to_owned(), status, reason: String::new(), model, degraded: String::new(),
        }
    }
}

prop_compose! {
    fn contribution()(modality: String, model: String, weight: f32, weights in floats(), probabilities in floats(), end: u64, reason: String,
                      detail in detail()) -> Contribution {
        Contribution { modality, model, weight, weights, probabilities, end, reason, detail }
    }
}

prop_compose! {
    fn sentiment()(segment: u64, start: u64, end: u64, status in one_of(SentimentStatus::ALL), profile in one_of(Profile::ALL),
                   scores in prop::collection::vec(any::<(String, f32)>(), 0..4), contributions in prop::collection::vec(contribution(), 0..3),
                   weighting in one_of(Weighting::ALL), (bias, temperature) in (floats(), any::<f32>()), (model, score) in any::<(String, f32)>(),
                   confidence: f32, (abstained, anomaly) in any::<(bool, bool)>(), text: String) -> Sentiment {
        let (labels, probabilities) = scores.into_iter().unzip();
        Sentiment {
            segment, start, end, status, profile, labels, probabilities, weighting, model, contributions, bias, temperature,
            score, confidence, abstained, anomaly, text, degraded: String::new(),
        }
    }
}

/// What a message of any type may say.
pub fn said() -> impl Strategy<Value = Said> {
    let phases = || one_of(Phase::ALL);
    prop_oneof![
        any::<(u64, u64)>().prop_flat_map(|(start, gap)| floats().prop_map(move |samples| Said::Audio(
            AudioFrame { start, sample_rate: 16_000, samples: samples.into(), gap }
        ))),
        (any::<(u64, u64, u64, f32)>(), phases(), floats()).prop_map(
            |((segment, start, end, probability), phase, samples)| Said::Speech(Speech {
                segment,
                start,
                end,
                phase,
                samples: samples.into(),
                probability
            })
        ),
        (any::<(u64, u64, u64)>(), phases(), floats()).prop_map(|((segment, start, end), phase, values)| {
            let (kind, values) = (String::new(), values.into());
            Said::Features(Features { segment, start, end, phase, kind, hop: 160, width: 1, values })
        }),
        emotion().prop_map(Said::Emotion),
        transcript().prop_map(Said::Transcript),
        sentiment().prop_map(Said::Sentiment),
        any::<u64>().prop_map(|position| Said::Watermark(Watermark { position })),
    ]
}

/// Messages of several sessions, some of whose streams end.
pub fn messages() -> impl Strategy<Value = Vec<Sent>> {
    let session = prop::sample::select(vec!["a", "b", "", "Gespräch 3"]);
    let sent = prop::collection::vec((said(), session), 0..40);
    (sent, any::<bool>()).prop_map(|(sent, end)| {
        let mut next = BTreeMap::new();
        let mut messages = Vec::new();
        for (said, session) in sent {
            let (topic, seq) =
                (said.topic(), next.entry((said.topic(), session)).or_insert((0, said.clone())));
            messages.push((topic, said.message(session, seq.0)));
            seq.0 += 1;
        }
        let endings = next.into_iter().filter(|_| end);
        messages.extend(endings.map(|((topic, session), (seq, said))| (topic, said.end(session, seq))));
        messages
    })
}

/// One message of each type and the ends of their streams; every number that can is told by `number`.
pub fn session(name: &str, number: u64) -> Vec<Sent> {
    let (segment, start, end) = (number, 160 * number, 160 * number + 1024);
    let tenth = number as f32 / 10.0;
    let labels = || vec!["negative".to_owned(), "neutral".to_owned(), "positive".to_owned()];
    let detail = || Detail {
        emotions: vec!["calm".to_owned(), "angry".to_owned()],
        emotion_probabilities: vec![0.25, 0.75],
        valence: Some(-tenth),
        arousal: None,
        anomaly: Some(tenth),
    };
    let probabilities = || vec![tenth, 0.25, 0.75 - tenth];
    let model = || "model@0123456789ab".to_owned();
    let word =
        |text: &str, start, probability| Word { text: text.to_owned(), start, end: start + 80, probability };
    let samples: Vec<f32> = (0..16).map(|index| tenth + index as f32 / 32.0).collect();
    let contribution = |modality: &str, weight| Contribution {
        modality: modality.to_owned(),
        model: model(),
        weight,
        weights: vec![weight, -0.5, tenth],
        probabilities: probabilities(),
        end,
        reason: String::new(),
        detail: detail(),
    };
    let said = [
        Said::Audio(AudioFrame { start, sample_rate: 16_000, samples: samples.clone().into(), gap: 0 }),
        Said::Speech(Speech {
            segment,
            start,
            end,
            phase: Phase::Open,
            samples: samples.clone().into(),
            probability: 0.5,
        }),
        Said::Features(Features {
            segment,
            start,
            end,
            phase: Phase::More,
            kind: "mfcc kaldi".to_owned(),
            hop: 160,
            width: 4,
            values: samples.into(),
        }),
        Said::Emotion(Emotion {
            segment,
            start,
            end,
            modality: "voice".to_owned(),
            scope: Scope::Segment,
            labels: labels(),
            probabilities: probabilities(),
            model: model(),
            reason: String::new(),
            detail: detail(),
        }),
        Said::Transcript(Transcript {
            segment,
            start,
            end,
            text: "and so my fellow Americans".to_owned(),
            stable: 5,
            words: vec![
                word("and", start, 0.875),
                word("so", start + 100, tenth),
                word("my", start + 200, 0.5),
                word("fellow", start + 300, 0.25),
                word("Americans", start + 400, 1.0),
            ],
            average_log_probability: -0.25,
            no_speech_probability: 0.125,
            language: "en".to_owned(),
            status: TranscriptStatus::Final,
            reason: String::new(),
            model: model(),
            degraded: String::new(),
        }),
        Said::Sentiment(Sentiment {
            segment,
            start,
            end,
            status: SentimentStatus::Final,
            profile: Profile::Both,
            labels: labels(),
            probabilities: probabilities(),
            weighting: Weighting::Learned,
            model: model(),
            contributions: vec![contribution("text", 0.25), contribution("voice", 0.75)],
            bias: vec![-tenth, 0.0, tenth],
            temperature: 1.0,
            score: 0.5,
            confidence: 0.75,
            abstained: false,
            anomaly: true,
            text: "and so my fellow Americans".to_owned(),
            degraded: String::new(),
        }),
        Said::Watermark(Watermark { position: end }),
    ];
    let bodies = said.clone().into_iter().map(|said| (said.topic(), said.message(name, 0)));
    let ends = said.iter().map(|said| (said.topic(), said.end(name, 1)));
    bodies.chain(ends).collect()
}

/// The topics of some messages, all recorded with the same content.
pub fn topics(messages: &[Sent], content: Content) -> BTreeMap<String, Content> {
    messages.iter().map(|(topic, _)| ((*topic).to_owned(), content)).collect()
}

/// Records messages, and leaves the recording as a recorder does that is killed.
pub fn record_unfinished(folder: &Path, messages: &[Sent], content: Content) -> Recorder {
    let mut recorder = Recorder::create(folder, false, &topics(messages, content), None).unwrap();
    for (topic, message) in messages {
        recorder.write(topic, message).unwrap();
    }
    recorder.flush().unwrap();
    recorder
}

/// Records messages.
pub fn record(folder: &Path, messages: &[Sent], content: Content) -> Manifest {
    record_unfinished(folder, messages, content).finish().unwrap()
}

/// All the messages in a topic's file.
pub fn read(folder: &Path, topic: &str) -> Vec<StructArray> {
    let mut reader = TopicReader::open(&folder.join(format!("{topic}.arrow"))).unwrap();
    let mut messages = Vec::new();
    while let Some(message) = reader.next_message().unwrap() {
        messages.push(message);
    }
    messages
}

/// What was sent on a topic.
pub fn of_topic(messages: &[Sent], topic: &str) -> Vec<StructArray> {
    messages.iter().filter(|(sent, _)| *sent == topic).map(|(_, message)| message.clone()).collect()
}
