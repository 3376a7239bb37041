//! Measures the word error rate and the time of recognition on files with transcripts, by `asr` or by `encoder` and
//! `decoder`.
//!
//! ```text
//! cargo run --release --example word_error_rate -- --transcripts FOLDER/transcripts.tsv ears
//! cargo run --release --example word_error_rate -- --transcripts FOLDER/transcripts.tsv asr --beam 5
//! cargo run --release --example word_error_rate -- --transcripts T.tsv --noise office.flac --snr-db 10 ears
//! ```
//!
//! The table's first line is a header; the first column of the others is a file beside the table (any format that
//! `source` reads), the second what is said in it, nothing if nobody speaks. Case and punctuation do not count. A rejected
//! transcript counts as one without words. Files are whole segments: nothing is cut out of them.
//! `with_faster_whisper.py` beside this file does the same with faster-whisper.
//!
//! A table of RAVDESS, in whose names the fifth field is the sentence:
//!
//! ```text
//! find ravdess -name '03-01-*' | sort | awk -F- 'BEGIN { print "file\ttranscript" }
//!     { print $0 "\t" ($5 == "01" ? "Kids are talking" : "Dogs are sitting") " by the door" }' > ravdess.tsv
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Parser;
use undertone_asr::AsrFactory;
use undertone_decoder::DecoderFactory;
use undertone_encoder::EncoderFactory;
use undertone_messages::{Speech, Transcript, TranscriptStatus, seconds};
use undertone_source::AudioFile;
use undertone_stage::{Factory, Stage};

#[derive(clap::Parser)]
struct Measurement {
    /// The table of files and transcripts
    #[arg(long, value_name = "TSV")]
    transcripts: PathBuf,
    /// Every so many lines of the table only
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    every: usize,
    /// Mix this into each file, from the beginning on, over and over
    #[arg(long, value_name = "FILE", requires = "snr_db")]
    noise: Option<PathBuf>,
    /// The power of the file against that of the noise
    #[arg(long, value_name = "DECIBEL", allow_negative_numbers = true)]
    snr_db: Option<f32>,
    /// Print each file's transcript with its evidence and the words with their times
    #[arg(long)]
    each: bool,
    /// How much of the log is shown
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log_level: tracing::level_filters::LevelFilter,
    #[command(subcommand)]
    engine: EngineArguments,
}

#[derive(clap::Subcommand)]
enum EngineArguments {
    /// whisper.cpp, as in the node `asr`
    Asr(undertone_asr::Arguments),
    /// ONNX Runtime, as in the nodes `encoder` and `decoder`
    Ears {
        /// As the encoder's
        #[arg(long, value_name = "MILLISECONDS", default_value_t = 200)]
        tail_ms: u16,
        #[command(flatten)]
        decoder: undertone_decoder::Arguments,
    },
}

/// What recognises.
enum Engine {
    Asr(AsrFactory, undertone_asr::Arguments),
    Ears {
        encoder: EncoderFactory,
        hears: undertone_encoder::Arguments,
        decoder: DecoderFactory,
        writes: undertone_decoder::Arguments,
    },
}

impl Engine {
    fn load(arguments: EngineArguments) -> Result<Self, Box<dyn Error>> {
        Ok(match arguments {
            EngineArguments::Asr(arguments) => Self::Asr(AsrFactory::load(&arguments)?, arguments),
            EngineArguments::Ears { tail_ms, decoder: writes } => {
                let hears = undertone_encoder::Arguments {
                    model: writes.model.clone(),
                    precision: writes.precision,
                    tail_ms,
                    threads: writes.threads,
                    onnxruntime: writes.onnxruntime.clone(),
                    ..undertone_encoder::Arguments::parse_from(["encoder"])
                };
                let (encoder, decoder) = (EncoderFactory::load(&hears)?, DecoderFactory::load(&writes)?);
                Self::Ears { encoder, hears, decoder, writes }
            }
        })
    }

    fn transcribe(&mut self, samples: Vec<f32>) -> Result<Transcript, Box<dyn Error>> {
        let session = "session".into();
        let speech = Speech::whole(samples).into();
        let transcripts = match self {
            Self::Asr(factory, arguments) => through(factory.create(arguments, &session)?, speech)?,
            Self::Ears { encoder, hears, decoder, writes } => {
                let encodings = through(encoder.create(hears, &session)?, speech)?;
                through(decoder.create(writes, &session)?, encodings)?
            }
        };
        Ok(transcripts.into_iter().next().ok_or("no transcript")?)
    }
}

fn through<S: Stage>(mut stage: S, input: Vec<S::Input>) -> Result<Vec<S::Output>, S::Error> {
    let mut output = Vec::new();
    for body in input {
        stage.push(body, &mut output)?;
    }
    stage.finish(&mut output)?;
    Ok(output)
}

#[derive(Default)]
struct Totals {
    words: usize,
    errors: usize,
    rejected: usize,
    audio: f64,
    times: Vec<Duration>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let measurement = Measurement::parse();
    tracing_subscriber::fmt().with_max_level(measurement.log_level).with_writer(std::io::stderr).init();
    let mut engine = Engine::load(measurement.engine)?;
    let noise = measurement.noise.as_deref().map(AudioFile::read_whole).transpose()?;
    let folder = measurement.transcripts.parent().unwrap_or(Path::new("."));
    let mut totals = Totals::default();
    for line in std::fs::read_to_string(&measurement.transcripts)?.lines().skip(1).step_by(measurement.every)
    {
        let mut columns = line.split('\t');
        let (Some(file), Some(said)) = (columns.next(), columns.next()) else { continue };
        let mut samples = AudioFile::read_whole(&folder.join(file))?;
        if let (Some(noise), Some(snr_db)) = (&noise, measurement.snr_db) {
            mix(&mut samples, noise, snr_db);
        }
        let start = Instant::now();
        let transcript = engine.transcribe(samples.clone())?;
        let time = start.elapsed();
        let heard =
            if transcript.status == TranscriptStatus::Final { words(&transcript.text) } else { Vec::new() };
        let said = words(said);
        let errors = distance(&said, &heard);
        totals.words += said.len();
        totals.errors += errors;
        totals.rejected += usize::from(transcript.status == TranscriptStatus::Rejected);
        totals.audio += samples.len() as f64 / 16_000.0;
        totals.times.push(time);
        if measurement.each {
            print(file, samples.len(), time, errors, &transcript);
        }
    }
    let Totals { words, errors, rejected, audio, mut times } = totals;
    times.sort();
    let quantile =
        |at: usize| times.get(times.len() * at / 100).map_or(0.0, |time| 1000.0 * time.as_secs_f64());
    println!(
        "word error rate {:.2} % ({errors} of {words} words, {rejected} of {} files rejected), {audio:.1} s of audio, milliseconds a file: median {:.0}, 95 % within {:.0}",
        100.0 * errors as f64 / words.max(1) as f64,
        times.len(),
        quantile(50),
        quantile(95),
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

/// Adds noise at a ratio of powers.
fn mix(samples: &mut [f32], noise: &[f32], snr_db: f32) {
    let power =
        |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>() / values.len().max(1) as f32;
    let noise: Vec<f32> = noise.iter().copied().cycle().take(samples.len()).collect();
    let gain = (power(samples) / power(&noise) / 10.0_f32.powf(snr_db / 10.0)).sqrt();
    for (sample, noise) in samples.iter_mut().zip(noise) {
        *sample += gain * noise;
    }
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
