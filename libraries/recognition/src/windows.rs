//! Cuts audio that is too long for one look of the model.

use std::ops::Range;

use undertone_messages::SAMPLE_RATE;

/// Samples of silence behind what is recognised; without them Whisper drops last words.
pub const TAIL: usize = SAMPLE_RATE as usize / 2;
/// Samples that the model sees at once.
pub const WINDOW: usize = 30 * SAMPLE_RATE as usize;
/// Samples for one position of the encoder's output.
pub const POSITION: usize = 320;

/// How far back from its latest possible end a window may be cut.
const SEARCH: usize = 5 * SAMPLE_RATE as usize;
/// The stretch whose energy is compared.
const PAUSE: usize = SAMPLE_RATE as usize / 10;

/// Windows that follow each other without a gap, each short enough for the model with the tail behind it. Where one
/// does not hold all, it is cut in the middle of the quietest tenth of a second of its last 5 seconds.
pub fn windows(samples: &[f32]) -> Vec<Range<usize>> {
    let longest = WINDOW - TAIL;
    let mut windows = Vec::new();
    let mut start = 0;
    while samples.len() - start > longest {
        let latest = start + longest;
        let search = samples.get(latest - SEARCH..latest).unwrap_or_default();
        let cut = latest - SEARCH + quietest(search);
        windows.push(start..cut);
        start = cut;
    }
    windows.push(start..samples.len());
    windows
}

/// Index of the middle of the quietest stretch.
fn quietest(samples: &[f32]) -> usize {
    let energy = |(_, stretch): &(usize, &[f32])| stretch.iter().map(|sample| sample * sample).sum::<f32>();
    samples
        .windows(PAUSE)
        .enumerate()
        .step_by(PAUSE / 10)
        .min_by(|first, second| energy(first).total_cmp(&energy(second)))
        .map_or(samples.len(), |(index, stretch)| index + stretch.len() / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: usize = SAMPLE_RATE as usize;

    #[test]
    fn what_fits_is_not_cut() {
        assert_eq!(windows(&vec![0.1; WINDOW - TAIL]), vec![0..WINDOW - TAIL]);
        assert_eq!(windows(&[]), vec![0..0]);
    }

    #[test]
    fn the_cut_is_where_it_is_quiet() {
        let mut samples = vec![0.5; 40 * SECOND];
        samples[27 * SECOND..27 * SECOND + 3200].fill(0.0);
        let windows = windows(&samples);
        assert_eq!(windows.len(), 2);
        assert!((27 * SECOND..27 * SECOND + 3200).contains(&windows[0].end), "{windows:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn windows_cover_all_and_fit(length in 0..100 * SECOND, period in 2..50_000_usize) {
            let samples: Vec<f32> = (0..length).map(|at| (at % period) as f32 / period as f32).collect();
            let windows = windows(&samples);
            prop_assert_eq!(windows[0].start, 0);
            prop_assert_eq!(windows.last().unwrap().end, length);
            for window in &windows {
                prop_assert!(window.len() + TAIL <= WINDOW);
            }
            for pair in windows.windows(2) {
                prop_assert_eq!(pair[0].end, pair[1].start);
            }
        }
    }
}
