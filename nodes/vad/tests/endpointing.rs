//! The contract of the endpointer, over random probabilities and rules.
//!
//! The first test is a second endpointer that sees the whole recording at once and knows segments, not messages: both
//! must find the same segments. The second follows the messages frame by frame, with the cuts of long segments and with
//! gaps, and holds each against what a consumer may rely on: order, numbers, samples, ends, watermarks, latency.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use proptest::prelude::*;
use undertone_messages::{Phase, Speech};
use undertone_vad::{EndpointRules, Endpointer};

const FRAME: u64 = 400;
const SECOND: u64 = 16_000;

/// A recording: a probability for each frame, and how long the last frame is.
#[derive(Clone, Debug)]
struct Recording {
    probabilities: Vec<f32>,
    last_frame: u64,
}

impl Recording {
    fn frames(&self) -> impl Iterator<Item = (f32, u64)> {
        let last = self.probabilities.len() - 1;
        let length = move |n: usize| if n == last { self.last_frame } else { FRAME };
        self.probabilities.iter().enumerate().map(move |(n, probability)| (*probability, length(n)))
    }
}

/// Each sample's value is its index, so that a sample out of place is found.
fn audio(from: u64, to: u64) -> Vec<f32> {
    (from..to).map(|sample| sample as f32).collect()
}

fn recordings() -> impl Strategy<Value = Recording> {
    let probability = prop_oneof![
        4 => Just(0.05_f32),
        4 => Just(0.95_f32),
        1 => Just(0.35_f32),
        1 => Just(0.5_f32),
        2 => 0.0..=1.0_f32,
    ];
    let run = (probability, 1..24_usize);
    (prop::collection::vec(run, 1..24), 1..=FRAME).prop_map(|(runs, last_frame)| {
        let probabilities = runs.into_iter().flat_map(|(value, count)| vec![value; count]).collect();
        Recording { probabilities, last_frame }
    })
}

/// Rules that do not contradict each other, with room in the longest segment for `room` samples more than needed.
fn rules(room: impl Strategy<Value = u64>) -> impl Strategy<Value = EndpointRules> {
    let durations = (0..3000_u64, 0..6000_u64, 0.0..=1.0, 0.0..=1.0, 0..4000_u64);
    let part = |share: f64, of: u64| (share * of as f64) as u64;
    (durations, prop_oneof![Just(0.35_f32), Just(0.5_f32)], 1..3000_u64, room).prop_map(
        move |((minimum_speech, hangover, tentative, post_roll, pre_roll), negative, chunk, room)| {
            let tentative = part(tentative, hangover);
            let rules = EndpointRules {
                threshold: 0.5,
                negative_threshold: negative,
                minimum_speech,
                hangover,
                tentative,
                pre_roll,
                post_roll: part(post_roll, tentative),
                longest: 0,
                chunk,
            };
            EndpointRules { longest: rules.shortest_longest(FRAME) + room, ..rules }
        },
    )
}

/// A segment as the whole recording shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Found {
    start: u64,
    end: u64,
    is_final: bool,
}

/// The segments of a recording, from hindsight and without regard to the longest segment.
fn hindsight(recording: &Recording, rules: &EndpointRules) -> Vec<Found> {
    let (mut speaking, mut now) = (false, 0);
    let mut speech = Vec::new();
    for (probability, length) in recording.frames() {
        speaking = probability >= if speaking { rules.negative_threshold } else { rules.threshold };
        if speaking {
            speech.push((now, now + length));
        }
        now += length;
    }
    let pause = rules.hangover.max(1).div_ceil(FRAME) * FRAME;
    let mut found: Vec<Found> = Vec::new();
    for group in speech.chunk_by(|one, next| next.0 - one.1 < pause) {
        let (first, last) = (group[0].0, group[group.len() - 1].1);
        let floor = found.last().map_or(0, |previous| previous.end);
        let start = first.saturating_sub(rules.pre_roll).max(floor);
        let total: u64 = group.iter().map(|(start, end)| end - start).sum();
        let is_final = total >= rules.minimum_speech;
        let given_up = (last + pause).min(now).saturating_sub(rules.pre_roll).max(start);
        let end = if is_final { (last + rules.post_roll).min(now) } else { given_up };
        found.push(Found { start, end, is_final });
    }
    found
}

fn closed(messages: &[Speech]) -> Vec<Found> {
    let closing = messages.iter().filter(|message| matches!(message.phase, Phase::Final | Phase::Cancelled));
    let found = |message: &Speech| Found {
        start: message.start,
        end: message.end,
        is_final: message.phase == Phase::Final,
    };
    closing.map(found).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn segments_are_those_that_hindsight_finds(
        recording in recordings(),
        rules in rules(Just(u64::from(u32::MAX))),
    ) {
        let mut endpointer = Endpointer::new(rules, FRAME as usize);
        let mut messages = Vec::new();
        for (probability, length) in recording.frames() {
            let now = endpointer.position();
            endpointer.push(&audio(now, now + length), probability, &mut messages);
        }
        endpointer.finish(&mut messages);
        prop_assert_eq!(closed(&messages), hindsight(&recording, &rules));
    }

    #[test]
    fn every_message_keeps_the_contract(
        parts in prop::collection::vec((recordings(), 1..3 * SECOND), 1..4),
        rules in rules(0..12_000_u64),
    ) {
        let mut endpointer = Endpointer::new(rules, FRAME as usize);
        let mut consumer = Consumer::new(rules);
        for (recording, gap) in parts {
            for (probability, length) in recording.frames() {
                let now = endpointer.position();
                let mut messages = Vec::new();
                endpointer.push(&audio(now, now + length), probability, &mut messages);
                consumer.hear(probability, length, messages);
            }
            let mut messages = Vec::new();
            endpointer.finish(&mut messages);
            consumer.hear_end(messages);
            let mut messages = Vec::new();
            endpointer.skip(gap, &mut messages);
            consumer.hear_gap(gap, messages);
        }
    }
}

/// A segment as a consumer knows it.
#[derive(Clone, Debug)]
struct Heard {
    number: u64,
    start: u64,
    delivered: u64,
    tentative: Option<u64>,
    /// What only a witness of the probabilities knows.
    speaking: bool,
    last_speech: u64,
    speech: u64,
    is_rest: bool,
}

/// Somebody who hears all messages, knows the probabilities behind them, and is strict.
struct Consumer {
    rules: EndpointRules,
    now: u64,
    open: Option<Heard>,
    next: u64,
    floor: u64,
    /// No pre-roll before this, for nothing was recorded.
    recorded: u64,
    announced: u64,
    /// Speech that no message has accounted for.
    unheard: Option<u64>,
    /// A cut that must be followed by a segment.
    cut: Option<(u64, Heard)>,
}

impl Consumer {
    fn new(rules: EndpointRules) -> Self {
        let (now, open, next, floor, recorded, announced) = (0, None, 0, 0, 0, 0);
        Self { rules, now, open, next, floor, recorded, announced, unheard: None, cut: None }
    }

    /// A frame and the messages that follow it.
    fn hear(&mut self, probability: f32, length: u64, messages: Vec<Speech>) {
        let begin = self.now;
        self.now += length;
        let was_open = self.open.is_some();
        let had_tentative = self.open.as_ref().is_some_and(|heard| heard.tentative.is_some());
        let mut speaking = probability >= self.rules.threshold;
        if let Some(heard) = &mut self.open {
            speaking |= heard.speaking && probability >= self.rules.negative_threshold;
            heard.speaking = speaking;
            if speaking {
                heard.last_speech = self.now;
                heard.speech += length;
            }
        } else if speaking {
            self.unheard = Some(begin);
        }
        let first = messages.first().map(|message| message.phase);
        if had_tentative && speaking {
            assert_eq!(first, Some(Phase::More), "resumed speech is told at once");
        }
        if !was_open {
            assert_eq!(
                speaking,
                first == Some(Phase::Open),
                "a segment opens with the first frame of speech"
            );
        }
        let hangs = self.pause().is_some_and(|pause| pause >= self.rules.hangover);
        let is_long =
            self.open.as_ref().is_some_and(|heard| self.now - heard.start + FRAME > self.rules.longest);
        for message in messages {
            let end_is_due = was_open && (hangs || is_long);
            self.receive(message, end_is_due, hangs);
        }
        assert!(self.unheard.is_none() && self.cut.is_none());
        self.check_state_after_frame();
    }

    /// Samples since the last speech, if there is a pause in an open segment.
    fn pause(&self) -> Option<u64> {
        self.open.as_ref().filter(|heard| !heard.speaking).map(|heard| self.now - heard.last_speech)
    }

    fn check_state_after_frame(&self) {
        let Some(heard) = &self.open else {
            assert!(self.now - self.announced < SECOND + FRAME, "silence is announced about every second");
            return;
        };
        let known = self.now.min(heard.last_speech + self.rules.post_roll);
        assert!(known.saturating_sub(heard.delivered) < self.rules.chunk, "samples are not held back");
        assert!(heard.delivered <= known.max(heard.start), "the samples of a pause are held back");
        assert!(self.now - heard.start + FRAME <= self.rules.longest, "the next frame fits");
        if let Some(pause) = self.pause() {
            assert!(pause < self.rules.hangover, "a segment ends with its hangover");
            let enough = heard.is_rest || heard.speech >= self.rules.minimum_speech;
            assert_eq!(heard.tentative.is_some(), enough && pause >= self.rules.tentative);
        } else {
            assert_eq!(heard.tentative, None);
        }
    }

    fn receive(&mut self, message: Speech, end_is_due: bool, hangs: bool) {
        assert!((0.0..=1.0).contains(&message.probability));
        if !matches!(message.phase, Phase::Open | Phase::More) {
            assert!(message.samples.is_empty(), "samples come in `open` and `more` alone");
        }
        match message.phase {
            Phase::Silence => self.silence(&message),
            Phase::Open => self.opened(&message),
            Phase::More | Phase::Tentative => self.went_on(&message),
            Phase::Final | Phase::Cancelled => {
                assert!(end_is_due, "a segment ends for a reason");
                self.ended(&message, hangs);
            }
        }
    }

    fn silence(&mut self, message: &Speech) {
        assert!(self.open.is_none() && self.cut.is_none());
        assert_eq!((message.segment, message.start), (self.next, message.end));
        assert!(message.end > self.floor, "a watermark moves forward");
        assert!(message.end <= self.now);
        self.floor = message.end;
        self.announced = self.now;
    }

    fn opened(&mut self, message: &Speech) {
        assert!(self.open.is_none());
        assert_eq!(message.segment, self.next);
        self.next += 1;
        let mut heard = match (self.cut.take(), self.unheard.take()) {
            (Some((cut, before)), None) => {
                Heard { number: self.next - 1, start: cut, is_rest: true, ..before }
            }
            (None, Some(begin)) => Heard {
                number: self.next - 1,
                start: begin.saturating_sub(self.rules.pre_roll).max(self.floor).max(self.recorded),
                delivered: 0,
                tentative: None,
                speaking: true,
                last_speech: self.now,
                speech: self.now - begin,
                is_rest: false,
            },
            other => panic!("opened without a reason: {other:?}"),
        };
        assert_eq!(message.start, heard.start);
        assert_eq!(message.end, self.now.min(heard.last_speech + self.rules.post_roll));
        assert_eq!(*message.samples, *audio(message.start, message.end));
        heard.delivered = message.end;
        self.open = Some(heard);
    }

    fn went_on(&mut self, message: &Speech) {
        let heard = self.open.as_mut().expect("a segment is open");
        assert_eq!((message.segment, message.start), (heard.number, heard.start));
        if message.phase == Phase::Tentative {
            assert_eq!(message.end, heard.delivered, "a tentative end comes with all its samples");
            assert_eq!(message.end, self.now.min(heard.last_speech + self.rules.post_roll));
            assert_eq!(heard.tentative.replace(message.end), None);
        } else {
            assert!(message.end > heard.delivered && message.end <= self.now);
            assert_eq!(*message.samples, *audio(heard.delivered, message.end));
            assert!(heard.tentative.is_none() || heard.speaking, "`more` after `tentative` is speech");
            heard.delivered = message.end;
            heard.tentative = None;
        }
    }

    fn ended(&mut self, message: &Speech, hangs: bool) {
        let heard = self.open.take().expect("a segment is open");
        assert_eq!((message.segment, message.start), (heard.number, heard.start));
        let enough = heard.is_rest || heard.speech >= self.rules.minimum_speech;
        assert_eq!(enough, message.phase == Phase::Final);
        if message.phase == Phase::Cancelled {
            assert_eq!(message.end, self.now.saturating_sub(self.rules.pre_roll).max(heard.start));
        } else if !hangs && message.end < heard.last_speech {
            assert!(message.end > heard.start, "a cut leaves something on both sides");
            self.cut = Some((message.end, heard.clone()));
        } else {
            assert_eq!(message.end, self.now.min(heard.last_speech + self.rules.post_roll));
            assert_eq!(message.end, heard.delivered, "no sample is delivered behind the end");
        }
        if message.phase == Phase::Final {
            assert!(message.end - message.start <= self.rules.longest);
            assert!(message.end <= heard.delivered);
            assert!(heard.tentative.is_none_or(|tentative| tentative == message.end));
        }
        self.floor = message.end;
        self.announced = self.now;
    }

    /// The end of the audio, or of a part of it, and the messages that follow.
    fn hear_end(&mut self, messages: Vec<Speech>) {
        for message in messages {
            self.receive(message, true, true);
        }
        assert!(self.open.is_none(), "the end closes the segment");
        assert_eq!(self.floor, self.now, "all of the audio is accounted for");
    }

    fn hear_gap(&mut self, gap: u64, messages: Vec<Speech>) {
        self.now += gap;
        self.recorded = self.now;
        for message in messages {
            self.receive(message, false, false);
        }
        assert_eq!(self.floor, self.now, "nothing begins in a gap");
    }
}
