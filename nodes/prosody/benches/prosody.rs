//! Seconds of audio a second of processor time, streamed in pieces of 500 ms: criterion's `elem/s` are samples, so divide
//! by 16,000.
#![allow(clippy::unwrap_used, reason = "a bench stops at the first thing that is not as it must be")]

use std::hint::black_box;
use std::path::Path;

use clap::Parser;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use undertone_messages::{Phase, Speech};
use undertone_prosody::{Arguments, Config, Prosody};
use undertone_source::AudioFile;

const PIECE: usize = 8_000;

fn streaming(criterion: &mut Criterion) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recordings/session/jfk.flac");
    let messages = pieces(&AudioFile::read_whole(&path).unwrap());
    let samples: usize = messages.iter().map(|message| message.samples.len()).sum();
    let config = Config::new(&Arguments::parse_from(["prosody"])).unwrap();
    let mut group = criterion.benchmark_group("streaming in 500 ms pieces");
    group.throughput(Throughput::Elements(samples as u64));
    group.bench_function("11 s of speech", |bencher| {
        bencher.iter(|| {
            let (mut prosody, mut output) = (Prosody::new(config, false), Vec::new());
            for message in &messages {
                prosody.speech(black_box(message), &mut output).unwrap();
            }
            output
        });
    });
    group.finish();
}

/// A segment as vad sends it.
fn pieces(samples: &[f32]) -> Vec<Speech> {
    let mut end = 0;
    let mut messages: Vec<Speech> = samples
        .chunks(PIECE)
        .map(|piece| {
            let phase = if end == 0 { Phase::Open } else { Phase::More };
            end += piece.len() as u64;
            Speech { segment: 0, start: 0, end, phase, samples: piece.to_vec().into(), probability: 1.0 }
        })
        .collect();
    messages.push(Speech {
        segment: 0,
        start: 0,
        end,
        phase: Phase::Final,
        samples: vec![].into(),
        probability: 1.0,
    });
    messages
}

criterion_group!(benches, streaming);
criterion_main!(benches);
