//! Time of one estimate on the default model: a window of 3 s, 300 frames of 40 coefficients.

use std::hint::black_box;
use std::process::ExitCode;

use clap::Parser;
use criterion::Criterion;
use undertone_acoustic::{AcousticModel, Arguments};
use undertone_inference::ModelError;

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
    model.probabilities(&values)?;
    criterion.bench_function("acoustic, window of 3 s", |bencher| {
        bencher.iter(|| black_box(model.probabilities(black_box(&values))));
    });
    Ok(())
}
