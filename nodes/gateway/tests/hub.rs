//! The hub with a graph that is played: no sockets, no dora, and a clock that the test moves.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use serde_json::Value;
use undertone_gateway::{
    Call, Close, Closing, ConnectionId, Fault, Graph, Hub, Input, Limits, Report, Request, Signal, Wish,
};
use undertone_messages::{
    Phase, Profile, Sentiment, SentimentStatus, SessionId, Speech, Watermark, Weighting,
};
use undertone_results::Latency;

const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MS;

/// A client's side of a connection.
#[derive(Clone)]
struct Client {
    id: ConnectionId,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Client {
    fn evicted(&self) -> Option<Close> {
        self.calls.lock().unwrap().iter().find_map(|call| match call {
            Call::Evicted(closing) => Some(closing.close),
            Call::News => None,
        })
    }
}

/// A hub, and the graph that it talks to.
struct World {
    hub: Hub,
    now: i64,
    /// Messages that the graph has and is not done with: the session, and the end of the frame.
    graph: VecDeque<(SessionId, Option<u64>)>,
    /// For each session, the number and the position of the next message.
    expected: BTreeMap<SessionId, (u64, u64)>,
    gaps: u64,
    /// The most that a frame's age was.
    oldest: i64,
    most: u64,
    random: u8,
}

impl World {
    fn new(limits: Limits, messages: u64) -> Self {
        let mut hub = Hub::new(limits);
        hub.open(BTreeSet::from([Input::Watermark, Input::Sentiment, Input::Speech]), messages);
        Self {
            hub,
            now: 1_000 * SECOND,
            graph: VecDeque::new(),
            expected: BTreeMap::new(),
            gaps: 0,
            oldest: 0,
            most: messages,
            random: 0,
        }
    }

    fn connect(&mut self, wish: &Wish) -> Result<Client, Fault> {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let own = Arc::clone(&calls);
        let signal = Signal::new(move |call| own.lock().unwrap().push(call));
        self.random = self.random.wrapping_add(1);
        let id = self.hub.connect(wish, signal, [self.random; 24], self.now)?;
        Ok(Client { id, calls })
    }

    fn join(&mut self) -> Client {
        self.connect(&Wish::New(None)).unwrap()
    }

    /// Sends audio in real time: first the clock moves on, then the audio comes.
    fn speak(&mut self, client: &Client, ms: u64) {
        for _ in 0..ms / 100 {
            self.now += 100 * MS;
            self.send(client, 1_600);
        }
    }

    fn send(&mut self, client: &Client, samples: usize) {
        let request = Request::Audio { rate: 16_000, samples: vec![0.1; samples] };
        self.hub.receive(client.id, Ok(request), self.now);
    }

    fn end(&mut self, client: &Client) {
        self.hub.receive(client.id, Ok(Request::End), self.now);
    }

    /// Gives the graph what it may have, and checks that each stream is whole.
    fn feed(&mut self) {
        while let Some(outgoing) = self.hub.take(self.now) {
            let (session, seq) = (outgoing.message.session, outgoing.message.seq);
            let (number, position) = self.expected.entry(session.clone()).or_default();
            assert_eq!(seq, *number, "session {session}");
            *number += 1;
            let end = outgoing.message.body.map(|frame| {
                assert_eq!(frame.start, *position + frame.gap, "session {session}");
                assert!(outgoing.age >= 0);
                self.oldest = self.oldest.max(outgoing.age);
                self.gaps += frame.gap;
                *position = frame.end();
                frame.end()
            });
            assert_eq!(outgoing.sample, *position, "session {session}");
            if end.is_none() {
                self.expected.remove(&session);
            }
            self.graph.push_back((session, end));
            assert!(self.graph.len() as u64 <= self.most, "a queue overflows");
        }
    }

    /// The graph does so many messages.
    fn work(&mut self, messages: usize) {
        for _ in 0..messages {
            let Some((session, end)) = self.graph.pop_front() else { return };
            match end {
                Some(position) => {
                    let speech = Speech {
                        segment: 0,
                        start: position,
                        end: position,
                        phase: Phase::Silence,
                        samples: Vec::new().into(),
                        probability: 0.0,
                    };
                    self.hub.report(Input::Speech, &session, Some(&Report::Speech(speech)), self.now);
                    self.hub.reached(&session, Some(Watermark { position }));
                }
                None => {
                    self.hub.report(Input::Speech, &session, None, self.now);
                    self.end_results(&session);
                }
            }
        }
    }

    fn end_results(&mut self, session: &SessionId) {
        self.hub.report(Input::Sentiment, session, None, self.now);
        self.hub.reached(session, None);
    }

    fn settle(&mut self) {
        loop {
            self.feed();
            if self.graph.is_empty() {
                return;
            }
            self.work(usize::MAX);
        }
    }

    /// What a client is sent, and how it is closed.
    fn read(&mut self, client: &Client) -> (Vec<Value>, Option<Closing>) {
        let mut all = Vec::new();
        loop {
            let output = self.hub.output(client.id, self.now);
            let done = output.events.is_empty();
            all.extend(output.events.iter().map(|event| serde_json::from_str(event).unwrap()));
            if done || output.closing.is_some() {
                return (all, output.closing);
            }
        }
    }

    fn wait(&mut self, seconds: i64) {
        for _ in 0..seconds * 10 {
            self.now += 100 * MS;
            self.hub.tick(self.now);
        }
    }

    fn resume(&mut self, ready: &Value, after: u64) -> Result<Client, Fault> {
        let token = ready["resume"].as_str().unwrap().to_owned();
        self.connect(&Wish::Resume { token, after })
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["event"].as_u64().unwrap()).collect()
}

#[test]
fn a_session_from_its_beginning_to_its_end() {
    let mut world = World::new(Limits::default(), 4_096);
    let client = world.join();
    world.speak(&client, 1_000);
    world.settle();
    world.end(&client);
    let (events, closing) = world.read(&client);
    assert_eq!(types(&events).first(), Some(&"ready"));
    assert_eq!(closing, None, "the graph is not done");
    world.settle();
    let (rest, closing) = world.read(&client);
    assert_eq!(types(&rest).last(), Some(&"end"));
    assert_eq!(rest.last().unwrap()["position_sample"], 16_000);
    assert_eq!(closing.unwrap().close, Close::Done);
    let all = [numbers(&events), numbers(&rest)].concat();
    assert_eq!(all, (1..=all.len() as u64).collect::<Vec<_>>());
    world.hub.disconnect(client.id, true, world.now);
    assert!(world.hub.depths(world.now).is_empty(), "nothing is kept");
    assert_eq!(world.gaps, 0);
}

#[test]
fn a_session_ends_without_an_input_that_does_not_end_it() {
    let mut world = World::new(Limits::default(), 4_096);
    let name = "again".to_owned();
    let finish = |world: &mut World| {
        let client = world.connect(&Wish::New(Some(name.clone()))).unwrap();
        world.speak(&client, 1_000);
        world.end(&client);
        world.feed();
        // Only how far the results are is told, by `speech` nothing any more.
        for (session, end) in std::mem::take(&mut world.graph) {
            match end {
                Some(position) => world.hub.reached(&session, Some(Watermark { position })),
                None => world.end_results(&session),
            }
        }
        world.wait(4);
        assert_eq!(world.read(&client).1, None, "it may yet come");
        world.wait(2);
        let (events, closing) = world.read(&client);
        assert_eq!(types(&events).last(), Some(&"end"));
        assert_eq!(closing.unwrap().close, Close::Done);
        world.hub.disconnect(client.id, true, world.now);
        assert!(world.hub.depths(world.now).is_empty(), "nothing is kept");
    };
    finish(&mut world);
    finish(&mut world);
    // What comes late is not of the third session of that name, up to the ends that are owed.
    let third = world.connect(&Wish::New(Some(name.clone()))).unwrap();
    let session = name.as_str().into();
    let late = Speech {
        segment: 0,
        start: 0,
        end: 16_000,
        phase: Phase::Silence,
        samples: Vec::new().into(),
        probability: 0.0,
    };
    let late = Report::Speech(late);
    for report in [Some(&late), None, Some(&late), None] {
        world.hub.report(Input::Speech, &session, report, world.now);
    }
    assert_eq!(types(&world.read(&third).0), ["ready"]);
    world.hub.report(Input::Speech, &session, Some(&late), world.now);
    assert_eq!(types(&world.read(&third).0), ["speech"]);
}

#[test]
fn a_name_whose_session_said_nothing_is_as_it_was() {
    let mut world = World::new(Limits::default(), 4_096);
    let name = Wish::New(Some("robot".to_owned()));
    for left in [true, false] {
        let client = world.connect(&name).unwrap();
        world.hub.disconnect(client.id, left, world.now);
    }
    let client = world.connect(&name).unwrap();
    world.speak(&client, 1_000);
    world.settle();
    world.end(&client);
    world.settle();
    let (events, closing) = world.read(&client);
    assert!(types(&events).contains(&"speech"));
    assert_eq!(types(&events).last(), Some(&"end"));
    assert_eq!(closing.unwrap().close, Close::Done);
}

#[test]
fn before_and_behind_the_graph_nobody_is_let_in() {
    let mut world = World::new(Limits::default(), 4_096);
    world.hub = Hub::new(Limits::default());
    assert!(matches!(world.connect(&Wish::New(None)), Err(Fault::NotReady)));
    world.hub.open(BTreeSet::new(), 4_096);
    let client = world.join();
    world.hub.fail("it broke");
    let (events, closing) = world.read(&client);
    assert_eq!(types(&events), ["ready", "error"]);
    assert_eq!(closing.unwrap().close, Close::Failed);
    assert!(matches!(world.connect(&Wish::New(None)), Err(Fault::GraphFailed(_))));
}

#[test]
fn names_are_unique_and_sessions_limited() {
    let mut world = World::new(Limits { sessions: 3, ..Limits::default() }, 4_096);
    let named = world.connect(&Wish::New(Some("a".to_owned()))).unwrap();
    assert!(matches!(world.connect(&Wish::New(Some("a".to_owned()))), Err(Fault::InUse(_))));
    let (two, three) = (world.join(), world.join());
    assert!(matches!(world.connect(&Wish::New(None)), Err(Fault::Full(3))));
    assert_eq!(world.hub.counts().refused, 2);
    // One that has ended and waits for its results makes room.
    world.speak(&named, 500);
    world.end(&named);
    world.join();
    assert!(matches!(world.connect(&Wish::New(None)), Err(Fault::Full(3))));
    // So does one that goes without having said anything.
    world.hub.disconnect(two.id, false, world.now);
    world.join();
    world.hub.disconnect(three.id, false, world.now);
    world.settle();
    assert_eq!(types(&world.read(&named).0).last(), Some(&"end"));
}

#[test]
fn a_broken_connection_is_resumed() {
    let mut world = World::new(Limits::default(), 4_096);
    let client = world.join();
    world.speak(&client, 2_000);
    world.settle();
    let (events, _) = world.read(&client);
    let seen = events[5]["event"].as_u64().unwrap();
    // It goes without a word, and comes back 3 s later having seen the first events only.
    world.hub.disconnect(client.id, false, world.now);
    world.wait(3);
    let client = world.resume(&events[0], seen).unwrap();
    let (again, closing) = world.read(&client);
    assert_eq!(closing, None);
    assert_eq!(again[..again.len() - 1], events[6..]);
    let ready = again.last().unwrap();
    assert_eq!((ready["type"].as_str(), &ready["resumed"]), (Some("ready"), &Value::Bool(true)));
    assert_eq!(ready["position_sample"], 80_000, "2 s of audio and 3 s without");
    world.speak(&client, 1_000);
    world.settle();
    world.end(&client);
    world.settle();
    let (rest, closing) = world.read(&client);
    let gap = rest.iter().find(|event| event["type"] == "gap").unwrap();
    assert_eq!((&gap["samples"], &gap["start_sample"]), (&48_000.into(), &32_000.into()));
    assert_eq!(gap["reason"], "disconnected");
    assert_eq!(closing.unwrap().close, Close::Done);
    assert_eq!((world.gaps, rest.last().unwrap()["position_sample"].as_u64()), (48_000, Some(96_000)));
}

#[test]
fn what_was_lost_before_the_end_is_on_record() {
    let mut world = World::new(Limits::default(), 4_096);
    let client = world.join();
    world.speak(&client, 2_000);
    world.settle();
    let (events, _) = world.read(&client);
    world.hub.disconnect(client.id, false, world.now);
    world.wait(3);
    let client = world.resume(&events[0], events.len() as u64).unwrap();
    // It has nothing more to say.
    world.end(&client);
    world.settle();
    let (rest, closing) = world.read(&client);
    let gap = rest.iter().find(|event| event["type"] == "gap").unwrap();
    assert_eq!((&gap["start_sample"], &gap["end_sample"]), (&32_000.into(), &80_000.into()));
    assert_eq!(gap["reason"], "disconnected");
    assert_eq!(rest.last().unwrap()["position_sample"], 80_000);
    assert_eq!(closing.unwrap().close, Close::Done);
    assert_eq!(world.gaps, 48_000, "the graph knows, too");
}

#[test]
fn a_client_whose_clock_is_slow_is_not_late() {
    let mut world = World::new(Limits::default(), 4_096);
    let client = world.join();
    // An hour, 1 % slow, to a graph that is idle.
    for _ in 0..36_000 {
        world.now += 101 * MS;
        world.send(&client, 1_600);
        world.hub.tick(world.now);
        world.settle();
        world.read(&client);
    }
    // What is left of a frame waits for the next message.
    assert!(world.oldest < 300 * MS, "{} ms late", world.oldest / MS);
}

#[test]
fn a_result_may_come_before_the_end_of_its_speech() {
    let mut world = World::new(Limits { backpressure_ms: 1_000, ..Limits::default() }, 4_096);
    let client = world.join();
    world.speak(&client, 3_000);
    world.settle();
    let session: SessionId = world.read(&client).0[0]["session"].as_str().unwrap().into();
    let speech = |segment| {
        Report::Speech(Speech {
            segment,
            start: 0,
            end: 32_000,
            phase: Phase::Final,
            samples: Vec::new().into(),
            probability: 0.0,
        })
    };
    let sentiment = |segment| Report::Sentiment(result(segment), Latency::default());
    // By fusion's wire first, then by vad's; then in the order of the other segments, and at last without a result.
    for (input, report) in [
        (Input::Sentiment, sentiment(0)),
        (Input::Speech, speech(0)),
        (Input::Speech, speech(1)),
        (Input::Sentiment, sentiment(1)),
    ] {
        world.hub.report(input, &session, Some(&report), world.now);
    }
    world.wait(5);
    assert!(!types(&world.read(&client).0).contains(&"backpressure"));
    world.hub.report(Input::Speech, &session, Some(&speech(2)), world.now);
    world.wait(5);
    assert!(types(&world.read(&client).0).contains(&"backpressure"));
    world.hub.report(Input::Sentiment, &session, Some(&sentiment(2)), world.now);
    world.wait(1);
    assert_eq!(world.read(&client).0.last().unwrap()["active"], false);
}

fn result(segment: u64) -> Sentiment {
    Sentiment {
        segment,
        start: 0,
        end: 32_000,
        status: SentimentStatus::Final,
        profile: Profile::Neither,
        labels: Vec::new(),
        probabilities: Vec::new(),
        weighting: Weighting::Fixed,
        model: String::new(),
        contributions: Vec::new(),
        bias: Vec::new(),
        temperature: 1.0,
        score: 0.0,
        confidence: 0.0,
        abstained: true,
        anomaly: false,
        text: String::new(),
        degraded: String::new(),
    }
}

#[test]
fn a_resume_takes_a_live_connection_over_and_bad_ones_change_nothing() {
    let mut world = World::new(Limits::default(), 4_096);
    let old = world.join();
    world.speak(&old, 1_000);
    let (events, _) = world.read(&old);
    let wrong = Wish::Resume { token: "0".repeat(32), after: 0 };
    assert!(matches!(world.connect(&wrong), Err(Fault::UnknownSession)));
    assert!(matches!(world.resume(&events[0], 1_000), Err(Fault::BadQuery(_))));
    assert_eq!(old.evicted(), None);
    let new = world.resume(&events[0], 0).unwrap();
    assert_eq!(old.evicted(), Some(Close::Taken));
    // The old one is no longer anybody's.
    world.hub.disconnect(old.id, true, world.now);
    world.send(&old, 1_600);
    world.speak(&new, 1_000);
    world.settle();
    let (again, _) = world.read(&new);
    assert_eq!(again[0], events[0]);
    assert_eq!(world.hub.connected(), 1);
}

#[test]
fn a_session_that_nobody_resumes_ends() {
    let mut world = World::new(Limits { grace_seconds: 5, ..Limits::default() }, 4_096);
    let client = world.join();
    world.speak(&client, 1_000);
    let (events, _) = world.read(&client);
    world.hub.disconnect(client.id, false, world.now);
    world.wait(6);
    let late = world.resume(&events[0], 0);
    assert!(matches!(late, Err(Fault::UnknownSession)), "it has ended, though not in the graph yet");
    world.settle();
    world.wait(6);
    assert!(world.hub.depths(world.now).is_empty());
    assert!(matches!(world.resume(&events[0], 0), Err(Fault::UnknownSession)));
}

#[test]
fn results_behind_the_end_wait_for_a_client_that_was_cut_off() {
    let mut world = World::new(Limits::default(), 4_096);
    let client = world.join();
    world.speak(&client, 1_000);
    let (events, _) = world.read(&client);
    world.end(&client);
    world.hub.disconnect(client.id, false, world.now);
    world.settle();
    let client = world.resume(&events[0], events.len() as u64).unwrap();
    let (rest, closing) = world.read(&client);
    assert_eq!(types(&rest).last(), Some(&"end"));
    assert!(!types(&rest).contains(&"ready"));
    assert_eq!(closing.unwrap().close, Close::Done);
}

#[test]
fn mistakes_end_the_session_and_no_other() {
    let mut world = World::new(Limits::default(), 4_096);
    let (good, bad) = (world.join(), world.join());
    world.speak(&bad, 500);
    world.hub.receive(bad.id, Err(Fault::OddLength(3)), world.now);
    let (events, closing) = world.read(&bad);
    assert_eq!(types(&events), ["ready", "error"]);
    assert_eq!(closing.unwrap().close, Close::Invalid);
    world.hub.disconnect(bad.id, false, world.now);
    assert!(matches!(world.resume(&events[0], 0), Err(Fault::UnknownSession)));
    world.speak(&good, 500);
    world.end(&good);
    world.end(&good);
    world.send(&good, 1_600);
    let (events, closing) = world.read(&good);
    assert_eq!(events.last().unwrap()["code"], "after_end");
    assert_eq!(closing.unwrap().close, Close::AfterEnd);
    world.settle();
    world.hub.disconnect(good.id, true, world.now);
    assert!(world.hub.depths(world.now).is_empty());
}

#[test]
fn who_says_nothing_is_idle() {
    let mut world = World::new(Limits { idle_seconds: 5, ..Limits::default() }, 4_096);
    let client = world.join();
    world.wait(4);
    world.speak(&client, 100);
    world.wait(4);
    assert_eq!(world.read(&client).1, None);
    world.wait(2);
    assert_eq!(world.read(&client).1.unwrap().close, Close::Idle);
}

#[test]
fn who_sets_no_end_to_patience_has_none() {
    // The first fills 64 bits of nanoseconds, the second 63 of seconds.
    for seconds in [10_000_000_000, u64::MAX] {
        let limits = Limits { idle_seconds: seconds, grace_seconds: seconds, ..Limits::default() };
        let mut world = World::new(limits, 4_096);
        let client = world.join();
        world.speak(&client, 1_000);
        // Who does not read is sent away for that.
        let (events, _) = world.read(&client);
        world.wait(60);
        assert_eq!(world.read(&client), (Vec::new(), None));
        world.hub.disconnect(client.id, false, world.now);
        world.wait(60);
        let client = world.resume(&events[0], events.len() as u64).unwrap();
        world.speak(&client, 100);
        assert_eq!(world.read(&client).1, None);
    }
}

#[test]
fn who_does_not_read_is_sent_away_and_can_come_back() {
    let mut world = World::new(Limits { lag_events: 20, ..Limits::default() }, 4_096);
    let client = world.join();
    let (events, _) = world.read(&client);
    for _ in 0..5 {
        world.speak(&client, 1_000);
        world.settle();
        world.hub.tick(world.now);
    }
    assert_eq!(client.evicted(), Some(Close::TooSlow));
    let client = world.resume(&events[0], 1).unwrap();
    let (all, _) = world.read(&client);
    assert_eq!(numbers(&all), (2..2 + all.len() as u64).collect::<Vec<_>>());
    assert!(all.len() > 20);
}

#[test]
fn a_late_graph_is_told_and_what_does_not_fit_is_on_record() {
    let limits = Limits { buffer_ms: 4_000, backpressure_ms: 1_000, ..Limits::default() };
    let mut world = World::new(limits, 16);
    let client = world.join();
    for _ in 0..12 {
        world.speak(&client, 1_000);
        world.feed();
        world.hub.tick(world.now);
    }
    let (events, _) = world.read(&client);
    let pressure = events.iter().find(|event| event["type"] == "backpressure").unwrap();
    assert_eq!(pressure["active"], true);
    world.settle();
    world.hub.tick(world.now);
    world.end(&client);
    world.settle();
    let (rest, _) = world.read(&client);
    let of = |name: &str| rest.iter().filter(|event| event["type"] == name).collect::<Vec<_>>();
    assert_eq!(of("backpressure").last().unwrap()["active"], false);
    let lost: u64 = of("gap").iter().map(|gap| gap["samples"].as_u64().unwrap()).sum();
    assert!(lost > 100_000, "{lost}");
    assert_eq!(lost, world.gaps);
    assert_eq!(world.hub.counts().dropped_samples, lost);
    assert!(of("gap").iter().all(|gap| gap["reason"] == "overflow"));
}

#[test]
fn a_session_cannot_keep_the_others_waiting() {
    let mut world = World::new(Limits { sessions: 4, burst_ms: 60_000, ..Limits::default() }, 64);
    let (greedy, other) = (world.join(), world.join());
    for _ in 0..50 {
        world.send(&greedy, 1_600);
    }
    world.feed();
    assert_eq!(world.graph.len(), 15, "its share, less one for its end");
    world.send(&other, 1_600);
    world.feed();
    assert_eq!(world.graph.len(), 16);
}

#[test]
fn sessions_that_wait_for_their_results_keep_their_part_of_the_queues() {
    let mut world = World::new(Limits { sessions: 1, burst_ms: 60_000, ..Limits::default() }, 16);
    let first = world.join();
    (0..50).for_each(|_| world.send(&first, 1_600));
    world.end(&first);
    world.feed();
    let second = world.join();
    (0..50).for_each(|_| world.send(&second, 1_600));
    world.feed();
    assert_eq!(world.graph.len(), 16, "one was left, of which the first kept it for its end");
    world.settle();
    assert_eq!(types(&world.read(&first).0).last(), Some(&"end"));
    assert_eq!(world.hub.messages(), (16, 0));
}

#[test]
fn an_input_that_is_lost_is_told_and_not_waited_for() {
    let mut world = World::new(Limits::default(), 4_096);
    let client = world.join();
    world.speak(&client, 500);
    world.end(&client);
    world.feed();
    let session = world.graph[0].0.clone();
    world.end_results(&session);
    assert_eq!(world.read(&client).1, None);
    world.hub.lose(Input::Speech, "vad died");
    assert_eq!(*world.hub.graph(), Graph::Degraded("vad died".to_owned()));
    let (events, closing) = world.read(&client);
    assert_eq!(types(&events), ["error", "end"]);
    assert_eq!(closing.unwrap().close, Close::Done);
    let other = world.join();
    world.hub.lose(Input::Watermark, "fusion died");
    assert_eq!(world.read(&other).1.unwrap().close, Close::Failed);
}

#[test]
fn the_query_is_read() {
    let read = |query: &[(&str, &str)]| {
        let owned = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Wish::read(owned.collect())
    };
    assert_eq!(read(&[]), Ok(Wish::New(None)));
    assert_eq!(read(&[("session", "a-1_b.c")]), Ok(Wish::New(Some("a-1_b.c".to_owned()))));
    let resume = |after| Ok(Wish::Resume { token: "t".to_owned(), after });
    assert_eq!(read(&[("resume", "t"), ("after", "7")]), resume(7));
    assert_eq!(read(&[("resume", "t")]), resume(0));
    let refused = |query: &[(&str, &str)]| match read(query) {
        Err(Fault::BadQuery(text)) => text,
        other => panic!("{query:?}: {other:?}"),
    };
    let long = "a".repeat(65);
    for name in ["", "a b", "../x", "ä", &long] {
        refused(&[("session", name)]);
    }
    refused(&[("session", "a"), ("resume", "t")]);
    refused(&[("resume", "t"), ("after", "-1")]);
    refused(&[("after", "1")]);
    for (query, wrong) in
        [(&[("name", "robot")][..], "`name`"), (&[("aftr", "17"), ("resume", "t")], "`aftr`")]
    {
        let text = refused(query);
        let known = ["`session`", "`resume`", "`after`"];
        assert!(text.contains(wrong) && known.iter().all(|name| text.contains(name)), "{text}");
    }
}

/// What may happen to one of a few clients.
#[derive(Clone, Debug)]
enum Step {
    /// Under a name of its own, or none.
    Join(usize, bool),
    Send(usize, usize),
    Wait(i64),
    Read(usize),
    Break(usize),
    Leave(usize),
    Resume(usize),
    End(usize),
    Spoil(usize),
    Work(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let client = || 0..4_usize;
    let step = prop_oneof![
        2 => (client(), any::<bool>()).prop_map(|(client, named)| Step::Join(client, named)),
        8 => (client(), 1..8_000_usize).prop_map(|(client, samples)| Step::Send(client, samples)),
        4 => (0..3 * SECOND).prop_map(Step::Wait),
        4 => client().prop_map(Step::Read),
        1 => client().prop_map(Step::Break),
        1 => client().prop_map(Step::Leave),
        2 => client().prop_map(Step::Resume),
        1 => client().prop_map(Step::End),
        1 => client().prop_map(Step::Spoil),
        4 => (0..40_usize).prop_map(Step::Work),
    ];
    prop::collection::vec(step, 1..120)
}

/// A client that remembers.
#[derive(Default)]
struct Seat {
    client: Option<Client>,
    token: Option<String>,
    seen: u64,
}

proptest! {
    /// Whatever clients do: streams into the graph are whole, its queues never overflow, each client sees each event once
    /// and in order over all of its connections, and in the end nothing is left.
    #[test]
    fn nothing_is_lost_doubled_or_left(steps in steps(), messages in 16..200_u64) {
        let limits = Limits { sessions: 3, buffer_ms: 2_000, idle_seconds: 10, grace_seconds: 5, ..Limits::default() };
        let mut world = World::new(limits, messages);
        let mut seats: Vec<Seat> = (0..4).map(|_| Seat::default()).collect();
        for step in steps {
            match step {
                Step::Join(seat, named) => {
                    let name = named.then(|| format!("robot-{seat}"));
                    if let Ok(client) = world.connect(&Wish::New(name)) {
                        if let Some(old) = seats[seat].client.take() {
                            world.hub.disconnect(old.id, false, world.now);
                        }
                        seats[seat] = Seat { client: Some(client), token: None, seen: 0 };
                    }
                }
                Step::Resume(seat) => if let Some(token) = seats[seat].token.clone() {
                    let wish = Wish::Resume { token, after: seats[seat].seen };
                    if let Ok(client) = world.connect(&wish) {
                        seats[seat].client = Some(client);
                    }
                },
                Step::Read(seat) => read(&mut world, &mut seats[seat])?,
                Step::Wait(time) => world.now += time,
                Step::Work(most) => world.work(most),
                Step::Send(seat, _) | Step::Break(seat) | Step::Leave(seat) | Step::End(seat)
                | Step::Spoil(seat) => {
                    let Some(client) = seats[seat].client.clone() else { continue };
                    match step {
                        Step::Send(_, samples) => world.send(&client, samples),
                        Step::End(_) => world.end(&client),
                        Step::Spoil(_) => world.hub.receive(client.id, Err(Fault::EmptyFrame), world.now),
                        other => {
                            seats[seat].client = None;
                            world.hub.disconnect(client.id, matches!(other, Step::Leave(_)), world.now);
                        }
                    }
                }
            }
            world.hub.tick(world.now);
            world.feed();
        }
        for seat in &mut seats {
            read(&mut world, seat)?;
            if let Some(client) = seat.client.take() {
                world.hub.disconnect(client.id, true, world.now);
            }
        }
        world.settle();
        world.now += 6 * SECOND;
        world.hub.tick(world.now);
        world.settle();
        world.now += 6 * SECOND;
        world.hub.tick(world.now);
        prop_assert!(world.hub.depths(world.now).is_empty());
        prop_assert!(world.expected.is_empty(), "a stream has no end");
        prop_assert_eq!(world.hub.messages().1, 0);
    }
}

fn read(world: &mut World, seat: &mut Seat) -> Result<(), TestCaseError> {
    let Some(client) = seat.client.clone() else { return Ok(()) };
    if client.evicted().is_some() {
        seat.client = None;
        return Ok(());
    }
    let (events, closing) = world.read(&client);
    for event in &events {
        seat.seen += 1;
        prop_assert_eq!(event["event"].as_u64(), Some(seat.seen));
        if let Some(token) = event["resume"].as_str() {
            seat.token = Some(token.to_owned());
        }
    }
    if closing.is_some() {
        world.hub.disconnect(client.id, true, world.now);
        seat.client = None;
    }
    Ok(())
}
