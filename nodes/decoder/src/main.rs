//! The node `decoder`: `encoding` in, `transcript` out, and `preview` in and out while somebody speaks.

fn main() -> std::process::ExitCode {
    undertone_node::run_preview_stage::<undertone_decoder::DecoderFactory>("encoding", "transcript")
}
