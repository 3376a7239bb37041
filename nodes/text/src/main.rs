//! The text node: transcripts in, emotion out.

use undertone_text::TextFactory;

fn main() -> std::process::ExitCode {
    undertone_node::run_stage::<TextFactory>("transcript", "emotion")
}
