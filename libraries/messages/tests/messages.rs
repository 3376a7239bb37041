//! Messages survive the wire, and what is wrong with a message is named.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float32Array, StringArray, StructArray, UInt64Array};
use arrow::datatypes::{DataType, Field};
use proptest::prelude::*;
use undertone_messages::{
    AudioFrame, Body, Contribution, Detail, Emotion, Encoding, Features, Message, MessageError, Phase,
    Profile, Scope, Sentiment, SentimentStatus, Sequence, SequenceError, SessionId, Speech, Statistics,
    Transcript, TranscriptStatus, Watermark, Weighting, Word,
};

fn values() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-1.0f32..1.0, 0..200)
}

fn name<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(all)
}

prop_compose! {
    fn audio_frame()(start: u64, samples in values(), gap: u64) -> AudioFrame {
        AudioFrame { start, sample_rate: 16_000, samples: samples.into(), gap }
    }
}

prop_compose! {
    fn speech()(segment: u64, start: u64, end: u64, phase in name(Phase::ALL), samples in values(), probability in 0.0f32..1.0)
        -> Speech {
        Speech { segment, start, end, phase, samples: samples.into(), probability }
    }
}

prop_compose! {
    fn features()(segment: u64, start: u64, end: u64, phase in name(Phase::ALL), kind: String, width in 1u32..50, frames in 0usize..20)
        -> Features {
        let values: Vec<f32> = (0..width as usize * frames).map(|value| value as f32).collect();
        Features { segment, start, end, phase, kind, hop: 160, width, values: values.into() }
    }
}

prop_compose! {
    fn encoding()(segment: u64, start: u64, end: u64, complete: bool, width in 1u32..50, frames in 0u32..20,
                  layers in prop::collection::vec(1u32..33, 0..4), energies in values(), model: String) -> Encoding {
        let states = |count: usize| (0..count).map(|value| value as f32).collect::<Vec<_>>().into();
        let frame = (width * frames) as usize;
        Encoding {
            segment, start, end, complete, frames, hop: 320, width, states: states(frame),
            layer_states: states(layers.len() * frame), layers, energies: energies.into(), model,
        }
    }
}

prop_compose! {
    fn detail()(scores in prop::collection::vec((".*", 0.0f32..1.0), 0..9), valence: Option<f32>, arousal: Option<f32>,
                anomaly: Option<f32>) -> Detail {
        let (emotions, emotion_probabilities) = scores.into_iter().unzip();
        Detail { emotions, emotion_probabilities, valence, arousal, anomaly }
    }
}

prop_compose! {
    fn emotion()(segment: u64, start: u64, end: u64, modality: String, scope in name(Scope::ALL),
                 scores in prop::collection::vec((".*", 0.0f32..1.0), 0..9), model: String, reason: String,
                 detail in detail()) -> Emotion {
        let (labels, probabilities) = scores.into_iter().unzip();
        Emotion { segment, start, end, modality, scope, labels, probabilities, model, reason, detail }
    }
}

prop_compose! {
    fn statistics()(segment: u64, start: u64, end: u64, scope in name(Scope::ALL),
                    pairs in prop::collection::vec((".*", -1e3f32..1e3), 0..50), reason: String) -> Statistics {
        let (names, values) = pairs.into_iter().unzip();
        Statistics { segment, start, end, scope, names, values, reason }
    }
}

prop_compose! {
    fn word()(text: String, start: u64, end: u64, probability in 0.0f32..1.0) -> Word {
        Word { text, start, end, probability }
    }
}

prop_compose! {
    fn transcript()(segment: u64, start: u64, end: u64, text: String, words in prop::collection::vec(word(), 0..20),
                    average_log_probability in -5.0f32..0.0, no_speech_probability in 0.0f32..1.0, language in "[a-z]{2}",
                    status in name(TranscriptStatus::ALL), reason: String, (model, degraded) in any::<(String, String)>(), stable: u32) -> Transcript {
        Transcript {
            segment, start, end, text, words, stable, average_log_probability, no_speech_probability, language, status, reason,
            model, degraded,
        }
    }
}

prop_compose! {
    fn contribution(labels: usize)(modality: String, model: String, weight in 0.0f32..1.0, given: bool, end: u64, reason: String,
                                   detail in detail()) -> Contribution {
        let (weights, probabilities) = if given { (vec![2.0; labels], vec![0.5; labels]) } else { (vec![], vec![]) };
        Contribution { modality, model, weight, weights, probabilities, end, reason, detail }
    }
}

prop_compose! {
    fn sentiment_of(labels: Vec<String>)
                   (segment: u64, start: u64, end: u64, status in name(SentimentStatus::ALL), profile in name(Profile::ALL),
                    weighting in name(Weighting::ALL), contributions in prop::collection::vec(contribution(labels.len()), 0..4),
                    (fitted, temperature) in (any::<bool>(), 0.1f32..10.0), (model, score) in (any::<String>(), -1.0f32..1.0),
                    confidence in 0.0f32..1.0, (abstained, anomaly) in any::<(bool, bool)>(),
                    (text, degraded) in any::<(String, String)>()) -> Sentiment {
        let (labels, probabilities) = (labels.clone(), vec![0.5; labels.len()]);
        let bias = vec![0.1; if fitted { labels.len() } else { 0 }];
        Sentiment {
            segment, start, end, status, profile, labels, probabilities, weighting, model, contributions, bias, temperature,
            score, confidence, abstained, anomaly, text, degraded,
        }
    }
}

fn sentiment() -> impl Strategy<Value = Sentiment> {
    prop::collection::vec(any::<String>(), 0..4).prop_flat_map(sentiment_of)
}

fn round_trip<B: Body + Clone + PartialEq + std::fmt::Debug>(body: B, session: &str, seq: u64) {
    for body in [Some(body), None] {
        let message = Message { session: session.into(), seq, body };
        let array = message.clone().encode().unwrap();
        assert_eq!(array.len(), 1);
        assert_eq!(array.fields(), &Message::<B>::fields());
        assert_eq!(Message::<B>::decode(&array).unwrap(), message);
    }
}

proptest! {
    #[test]
    fn audio_frames_survive_the_wire(body in audio_frame(), session: String, seq: u64) {
        round_trip(body, &session, seq);
    }

    #[test]
    fn speech_survives_the_wire(body in speech(), session: String, seq: u64) {
        round_trip(body, &session, seq);
    }

    #[test]
    fn features_survive_the_wire(body in features(), session: String, seq: u64) {
        round_trip(body, &session, seq);
    }

    #[test]
    fn encodings_survive_the_wire(body in encoding(), session: String, seq: u64) {
        round_trip(body, &session, seq);
    }

    #[test]
    fn emotions_survive_the_wire(body in emotion(), session: String, seq: u64) {
        round_trip(body, &session, seq);
    }

    #[test]
    fn statistics_survive_the_wire(body in statistics(), session: String, seq: u64) {
        round_trip(body, &session, seq);
    }

    #[test]
    fn transcripts_survive_the_wire(body in transcript(), session: String, seq: u64) {
        round_trip(body, &session, seq);
    }

    #[test]
    fn a_sentiment_with_more_values_than_labels_is_refused(mut body in sentiment(), mut contribution in contribution(1)) {
        let encode = |body| Message { session: "s".into(), seq: 0, body: Some(body) }.encode().unwrap();
        let values = vec![0.5; body.labels.len() + 1];
        let fewer = Sentiment { probabilities: values.clone(), ..body.clone() };
        let biased = Sentiment { bias: values.clone(), ..body.clone() };
        contribution.weights = values.clone();
        contribution.probabilities = values;
        body.contributions.push(contribution);
        for (body, field) in [(fewer, "probabilities"), (biased, "bias"), (body.clone(), "contributions")] {
            let error = Message::<Sentiment>::decode(&encode(body)).unwrap_err().to_string();
            prop_assert!(error.contains(&format!("`{field}`")) && error.contains("one for each label"), "{}", error);
        }
        body.contributions.last_mut().unwrap().weights.pop();
        let error = Message::<Sentiment>::decode(&encode(body)).unwrap_err().to_string();
        prop_assert!(error.contains("`weights`") && error.contains("one for each probability"), "{}", error);
    }

    #[test]
    fn sentiments_survive_the_wire(body in sentiment(), session: String, seq: u64) {
        round_trip(body, &session, seq);
    }

    #[test]
    fn watermarks_survive_the_wire(position: u64, session: String, seq: u64) {
        round_trip(Watermark { position }, &session, seq);
    }

    /// Whatever is missing from a stream is found, and nothing else.
    #[test]
    fn a_stream_is_whole_exactly_if_nothing_is_missing(length in 1u64..50, lost in prop::collection::btree_set(0u64..50, 0..5)) {
        let session: SessionId = "s".into();
        let mut sequence = Sequence::default();
        let mut missing = 0;
        for seq in (0..length).filter(|seq| !lost.contains(seq)) {
            match sequence.accept(&session, seq, seq + 1 == length) {
                Ok(()) => {}
                Err(SequenceError::Hole { missing: hole, .. }) => missing += hole,
                Err(error) => prop_assert!(false, "{error}"),
            }
        }
        let lost_last = lost.contains(&(length - 1));
        let arrived = (0..length).any(|seq| !lost.contains(&seq));
        prop_assert_eq!(sequence.close().is_err(), lost_last && arrived);
        let trailing = (0..length).rev().take_while(|seq| lost.contains(seq)).count() as u64;
        let lost_total = lost.iter().filter(|seq| **seq < length).count() as u64;
        prop_assert_eq!(missing, lost_total - trailing);
    }
}

/// A frame with one of its columns replaced, or taken away.
fn frame_with(field: &str, column: Option<(Field, ArrayRef)>) -> StructArray {
    let body = AudioFrame { start: 0, sample_rate: 16_000, samples: vec![0.0; 4].into(), gap: 0 };
    let frame = Message { session: "s".into(), seq: 0, body: Some(body) }.encode().unwrap();
    let mut columns: Vec<(Arc<Field>, ArrayRef)> = frame
        .fields()
        .iter()
        .cloned()
        .zip(frame.columns().iter().cloned())
        .filter(|(present, _)| present.name() != field)
        .collect();
    columns.extend(column.map(|(field, column)| (Arc::new(field), column)));
    StructArray::from(columns)
}

fn error(array: &dyn Array) -> MessageError {
    Message::<AudioFrame>::decode(array).unwrap_err()
}

#[test]
fn another_kind_of_array_is_named() {
    let text = error(&Float32Array::from(vec![0.0, 1.0])).to_string();
    assert!(text.contains("AudioFrame") && text.contains("Float32 of length 2"), "{text}");
}

#[test]
fn a_missing_field_is_named() {
    let text = error(&frame_with("gap", None)).to_string();
    assert!(text.contains("AudioFrame") && text.contains("`gap`") && text.contains("samples"), "{text}");
}

#[test]
fn a_field_of_another_type_is_named() {
    let start: ArrayRef = Arc::new(StringArray::from(vec!["0"]));
    let array = frame_with("start", Some((Field::new("start", DataType::Utf8, true), start)));
    let text = error(&array).to_string();
    assert!(text.contains("`start` is Utf8, not UInt64"), "{text}");
}

#[test]
fn a_null_is_named() {
    let start: ArrayRef = Arc::new(UInt64Array::from(vec![None]));
    let array = frame_with("start", Some((Field::new("start", DataType::UInt64, true), start)));
    assert_eq!(error(&array), MessageError::Null { message: "AudioFrame", field: "start" });
}

/// A null struct still has columns with values in them.
#[test]
fn a_message_that_is_null_is_refused() {
    let frame = frame_with("nothing", None);
    let (fields, columns, _) = frame.into_parts();
    let null = StructArray::new(fields, columns, Some(vec![false].into()));
    assert_eq!(
        error(&null),
        MessageError::NotAMessage { message: "AudioFrame", received: "a null".to_owned() }
    );
}

#[test]
fn a_value_that_is_not_defined_keeps_its_bits() {
    let statistics = |values: Vec<f32>| Statistics {
        segment: 0,
        start: 0,
        end: 1,
        scope: Scope::Segment,
        names: vec!["f0_mean".to_owned(), "energy_mean".to_owned()],
        values,
        reason: String::new(),
    };
    let encode = |body| Message { session: "s".into(), seq: 0, body: Some(body) }.encode().unwrap();
    let read =
        Message::<Statistics>::decode(&encode(statistics(vec![f32::NAN, -20.0]))).unwrap().body.unwrap();
    assert_eq!(read.values[0].to_bits(), f32::NAN.to_bits());
    assert_eq!(
        (read.value("f0_mean"), read.value("energy_mean"), read.value("f1")),
        (None, Some(-20.0), None)
    );
    let error = Message::<Statistics>::decode(&encode(statistics(vec![1.0]))).unwrap_err().to_string();
    assert!(error.contains("`values`") && error.contains("2, one for each name"), "{error}");
}

#[test]
fn a_frame_at_the_end_of_time_has_an_end() {
    let frame = AudioFrame { start: u64::MAX - 1, sample_rate: 16_000, samples: vec![0.0; 4].into(), gap: 0 };
    assert_eq!(frame.end(), u64::MAX);
}

#[test]
fn a_message_of_another_type_is_refused() {
    let body = Watermark { position: 1 };
    let array = Message { session: "s".into(), seq: 0, body: Some(body) }.encode().unwrap();
    assert!(matches!(error(&array), MessageError::MissingField { field: "start", .. }));
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let body =
        Speech { segment: 0, start: 0, end: 0, phase: Phase::Open, samples: vec![].into(), probability: 0.5 };
    let array = Message { session: "s".into(), seq: 0, body: Some(body) }.encode().unwrap();
    let phase = array.fields().find("phase").unwrap().0;
    let mut columns = array.columns().to_vec();
    columns[phase] = Arc::new(StringArray::from(vec!["opened"]));
    let array = StructArray::new(array.fields().clone(), columns, None);
    let text = Message::<Speech>::decode(&array).unwrap_err().to_string();
    assert!(text.contains("`phase` is `opened`") && text.contains("open more tentative"), "{text}");
}

#[test]
fn decoding_does_not_copy_samples() {
    let body = AudioFrame { start: 0, sample_rate: 16_000, samples: vec![0.5; 1024].into(), gap: 0 };
    let sent = body.samples.as_ptr();
    let array = Message { session: "s".into(), seq: 0, body: Some(body) }.encode().unwrap();
    let received = Message::<AudioFrame>::decode(&array).unwrap();
    assert_eq!(received.body.unwrap().samples.as_ptr(), sent);
}

#[test]
fn sessions_side_by_side_are_checked_apart() {
    let (a, b): (SessionId, SessionId) = ("a".into(), "b".into());
    let mut sequence = Sequence::default();
    sequence.accept(&a, 0, false).unwrap();
    sequence.accept(&b, 0, false).unwrap();
    sequence.accept(&a, 1, true).unwrap();
    let hole = sequence.accept(&b, 3, false).unwrap_err();
    assert_eq!(hole, SequenceError::Hole { session: b.clone(), expected: 1, received: 3, missing: 2 });
    assert_eq!(sequence.close().unwrap_err(), SequenceError::CutOff { session: b, received: 4 });
}

#[test]
fn a_message_that_comes_again_is_refused() {
    let session: SessionId = "s".into();
    let mut sequence = Sequence::default();
    sequence.accept(&session, 0, false).unwrap();
    sequence.accept(&session, 1, false).unwrap();
    assert!(matches!(sequence.accept(&session, 1, false), Err(SequenceError::Repeated { .. })));
    sequence.accept(&session, 2, true).unwrap();
    sequence.close().unwrap();
}
