//! The node `decoder`: `encoding` in, `transcript` out.

fn main() -> std::process::ExitCode {
    undertone_node::run_stage::<undertone_decoder::DecoderFactory>("encoding", "transcript")
}
