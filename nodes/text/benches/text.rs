//! Time of one estimate on the default model: a sentence of 5 words, of 15, and a text of 200.

use std::hint::black_box;
use std::process::ExitCode;

use clap::Parser;
use criterion::{BenchmarkId, Criterion};
use undertone_text::{Arguments, TextError, TextModel};

const SENTENCE: &str = "I did not think that it would go so well, and now I am glad.";

fn main() -> ExitCode {
    match bench(&mut Criterion::default().configure_from_args()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(criterion: &mut Criterion) -> Result<(), TextError> {
    let mut model = TextModel::load(&Arguments::parse_from(["text"]))?;
    let words: Vec<&str> = SENTENCE.split(' ').cycle().take(200).collect();
    let mut group = criterion.benchmark_group("text");
    for count in [5, 15, 200] {
        let text: String = words.iter().take(count).copied().collect::<Vec<_>>().join(" ");
        model.probabilities(&text)?;
        group.bench_with_input(BenchmarkId::new("words", count), &text, |bencher, text| {
            bencher.iter(|| black_box(model.probabilities(black_box(text)).is_ok()));
        });
    }
    group.finish();
    Ok(())
}
