//! What a detector costs: real speech, 6 s of it, in frames of the detector; the time for each 32 ms is printed.
//!
//!     cargo bench --workspace --bench vad
//!
//! Silero VAD needs the models of `make models`.
#![allow(clippy::expect_used, reason = "a bench that cannot go on fails")]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use undertone_vad::{Detector, EndpointRules, Endpointer, Energy, SileroModel, Webrtc, WebrtcMode};

fn speech() -> Vec<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/jfk.wav");
    let mut file = hound::WavReader::open(path).expect("a recording");
    file.samples::<i16>().map(|sample| f32::from(sample.expect("a sample")) / 32768.0).collect()
}

/// Hears all of the samples, frame by frame.
fn hear(detector: &mut dyn Detector, samples: &[f32]) {
    for frame in samples.chunks_exact(detector.frame_length()) {
        black_box(detector.probability(black_box(frame)).expect("a probability"));
    }
}

fn detectors(criterion: &mut Criterion) {
    let samples = speech();
    let model =
        SileroModel::open(Path::new("silero-vad"), None, NonZeroUsize::MIN).expect("run `make models` first");
    let detectors: [(&str, Box<dyn Detector>); 3] = [
        ("silero", Box::new(model.detector())),
        ("energy", Box::new(Energy::new(10.0))),
        ("webrtc", Box::new(Webrtc::new(WebrtcMode::VeryAggressive))),
    ];
    let mut group = criterion.benchmark_group("6 s of speech");
    group.throughput(Throughput::Elements(samples.len() as u64 / 512));
    for (name, mut detector) in detectors {
        let start = Instant::now();
        hear(detector.as_mut(), &samples);
        let frames = samples.len() as f64 / 512.0;
        println!("{name}: {:.4} ms for each 32 ms", start.elapsed().as_secs_f64() * 1e3 / frames);
        group.bench_function(name, |bencher| bencher.iter(|| hear(detector.as_mut(), &samples)));
    }
    group.finish();
    let mut silero = model.detector();
    hear(&mut silero, &samples);
    criterion.bench_function("silero forgets what is not recent", |bencher| {
        bencher.iter(|| silero.refresh().expect("a refresh"));
    });
}

/// The endpointer alone, over an hour of speech: 0.5 s pauses, cuts, and everything that is sent.
fn endpointer(criterion: &mut Criterion) {
    let rules = EndpointRules {
        threshold: 0.5,
        negative_threshold: 0.35,
        minimum_speech: 4_000,
        hangover: 8_000,
        tentative: 3_200,
        pre_roll: 4_800,
        post_roll: 1_600,
        longest: 448_000,
        chunk: 2_048,
    };
    const FRAMES: usize = 112_500;
    let mut group = criterion.benchmark_group("endpointer");
    group.throughput(Throughput::Elements(FRAMES as u64));
    group.sample_size(10);
    group.bench_function("an hour", |bencher| {
        bencher.iter_batched(
            || Endpointer::new(rules, 512),
            |mut endpointer| {
                let mut output = Vec::new();
                for n in 0..FRAMES {
                    let probability = if n % 1_200 < 1_180 { 0.9 } else { 0.1 };
                    endpointer.push(&[0.1; 512], probability, &mut output);
                    output.clear();
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, detectors, endpointer);
criterion_main!(benches);
