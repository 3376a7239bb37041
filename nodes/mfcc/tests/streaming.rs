//! The contract of streaming: however a signal is cut into pieces, the rows are the same, bit for bit.
#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it must be")]

use proptest::prelude::*;
use undertone_mfcc::{Config, Deltas, Edges, Extractor, FftLength, Normalise, Preset, Window};

fn extractor(config: &Config) -> Extractor {
    Extractor::new(config).unwrap()
}

/// All rows of a signal that comes in the given pieces.
fn rows<'a>(extractor: &mut Extractor, pieces: impl IntoIterator<Item = &'a [f32]>) -> Vec<u32> {
    let mut rows = Vec::new();
    for piece in pieces {
        extractor.push(piece, &mut rows);
    }
    extractor.finish(&mut rows);
    rows.into_iter().map(f32::to_bits).collect()
}

fn cut<'a>(signal: &'a [f32], lengths: &[usize]) -> Vec<&'a [f32]> {
    let mut rest = signal;
    let mut pieces = Vec::new();
    for &length in lengths {
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

fn configs() -> impl Strategy<Value = Config> {
    let presets =
        prop::sample::select(&[Preset::Librosa, Preset::Torchaudio, Preset::Kaldi, Preset::Htk][..]);
    let edges = prop::sample::select(&[Edges::Snip, Edges::Zero, Edges::Reflect][..]);
    let normalise = prop_oneof![
        Just(Normalise::None),
        (1_u32..30).prop_map(|frames| Normalise::Mean { frames }),
        (1_u32..30).prop_map(|frames| Normalise::MeanVariance { frames }),
    ];
    (presets, edges, normalise, 2_usize..500, 1_usize..300, 0_usize..3, 1_usize..6, any::<bool>()).prop_map(
        |(preset, edges, normalise, frame_length, hop, order, radius, energy)| {
            let base = preset.config();
            let deltas = Deltas { order, radius, ..base.deltas };
            Config { edges, normalise, frame_length, hop, deltas, energy, mels: 20, coefficients: 13, ..base }
        },
    )
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_the_same_bits_as_the_whole(
        config in configs(),
        signal in prop::collection::vec(-1.0_f32..1.0, 0..3000),
        lengths in prop::collection::vec(0_usize..700, 0..20),
    ) {
        let mut extractor = extractor(&config);
        let whole = rows(&mut extractor, [signal.as_slice()]);
        extractor.reset();
        prop_assert_eq!(&rows(&mut extractor, cut(&signal, &lengths)), &whole);
        extractor.reset();
        prop_assert_eq!(&rows(&mut extractor, signal.chunks(1)), &whole);
    }

    #[test]
    fn the_number_of_rows_is_that_of_the_references(
        config in configs(),
        signal in prop::collection::vec(-1.0_f32..1.0, 0..3000),
    ) {
        let mut extractor = extractor(&config);
        let padded = signal.len() + 2 * extractor.padding();
        let frames = match padded.checked_sub(config.frame_length) {
            Some(room) if !signal.is_empty() => 1 + room / config.hop,
            _ => 0,
        };
        prop_assert_eq!(rows(&mut extractor, [signal.as_slice()]).len(), frames * extractor.width());
    }

    #[test]
    fn loudness_moves_the_first_coefficient_alone(
        signal in prop::collection::vec(-0.5_f32..0.5, 400..2000),
    ) {
        let config = Config { energy: false, ..Preset::Kaldi.config() };
        let mut loud = Vec::new();
        let mut quiet = Vec::new();
        extractor(&config).push(&signal, &mut loud);
        let halved: Vec<f32> = signal.iter().map(|x| x / 2.0).collect();
        extractor(&config).push(&halved, &mut quiet);
        // A quarter of the power in each of 40 filters: ln 4 · √40.
        let step = 4.0_f32.ln() * 40.0_f32.sqrt();
        for (n, (l, q)) in loud.iter().zip(&quiet).enumerate() {
            let expected = if n % 40 == 0 { step } else { 0.0 };
            prop_assert!((l - q - expected).abs() < 0.02, "value {n}: {l} and {q}");
        }
    }
}

#[test]
fn a_row_comes_as_soon_as_its_last_sample() {
    let mut extractor = extractor(&Config::default());
    let mut rows = Vec::new();
    extractor.push(&[0.1; 399], &mut rows);
    assert!(rows.is_empty());
    extractor.push(&[0.1; 1], &mut rows);
    assert_eq!(rows.len(), 40);
    extractor.push(&[0.1; 160], &mut rows);
    assert_eq!(rows.len(), 80);
}

#[test]
fn a_new_signal_after_the_end_of_one_starts_afresh() {
    let signal: Vec<f32> = (0..4000).map(|n| (n as f32 * 0.05).sin()).collect();
    for edges in [Edges::Snip, Edges::Zero, Edges::Reflect] {
        let deltas = Deltas { order: 2, ..Config::default().deltas };
        let mut extractor = extractor(&Config { edges, deltas, ..Config::default() });
        let first = rows(&mut extractor, [signal.as_slice()]);
        assert_eq!(rows(&mut extractor, [signal.as_slice()]), first, "{edges:?}");
    }
}

#[test]
fn running_normalisation_goes_on_over_signals_until_reset() {
    let signal: Vec<f32> = (0..4000).map(|n| (n as f32 * n as f32 * 1e-4).sin()).collect();
    let normalise = Normalise::MeanVariance { frames: 300 };
    let mut extractor = extractor(&Config { normalise, ..Config::default() });
    let first = rows(&mut extractor, [signal.as_slice()]);
    assert_ne!(rows(&mut extractor, [signal.as_slice()]), first);
    extractor.reset();
    assert_eq!(rows(&mut extractor, [signal.as_slice()]), first);
}

#[test]
fn silence_has_finite_features() {
    for preset in [Preset::Librosa, Preset::Torchaudio, Preset::Kaldi, Preset::Htk] {
        let config = Config {
            window: Window::Hamming,
            fft: FftLength::PowerOfTwo,
            normalise: Normalise::MeanVariance { frames: 10 },
            energy: true,
            ..preset.config()
        };
        let bits = rows(&mut extractor(&config), [[0.0; 4000].as_slice()]);
        assert!(bits.iter().all(|&bits| f32::from_bits(bits).is_finite()), "{preset:?}");
    }
}
