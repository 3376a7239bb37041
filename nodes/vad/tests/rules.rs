//! Endpointing at single points where a number says more than a property: cuts, watermarks, hysteresis.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use undertone_messages::{Phase, Speech};
use undertone_vad::{EndpointRules, Endpointer};

const FRAME: usize = 512;
const SECOND: u64 = 16_000;

fn rules() -> EndpointRules {
    EndpointRules {
        threshold: 0.5,
        negative_threshold: 0.35,
        minimum_speech: 4000,
        hangover: 8000,
        tentative: 3200,
        pre_roll: 4800,
        post_roll: 1600,
        longest: 28 * SECOND,
        chunk: 2048,
    }
}

/// The messages for frames of probability and loudness.
fn messages(rules: EndpointRules, frames: impl IntoIterator<Item = (f32, f32)>) -> Vec<Speech> {
    let mut endpointer = Endpointer::new(rules, FRAME);
    let mut messages = Vec::new();
    for (probability, level) in frames {
        endpointer.push(&[level; FRAME], probability, &mut messages);
    }
    endpointer.finish(&mut messages);
    messages
}

fn repeat(probability: f32, count: usize) -> Vec<(f32, f32)> {
    vec![(probability, 0.1); count]
}

fn phases(messages: &[Speech]) -> Vec<Phase> {
    messages.iter().map(|message| message.phase).collect()
}

fn finals(messages: &[Speech]) -> Vec<(u64, u64)> {
    let last = messages.iter().filter(|message| message.phase == Phase::Final);
    last.map(|message| (message.start, message.end)).collect()
}

fn frame(n: u64) -> u64 {
    n * FRAME as u64
}

#[test]
fn an_utterance_is_open_more_tentative_final() {
    let heard = messages(rules(), [repeat(0.1, 20), repeat(0.9, 10), repeat(0.1, 20)].concat());
    use Phase::{Final, More, Open, Silence, Tentative};
    assert_eq!(phases(&heard), [Open, More, More, More, More, Tentative, Final, Silence]);
    assert_eq!(finals(&heard), [(frame(20) - 4800, frame(30) + 1600)]);
    let lengths: Vec<usize> = heard.iter().map(|message| message.samples.len()).collect();
    assert_eq!(lengths, [4800 + 512, 2048, 2048, 2048, 64, 0, 0, 0]);
}

#[test]
fn the_probability_is_the_mean_of_what_a_message_covers() {
    let heard = messages(rules(), [repeat(0.1, 20), repeat(0.9, 10), repeat(0.1, 20)].concat());
    let expect = |phase: Phase, expected: f64| {
        let message = heard.iter().find(|message| message.phase == phase).expect("it was sent");
        assert!((f64::from(message.probability) - expected).abs() < 1e-6, "{phase}: {}", message.probability);
    };
    // The pre-roll of 4800 samples touches 10 frames, the post-roll of 1600 touches 4.
    expect(Phase::Open, (10.0 * 0.1 + 0.9) / 11.0);
    expect(Phase::More, 0.9);
    expect(Phase::Tentative, (10.0 * 0.1 + 10.0 * 0.9 + 4.0 * 0.1) / 24.0);
    expect(Phase::Final, (10.0 * 0.1 + 10.0 * 0.9 + 4.0 * 0.1) / 24.0);
    expect(Phase::Silence, 0.1);
}

#[test]
fn a_click_is_cancelled_without_a_tentative_end() {
    let heard = messages(rules(), [repeat(0.1, 20), repeat(0.9, 2), repeat(0.1, 20)].concat());
    assert_eq!(phases(&heard), [Phase::Open, Phase::More, Phase::Cancelled, Phase::Silence]);
}

#[test]
fn pauses_do_not_count_towards_the_minimum_of_speech() {
    // Five clicks within a second are no utterance; eight frames of speech in a row are.
    let clicks = [repeat(0.9, 1), repeat(0.1, 7)].concat().repeat(5);
    assert_eq!(finals(&messages(rules(), [clicks, repeat(0.1, 20)].concat())), []);
    assert_eq!(finals(&messages(rules(), [repeat(0.9, 8), repeat(0.1, 20)].concat())).len(), 1);
    assert_eq!(finals(&messages(rules(), [repeat(0.9, 7), repeat(0.1, 20)].concat())), []);
}

#[test]
fn between_the_thresholds_speech_lasts_but_does_not_begin() {
    let lasts = [repeat(0.9, 8), repeat(0.4, 40), repeat(0.1, 20)].concat();
    assert_eq!(finals(&messages(rules(), lasts)), [(0, frame(48) + 1600)]);
    let begins = [repeat(0.1, 8), repeat(0.4, 40)].concat();
    assert_eq!(phases(&messages(rules(), begins)), [Phase::Silence; 2]);
    let resumes = [repeat(0.9, 8), repeat(0.1, 1), repeat(0.4, 40)].concat();
    assert_eq!(finals(&messages(rules(), resumes)), [(0, frame(8) + 1600)]);
}

#[test]
fn resumed_speech_brings_the_samples_of_the_pause() {
    let heard =
        messages(rules(), [repeat(0.9, 10), repeat(0.1, 8), repeat(0.9, 1), repeat(0.1, 20)].concat());
    let tentative =
        heard.iter().position(|message| message.phase == Phase::Tentative).expect("a pause of 256 ms");
    let more = &heard[tentative + 1];
    assert_eq!((more.phase, more.end), (Phase::More, frame(19)));
    assert_eq!(more.samples.len() as u64, frame(19) - (frame(10) + 1600));
}

#[test]
fn silence_is_announced_every_second_less_the_pre_roll() {
    let heard = messages(rules(), repeat(0.1, 100));
    let ends: Vec<u64> = heard.iter().map(|message| message.end).collect();
    // The first frame that ends at or behind each second: 32 frames are 1.024 s.
    assert_eq!(ends, [frame(32) - 4800, frame(64) - 4800, frame(96) - 4800, frame(100)]);
    assert!(heard.iter().all(|message| message.phase == Phase::Silence && message.segment == 0));
}

/// A long monologue that falls quiet around given frames, for five frames each.
fn monologue(quiet: &[(usize, f32, f32)]) -> Vec<Speech> {
    let mut frames = vec![(0.95, 0.1); 1000];
    for &(centre, probability, level) in quiet {
        frames[centre - 2..=centre + 2].fill((probability, level));
    }
    messages(EndpointRules { pre_roll: 0, ..rules() }, frames)
}

#[test]
fn a_long_segment_is_cut_in_the_pause_and_nothing_is_lost() {
    // 28 s are 875 frames. A breath at frame 800 lies in the last 5 s; the deeper one at frame 600 does not.
    let heard = monologue(&[(600, 0.4, 0.001), (800, 0.45, 0.01)]);
    let cut = frame(800) + 256;
    assert_eq!(finals(&heard), [(0, cut), (cut, frame(1000))]);
    let first_final = heard.iter().position(|message| message.phase == Phase::Final).expect("there are two");
    let (before, after) = heard.split_at(first_final);
    assert_eq!(
        before.last().map(|message| message.end),
        Some(frame(873)),
        "delivered before the cut was known"
    );
    assert_eq!(after[1].phase, Phase::Open);
    assert_eq!((after[1].segment, after[1].start, after[1].end), (1, cut, frame(875)));
    assert_eq!(after[1].samples.len() as u64, frame(875) - cut);
}

#[test]
fn a_cut_prefers_the_lower_probability_then_the_lower_level_then_the_latest() {
    let cut = |quiet: &[(usize, f32, f32)]| finals(&monologue(quiet))[0].1;
    assert_eq!(cut(&[(750, 0.40, 0.1), (800, 0.60, 0.1)]), frame(750) + 256);
    assert_eq!(cut(&[(750, 0.95, 0.01), (800, 0.95, 0.05)]), frame(750) + 256);
    assert_eq!(cut(&[(750, 0.60, 0.05), (800, 0.60, 0.05)]), frame(800) + 256);
    assert_eq!(cut(&[]), frame(872) + 256);
}

#[test]
fn a_long_segment_in_a_pause_ends_there() {
    let speech = [repeat(0.9, 865), repeat(0.1, 5), repeat(0.9, 100)].concat();
    let rules = EndpointRules { longest: frame(870), pre_roll: 2048, ..rules() };
    let heard = messages(rules, speech);
    // 10 frames of pause at the limit; the next segment takes its pre-roll up to the end of the first.
    assert_eq!(finals(&heard), [(0, frame(865) + 1600), (frame(865) + 1600, frame(970))]);
}

#[test]
fn what_is_left_of_a_cut_is_never_cancelled() {
    // Two frames of speech behind the cut, much less than the minimum.
    let mut frames = repeat(0.9, 875);
    frames[866..873].fill((0.4, 0.001));
    let heard = messages(EndpointRules { pre_roll: 0, ..rules() }, [frames, repeat(0.1, 30)].concat());
    assert!(heard.iter().all(|message| message.phase != Phase::Cancelled));
    let cut = frame(870) + 256;
    assert_eq!(finals(&heard), [(0, cut), (cut, frame(875) + 1600)]);
}

#[test]
fn long_noise_without_enough_speech_is_cancelled_at_the_limit() {
    let rules = EndpointRules { hangover: 16_000, longest: 4 * SECOND, ..rules() };
    let clicks = [repeat(0.9, 1), repeat(0.1, 29)].concat().repeat(7);
    let heard = messages(rules, clicks);
    assert_eq!(finals(&heard), []);
    let cancelled: Vec<u64> =
        heard.iter().filter(|message| message.phase == Phase::Cancelled).map(|message| message.end).collect();
    assert_eq!(cancelled[0], frame(125) - 4800, "4 s are 125 frames; what follows may take its pre-roll");
}

#[test]
fn a_lower_hangover_counts_from_the_next_frame_on() {
    let mut endpointer = Endpointer::new(rules(), FRAME);
    let mut heard = Vec::new();
    for probability in [vec![0.9; 10], vec![0.1; 8]].concat() {
        endpointer.push(&[0.0; FRAME], probability, &mut heard);
    }
    assert_eq!(finals(&heard), []);
    endpointer.adjust(EndpointRules { hangover: 3200, ..rules() });
    assert_eq!(finals(&heard), []);
    endpointer.push(&[0.0; FRAME], 0.1, &mut heard);
    assert_eq!(finals(&heard), [(0, frame(10) + 1600)]);
}

#[test]
fn a_longer_pre_roll_does_not_reach_behind_what_was_announced() {
    let mut endpointer = Endpointer::new(rules(), FRAME);
    let mut heard = Vec::new();
    for _ in 0..40 {
        endpointer.push(&[0.0; FRAME], 0.1, &mut heard);
    }
    let announced = heard.last().map(|message| message.end);
    endpointer.adjust(EndpointRules { pre_roll: 32_000, ..rules() });
    endpointer.push(&[0.0; FRAME], 0.9, &mut heard);
    let open = heard.last().expect("it opened");
    assert!(open.phase == Phase::Open && Some(open.start) >= announced);
    assert_eq!(open.samples.len() as u64, open.end - open.start);
}

#[test]
fn an_announced_end_stands_when_the_post_roll_changes() {
    let mut endpointer = Endpointer::new(rules(), FRAME);
    let mut heard = Vec::new();
    for probability in [vec![0.9; 10], vec![0.1; 8]].concat() {
        endpointer.push(&[0.0; FRAME], probability, &mut heard);
    }
    endpointer.adjust(EndpointRules { post_roll: 3200, ..rules() });
    for _ in 0..10 {
        endpointer.push(&[0.0; FRAME], 0.1, &mut heard);
    }
    assert_eq!(phases(&heard)[heard.len() - 2..], [Phase::Tentative, Phase::Final]);
    assert_eq!(finals(&heard), [(0, frame(10) + 1600)]);
}
