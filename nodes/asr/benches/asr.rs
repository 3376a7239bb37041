//! Time for an utterance. The real-time factor is the time divided by the utterance's length, which criterion's
//! throughput shows the other way round: samples a second, of which 16,000 are real time.
#![allow(clippy::expect_used, reason = "a bench that cannot go on fails")]

use std::time::Duration;

use clap::Parser;
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use undertone_asr::{Arguments, AsrFactory};
use undertone_messages::Speech;
use undertone_stage::{Factory, Stage};

/// Real speech, repeated to the length that is needed.
fn speech(seconds: usize) -> Vec<f32> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/jfk.wav");
    let mut reader = hound::WavReader::open(path).expect("the recording");
    let samples: Vec<f32> =
        reader.samples::<i16>().map(|sample| f32::from(sample.expect("a sample")) / 32_768.0).collect();
    samples.into_iter().cycle().take(seconds * 16_000).collect()
}

fn utterances(criterion: &mut Criterion) {
    for context in ["full", "auto"] {
        let mut group = criterion.benchmark_group(format!("asr/{context}"));
        group.sample_size(10).sampling_mode(SamplingMode::Flat).warm_up_time(Duration::from_secs(1));
        let arguments = Arguments::parse_from(["asr", "--audio-context", context]);
        let mut factory = AsrFactory::load(&arguments).expect("the model; `make models` prepares it");
        for seconds in [2, 5] {
            let samples = speech(seconds);
            group.throughput(Throughput::Elements(samples.len() as u64));
            group.bench_with_input(
                BenchmarkId::from_parameter(format!("{seconds} s")),
                &samples,
                |bencher, samples| {
                    let mut asr = factory.create(&arguments, &"bench".into()).expect("a session");
                    bencher.iter(|| {
                        let mut output = Vec::new();
                        for speech in Speech::whole(samples.clone()) {
                            asr.push(speech, &mut output).expect("a transcript");
                        }
                        output
                    });
                },
            );
        }
        group.finish();
    }
}

criterion_group!(benches, utterances);
criterion_main!(benches);
