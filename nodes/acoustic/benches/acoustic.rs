//! Time of one estimate: by the default model on a window of 3 s, 300 frames of 40 coefficients; and from the encoder's
//! states of 5 s and 15 s.

use std::hint::black_box;
use std::process::ExitCode;

use clap::Parser;
use criterion::Criterion;
use undertone_acoustic::{AcousticModel, Arguments, ToneModel};
use undertone_inference::ModelError;

/// Values a frame of 20 ms that acoustic-whisper hears: four layers of tiny.en's encoder.
const FRAME: usize = 4 * 384;

fn main() -> ExitCode {
    match bench(&mut Criterion::default().configure_from_args()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(criterion: &mut Criterion) -> Result<(), ModelError> {
    let mut model = AcousticModel::load(&Arguments::parse_from(["acoustic"]))?;
    let values: Vec<f32> = (0..300 * 40).map(|index| ((index * 7919 % 1000) as f32 / 50.0) - 10.0).collect();
    model.estimate(&values)?;
    criterion.bench_function("acoustic, window of 3 s", |bencher| {
        bencher.iter(|| black_box(model.estimate(black_box(&values))));
    });
    let mut tone = ToneModel::load(&Arguments::parse_from(["acoustic", "--model", "acoustic-whisper"]))?;
    for seconds in [5, 15] {
        let states: Vec<f32> =
            (0..seconds * 50 * FRAME).map(|index| (index * 7919 % 1000) as f32 / 250.0 - 2.0).collect();
        tone.estimate(&states)?;
        criterion.bench_function(&format!("acoustic, encoding of {seconds} s"), |bencher| {
            bencher.iter(|| black_box(tone.estimate(black_box(&states))));
        });
    }
    Ok(())
}
