//! The `vad` node: audio frames in, segments of speech out.

use undertone_vad::VadFactory;

fn main() -> std::process::ExitCode {
    undertone_node::run_stage::<VadFactory>("audio", "speech")
}
