//! The contract of the stage: what goes out depends on what came in on each input, not on how the samples were cut into
//! messages, nor on which input's message came first.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

use clap::Parser;
use proptest::prelude::*;
use undertone_messages::{
    Features, Message, Phase, Scope, Speech, Statistics, Transcript, TranscriptStatus, Word,
};
use undertone_prosody::{Arguments, COLUMNS, Config, Output, Prosody, ProsodyError, SPEECH, TRANSCRIPT};
use undertone_stage::{JoinSessions, Numbered, SessionError};

fn config(line: &str) -> Config {
    let words = std::iter::once("prosody").chain(line.split_whitespace());
    Config::new(&Arguments::try_parse_from(words).unwrap()).unwrap()
}

/// Something like speech: voiced and unvoiced stretches and pauses of 100 to 300 ms, different for each seed.
fn speech(length: usize, mut seed: u32) -> Vec<f32> {
    let mut random = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / (1 << 24) as f32
    };
    let mut samples = Vec::new();
    let mut phase = 0.0_f32;
    while samples.len() < length {
        let (kind, f0, duration) = (random(), 80.0 + 300.0 * random(), 1_600 + (3_200.0 * random()) as usize);
        for _ in 0..duration {
            phase = (phase + f0 / 16_000.0).fract();
            samples.push(match kind {
                kind if kind < 0.6 => 0.3 * (-6.0 * phase).exp() - 0.05 + 0.01 * random(),
                kind if kind < 0.8 => 0.2 * (random() - 0.5),
                _ => 0.0,
            });
        }
    }
    samples.truncate(length);
    samples
}

/// A segment from `start` on, its samples cut into pieces of these lengths again and again, that ends `cut` samples
/// before its samples do.
fn segment(
    number: u64,
    start: u64,
    samples: &[f32],
    lengths: &[usize],
    cut: u64,
    phase: Phase,
) -> Vec<Speech> {
    let mut messages = Vec::new();
    let mut rest = samples;
    for length in lengths.iter().cycle() {
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        rest = after;
        let end = start + (samples.len() - rest.len()) as u64;
        let phase = if messages.is_empty() { Phase::Open } else { Phase::More };
        messages.push(Speech {
            segment: number,
            start,
            end,
            phase,
            samples: piece.to_vec().into(),
            probability: 1.0,
        });
        if rest.is_empty() {
            break;
        }
    }
    let end = start + samples.len() as u64 - cut;
    messages.push(Speech { segment: number, start, end, phase, samples: vec![].into(), probability: 1.0 });
    messages
}

fn transcript(segment: u64, status: TranscriptStatus) -> Transcript {
    let word = |n: u64| Word {
        text: "fellow".to_owned(),
        start: n * 4_000,
        end: n * 4_000 + 3_000,
        probability: 0.9,
    };
    Transcript {
        segment,
        start: 0,
        end: 16_000,
        text: "fellow fellow".to_owned(),
        words: vec![word(0), word(1)],
        stable: 2,
        average_log_probability: -0.1,
        no_speech_probability: 0.0,
        language: "en".to_owned(),
        status,
        reason: if status == TranscriptStatus::Rejected { "a loop".to_owned() } else { String::new() },
        model: "m@0".to_owned(),
        degraded: String::new(),
    }
}

fn numbered<B>(bodies: impl IntoIterator<Item = B>) -> Vec<Message<B>> {
    let bodies = bodies.into_iter().map(Some).chain([None]).enumerate();
    bodies.map(|(seq, body)| Message { session: "s".into(), seq: seq as u64, body }).collect()
}

type Steps = Result<Vec<Numbered<Output>>, SessionError<ProsodyError>>;

fn hear(sessions: &mut JoinSessions<Prosody>, message: &Message<Speech>) -> Steps {
    sessions.push(SPEECH, message.clone(), |prosody, speech, output| prosody.speech(&speech, output))
}

fn read(sessions: &mut JoinSessions<Prosody>, message: &Message<Transcript>) -> Steps {
    sessions.push(TRANSCRIPT, message.clone(), |prosody, words, output| prosody.transcript(&words, output))
}

/// What went out, by output.
#[derive(Default)]
struct Sent {
    features: Vec<Message<Features>>,
    statistics: Vec<Message<Statistics>>,
}

impl Sent {
    fn add(&mut self, messages: Vec<Numbered<Output>>) {
        for Numbered { session, seq, output } in messages {
            match output {
                Output::Features(body) => self.features.push(Message { session, seq, body }),
                Output::Statistics(body) => self.statistics.push(Message { session, seq, body }),
            }
        }
    }

    fn rows(&self) -> Vec<u32> {
        let bodies = self.features.iter().filter_map(|message| message.body.as_ref());
        bodies.flat_map(|features| features.values.iter().map(|value| value.to_bits())).collect()
    }

    /// All of the statistics, floats by their bits.
    fn statistics(&self) -> Vec<(u64, String, Vec<u32>)> {
        self.statistics
            .iter()
            .map(|message| {
                let values =
                    message.body.iter().flat_map(|body| body.values.iter().map(|value| value.to_bits()));
                let about = message.body.as_ref().map(|body| {
                    (body.segment, body.start, body.end, body.scope, body.names.clone(), body.reason.clone())
                });
                (message.seq, format!("{about:?}"), values.collect())
            })
            .collect()
    }

    fn bodies(&self) -> Vec<&Statistics> {
        self.statistics.iter().filter_map(|message| message.body.as_ref()).collect()
    }
}

fn run(config: Config, speech: &[Speech]) -> Sent {
    let (mut sessions, mut sent) = (JoinSessions::new((config, false)), Sent::default());
    for message in numbered(speech.to_vec()) {
        sent.add(hear(&mut sessions, &message).unwrap());
    }
    sent
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn cutting_does_not_matter(
        seed: u32,
        length in 1_usize..40_000,
        cut in 0_u64..8_000,
        lengths in prop::collection::vec(1_usize..9_000, 1..6),
        lag in 5_u32..40,
        every in prop::sample::select(vec![100, 330, 500]),
    ) {
        let config = config(&format!("--lag-ms {} --every-ms {every} --window-ms 1000", lag * 10));
        let samples = speech(length, seed);
        let cut = cut.min(length as u64);
        let whole = run(config, &segment(0, 1_000, &samples, &[length], cut, Phase::Final));
        let pieces = run(config, &segment(0, 1_000, &samples, &lengths, cut, Phase::Final));
        prop_assert_eq!(whole.rows(), pieces.rows());
        prop_assert_eq!(whole.statistics(), pieces.statistics());
        prop_assert_eq!(whole.rows().len() / COLUMNS.len(), if length < 1_024 { 0 } else { 1 + (length - 1_024) / 160 });
    }

    /// Three segments, the second cancelled, the last without words, with the two inputs in any order.
    #[test]
    fn the_order_of_arrival_does_not_matter(first in prop::collection::vec(any::<bool>(), 40)) {
        let mut messages = segment(0, 0, &speech(20_000, 1), &[4_000], 0, Phase::Final);
        messages.extend(segment(1, 30_000, &speech(12_000, 2), &[4_000], 0, Phase::Cancelled));
        messages.extend(segment(2, 50_000, &speech(20_000, 3), &[4_000], 2_000, Phase::Final));
        let messages = numbered(messages);
        let transcripts = numbered([
            transcript(0, TranscriptStatus::Partial),
            transcript(0, TranscriptStatus::Final),
            transcript(2, TranscriptStatus::Rejected),
        ]);
        let arrive = |order: &[bool]| {
            let (mut sessions, mut sent) = (JoinSessions::new((config(""), true)), Sent::default());
            let (mut speech, mut words) = (messages.iter(), transcripts.iter());
            for speech_first in order.iter().chain(&[true; 40]) {
                let next = if *speech_first { speech.next() } else { None };
                match next {
                    Some(message) => sent.add(hear(&mut sessions, message).unwrap()),
                    None => words.next().into_iter().for_each(|m| sent.add(read(&mut sessions, m).unwrap())),
                }
            }
            speech.for_each(|message| sent.add(hear(&mut sessions, message).unwrap()));
            words.for_each(|message| sent.add(read(&mut sessions, message).unwrap()));
            assert!(sessions.unfinished(SPEECH).next().is_none());
            sent
        };
        let (any, plain) = (arrive(&first), arrive(&[]));
        prop_assert_eq!(any.rows(), plain.rows());
        prop_assert_eq!(any.statistics(), plain.statistics());
    }
}

#[test]
fn each_segment_that_ends_has_one_summary_in_order() {
    let mut messages = segment(0, 0, &speech(20_000, 1), &[4_000], 0, Phase::Final);
    messages.extend(segment(1, 30_000, &speech(12_000, 2), &[4_000], 0, Phase::Cancelled));
    messages.extend(segment(2, 50_000, &speech(30_000, 3), &[4_000], 0, Phase::Final));
    let sent = run(config("--every-ms 500"), &messages);
    assert_eq!(sent.features.len(), messages.len() + 1);
    assert!(sent.features.iter().zip(0..).all(|(message, seq)| message.seq == seq));
    let of = |scope| sent.bodies().into_iter().filter(move |body| body.scope == scope);
    let summaries: Vec<_> = of(Scope::Segment).map(|body| (body.segment, body.start, body.end)).collect();
    assert_eq!(summaries, [(0, 0, 20_000), (2, 50_000, 80_000)]);
    // Windows are behind by the lag, and none is sent of what the end decides.
    let windows: Vec<_> = of(Scope::Window).map(|body| (body.segment, body.start, body.end)).collect();
    let expected = [
        (0, 0, 8_000),
        (0, 0, 16_000),
        (1, 30_000, 38_000),
        (2, 50_000, 58_000),
        (2, 50_000, 66_000),
        (2, 50_000, 74_000),
    ];
    assert_eq!(windows, expected);
}

#[test]
fn a_window_knows_nothing_of_what_is_before_it() {
    let mut samples = speech(16_000, 1);
    let tail = speech(16_000, 5);
    samples.extend(&tail);
    let sent =
        run(config("--window-ms 1000 --every-ms 500"), &segment(0, 0, &samples, &[4_000], 0, Phase::Final));
    let other = run(
        config("--window-ms 1000 --every-ms 500"),
        &segment(0, 0, &[vec![0.0; 16_000], tail].concat(), &[4_000], 0, Phase::Final),
    );
    let energy = |sent: &Sent, end| {
        let bodies = sent.bodies();
        let window = bodies.iter().find(|body| body.scope == Scope::Window && body.end == end).unwrap();
        (window.start, window.value("energy_mean").unwrap(), window.value("session_energy_mean").unwrap())
    };
    let (one, two) = (energy(&sent, 24_000), energy(&other, 24_000));
    assert_eq!((one.0, two.0), (8_000, 8_000));
    assert_ne!(one.1, two.1);
    let last = |sent: &Sent| sent.bodies().last().unwrap().value("energy_p80");
    assert!(last(&sent).is_some());
    // What was before is not in the window, and is in the session.
    let behind = |sent: &Sent| energy(sent, 16_000).2;
    assert_ne!(behind(&sent), behind(&other));
}

#[test]
fn the_running_values_of_the_session_are_those_of_all_its_segments() {
    let (one, two) = (speech(24_000, 1), speech(24_000, 2));
    let mut messages = segment(0, 0, &one, &[4_000], 0, Phase::Final);
    messages.extend(segment(1, 30_000, &speech(24_000, 9), &[4_000], 0, Phase::Cancelled));
    messages.extend(segment(2, 60_000, &two, &[4_000], 0, Phase::Final));
    let sent = run(config(""), &messages);
    let rows = sent.rows();
    let f0: Vec<f64> = rows.chunks(COLUMNS.len()).map(|row| f64::from(f32::from_bits(row[0]))).collect();
    // Rows of the cancelled segment are those that were sent before it was cancelled.
    let frames = 1 + (24_000 - 1_024) / 160;
    let voiced: Vec<f64> =
        f0[..frames].iter().chain(&f0[f0.len() - frames..]).copied().filter(|f0| *f0 > 0.0).collect();
    let mean = voiced.iter().sum::<f64>() / voiced.len() as f64;
    let deviation = (voiced.iter().map(|f0| (f0 - mean).powi(2)).sum::<f64>() / voiced.len() as f64).sqrt();
    let last = *sent.bodies().last().unwrap();
    assert!((f64::from(last.value("session_f0_mean").unwrap()) - mean).abs() < 1e-3);
    assert!((f64::from(last.value("session_f0_deviation").unwrap()) - deviation).abs() < 1e-3);
}

#[test]
fn the_speaking_rate_comes_with_the_transcript_and_its_absence_with_a_reason() {
    let mut sessions = JoinSessions::new((config(""), true));
    let mut sent = Sent::default();
    let mut messages = segment(0, 0, &speech(16_000, 1), &[16_000], 0, Phase::Final);
    messages.extend(segment(1, 20_000, &speech(16_000, 1), &[16_000], 0, Phase::Final));
    messages.extend(segment(2, 40_000, &speech(16_000, 1), &[16_000], 0, Phase::Final));
    for message in numbered(messages) {
        sent.add(hear(&mut sessions, &message).unwrap());
    }
    let summaries = |sent: &Sent| sent.bodies().iter().filter(|body| body.scope == Scope::Segment).count();
    assert_eq!(summaries(&sent), 0, "nothing goes out before its transcript, or before what was earlier");
    let [first, second, ..] =
        &numbered([transcript(0, TranscriptStatus::Final), transcript(1, TranscriptStatus::Rejected)])[..]
    else {
        unreachable!()
    };
    sent.add(read(&mut sessions, first).unwrap());
    assert_eq!(summaries(&sent), 1);
    sent.add(read(&mut sessions, second).unwrap());
    sent.add(sessions.close(TRANSCRIPT).unwrap());
    let bodies: Vec<_> = sent.bodies().into_iter().filter(|body| body.scope == Scope::Segment).collect();
    let rates: Vec<_> = bodies
        .iter()
        .map(|body| (body.value("words_per_second"), body.value("syllables_per_second")))
        .collect();
    // Two words of two syllables each in 7,000 samples.
    let rate = 2.0 / (7_000.0 / 16_000.0);
    assert_eq!(rates, [(Some(rate), Some(2.0 * rate)), (None, None), (None, None)]);
    let session = |name| bodies.iter().map(|body| body.value(name)).collect::<Vec<_>>();
    // Of the only segment that has a rate.
    assert_eq!(session("session_words_per_second_mean"), [Some(rate); 3]);
    assert_eq!(session("session_syllables_per_second_deviation"), [Some(0.0); 3]);
    let reasons: Vec<_> = bodies.iter().map(|body| body.reason.as_str()).collect();
    assert_eq!(reasons, ["", "the transcript was rejected: a loop", "input `transcript` ended early"]);
    assert!(sent.statistics.last().unwrap().body.is_none(), "the stream has ended");
    assert!(sessions.unfinished(SPEECH).next().is_none());
}

#[test]
fn inputs_that_contradict_each_other_are_refused() {
    let final_of = |number| segment(number, 0, &speech(4_000, 1), &[4_000], 0, Phase::Final);
    let error = |speech: Vec<Speech>, words: Vec<Transcript>| {
        let mut sessions = JoinSessions::new((config(""), true));
        let run = || {
            numbered(speech).iter().try_for_each(|message| hear(&mut sessions, message).map(drop))?;
            numbered(words).iter().try_for_each(|message| read(&mut sessions, message).map(drop))
        };
        run().unwrap_err().to_string()
    };
    let done = |segment| transcript(segment, TranscriptStatus::Final);
    assert!(error(final_of(0), vec![]).contains("no closing message for segment 0"));
    assert!(error(final_of(0), vec![done(1)]).contains("no closing message for segment 0"));
    assert!(error(final_of(0), vec![done(0), done(0)]).contains("session `s`"));
    assert!(error(final_of(0), vec![done(0), done(1)]).contains("segment 1 that `speech` has not"));
    let mut open = final_of(3);
    open.pop();
    assert!(error(open.clone(), vec![]).contains("ended inside segment 3"));
    open[0].phase = Phase::More;
    assert!(error(open, vec![]).contains("no segment is open"));
    let mut hole = segment(0, 0, &speech(4_000, 1), &[2_000], 0, Phase::Final);
    hole.remove(1);
    hole[1].end = 4_000;
    hole[1].samples = vec![0.0; 1_000].into();
    assert!(error(hole, vec![]).contains("samples 3000..4000"));
}
