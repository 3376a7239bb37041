//! Time for an utterance through encoder and decoder: `cargo bench --workspace --bench ears -- --quick`.
#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot go on fails")]

use std::num::NonZeroUsize;
use std::path::Path;

use clap::Parser;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use undertone_decoder::{DecoderModel, Recogniser, Search};
use undertone_encoder::{Arguments, EncoderModel, Precision};
use undertone_inference::{ModelFolder, load_runtime};
use undertone_recognition::{Guard, RepetitionRule};
use undertone_source::AudioFile;

/// The beginning of 16 s of LibriSpeech.
fn speech(seconds: usize) -> Vec<f32> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recordings/session/libri-1088-134315-0000.flac");
    let mut samples = AudioFile::read_whole(&path).expect("the recording");
    samples.truncate(seconds * 16_000);
    samples
}

fn utterances(criterion: &mut Criterion) {
    load_runtime(None).expect("ONNX Runtime; `make models` prepares it");
    let folder = ModelFolder::find(Path::new("whisper-tiny.en-onnx")).expect("the model");
    let repetition = RepetitionRule { most: 3, least_added: 12, never_again: None };
    let guard = Guard { repetition, most_tokens: 224, most_english_tokens: 224 };
    let tail = Arguments::parse_from(["encoder"]).tail();
    let search = Search { beam: 1, timestamps: false, guard };
    for precision in [Precision::Int8, Precision::Fp32] {
        let mut encoder = EncoderModel::load(&folder, precision, NonZeroUsize::MIN).expect("the encoder");
        let model = DecoderModel::load(&folder, precision, NonZeroUsize::MIN).expect("the decoder");
        let mut decoder = Recogniser::new(model);
        let mut group = criterion.benchmark_group(format!("ears/{}", precision.name()));
        group.sample_size(10);
        for seconds in [2, 5, 15] {
            let samples = speech(seconds);
            let length = samples.len() as u64;
            let states = encoder.encode(&samples, tail, &[]).expect("states").states;
            group.bench_function(BenchmarkId::new("encoder", format!("{seconds} s")), |bencher| {
                bencher.iter(|| encoder.encode(&samples, tail, &[]).expect("states"));
            });
            group.bench_function(BenchmarkId::new("decoder", format!("{seconds} s")), |bencher| {
                bencher.iter(|| decoder.recognise(&states, length, Some("en"), search).expect("words"));
            });
        }
    }
}

criterion_group!(benches, utterances);
criterion_main!(benches);
