//! The node's arguments.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use undertone_encoder::Precision;
use undertone_recognition::{Limits, Rung};

/// Writes down what is said, by Whisper's decoder, from what the encoder made of it.
///
/// Takes the encodings of segments and gives for each segment one transcript: final, or rejected with the evidence
/// against it. Limits, language and beam can be changed while the graph runs.
#[derive(Clone, Debug, PartialEq, clap::Parser)]
#[command(name = "decoder", version, about)]
pub struct Arguments {
    /// Folder of the model, or its name under models/ or models/prepared/; the encoder's must be the same
    #[arg(long, value_name = "FOLDER", default_value = "whisper-tiny.en-onnx")]
    pub model: PathBuf,

    /// Which of the model's weights; the encoder's must be the same
    #[arg(long, value_enum, default_value_t = Precision::Int8)]
    pub precision: Precision,

    /// The language as ISO 639-1 code, or `auto`; only `en` with an English-only model
    #[arg(long, value_name = "CODE", default_value = "en")]
    pub language: String,

    /// Candidates that beam search keeps; 1 is greedy decoding
    #[arg(long, value_name = "WIDTH", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub beam: u8,

    /// Let the model write timestamps between the words: a little slower, and at times other words. The words' own times
    /// come from its attention with and without
    #[arg(long)]
    pub timestamps: bool,

    /// With the wire `preview`, there is a partial transcript of what the encoder previews this often
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1000)]
    pub preview_ms: u32,

    /// What to do with less effort when results are late, as `1000=beam:1` for a greedy search from 1 s on, and
    /// `8000=skip` to reject what is 8 s late. Only with audio at the pace of the clock, and results then depend on the clock
    #[arg(long, value_name = "MILLISECONDS=WHAT", value_delimiter = ',')]
    pub when_late: Vec<Rung>,

    /// Threads for the model
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub threads: NonZeroUsize,

    /// A segment shorter than this is rejected unread
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 100)]
    pub minimum_ms: u32,

    /// ONNX Runtime's library [default: models/prepared/onnxruntime/libonnxruntime.so]
    #[arg(long, value_name = "FILE")]
    pub onnxruntime: Option<PathBuf>,

    /// What is rejected.
    #[command(flatten)]
    pub limits: Limits,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
        for arguments in [["--beam", "0"], ["--beam", "9"], ["--threads", "0"], ["--precision", "int4"]] {
            assert!(
                Arguments::try_parse_from(["decoder", arguments[0], arguments[1]]).is_err(),
                "{arguments:?}"
            );
        }
    }
}
