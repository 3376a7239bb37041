//! The node's arguments.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use undertone_messages::SAMPLE_RATE;

/// Encodes speech, by Whisper's encoder, for the decoder and for whatever hears the tone.
///
/// Takes segments of speech and gives the encoder's states for each that ends. The arguments hold for the whole run.
#[derive(Clone, Debug, PartialEq, clap::Parser)]
#[command(name = "encoder", version, about)]
pub struct Arguments {
    /// Folder of the model, or its name under models/ or models/prepared/
    #[arg(long, value_name = "FOLDER", default_value = "whisper-tiny.en-onnx")]
    pub model: PathBuf,

    /// Which of the model's weights
    #[arg(long, value_enum, default_value_t = Precision::Int8)]
    pub precision: Precision,

    /// Send the states behind these layers too, from 1, such as `2,4`
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pub layers: Vec<u32>,

    /// Silence that is encoded behind the speech. The decoder fills the rest of 30 s with silence that was encoded once:
    /// more here is closer to what the model was trained on, and slower; 30000 is the whole window
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 200, value_parser = clap::value_parser!(u16).range(0..=30_000))]
    pub tail_ms: u16,

    /// With the output `preview` in the graph, what there is of a segment is encoded every so often while somebody speaks,
    /// counted from the first sound
    #[arg(long, value_name = "MILLISECONDS", default_value = "500")]
    pub preview_ms: NonZeroU32,

    /// The most that is encoded for that, from the segment's end so far
    #[arg(long, value_name = "MILLISECONDS", default_value = "8000", value_parser = window)]
    pub preview_window_ms: NonZeroU32,

    /// Threads for the model
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub threads: NonZeroUsize,

    /// ONNX Runtime's library [default: models/prepared/onnxruntime/libonnxruntime.so]
    #[arg(long, value_name = "FILE")]
    pub onnxruntime: Option<PathBuf>,
}

impl Arguments {
    /// Samples of silence behind the speech.
    pub fn tail(&self) -> usize {
        usize::from(self.tail_ms) * SAMPLE_RATE as usize / 1000
    }
}

/// A window that the model can look at.
fn window(text: &str) -> Result<NonZeroU32, String> {
    match text.parse() {
        Ok(ms) if (1_000..=29_000).contains(&ms) => NonZeroU32::new(ms).ok_or_else(String::new),
        _ => Err("a number from 1000 to 29000 is needed".to_owned()),
    }
}

/// The numbers that a model's weights are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// 8-bit integers: a quarter of the memory, and faster
    Int8,
    /// 32-bit floating point
    Fp32,
}

impl Precision {
    /// As it is written in the names of files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Fp32 => "fp32",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
        let arguments = Arguments::parse_from(["encoder", "--layers", "2,4", "--precision", "fp32"]);
        assert_eq!((arguments.layers, arguments.precision), (vec![2, 4], Precision::Fp32));
        assert!(Arguments::try_parse_from(["encoder", "--precision", "fp16"]).is_err());
        assert!(Arguments::try_parse_from(["encoder", "--layers", "two"]).is_err());
    }
}
