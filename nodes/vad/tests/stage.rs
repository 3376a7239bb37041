//! The stage with the detectors that need no model: chunking, gaps, bad audio, changes at run time.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use clap::Parser;
use proptest::prelude::*;
use undertone_messages::{AudioFrame, Phase, ScalarBuffer, SessionId, Speech};
use undertone_stage::{Factory, Stage};
use undertone_vad::{Arguments, Vad, VadFactory};

fn arguments(line: &str) -> Arguments {
    Arguments::try_parse_from(std::iter::once("vad").chain(line.split_whitespace())).expect("valid arguments")
}

fn session(line: &str) -> (VadFactory, Vad) {
    let arguments = arguments(line);
    let mut factory = VadFactory::load(&arguments).expect("a detector without a model");
    let stage = factory.create(&arguments, &SessionId::from("session")).expect("a session");
    (factory, stage)
}

fn audio(start: u64, samples: &[f32]) -> AudioFrame {
    AudioFrame { start, sample_rate: 16_000, samples: ScalarBuffer::from(samples.to_vec()), gap: 0 }
}

/// All the messages for samples that arrive in chunks of the given lengths, over and over.
fn hear(line: &str, samples: &[f32], chunks: &[usize]) -> Vec<Speech> {
    hear_from(0, line, samples, chunks)
}

/// The same in a session that begins at sample `first`.
fn hear_from(first: u64, line: &str, samples: &[f32], chunks: &[usize]) -> Vec<Speech> {
    let (_, mut stage) = session(line);
    let mut output = Vec::new();
    let (mut start, mut lengths) = (0, chunks.iter().cycle());
    while start < samples.len() {
        let end = samples.len().min(start + lengths.next().expect("a chunk length"));
        stage.push(audio(first + start as u64, &samples[start..end]), &mut output).expect("good audio");
        start = end;
    }
    stage.finish(&mut output).expect("an end");
    output
}

/// A hum with harmonics under a syllabic envelope, which both detectors take for speech, between stretches of faint
/// noise. Lengths are in tenths of a second.
fn utterances(lengths: &[(usize, usize)]) -> Vec<f32> {
    let mut samples = Vec::new();
    let mut noise = 1_u32;
    for &(silence, speech) in lengths {
        for n in 0..(silence + speech) * 1600 {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut sample = (noise as f32 / u32::MAX as f32 - 0.5) * 0.002;
            if n >= silence * 1600 {
                let time = n as f32 / 16_000.0;
                let envelope = 0.6 + 0.4 * (time * 4.0 * std::f32::consts::TAU).sin();
                let harmonics =
                    (1..12).map(|k| (time * 140.0 * k as f32 * std::f32::consts::TAU).sin() / k as f32);
                sample += 0.1 * envelope * harmonics.sum::<f32>();
            }
            samples.push(sample);
        }
    }
    samples
}

fn finals(messages: &[Speech]) -> Vec<(u64, u64)> {
    let last = messages.iter().filter(|message| message.phase == Phase::Final);
    last.map(|message| (message.start, message.end)).collect()
}

const DETECTORS: [&str; 2] = ["--detector energy", "--detector webrtc"];

#[test]
fn utterances_are_found_with_their_pre_roll_and_post_roll() {
    // Speech from 1 s to 2.5 s and from 4.5 s to 5.5 s.
    let samples = utterances(&[(10, 15), (20, 10), (15, 0)]);
    for detector in DETECTORS {
        let found = finals(&hear(detector, &samples, &[1024]));
        assert_eq!(found.len(), 2, "{detector}: {found:?}");
        for ((start, end), (onset, offset)) in found.into_iter().zip([(16_000, 40_000), (72_000, 88_000)]) {
            let pre_roll = onset as i64 - start as i64;
            assert!(
                (4_000..=4_800 + 480).contains(&pre_roll),
                "{detector}: {pre_roll} samples before the onset"
            );
            let behind = end as i64 - offset as i64;
            assert!((1_000..=6_000).contains(&behind), "{detector}: {behind} samples behind the end");
        }
    }
}

#[test]
fn the_same_audio_gives_the_same_messages_in_any_chunks() {
    let samples = utterances(&[(10, 15), (20, 10), (7, 3)]);
    for detector in DETECTORS {
        let expected = hear(detector, &samples, &[usize::MAX / 2]);
        assert_eq!(finals(&expected).len(), 3, "{detector}");
        for chunk in [1, 160, 512, 1024, 4000] {
            assert_eq!(hear(detector, &samples, &[chunk]), expected, "{detector} in chunks of {chunk}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_audio_in_random_chunks_gives_the_same_messages(
        lengths in prop::collection::vec((0..12_usize, 0..8_usize), 1..5),
        cut in 0..1600_usize,
        chunks in prop::collection::vec(1..5000_usize, 1..20),
    ) {
        let mut samples = utterances(&lengths);
        samples.truncate(samples.len().saturating_sub(cut));
        for detector in DETECTORS {
            prop_assert_eq!(hear(detector, &samples, &chunks), hear(detector, &samples, &[512]));
        }
    }
}

#[test]
fn a_session_may_begin_anywhere() {
    // The first begins in the middle of a word, so that a pre-roll would reach before the session if it could.
    for lengths in [&[(0, 8), (20, 10), (15, 0)], &[(10, 15), (20, 10), (30, 0)]] {
        let samples = utterances(lengths);
        for detector in DETECTORS {
            let expected: Vec<Speech> = hear(detector, &samples, &[1024])
                .into_iter()
                .map(|speech| Speech { start: speech.start + 480_001, end: speech.end + 480_001, ..speech })
                .collect();
            assert_eq!(hear_from(480_001, detector, &samples, &[1024]), expected, "{detector}");
            assert!(expected.iter().all(|speech| speech.start >= 480_001));
        }
    }
}

#[test]
fn a_session_may_begin_with_a_gap() {
    let (_, mut stage) = session("--detector energy");
    let mut output = Vec::new();
    let lost = AudioFrame { gap: 1_000, ..audio(480_000, &[0.0; 1_600]) };
    stage.push(lost, &mut output).expect("a gap that is accounted for");
    stage.finish(&mut output).expect("an end");
    let silence: Vec<(Phase, u64)> = output.iter().map(|speech| (speech.phase, speech.end)).collect();
    assert_eq!(silence, [(Phase::Silence, 480_000), (Phase::Silence, 481_600)]);
}

#[test]
fn speech_is_open_before_it_is_over() {
    let samples = utterances(&[(10, 15)]);
    let (_, mut stage) = session("--detector energy");
    let mut output = Vec::new();
    stage.push(audio(0, &samples[..16_000 + 640]), &mut output).expect("good audio");
    assert_eq!(output.last().map(|message| message.phase), Some(Phase::Open), "after 40 ms of speech");
}

#[test]
fn the_end_of_the_audio_closes_the_segment_at_its_last_sample() {
    // 17,777 samples of speech are no whole number of frames.
    let samples = &utterances(&[(10, 20)])[..16_000 + 17_777];
    for detector in DETECTORS {
        let messages = hear(detector, samples, &[1024]);
        assert_eq!(finals(&messages).last().map(|(_, end)| *end), Some(samples.len() as u64), "{detector}");
        let last = messages.iter().rfind(|message| message.phase == Phase::Final).expect("it is closed");
        let own = messages.iter().filter(|message| message.segment == last.segment);
        let delivered: usize = own.map(|message| message.samples.len()).sum();
        assert_eq!(delivered as u64, last.end - last.start, "{detector}");
    }
}

/// What a stage says of the first samples, with what can say more.
fn begun(detector: &str, samples: &[f32]) -> (Vad, Vec<Speech>) {
    let (_, mut stage) = session(detector);
    let mut output = Vec::new();
    stage.push(audio(0, samples), &mut output).expect("good audio");
    (stage, output)
}

#[test]
fn a_gap_closes_the_segment_where_it_begins() {
    let samples = utterances(&[(10, 20)]);
    let (first, second) = samples.split_at(32_100);
    for detector in DETECTORS {
        let (mut stage, mut output) = begun(detector, first);
        let before = output.len();
        let lost = AudioFrame { gap: 5_000, ..audio(37_100, second) };
        stage.push(lost, &mut output).expect("a gap that is accounted for");
        stage.finish(&mut output).expect("an end");
        let found = finals(&output);
        assert_eq!(found.len(), 2, "{detector}: {found:?}");
        assert_eq!(found[0].1, 32_100, "{detector}");
        assert_eq!(found[1], (37_100, 37_100 + second.len() as u64), "{detector}: no pre-roll into the gap");
        let watermark = output[before..].iter().find(|message| message.end == 37_100);
        assert_eq!(watermark.map(|message| message.phase), Some(Phase::Silence), "{detector}");
    }
}

#[test]
fn a_gap_that_is_told_in_two_closes_the_segment_at_once() {
    let samples = utterances(&[(10, 20)]);
    let (first, second) = samples.split_at(32_100);
    for detector in DETECTORS {
        let (mut stage, mut output) = begun(detector, first);
        stage
            .push(AudioFrame { gap: 3_000, ..audio(35_100, &[]) }, &mut output)
            .expect("a gap without audio");
        assert_eq!(finals(&output).len(), 1, "{detector}");
        stage.push(AudioFrame { gap: 2_000, ..audio(37_100, second) }, &mut output).expect("the rest of it");
        stage.finish(&mut output).expect("an end");
        let ends: Vec<u64> = finals(&output).iter().map(|found| found.1).collect();
        assert_eq!(ends, [32_100, 37_100 + second.len() as u64], "{detector}");
    }
}

#[test]
fn a_gap_resets_the_detector() {
    // What follows a gap sounds as at the beginning of a session, whatever was before.
    let samples = utterances(&[(3, 9), (20, 10), (15, 0)]);
    for detector in DETECTORS {
        let expected = hear(detector, &samples, &[1024]);
        let (_, mut stage) = session(detector);
        let mut output = Vec::new();
        stage.push(audio(0, &[0.7; 30_000]), &mut output).expect("good audio");
        stage.push(AudioFrame { gap: 1_000, ..audio(31_000, &samples) }, &mut output).expect("a gap");
        stage.finish(&mut output).expect("an end");
        let moved = |messages: &[Speech]| -> Vec<(u64, f32)> {
            let last = messages.iter().filter(|message| message.phase == Phase::Final);
            last.map(|message| (message.end, message.probability)).collect()
        };
        output.retain(|message| message.start >= 31_000);
        let expected: Vec<_> = moved(&expected).into_iter().map(|(end, p)| (end + 31_000, p)).collect();
        assert_eq!(moved(&output), expected, "{detector}");
    }
}

#[test]
fn no_audio_is_no_message() {
    let (_, mut stage) = session("--detector energy");
    let mut output = Vec::new();
    stage.push(audio(0, &[]), &mut output).expect("an empty frame");
    stage.finish(&mut output).expect("an end");
    assert_eq!(output, []);
}

fn error(frames: &[AudioFrame]) -> String {
    let (_, mut stage) = session("--detector energy");
    let mut output = Vec::new();
    let result = frames.iter().try_for_each(|frame| stage.push(frame.clone(), &mut output));
    result.expect_err("bad audio").to_string()
}

#[test]
fn another_rate_is_an_error_that_says_what_to_do() {
    let text = error(&[AudioFrame { sample_rate: 44_100, ..audio(0, &[0.0; 10]) }]);
    assert!(text.contains("44100 Hz") && text.contains("16000 Hz") && text.contains("resample"), "{text}");
}

#[test]
fn audio_that_does_not_follow_is_an_error_that_names_both() {
    let hole = error(&[audio(0, &[0.0; 700]), audio(800, &[0.0; 700])]);
    assert!(hole.contains("700") && hole.contains("800"), "{hole}");
    let again = error(&[audio(0, &[0.0; 700]), audio(0, &[0.0; 700])]);
    assert!(again.contains("starts at sample 0") && again.contains("700"), "{again}");
    let wrong_gap = error(&[audio(0, &[0.0; 700]), AudioFrame { gap: 99, ..audio(800, &[0.0; 700]) }]);
    assert!(wrong_gap.contains("799") && wrong_gap.contains("800"), "{wrong_gap}");
    let endless = error(&[audio(0, &[0.0; 700]), AudioFrame { gap: u64::MAX, ..audio(800, &[0.0; 700]) }]);
    assert!(endless.contains("800"), "{endless}");
    let impossible = error(&[AudioFrame { gap: 900, ..audio(800, &[0.0; 700]) }]);
    assert!(impossible.contains("800") && impossible.contains("900"), "{impossible}");
}

#[test]
fn samples_that_are_no_audio_are_an_error_with_their_position() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -12_345.0] {
        let mut samples = [0.0; 700];
        samples[123] = bad;
        let text = error(&[audio(0, &[0.0; 700]), audio(700, &samples)]);
        assert!(text.contains("sample 823 ") && text.contains(&bad.to_string()), "{text}");
    }
}

#[test]
fn audio_over_full_scale_is_audio() {
    let mut samples = utterances(&[(10, 15), (15, 0)]);
    samples.iter_mut().for_each(|sample| *sample *= 20.0);
    for detector in DETECTORS {
        assert_eq!(finals(&hear(detector, &samples, &[1024])).len(), 1, "{detector}");
    }
}

#[test]
fn durations_change_in_a_running_session() {
    let samples = utterances(&[(10, 15), (3, 10), (15, 0)]);
    let (mut factory, mut stage) = session("--detector energy");
    let mut output = Vec::new();
    stage.push(audio(0, &samples[..32_000]), &mut output).expect("good audio");
    factory.adjust(&arguments("--detector energy --hangover-ms 200"), &mut stage).expect("a change");
    stage.push(audio(32_000, &samples[32_000..]), &mut output).expect("good audio");
    stage.finish(&mut output).expect("an end");
    assert_eq!(finals(&hear("--detector energy", &samples, &[1024])).len(), 1, "a pause of 300 ms is no end");
    assert_eq!(finals(&output).len(), 2, "it is with a hangover of 200 ms");
}

#[test]
fn the_detector_does_not_change_and_a_bad_change_changes_nothing() {
    let (mut factory, mut stage) = session("--detector energy --hangover-ms 400");
    let refused = |line: &str| factory.check(&arguments(line)).expect_err("refused").to_string();
    assert!(refused("--detector webrtc").contains("--detector cannot be changed"));
    assert!(refused("--detector energy --margin-db 12").contains("--margin-db cannot be changed"));
    let line = arguments("--detector energy --threshold 0.1 --negative-threshold 0.2");
    let bad = factory.adjust(&line, &mut stage).expect_err("refused").to_string();
    assert!(bad.contains("--negative-threshold 0.2 is above --threshold 0.1"), "{bad}");

    let samples = utterances(&[(10, 15), (15, 0)]);
    let mut output = Vec::new();
    stage.push(audio(0, &samples), &mut output).expect("good audio");
    stage.finish(&mut output).expect("an end");
    assert_eq!(output, hear("--detector energy --hangover-ms 400", &samples, &[1024]));
}
