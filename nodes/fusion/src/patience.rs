//! How long inputs are waited for.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use undertone_fusion::{Awaited, Fusion, Patience};
use undertone_messages::{Message, Phase, SessionId, Speech};
use undertone_stage::JoinSessions;

/// From so many of an input's last segments follows when the next is due.
const REMEMBERED: usize = 20;
/// When a segment is due of an input that has closed none yet, and the most that is concluded from shorter segments.
const UNKNOWN: Duration = Duration::from_secs(10);
/// For how long the end of a segment whose result did without an input is remembered, so that its due time is learnt.
const MEMORY: Duration = Duration::from_secs(60);

/// When segments have ended, and how long the inputs usually take behind that, for those inputs that are not waited for as
/// long as it takes.
pub(crate) struct Waiting {
    patience: Vec<Patience>,
    /// Of segments, and of sessions (`None`).
    ended: BTreeMap<(SessionId, Option<u64>), Ended>,
    delays: BTreeMap<String, VecDeque<Delay>>,
}

/// The end of a segment or a session.
struct Ended {
    at: Instant,
    samples: u64,
    /// There is a result.
    done: bool,
}

/// How long an input took for a segment, behind the segment's end.
struct Delay {
    time: Duration,
    samples: u64,
}

/// An input that will have been silent for too long.
#[derive(Debug, PartialEq)]
pub(crate) struct Silent {
    pub(crate) session: SessionId,
    /// The segment that waits for it; `None` if only the session's end does.
    pub(crate) segment: Option<u64>,
    pub(crate) input: String,
    /// In what time.
    pub(crate) within: Duration,
}

impl Waiting {
    pub(crate) fn new(patience: &[Patience]) -> Self {
        Self { patience: patience.to_vec(), ended: BTreeMap::new(), delays: BTreeMap::new() }
    }

    /// Changes how long is waited.
    pub(crate) fn adjust(&mut self, patience: &[Patience]) {
        self.patience = patience.to_vec();
    }

    /// Takes note of a message of the ledger.
    pub(crate) fn follow(&mut self, message: &Message<Speech>, now: Instant) {
        if self.patience.is_empty() {
            return;
        }
        let (segment, samples) = match &message.body {
            Some(speech) if speech.phase == Phase::Final => (Some(speech.segment), speech.end - speech.start),
            Some(_) => return,
            None => (None, 0),
        };
        self.ended.retain(|_, ended| !ended.done || now - ended.at < MEMORY);
        self.ended.insert((message.session.clone(), segment), Ended { at: now, samples, done: false });
    }

    /// Takes note that an input has closed a segment.
    pub(crate) fn closed(&mut self, session: &SessionId, segment: u64, input: &str, now: Instant) {
        if self.patience(input).is_none() {
            return;
        }
        // An input that reads ahead may be there before the ledger.
        let ended = self.ended.get(&(session.clone(), Some(segment)));
        let (time, samples) = ended.map_or((Duration::ZERO, 0), |ended| (now - ended.at, ended.samples));
        let delays = self.delays.entry(input.to_owned()).or_default();
        delays.push_back(Delay { time, samples });
        if delays.len() > REMEMBERED {
            delays.pop_front();
        }
    }

    /// Takes note of a result, or of the end of a session's results.
    pub(crate) fn done(&mut self, session: &SessionId, segment: Option<u64>, now: Instant) {
        if segment.is_none() {
            self.ended.retain(|(known, _), _| known != session);
            return;
        }
        if let Some(ended) = self.ended.get_mut(&(session.clone(), segment)) {
            ended.done = true;
        }
        // The inputs' ends are waited for once there is nothing else to wait for.
        if let Some(ended) = self.ended.get_mut(&(session.clone(), None)) {
            ended.at = now;
        }
    }

    /// The first input that will have been silent for too long.
    pub(crate) fn next(&self, sessions: &JoinSessions<Fusion>, now: Instant) -> Option<Silent> {
        if self.ended.is_empty() {
            return None;
        }
        let silent = sessions.iter().filter_map(|(session, fusion)| {
            let Awaited { segment, inputs } = fusion.awaited()?;
            let ended = self.ended.get(&(session.clone(), segment))?;
            let waits = inputs.into_iter().filter_map(|input| {
                let time = self.due(input, ended.samples) + self.patience(input)?;
                let within = time.saturating_sub(now - ended.at);
                Some(Silent { session: session.clone(), segment, input: input.to_owned(), within })
            });
            waits.min_by_key(|silent| silent.within)
        });
        silent.min_by_key(|silent| silent.within)
    }

    /// How long an input may be silent beyond its due time.
    fn patience(&self, input: &str) -> Option<Duration> {
        self.patience.iter().rfind(|patience| patience.input == input).map(|patience| patience.time)
    }

    /// How long behind a segment's end an input usually closes it: as long as it took at the most of late, and of a segment
    /// that is longer than those, as much longer.
    fn due(&self, input: &str, samples: u64) -> Duration {
        let Some(delays) = self.delays.get(input) else { return UNKNOWN };
        let expected = delays.iter().map(|delay| {
            let longer = samples as f64 / delay.samples.max(1) as f64;
            delay.time.max(delay.time.mul_f64(longer.max(1.0)).min(UNKNOWN))
        });
        expected.max().unwrap_or(UNKNOWN)
    }
}

#[cfg(test)]
mod tests {
    use undertone_fusion::{Config, Inputs};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A session in which segments of so many samples have ended, each a second behind the other, and wait for the text.
    struct Bench {
        begun: Instant,
        waiting: Waiting,
        sessions: JoinSessions<Fusion>,
        segments: u64,
    }

    impl Bench {
        fn new() -> Self {
            let arguments = <undertone_fusion::Arguments as clap::Parser>::parse_from([
                "fusion",
                "--patience",
                "text=400",
            ]);
            let inputs = Inputs::new(["speech", "text"]).unwrap();
            Self {
                begun: Instant::now(),
                waiting: Waiting::new(&arguments.patience),
                sessions: JoinSessions::new(Config::new(&arguments, inputs, None).unwrap()),
                segments: 0,
            }
        }

        /// A segment ends at `at`, in milliseconds.
        fn end(&mut self, length: u64, at: u32) -> u64 {
            let segment = self.segments;
            self.segments += 1;
            let start = 1_000_000 * segment;
            for (phase, end) in [(Phase::Open, start), (Phase::Final, start + length)] {
                let speech =
                    Speech { segment, start, end, phase, samples: Vec::new().into(), probability: 0.9 };
                self.ledger(Some(speech), at);
            }
            segment
        }

        fn ledger(&mut self, body: Option<Speech>, at: u32) {
            let message = Message { session: "a".into(), seq: 0, body };
            self.waiting.follow(&message, self.begun + at * MS);
            self.sessions
                .push("speech", message, |fusion, speech, output| fusion.speech(&speech, output))
                .unwrap();
        }

        /// The text is there after so many milliseconds.
        fn close(&mut self, segment: u64, at: u32) {
            self.waiting.closed(&"a".into(), segment, "text", self.begun + at * MS);
        }

        /// What is silent, as of `at`: for which segment, and in how many milliseconds it is too long.
        fn next(&self, at: u32) -> Option<(Option<u64>, u128)> {
            let silent = self.waiting.next(&self.sessions, self.begun + at * MS)?;
            Some((silent.segment, silent.within.as_millis()))
        }
    }

    #[test]
    fn the_due_time_is_what_the_input_has_taken_of_late() {
        let mut bench = Bench::new();
        let segment = bench.end(16_000, 0);
        assert_eq!(bench.next(100), Some((Some(segment), 10_300)), "nothing is known of it yet");
        bench.close(segment, 300);
        assert_eq!(bench.next(300), Some((Some(segment), 400)), "300 ms and 400 ms, of which 300 are over");
        for _ in 0..REMEMBERED {
            bench.close(segment, 200);
        }
        assert_eq!(bench.next(300), Some((Some(segment), 300)), "what was long ago is forgotten");
    }

    #[test]
    fn longer_segments_may_take_longer_but_not_for_ever() {
        for (samples, expected) in [(16_000, 700), (8_000, 700), (48_000, 1_300), (16_000_000, 10_400)] {
            let mut bench = Bench::new();
            bench.waiting.delays.insert("text".into(), [Delay { time: 300 * MS, samples: 16_000 }].into());
            let segment = bench.end(samples, 0);
            assert_eq!(bench.next(0), Some((Some(segment), expected)), "{samples} samples");
        }
    }

    #[test]
    fn what_was_given_up_and_comes_late_is_learnt_from() {
        let mut bench = Bench::new();
        let segment = bench.end(16_000, 0);
        bench.close(segment, 100);
        bench.waiting.done(&"a".into(), Some(segment), bench.begun + 500 * MS);
        bench.close(segment, 2_000);
        assert_eq!(bench.waiting.due("text", 16_000), 2_000 * MS);
    }

    #[test]
    fn the_end_of_an_input_is_waited_for_once_there_is_nothing_else() {
        let mut bench = Bench::new();
        bench.waiting.delays.insert("text".into(), [Delay { time: 300 * MS, samples: 16_000 }].into());
        bench.ledger(None, 1_000);
        assert_eq!(bench.next(1_100), Some((None, 600)));
        bench.waiting.done(&"a".into(), Some(7), bench.begun + 1_500 * MS);
        assert_eq!(bench.next(1_500), Some((None, 700)));
        bench.waiting.done(&"a".into(), None, bench.begun + 1_600 * MS);
        assert_eq!(bench.next(1_700), None);
    }
}
