//! A recorder may be killed at any byte: what was written before is kept, what is missing is said, and the recording is
//! never called exact.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod session;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::StructArray;
use session::{Sent, folder, message, of_topic, read, record, record_unfinished, session, topics};
use undertone_messages::{Header, Phase, Speech, Watermark};
use undertone_recording::{
    Content, ExceptionKind, Manifest, Options, Recorder, RecordingError, State, compare, repair, verify,
};

/// Two sessions on one topic, of which the first ends early.
fn two_sessions() -> Vec<Sent> {
    let speech = |session: &str, seq: u64| {
        let body = Speech {
            segment: seq,
            start: 160 * seq,
            end: 160 * seq + 160,
            phase: Phase::More,
            samples: vec![0.5; 3 * seq as usize].into(),
            probability: 0.5,
        };
        ("vad/speech", message(session, seq, Some(body)))
    };
    let end = |session: &str, seq| ("vad/speech", message::<Speech>(session, seq, None));
    vec![speech("a", 0), speech("b", 0), speech("a", 1), end("a", 2), speech("b", 1), end("b", 2)]
}

/// What a killed recorder leaves, with a topic's file cut or damaged.
fn leave(recording: &Path, manifest: &[u8], topic: &str, file: &[u8]) {
    let path = recording.join(format!("{topic}.arrows"));
    let files = [(recording.join("manifest.json"), manifest), (path, file)];
    let _ = fs::remove_dir_all(recording);
    for (path, content) in files {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

#[test]
fn every_whole_message_before_a_cut_is_kept() {
    let messages = two_sessions();
    let folder = folder();
    let [whole, killed, recording] = ["whole", "killed", "recording"].map(|name| folder.path().join(name));
    record(&whole, &messages, Content::Messages);
    // Where each message ends in the unfinished file.
    let file = killed.join("vad/speech.arrows");
    let mut recorder = Recorder::create(&killed, false, &topics(&messages, Content::Messages), None).unwrap();
    let mut ends = Vec::new();
    for (topic, message) in &messages {
        recorder.write(topic, message).unwrap();
        recorder.flush().unwrap();
        ends.push(fs::metadata(&file).unwrap().len() as usize);
    }
    drop(recorder);
    let bytes = fs::read(&file).unwrap();
    let manifest = fs::read(killed.join("manifest.json")).unwrap();
    assert_eq!(*ends.last().unwrap(), bytes.len());
    for length in 0..=bytes.len() {
        leave(&recording, &manifest, "vad/speech", &bytes[..length]);
        let kept: Vec<StructArray> = messages
            .iter()
            .zip(&ends)
            .filter(|(_, end)| **end <= length)
            .map(|((_, message), _)| message.clone())
            .collect();
        let error = verify(&recording).unwrap_err();
        assert!(matches!(error, RecordingError::Unfinished(_)), "{error}");

        let manifest = repair(&recording).unwrap();
        assert_eq!(Manifest::read(&recording).unwrap(), manifest);
        assert_eq!(manifest.state, State::Repaired);
        assert!(!recording.join("vad/speech.arrows").exists());
        assert_eq!(verify(&recording).unwrap(), kept.len() as u64, "cut at {length}");
        match &manifest.topics["vad/speech"].file {
            Some(_) => assert_eq!(read(&recording, "vad/speech"), kept, "cut at {length}"),
            None => assert!(kept.is_empty(), "cut at {length}"),
        }

        // What is missing: the streams without an end, and the message that was cut.
        let mut open = BTreeMap::new();
        for message in &kept {
            let header = Header::read(message).unwrap();
            open.insert(header.session.to_string(), header.last);
        }
        let mut unended: Vec<_> =
            open.into_iter().filter(|(_, ended)| !ended).map(|(name, _)| name).collect();
        for exception in &manifest.exceptions {
            assert_eq!(exception.place, "vad/speech");
            match exception.kind {
                ExceptionKind::CutOff => {
                    let position = unended.iter().position(|name| Some(name) == exception.session.as_ref());
                    unended.remove(position.unwrap());
                    assert!(exception.text.contains("without its end"), "{exception}");
                }
                ExceptionKind::Damaged => {
                    let text = &exception.text;
                    assert!(text.contains("vad/speech.arrows is damaged at byte"), "{text}");
                    assert!(text.contains(&format!("behind {} messages", kept.len())), "{text}");
                    assert!(text.contains("cut short"), "{text}");
                }
                _ => unreachable!("{exception}"),
            }
        }
        assert!(unended.is_empty(), "cut at {length}: nothing says that {unended:?} are cut off");
        let damaged = manifest.exceptions.iter().any(|exception| exception.kind == ExceptionKind::Damaged);
        let at_the_end_of_a_message = ends.contains(&length);
        // Behind the schema there is no message yet, and nothing is missing from one.
        if !kept.is_empty() || length == 0 {
            assert_eq!(damaged, !at_the_end_of_a_message, "cut at {length}");
        }

        let comparison = compare(&whole, &recording, &Options::default()).unwrap();
        assert!(!comparison.is_exact(), "cut at {length}");
        let differing: u64 = comparison.streams.iter().map(|stream| stream.differing).sum();
        assert_eq!(differing as usize, messages.len() - kept.len(), "cut at {length}");

        let again = repair(&recording).unwrap_err();
        assert!(matches!(again, RecordingError::Finished(_)), "{again}");
    }
}

/// Whether anything came behind cannot be known.
#[test]
fn a_killed_recorder_is_a_doubt_even_if_nothing_seems_to_be_missing() {
    let folder = folder();
    let recording = folder.path().join("recording");
    drop(record_unfinished(&recording, &session("s", 1), Content::Messages));
    let manifest = repair(&recording).unwrap();
    assert!(manifest.exceptions.is_empty());
    let comparison = compare(&recording, &recording, &Options::default()).unwrap();
    assert_eq!(comparison.first_difference(), None);
    assert!(!comparison.is_exact());
    assert!(comparison.to_string().contains("recorder did not finish it"), "{comparison}");
}

/// A recorder that is killed before a topic's first message leaves no file for it.
#[test]
fn a_recording_without_messages_is_repaired() {
    let folder = folder();
    let recording = folder.path().join("recording");
    let topics = topics(&session("s", 1), Content::Messages);
    drop(Recorder::create(&recording, false, &topics, None).unwrap());
    assert_eq!(repair(&recording).unwrap().state, State::Repaired);
    assert_eq!(verify(&recording).unwrap(), 0);
}

/// It would be made whole under the hands of its recorder, which would find nothing left to finish.
#[test]
fn a_recording_in_the_making_is_neither_repaired_nor_replaced() {
    let folder = folder();
    let recording = folder.path().join("recording");
    let messages = session("s", 1);
    let recorder = record_unfinished(&recording, &messages, Content::Messages);
    let before = files(&recording);
    let topics = topics(&messages, Content::Messages);
    let replaced = Recorder::create(&recording, true, &topics, None).map(drop);
    for error in [repair(&recording).map(drop), replaced].map(Result::unwrap_err) {
        assert!(matches!(&error, RecordingError::AtWork(folder) if *folder == recording), "{error}");
    }
    assert_eq!(files(&recording), before);
    assert_eq!(recorder.finish().unwrap().state, State::Finished);
    assert_eq!(verify(&recording).unwrap(), messages.len() as u64);
    assert!(!recording.join("recorder.lock").exists());
}

#[test]
fn the_lock_of_a_recorder_that_was_killed_holds_nobody_up() {
    let folder = folder();
    let recording = folder.path().join("recording");
    let messages = session("s", 1);
    let leave = || {
        drop(record_unfinished(&recording, &messages, Content::Messages));
        fs::write(recording.join("recorder.lock"), "").unwrap();
    };
    leave();
    repair(&recording).unwrap();
    assert_eq!(verify(&recording).unwrap(), messages.len() as u64);
    assert!(!recording.join("recorder.lock").exists());
    fs::remove_dir_all(&recording).unwrap();
    leave();
    Recorder::create(&recording, true, &topics(&messages, Content::Messages), None)
        .unwrap()
        .finish()
        .unwrap();
    assert_eq!(verify(&recording).unwrap(), 0);
}

#[test]
fn a_topic_whose_file_was_removed_is_an_error_and_the_others_are_kept() {
    let folder = folder();
    let recording = folder.path().join("recording");
    let messages = session("s", 1);
    let recorder = record_unfinished(&recording, &messages, Content::Messages);
    fs::remove_file(recording.join("vad/speech.arrows")).unwrap();
    let error = recorder.finish().unwrap_err();
    assert!(matches!(&error, RecordingError::Gone { topic, .. } if topic == "vad/speech"), "{error}");
    let manifest = repair(&recording).unwrap();
    assert_eq!(manifest.topics["vad/speech"].messages(), 0);
    assert_eq!(verify(&recording).unwrap(), messages.len() as u64 - 2);
    let told = manifest.doubts().into_iter().find(|doubt| doubt.starts_with("vad/speech: "));
    assert!(told.unwrap().contains("removed while it was recorded"));
}

/// All the files of a folder by their path in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => pending.push(path),
                false => {
                    _ = files.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(path).unwrap())
                }
            }
        }
    }
    files
}

fn write(folder: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    let _ = fs::remove_dir_all(folder);
    for (path, content) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// A repair may be killed as well, between any two things that it does: done again, it comes to the same.
#[test]
fn a_repair_that_was_broken_off_can_be_done_again() {
    let folder = folder();
    let recording = folder.path().join("recording");
    let messages: Vec<Sent> = session("s", 1)
        .into_iter()
        .filter(|(topic, _)| ["asr/transcript", "fusion/watermark", "vad/speech"].contains(topic))
        .collect();
    drop(record_unfinished(&recording, &messages, Content::Messages));
    // All are cut, so that each has exceptions to tell of.
    let mut before = files(&recording);
    for (path, content) in &mut before {
        if path.extension().is_some_and(|extension| extension == "arrows") {
            content.truncate(content.len() - 100);
        }
    }
    write(&recording, &before);
    let repaired = repair(&recording).unwrap();
    assert_eq!(repaired.exceptions.len(), 6, "{:?}", repaired.exceptions);
    let after = files(&recording);

    // The states between: so many topics are done, and the one behind them has come so far.
    let topics: Vec<String> = repaired.topics.keys().cloned().collect();
    let path = |topic: &str, ending: &str| PathBuf::from(format!("{topic}.{ending}"));
    let told = |done: &[String]| {
        let mut manifest = repaired.clone();
        manifest.state = State::Recording;
        manifest.exceptions.retain(|exception| done.contains(&exception.place));
        for (name, topic) in &mut manifest.topics {
            if !done.contains(name) {
                *topic = undertone_recording::Topic { content: topic.content, ..Default::default() };
            }
        }
        (serde_json::to_string_pretty(&manifest).unwrap() + "\n").into_bytes()
    };
    let mut states = 0;
    for done in 0..=topics.len() {
        let mut state = before.clone();
        for topic in &topics[..done] {
            state.remove(&path(topic, "arrows"));
            state.insert(path(topic, "arrow"), after[&path(topic, "arrow")].clone());
        }
        state.insert("manifest.json".into(), told(&topics[..done]));
        let mut broken_off = vec![state.clone()];
        if let Some(topic) = topics.get(done) {
            let finished = after[&path(topic, "arrow")].clone();
            // While the file was written, once it has its name, and once the manifest tells of it.
            let mut partial = state.clone();
            partial.insert(path(topic, "arrow.partial"), finished[..finished.len() / 2].to_vec());
            broken_off.push(partial);
            let mut renamed = state.clone();
            renamed.insert(path(topic, "arrow"), finished);
            broken_off.push(renamed.clone());
            renamed.insert("manifest.json.partial".into(), b"{".to_vec());
            broken_off.push(renamed.clone());
            renamed.remove(Path::new("manifest.json.partial"));
            renamed.insert("manifest.json".into(), told(&topics[..=done]));
            broken_off.push(renamed);
        }
        for state in broken_off {
            write(&recording, &state);
            assert_eq!(repair(&recording).unwrap(), repaired);
            let found = files(&recording);
            let known = |path: &&PathBuf| found.get(*path) == after.get(*path);
            assert!(found.len() == after.len() && found.keys().all(|path| known(&path)), "{done} done");
            states += 1;
        }
    }
    assert_eq!(states, 16);
}

/// A repair that fails half way says why, keeps everything, and can be done again.
#[test]
fn a_repair_that_failed_can_be_done_again() {
    let folder = folder();
    let recording = folder.path().join("recording");
    let messages = session("s", 1);
    drop(record_unfinished(&recording, &messages, Content::Messages));
    // Nothing can be given the name of a folder.
    let obstacle = recording.join("mfcc/features.arrow");
    fs::create_dir(&obstacle).unwrap();
    let error = repair(&recording).unwrap_err().to_string();
    assert!(error.contains("mfcc/features.arrow"), "{error}");
    assert_eq!(Manifest::read(&recording).unwrap().state, State::Recording);
    fs::remove_dir(&obstacle).unwrap();
    let manifest = repair(&recording).unwrap();
    assert!(manifest.exceptions.is_empty());
    assert_eq!(verify(&recording).unwrap(), messages.len() as u64);
    for topic in manifest.topics.keys() {
        assert_eq!(read(&recording, topic), of_topic(&messages, topic));
    }
}

/// A bit that flipped where a message says of which session it is: the messages before are kept.
#[test]
fn an_unfinished_file_that_is_damaged_in_the_middle_is_repaired() {
    let folder = folder();
    let recording = folder.path().join("recording");
    let watermark = |seq| ("sink/watermark", message("s", seq, Some(Watermark { position: seq })));
    let messages: Vec<Sent> = (0..5).map(watermark).collect();
    drop(record_unfinished(&recording, &messages, Content::Messages));
    let file = recording.join("sink/watermark.arrows");
    let manifest = fs::read(recording.join("manifest.json")).unwrap();
    let bytes = fs::read(&file).unwrap();
    let mut kept = std::collections::BTreeSet::new();
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0xff;
        leave(&recording, &manifest, "sink/watermark", &damaged);
        repair(&recording).unwrap();
        kept.insert(verify(&recording).unwrap());
    }
    assert_eq!(kept, (0..=5).collect());
}
