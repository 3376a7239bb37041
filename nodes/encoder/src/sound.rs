//! A sound like a voice.

use std::f32::consts::{PI, TAU};

use undertone_messages::SAMPLE_RATE;

/// Frequencies of the first formants of the vowel in "father", spoken by men (Peterson and Barney, "Control methods used
/// in a study of the vowels", 1952), with bandwidths and how strong they are here, all in hertz but the last.
const FORMANTS: [(f32, f32, f32); 3] = [(730.0, 80.0, 1.0), (1090.0, 100.0, 0.6), (2440.0, 150.0, 0.3)];
const PITCH: f32 = 120.0;
const LOUDEST: f32 = 0.3;

/// A tenth of a second of silence and 0.4 s of a vowel, which swells and fades.
pub(crate) fn vowel() -> Vec<f32> {
    let rate = SAMPLE_RATE as usize;
    let (before, length) = (rate / 10, rate * 4 / 10);
    let harmonics = (1..).map(|number| number as f32).take_while(|number| number * PITCH < 7000.0);
    let strength = |number: f32| {
        let resonance = |(frequency, bandwidth, strength): (f32, f32, f32)| {
            strength / (1.0 + ((number * PITCH - frequency) / bandwidth).powi(2))
        };
        FORMANTS.into_iter().map(resonance).sum::<f32>() / number.sqrt()
    };
    let harmonics: Vec<(f32, f32)> = harmonics.map(|number| (number * PITCH, strength(number))).collect();
    let sample = |place: usize| {
        let time = place as f32 / rate as f32;
        let swell = (PI * place as f32 / length as f32).sin().max(0.0).sqrt();
        swell
            * harmonics
                .iter()
                .map(|(frequency, strength)| strength * (TAU * frequency * time).sin())
                .sum::<f32>()
    };
    let mut samples: Vec<f32> = (0..length).map(sample).collect();
    let loudest = samples.iter().fold(f32::MIN_POSITIVE, |most, sample| most.max(sample.abs()));
    samples.iter_mut().for_each(|sample| *sample *= LOUDEST / loudest);
    [vec![0.0; before], samples].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vowel_swells_and_fades() {
        let sound = vowel();
        assert_eq!(sound.len(), 8_000);
        let loudest = |range: std::ops::Range<usize>| {
            sound[range].iter().fold(0.0_f32, |most, sample| most.max(sample.abs()))
        };
        assert_eq!(loudest(0..1_600), 0.0);
        assert!((loudest(0..8_000) - LOUDEST).abs() < 1e-6);
        assert!(loudest(7_960..8_000) < 0.2 * LOUDEST);
    }
}
