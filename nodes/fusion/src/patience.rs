//! How long inputs are waited for.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use undertone_fusion::{Awaited, Fusion, Patience};
use undertone_messages::{Message, Phase, SessionId, Speech};
use undertone_stage::JoinSessions;

/// From so many of an input's last segments follows when the next is due.
const REMEMBERED: usize = 20;
/// From so many on the slowest of them may be an accident.
const ENOUGH: usize = 5;
/// When a segment is due of an input that has closed none yet, and the latest that any is due.
const LATEST: Duration = Duration::from_secs(10);
/// The earliest that one is due. Where ends are worked ahead most segments are closed at once, but not one whose end nobody
/// announced, since it grew too long or the audio broke off.
const EARLIEST: Duration = Duration::from_secs(2);
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
            Some(speech) if speech.phase == Phase::Final => {
                (Some(speech.segment), speech.end.saturating_sub(speech.start))
            }
            Some(_) => return,
            None => (None, 0),
        };
        self.ended.retain(|_, ended| !ended.done || now - ended.at < MEMORY);
        self.ended.insert((message.session.clone(), segment), Ended { at: now, samples, done: false });
    }

    /// Takes note that an input has closed a segment.
    pub(crate) fn closed(&mut self, session: &SessionId, segment: u64, input: &str, now: Instant) {
        // An input that is there before the ledger says nothing of how late it may be.
        let Some(ended) = self.ended.get(&(session.clone(), Some(segment))) else { return };
        let delays = self.delays.entry(input.to_owned()).or_default();
        delays.push_back(Delay { time: now - ended.at, samples: ended.samples });
        if delays.len() > REMEMBERED {
            delays.pop_front();
        }
    }

    /// Takes note of a result, or of the end of a session's results.
    pub(crate) fn done(&mut self, session: &SessionId, segment: Option<u64>, now: Instant) {
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
                // An end takes no work.
                let due = segment.map_or(Duration::ZERO, |_| self.due(input, ended.samples));
                let time = due + self.patience(input)?;
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

    /// How long behind a segment's end an input usually closes it: as long as it took at the most of late, but for once, and
    /// longer for a segment that is longer than all of those.
    fn due(&self, input: &str, samples: u64) -> Duration {
        let delays = || self.delays.get(input).into_iter().flatten();
        let mut times: Vec<Duration> = delays().map(|delay| delay.time).collect();
        times.sort_unstable();
        // One that stood still for once does not make it usual.
        if times.len() >= ENOUGH {
            times.pop();
        }
        let Some(slowest) = times.last() else { return LATEST };
        let longest = delays().map(|delay| delay.samples).max().unwrap_or(0).max(1);
        let longer = (samples as f64 / longest as f64).max(1.0);
        Duration::try_from_secs_f64(slowest.as_secs_f64() * longer).unwrap_or(LATEST).clamp(EARLIEST, LATEST)
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
        bench.close(segment, 3_000);
        assert_eq!(bench.next(3_000), Some((Some(segment), 400)), "3 s and 400 ms, of which 3 s are over");
        bench.close(segment, 20_000);
        assert_eq!(bench.next(3_000), Some((Some(segment), 7_400)), "10 s at the most");
        for _ in 0..REMEMBERED {
            bench.close(segment, 100);
        }
        bench.close(segment, 9_000);
        assert_eq!(bench.next(1_000), Some((Some(segment), 1_400)), "2 s at the least");
        bench.close(segment + 1, 9_000);
        assert_eq!(bench.next(1_000), Some((Some(segment), 1_400)), "nobody knows when that ended");
    }

    #[test]
    fn a_segment_that_is_longer_than_all_may_take_longer_but_not_for_ever() {
        for (samples, expected) in [(1_600, 3_400), (160_000, 3_400), (320_000, 6_400), (16_000_000, 10_400)]
        {
            let mut bench = Bench::new();
            let delay = |ms, samples| Delay { time: ms * MS, samples };
            bench.waiting.delays.insert("text".into(), [delay(3_000, 16_000), delay(2_500, 160_000)].into());
            let segment = bench.end(samples, 0);
            assert_eq!(bench.next(0), Some((Some(segment), expected)), "{samples} samples");
        }
    }

    #[test]
    fn what_was_given_up_and_comes_late_is_learnt_from() {
        let mut bench = Bench::new();
        let segment = bench.end(16_000, 0);
        bench.waiting.done(&"a".into(), Some(segment), bench.begun + 500 * MS);
        bench.waiting.done(&"a".into(), None, bench.begun + 600 * MS);
        bench.close(segment, 4_000);
        assert_eq!(bench.waiting.due("text", 16_000), 4_000 * MS);
        assert_eq!(bench.waiting.ended.len(), 1);
        bench.begun += MEMORY;
        bench.end(16_000, 0);
        assert_eq!(bench.waiting.ended.len(), 1, "the first is forgotten");
    }

    #[test]
    fn the_end_of_an_input_is_waited_for_once_there_is_nothing_else() {
        let mut bench = Bench::new();
        bench.ledger(None, 1_000);
        assert_eq!(bench.next(1_100), Some((None, 300)));
        bench.waiting.done(&"a".into(), Some(7), bench.begun + 1_500 * MS);
        assert_eq!(bench.next(1_500), Some((None, 400)));
    }
}
