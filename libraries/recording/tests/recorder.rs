//! What is recorded is read again bit by bit, the manifest tells what there is, and nothing of anybody's is overwritten.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod session;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, StringArray, StructArray, UInt64Array};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field};
use proptest::prelude::*;
use session::{Sent, folder, message, messages, of_topic, read, record, topics};
use undertone_messages::{AudioFrame, Header, Watermark};
use undertone_recording::{
    Content, Digest, ExceptionKind, Manifest, Recorder, RecordingError, State, Stream, compact,
    message_digest, verify,
};

/// The streams of a topic, from its messages.
fn streams(messages: &[StructArray]) -> BTreeMap<String, Stream> {
    let mut streams = BTreeMap::new();
    for message in messages {
        let header = Header::read(message).unwrap();
        let digests: &mut (Stream, Vec<u8>) =
            streams.entry(header.session.to_string()).or_insert_with(|| {
                (Stream { messages: 0, ended: false, end: None, blake3: Digest([0; 32]) }, Vec::new())
            });
        digests.0.messages += 1;
        digests.0.ended = header.last;
        digests.0.end = digests.0.end.max(header.time);
        digests.1.extend(message_digest(message, &mut Vec::new()).unwrap().0);
        digests.0.blake3 = Digest::of(&digests.1);
    }
    streams.into_iter().map(|(session, (stream, _))| (session, stream)).collect()
}

/// The finished files of a recording, and what they hold.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let manifest = Manifest::read(folder).unwrap();
    let files = manifest.topics.values().filter_map(|topic| topic.file.clone());
    files.map(|file| (file.clone(), fs::read(folder.join(&file)).unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_recorded_is_read_again(messages in messages()) {
        let folder = folder();
        let folder = folder.path().join("recording");
        let finished = record(&folder, &messages, Content::Messages);
        let manifest = Manifest::read(&folder).unwrap();
        prop_assert_eq!(&manifest, &finished);
        prop_assert_eq!(manifest.state, State::Finished);
        prop_assert_eq!(verify(&folder).unwrap(), messages.len() as u64);
        for (name, topic) in &manifest.topics {
            let sent = of_topic(&messages, name);
            prop_assert_eq!(&read(&folder, name), &sent);
            prop_assert_eq!(&topic.sessions, &streams(&sent));
            prop_assert_eq!(topic.messages(), sent.len() as u64);
        }
        // Each stream that has not ended is an exception, and nothing else is.
        let cut = manifest.topics.iter().flat_map(|(name, topic)| {
            let cut = topic.sessions.iter().filter(|(_, stream)| !stream.ended);
            cut.map(move |(session, _)| (name.clone(), Some(session.clone())))
        });
        let exceptions = manifest.exceptions.iter().map(|exception| {
            assert_eq!(exception.kind, ExceptionKind::CutOff);
            (exception.place.clone(), exception.session.clone())
        });
        prop_assert_eq!(exceptions.collect::<Vec<_>>(), cut.collect::<Vec<_>>());
    }

    /// Neither when the recorder flushes nor how Arrow holds a message is told by the files.
    #[test]
    fn the_same_messages_give_the_same_files(messages in messages(), flushes: u64) {
        let folder = folder();
        let [plain, flushed, sliced] = ["plain", "flushed", "sliced"].map(|name| folder.path().join(name));
        record(&plain, &messages, Content::Messages);

        let mut recorder = Recorder::create(&flushed, false, &topics(&messages, Content::Messages), None).unwrap();
        for (index, (topic, message)) in messages.iter().enumerate() {
            recorder.write(topic, message).unwrap();
            if flushes >> (index % 64) & 1 == 1 {
                recorder.flush().unwrap();
            }
        }
        recorder.finish().unwrap();

        let views: Vec<Sent> = messages.iter().map(|(topic, message)| {
            let rows = concat(&[message, message, message]).unwrap();
            (*topic, rows.as_any().downcast_ref::<StructArray>().unwrap().slice(1, 1))
        }).collect();
        record(&sliced, &views, Content::Messages);

        let expected = files(&plain);
        prop_assert_eq!(&files(&flushed), &expected);
        prop_assert_eq!(&files(&sliced), &expected);
    }

    #[test]
    fn digests_alone_prove_as_much_as_the_messages(messages in messages()) {
        let folder = folder();
        let [whole, digests] = ["whole", "digests"].map(|name| folder.path().join(name));
        let whole = record(&whole, &messages, Content::Messages);
        let alone = record(&digests, &messages, Content::Digests);
        prop_assert_eq!(verify(&digests).unwrap(), messages.len() as u64);
        for (name, topic) in &whole.topics {
            let other = &alone.topics[name];
            prop_assert_eq!(other.content, Content::Digests);
            for (session, stream) in &topic.sessions {
                let other = &other.sessions[session];
                prop_assert_eq!(stream.blake3, other.blake3);
                prop_assert_eq!((stream.messages, stream.ended), (other.messages, other.ended));
            }
        }
    }
}

/// A file of many batches is read as one of one batch is.
#[test]
fn many_messages_are_read_again() {
    let folder = folder();
    let folder = folder.path().join("recording");
    let audio = (0..600).map(|seq| {
        let samples: Vec<f32> =
            (0..1024_u32).map(|index| ((index * 7919 + seq as u32) % 997) as f32).collect();
        let body = AudioFrame { start: seq * 1024, sample_rate: 16_000, samples: samples.into(), gap: 0 };
        ("source/audio", message("s", seq, Some(body)))
    });
    let watermarks =
        (0..3000).map(|seq| ("sink/watermark", message("s", seq, Some(Watermark { position: seq }))));
    let messages: Vec<Sent> = audio.chain(watermarks).collect();
    record(&folder, &messages, Content::Messages);
    assert_eq!(verify(&folder).unwrap(), 3600);
    for topic in ["source/audio", "sink/watermark"] {
        let found = read(&folder, topic);
        assert_eq!(found, of_topic(&messages, topic));
        let kept: Vec<_> = found.iter().map(compact).collect();
        assert_eq!(kept, found);
        // A view keeps the whole batch in memory, a compact message does not.
        let bytes = |message: &StructArray| arrow::array::Array::get_buffer_memory_size(message);
        assert!(bytes(&kept[7]) * 10 < bytes(&found[7]), "{} {}", bytes(&kept[7]), bytes(&found[7]));
    }
}

#[test]
fn a_topic_without_messages_has_no_file() {
    let folder = folder();
    let folder = folder.path().join("recording");
    let topics = BTreeMap::from([("vad/speech".to_owned(), Content::Messages)]);
    let manifest = Recorder::create(&folder, false, &topics, None).unwrap().finish().unwrap();
    assert_eq!(manifest.topics["vad/speech"].file, None);
    assert!(manifest.doubts().is_empty());
    assert_eq!(verify(&folder).unwrap(), 0);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "the manifest alone");
}

fn column(name: &str, array: ArrayRef, nullable: bool) -> (Arc<Field>, ArrayRef) {
    (Arc::new(Field::new(name, array.data_type().clone(), nullable)), array)
}

/// A message of somebody else's node.
fn foreign(columns: Vec<(Arc<Field>, ArrayRef)>) -> StructArray {
    let header: [(Arc<Field>, ArrayRef); 3] = [
        column("session", Arc::new(StringArray::from(vec!["s"])), false),
        column("seq", Arc::new(UInt64Array::from(vec![0])), false),
        column("last", Arc::new(BooleanArray::from(vec![false])), false),
    ];
    StructArray::from(header.into_iter().chain(columns).collect::<Vec<_>>())
}

/// What could not be read again is refused when it comes, and does not cost the messages that can.
#[test]
fn a_message_that_cannot_be_recorded_is_refused_at_once() {
    let folder = folder();
    let folder = folder.path().join("recording");
    let topics = ["a/b", "c/d"].map(|topic| (topic.to_owned(), Content::Messages)).into();
    let mut recorder = Recorder::create(&folder, false, &topics, None).unwrap();
    let mut refused = |topic: &str, message: &StructArray| {
        let error = recorder.write(topic, message).unwrap_err();
        assert!(
            matches!(error, RecordingError::Message { .. } | RecordingError::NoTopic { .. }),
            "{error:?}"
        );
        error.to_string()
    };
    let watermark = |seq| message("s", seq, Some(Watermark { position: 1 }));

    // A null of the type is refused like a value of it.
    for date in [Date32Array::from(vec![Some(1)]), Date32Array::from(vec![None])] {
        let text = refused("a/b", &foreign(vec![column("date", Arc::new(date), true)]));
        assert!(text.contains("`a/b`") && text.contains("Date32"), "{text}");
    }
    let headless =
        StructArray::from(vec![column("position", Arc::new(UInt64Array::from(vec![1])) as ArrayRef, false)]);
    let text = refused("a/b", &headless);
    assert!(text.contains("without the field `session`"), "{text}");
    let text = refused("a/b", &foreign(vec![]).slice(0, 0));
    assert!(text.contains("length 0"), "{text}");
    let text =
        refused("a/b", &foreign(vec![column("x", Arc::new(UInt64Array::from(vec![1])), true)]).slice(0, 0));
    assert!(text.contains("length 0"), "{text}");
    let large = StringArray::from(vec!["x".repeat(40 << 20)]);
    let text = refused("a/b", &foreign(vec![column("text", Arc::new(large), false)]));
    assert!(text.contains("bytes"), "{text}");
    let text = refused("e/f", &watermark(0));
    assert!(text.contains("no topic `e/f`; it has: a/b, c/d"), "{text}");

    recorder.write("a/b", &watermark(0)).unwrap();
    let audio = AudioFrame { start: 0, sample_rate: 16_000, samples: vec![].into(), gap: 0 };
    let error = recorder.write("a/b", &message("s", 1, Some(audio))).unwrap_err().to_string();
    assert!(error.contains(r#""position": nullable UInt64"#) && error.contains(r#""start": "#), "{error}");
    // The same names do not make the same type.
    let changed = foreign(vec![column("position", Arc::new(StringArray::from(vec!["1"])), true)]);
    let error = recorder.write("a/b", &changed).unwrap_err().to_string();
    assert!(error.contains(r#"and one has Field { "position": nullable Utf8 }"#), "{error}");
    let error = recorder.write("a/b", &foreign(vec![])).unwrap_err().to_string();
    assert!(error.contains("and one has nothing in that place"), "{error}");
    recorder.write("a/b", &watermark(1)).unwrap();
    let manifest = recorder.finish().unwrap();
    assert_eq!(manifest.topics["a/b"].sessions["s"].messages, 2);
    assert_eq!(manifest.topics["c/d"].file, None);
    assert_eq!(verify(&folder).unwrap(), 2);
}

/// Lists and structs of all that is recorded, nested.
#[test]
fn messages_of_other_nodes_are_recorded() {
    use arrow::array::{
        Float64Array, Int32Array, Int64Array, LargeListArray, ListArray, UInt8Array, UInt32Array,
    };
    use arrow::buffer::OffsetBuffer;
    let folder = folder();
    let folder = folder.path().join("recording");
    let item = |array: &ArrayRef| Arc::new(Field::new("item", array.data_type().clone(), true));
    let inner: ArrayRef = Arc::new(StructArray::from(vec![
        column("i32", Arc::new(Int32Array::from(vec![Some(-1), None, Some(3)])) as ArrayRef, true),
        column("i64", Arc::new(Int64Array::from(vec![-1, 2, -3])), false),
        column("text", Arc::new(StringArray::from(vec![Some("ä"), None, Some("")])), true),
        column("flag", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])), true),
        column("nothing", Arc::new(StructArray::new_empty_fields(3, None)), false),
    ]));
    let list: ArrayRef =
        Arc::new(ListArray::new(item(&inner), OffsetBuffer::from_lengths([1, 0, 2]), inner, None));
    let lists: ArrayRef =
        Arc::new(LargeListArray::new(item(&list), OffsetBuffer::from_lengths([3]), list, None));
    let message = foreign(vec![
        column("u8", Arc::new(UInt8Array::from(vec![255])), false),
        column("u32", Arc::new(UInt32Array::from(vec![None])), true),
        column("f64", Arc::new(Float64Array::from(vec![f64::NAN])), true),
        column("lists", lists, true),
    ]);
    assert!(matches!(message.column(6).data_type(), DataType::LargeList(_)));
    let messages = vec![("detector/boxes", message.clone()), ("detector/boxes", message)];
    record(&folder, &messages, Content::Messages);
    assert_eq!(read(&folder, "detector/boxes"), of_topic(&messages, "detector/boxes"));
    assert_eq!(verify(&folder).unwrap(), 2);
}

#[test]
fn a_topic_is_inside_of_its_recording() {
    let folder = folder();
    for name in ["", "/etc/passwd", "../b", "a/../b", "a//b", "a/./b", "./a", "a/"] {
        let topics = BTreeMap::from([(name.to_owned(), Content::Messages)]);
        let recording = folder.path().join("recording");
        let error = Recorder::create(&recording, false, &topics, None).err().unwrap().to_string();
        assert!(error.contains("not the name of a topic"), "{error}");
        assert!(!recording.exists());
    }
}

mod replace {
    use super::*;
    use session::{record_unfinished, session};

    /// All the paths in a folder.
    fn tree(folder: &Path) -> Vec<String> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                paths.extend(tree(&path));
            }
            paths.push(path.display().to_string());
        }
        paths.sort();
        paths
    }

    fn create(folder: &Path, replace: bool) -> Result<Recorder, RecordingError> {
        let topics = BTreeMap::from([("a/b".to_owned(), Content::Messages)]);
        Recorder::create(folder, replace, &topics, None)
    }

    #[test]
    fn a_recording_is_replaced_if_that_is_said() {
        let folder = folder();
        let folder = folder.path().join("recording");
        record(&folder, &session("s", 1), Content::Messages);
        let before = tree(&folder);
        let error = create(&folder, false).err().unwrap();
        assert!(matches!(error, RecordingError::Exists(_)), "{error:?}");
        assert_eq!(tree(&folder), before);
        create(&folder, true).unwrap();
        assert_eq!(tree(&folder), [folder.join("manifest.json").display().to_string()]);
        // One that was not finished, too.
        fs::remove_dir_all(&folder).unwrap();
        drop(record_unfinished(&folder, &session("s", 1), Content::Messages));
        fs::write(folder.join("vad/speech.arrow.partial"), "").unwrap();
        create(&folder, true).unwrap().finish().unwrap();
        assert_eq!(tree(&folder), [folder.join("manifest.json").display().to_string()]);
    }

    #[test]
    fn what_is_not_a_recording_is_not_removed() {
        let folder = folder();
        let recording = folder.path().join("recording");
        record(&recording, &session("s", 1), Content::Messages);
        fs::write(folder.path().join("elsewhere"), "kept").unwrap();
        let foreign =
            ["notes.txt", "vad/notes.txt", "manifest.json.old", "mine.arrow", "vad/speech.arrow.bak"];
        for file in foreign {
            let file = recording.join(file);
            fs::write(&file, "mine").unwrap();
            let before = tree(&recording);
            let error = create(&recording, true).err().unwrap();
            assert!(
                matches!(&error, RecordingError::NotReplaced { found, .. } if Path::new(found) == file),
                "{error}"
            );
            assert_eq!(tree(&recording), before);
            fs::remove_file(file).unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), recording.join("link")).unwrap();
        let before = tree(&recording);
        create(&recording, true).err().unwrap();
        assert_eq!(tree(&recording), before);
        verify(&recording).unwrap();

        let other = folder.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("x.arrow"), "mine").unwrap();
        let error = create(&other, true).err().unwrap();
        assert!(matches!(error, RecordingError::NotARecording(_)), "{error:?}");
        assert!(other.join("x.arrow").exists());
    }
}
