//! Recordings that tests make, and the committed ones.
#![allow(dead_code, reason = "each test file uses its part")]

use std::f64::consts::PI;
use std::path::{Path, PathBuf};

use undertone_source::{AudioFile, Corruption, Frames, SourceError};

/// A committed recording.
pub fn committed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The chirp of the committed recordings, as in `tests/data/make`, at a time in seconds.
pub fn chirp(time: f64) -> f64 {
    let edge = (time.min(0.5 - time) / 0.02).clamp(0.0, 1.0);
    0.3 * (2.0 * PI * (200.0 * time + 2_800.0 * time * time)).sin() * edge
}

/// `count` samples of a signal at `rate`.
pub fn sampled(signal: impl Fn(f64) -> f64, rate: u32, count: usize) -> Vec<f64> {
    (0..count).map(|index| signal(index as f64 / f64::from(rate))).collect()
}

/// How a WAV is coded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Coding {
    Integer(u16),
    Float,
}

impl Coding {
    /// What becomes of a sample when it is coded.
    pub fn quantised(self, sample: f64) -> f64 {
        match self {
            Coding::Integer(bits) => self.integer(sample) as f64 / f64::from(1_u32 << (bits - 1)),
            Coding::Float => f64::from(sample as f32),
        }
    }

    fn integer(self, sample: f64) -> i32 {
        let Coding::Integer(bits) = self else { unreachable!() };
        let scale = f64::from(1_u32 << (bits - 1));
        (sample * scale).round().clamp(-scale, scale - 1.0) as i32
    }
}

/// Writes a WAV file; `channels` holds the samples of each.
pub fn write_wav(path: &Path, rate: u32, coding: Coding, channels: &[Vec<f64>]) {
    let (bits_per_sample, sample_format) = match coding {
        Coding::Integer(bits) => (bits, hound::SampleFormat::Int),
        Coding::Float => (32, hound::SampleFormat::Float),
    };
    let spec =
        hound::WavSpec { channels: channels.len() as u16, sample_rate: rate, bits_per_sample, sample_format };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for index in 0..channels[0].len() {
        for channel in channels {
            match coding {
                Coding::Integer(_) => writer.write_sample(coding.integer(channel[index])).unwrap(),
                Coding::Float => writer.write_sample(channel[index] as f32).unwrap(),
            }
        }
    }
    writer.finalize().unwrap();
}

/// All samples of a whole file.
pub fn samples(path: &Path) -> Vec<f32> {
    let mut file = AudioFile::open(path).unwrap();
    let (mut all, mut part) = (Vec::new(), Vec::new());
    while let Some(gap) = file.read(&mut part).unwrap() {
        assert_eq!(gap, 0);
        all.extend_from_slice(&part);
    }
    all
}

/// What a session gives: samples with zeros where they are lost, the gaps, the errors that were tolerated, and the one
/// that ended it.
#[derive(Default)]
pub struct Outcome {
    pub samples: Vec<f32>,
    pub frames: Vec<(u64, usize)>,
    pub lost: u64,
    pub tolerated: Vec<SourceError>,
    pub error: Option<SourceError>,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { samples, frames, lost, tolerated, error } = self;
        let (samples, frames) = (samples.len(), frames.len());
        write!(formatter, "{samples} samples in {frames} frames, {lost} lost; {tolerated:?}; {error:?}")
    }
}

/// Reads a session to its end and checks that its frames follow one another.
pub fn outcome(files: &[&Path], frame_samples: usize, silence: u64, corruption: Corruption) -> Outcome {
    let files = files.iter().map(|path| path.to_path_buf()).collect();
    let mut frames = Frames::new(files, frame_samples, silence, corruption);
    let mut outcome = Outcome::default();
    while let Some(item) = frames.next() {
        outcome.tolerated.append(&mut frames.take_tolerated());
        match item {
            Ok(frame) => {
                assert_eq!(frame.sample_rate, 16_000);
                assert_eq!(frame.start, outcome.samples.len() as u64 + frame.gap);
                assert!((1..=frame_samples).contains(&frame.samples.len()));
                outcome.lost += frame.gap;
                outcome.samples.resize(frame.start as usize, 0.0);
                outcome.samples.extend_from_slice(&frame.samples);
                outcome.frames.push((frame.start, frame.samples.len()));
            }
            Err(error) => {
                assert!(outcome.error.is_none());
                outcome.error = Some(error);
            }
        }
    }
    outcome.tolerated.append(&mut frames.take_tolerated());
    assert!(frames.next().is_none());
    outcome
}

/// Fails at the first sample that is off by more than `tolerance`.
#[track_caller]
pub fn assert_near(heard: &[f32], wanted: &[f32], tolerance: f32, what: &str) {
    assert_eq!(heard.len(), wanted.len(), "{what}: length");
    for (index, (heard, wanted)) in heard.iter().zip(wanted).enumerate() {
        assert!((heard - wanted).abs() <= tolerance, "{what}: sample {index} is {heard}, not {wanted}");
    }
}

/// The shift, in samples, at which `heard` matches `expected` best, and the correlation there.
pub fn alignment(heard: &[f32], expected: &[f64]) -> (i64, f64) {
    let correlation = |shift: i64| {
        let (mut product, mut left, mut right, mut overlap) = (0.0, 0.0, 0.0, 0);
        for (index, wanted) in expected.iter().enumerate() {
            let Some(heard) = heard.get((index as i64 + shift) as usize) else { continue };
            overlap += 1;
            product += wanted * f64::from(*heard);
            left += wanted * wanted;
            right += f64::from(heard * heard);
        }
        // A few samples match anything.
        if 2 * overlap < expected.len() { 0.0 } else { product / (left * right).sqrt().max(1e-30) }
    };
    (-1_500..=1_500)
        .map(|shift| (shift, correlation(shift)))
        .max_by(|left, right| left.1.total_cmp(&right.1))
        .unwrap()
}

/// The amplitude of a tone in a stretch of samples at 16 kHz, seen through a Hann window.
pub fn amplitude(samples: &[f32], frequency: f64) -> f64 {
    let count = samples.len() as f64;
    let (mut real, mut imaginary, mut weight) = (0.0, 0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (2.0 * PI * index as f64 / count).cos();
        let phase = 2.0 * PI * frequency * index as f64 / 16_000.0;
        real += f64::from(*sample) * window * phase.cos();
        imaginary += f64::from(*sample) * window * phase.sin();
        weight += window;
    }
    2.0 * real.hypot(imaginary) / weight
}
