//! Turns audio files into arrays of features, with the code that the pipeline runs, so that training and serving see the
//! same numbers.

use std::fs;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use npyz::WriterBuilder;
use undertone_mfcc::{Arguments, Config, ConfigError, Extractor};

/// Compute the features of every WAV file of a folder and write each as a NumPy array float32 [frames, width].
#[derive(Parser)]
struct Command {
    /// Folder of WAV files, 16 kHz, mono, 16-bit or 32-bit float.
    input: PathBuf,
    /// Folder for the arrays, made if it is not there: NAME.npy for NAME.wav.
    output: PathBuf,
    #[command(flatten)]
    features: Arguments,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{path}: {source}", path = .0.display(), source = .1)]
    File(PathBuf, io::Error),
    #[error("{path}: {source}", path = .0.display(), source = .1)]
    Wav(PathBuf, hound::Error),
    #[error("{path}: {found}, where {rate} Hz mono in 16-bit integers or 32-bit floats is needed: convert it first", path = .0.display(), found = .1, rate = .2)]
    Format(PathBuf, String, u32),
    #[error("{path}: no WAV file in this folder", path = .0.display())]
    NoFiles(PathBuf),
}

fn main() -> ExitCode {
    match run(&Command::parse()) {
        Ok(files) => {
            println!("{files} files");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("features: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<usize, Error> {
    let config = command.features.config()?;
    let mut extractor = Extractor::new(&config)?;
    let files = wav_files(&command.input).map_err(|e| Error::File(command.input.clone(), e))?;
    if files.is_empty() {
        return Err(Error::NoFiles(command.input.clone()));
    }
    fs::create_dir_all(&command.output).map_err(|e| Error::File(command.output.clone(), e))?;
    for path in &files {
        let mut rows = Vec::new();
        extractor.reset();
        extractor.push(&samples(path, &config)?, &mut rows);
        extractor.finish(&mut rows);
        let name = path.with_extension("npy");
        let output = command.output.join(name.file_name().unwrap_or_default());
        write(&output, rows, extractor.width()).map_err(|e| Error::File(output, e))?;
    }
    Ok(files.len())
}

fn wav_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = entries.collect::<io::Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wav"));
    files.sort();
    Ok(files)
}

fn samples(path: &Path, config: &Config) -> Result<Vec<f32>, Error> {
    let wav = |e| Error::Wav(path.to_path_buf(), e);
    let mut reader = hound::WavReader::open(path).map_err(wav)?;
    let spec = reader.spec();
    let format = if (spec.sample_rate, spec.channels) == (config.sample_rate, 1) {
        (spec.sample_format, spec.bits_per_sample)
    } else {
        (spec.sample_format, 0)
    };
    match format {
        (hound::SampleFormat::Int, 16) => {
            let sample = |sample: hound::Result<i16>| sample.map(|sample| f32::from(sample) / 32_768.0);
            reader.samples().map(sample).collect::<Result<_, _>>().map_err(wav)
        }
        (hound::SampleFormat::Float, 32) => reader.samples().collect::<Result<_, _>>().map_err(wav),
        _ => {
            let hound::WavSpec { sample_rate, channels, bits_per_sample, sample_format } = spec;
            let found =
                format!("{sample_rate} Hz, {channels} channels, {bits_per_sample} bits {sample_format:?}");
            Err(Error::Format(path.to_path_buf(), found, config.sample_rate))
        }
    }
}

fn write(path: &Path, rows: Vec<f32>, width: usize) -> io::Result<()> {
    let shape = [(rows.len() / width) as u64, width as u64];
    let file = BufWriter::new(fs::File::create(path)?);
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
    writer.extend(rows)?;
    writer.finish()
}
