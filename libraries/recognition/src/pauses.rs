//! Takes pauses off the borders of words.
//!
//! Alignment knows where a word ends and the next begins, and gives the pause between them to one of the two. What is
//! far quieter than the word itself is not the word.

use undertone_messages::SAMPLE_RATE;

use crate::words::TimedWord;

/// Samples whose energy is looked at together: 10 ms.
const FRAME: usize = SAMPLE_RATE as usize / 100;
/// Energy against that of the word's loudest frame below which a frame is a pause: -25 dB. Few sounds of speech are so
/// much weaker than the vowel beside them.
const PAUSE: f32 = 3.2e-3;

/// Mean square of the samples of each 10 ms; the last frame may be shorter.
pub fn energies(samples: &[f32]) -> Vec<f32> {
    samples.chunks(FRAME).map(energy).collect()
}

/// Moves each word's start and end to its first and last frame that is no pause. In noise that is nearer to the speech
/// than 25 dB, words stay as they are. `energies` are those of the audio that the words' times count in.
pub fn trim(words: &mut [TimedWord], energies: &[f32]) {
    for word in words {
        let (Ok(start), Ok(end)) = (usize::try_from(word.start), usize::try_from(word.end)) else { continue };
        let first_frame = start / FRAME;
        let energies = energies.get(first_frame..end.div_ceil(FRAME)).unwrap_or_default();
        let loudest = energies.iter().copied().fold(0.0, f32::max);
        let speaks = |energy: &f32| *energy > 0.0 && *energy >= loudest * PAUSE;
        if let (Some(first), Some(last)) =
            (energies.iter().position(speaks), energies.iter().rposition(speaks))
        {
            word.end = word.end.min(((first_frame + last + 1) * FRAME) as u64);
            word.start = word.start.max(((first_frame + first) * FRAME) as u64);
        }
    }
}

fn energy(frame: &[f32]) -> f32 {
    frame.iter().map(|sample| sample * sample).sum::<f32>() / frame.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word(start: u64, end: u64) -> TimedWord {
        TimedWord { text: "word".to_owned(), start, end, probability: 0.9 }
    }

    /// The word's times after trimming.
    fn trimmed(start: u64, end: u64, samples: &[f32]) -> (u64, u64) {
        let mut words = [word(start, end)];
        trim(&mut words, &energies(samples));
        (words[0].start, words[0].end)
    }

    #[test]
    fn pauses_are_taken_off_both_ends() {
        let samples = [vec![0.001; 1600], vec![0.5; 800], vec![0.05; 800], vec![0.001; 1600]].concat();
        assert_eq!(trimmed(0, 4800, &samples), (1600, 3200));
        assert_eq!(trimmed(1600, 2400, &samples), (1600, 2400));
    }

    #[test]
    fn in_noise_a_word_stays_as_it_is() {
        let samples = [vec![0.05; 1600], vec![0.5; 800], vec![0.05; 1600]].concat();
        assert_eq!(trimmed(0, 4000, &samples), (0, 4000));
    }

    #[test]
    fn silence_has_no_loudest_frame() {
        assert_eq!(trimmed(100, 900, &[0.0; 1000]), (100, 900));
    }

    proptest! {
        #[test]
        fn a_word_only_shrinks(
            samples in prop::collection::vec(-1.0..1.0_f32, 0..3000),
            start in 0..3000_u64,
            length in 0..3000_u64,
        ) {
            let (first, last) = trimmed(start, start + length, &samples);
            prop_assert!(start <= first && first <= last && last <= start + length);
            prop_assert!(first < last || length == 0);
        }
    }
}
