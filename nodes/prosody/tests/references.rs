//! On real speech, the measures are those of librosa and Praat: `vectors/make.py` made the expected values.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use undertone_messages::{Speech, Statistics};
use undertone_prosody::{Arguments, COLUMNS, Config, Output, Prosody};
use undertone_source::AudioFile;

const CLIPS: [&str; 2] = ["jfk", "LJ001-0008"];

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// The values of a little-endian float32 .npy file of format 1.0.
fn npy(name: &str) -> Vec<f32> {
    let bytes = fs::read(vectors().join(format!("{name}.npy"))).unwrap();
    assert_eq!(bytes[..8], *b"\x93NUMPY\x01\x00");
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert!(String::from_utf8_lossy(&bytes[10..header]).contains("'descr': '<f4', 'fortran_order': False"));
    bytes[header..].as_chunks::<4>().0.iter().map(|&value| f32::from_le_bytes(value)).collect()
}

/// The rows of a clip, and what they come to.
fn measure(clip: &str) -> (Vec<Vec<f32>>, Statistics) {
    let path = vectors().join("../../../../recordings/session").join(clip).with_extension("flac");
    let config = Config::new(&Arguments::parse_from(["prosody"])).unwrap();
    let (mut prosody, mut output) = (Prosody::new(config, false), Vec::new());
    for speech in Speech::whole(AudioFile::read_whole(&path).unwrap()) {
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
    (rows, last.unwrap())
}

fn column(rows: &[Vec<f32>], name: &str) -> Vec<f32> {
    let place = COLUMNS.iter().position(|column| *column == name).unwrap();
    rows.iter().map(|row| row[place]).collect()
}

/// What the pitch of a clip is like beside a reference's.
#[derive(Debug)]
struct Comparison {
    /// Share of the frames voiced in both whose pitch is more than 20 % from the reference's.
    gross: f32,
    /// Mean relative difference of the others.
    fine: f32,
    /// Share of the frames that are voiced in one of the two alone.
    voicing: f32,
}

fn compare(clip: &str, reference: &str) -> Comparison {
    let ours = column(&measure(clip).0, "f0_hz");
    let mut theirs = npy(&format!("{clip}-{reference}"));
    // librosa takes the end of the range for a trough even if the difference function goes on falling there, and so
    // hears a voice of 60 Hz in the noise of pauses.
    theirs.iter_mut().filter(|f0| **f0 < 61.5).for_each(|f0| *f0 = 0.0);
    assert_eq!(ours.len(), theirs.len());
    let pairs = || ours.iter().copied().zip(theirs.iter().copied());
    let errors: Vec<f32> =
        pairs().filter(|(a, b)| *a > 0.0 && *b > 0.0).map(|(a, b)| (a / b - 1.0).abs()).collect();
    let fine: Vec<f32> = errors.iter().copied().filter(|error| *error <= 0.2).collect();
    let voicing = pairs().filter(|(a, b)| (*a > 0.0) != (*b > 0.0)).count();
    assert!(errors.len() > ours.len() / 4, "hardly anything is voiced in both");
    Comparison {
        gross: (errors.len() - fine.len()) as f32 / errors.len() as f32,
        fine: fine.iter().sum::<f32>() / fine.len() as f32,
        voicing: voicing as f32 / ours.len() as f32,
    }
}

/// The same method. What is left is the width of a bin, 0.3 % on average without interpolation, and the end of a
/// voiced stretch, where librosa knows the whole clip.
#[test]
fn the_pitch_is_that_of_librosa() {
    for clip in CLIPS {
        let comparison = compare(clip, "librosa-f0");
        assert!(comparison.gross < 0.005, "{clip}: {comparison:?}");
        assert!(comparison.fine < 0.003, "{clip}: {comparison:?}");
        assert!(comparison.voicing < 0.06, "{clip}: {comparison:?}");
    }
}

/// Another method, and another one for voicing.
#[test]
fn the_pitch_is_that_of_praat() {
    for clip in CLIPS {
        let comparison = compare(clip, "praat-f0");
        assert!(comparison.gross < 0.05, "{clip}: {comparison:?}");
        assert!(comparison.fine < 0.02, "{clip}: {comparison:?}");
        assert!(comparison.voicing < 0.2, "{clip}: {comparison:?}");
    }
}

#[test]
fn the_centroid_is_that_of_librosa() {
    for clip in CLIPS {
        let ours = column(&measure(clip).0, "centroid_hz");
        let theirs = npy(&format!("{clip}-librosa-centroid"));
        assert_eq!(ours.len(), theirs.len());
        for (frame, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            assert!((a / b - 1.0).abs() < 1e-3, "{clip}, frame {frame}: {a} instead of {b}");
        }
    }
}

/// Praat takes the cycles and the harmonicity of its own voiced frames, which are not all ours.
#[test]
fn the_voice_quality_is_about_that_of_praat() {
    #[derive(serde::Deserialize)]
    struct Quality {
        jitter: f32,
        shimmer: f32,
        hnr_mean: f32,
    }
    let text = fs::read_to_string(vectors().join("praat.json")).unwrap();
    let praat: std::collections::BTreeMap<String, Quality> = serde_json::from_str(&text).unwrap();
    for clip in CLIPS {
        let (_, statistics) = measure(clip);
        let near = |name: &str, expected: f32, allowed: f32| {
            let value = statistics.value(name).unwrap();
            assert!((value - expected).abs() < allowed, "{clip}, {name}: {value} instead of {expected}");
        };
        near("jitter", praat[clip].jitter, 0.005);
        near("shimmer", praat[clip].shimmer, 0.02);
        near("hnr_mean", praat[clip].hnr_mean, 1.5);
    }
}
