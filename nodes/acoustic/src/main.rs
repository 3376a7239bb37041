//! The acoustic node: features or encodings in, emotion out.

use undertone_acoustic::{AcousticFactory, Kind, ToneFactory};
use undertone_node::{run, serve, serve_previews};

fn main() -> std::process::ExitCode {
    run(|start| match Kind::read(&start.arguments)? {
        Kind::Mfcc => serve::<AcousticFactory>(start, "features", "emotion"),
        Kind::Encoding => serve_previews::<ToneFactory>(start, "encoding", "emotion"),
    })
}
