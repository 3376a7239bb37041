//! Real speech through the real model, which `make models` prepares.
//!
//! The contract: the words are those that were said, with times in order and inside the segment; the same samples give
//! the same bytes, whatever was recognised before and however the samples were cut up; and what is not speech is
//! rejected with a reason.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};

use clap::Parser;
use undertone_asr::{Arguments, Asr, AsrError, AsrFactory};
use undertone_messages::{Body, Message, Phase, SessionId, Speech, Transcript, TranscriptStatus};
use undertone_stage::{Cancel, Factory, Preview, Sessions, Stage};

/// "And so my fellow Americans", John F. Kennedy, 1961.
static KENNEDY: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/jfk.wav");
    let mut reader = hound::WavReader::open(path).expect("the recording");
    reader.samples::<i16>().map(|sample| f32::from(sample.unwrap()) / 32_768.0).collect()
});

/// One model for all tests.
static FACTORY: LazyLock<Mutex<AsrFactory>> = LazyLock::new(|| {
    Mutex::new(AsrFactory::load(&arguments(&[])).expect("`make models` prepares the model"))
});

fn arguments(words: &[&str]) -> Arguments {
    Arguments::parse_from(["asr"].iter().chain(words))
}

fn session(words: &[&str]) -> Asr {
    let mut factory = FACTORY.lock().unwrap_or_else(PoisonError::into_inner);
    factory.create(&arguments(words), &"session".into()).expect("a session")
}

/// A segment from sample `start`, in pieces of `chunk`, with `hangover` samples behind its end.
fn segment(number: u64, start: u64, samples: &[f32], chunk: usize, hangover: usize) -> Vec<Speech> {
    let tail = [samples, &vec![0.0; hangover]].concat();
    let mut end = start;
    let mut speech = Vec::new();
    for piece in tail.chunks(chunk) {
        end += piece.len() as u64;
        let phase = if speech.is_empty() { Phase::Open } else { Phase::More };
        let samples = piece.to_vec().into();
        speech.push(Speech { segment: number, start, end, phase, samples, probability: 0.9 });
    }
    let end = start + samples.len() as u64;
    for phase in [Phase::Tentative, Phase::Final] {
        speech.push(Speech {
            segment: number,
            start,
            end,
            phase,
            samples: Vec::new().into(),
            probability: 0.9,
        });
    }
    speech
}

fn transcripts(asr: &mut Asr, speech: Vec<Speech>) -> Vec<Transcript> {
    let mut output = Vec::new();
    for speech in speech {
        asr.push(speech, &mut output).expect("no error");
    }
    output
}

fn transcript(asr: &mut Asr, speech: Vec<Speech>) -> Transcript {
    let [transcript] = transcripts(asr, speech).try_into().expect("one transcript for one segment");
    transcript
}

/// All of the message, floats to the last bit.
fn bytes(transcript: &Transcript) -> String {
    let message = Message { session: "session".into(), seq: 0, body: Some(transcript.clone()) };
    let floats = [transcript.average_log_probability, transcript.no_speech_probability];
    let words = transcript.words.iter().map(|word| word.probability);
    let bits: Vec<u32> = floats.into_iter().chain(words).map(f32::to_bits).collect();
    format!("{:?} {bits:?}", message.encode().expect(Transcript::NAME))
}

fn words(transcript: &Transcript) -> Vec<String> {
    transcript.words.iter().map(|word| undertone_recognition::plain(&word.text)).collect()
}

/// White noise of an amplitude, the same in every run.
fn noise(seconds: usize, amplitude: f32) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        amplitude * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
    };
    (0..seconds * 16_000).map(|_| next()).collect()
}

#[test]
fn the_words_are_those_that_were_said() {
    let start = 160_000;
    let transcript = transcript(&mut session(&[]), segment(3, start, &KENNEDY, 2048, 4800));
    assert_eq!(transcript.status, TranscriptStatus::Final, "{}", transcript.reason);
    assert_eq!(words(&transcript), ["and", "so", "my", "fellow", "americans"]);
    assert_eq!((transcript.segment, transcript.language.as_str()), (3, "en"));
    assert_eq!((transcript.start, transcript.end), (start, start + KENNEDY.len() as u64));
    assert!(transcript.model.starts_with("whisper-tiny.en@"), "{}", transcript.model);
    assert!(transcript.no_speech_probability < 0.5 && transcript.average_log_probability > -0.6);
}

#[test]
fn words_have_their_times() {
    let start = 160_000;
    let transcript = transcript(&mut session(&[]), segment(0, start, &KENNEDY, 2048, 0));
    let mut known = transcript.start;
    for word in &transcript.words {
        assert!(known <= word.start && word.start < word.end && word.end <= transcript.end, "{word:?}");
        assert!(word.probability > 0.3 && word.probability <= 1.0, "{word:?}");
        known = word.end;
    }
    let first = (transcript.words[0].start - start) as f64 / 16_000.0;
    assert!((first - 0.3).abs() < 0.05, "the pause before the first word belongs to it: {first}");
    // Alignment is good to a third of a second.
    for (word, said) in transcript.words.iter().zip(SAID) {
        let heard = (word.end - start) as f64 / 16_000.0;
        assert!(
            (heard - said).abs() < 0.3,
            "{} ends at {said} s and was heard to end at {heard} s",
            word.text
        );
    }
}

/// Ends of the words in seconds, as the recording's energy shows them.
const SAID: [f64; 5] = [0.58, 0.95, 1.27, 1.70, 2.15];

#[test]
fn the_same_samples_give_the_same_bytes() {
    for arguments in [&[][..], &["--beam", "3"], &["--audio-context", "auto"]] {
        let fresh = transcript(&mut session(arguments), segment(0, 0, &KENNEDY, 4096, 0));
        let mut used = session(arguments);
        transcript(&mut used, segment(0, 0, &noise(1, 0.01), 4096, 0));
        let again = transcript(&mut used, segment(0, 0, &KENNEDY, 333, 9000));
        assert_eq!(bytes(&fresh), bytes(&again), "{arguments:?}");
    }
}

#[test]
fn sessions_side_by_side_do_not_mix() {
    let half = &KENNEDY[..KENNEDY.len() / 2];
    let speech = [segment(0, 0, &KENNEDY, 8000, 0), segment(0, 320, half, 8000, 0)];
    let alone = speech.clone().map(|speech| bytes(&transcript(&mut session(&[]), speech)));
    let mut sessions = Sessions::default();
    let mut found: [Vec<Message<Transcript>>; 2] = Default::default();
    for turn in 0..speech[0].len().max(speech[1].len()) {
        for (number, speech) in speech.iter().enumerate() {
            let Some(body) = speech.get(turn).cloned() else { continue };
            let message = Message { session: number.to_string().into(), seq: turn as u64, body: Some(body) };
            let mut factory = FACTORY.lock().unwrap_or_else(PoisonError::into_inner);
            let create = |id: &SessionId| factory.create(&arguments(&[]), id);
            found[number].extend(sessions.push(message, None, create).expect("no error").messages);
        }
    }
    for (number, found) in found.iter().enumerate() {
        assert_eq!(found.len(), 1);
        assert_eq!(bytes(found[0].body.as_ref().expect("a transcript")), alone[number]);
    }
}

#[test]
fn what_is_not_speech_is_rejected_with_a_reason() {
    let hum: Vec<f32> = (0..32_000).map(|at| 0.05 * (at as f32 * 0.02).sin()).collect();
    for (name, samples) in [
        ("silence", vec![0.0; 32_000]),
        ("noise", noise(2, 0.02)),
        ("loud noise", noise(3, 0.5)),
        ("hum", hum),
    ] {
        let transcript = transcript(&mut session(&[]), segment(0, 0, &samples, 4096, 0));
        assert_eq!(transcript.status, TranscriptStatus::Rejected, "{name}: {transcript:?}");
        assert!(transcript.reason.contains(char::is_numeric), "{name}: {}", transcript.reason);
    }
}

#[test]
fn a_segment_too_short_to_hear_is_rejected() {
    let transcript = transcript(&mut session(&[]), segment(0, 500, &KENNEDY[..1599], 4096, 0));
    assert_eq!(transcript.status, TranscriptStatus::Rejected);
    assert!(transcript.reason.contains("too short"), "{}", transcript.reason);
    assert!(transcript.words.is_empty() && transcript.text.is_empty());
}

#[test]
fn the_shortest_segment_that_is_heard_does_no_harm() {
    let transcript = transcript(&mut session(&["--minimum-ms", "0"]), segment(0, 0, &KENNEDY[..1], 4096, 0));
    assert_eq!((transcript.start, transcript.end), (0, 1));
}

#[test]
fn a_segment_longer_than_the_window_is_heard_to_its_end() {
    let long = [KENNEDY.as_slice(), &noise(31, 0.0001), &KENNEDY].concat();
    let transcript = transcript(&mut session(&[]), segment(0, 0, &long, 4096, 0));
    let words = words(&transcript);
    assert!(words.ends_with(&["fellow".to_owned(), "americans".to_owned()]), "{words:?}");
    assert!(
        transcript.words.last().is_some_and(|word| word.start > 33 * 16_000),
        "{:?}",
        transcript.words.last()
    );
}

#[test]
fn less_of_the_window_hears_the_same() {
    for context in ["auto", "256"] {
        let transcript =
            transcript(&mut session(&["--audio-context", context]), segment(0, 0, &KENNEDY, 4096, 0));
        assert_eq!(words(&transcript), ["and", "so", "my", "fellow", "americans"], "{context}");
    }
}

#[test]
fn each_end_of_a_segment_is_answered_once() {
    let mut asr = session(&[]);
    let mut speech = segment(0, 0, &KENNEDY, 4096, 0);
    // Cancelled instead of final: forgotten.
    speech.pop();
    let Speech { start, end, .. } = speech[0].clone();
    let none = Vec::new();
    speech.push(Speech {
        segment: 0,
        start,
        end,
        phase: Phase::Cancelled,
        samples: none.into(),
        probability: 0.1,
    });
    assert_eq!(transcripts(&mut asr, speech), []);
    let short = segment(1, 60_000, &KENNEDY[..800], 100, 0);
    assert_eq!(transcripts(&mut asr, short).len(), 1);
    assert!(asr.finish(&mut Vec::new()).is_ok());
}

#[test]
fn speech_that_breaks_its_contract_is_an_error() {
    let whole = segment(7, 1000, &KENNEDY[..16_000], 4096, 0);
    let broken: [(&str, Vec<Speech>); 5] = [
        ("not opened", whole[1..].to_vec()),
        ("still open", vec![whole[0].clone(), whole[0].clone()]),
        ("arrived where sample", vec![whole[0].clone(), whole[2].clone()]),
        ("while segment 7", vec![whole[0].clone(), Speech { segment: 8, ..whole[1].clone() }]),
        (
            "outside the samples",
            vec![whole[0].clone(), Speech { end: 90_000, ..whole.last().unwrap().clone() }],
        ),
    ];
    for (expected, speech) in broken {
        let mut asr = session(&[]);
        let outcome: Result<Vec<()>, AsrError> =
            speech.into_iter().map(|speech| asr.push(speech, &mut Vec::new())).collect();
        let error = outcome.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
    let mut asr = session(&[]);
    asr.push(whole[0].clone(), &mut Vec::new()).expect("no error");
    assert!(asr.finish(&mut Vec::new()).is_err(), "the session ends, the segment does not");
}

#[test]
fn samples_that_are_no_numbers_are_an_error() {
    let mut samples = KENNEDY[..4000].to_vec();
    samples[1234] = f32::NAN;
    let speech = segment(0, 10_000, &samples, 4096, 0).swap_remove(0);
    let error = session(&[]).push(speech, &mut Vec::new()).expect_err("not a number").to_string();
    assert!(error.contains("sample 11234"), "{error}");
}

#[test]
fn languages_are_checked_against_the_model() {
    let mut factory = FACTORY.lock().unwrap_or_else(PoisonError::into_inner);
    let mut problem = |words: &[&str]| {
        let created = factory.create(&arguments(words), &"session".into());
        created.err().expect("an error").to_string()
    };
    assert!(problem(&["--language", "de"]).contains("English alone"));
    assert!(problem(&["--language", "auto"]).contains("English alone"));
    assert!(problem(&["--language", "xx"]).contains("no language"));
    assert!(problem(&["--language", "e\0n"]).contains("no language"));
    let problem =
        factory.check(&arguments(&["--file", "ggml-model-q8_0.bin"])).expect_err("an error").to_string();
    assert!(problem.contains("while the graph runs"), "{problem}");
}

#[test]
fn thresholds_change_while_a_session_runs() {
    let mut asr = session(&[]);
    let strict = arguments(&["--minimum-log-probability", "-0.001"]);
    FACTORY.lock().unwrap_or_else(PoisonError::into_inner).adjust(&strict, &mut asr).expect("no error");
    let transcript = transcript(&mut asr, segment(0, 0, &KENNEDY, 4096, 0));
    assert_eq!(transcript.status, TranscriptStatus::Rejected);
    assert!(transcript.reason.contains("guessing"), "{}", transcript.reason);
    assert!(!transcript.text.is_empty(), "what was rejected can be inspected");
}

#[test]
fn another_interval_of_previews_acts_on_a_segment_that_is_open() {
    let mut asr = session(&["--preview-ms", "60000"]);
    let speech = segment(0, 0, &KENNEDY, 4096, 0);
    let (open, more) = (&speech[0], &speech[1]);
    asr.push(open.clone(), &mut Vec::new()).expect("no error");
    asr.push(more.clone(), &mut Vec::new()).expect("no error");
    assert!(!asr.is_due(more));
    let often = arguments(&["--preview-ms", "500"]);
    FACTORY.lock().unwrap_or_else(PoisonError::into_inner).adjust(&often, &mut asr).expect("no error");
    assert!(asr.is_due(more));
    asr.preview(more, &Cancel::default()).expect("no error");
    let ends = |milliseconds: u64| Speech { end: more.end + 16 * milliseconds, ..more.clone() };
    assert!(!asr.is_due(&ends(499)) && asr.is_due(&ends(500)));
}

#[test]
fn quantised_weights_work_as_well() {
    let arguments = arguments(&["--file", "ggml-model-q8_0.bin"]);
    let mut factory = AsrFactory::load(&arguments).expect("the model");
    let mut asr = factory.create(&arguments, &"session".into()).expect("a session");
    let transcript = transcript(&mut asr, segment(0, 0, &KENNEDY, 4096, 0));
    assert_eq!(words(&transcript), ["and", "so", "my", "fellow", "americans"]);
}

#[test]
fn a_damaged_model_is_an_error_and_no_crash() {
    let whole = undertone_inference::ModelFolder::find("whisper-tiny.en".as_ref()).expect("the model");
    let whole = std::fs::read(whole.file("ggml-model-q8_0.bin").expect("the file")).expect("its bytes");
    let folder = tempfile::tempdir().expect("a folder");
    let load = |bytes: &[u8]| {
        std::fs::write(folder.path().join("ggml-model-f16.bin"), bytes).expect("written");
        let model = PathBuf::from(folder.path());
        AsrFactory::load(&Arguments { model, ..arguments(&[]) }).err().expect("an error").to_string()
    };
    assert!(load(&whole[..whole.len() / 2]).contains("cut short"));
    assert!(load(b"no model at all").contains("not a whole whisper.cpp model"));
    // Whole as a file, but a tensor's name is wrong: whisper.cpp itself says no.
    let mut renamed = whole.clone();
    let name = b"decoder.positional_embedding";
    let at = renamed.windows(name.len()).position(|window| window == name).expect("the tensor");
    renamed[at] = b'x';
    assert!(load(&renamed).contains("could not load the model"));
}
