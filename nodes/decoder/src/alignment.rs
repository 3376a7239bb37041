//! When each token was said, from what the model attended to while it wrote.
//!
//! The method of OpenAI's `whisper/timing.py`: the attention of some heads follows the audio. Their weights are
//! standardised over the tokens, smoothed over time and averaged, and dynamic time warping finds the path through them
//! on which neither tokens nor time go back.

/// Frames over which the median is taken.
const MEDIAN: usize = 7;

/// The frame at which each row's token begins. `scores` has for each row what each of `heads` heads made of each frame,
/// row-major `[heads, frames]`, before the softmax. The row of a token is that of its writing, so that row n tells where
/// token n begins, and the row behind the last where the text ends.
pub fn align(scores: &[Vec<f32>], heads: usize, frames: usize) -> Vec<usize> {
    let rows = scores.len();
    if rows == 0 || heads == 0 || frames == 0 {
        return vec![0; rows];
    }
    let mut mean = vec![vec![0.0; frames]; rows];
    for head in 0..heads {
        let mut weights: Vec<Vec<f32>> = scores
            .iter()
            .map(|row| softmax(row.get(head * frames..(head + 1) * frames).unwrap_or_default()))
            .collect();
        standardise(&mut weights, frames);
        for (mean, weights) in mean.iter_mut().zip(&weights) {
            for (mean, weight) in mean.iter_mut().zip(medians(weights)) {
                *mean += weight / heads as f32;
            }
        }
    }
    first_frames(&mean, frames)
}

fn softmax(scores: &[f32]) -> Vec<f32> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// Gives each frame's weights, over all rows, mean 0 and deviation 1.
fn standardise(weights: &mut [Vec<f32>], frames: usize) {
    let rows = weights.len() as f32;
    let mut means = vec![0.0; frames];
    for row in weights.iter() {
        means.iter_mut().zip(row).for_each(|(mean, weight)| *mean += weight / rows);
    }
    let mut variances = vec![0.0; frames];
    for row in weights.iter() {
        for ((variance, mean), weight) in variances.iter_mut().zip(&means).zip(row) {
            *variance += (weight - mean).powi(2) / rows;
        }
    }
    for row in weights.iter_mut() {
        for ((weight, mean), variance) in row.iter_mut().zip(&means).zip(&variances) {
            // Frames that all rows see alike tell nothing.
            *weight = if *variance > 0.0 { (*weight - mean) / variance.sqrt() } else { 0.0 };
        }
    }
}

/// The median of the frames around each, mirrored at both ends.
fn medians(weights: &[f32]) -> Vec<f32> {
    let last = weights.len() as isize - 1;
    let around = (MEDIAN / 2) as isize;
    let mirrored: Vec<f32> = (-around..=last + around)
        .map(|place| place.abs().min(2 * last - place.abs()).clamp(0, last))
        .filter_map(|place| weights.get(place as usize).copied())
        .collect();
    mirrored.array_windows().copied().map(median).collect()
}

/// The median, by a network of comparisons, which has no branches (Smith, "Implementing median filters in XC4000E
/// FPGAs", Xcell 23, 1996).
fn median(values: [f32; MEDIAN]) -> f32 {
    let sort = |one: f32, other: f32| (one.min(other), one.max(other));
    let [a, b, c, d, e, f, g] = values;
    let (a, f) = sort(a, f);
    let (a, d) = sort(a, d);
    let (b, g) = sort(b, g);
    let (c, e) = sort(c, e);
    // Of a pair that is not read again, only the other one is kept.
    let b = a.max(b);
    let (d, f) = sort(d, f);
    let (c, g) = sort(c, g);
    let d = c.max(d).min(g);
    let (b, e) = sort(b, e.min(f));
    b.max(d).min(e)
}

/// Where a step of the path came from.
#[derive(Clone, Copy)]
enum From {
    Both,
    Row,
    Frame,
}

/// Dynamic time warping: the first frame of each row on the path with the largest sum.
fn first_frames(weights: &[Vec<f32>], frames: usize) -> Vec<usize> {
    let mut came = Vec::with_capacity(weights.len());
    // Costs of the row before, with one more place in front, as those of the current row.
    let mut above = vec![f32::INFINITY; frames + 1];
    if let Some(corner) = above.first_mut() {
        *corner = 0.0;
    }
    for row in weights {
        let mut current = Vec::with_capacity(frames + 1);
        let mut left = f32::INFINITY;
        current.push(left);
        let mut directions = Vec::with_capacity(frames);
        for (weight, pair) in row.iter().zip(above.array_windows::<2>()) {
            let [diagonal, up] = *pair;
            let (cost, from) = if diagonal < up && diagonal < left {
                (diagonal, From::Both)
            } else if up < diagonal && up < left {
                (up, From::Row)
            } else {
                (left, From::Frame)
            };
            left = cost - weight;
            current.push(left);
            directions.push(from);
        }
        came.push(directions);
        above = current;
    }
    let mut first = vec![0; weights.len()];
    let (mut row, mut frame) = (weights.len() - 1, frames - 1);
    loop {
        if let Some(place) = first.get_mut(row) {
            *place = frame;
        }
        let from = came.get(row).and_then(|directions| directions.get(frame)).copied().unwrap_or(From::Both);
        match from {
            _ if row == 0 => break,
            From::Both if frame > 0 => (row, frame) = (row - 1, frame - 1),
            From::Frame if frame > 0 => frame -= 1,
            _ => row -= 1,
        }
    }
    if let Some(place) = first.first_mut() {
        *place = 0;
    }
    first
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One head that looks at `frames[row]` and a little around it.
    fn looking(at: &[usize], frames: usize) -> Vec<Vec<f32>> {
        let row = |centre: &usize| {
            (0..frames).map(|frame| -((frame as f32 - *centre as f32) / 4.0).powi(2)).collect()
        };
        at.iter().map(row).collect()
    }

    #[test]
    fn tokens_begin_where_the_attention_moves_on() {
        let first = align(&looking(&[5, 20, 40, 55], 60), 1, 60);
        assert_eq!(first.len(), 4);
        for (found, between) in first.iter().zip([0..=0, 8..=18, 25..=36, 44..=53]) {
            assert!(between.contains(found), "{first:?}");
        }
    }

    #[test]
    fn nothing_to_align_is_no_error() {
        assert!(align(&[], 1, 10).is_empty());
        assert_eq!(align(&looking(&[0], 1), 1, 1), [0]);
    }

    proptest! {
        #[test]
        fn the_median_is_that_of_a_sort(values in prop::array::uniform7(-3..4_i8)) {
            let mut sorted = values;
            sorted.sort_unstable();
            prop_assert_eq!(median(values.map(f32::from)), f32::from(sorted[MEDIAN / 2]));
        }

        #[test]
        fn time_never_goes_back(
            scores in prop::collection::vec(prop::collection::vec(-20.0..20.0_f32, 2 * 30), 1..20),
        ) {
            let first = align(&scores, 2, 30);
            prop_assert_eq!(first[0], 0);
            prop_assert!(first.is_sorted() && first.iter().all(|frame| *frame < 30));
        }
    }
}
