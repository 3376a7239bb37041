//! The text node: transcripts in, emotion out; `preview` in, to have read them before they are certain.

use undertone_text::TextFactory;

fn main() -> std::process::ExitCode {
    undertone_node::run_preview_stage::<TextFactory>("transcript", "emotion")
}
