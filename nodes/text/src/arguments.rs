//! The node's arguments.

use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Reads from a transcript how something was meant.
///
/// Sends one estimate for each transcript that is final. A transcript that is rejected, or that has no words, gets an
/// empty estimate, with the reason.
#[derive(Clone, Debug, PartialEq, clap::Parser)]
#[command(name = "text", version, about)]
pub struct Arguments {
    /// Folder of the model, or its name under models/ or models/prepared/
    #[arg(long, value_name = "FOLDER", default_value = "text-minilm")]
    pub model: PathBuf,

    /// Read partial transcripts as well, those of a segment that is still open. Recognisers send them on their output
    /// `preview` alone, and nothing else on it: this acts where the input `transcript` is wired to that, as
    /// `transcript: decoder/preview`
    #[arg(long)]
    pub partials: bool,

    /// Threads for the model
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub threads: NonZeroUsize,

    /// ONNX Runtime's library [default: models/prepared/onnxruntime/libonnxruntime.so]
    #[arg(long, value_name = "FILE")]
    pub onnxruntime: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Anywhere else it is without effect, and nobody is told.
    #[test]
    fn the_manual_names_the_wire_on_which_partial_transcripts_come() {
        let command = Arguments::command();
        let partials = command.get_arguments().find(|argument| argument.get_id() == "partials").unwrap();
        let help = partials.get_help().unwrap().to_string();
        assert!(help.contains("transcript: decoder/preview"), "{help}");
    }
}
