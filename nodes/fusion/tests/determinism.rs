//! The contract: what fusion sends on an output depends on what came in on each input, not on the order in which
//! messages of different inputs arrived. And it never hangs: when all inputs have ended or died, so have the outputs,
//! and every segment that was not cancelled has exactly one final result, in order.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it must be"
)]

mod streams;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use streams::{Sent, Step, apply, config, emotion, interleave, run, speech, text, transcript, voice};
use undertone_fusion::{Config, Fusion, Output};
use undertone_messages::{Message, Phase, Profile, Scope, SessionId, TranscriptStatus};
use undertone_stage::{Join, JoinSessions, Numbered};

const INPUTS: [&str; 5] = ["speech", "acoustic", "face", "text", "transcript"];
const BRANCHES: [&str; 4] = ["acoustic", "face", "text", "transcript"];

/// What is said, and how each branch deals with it.
#[derive(Clone, Debug)]
struct Utterance {
    silence: u64,
    length: u64,
    cancelled: bool,
    windows: usize,
    /// Each branch's probabilities, if it has an estimate.
    voice: Option<[f32; 3]>,
    face: Option<[f32; 3]>,
    text: Option<[f32; 3]>,
    rejected: bool,
}

/// A session, and the branches that die, each at some point of its stream.
#[derive(Clone, Debug)]
struct Script {
    /// The number of the first segment: not 0 in a part of a recording.
    first: u64,
    utterances: Vec<Utterance>,
    deaths: BTreeMap<&'static str, Index>,
}

fn probabilities() -> impl Strategy<Value = Option<[f32; 3]>> {
    let some = [0_u32..100, 0..100, 1..100].prop_map(|parts| {
        let sum = parts.iter().sum::<u32>() as f32;
        parts.map(|part| part as f32 / sum)
    });
    prop::option::weighted(0.8, some)
}

fn utterance() -> impl Strategy<Value = Utterance> {
    (
        (0_u64..3).prop_map(|seconds| seconds * 16_000),
        1_u64..50_000,
        prop::bool::weighted(0.25),
        0_usize..4,
        [probabilities(), probabilities(), probabilities()],
        prop::bool::weighted(0.2),
    )
        .prop_map(|(silence, length, cancelled, windows, [voice, face, text], rejected)| Utterance {
            silence,
            length,
            cancelled,
            windows,
            voice,
            face,
            text,
            rejected,
        })
}

fn script() -> impl Strategy<Value = Script> {
    let death = prop::option::weighted(0.2, any::<Index>());
    let deaths = [death.clone(), death.clone(), death.clone(), death];
    let first = prop_oneof![Just(0_u64), 1_u64..100];
    (first, prop::collection::vec(utterance(), 0..8), deaths).prop_map(|(first, utterances, deaths)| Script {
        first,
        utterances,
        deaths: BRANCHES
            .into_iter()
            .zip(deaths)
            .filter_map(|(branch, death)| Some((branch, death?)))
            .collect(),
    })
}

fn choices() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..1000, 200)
}

impl Script {
    /// What comes on each input if nobody dies.
    fn living(&self) -> BTreeMap<&'static str, Vec<Step>> {
        let mut streams: BTreeMap<_, Vec<Step>> = INPUTS.map(|input| (input, Vec::new())).into();
        let mut at = 0;
        for (number, utterance) in (self.first..).zip(&self.utterances) {
            if utterance.silence > 0 {
                at += utterance.silence;
                streams.get_mut("speech").unwrap().push(speech(Phase::Silence, number, at, at));
            }
            let end = at + utterance.length;
            for (input, steps) in utterance.steps(number, at, end) {
                streams.get_mut(input).unwrap().extend(steps);
            }
            at = end;
        }
        let silence = speech(Phase::Silence, self.first + self.utterances.len() as u64, at, at);
        streams.get_mut("speech").unwrap().push(silence);
        streams.values_mut().for_each(|steps| steps.push(Step::End));
        streams
    }

    fn streams(&self) -> BTreeMap<&'static str, Vec<Step>> {
        let mut streams = self.living();
        for (branch, death) in &self.deaths {
            let steps = streams.get_mut(branch).unwrap();
            steps.truncate(death.index(steps.len()));
            steps.push(Step::Lost);
        }
        streams
    }
}

impl Utterance {
    fn steps(&self, number: u64, start: u64, end: u64) -> Vec<(&'static str, Vec<Step>)> {
        let window = |modality: &str, probabilities: Option<[f32; 3]>| {
            let probabilities = probabilities.as_ref().map_or(&[][..], |p| p);
            let message = emotion(modality, Scope::Window, number, probabilities);
            vec![Step::Emotion(message); self.windows]
        };
        let mut ledger = vec![
            speech(Phase::Open, number, start, start + 1),
            speech(Phase::More, number, start, start + 1),
            speech(Phase::Tentative, number, start, end),
        ];
        let mut acoustic = window("voice", self.voice);
        let mut face = window("face", self.face);
        let mut words = vec![transcript(number, TranscriptStatus::Partial, "so"); self.windows];
        if self.cancelled {
            ledger.push(speech(Phase::Cancelled, number, start, start));
            return vec![("speech", ledger), ("acoustic", acoustic), ("face", face), ("transcript", words)];
        }
        ledger.push(speech(Phase::Final, number, start, end));
        let slice = |probabilities: &Option<[f32; 3]>| probabilities.map_or(Vec::new(), |p| p.to_vec());
        acoustic.push(voice(number, &slice(&self.voice)));
        face.push(Step::Emotion(emotion("face", Scope::Segment, number, &slice(&self.face))));
        let status = if self.rejected { TranscriptStatus::Rejected } else { TranscriptStatus::Final };
        words.push(transcript(number, status, "so it goes"));
        let text = vec![text(number, &slice(&self.text))];
        vec![
            ("speech", ledger),
            ("acoustic", acoustic),
            ("face", face),
            ("transcript", words),
            ("text", text),
        ]
    }
}

fn everything() -> Config {
    config(&INPUTS, &["--weight", "face=0.2"])
}

/// Whether a branch lives to close a segment, and how, by looking at its stream alone.
fn closing(steps: &[Step], segment: u64) -> Option<&Step> {
    steps.iter().find(|step| match step {
        Step::Emotion(emotion) => emotion.segment == segment && emotion.scope == Scope::Segment,
        Step::Transcript(transcript) => {
            transcript.segment == segment && transcript.status != TranscriptStatus::Partial
        }
        _ => false,
    })
}

fn estimate(steps: &[Step], segment: u64) -> Option<Vec<f32>> {
    match closing(steps, segment)? {
        Step::Emotion(emotion) if !emotion.labels.is_empty() => Some(emotion.probabilities.clone()),
        _ => None,
    }
}

/// Checks what was sent against the streams, by a plain account of each segment.
fn check(script: &Script, streams: &BTreeMap<&'static str, Vec<Step>>, sent: &Sent) {
    for (end, length) in [
        (sent.provisional.last().unwrap().is_none(), sent.provisional.iter().filter(|m| m.is_none()).count()),
        (sent.sentiment.last().unwrap().is_none(), sent.sentiment.iter().filter(|m| m.is_none()).count()),
        (sent.watermark.last().unwrap().is_none(), sent.watermark.iter().filter(|m| m.is_none()).count()),
    ] {
        assert!(end && length == 1, "each stream ends once, at its end");
    }
    let live: Vec<u64> = (script.first..)
        .zip(&script.utterances)
        .filter(|(_, said)| !said.cancelled)
        .map(|(number, _)| number)
        .collect();
    assert_eq!(sent.finals(), live);
    let provisional: Vec<u64> = sent.provisional.iter().flatten().map(|result| result.segment).collect();
    let voiced: Vec<u64> =
        live.iter().copied().filter(|n| estimate(&streams["acoustic"], *n).is_some()).collect();
    assert_eq!(provisional, voiced);
    for result in sent.sentiment.iter().flatten() {
        let number = result.segment;
        let words = closing(&streams["transcript"], number);
        let rejected =
            matches!(words, Some(Step::Transcript(words)) if words.status == TranscriptStatus::Rejected);
        let estimates = [
            (0.28, estimate(&streams["acoustic"], number)),
            (0.2, estimate(&streams["face"], number)),
            (0.52, estimate(&streams["text"], number).filter(|_| !rejected)),
        ];
        let total: f64 = estimates.iter().filter(|(_, estimate)| estimate.is_some()).map(|(w, _)| w).sum();
        for (label, probability) in result.probabilities.iter().enumerate() {
            let expected: f64 = estimates
                .iter()
                .filter_map(|(weight, estimate)| Some(weight / total * f64::from(estimate.as_ref()?[label])))
                .sum();
            assert!((f64::from(*probability) - expected).abs() < 1e-6, "{probability} for {expected}");
        }
        assert_eq!(result.labels.is_empty(), total == 0.0);
        assert_eq!(result.abstained, total == 0.0);
        let profile = match (estimates[0].1.is_some(), estimates[2].1.is_some()) {
            (true, true) => Profile::Both,
            (true, false) => Profile::AudioOnly,
            (false, true) => Profile::TextOnly,
            (false, false) => Profile::Neither,
        };
        assert_eq!(result.profile, profile);
        assert_eq!(result.text, if words.is_some() && !rejected { "so it goes" } else { "" });
        let dead =
            ["acoustic", "face", "text"].iter().filter(|input| closing(&streams[**input], number).is_none());
        let early = result.contributions.iter().filter(|piece| piece.reason.ends_with("ended early"));
        assert_eq!(early.count(), dead.count());
    }
    let mut marks = Vec::new();
    for step in &streams["speech"] {
        match step {
            Step::Speech(speech) if matches!(speech.phase, Phase::Silence | Phase::Final) => {
                marks.push(speech.end)
            }
            _ => {}
        }
    }
    marks.dedup();
    marks.retain(|mark| *mark > 0);
    assert_eq!(sent.watermark.iter().flatten().copied().collect::<Vec<_>>(), marks);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_order_across_inputs_does_not_matter(script in script(), choices in choices()) {
        let streams = script.streams();
        let config = everything();
        let sent = run(&config, interleave(&streams, choices)).unwrap();
        check(&script, &streams, &sent);
        // One stream after the other, the ledger first and last.
        let mut order = interleave(&streams, []);
        order.sort_by_key(|(input, _)| *input != "speech");
        prop_assert_eq!(&run(&config, order.clone()).unwrap(), &sent);
        order.sort_by_key(|(input, _)| *input == "speech");
        prop_assert_eq!(&run(&config, order).unwrap(), &sent);
    }

    #[test]
    fn entropy_and_pooling_do_not_depend_on_the_order_either(
        script in script(),
        choices in choices(),
        pooling in prop::sample::select(vec!["mean", "max"]),
    ) {
        let streams = script.streams();
        let words = ["--weight", "face=0.2", "--weighting", "entropy", "--pooling", pooling];
        let config = config(&INPUTS, &words);
        let sent = run(&config, interleave(&streams, choices)).unwrap();
        prop_assert_eq!(run(&config, interleave(&streams, [])).unwrap(), sent);
    }

    #[test]
    fn a_result_goes_out_as_soon_as_all_branches_have_closed_its_segment(script in script(), choices in choices()) {
        let streams = script.streams();
        let mut fusion = Fusion::begin(&everything());
        let mut output = Vec::new();
        let mut fed: BTreeMap<&str, Vec<Step>> = BTreeMap::new();
        for (input, step) in interleave(&streams, choices) {
            apply(&mut fusion, input, step.clone(), &mut output).unwrap();
            fed.entry(input).or_default().push(step);
            let steps = |input: &str| fed.get(input).map_or(&[][..], Vec::as_slice);
            let ended = steps("speech").iter().filter_map(|step| match step {
                Step::Speech(speech) if speech.phase == Phase::Final => Some(speech.segment),
                _ => None,
            });
            let over = |branch: &str| matches!(steps(branch).last(), Some(Step::Lost));
            let closed = |branch: &&str, number| closing(steps(branch), number).is_some() || over(branch);
            let complete: Vec<u64> =
                ended.take_while(|number| BRANCHES.iter().all(|branch| closed(branch, *number))).collect();
            prop_assert_eq!(Sent::new(output.clone()).finals(), complete);
        }
        prop_assert!(fusion.is_done());
    }

    #[test]
    fn sessions_side_by_side_are_as_each_alone(
        scripts in prop::collection::vec(script(), 1..4),
        choices in prop::collection::vec(0_usize..1000, 400),
        death in prop::option::of((prop::sample::select(BRANCHES.to_vec()), any::<Index>())),
    ) {
        let mut alone: Vec<_> = scripts.iter().map(Script::living).collect();
        // The order of sessions within an input, then of inputs: two draws.
        let mut merged: BTreeMap<&str, Vec<(usize, Step)>> = BTreeMap::new();
        for input in INPUTS {
            let names = ["0", "1", "2"];
            let own = (0..alone.len()).map(|session| (names[session], alone[session][input].clone())).collect();
            let order = interleave(&own, choices.iter().copied().skip(7));
            merged.insert(input, order.into_iter().map(|(name, step)| (name.parse().unwrap(), step)).collect());
        }
        if let Some((branch, at)) = &death {
            let steps = merged.get_mut(branch).unwrap();
            steps.truncate(at.index(steps.len()));
            for (session, streams) in alone.iter_mut().enumerate() {
                let kept = steps.iter().filter(|(of, _)| *of == session).map(|(_, step)| step.clone());
                let mut kept: Vec<_> = kept.collect();
                if !matches!(kept.last(), Some(Step::End)) {
                    kept.push(Step::Lost);
                }
                streams.insert(branch, kept);
            }
        }
        let config = everything();
        let mut sessions = JoinSessions::new(config.clone());
        let mut sent: BTreeMap<SessionId, Vec<Numbered<Output>>> = BTreeMap::new();
        let mut left: Vec<_> = merged.iter().map(|(input, steps)| (*input, steps.iter())).collect();
        let mut choices = choices.iter();
        while !left.is_empty() {
            let index = choices.next().unwrap_or(&0) % left.len();
            let (input, steps) = &mut left[index];
            let messages = match steps.next() {
                Some((session, step)) => deliver(&mut sessions, input, *session, step.clone()),
                // The edge closes when the sender is gone, whether it ended or died.
                None => {
                    let (input, _) = left.remove(index);
                    sessions.close(input).unwrap()
                }
            };
            for message in messages {
                sent.entry(message.session.clone()).or_default().push(message);
            }
        }
        prop_assert!(sessions.is_idle());
        for (session, streams) in alone.iter().enumerate() {
            let expected = run(&config, interleave(streams, [])).unwrap();
            let messages = sent.remove(&*session.to_string()).unwrap();
            prop_assert_eq!(unnumber(messages), expected);
        }
    }
}

fn deliver(
    sessions: &mut JoinSessions<Fusion>,
    input: &str,
    session: usize,
    step: Step,
) -> Vec<Numbered<Output>> {
    let body = Some(step).filter(|step| !matches!(step, Step::End));
    let message = Message { session: session.to_string().into(), seq: 0, body };
    sessions.push(input, message, |fusion, step, output| streams::apply(fusion, input, step, output)).unwrap()
}

/// The bodies, after a check that each output's numbers have no holes.
fn unnumber(messages: Vec<Numbered<Output>>) -> Sent {
    let mut next = [0; 3];
    for Numbered { seq, output, .. } in &messages {
        let output = match output {
            Output::Provisional(_) => 0,
            Output::Sentiment(_) => 1,
            Output::Watermark(_) => 2,
        };
        assert_eq!(*seq, next[output]);
        next[output] += 1;
    }
    Sent::new(messages.into_iter().map(|message| message.output).collect())
}
