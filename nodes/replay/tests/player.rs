//! What a player makes of recordings.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;
use undertone_messages::{
    AudioFrame, Body, Header, Message, Phase, SAMPLE_RATE, Speech, Transcript, TranscriptStatus, Watermark,
};
use undertone_recording::{Content, Recorder, RecordingError};
use undertone_replay::{Item, Player, Range, Wiring};

/// A recording in the making, and the number of the next message of each stream.
struct Tape {
    folder: TempDir,
    recorder: Recorder,
    next: BTreeMap<(String, String), u64>,
}

impl Tape {
    fn new(topics: &[(&str, Content)]) -> Self {
        let folder = TempDir::new().unwrap();
        let topics = topics.iter().map(|(topic, content)| ((*topic).to_owned(), *content)).collect();
        let recorder = Recorder::create(&folder.path().join("tape"), false, &topics, None).unwrap();
        Self { folder, recorder, next: BTreeMap::new() }
    }

    fn write<B: Body>(&mut self, topic: &str, session: &str, body: Option<B>) {
        let seq = self.next.entry((topic.to_owned(), session.to_owned())).or_default();
        let message = Message { session: session.into(), seq: *seq, body };
        *seq += 1;
        self.recorder.write(topic, &message.encode().unwrap()).unwrap();
    }

    fn audio(&mut self, session: &str, start: u64, length: usize) {
        let samples = (0..length).map(|index| (start + index as u64) as f32).collect::<Vec<_>>().into();
        let body = AudioFrame { start, sample_rate: SAMPLE_RATE, samples, gap: 0 };
        self.write("source/audio", session, Some(body));
    }

    fn speech(&mut self, session: &str, phase: Phase, segment: u64, start: u64, end: u64) {
        let body = Speech { segment, start, end, phase, samples: vec![].into(), probability: 0.5 };
        self.write("vad/speech", session, Some(body));
    }

    fn transcript(&mut self, session: &str, segment: u64, start: u64, end: u64) {
        let body = Transcript {
            segment,
            start,
            end,
            text: format!("segment {segment}"),
            words: vec![],
            stable: 0,
            average_log_probability: -0.5,
            no_speech_probability: 0.1,
            language: "en".to_owned(),
            status: TranscriptStatus::Final,
            reason: String::new(),
            model: "m".to_owned(),
            degraded: String::new(),
        };
        self.write("asr/transcript", session, Some(body));
    }

    fn end<B: Body>(&mut self, topic: &str, session: &str) {
        self.write::<B>(topic, session, None);
    }

    fn player(self, topics: &[&str], range: Range) -> (Player, TempDir) {
        self.recorder.finish().unwrap();
        let player = Player::open(&self.folder.path().join("tape"), &wiring(topics), range).unwrap();
        (player, self.folder)
    }
}

/// Each topic on an output of its own name.
fn wiring(topics: &[&str]) -> Vec<Wiring> {
    topics
        .iter()
        .map(|topic| Wiring { output: topic.replace('/', "-"), topic: (*topic).to_owned() })
        .collect()
}

fn play(player: &mut Player) -> Vec<Item> {
    std::iter::from_fn(|| player.next_item().unwrap()).collect()
}

/// Output, session, number and due time of each item.
fn outline(items: &[Item]) -> Vec<(String, String, u64, u64)> {
    let line = |item: &Item| {
        let header = Header::read(&item.message).unwrap();
        (item.output.clone(), header.session.to_string(), header.seq, item.due)
    };
    items.iter().map(line).collect()
}

fn lines(lines: &[(&str, &str, u64, u64)]) -> Vec<(String, String, u64, u64)> {
    let line = |(output, session, seq, due): &(&str, &str, u64, u64)| {
        ((*output).to_owned(), (*session).to_owned(), *seq, *due)
    };
    lines.iter().map(line).collect()
}

const BOTH: [(&str, Content); 2] = [("vad/speech", Content::Messages), ("asr/transcript", Content::Messages)];

#[test]
fn topics_are_merged_by_session_time_and_then_by_name() {
    let mut tape = Tape::new(&BOTH);
    tape.speech("a", Phase::Open, 0, 0, 100);
    tape.speech("a", Phase::More, 0, 0, 300);
    tape.transcript("a", 0, 0, 200);
    tape.end::<Transcript>("asr/transcript", "a");
    // A cut in the past: time within a topic does not go back.
    tape.speech("a", Phase::Final, 0, 0, 200);
    tape.speech("a", Phase::Silence, 1, 300, 300);
    tape.end::<Speech>("vad/speech", "a");
    let (mut player, _folder) = tape.player(&["vad/speech", "asr/transcript"], Range::ALL);
    let expected = [
        ("vad-speech", "a", 0, 100),
        ("asr-transcript", "a", 0, 200),
        ("asr-transcript", "a", 1, 200),
        ("vad-speech", "a", 1, 300),
        ("vad-speech", "a", 2, 300),
        ("vad-speech", "a", 3, 300),
        ("vad-speech", "a", 4, 300),
    ];
    assert_eq!(outline(&play(&mut player)), lines(&expected));
}

#[test]
fn sessions_are_played_one_after_the_other_and_again_under_new_names() {
    let mut tape = Tape::new(&[("source/audio", Content::Messages)]);
    for session in ["a", "b"] {
        tape.audio(session, 0, 100);
        tape.audio(session, 100, 50);
        tape.end::<AudioFrame>("source/audio", session);
    }
    let (mut player, _folder) = tape.player(&["source/audio"], Range::ALL);
    let first = [
        ("source-audio", "a", 0, 100),
        ("source-audio", "a", 1, 150),
        ("source-audio", "a", 2, 150),
        ("source-audio", "b", 0, 250),
        ("source-audio", "b", 1, 300),
        ("source-audio", "b", 2, 300),
    ];
    assert_eq!(outline(&play(&mut player)), lines(&first));
    player.repeat().unwrap();
    let second: Vec<_> = lines(&first)
        .into_iter()
        .map(|(output, id, seq, due)| (output, format!("{id}-2"), seq, due + 300))
        .collect();
    assert_eq!(outline(&play(&mut player)), second);
}

#[test]
fn audio_is_cut_to_the_sample() {
    let mut tape = Tape::new(&[("source/audio", Content::Messages)]);
    for frame in 0..4 {
        tape.audio("a", frame * 100, 100);
    }
    tape.end::<AudioFrame>("source/audio", "a");
    let (mut player, _folder) = tape.player(&["source/audio"], Range { from: 130, to: 320 });
    let items = play(&mut player);
    let frames: Vec<_> =
        items.iter().filter_map(|item| Message::<AudioFrame>::decode(&item.message).unwrap().body).collect();
    let spans: Vec<_> = frames.iter().map(|frame| (frame.start, frame.end())).collect();
    assert_eq!(spans, [(130, 200), (200, 300), (300, 320)]);
    for frame in &frames {
        assert_eq!(frame.samples[0], frame.start as f32, "the samples are those of the time");
    }
    let due: Vec<_> = outline(&items).into_iter().map(|(_, _, seq, due)| (seq, due)).collect();
    assert_eq!(due, [(0, 70), (1, 170), (2, 190), (3, 190)], "due since the replay began, and ended");
}

#[test]
fn segments_are_played_whole_or_not_at_all() {
    let mut tape = Tape::new(&BOTH);
    for (segment, start) in [(0, 0), (1, 1000), (2, 2000)] {
        tape.speech("a", Phase::Silence, segment, start, start);
        tape.speech("a", Phase::Open, segment, start, start + 200);
        tape.speech("a", Phase::More, segment, start, start + 500);
        tape.speech("a", Phase::Final, segment, start, start + 500);
        tape.transcript("a", segment, start, start + 500);
    }
    tape.speech("a", Phase::Silence, 3, 3000, 3000);
    tape.end::<Speech>("vad/speech", "a");
    tape.end::<Transcript>("asr/transcript", "a");
    // Into segment 0, and up to the middle of segment 2.
    let (mut player, _folder) = tape.player(&["vad/speech", "asr/transcript"], Range { from: 100, to: 2300 });
    let items = play(&mut player);
    let speech: Vec<_> = items
        .iter()
        .filter(|item| item.output == "vad-speech")
        .filter_map(|item| Message::<Speech>::decode(&item.message).unwrap().body)
        .map(|body| (body.phase, body.segment))
        .collect();
    use Phase::{Final, More, Open, Silence};
    assert_eq!(speech, [(Silence, 1), (Open, 1), (More, 1), (Final, 1), (Silence, 2)]);
    let transcripts: Vec<_> = items
        .iter()
        .filter(|item| item.output == "asr-transcript")
        .filter_map(|item| Message::<Transcript>::decode(&item.message).unwrap().body)
        .map(|body| body.segment)
        .collect();
    assert_eq!(transcripts, [1]);
    // Both streams are numbered from 0 without holes and have their ends.
    for output in ["vad-speech", "asr-transcript"] {
        let numbers: Vec<_> =
            outline(&items).into_iter().filter(|line| line.0 == output).map(|line| line.2).collect();
        assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>(), "{output}");
    }
    assert_eq!(items.iter().filter(|item| Header::read(&item.message).unwrap().last).count(), 2);
}

#[test]
fn messages_are_played_without_the_batch_that_they_were_stored_in() {
    let mut tape = Tape::new(&[("source/audio", Content::Messages)]);
    for frame in 0..50 {
        tape.audio("a", frame * 1000, 1000);
    }
    tape.end::<AudioFrame>("source/audio", "a");
    let (mut player, _folder) = tape.player(&["source/audio"], Range::ALL);
    use arrow::array::Array;
    for item in play(&mut player) {
        assert!(item.message.get_array_memory_size() < 10_000, "{}", item.message.get_array_memory_size());
    }
}

fn open(folder: &Path, topics: &[&str]) -> Result<(), RecordingError> {
    Player::open(folder, &wiring(topics), Range::ALL).map(|_| ())
}

#[test]
fn what_cannot_be_played_is_refused_before_anything_is_sent() {
    let mut tape = Tape::new(&[("source/audio", Content::Messages), ("vad/speech", Content::Digests)]);
    tape.audio("a", 0, 100);
    tape.end::<AudioFrame>("source/audio", "a");
    tape.speech("a", Phase::Silence, 0, 100, 100);
    tape.end::<Speech>("vad/speech", "a");
    let folder = tape.folder.path().join("tape");
    assert!(matches!(open(&folder, &["source/audio"]), Err(RecordingError::Unfinished(_))));
    tape.recorder.finish().unwrap();
    open(&folder, &["source/audio"]).unwrap();
    assert!(matches!(open(&folder, &["vad/speech"]), Err(RecordingError::DigestsAlone { .. })));
    let error = open(&folder, &["mfcc/features"]).unwrap_err().to_string();
    assert!(error.contains("mfcc/features") && error.contains("source/audio"), "{error}");
    // A file that was written over in part.
    let file = folder.join("source/audio.arrow");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0x55);
    std::fs::write(&file, bytes).unwrap();
    let error = open(&folder, &["source/audio"]).unwrap_err().to_string();
    assert!(error.contains("source/audio"), "{error}");
}

#[test]
fn streams_that_were_cut_off_are_told() {
    let mut tape = Tape::new(&[("fusion/watermark", Content::Messages)]);
    tape.write("fusion/watermark", "a", Some(Watermark { position: 10 }));
    tape.write("fusion/watermark", "b", Some(Watermark { position: 10 }));
    tape.end::<Watermark>("fusion/watermark", "b");
    let (mut player, _folder) = tape.player(&["fusion/watermark"], Range::ALL);
    assert_eq!(play(&mut player).len(), 3);
    assert_eq!(player.cut_off(), [("fusion/watermark".to_owned(), "a".to_owned())]);
}
