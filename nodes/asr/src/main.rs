//! The node `asr`: `speech` in, `transcript` out.

fn main() -> std::process::ExitCode {
    undertone_node::run_stage::<undertone_asr::AsrFactory>("speech", "transcript")
}
