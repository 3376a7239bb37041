//! Features equal those of librosa, torchaudio and Kaldi: `vectors/make.py` made the expected rows.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

use std::path::PathBuf;

use undertone_mfcc::{
    Config, Dct, DeltaRule, Deltas, Edges, Extractor, Lifter, LogMel, MelScale, Preset, Spectrum, Window,
};

/// The case's parameters, as in `vectors/make.py`.
fn config(case: &str) -> Config {
    let (librosa, torchaudio, kaldi) =
        (Preset::Librosa.config(), Preset::Torchaudio.config(), Preset::Kaldi.config());
    match case {
        "librosa" => librosa,
        "librosa-deltas" => Config {
            mels: 40,
            coefficients: 13,
            lifter: Lifter::Librosa(22.0),
            deltas: Deltas { order: 2, ..librosa.deltas },
            ..librosa
        },
        "librosa-varied" => Config {
            fft: undertone_mfcc::FftLength::PowerOfTwo,
            window: Window::HammingPeriodic,
            edges: Edges::Reflect,
            mel_scale: MelScale::Htk,
            area_normalised: false,
            spectrum: Spectrum::Magnitude,
            mels: 40,
            low_hz: 50.0,
            high_hz: 7000.0,
            coefficients: 20,
            ..librosa
        },
        "torchaudio" => torchaudio,
        "torchaudio-deltas" => Config {
            mels: 40,
            coefficients: 13,
            deltas: Deltas { order: 2, ..torchaudio.deltas },
            ..torchaudio
        },
        "kaldi" => kaldi,
        "kaldi-deltas" => Config {
            mels: 23,
            coefficients: 13,
            energy: true,
            deltas: Deltas { order: 2, radius: 2, rule: DeltaRule::Kaldi },
            ..kaldi
        },
        "kaldi-hann" => Config {
            mels: 23,
            coefficients: 13,
            lifter: Lifter::None,
            window: Window::Hann,
            pre_emphasis: 0.0,
            ..kaldi
        },
        "kaldi-htk" => Config {
            mels: 26,
            coefficients: 13,
            window: Window::Hamming,
            remove_dc: false,
            low_hz: 0.0,
            dct: Dct::Htk,
            ..kaldi
        },
        "htk" => Preset::Htk.config(),
        _ => panic!("no case {case}"),
    }
}

fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn signal(name: &str) -> Vec<f32> {
    let mut reader = hound::WavReader::open(vectors().join(name).with_extension("wav")).unwrap();
    reader.samples::<i16>().map(|sample| f32::from(sample.unwrap()) / 32_768.0).collect()
}

/// The values of a little-endian float32 .npy file of format 1.0.
fn npy(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(vectors().join(format!("{name}.npy"))).unwrap();
    assert_eq!(bytes[..8], *b"\x93NUMPY\x01\x00");
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert!(String::from_utf8_lossy(&bytes[10..header]).contains("'descr': '<f4', 'fortran_order': False"));
    bytes[header..].as_chunks::<4>().0.iter().map(|&value| f32::from_le_bytes(value)).collect()
}

fn features(config: &Config, signal: &[f32]) -> Vec<f32> {
    let mut extractor = Extractor::new(config).unwrap();
    let mut rows = Vec::new();
    extractor.push(signal, &mut rows);
    extractor.finish(&mut rows);
    rows
}

/// Every value is within 1e-3 of the reference, relative to that value, or to the root mean square of its column where
/// the value passes through zero.
fn check(case: &str) {
    let config = config(case);
    for name in ["synthetic", "speech"] {
        let expected = npy(&format!("{case}-{name}"));
        let actual = features(&config, &signal(name));
        let width = config.width();
        assert_eq!(
            (actual.len(), expected.len() % width),
            (expected.len(), 0),
            "{case}, {name}: number of values"
        );
        for column in 0..width {
            let of = |rows: &[f32]| rows.iter().copied().skip(column).step_by(width).collect::<Vec<_>>();
            let (actual, expected) = (of(&actual), of(&expected));
            let mean_square = expected.iter().map(|x| x * x).sum::<f32>() / expected.len() as f32;
            for (frame, (a, e)) in actual.iter().zip(&expected).enumerate() {
                let allowed = 1e-3 * e.abs().max(mean_square.sqrt());
                assert!(
                    (a - e).abs() <= allowed,
                    "{case}, {name}: frame {frame}, column {column}: {a} instead of {e}"
                );
            }
        }
    }
}

macro_rules! cases {
    ($($test:ident: $case:literal)*) => {
        $(#[test] fn $test() { check($case); })*
    };
}

cases! {
    librosa: "librosa"
    librosa_with_deltas_and_lifter: "librosa-deltas"
    librosa_with_a_padded_fft_a_band_htk_mel_and_magnitudes: "librosa-varied"
    torchaudio: "torchaudio"
    torchaudio_with_deltas: "torchaudio-deltas"
    kaldi: "kaldi"
    kaldi_with_energy_and_deltas: "kaldi-deltas"
    kaldi_with_a_hann_window_and_no_lifter: "kaldi-hann"
    kaldi_in_the_order_of_htk: "kaldi-htk"
    htk: "htk"
}

/// Values go from about -1 to 2; where there is digital silence the logarithm shows the last digits of the transform.
#[test]
fn the_spectrogram_is_that_of_whisper() {
    for name in ["synthetic", "speech"] {
        let expected = npy(&format!("whisper-{name}"));
        let actual = LogMel::new(80).compute(&signal(name));
        assert_eq!(actual.len(), expected.len());
        let largest = actual.iter().zip(&expected).map(|(a, e)| (a - e).abs()).fold(0.0, f32::max);
        assert!(largest < 1e-4, "{name}: {largest}");
    }
}
