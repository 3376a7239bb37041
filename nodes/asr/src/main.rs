//! The node `asr`: `speech` in, `transcript` out, and `preview` while somebody speaks.

fn main() -> std::process::ExitCode {
    undertone_node::run_preview_stage::<undertone_asr::AsrFactory>("speech", "transcript")
}
