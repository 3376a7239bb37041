//! The detectors that need no model, each by itself.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use undertone_vad::{Detector, Energy, Webrtc, WebrtcMode};

/// White noise of a level in dB of full scale.
fn noise(decibels: f32, seconds: usize, seed: u32) -> Vec<f32> {
    // A uniform distribution over ±1 has a level of -4.77 dB.
    let amplitude = 10_f32.powf((decibels + 4.77) / 20.0);
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state as f32 / u32::MAX as f32 * 2.0 - 1.0) * amplitude
    };
    (0..seconds * 16_000).map(|_| next()).collect()
}

fn probabilities(detector: &mut dyn Detector, samples: &[f32]) -> Vec<f32> {
    let frames = samples.chunks_exact(detector.frame_length());
    frames.map(|frame| detector.probability(frame).expect("a probability")).collect()
}

fn share_over_half(probabilities: &[f32]) -> f64 {
    let over = probabilities.iter().filter(|probability| **probability >= 0.5).count();
    over as f64 / probabilities.len() as f64
}

#[test]
fn energy_takes_steady_noise_of_any_level_for_silence() {
    for level in [-90.0, -60.0, -40.0, -20.0] {
        let found = probabilities(&mut Energy::new(10.0), &noise(level, 10, 1));
        // The noise floor knows nothing in the first second.
        assert_eq!(share_over_half(&found[50..]), 0.0, "noise at {level} dB");
    }
}

#[test]
fn energy_adapts_to_louder_noise_within_the_window_and_to_quieter_at_once() {
    let mut detector = Energy::new(10.0);
    probabilities(&mut detector, &noise(-60.0, 5, 1));
    let louder = probabilities(&mut detector, &noise(-40.0, 10, 2));
    assert_eq!(share_over_half(&louder[..180]), 1.0, "new for 3.6 s");
    assert_eq!(share_over_half(&louder[215..]), 0.0, "known after 4.3 s");
    probabilities(&mut detector, &noise(-70.0, 1, 3));
    assert_eq!(
        share_over_half(&probabilities(&mut detector, &noise(-50.0, 1, 4))),
        1.0,
        "20 dB over the new floor"
    );
}

#[test]
fn energy_is_as_likely_as_not_at_the_margin_and_rises_from_there() {
    for margin in [6.0, 10.0, 20.0] {
        let mean = |decibels: f32| -> f64 {
            let mut detector = Energy::new(margin);
            probabilities(&mut detector, &noise(-60.0, 5, 1));
            let found = probabilities(&mut detector, &noise(-60.0 + margin + decibels, 1, 2));
            found.iter().map(|probability| f64::from(*probability)).sum::<f64>() / found.len() as f64
        };
        // The floor is a minimum, so that it lies a little below the level of the noise.
        assert!((0.5..0.7).contains(&mean(0.0)), "{margin}: {}", mean(0.0));
        assert!(mean(-6.0) < 0.05 && mean(6.0) > 0.97, "{margin}: {} {}", mean(-6.0), mean(6.0));
    }
}

#[test]
fn energy_hears_a_word_at_the_very_beginning() {
    let found = probabilities(&mut Energy::new(10.0), &noise(-30.0, 1, 1));
    assert_eq!(share_over_half(&found[..40]), 1.0);
}

#[test]
fn energy_does_not_hear_rumble_or_an_offset() {
    let mut samples = noise(-60.0, 6, 1);
    for (n, sample) in samples.iter_mut().enumerate().skip(3 * 16_000) {
        // 10 Hz at -40 dB, ten times the noise, and an offset that does not change.
        *sample += 0.014 * (n as f32 / 16_000.0 * 10.0 * std::f32::consts::TAU).sin() + 0.1;
    }
    let found = probabilities(&mut Energy::new(10.0), &samples);
    assert_eq!(share_over_half(&found[155..]), 0.0);
}

#[test]
fn webrtc_takes_digital_silence_for_silence_and_modes_differ() {
    let modes =
        [WebrtcMode::Quality, WebrtcMode::LowBitrate, WebrtcMode::Aggressive, WebrtcMode::VeryAggressive];
    let mut shares = Vec::new();
    for mode in modes {
        let mut detector = Webrtc::new(mode);
        assert_eq!(share_over_half(&probabilities(&mut detector, &[0.0; 32_000])), 0.0, "{mode:?}");
        let mut bursts = Vec::new();
        for n in 0..40 {
            bursts.extend_from_slice(&noise(if n % 4 == 0 { -35.0 } else { -60.0 }, 1, n)[..3_000]);
        }
        shares.push(share_over_half(&probabilities(&mut detector, &bursts)));
    }
    assert!(shares.is_sorted_by(|one, next| one >= next), "stricter from mode to mode: {shares:?}");
    assert!(shares[0] > shares[3], "{shares:?}");
}

#[test]
fn webrtc_takes_samples_beyond_full_scale_as_full_scale() {
    let mut loud = Webrtc::new(WebrtcMode::Quality);
    let mut clipped = Webrtc::new(WebrtcMode::Quality);
    let samples = noise(10.0, 2, 1);
    let limited: Vec<f32> = samples.iter().map(|sample| sample.clamp(-1.0, 32_767.0 / 32_768.0)).collect();
    assert_eq!(probabilities(&mut loud, &samples), probabilities(&mut clipped, &limited));
}
