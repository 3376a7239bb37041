//! Measures endpointing: joins recordings of one utterance each with silence between them, adds noise if asked, and
//! says of each utterance whether it was found whole.
//!
//!     cargo run --release --example endpoints -- --detector energy --noise office.wav --snr-db 10 *.wav
//!
//! The recordings are mono WAV files of 16-bit samples at 16 kHz. Where an utterance really begins and ends is measured
//! on the clean recording: the first and the last 20 ms whose level is within 30 dB of the loudest. An utterance is
//! clipped when its first segment begins behind that, or its last ends before.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Parser;
use undertone_messages::{AudioFrame, Phase, ScalarBuffer, SessionId, Speech, seconds};
use undertone_stage::{Factory, Stage};
use undertone_vad::{Arguments, VadFactory};

#[derive(clap::Parser)]
struct Measurement {
    #[command(flatten)]
    vad: Arguments,
    /// Silence before, between and behind the recordings
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pause_seconds: f64,
    /// Noise that is added to all of it, repeated as needed
    #[arg(long, value_name = "FILE")]
    noise: Option<PathBuf>,
    /// Level of each recording over the noise, both without pauses
    #[arg(long, value_name = "DECIBELS", default_value_t = 10.0, allow_negative_numbers = true)]
    snr_db: f32,
    /// The recordings
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// An utterance and where it is in the joined audio.
struct Utterance {
    name: String,
    start: u64,
    end: u64,
    onset: u64,
    offset: u64,
}

fn read(path: &Path) -> Result<Vec<f32>, Box<dyn Error>> {
    let mut file = hound::WavReader::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let format = file.spec();
    if (format.channels, format.sample_rate, format.bits_per_sample) != (1, 16_000, 16) {
        return Err(format!("{} is not mono, 16 kHz, 16 bit", path.display()).into());
    }
    Ok(file
        .samples::<i16>()
        .map(|sample| sample.map(|s| f32::from(s) / 32768.0))
        .collect::<Result<_, _>>()?)
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32
}

/// The first and the last sample whose 20 ms are within 30 dB of the loudest, and the power between them.
fn extent(samples: &[f32]) -> (usize, usize, f32) {
    let powers: Vec<f32> = samples.chunks(320).map(power).collect();
    let least = powers.iter().copied().fold(0.0, f32::max) / 1_000.0;
    let first = powers.iter().position(|power| *power > least).unwrap_or(0) * 320;
    let last = powers.iter().rposition(|power| *power > least).map_or(samples.len(), |n| (n + 1) * 320);
    let last = last.min(samples.len());
    (first, last, power(samples.get(first..last).unwrap_or_default()))
}

fn join(measurement: &Measurement) -> Result<(Vec<f32>, Vec<Utterance>), Box<dyn Error>> {
    let pause = (measurement.pause_seconds * 16_000.0) as usize;
    let noise = measurement.noise.as_deref().map(read).transpose()?;
    let (mut audio, mut utterances) = (vec![0.0; pause], Vec::new());
    for path in &measurement.files {
        let mut samples = read(path)?;
        let (onset, offset, level) = extent(&samples);
        // With noise the recordings come to one level, so that the noise can be one too.
        let gain = if noise.is_some() { 0.05 / level.sqrt() } else { 1.0 };
        samples.iter_mut().for_each(|sample| *sample *= gain);
        let start = audio.len();
        utterances.push(Utterance {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            start: start as u64,
            end: (start + samples.len()) as u64,
            onset: (start + onset) as u64,
            offset: (start + offset) as u64,
        });
        audio.append(&mut samples);
        audio.resize(audio.len() + pause, 0.0);
    }
    if let Some(noise) = noise {
        let level = 0.05 / 10_f32.powf(measurement.snr_db / 20.0);
        let gain = level / power(&noise).sqrt();
        audio.iter_mut().zip(noise.iter().cycle()).for_each(|(sample, noise)| *sample += gain * noise);
    }
    Ok((audio, utterances))
}

fn detect(arguments: &Arguments, audio: &[f32]) -> Result<Vec<Speech>, Box<dyn Error>> {
    let mut factory = VadFactory::load(arguments)?;
    let mut stage = factory.create(arguments, &SessionId::from("measurement"))?;
    let mut output = Vec::new();
    for (start, samples) in (0..).step_by(1024).zip(audio.chunks(1024)) {
        let samples = ScalarBuffer::from(samples.to_vec());
        stage.push(AudioFrame { start, sample_rate: 16_000, samples, gap: 0 }, &mut output)?;
    }
    stage.finish(&mut output)?;
    Ok(output)
}

/// Milliseconds from one sample to a later one; negative if it is earlier.
fn milliseconds(from: u64, to: u64) -> f64 {
    (seconds(to) - seconds(from)) * 1e3
}

fn main() -> Result<(), Box<dyn Error>> {
    let measurement = Measurement::parse();
    let (audio, utterances) = join(&measurement)?;
    let messages = detect(&measurement.vad, &audio)?;
    let segments: Vec<&Speech> = messages.iter().filter(|message| message.phase == Phase::Final).collect();
    let cancelled = messages.iter().filter(|message| message.phase == Phase::Cancelled).count();
    let touches = |segment: &Speech, utterance: &Utterance| {
        segment.start < utterance.end && segment.end > utterance.start
    };
    println!(
        "{:28} {:>8} {:>9} {:>12} {:>12}",
        "utterance", "seconds", "segments", "before (ms)", "behind (ms)"
    );
    let (mut found, mut clipped) = (0, 0);
    for utterance in &utterances {
        let own: Vec<_> = segments.iter().filter(|segment| touches(segment, utterance)).collect();
        let (Some(first), Some(last)) = (own.first(), own.last()) else {
            println!(
                "{:28} {:8.2} {:>9}",
                utterance.name,
                seconds(utterance.offset - utterance.onset),
                "missed"
            );
            continue;
        };
        let before = milliseconds(first.start, utterance.onset);
        let behind = milliseconds(utterance.offset, last.end);
        found += 1;
        clipped += u32::from(before < 0.0 || behind < 0.0);
        let length = seconds(utterance.offset - utterance.onset);
        println!("{:28} {length:8.2} {:9} {before:12.0} {behind:12.0}", utterance.name, own.len());
    }
    let alien =
        segments.iter().filter(|segment| !utterances.iter().any(|other| touches(segment, other))).count();
    let bridged = segments
        .iter()
        .filter(|segment| utterances.iter().filter(|utterance| touches(segment, utterance)).count() > 1);
    println!(
        "found {found} of {}, clipped {clipped}, segments {}, over two utterances {}, over none {alien}, cancelled {cancelled}",
        utterances.len(),
        segments.len(),
        bridged.count(),
    );
    Ok(())
}
