//! The acoustic node: features in, emotion out.

use undertone_acoustic::AcousticFactory;

fn main() -> std::process::ExitCode {
    undertone_node::run_stage::<AcousticFactory>("features", "emotion")
}
