//! What the decoder sees of a window: keys and values of each layer's cross-attention, of the utterance and of silence.
//!
//! # The full window's accuracy at the cost of the utterance's length
//!
//! Whisper was trained on windows of 30 s, the short ones filled up with silence, and its encoder spends most of its time
//! on that silence. If it is given the utterance alone, the decoder, which never saw so few positions, falls into loops.
//! The way out:
//!
//! 1. Encode the utterance with half a second of silence behind it, so that its last word ends in silence.
//! 2. Fill the window with the states that silence has at the positions behind the utterance. They come from one encoding
//!    of silence, made when the model is loaded. The decoder then sees what it was trained on: speech, and silence up to
//!    its last position.
//! 3. That silence must come behind a sound ([`EncoderModel::silence`](undertone_encoder::EncoderModel::silence)).
//!    Attention spreads over the window that something was said and is over, and the decoder ends its text by that. With
//!    silence that nothing came before, Whisper base says every third sentence of RAVDESS over and over; behind a vowel of
//!    0.4 s, as behind any speech, none.
//! 4. These states change slowly from position to position, so that the mean of [`GROUP`] neighbours can stand for all of
//!    them: in the softmax of attention, a score to which the logarithm of n is added counts n times. Cross-attention too
//!    then costs what the utterance's length costs. Up to 100 neighbours, no more words go wrong; from 300 on, loops
//!    come back.
//!
//! The README has the time that it takes and the words that go wrong, beside decoding with the whole window.

use undertone_recognition::{POSITION, WINDOW};

/// Positions that the decoder was trained to see: 30 s.
const POSITIONS: usize = WINDOW / POSITION;
/// Neighbouring positions of silence for which their mean stands. [`POSITIONS`] is a multiple of it.
const GROUP: usize = 50;
/// Values of an attention head, in every model of Whisper's.
pub const HEAD: usize = 64;

const _: () = assert!(POSITIONS.is_multiple_of(GROUP));

/// Keys and values of some positions, one of each for each layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Projection {
    /// `[heads, 64, positions]` of each layer.
    pub keys: Vec<Vec<f32>>,
    /// `[heads, positions, 64]` of each layer.
    pub values: Vec<Vec<f32>>,
    /// How many positions there are.
    pub positions: usize,
}

/// What the decoder sees of a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// First the positions of the utterance and of the silence that was encoded with it, then the filling.
    pub seen: Projection,
    /// The natural logarithm of how many positions each of them stands for.
    pub log_counts: Vec<f32>,
    /// Positions of the utterance and of the silence that was encoded with it.
    pub frames: usize,
}

/// What fills the window behind an utterance.
#[derive(Clone, Debug, Default)]
pub struct Silence {
    /// Of [`GROUP`] positions each.
    means: Projection,
}

impl Silence {
    /// From what encoded silence gives, whose last position is the window's last.
    pub fn new(silence: &Projection) -> Self {
        let before = POSITIONS.saturating_sub(silence.positions);
        let means = |parts: &[Vec<f32>], width: usize| -> Vec<Vec<f32>> {
            let groups = || {
                (0..POSITIONS)
                    .step_by(GROUP)
                    .map(|group| (group.max(before) - before, group + GROUP - before))
            };
            let means = |row: &[f32]| -> Vec<f32> {
                groups()
                    .flat_map(|(from, to)| mean(row.get(from * width..to * width).unwrap_or_default(), width))
                    .collect()
            };
            let row = (silence.positions * width).max(1);
            parts.iter().map(|part| part.chunks(row).flat_map(means).collect()).collect()
        };
        let (keys, values) = (means(&silence.keys, 1), means(&silence.values, HEAD));
        Self { means: Projection { keys, values, positions: POSITIONS / GROUP } }
    }

    /// An utterance's own positions, and behind them silence up to 30 s.
    pub fn fill(&self, own: &Projection) -> Memory {
        let frames = own.positions;
        // The group in which the utterance ends stands for what is left of it.
        let filling = frames / GROUP..self.means.positions;
        let counts = filling.clone().map(|group| (group + 1) * GROUP - frames.max(group * GROUP));
        let log_counts =
            std::iter::repeat_n(0.0, frames).chain(counts.map(|count| (count as f32).ln())).collect();
        let join = |own: &[Vec<f32>], silence: &[Vec<f32>], width: usize| -> Vec<Vec<f32>> {
            let (own_row, silent_row) = ((frames * width).max(1), (self.means.positions * width).max(1));
            let join = |(own, silence): (&Vec<f32>, &Vec<f32>)| {
                let mut joined = Vec::with_capacity(own.len() + silence.len());
                for (own, silence) in own.chunks(own_row).zip(silence.chunks(silent_row)) {
                    joined.extend_from_slice(own);
                    joined.extend_from_slice(silence.get(filling.start * width..).unwrap_or_default());
                }
                joined
            };
            own.iter().zip(silence).map(join).collect()
        };
        let seen = Projection {
            keys: join(&own.keys, &self.means.keys, 1),
            values: join(&own.values, &self.means.values, HEAD),
            positions: frames + filling.len(),
        };
        Memory { seen, log_counts, frames }
    }
}

/// The mean over positions of `width` values each.
fn mean(positions: &[f32], width: usize) -> impl Iterator<Item = f32> {
    let count = (positions.len() / width) as f32;
    (0..width).map(move |place| positions.iter().skip(place).step_by(width).sum::<f32>() / count)
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    /// One layer with one head, whose keys and values at each position are the position's number.
    fn counted(positions: Range<usize>) -> Projection {
        let numbers =
            |repeat: usize| positions.clone().flat_map(|place| vec![place as f32; repeat]).collect();
        let keys: Vec<f32> = numbers(1);
        Projection { keys: vec![keys.repeat(HEAD)], values: vec![numbers(HEAD)], positions: positions.len() }
    }

    #[test]
    fn silence_stands_behind_the_utterance_up_to_the_end_of_the_window() {
        let silence = Silence::new(&counted(0..POSITIONS));
        for frames in [1, GROUP - 1, GROUP, 217, POSITIONS - 1, POSITIONS] {
            let Memory { seen, log_counts, frames: own } = silence.fill(&counted(0..frames));
            assert_eq!(own, frames);
            let filling = (frames / GROUP..POSITIONS / GROUP)
                .map(|group| (group * GROUP) as f32 + (GROUP as f32 - 1.0) / 2.0);
            let places: Vec<f32> = (0..frames).map(|frame| frame as f32).chain(filling).collect();
            assert_eq!(seen.positions, places.len());
            assert!(seen.keys[0] == places.repeat(HEAD), "{frames} frames");
            let values: Vec<f32> = places.iter().flat_map(|place| [*place; HEAD]).collect();
            assert!(seen.values[0] == values, "{frames} frames");
            assert_eq!(log_counts.len(), seen.positions);
            let counted: f32 = log_counts.iter().map(|count| count.exp()).sum();
            assert!((counted - POSITIONS as f32).abs() < 0.01, "{frames} frames: {counted}");
        }
    }

    #[test]
    fn the_first_group_may_lack_some_positions_of_silence() {
        let silence = Silence::new(&counted(30..POSITIONS));
        let seen = silence.fill(&counted(0..1)).seen;
        assert_eq!(seen.positions, 1 + POSITIONS / GROUP);
        // The mean of 30 to 49, and then that of 50 to 99.
        assert_eq!(seen.keys[0][..3], [0.0, 39.5, 74.5]);
    }
}
