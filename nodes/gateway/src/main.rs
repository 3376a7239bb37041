//! The `gateway` node: speech from clients in, results back to them.

fn main() -> std::process::ExitCode {
    undertone_node::run(undertone_gateway::run)
}
