//! Seconds of audio a second of processor time, streamed in pieces of 500 ms: criterion's `elem/s` are samples, so divide
//! by 16,000; the line printed first does it.
#![allow(clippy::unwrap_used, reason = "a bench stops at the first thing that is not as it must be")]

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use undertone_mfcc::{Config, Deltas, Extractor, Preset};

const SAMPLE_RATE: usize = 16_000;
const PIECE: usize = SAMPLE_RATE / 2;

fn streaming(criterion: &mut Criterion) {
    let signal = noise(60 * SAMPLE_RATE);
    let with_deltas = |preset: Preset| {
        let config = preset.config();
        Config { deltas: Deltas { order: 2, ..config.deltas }, ..config }
    };
    let cases = [
        ("kaldi", Preset::Kaldi.config()),
        ("htk", Preset::Htk.config()),
        ("librosa", Preset::Librosa.config()),
        ("torchaudio", Preset::Torchaudio.config()),
        ("kaldi with deltas", with_deltas(Preset::Kaldi)),
    ];
    let mut group = criterion.benchmark_group("streaming in 500 ms pieces");
    group.throughput(Throughput::Elements(signal.len() as u64));
    for (name, config) in cases {
        let mut extractor = Extractor::new(&config).unwrap();
        let mut rows = Vec::new();
        println!("{name}: {:.0} seconds of audio a second", best_rate(&mut extractor, &signal, &mut rows));
        group.bench_function(name, |bencher| bencher.iter(|| stream(&mut extractor, &signal, &mut rows)));
    }
    group.finish();
}

fn best_rate(extractor: &mut Extractor, signal: &[f32], rows: &mut Vec<f32>) -> f64 {
    let once = |_| {
        let start = Instant::now();
        stream(extractor, signal, rows);
        signal.len() as f64 / SAMPLE_RATE as f64 / start.elapsed().as_secs_f64()
    };
    (0..20).map(once).fold(0.0, f64::max)
}

fn stream(extractor: &mut Extractor, signal: &[f32], rows: &mut Vec<f32>) {
    extractor.reset();
    for piece in signal.chunks(PIECE) {
        rows.clear();
        extractor.push(black_box(piece), rows);
        black_box(&rows);
    }
}

/// White noise from a linear congruential generator (Numerical Recipes).
fn noise(length: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..length).map(|_| 0.1 * next()).collect()
}

criterion_group!(benches, streaming);
criterion_main!(benches);
