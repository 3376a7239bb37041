//! The `mfcc` node: speech in, features out.

use undertone_mfcc::MfccFactory;

fn main() -> std::process::ExitCode {
    undertone_node::run_stage::<MfccFactory>("speech", "features")
}
