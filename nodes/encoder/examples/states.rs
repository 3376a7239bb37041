//! Turns audio files into arrays of the encoder's states, with the code that the pipeline runs, so that training and
//! serving see the same numbers.
//!
//! ```text
//! cargo run --release --example states -- INPUT OUTPUT --layers 2
//! ```

use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use clap::Parser;
use npyz::WriterBuilder;
use undertone_encoder::{Arguments, EncoderFactory};
use undertone_messages::{Encoding, Speech};
use undertone_source::AudioFile;
use undertone_stage::{Factory, Stage};

/// Encode every file of a folder and write the layers' states of each, without those of the silence behind it, as a NumPy
/// array float32 [layers, frames, width].
#[derive(Parser)]
struct Command {
    /// Folder of recordings of 30 s at most, of any format that `source` reads, 16 kHz.
    input: PathBuf,
    /// Folder for the arrays, made if it is not there: NAME.npy for NAME.wav.
    output: PathBuf,
    #[command(flatten)]
    encoder: Arguments,
}

fn main() -> Result<(), Box<dyn Error>> {
    let command = Command::parse();
    let mut factory = EncoderFactory::load(&command.encoder)?;
    fs::create_dir_all(&command.output)?;
    let entries = fs::read_dir(&command.input)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = entries.collect::<Result<Vec<_>, _>>()?;
    files.sort();
    for path in &files {
        let encoding = encode(&mut factory, &command.encoder, path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let output = command.output.join(path.with_extension("npy").file_name().unwrap_or_default());
        write(&output, &encoding).map_err(|error| format!("{}: {error}", output.display()))?;
    }
    println!("{} files", files.len());
    Ok(())
}

fn encode(
    factory: &mut EncoderFactory,
    arguments: &Arguments,
    path: &Path,
) -> Result<Encoding, Box<dyn Error>> {
    let mut stage = factory.create(arguments, &"session".into())?;
    let mut output = Vec::new();
    for speech in Speech::whole(AudioFile::read_whole(path)?) {
        stage.push(speech, &mut output)?;
    }
    let encoding = output.pop().filter(|_| output.is_empty());
    Ok(encoding.ok_or("longer than the 30 s that the encoder hears at once")?)
}

fn write(path: &Path, encoding: &Encoding) -> Result<(), Box<dyn Error>> {
    let spoken = encoding.frames_of_speech();
    let width = encoding.width as usize;
    let layers = encoding.layer_states.chunks(encoding.frames as usize * width);
    let shape = [encoding.layers.len() as u64, spoken as u64, width as u64];
    let file = BufWriter::new(File::create(path)?);
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
    writer.extend(layers.flat_map(|states| states.iter().take(spoken * width)))?;
    Ok(writer.finish()?)
}
