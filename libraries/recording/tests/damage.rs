//! A damaged file is an error that tells where, or its messages are not those that the manifest has the digest of.
//! Never does it stop the program, or ask for more memory than a whole one.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod session;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_ipc::reader::FileReader;
use proptest::prelude::*;
use session::{Sent, folder, message, messages, record, record_unfinished, session};
use undertone_messages::{AudioFrame, Emotion, Features, Message, Sentiment, Speech, Transcript, Watermark};
use undertone_recording::{
    Content, Dataflow, Digest, Exception, ExceptionKind, Manifest, NodeRecord, Recorder, RecordingError,
    TopicReader, message_digest, verify,
};

/// The system's allocator, which remembers the largest piece that was asked for.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is done by the system's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// What the largest batch may come to, with room to spare.
const MOST: usize = 80 << 20;

/// The digest of all the messages of a file, and their number.
fn digest(bytes: &[u8]) -> Result<(Digest, u64), RecordingError> {
    let mut reader = TopicReader::new(Path::new("FILE"), bytes, bytes.len() as u64)?;
    let mut digests = Vec::new();
    while let Some(message) = reader.next_message()? {
        // Whatever is read is a message, of whichever type.
        let _ = Message::<AudioFrame>::decode(&message);
        let _ = Message::<Speech>::decode(&message);
        let _ = Message::<Features>::decode(&message);
        let _ = Message::<Emotion>::decode(&message);
        let _ = Message::<Transcript>::decode(&message);
        let _ = Message::<Sentiment>::decode(&message);
        let _ = Message::<Watermark>::decode(&message);
        let digest = message_digest(&message, &mut Vec::new());
        digests.extend(digest.map_or_else(|error| error.0.into_bytes(), |digest| digest.0.to_vec()));
    }
    Ok((Digest::of(&digests), reader.messages()))
}

/// The messages of a file as Arrow's own reader finds them, by the footer.
fn rows_by_the_footer(bytes: &[u8]) -> usize {
    let reader = FileReader::try_new(std::io::Cursor::new(bytes), None).unwrap();
    reader.map(|batch| batch.unwrap().num_rows()).sum()
}

/// The topics' files of a recording with a message of each type.
fn topic_files(content: Content, finished: bool) -> Vec<(String, Vec<u8>)> {
    let folder = folder();
    let recording = folder.path().join("recording");
    let messages = session("s", 3);
    let recorder = record_unfinished(&recording, &messages, content);
    let ending = if finished { "arrow" } else { "arrows" };
    match finished {
        true => _ = recorder.finish().unwrap(),
        false => drop(recorder),
    }
    let read = |topic: &str| fs::read(recording.join(format!("{topic}.{ending}"))).unwrap();
    session::topics(&messages, content).into_keys().map(|topic| (topic.clone(), read(&topic))).collect()
}

/// Checks what came of reading a damaged file. Gives whether the damage was seen.
fn check(found: Result<(Digest, u64), RecordingError>, whole: (Digest, u64), length: usize) -> bool {
    let largest = LARGEST.swap(0, Ordering::Relaxed);
    assert!(largest <= MOST, "{largest} bytes were asked for");
    match found {
        Ok(found) => found != whole,
        Err(error @ RecordingError::Damaged { .. }) => {
            let RecordingError::Damaged { offset, .. } = error else { return true };
            assert!(offset as usize <= length, "{error}");
            assert!(error.to_string().starts_with("FILE is damaged at byte "), "{error}");
            true
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn each_byte_of_a_finished_file_may_be_wrong() {
    let files = topic_files(Content::Messages, true).into_iter();
    let digests = topic_files(Content::Digests, true).into_iter().take(1);
    for (topic, bytes) in files.chain(digests) {
        let whole = digest(&bytes).unwrap();
        assert_eq!(whole.1, 2);
        assert_eq!(rows_by_the_footer(&bytes), 2);
        let mut unseen = 0;
        for place in 0..bytes.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[place] ^= mask;
                if !check(digest(&damaged), whole, bytes.len()) {
                    // What nobody reads: padding.
                    assert_eq!(rows_by_the_footer(&damaged), 2, "{topic}, byte {place}");
                    unseen += 1;
                }
            }
        }
        assert!(unseen < 3 * bytes.len() / 2, "{topic}: {unseen} of {} unseen", 3 * bytes.len());
    }
}

#[test]
fn each_byte_of_an_unfinished_file_may_be_wrong() {
    for (topic, bytes) in topic_files(Content::Messages, false) {
        let whole = digest(&bytes).unwrap();
        assert_eq!(whole.1, 2, "{topic}");
        for place in 0..bytes.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[place] ^= mask;
                check(digest(&damaged), whole, bytes.len());
            }
        }
    }
}

#[test]
fn a_finished_file_that_is_cut_anywhere_is_damaged() {
    for (topic, bytes) in topic_files(Content::Messages, true) {
        for length in 0..bytes.len() {
            let error = digest(&bytes[..length]).unwrap_err();
            assert!(matches!(error, RecordingError::Damaged { .. }), "{topic} cut at {length}: {error:?}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        digest(&longer).unwrap_err();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Several wrong bytes at once, in files of any messages.
    #[test]
    fn any_bytes_of_a_file_may_be_wrong(
        messages in messages().prop_filter("one at least", |messages| !messages.is_empty()),
        finished: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let folder = folder();
        let recording = folder.path().join("recording");
        let recorder = record_unfinished(&recording, &messages, Content::Messages);
        let ending = if finished { "arrow" } else { "arrows" };
        match finished {
            true => _ = recorder.finish().unwrap(),
            false => drop(recorder),
        }
        let mut bytes = fs::read(recording.join(format!("{}.{ending}", messages[0].0))).unwrap();
        let whole = digest(&bytes).unwrap();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        check(digest(&bytes), whole, bytes.len());
    }

    #[test]
    fn anything_may_be_in_a_file(mut bytes in prop::collection::vec(any::<u8>(), 0..200), start in 0_usize..3) {
        let starts: [&[u8]; 3] = [b"", b"ARROW1\0\0", &[0xff; 4]];
        bytes.splice(0..0, starts[start].iter().copied());
        let nothing = (Digest([0; 32]), 0);
        check(digest(&bytes), nothing, bytes.len());
    }
}

/// A recording with all that a manifest can tell.
fn described(recording: &Path) -> Manifest {
    let messages: Vec<Sent> =
        (0..2).map(|seq| ("a/b", message("s", seq, Some(Watermark { position: 7 })))).collect();
    let dataflow = Dataflow::new("nodes: []".to_owned());
    let topics = session::topics(&messages, Content::Messages);
    let mut recorder = Recorder::create(recording, false, &topics, Some(dataflow)).unwrap();
    for (topic, message) in &messages {
        recorder.write(topic, message).unwrap();
    }
    let node = NodeRecord {
        version: Some("0.1.0".to_owned()),
        arguments: Some(vec!["--threshold".to_owned(), "0.5".to_owned()]),
        models: [("model.onnx".to_owned(), "00".repeat(32))].into(),
        program: Some(Digest([7; 32])),
    };
    recorder.manifest_mut().nodes.insert("a".to_owned(), node);
    recorder.manifest_mut().exceptions.push(Exception {
        kind: ExceptionKind::Gap,
        place: "source".to_owned(),
        session: Some("s".to_owned()),
        sample: Some(16_000),
        amount: Some(160),
        text: "160 samples were lost".to_owned(),
    });
    recorder.finish().unwrap()
}

#[test]
fn each_byte_of_a_manifest_may_be_wrong() {
    let folder = folder();
    let recording = folder.path().join("recording");
    let whole = described(&recording);
    let path = recording.join("manifest.json");
    let bytes = fs::read(&path).unwrap();
    for place in 0..bytes.len() {
        for mask in [0x01, 0x02, 0x20, 0x80] {
            let mut damaged = bytes.clone();
            damaged[place] ^= mask;
            fs::write(&path, &damaged).unwrap();
            match verify(&recording) {
                Err(error @ RecordingError::Manifest { .. }) => {
                    assert!(error.to_string().contains("manifest.json: "), "{error}");
                }
                // The name of the file's topic, or what is in it.
                Err(RecordingError::Message { .. } | RecordingError::File { .. }) => {}
                Err(error) => panic!("byte {place}: {error:?}"),
                // Whatever is told of the nodes and of what happened is not in the files. That something happened
                // is not lost.
                Ok(messages) => {
                    let manifest = Manifest::read(&recording).unwrap();
                    assert_eq!(messages, 2);
                    assert_eq!(
                        (&manifest.topics, manifest.state),
                        (&whole.topics, whole.state),
                        "byte {place}"
                    );
                    assert_eq!(manifest.doubts().len(), whole.doubts().len(), "byte {place}");
                    assert_eq!(manifest.dataflow, whole.dataflow, "byte {place}");
                }
            }
        }
    }
    for length in 0..bytes.len() - 1 {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = verify(&recording).unwrap_err().to_string();
        assert!(error.contains("manifest.json: "), "{error}");
    }
    fs::write(&path, [&bytes[..20], &[0xff], &bytes[20..]].concat()).unwrap();
    let error = verify(&recording).unwrap_err().to_string();
    assert!(error.contains("from index 20"), "{error}");
}

/// What is told of a wrong file, in full.
#[test]
fn an_error_names_the_file_and_the_place() {
    let folder = folder();
    let recording = folder.path().join("recording");
    let messages: Vec<Sent> = (0..3000)
        .map(|seq| {
            ("a/b", message("s", seq, Some(Watermark { position: seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) })))
        })
        .collect();
    record(&recording, &messages, Content::Messages);
    let path = recording.join("a/b.arrow");
    let bytes = fs::read(&path).unwrap();

    let cut = bytes.len() / 2;
    fs::write(&path, &bytes[..cut]).unwrap();
    let error = verify(&recording).unwrap_err();
    let RecordingError::Damaged { offset, batch: 1, messages: 1024, .. } = &error else {
        panic!("{error:?}")
    };
    let text = format!(
        "{} is damaged at byte {offset}, in batch 1, behind 1024 messages: the file is cut short",
        path.display()
    );
    assert!(error.to_string().starts_with(&text), "{error}");

    fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let error = verify(&recording).unwrap_err().to_string();
    assert!(error.contains("behind 3000 messages: the footer is not whole"), "{error}");

    fs::remove_file(&path).unwrap();
    let error = verify(&recording).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot open {}", path.display())), "{error}");

    // Another recording's file, whole in itself.
    let other = folder.path().join("other");
    record(&other, &messages[..2000], Content::Messages);
    fs::copy(other.join("a/b.arrow"), &path).unwrap();
    let error = verify(&recording).unwrap_err().to_string();
    assert!(error.contains("topic `a/b`: session `s` is not what was recorded"), "{error}");
    assert!(error.contains("3000 messages") && error.contains("2000 messages"), "{error}");
}

/// A manifest names files by its topics' names, in the folder of the recording alone.
#[test]
fn a_manifest_does_not_lead_out_of_its_folder() {
    let folder = folder();
    let recording = folder.path().join("recording");
    described(&recording);
    let text = fs::read_to_string(recording.join("manifest.json")).unwrap();
    let outside = folder.path().join("secret.arrows");
    fs::write(&outside, "kept").unwrap();
    for (from, to) in [
        ("\"a/b\": {", "\"../secret\": {"),
        ("\"file\": \"a/b.arrow\"", "\"file\": \"../secret.arrows\""),
        ("\"file\": \"a/b.arrow\"", "\"file\": \"/etc/passwd\""),
    ] {
        assert!(text.contains(from));
        let text = text.replace(from, to).replace("\"finished\"", "\"recording\"");
        fs::write(recording.join("manifest.json"), text).unwrap();
        let error = undertone_recording::repair(&recording).unwrap_err();
        assert!(matches!(error, RecordingError::Manifest { .. }), "{error}");
        assert_eq!(fs::read_to_string(&outside).unwrap(), "kept");
    }
}

#[test]
fn a_manifest_of_another_version_is_refused_by_its_version() {
    let problem = Manifest::parse(r#"{"format": 2, "streams": []}"#).unwrap_err();
    assert_eq!(problem, "it is of format 2, and this version reads 1");
}
