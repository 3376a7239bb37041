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

fn decibels(ratio: f64) -> f64 {
    20.0 * ratio.log10()
}

/// Converts in pieces of `piece` samples.
fn converted(input: &[f64], rate: u32, piece: usize) -> Vec<f32> {
    let mut converter = RateConverter::new(rate).unwrap();
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

/// The middle second of five, away from the edges: the filter from 44.101 kHz is two seconds long.
fn middle(samples: &[f32]) -> &[f32] {
    &samples[32_000..48_000]
}

#[test]
fn the_pass_band_keeps_its_level() {
    for rate in RATES {
        let edge = 0.475 * f64::from(rate.min(16_000));
        for frequency in [50.0, 300.0, 1_000.0, 0.5 * edge, 0.9 * edge, edge] {
            let output = converted(&tone(frequency, rate, 5.0), rate, 1_000);
            let level = decibels(amplitude(middle(&output), frequency) / 0.5);
            assert!(level.abs() < 0.01, "{frequency} Hz at {rate} Hz changes by {level:.4} dB");
        }
    }
}

#[test]
fn what_16_khz_cannot_hold_is_stopped() {
    for rate in RATES.into_iter().filter(|rate| *rate > 16_000) {
        let highest = f64::from(rate) / 2.0;
        for frequency in [8_001.0, 8_200.0, 9_000.0, 10_000.0, 12_000.0, 0.99 * highest] {
            if frequency >= highest {
                continue;
            }
            let output = converted(&tone(frequency, rate, 5.0), rate, 1_000);
            let peak = middle(&output).iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            let level = decibels(f64::from(peak) / 0.5);
            assert!(level < -100.0, "{frequency} Hz at {rate} Hz comes out at {level:.1} dB");
        }
    }
}

/// At 8 kHz nothing may appear above 4 kHz.
#[test]
fn no_images_appear_when_the_rate_rises() {
    let output = converted(&tone(3_000.0, 8_000, 5.0), 8_000, 1_000);
    let level = decibels(amplitude(middle(&output), 5_000.0) / 0.5);
    assert!(level < -100.0, "{level:.1} dB at 5000 Hz");
}

#[test]
fn time_stays_where_it_is() {
    let expected = sampled(chirp, 16_000, 8_000);
    for rate in RATES {
        let output = converted(&sampled(chirp, rate, rate as usize / 2), rate, 441);
        let (shift, correlation) = alignment(&output, &expected);
        assert_eq!(shift, 0, "{rate} Hz");
        assert!(correlation > 0.999_999, "{rate} Hz: {correlation}");
        // Not a fraction of a sample either: the chirp's slope would show it.
        let worst = output.iter().zip(&expected).map(|(heard, wanted)| (f64::from(*heard) - wanted).abs());
        let worst = worst.fold(0.0, f64::max);
        assert!(worst < 2e-3, "{rate} Hz: off by {worst}");
    }
}

#[test]
fn sixteen_kilohertz_passes_untouched() {
    let input: Vec<f64> = [0.1_f32, -1.0, 1.0, f32::MIN_POSITIVE, 3.4, -0.0].map(f64::from).to_vec();
    let output = converted(&input, 16_000, 4);
    let bits = |samples: &[f32]| samples.iter().map(|sample| sample.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&output), bits(&input.iter().map(|sample| *sample as f32).collect::<Vec<_>>()));
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
        assert_eq!(converted(&vec![0.25; input], rate, 7).len(), output, "{input} samples at {rate} Hz");
    }
}

/// Behind a loss, samples stand where they would have stood without it.
#[test]
fn a_loss_does_not_shift_time() {
    for (rate, from, to) in [(16_000, 3_001, 3_333), (44_100, 7_001, 11_003), (8_000, 999, 1_500)] {
        let input = sampled(chirp, rate, rate as usize / 2);
        let mut converter = RateConverter::new(rate).unwrap();
        let mut output = Vec::new();
        converter.push(&input[..from], &mut output).unwrap();
        converter.finish(&mut output).unwrap();
        let gap = converter.skip((to - from) as u64);
        output.resize(output.len() + gap as usize, 0.0);
        let behind = output.len();
        converter.push(&input[to..], &mut output).unwrap();
        converter.finish(&mut output).unwrap();
        assert_eq!(output.len(), 8_000, "{rate} Hz");
        // Away from the cut, where the signal begins as if from silence.
        let whole = converted(&input, rate, 441);
        assert_near(&output[behind + 1_100..], &whole[behind + 1_100..], 1e-6, &format!("{rate} Hz"));
    }
}

#[test]
fn a_rate_of_zero_is_refused() {
    assert!(RateConverter::new(0).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn pieces_do_not_matter(
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
        let whole = converted(&input, rate, total);
        let mut converter = RateConverter::new(rate).unwrap();
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
