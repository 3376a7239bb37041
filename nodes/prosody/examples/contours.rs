//! Measures audio files with the code that the pipeline runs, for comparison with other programs and for training.
//!
//! ```text
//! cargo run --release --example contours -- INPUT OUTPUT
//! ```

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Parser;
use npyz::WriterBuilder;
use undertone_messages::{Speech, Statistics};
use undertone_prosody::{Arguments, COLUMNS, Config, NAMES, Output, Prosody};
use undertone_source::AudioFile;

/// Measure every file of a folder as one segment. Writes the rows of each as a NumPy array float32 [frames, width], and what
/// each came to as a line of statistics.tsv.
#[derive(Parser)]
struct Command {
    /// Folder of recordings of any format that `source` reads.
    input: PathBuf,
    /// Folder for the arrays, made if it is not there: NAME.npy for NAME.wav.
    output: PathBuf,
    #[command(flatten)]
    prosody: Arguments,
}

fn main() -> Result<(), Box<dyn Error>> {
    let command = Command::parse();
    let config = Config::new(&command.prosody)?;
    fs::create_dir_all(&command.output)?;
    let entries = fs::read_dir(&command.input)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = entries.collect::<Result<Vec<_>, _>>()?;
    let is_audio =
        |path: &PathBuf| path.extension().is_some_and(|extension| extension == "flac" || extension == "wav");
    files.retain(is_audio);
    files.sort();
    let mut table = BufWriter::new(File::create(command.output.join("statistics.tsv"))?);
    writeln!(table, "file\t{}", NAMES.join("\t"))?;
    for path in &files {
        let (rows, statistics) =
            measure(config, path).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let values: Vec<String> = statistics.values.iter().map(ToString::to_string).collect();
        writeln!(table, "{name}\t{}", values.join("\t"))?;
        write(&command.output.join(format!("{name}.npy")), rows)?;
    }
    println!("{} files", files.len());
    Ok(())
}

/// The rows of a file, and what they come to.
fn measure(config: Config, path: &Path) -> Result<(Vec<f32>, Statistics), Box<dyn Error>> {
    let (mut prosody, mut output) = (Prosody::new(config, false), Vec::new());
    for speech in Speech::whole(AudioFile::read_whole(path)?) {
        prosody.speech(&speech, &mut output)?;
    }
    let mut rows = Vec::new();
    let mut last = None;
    for output in output {
        match output {
            Output::Features(features) => {
                rows.extend(features.iter().flat_map(|features| features.values.iter()))
            }
            Output::Statistics(statistics) => last = statistics.or(last),
        }
    }
    Ok((rows, last.ok_or("nothing was measured")?))
}

fn write(path: &Path, rows: Vec<f32>) -> std::io::Result<()> {
    let shape = [(rows.len() / COLUMNS.len()) as u64, COLUMNS.len() as u64];
    let file = BufWriter::new(File::create(path)?);
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
    writer.extend(rows)?;
    writer.finish()
}
