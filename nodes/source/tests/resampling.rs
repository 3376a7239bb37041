//! The sample rate converter: what it passes, what it stops, and that time stays where it is.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod recordings;

use std::f64::consts::PI;

use proptest::prelude::*;
use recordings::{alignment, amplitude, assert_near, chirp, sampled};
use undertone_audio::RateConverter;

/// The rates of recordings, and some that nobody records at.
const RATES: [u32; 14] = [
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000, 15_999,
    44_101,
];

/// Both filters at all rates.
fn kinds_and_rates() -> impl Iterator<Item = (Kind, u32)> {
    [Recording, Live].into_iter().flat_map(|kind| RATES.map(|rate| (kind, rate)))
}

fn decibels(ratio: f64) -> f64 {
    20.0 * ratio.log10()
}

/// The filter for recordings, and the one for live audio.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Recording,
    Live,
}

use Kind::{Live, Recording};

impl Kind {
    fn converter(self, rate: u32) -> RateConverter {
        match self {
            Recording => RateConverter::new(rate),
            Live => RateConverter::live(rate),
        }
        .unwrap()
    }
}

/// Converts in pieces of `piece` samples.
fn converted(kind: Kind, input: &[f64], rate: u32, piece: usize) -> Vec<f32> {
    let mut converter = kind.converter(rate);
    let mut output = Vec::new();
    for piece in input.chunks(piece) {
        converter.push(piece, &mut output).unwrap();
    }
    converter.finish(&mut output).unwrap();
    assert_eq!(output.len() as u64, converter.converted(input.len() as u64));
    output
}

fn tone(frequency: f64, rate: u32, seconds: f64) -> Vec<f64> {
    sampled(|time| 0.5 * (2.0 * PI * frequency * time).sin(), rate, (seconds * f64::from(rate)) as usize)
}

/// The middle second of five, away from the edges: the filter for recordings from 44.101 kHz is two seconds long.
fn middle(samples: &[f32]) -> &[f32] {
    &samples[32_000..48_000]
}

#[test]
fn the_pass_band_keeps_its_level() {
    for (kind, rate) in kinds_and_rates() {
        let share = if kind == Live { 0.46 } else { 0.475 };
        let edge = share * f64::from(rate.min(16_000));
        for frequency in [50.0, 300.0, 1_000.0, 0.5 * edge, 0.9 * edge, edge] {
            let output = converted(kind, &tone(frequency, rate, 5.0), rate, 1_000);
            let level = decibels(amplitude(middle(&output), frequency) / 0.5);
            assert!(level.abs() < 0.01, "{kind:?}: {frequency} Hz at {rate} Hz changes by {level:.4} dB");
        }
    }
}

#[test]
fn what_16_khz_cannot_hold_is_stopped() {
    for (kind, rate) in kinds_and_rates().filter(|(_, rate)| *rate > 16_000) {
        let least = if kind == Live { 85.0 } else { 100.0 };
        let highest = f64::from(rate) / 2.0;
        for frequency in [8_001.0, 8_200.0, 9_000.0, 10_000.0, 12_000.0, 0.99 * highest] {
            if frequency >= highest {
                continue;
            }
            let output = converted(kind, &tone(frequency, rate, 5.0), rate, 1_000);
            let peak = middle(&output).iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            let level = decibels(f64::from(peak) / 0.5);
            assert!(level < -least, "{kind:?}: {frequency} Hz at {rate} Hz comes out at {level:.1} dB");
        }
    }
}

/// At 8 kHz nothing may appear above 4 kHz.
#[test]
fn no_images_appear_when_the_rate_rises() {
    for (kind, least) in [(Recording, 100.0), (Live, 85.0)] {
        let output = converted(kind, &tone(3_000.0, 8_000, 5.0), 8_000, 1_000);
        let level = decibels(amplitude(middle(&output), 5_000.0) / 0.5);
        assert!(level < -least, "{kind:?}: {level:.1} dB at 5000 Hz");
    }
}

/// The least and the most time, in milliseconds, that passes from when a sample is there until its output is.
fn delays(kind: Kind, rate: u32) -> (f64, f64) {
    let mut converter = kind.converter(rate);
    let (mut least, mut most) = (f64::MAX, 0.0_f64);
    let mut output = Vec::new();
    let mut settled = 0;
    for received in 1..=rate {
        converter.push(&[0.1], &mut output).unwrap();
        let now = 1_000.0 * f64::from(received) / f64::from(rate);
        for sample in settled..output.len() {
            let delay = now - 1_000.0 * sample as f64 / 16_000.0;
            (least, most) = (least.min(delay), most.max(delay));
        }
        settled = output.len();
    }
    (least, most)
}

#[test]
fn live_audio_waits_for_less_than_12_ms() {
    for rate in RATES {
        let (least, most) = delays(Live, rate);
        let expected = if rate == 16_000 { 0.0 } else { 80_000.0 / f64::from(rate.min(16_000)) };
        assert!((expected - 0.01..expected + 0.4).contains(&least), "{rate} Hz: {least:.3} ms");
        assert!(most < expected + 0.4, "{rate} Hz: {most:.3} ms");
    }
    for (rate, least, most) in [(48_000, 32.0, 96.0), (44_100, 40.0, 120.0), (8_000, 64.0, 192.0)] {
        let (shortest, longest) = delays(Recording, rate);
        assert!((shortest - least).abs() < 0.2, "{rate} Hz: {shortest:.3} ms");
        assert!((longest - most).abs() < 0.2, "{rate} Hz: {longest:.3} ms");
    }
}

#[test]
fn time_stays_where_it_is() {
    let expected = sampled(chirp, 16_000, 8_000);
    for (kind, rate) in kinds_and_rates() {
        let output = converted(kind, &sampled(chirp, rate, rate as usize / 2), rate, 441);
        let (shift, correlation) = alignment(&output, &expected);
        assert_eq!(shift, 0, "{kind:?}, {rate} Hz");
        assert!(correlation > 0.999_999, "{kind:?}, {rate} Hz: {correlation}");
        // Not a fraction of a sample either: the chirp's slope would show it.
        let worst = output.iter().zip(&expected).map(|(heard, wanted)| (f64::from(*heard) - wanted).abs());
        let worst = worst.fold(0.0, f64::max);
        assert!(worst < 2e-3, "{kind:?}, {rate} Hz: off by {worst}");
    }
}

#[test]
fn sixteen_kilohertz_passes_untouched() {
    let input: Vec<f64> = [0.1_f32, -1.0, 1.0, f32::MIN_POSITIVE, 3.4, -0.0].map(f64::from).to_vec();
    let bits = |samples: &[f32]| samples.iter().map(|sample| sample.to_bits()).collect::<Vec<_>>();
    for kind in [Recording, Live] {
        let output = converted(kind, &input, 16_000, 4);
        assert_eq!(bits(&output), bits(&input.iter().map(|sample| *sample as f32).collect::<Vec<_>>()));
    }
}

#[test]
fn lengths_are_rounded_to_the_nearest_sample() {
    for (rate, input, output) in [
        (44_100, 1, 0),
        (44_100, 2, 1),
        (44_100, 44_100, 16_000),
        (8_000, 3, 6),
        (48_000, 4, 1),
        (48_000, 5, 2),
    ] {
        for kind in [Recording, Live] {
            let converted = converted(kind, &vec![0.25; input], rate, 7);
            assert_eq!(converted.len(), output, "{kind:?}: {input} samples at {rate} Hz");
        }
    }
}

/// Behind a loss, samples stand where they would have stood without it.
#[test]
fn a_loss_does_not_shift_time() {
    let losses =
        [(16_000, 3_001, 3_333), (44_100, 7_001, 11_003), (8_000, 999, 1_500), (48_000, 5_000, 5_001)];
    for (kind, (rate, from, to)) in
        [Recording, Live].into_iter().flat_map(|kind| losses.map(|loss| (kind, loss)))
    {
        let input = sampled(chirp, rate, rate as usize / 2);
        let mut converter = kind.converter(rate);
        let mut output = Vec::new();
        converter.push(&input[..from], &mut output).unwrap();
        converter.finish(&mut output).unwrap();
        let gap = converter.skip((to - from) as u64);
        output.resize(output.len() + gap as usize, 0.0);
        let behind = output.len();
        converter.push(&input[to..], &mut output).unwrap();
        converter.finish(&mut output).unwrap();
        assert_eq!(output.len(), 8_000, "{kind:?}, {rate} Hz");
        // Away from the cut, where the signal begins as if from silence.
        let whole = converted(kind, &input, rate, 441);
        let from = behind + if kind == Live { 200 } else { 1_100 };
        assert_near(&output[from..], &whole[from..], 1e-6, &format!("{kind:?}, {rate} Hz"));
    }
}

#[test]
fn a_rate_of_zero_is_refused() {
    assert!(RateConverter::new(0).is_err());
    assert!(RateConverter::live(0).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn pieces_do_not_matter(
        kind in prop::sample::select(&[Recording, Live][..]),
        rate in prop::sample::select(&RATES[..]),
        pieces in prop::collection::vec(1_usize..3_000, 1..12),
        seed in any::<u32>(),
    ) {
        let total = pieces.iter().sum();
        let mut state = seed;
        let input: Vec<f64> = (0..total)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f64::from(state) / f64::from(u32::MAX) - 0.5
            })
            .collect();
        let whole = converted(kind, &input, rate, total);
        let mut converter = kind.converter(rate);
        let (mut output, mut rest) = (Vec::new(), &input[..]);
        for piece in pieces {
            let (head, tail) = rest.split_at(piece);
            converter.push(head, &mut output).unwrap();
            rest = tail;
            let settled = converter.converted((total - rest.len()) as u64);
            prop_assert!(output.len() as u64 <= settled);
        }
        converter.finish(&mut output).unwrap();
        prop_assert_eq!(output, whole);
    }
}
