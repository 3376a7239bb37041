//! Measures the word error rate and the time of the recogniser on files with transcripts.
//!
//! ```text
//! cargo run --release -p undertone-asr --example word_error_rate -- --transcripts FOLDER/transcripts.tsv --audio-context auto
//! ```
//!
//! The table's first line is a header; the first column of the others is a file beside the table (WAV, 16 kHz, mono, 16
//! bit), the second what is said in it, nothing if nobody speaks. Case and punctuation do not count. A rejected
//! transcript counts as one without words. Files are whole segments: nothing is cut out of them.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Parser;
use undertone_asr::{Arguments, AsrFactory};
use undertone_messages::{Phase, Speech, Transcript, TranscriptStatus, seconds};
use undertone_stage::{Factory, Stage};

#[derive(clap::Parser)]
struct Measurement {
    /// The table of files and transcripts
    #[arg(long, value_name = "TSV")]
    transcripts: PathBuf,
    /// Print each file's transcript with its evidence and the words with their times
    #[arg(long)]
    each: bool,
    /// How much of the log is shown: at debug, what is decoded a second time
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log_level: tracing::level_filters::LevelFilter,
    #[command(flatten)]
    arguments: Arguments,
}

#[derive(Default)]
struct Totals {
    words: usize,
    errors: usize,
    rejected: usize,
    audio: f64,
    time: Duration,
}

fn main() -> Result<(), Box<dyn Error>> {
    let measurement = Measurement::parse();
    tracing_subscriber::fmt().with_max_level(measurement.log_level).with_writer(std::io::stderr).init();
    let mut factory = AsrFactory::load(&measurement.arguments)?;
    let folder = measurement.transcripts.parent().unwrap_or(Path::new("."));
    let mut totals = Totals::default();
    for line in std::fs::read_to_string(&measurement.transcripts)?.lines().skip(1) {
        let mut columns = line.split('\t');
        let (Some(file), Some(said)) = (columns.next(), columns.next()) else { continue };
        let samples = read(&folder.join(file))?;
        let mut asr = factory.create(&measurement.arguments, &file.into())?;
        let start = Instant::now();
        let transcript = transcribe(&mut asr, samples.clone())?;
        let time = start.elapsed();
        let heard =
            if transcript.status == TranscriptStatus::Final { words(&transcript.text) } else { Vec::new() };
        let said = words(said);
        let errors = distance(&said, &heard);
        totals.words += said.len();
        totals.errors += errors;
        totals.rejected += usize::from(transcript.status == TranscriptStatus::Rejected);
        totals.audio += samples.len() as f64 / 16_000.0;
        totals.time += time;
        if measurement.each {
            print(file, samples.len(), time, errors, &transcript);
        }
    }
    let Totals { words, errors, rejected, audio, time } = totals;
    println!(
        "word error rate {:.2} % ({errors} of {words} words, {rejected} rejected), {:.2} s for {audio:.2} s of audio, real-time factor {:.3}",
        100.0 * errors as f64 / words.max(1) as f64,
        time.as_secs_f64(),
        time.as_secs_f64() / audio,
    );
    Ok(())
}

fn print(file: &str, samples: usize, time: Duration, errors: usize, transcript: &Transcript) {
    let Transcript { status, text, average_log_probability, no_speech_probability, reason, .. } = transcript;
    println!(
        "{file}\t{:.2} s\t{:.3} s\t{errors} wrong\t{status}\t{average_log_probability:.3}\t{no_speech_probability:.3}\t{text}\t{reason}",
        samples as f64 / 16_000.0,
        time.as_secs_f64(),
    );
    for word in &transcript.words {
        println!(
            "\t{:.2} s\t{:.2} s\t{:.3}\t{}",
            seconds(word.start),
            seconds(word.end),
            word.probability,
            word.text
        );
    }
}

fn read(path: &Path) -> Result<Vec<f32>, Box<dyn Error>> {
    let mut reader = hound::WavReader::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let spec = reader.spec();
    if (spec.sample_rate, spec.channels, spec.bits_per_sample) != (16_000, 1, 16) {
        return Err(format!("{} is not 16 kHz, mono, 16 bit", path.display()).into());
    }
    Ok(reader
        .samples::<i16>()
        .map(|sample| sample.map(|sample| f32::from(sample) / 32_768.0))
        .collect::<Result<_, _>>()?)
}

fn transcribe(asr: &mut undertone_asr::Asr, samples: Vec<f32>) -> Result<Transcript, Box<dyn Error>> {
    let end = samples.len() as u64;
    let speech = |phase, samples: Vec<f32>| Speech {
        segment: 0,
        start: 0,
        end,
        phase,
        samples: samples.into(),
        probability: 1.0,
    };
    let mut output = Vec::new();
    asr.push(speech(Phase::Open, samples), &mut output)?;
    asr.push(speech(Phase::Final, Vec::new()), &mut output)?;
    Ok(output.pop().ok_or("no transcript")?)
}

fn words(text: &str) -> Vec<String> {
    text.split(|letter: char| letter.is_whitespace() || letter == '-')
        .map(undertone_recognition::plain)
        .filter(|word| !word.is_empty())
        .collect()
}

/// Levenshtein's distance: the least number of words to replace, add or take away.
fn distance(said: &[String], heard: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (number, word) in said.iter().enumerate() {
        let mut diagonal = number;
        let mut left = number + 1;
        for (other, above) in heard.iter().zip(row.iter_mut().skip(1)) {
            let cost = (diagonal + usize::from(word != other)).min(left + 1).min(*above + 1);
            diagonal = std::mem::replace(above, cost);
            left = cost;
        }
        if let Some(first) = row.first_mut() {
            *first = number + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
