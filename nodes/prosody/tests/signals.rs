//! Signals whose pitch, periods and power are known.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

use std::f32::consts::TAU;

use clap::Parser;
use undertone_messages::{Scope, Speech, Statistics};
use undertone_prosody::{Arguments, COLUMNS, Config, NAMES, Output, Prosody};

const RATE: usize = 16_000;

/// The rows of a segment, and what it came to.
fn measure(samples: Vec<f32>) -> (Vec<Vec<f32>>, Statistics) {
    let config = Config::new(&Arguments::parse_from(["prosody"])).unwrap();
    let (mut prosody, mut output) = (Prosody::new(config, false), Vec::new());
    for speech in Speech::whole(samples) {
        prosody.speech(&speech, &mut output).unwrap();
    }
    let (mut rows, mut last) = (Vec::new(), None);
    for output in output {
        match output {
            Output::Features(features) => {
                rows.extend(features.unwrap().values.chunks(COLUMNS.len()).map(<[f32]>::to_vec));
            }
            Output::Statistics(statistics) => last = statistics,
        }
    }
    let last = last.unwrap();
    assert_eq!(last.scope, Scope::Segment);
    assert!(rows.iter().flatten().all(|value| value.is_finite()), "a row with a value that is none");
    let defined = |value: &f32| value.is_finite() || value.to_bits() == f32::NAN.to_bits();
    assert!(last.values.iter().all(defined), "{last:?}");
    (rows, last)
}

fn value(statistics: &Statistics, name: &str) -> f32 {
    assert!(NAMES.contains(&name), "{name}");
    statistics.value(name).unwrap_or_else(|| panic!("{name} is not defined"))
}

/// White noise from a linear congruential generator (Numerical Recipes), -1 to 1.
fn noise(length: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..length).map(|_| next()).collect()
}

/// A voice whose cycles have these lengths in samples and these amplitudes: a resonance of 700 Hz, struck once a cycle.
fn voice(cycles: impl Iterator<Item = (f64, f64)>) -> Vec<f32> {
    let mut strokes = Vec::new();
    let mut time = 0.0;
    for (period, amplitude) in cycles {
        strokes.push((time, amplitude));
        time += period;
    }
    let ring = |elapsed: f64| match elapsed {
        elapsed if elapsed < 0.0 => 0.0,
        elapsed => (-elapsed / 30.0).exp() * (f64::from(TAU) * 700.0 * elapsed / RATE as f64).sin(),
    };
    (0..time as usize)
        .map(|n| {
            strokes.iter().map(|(time, amplitude)| amplitude * ring(n as f64 - time)).sum::<f64>() as f32
        })
        .collect()
}

#[test]
fn the_pitch_of_a_voice_is_found_over_the_whole_range() {
    for hertz in [62.0_f64, 80.0, 110.0, 173.0, 220.0, 330.0, 480.0] {
        let period = RATE as f64 / hertz;
        let (rows, statistics) = measure(voice((0..hertz as usize).map(|_| (period, 0.3))));
        let found = value(&statistics, "f0_p50");
        assert!((found / hertz as f32 - 1.0).abs() < 0.005, "{hertz} Hz: {found}");
        assert!(value(&statistics, "voiced_share") > 0.95, "{hertz} Hz");
        assert!(value(&statistics, "jitter") < 0.004, "{hertz} Hz: {}", value(&statistics, "jitter"));
        assert!(value(&statistics, "shimmer") < 0.01, "{hertz} Hz: {}", value(&statistics, "shimmer"));
        assert!(value(&statistics, "hnr_mean") > 20.0, "{hertz} Hz: {}", value(&statistics, "hnr_mean"));
        assert_eq!(rows.len(), 1 + ((period * hertz.floor()) as usize - 1024) / 160);
    }
}

/// Mean difference of neighbours, relative to the mean.
fn steps(values: &[f64]) -> f32 {
    let sum: f64 = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (sum / (values.len() - 1) as f64 / mean) as f32
}

/// Without a pattern: cycles that differ in turn are a voice of half the pitch.
#[test]
fn jitter_and_shimmer_are_those_of_the_cycles() {
    let random: Vec<f64> = noise(128).into_iter().map(f64::from).collect();
    let periods: Vec<f64> = random.iter().map(|x| 125.0 + 3.0 * x).collect();
    let (_, statistics) = measure(voice(periods.iter().map(|period| (*period, 0.3))));
    let (jitter, expected) = (value(&statistics, "jitter"), steps(&periods));
    assert!((jitter - expected).abs() < 0.1 * expected, "{jitter} instead of {expected}");
    let amplitudes: Vec<f64> = random.iter().map(|x| 0.3 + 0.05 * x).collect();
    let (_, statistics) = measure(voice(amplitudes.iter().map(|amplitude| (125.0, *amplitude))));
    let (shimmer, expected) = (value(&statistics, "shimmer"), steps(&amplitudes));
    assert!((shimmer - expected).abs() < 0.15 * expected, "{shimmer} instead of {expected}");
    assert!(value(&statistics, "jitter") < 0.005, "{}", value(&statistics, "jitter"));
}

#[test]
fn noise_lowers_the_harmonics_to_noise_ratio_by_what_it_is() {
    let clean = voice((0..128).map(|_| (125.0, 0.3)));
    let power = |samples: &[f32]| samples.iter().map(|x| x * x).sum::<f32>();
    for expected in [15.0_f32, 10.0, 5.0] {
        let noise = noise(clean.len());
        let scale = (power(&clean) / power(&noise) / 10_f32.powf(expected / 10.0)).sqrt();
        let mixed = clean.iter().zip(&noise).map(|(x, n)| x + scale * n).collect();
        let found = value(&measure(mixed).1, "hnr_mean");
        assert!((found - expected).abs() < 1.0, "{expected} dB: {found}");
    }
}

#[test]
fn energy_is_relative_to_full_scale() {
    let sine = |amplitude: f32| {
        (0..RATE).map(|n| amplitude * (TAU * 250.0 * n as f32 / RATE as f32).sin()).collect()
    };
    let energy = |samples| value(&measure(samples).1, "energy_mean");
    assert!((energy(sine(1.0)) + 3.01).abs() < 0.01);
    assert!((energy(sine(0.1)) + 23.01).abs() < 0.01);
    // A constant is no sound.
    assert_eq!(energy(vec![0.5; RATE]), -120.0);
}

#[test]
fn silence_constants_and_noise_have_no_voice() {
    for (name, samples) in [
        ("silence", vec![0.0; RATE]),
        ("constant", vec![0.3; RATE]),
        ("noise", noise(RATE).iter().map(|x| 0.1 * x).collect()),
        ("one click", (0..RATE).map(|n| if n == 8000 { 1.0 } else { 0.0 }).collect()),
    ] {
        let (rows, statistics) = measure(samples);
        let voiced = rows.iter().filter(|row| row[0] > 0.0).count();
        assert!(voiced * 20 < rows.len(), "{name}: {voiced} of {} frames", rows.len());
        if voiced == 0 {
            for undefined in ["f0_mean", "f0_p50", "hnr_mean", "jitter", "shimmer", "session_f0_mean"] {
                assert_eq!(statistics.value(undefined), None, "{name}: {undefined}");
            }
        }
    }
}

#[test]
fn clipping_leaves_the_pitch() {
    let clipped = voice((0..128).map(|_| (125.0, 3.0))).iter().map(|x| x.clamp(-1.0, 1.0)).collect();
    let found = value(&measure(clipped).1, "f0_p50");
    assert!((found - 128.0).abs() < 0.5, "{found}");
}

#[test]
fn the_pitch_follows_a_glide() {
    // An octave in a second.
    let mut phase = 0.0_f64;
    let glide: Vec<f32> = (0..RATE)
        .map(|n| {
            phase += 110.0 * (n as f64 / RATE as f64).exp2() / RATE as f64;
            (1..20).map(|k| (f64::from(k) * phase * f64::from(TAU)).cos() / f64::from(k)).sum::<f64>() as f32
                * 0.1
        })
        .collect();
    let (rows, _) = measure(glide);
    // A segment begins without a voice.
    for (frame, row) in rows.iter().enumerate().skip(2) {
        let expected = 110.0 * ((frame * 160 + 450) as f32 / RATE as f32).exp2();
        assert!((row[0] / expected - 1.0).abs() < 0.02, "frame {frame}: {} instead of {expected}", row[0]);
    }
}

#[test]
fn a_segment_shorter_than_a_frame_says_so() {
    for length in [1, 160, 1023] {
        let (rows, statistics) = measure(vec![0.1; length]);
        assert!(rows.is_empty());
        assert!(statistics.values.iter().all(|value| value.is_nan()), "{length}");
        assert_eq!(statistics.reason, "the segment is shorter than a frame");
    }
    assert_eq!(measure(noise(1024)).0.len(), 1);
}
