//! What the decoder sees of a window: keys and values of each layer's cross-attention, of the utterance and of silence.

use std::ops::Range;

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

/// The means of encoded silence, `[positions, width]`, whose last position is the window's last, over each [`GROUP`]
/// positions of the window; the first group may lack some.
pub fn means_of_silence(states: &[f32], width: usize) -> Vec<f32> {
    let before = POSITIONS.saturating_sub(states.len() / width.max(1));
    let groups =
        (0..POSITIONS).step_by(GROUP).map(|group| group.max(before) - before..group + GROUP - before);
    let mean = |group: Range<usize>| {
        let count = group.len() as f32;
        let states = states.get(group.start * width..group.end * width).unwrap_or_default();
        (0..width).map(move |place| states.iter().skip(place).step_by(width).sum::<f32>() / count)
    };
    groups.flat_map(mean).collect()
}

/// What fills the window behind an utterance; the crate's documentation says why.
#[derive(Clone, Debug, Default)]
pub struct Silence {
    /// One position for each [`GROUP`] of the window.
    means: Projection,
}

impl Silence {
    /// From what [`means_of_silence`] give.
    pub fn new(means: Projection) -> Self {
        Self { means }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// One layer with one head, whose keys and values have one number at each position.
    fn projection(numbers: &[f32]) -> Projection {
        let values = numbers.iter().flat_map(|number| [*number; HEAD]).collect();
        Projection { keys: vec![numbers.repeat(HEAD)], values: vec![values], positions: numbers.len() }
    }

    fn numbers(range: Range<usize>) -> Vec<f32> {
        range.map(|number| number as f32).collect()
    }

    #[test]
    fn silence_stands_behind_the_utterance_up_to_the_end_of_the_window() {
        let means = means_of_silence(&numbers(0..POSITIONS), 1);
        let silence = Silence::new(projection(&means));
        for frames in [1, GROUP - 1, GROUP, 217, POSITIONS - 1, POSITIONS] {
            let Memory { seen, log_counts, frames: own } = silence.fill(&projection(&numbers(0..frames)));
            assert_eq!(own, frames);
            let filling = (frames / GROUP..POSITIONS / GROUP)
                .map(|group| (group * GROUP) as f32 + (GROUP as f32 - 1.0) / 2.0);
            let expected: Vec<f32> = numbers(0..frames).into_iter().chain(filling).collect();
            assert!(seen == projection(&expected), "{frames} frames");
            assert_eq!(log_counts.len(), seen.positions);
            let counted: f32 = log_counts.iter().map(|count| count.exp()).sum();
            assert!((counted - POSITIONS as f32).abs() < 0.01, "{frames} frames: {counted}");
        }
    }

    #[test]
    fn the_first_group_may_lack_some_positions_of_silence() {
        let states: Vec<f32> = numbers(30..POSITIONS).iter().flat_map(|number| [*number, -number]).collect();
        let means = means_of_silence(&states, 2);
        assert_eq!(means.len(), 2 * POSITIONS / GROUP);
        // The means of 30 to 49, and of 50 to 99.
        assert_eq!(means[..4], [39.5, -39.5, 74.5, -74.5]);
    }
}
