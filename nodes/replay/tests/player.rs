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
use undertone_replay::{Item, Player, PlayerError, Range, Wiring};

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
        self.audio_behind(0, session, start, length);
    }

    /// Audio before which so many samples were lost.
    fn audio_behind(&mut self, gap: u64, session: &str, start: u64, length: usize) {
        let samples = (0..length).map(|index| (start + index as u64) as f32).collect::<Vec<_>>().into();
        let body = AudioFrame { start, sample_rate: SAMPLE_RATE, samples, gap };
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

    /// Why these topics are not played in each of these ranges.
    fn refusals<const N: usize>(self, topics: &[&str], ranges: [Range; N]) -> [PlayerError; N] {
        self.recorder.finish().unwrap();
        let open = |range| Player::open(&self.folder.path().join("tape"), &wiring(topics), range);
        ranges.map(|range| open(range).err().unwrap())
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
    let items = play(&mut player);
    assert_eq!(outline(&items), lines(&expected));
    assert!(items.iter().all(|item| !item.audio), "speech has samples, and is more than audio");
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
fn a_session_is_played_again_under_a_name_that_nothing_has() {
    let mut tape = Tape::new(&[("source/audio", Content::Messages), ("vad/speech", Content::Messages)]);
    for session in ["take", "take-2", "take-2-3"] {
        tape.audio(session, 0, 100);
        tape.end::<AudioFrame>("source/audio", session);
    }
    // Nor one that is in the recording and is not played.
    tape.end::<Speech>("vad/speech", "take-4");
    let (mut player, _folder) = tape.player(&["source/audio"], Range::ALL);
    let mut names = Vec::new();
    for _ in 0..4 {
        let items = play(&mut player);
        names
            .push(outline(&items).into_iter().map(|(_, session, ..)| session).step_by(2).collect::<Vec<_>>());
        player.repeat().unwrap();
    }
    assert_eq!(
        names,
        [
            ["take", "take-2", "take-2-3"],
            ["take-3", "take-2-2", "take-2-3-2"],
            ["take-5", "take-2-4", "take-2-3-3"],
            ["take-6", "take-2-5", "take-2-3-4"],
        ]
    );
}

#[test]
fn a_name_that_was_given_twice_is_refused() {
    let mut tape = Tape::new(&[("source/audio", Content::Messages)]);
    for _ in 0..2 {
        tape.audio("phone", 0, 100);
        tape.audio("door", 0, 100);
        tape.end::<AudioFrame>("source/audio", "phone");
        tape.next.clear();
    }
    let [error] = tape.refusals(&["source/audio"], [Range::ALL]);
    assert!(
        matches!(&error, PlayerError::NameTwice { topic, session, .. } if topic == "source/audio" && session == "phone"),
        "{error}"
    );
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
    assert!(items.iter().all(|item| item.audio), "the end of the stream as well");
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

/// A microphone tells at once that its device is away, in a message without samples. What the next message counts from
/// must have been played, or the rest does not follow.
#[test]
fn what_was_lost_in_a_part_is_told_in_it() {
    /// Start, length and gap.
    type Frame = (u64, usize, u64);
    // The first samples are lost, then 200, and then 50.
    let recorded = [(20, 80, 20), (300, 0, 200), (300, 100, 0), (450, 50, 50)];
    let parts: [(u64, u64, &[Frame]); 12] = [
        (0, 1000, &recorded),
        // Into the sound, and out of it.
        (50, 480, &[(50, 50, 0), (300, 0, 200), (300, 100, 0), (450, 30, 50)]),
        // Into what is missing.
        (10, 100, &[(20, 80, 10)]),
        (200, 500, &[(300, 0, 100), (300, 100, 0), (450, 50, 50)]),
        (420, 500, &[(450, 50, 30)]),
        // Right behind what is missing, and right before.
        (300, 500, &[(300, 100, 0), (450, 50, 50)]),
        (450, 500, &[(450, 50, 0)]),
        (400, 500, &[(450, 50, 50)]),
        // Up to what is missing, into it, and up to its end.
        (0, 100, &[(20, 80, 20)]),
        (0, 250, &[(20, 80, 20), (250, 0, 150)]),
        (0, 300, &[(20, 80, 20), (300, 0, 200)]),
        (310, 430, &[(310, 90, 0), (430, 0, 30)]),
    ];
    for (from, to, expected) in parts {
        let mut tape = Tape::new(&[("source/audio", Content::Messages)]);
        for (start, length, gap) in recorded {
            tape.audio_behind(gap, "a", start, length);
        }
        tape.end::<AudioFrame>("source/audio", "a");
        let (mut player, _folder) = tape.player(&["source/audio"], Range { from, to });
        let items = play(&mut player);
        let frames: Vec<_> = items
            .iter()
            .filter_map(|item| Message::<AudioFrame>::decode(&item.message).unwrap().body)
            .inspect(|frame| assert!(frame.samples.iter().zip(frame.start..).all(|(x, at)| *x == at as f32)))
            .map(|frame| (frame.start, frame.samples.len(), frame.gap))
            .collect();
        assert_eq!(frames, expected, "from {from} to {to}");
        // As the vad counts.
        let mut position = from;
        for (start, length, gap) in frames {
            assert_eq!(start, position + gap, "from {from} to {to}");
            position = start + length as u64;
        }
        assert_eq!(position, to.min(500), "from {from} to {to}");
    }
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

fn open(folder: &Path, topics: &[&str]) -> Result<(), PlayerError> {
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
    let unfinished = open(&folder, &["source/audio"]).unwrap_err();
    assert!(matches!(unfinished, PlayerError::Recording(RecordingError::Unfinished(_))), "{unfinished}");
    tape.recorder.finish().unwrap();
    open(&folder, &["source/audio"]).unwrap();
    let digests = open(&folder, &["vad/speech"]).unwrap_err();
    assert!(matches!(digests, PlayerError::Recording(RecordingError::DigestsAlone { .. })), "{digests}");
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
fn a_part_in_which_there_is_nothing_is_refused() {
    let range = |from: u64, to: u64| Range { from, to };
    let mut audio = Tape::new(&[("source/audio", Content::Messages)]);
    audio.audio("a", 0, 16_000);
    audio.end::<AudioFrame>("source/audio", "a");
    let refusals = audio.refusals(&["source/audio"], [range(16_000, u64::MAX), range(32_000, 48_000)]);
    for error in refusals {
        let text = error.to_string();
        assert!(matches!(error, PlayerError::Outside { end: 16_000, .. }), "{text}");
        assert!(text.contains("leave nothing to play: the recording ends at 1.0 s"), "{text}");
    }
    let mut words = Tape::new(&[("asr/transcript", Content::Messages)]);
    words.transcript("a", 0, 100, 300);
    words.end::<Transcript>("asr/transcript", "a");
    let [error] = words.refusals(&["asr/transcript"], [range(0, 200)]);
    assert!(matches!(error, PlayerError::Outside { end: 300, .. }), "{error}");
}

#[test]
fn topics_without_messages_are_refused_and_ends_alone_are_played_but_not_for_ever() {
    let silent = || {
        let mut tape = Tape::new(&BOTH);
        tape.end::<Transcript>("asr/transcript", "a");
        tape
    };
    let [error] = silent().refusals(&["vad/speech"], [Range::ALL]);
    assert!(matches!(&error, PlayerError::Empty { topics, .. } if topics == "vad/speech"), "{error}");
    for range in [Range::ALL, Range { from: 100, to: 200 }] {
        let (mut player, _folder) = silent().player(&["vad/speech", "asr/transcript"], range);
        assert_eq!(play(&mut player).len(), 1);
        let error = player.check_loop().unwrap_err();
        assert!(matches!(error, PlayerError::NoLength { .. }), "{error}");
    }
    let mut tape = silent();
    tape.transcript("b", 0, 100, 300);
    tape.end::<Transcript>("asr/transcript", "b");
    tape.player(&["asr/transcript"], Range::ALL).0.check_loop().unwrap();
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
