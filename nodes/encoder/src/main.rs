//! The node `encoder`: `speech` in, `encoding` out, and `preview` while somebody speaks.

fn main() -> std::process::ExitCode {
    undertone_node::run_preview_stage::<undertone_encoder::EncoderFactory>("speech", "encoding")
}
