//! The description of the protocol and the code say the same.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use undertone_gateway::{Call, Close, Event, Fault, GapReason, Hub, Limits, Request, Signal, Span, Wish};
use undertone_messages::{
    Contribution, Detail, Emotion, Phase, Profile, Scope, Sentiment, SentimentStatus, Speech, Transcript,
    TranscriptStatus, Weighting, Word,
};
use undertone_results::{Latency, StageLatency};

fn document() -> Value {
    serde_yaml_ng::from_str(include_str!("../asyncapi.yml")).unwrap()
}

/// What is wrong with `value` by the parts of JSON Schema that the document uses; unknown parts are errors.
fn check(document: &Value, schema: &Value, value: &Value, place: &str, errors: &mut Vec<String>) {
    let object = schema.as_object().unwrap_or_else(|| panic!("{place}: {schema} is no schema"));
    if let Some(reference) = object.get("$ref") {
        let pointer = reference.as_str().unwrap().trim_start_matches('#');
        let target = document.pointer(pointer).unwrap_or_else(|| panic!("{place}: {pointer} leads nowhere"));
        return check(document, target, value, place, errors);
    }
    let mut wrong = |what: String| errors.push(format!("{place}: {value} {what}"));
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().map(|name| name.as_str().unwrap()).collect(),
        _ => Vec::new(),
    };
    let is = |name: &&str| match *name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{place}: type {other}"),
    };
    if !types.is_empty() && !types.iter().any(is) {
        wrong(format!("is not {types:?}"));
        return;
    }
    for (keyword, expected) in object {
        match keyword.as_str() {
            "type" | "description" | "properties" | "additionalProperties" | "items" => {}
            "const" if value != expected => wrong(format!("is not {expected}")),
            "enum" if !expected.as_array().unwrap().contains(value) => wrong(format!("is not in {expected}")),
            "minimum" if value.as_f64() < expected.as_f64() => wrong(format!("is below {expected}")),
            "maximum" if value.as_f64() > expected.as_f64() => wrong(format!("is above {expected}")),
            "required" if value.is_object() => {
                for field in expected.as_array().unwrap() {
                    if value.get(field.as_str().unwrap()).is_none() {
                        wrong(format!("lacks {field}"));
                    }
                }
            }
            "pattern" => {
                let text = value.as_str().unwrap();
                assert_eq!(expected, "^[0-9a-f]{32}$", "this pattern is not known here");
                if text.len() != 32 || text.bytes().any(|byte| !byte.is_ascii_hexdigit()) {
                    wrong("does not match".to_owned());
                }
            }
            "const" | "enum" | "minimum" | "maximum" | "required" => {}
            other => panic!("{place}: the keyword {other} is not known here"),
        }
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(property), _) => check(document, property, field, &place, errors),
            (None, Value::Object(_)) => {
                check(document, &schema["additionalProperties"], field, &place, errors);
            }
            (None, _) => errors.push(format!("{place} is not described")),
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(document, &schema["items"], item, &format!("{place}[{index}]"), errors);
    }
}

fn errors(document: &Value, message: &Value) -> Vec<String> {
    let name = message["type"].as_str().unwrap();
    let mut errors = Vec::new();
    let payload = &document["components"]["messages"][name]["payload"];
    check(document, payload, message, name, &mut errors);
    errors
}

fn detail() -> Detail {
    Detail {
        emotions: vec!["calm".into(), "sad".into()],
        emotion_probabilities: vec![0.25, 0.75],
        valence: Some(-0.5),
        arousal: None,
        anomaly: Some(1.5),
    }
}

fn emotion() -> Emotion {
    Emotion {
        segment: 3,
        start: 16_000,
        end: 32_000,
        modality: "voice".into(),
        scope: Scope::Window,
        labels: vec!["negative".into(), "positive".into()],
        probabilities: vec![0.9, 0.1],
        model: "m@0".into(),
        reason: String::new(),
        detail: detail(),
    }
}

fn transcript(status: TranscriptStatus, degraded: &str) -> Transcript {
    Transcript {
        segment: 3,
        start: 16_000,
        end: 32_000,
        text: "so it is".into(),
        words: vec![Word { text: "so".into(), start: 16_000, end: 18_000, probability: 0.75 }],
        stable: 1,
        average_log_probability: -0.1,
        no_speech_probability: 0.01,
        language: "en".into(),
        status,
        reason: String::new(),
        model: "w@0".into(),
        degraded: degraded.into(),
    }
}

fn sentiment(modalities: &[&str], degraded: &str) -> Sentiment {
    let contribution = |modality: &&str| Contribution {
        modality: (*modality).to_owned(),
        model: "m@0".into(),
        weight: 0.5,
        weights: vec![1.5, -0.5],
        probabilities: vec![0.9, 0.1],
        end: 32_000,
        reason: String::new(),
        detail: if *modality == "voice" { detail() } else { Detail::default() },
    };
    let known = !modalities.is_empty();
    Sentiment {
        segment: 3,
        start: 16_000,
        end: 32_000,
        status: SentimentStatus::Final,
        profile: if known { Profile::Both } else { Profile::Neither },
        labels: if known { vec!["negative".into(), "positive".into()] } else { Vec::new() },
        probabilities: if known { vec![0.9, 0.1] } else { Vec::new() },
        weighting: Weighting::Learned,
        model: "f@0".into(),
        contributions: modalities.iter().map(contribution).collect(),
        bias: if known { vec![-0.25, 0.25] } else { Vec::new() },
        temperature: 1.0,
        score: -0.8,
        confidence: 0.9,
        abstained: !known,
        anomaly: false,
        text: "so it is".into(),
        degraded: degraded.into(),
    }
}

/// Every message that the code can send, in all its forms.
fn messages() -> Vec<Value> {
    let mut texts = Vec::new();
    // `ready` as a session tells it, and `end` and `error` behind it.
    let mut hub = Hub::new(Limits::default());
    hub.open(Default::default(), 4_096);
    let signal = || Signal::new(|_: Call| {});
    for request in [Ok(Request::End), Err(Fault::BadUtf8)] {
        let id = hub.connect(&Wish::New(None), signal(), [7; 24], 0).unwrap();
        hub.receive(id, request, 0);
        texts.extend(hub.output(id, 0).events.iter().map(ToString::to_string));
        hub.disconnect(id, true, 0);
    }
    for phase in Phase::ALL {
        let samples = Vec::new().into();
        let speech =
            Speech { segment: 3, start: 16_000, end: 32_000, phase: *phase, samples, probability: 0.5 };
        texts.push(Event::speech(&speech).write(4));
    }
    for scope in Scope::ALL {
        texts.push(Event::acoustic(&Emotion { scope: *scope, ..emotion() }).write(4));
    }
    let none =
        Emotion { labels: Vec::new(), probabilities: Vec::new(), detail: Detail::default(), ..emotion() };
    texts.push(Event::acoustic(&none).write(4));
    for status in TranscriptStatus::ALL {
        texts.push(Event::transcript(&transcript(*status, "")).write(4));
        texts.push(Event::transcript(&transcript(*status, "greedy")).write(4));
    }
    let stage = StageLatency { name: "vad".into(), waited_ms: 0.5, queued_ms: 0.0, worked_ms: 1.5 };
    let latency = Latency { total_ms: Some(400.0), hangover_ms: None, stages: vec![stage] };
    for status in SentimentStatus::ALL {
        for profile in Profile::ALL {
            let result =
                Sentiment { status: *status, profile: *profile, ..sentiment(&["text", "voice"], "x") };
            texts.push(Event::sentiment("s", &result, Some(&latency)).write(4));
        }
        for weighting in Weighting::ALL {
            let result =
                Sentiment { status: *status, weighting: *weighting, ..sentiment(&["text", "voice"], "") };
            texts.push(Event::sentiment("s", &result, Some(&latency)).write(4));
        }
    }
    texts.push(Event::sentiment("s", &sentiment(&[], ""), Some(&latency)).write(4));
    texts.push(Event::sentiment("s", &sentiment(&["face", "pose"], ""), Some(&Latency::default())).write(4));
    for active in [true, false] {
        texts.push(Event::Backpressure { active, queued_ms: 2_500 }.write(4));
    }
    for reason in [GapReason::Disconnected, GapReason::Overflow] {
        texts.push(Event::Gap { span: Span::new(100, 300), samples: 200, reason }.write(4));
    }
    texts.extend(Fault::examples().iter().map(|fault| Event::error(fault).write(0)));
    texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

#[test]
fn every_message_of_the_code_is_described() {
    let document = document();
    let mut forms: BTreeMap<String, usize> = BTreeMap::new();
    for message in messages() {
        assert_eq!(errors(&document, &message), Vec::<String>::new());
        *forms.entry(message["type"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let sent: BTreeSet<&str> = document["operations"]["takeResults"]["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reference| reference["$ref"].as_str().unwrap().rsplit('/').next().unwrap())
        .collect();
    assert_eq!(forms.keys().map(String::as_str).collect::<BTreeSet<_>>(), sent);
}

#[test]
fn what_is_not_described_is_found() {
    let document = document();
    let found = |message: Value| errors(&document, &message).join("; ");
    let plain = json!({"event": 1, "type": "end", "position_sample": 0, "position_seconds": 0.0});
    assert_eq!(found(plain.clone()), "");
    let with = |field: &str, value: Value| {
        let mut message = plain.clone();
        message[field] = value;
        found(message)
    };
    assert!(with("extra", json!(1)).contains("end.extra is not described"));
    assert!(with("event", json!(-1)).contains("is below"));
    assert!(with("event", json!("1")).contains("is not [\"integer\"]"));
    assert!(found(json!({"event": 1, "type": "end", "position_sample": 0})).contains("lacks"));
}

#[test]
fn every_message_of_a_client_that_is_described_is_read() {
    let document = document();
    let limits = Limits::default();
    let messages = &document["components"]["messages"];
    let mut types = BTreeSet::new();
    for name in ["audio", "endOfAudio"] {
        for example in messages[name]["examples"].as_array().unwrap() {
            let payload = &example["payload"];
            let mut wrong = Vec::new();
            check(&document, &messages[name]["payload"], payload, name, &mut wrong);
            assert_eq!(wrong, Vec::<String>::new());
            assert!(Request::text(&payload.to_string(), &limits).is_ok(), "{payload}");
            types.insert(payload["type"].as_str().unwrap().to_owned());
        }
    }
    // The fault names the types that there are.
    let named = Request::text(r#"{"type":"?"}"#, &limits).unwrap_err().to_string();
    assert!(types.iter().all(|name| named.contains(&format!("`{name}`"))), "{named}");
    let properties = &document["components"]["schemas"]["audio"]["properties"];
    for rate in properties["sample_rate"]["enum"].as_array().unwrap() {
        for encoding in properties["encoding"]["enum"].as_array().unwrap() {
            let message =
                json!({"type": "audio", "audio": "00000000", "encoding": encoding, "sample_rate": rate});
            assert!(Request::text(&message.to_string(), &limits).is_ok(), "{message}");
        }
    }
    let rates: Vec<u64> = undertone_gateway::RATES.iter().map(|rate| u64::from(*rate)).collect();
    assert_eq!(properties["sample_rate"]["enum"], json!(rates));
}

#[test]
fn the_codes_are_those_of_the_code() {
    let document = document();
    let described: BTreeSet<u16> =
        document["x-close-codes"].as_object().unwrap().keys().map(|code| code.parse().unwrap()).collect();
    assert_eq!(described, Close::ALL.into_iter().map(Close::code).collect());
    let described: BTreeMap<&str, u64> = document["x-error-codes"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(code, close)| (code.as_str(), close.as_u64().unwrap()))
        .collect();
    let examples = Fault::examples();
    let known =
        examples.iter().map(|fault| (fault.code(), fault.close().map_or(0, |close| close.code().into())));
    assert_eq!(described, known.collect());
}

#[test]
fn the_description_refers_to_what_there_is() {
    fn walk(document: &Value, value: &Value) {
        match value {
            Value::Object(object) => {
                if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                }
                object.values().for_each(|value| walk(document, value));
            }
            Value::Array(array) => array.iter().for_each(|value| walk(document, value)),
            _ => {}
        }
    }
    let document = document();
    assert_eq!(document["asyncapi"], "3.0.0");
    walk(&document, &document);
}
