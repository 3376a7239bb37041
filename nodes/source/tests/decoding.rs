//! Files of all formats: their samples, their times, their lengths.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod recordings;

use std::time::Duration;

use proptest::prelude::*;
use recordings::{
    Coding, alignment, amplitude, assert_near, chirp, committed, outcome, sampled, samples, write_wav,
};
use undertone_source::{AudioFile, Corruption, SourceError};

const CODINGS: [Coding; 5] =
    [Coding::Integer(8), Coding::Integer(16), Coding::Integer(24), Coding::Integer(32), Coding::Float];

/// Each channel its own signal, so that a lost or doubled channel shows in the average.
fn channels(count: usize, rate: u32, length: usize) -> Vec<Vec<f64>> {
    (0..count).map(|channel| sampled(|time| chirp(time) / (channel + 1) as f64, rate, length)).collect()
}

fn average(channels: &[Vec<f64>], coding: Coding) -> Vec<f64> {
    (0..channels[0].len())
        .map(|index| {
            channels.iter().map(|channel| coding.quantised(channel[index])).sum::<f64>()
                / channels.len() as f64
        })
        .collect()
}

#[test]
fn wav_of_16_khz_mono_passes_bit_by_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    for coding in CODINGS {
        let signal = channels(1, 16_000, 8_000);
        write_wav(&path, 16_000, coding, &signal);
        let expected: Vec<f32> = average(&signal, coding).iter().map(|sample| *sample as f32).collect();
        assert_near(&samples(&path), &expected, 0.0, &format!("{coding:?}"));
    }
}

#[test]
fn wav_of_any_coding_and_channels_is_averaged_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    for coding in CODINGS {
        for count in [2, 6] {
            let signal = channels(count, 16_000, 4_000);
            write_wav(&path, 16_000, coding, &signal);
            let heard = samples(&path);
            let worst = average(&signal, coding)
                .iter()
                .zip(&heard)
                .map(|(wanted, heard)| (wanted - f64::from(*heard)).abs())
                .fold(0.0, f64::max);
            assert_eq!(heard.len(), 4_000);
            assert!(worst < 6e-8, "{coding:?}, {count} channels: off by {worst}");
            let file = AudioFile::open(&path).unwrap();
            assert_eq!((file.sample_rate(), file.channels()), (16_000, count));
        }
    }
}

#[test]
fn wav_of_any_rate_stays_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    for rate in [8_000, 22_050, 44_100, 48_000, 96_000] {
        for coding in CODINGS {
            for count in [1, 2, 6] {
                let signal = channels(count, rate, rate as usize / 2);
                write_wav(&path, rate, coding, &signal);
                let heard = samples(&path);
                let gain = (1..=count).map(|channel| 1.0 / channel as f64).sum::<f64>() / count as f64;
                let expected = sampled(|time| gain * chirp(time), 16_000, 8_000);
                assert_eq!(heard.len(), expected.len());
                let rounding = if coding == Coding::Integer(8) { 1e-2 } else { 2e-3 };
                for (index, (heard, wanted)) in heard.iter().zip(&expected).enumerate() {
                    let error = (f64::from(*heard) - wanted).abs();
                    assert!(
                        error < rounding,
                        "{rate} Hz, {coding:?}, {count} channels, sample {index}: {error}"
                    );
                }
            }
        }
    }
}

#[test]
fn eight_bit_stereo_at_44_khz_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let tone = |time: f64| 0.5 * (2.0 * std::f64::consts::PI * 1_000.0 * time).sin();
    let silence = vec![0.0; 44_100];
    write_wav(&path, 44_100, Coding::Integer(8), &[sampled(tone, 44_100, 44_100), silence]);
    let heard = samples(&path);
    assert_eq!(heard.len(), 16_000);
    let level = amplitude(&heard[4_000..12_000], 1_000.0);
    assert!((level - 0.25).abs() < 0.002, "one of two channels at 0.5 gives {level}");
}

/// Name, rate, channels, codec, gain of the average, the least correlation.
const COMMITTED: [(&str, u32, usize, &str, f64, f64); 9] = [
    ("mono.flac", 22_050, 1, "flac", 1.0, 0.999_99),
    ("stereo.mp3", 44_100, 2, "mp3", 0.75, 0.995),
    ("stereo.ogg", 48_000, 2, "vorbis", 0.75, 0.995),
    ("pages.ogg", 48_000, 2, "vorbis", 0.75, 0.995),
    ("aac.m4a", 44_100, 2, "aac", 0.75, 0.995),
    ("fragments.m4a", 44_100, 2, "aac", 0.75, 0.995),
    ("stereo-24-bit.flac", 44_100, 2, "flac", 0.75, 0.999_99),
    ("alac.m4a", 32_000, 2, "alac", 0.75, 0.999_99),
    ("no-header.mp3", 44_100, 2, "mp3", 0.75, 0.995),
];

#[test]
fn compressed_files_stay_in_time() {
    for (name, rate, channels, codec, gain, least) in COMMITTED {
        let path = committed(name);
        let mut file = AudioFile::open(&path).unwrap();
        assert_eq!((file.sample_rate(), file.channels(), file.codec()), (rate, channels, codec), "{name}");
        let (mut heard, mut part) = (Vec::new(), Vec::new());
        while file.read(&mut part).unwrap().is_some() {
            heard.extend_from_slice(&part);
        }
        let seconds = match name {
            "stereo-24-bit.flac" => 0.1,
            "alac.m4a" => 0.2,
            _ => 0.5,
        };
        // Without a header nothing tells of the delay of encoder (576) and decoder (529).
        let delay = if name == "no-header.mp3" { 1_105.0 / 44_100.0 } else { 0.0 };
        let length = ((seconds + delay) * 16_000.0) as usize;
        let expected = sampled(|time| gain * chirp(time - delay), 16_000, length);
        let (shift, correlation) = alignment(&heard, &expected);
        assert!(correlation > least, "{name}: correlation {correlation} at {shift}");
        assert_eq!(shift, 0, "{name}");
        if matches!(name, "no-header.mp3" | "fragments.m4a") {
            // Nothing tells where the sound ends and padding begins.
            assert!(heard.len() >= expected.len(), "{name}: {} samples", heard.len());
            continue;
        }
        // The edit list of an MP4 counts in milliseconds.
        let slack = if codec == "aac" { 16 } else { 0 };
        assert!(heard.len().abs_diff(expected.len()) <= slack, "{name}: {} samples", heard.len());
        let told = AudioFile::open(&path).unwrap().duration().unwrap();
        assert!(
            told.abs_diff(Duration::from_secs_f64(seconds)) <= Duration::from_millis(1),
            "{name}: {told:?}"
        );
    }
}

#[test]
fn bare_aac_is_decoded() {
    let heard = samples(&committed("adts.aac"));
    // Nothing tells of the encoder's delay.
    let expected = sampled(|time| 0.75 * chirp(time - 1_024.0 / 44_100.0), 16_000, 8_300);
    let (shift, correlation) = alignment(&heard, &expected);
    assert!(correlation > 0.995, "{correlation}");
    assert_eq!(shift, 0);
}

#[test]
fn frames_of_any_length_hold_the_same_samples() {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("a.wav");
    write_wav(&wav, 44_100, Coding::Integer(16), &channels(2, 44_100, 30_001));
    let mut paths = vec![wav];
    paths.extend(COMMITTED.iter().map(|(name, ..)| committed(name)));
    for path in paths {
        let whole = samples(&path);
        for length in [160, 512, 1_024, 4_000] {
            let outcome = outcome(&[&path], length, 0, Corruption::Refuse);
            assert!(outcome.error.is_none());
            assert_near(&outcome.samples, &whole, 0.0, &format!("{} in frames of {length}", path.display()));
            let (_, last) = outcome.frames.pop_and_check(length);
            assert_eq!(last, (whole.len() - 1) % length + 1);
        }
    }
}

trait PopAndCheck {
    /// The last frame, once all before it are known to be full.
    fn pop_and_check(self, length: usize) -> (u64, usize);
}

impl PopAndCheck for Vec<(u64, usize)> {
    fn pop_and_check(mut self, length: usize) -> (u64, usize) {
        let last = self.pop().unwrap();
        for (index, frame) in self.iter().enumerate() {
            assert_eq!(*frame, ((index * length) as u64, length));
        }
        last
    }
}

/// The content decides what a file is.
#[test]
fn a_wrong_extension_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    std::fs::copy(committed("mono.flac"), &path).unwrap();
    assert_eq!(AudioFile::open(&path).unwrap().codec(), "flac");
}

/// A recorder that writes to a pipe cannot say how much will come.
#[test]
fn a_streamed_wav_ends_where_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let signal = channels(1, 16_000, 5_000);
    write_wav(&path, 16_000, Coding::Integer(16), &signal);
    let whole = samples(&path);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4..8].fill(0xff);
    let data = bytes.windows(4).position(|window| window == b"data").unwrap();
    bytes[data + 4..data + 8].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(AudioFile::open(&path).unwrap().duration(), None);
    assert_near(&samples(&path), &whole, 0.0, "streamed");
}

#[test]
fn a_sample_that_is_no_number_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    for bad in [f64::NAN, f64::INFINITY] {
        let mut signal = channels(1, 16_000, 16_000);
        signal[0][12_000] = bad;
        write_wav(&path, 16_000, Coding::Float, &signal);
        let outcome = outcome(&[&path], 1_024, 0, Corruption::Tolerate);
        let Some(SourceError::NotFinite { at, .. }) = outcome.error else { panic!("{outcome:?}") };
        assert_eq!(at, 0.75);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn wav_lengths_and_frames_hold_for_any_file(
        length in 1_usize..20_000,
        rate in prop::sample::select(&[8_000_u32, 11_025, 16_000, 44_100, 48_000][..]),
        count in 1_usize..4,
        frame in 16_usize..5_000,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        write_wav(&path, rate, Coding::Integer(16), &channels(count, rate, length));
        let outcome = outcome(&[&path], frame, 0, Corruption::Refuse);
        prop_assert!(outcome.error.is_none());
        let expected = (length as f64 * 16_000.0 / f64::from(rate)).round() as usize;
        prop_assert_eq!(outcome.samples.len(), expected);
        prop_assert_eq!(outcome.frames.len(), expected.div_ceil(frame));
    }
}
