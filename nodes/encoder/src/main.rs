//! The node `encoder`: `speech` in, `encoding` out.

fn main() -> std::process::ExitCode {
    undertone_node::run_stage::<undertone_encoder::EncoderFactory>("speech", "encoding")
}
