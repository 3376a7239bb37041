//! However long a session is, recording it takes the same memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod session;

use std::collections::BTreeMap;
use std::fs;

use session::message;
use undertone_messages::{AudioFrame, Watermark};
use undertone_recording::{Content, Recorder, verify};

const FRAME: u64 = 1024;

/// The most memory that this process ever held, in bytes.
fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Records audio and what comes of it, finishes the files and reads them again.
fn record(minutes: u64) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("recording");
    let topics = ["source/audio", "sink/watermark", "vad/speech"];
    let contents = [Content::Messages, Content::Messages, Content::Digests];
    let topics: BTreeMap<_, _> = topics.map(str::to_owned).into_iter().zip(contents).collect();
    let mut recorder = Recorder::create(&folder, false, &topics, None).unwrap();
    let frames = minutes * 60 * 16_000 / FRAME;
    let mut state = 1_u32;
    for seq in 0..frames {
        let samples: Vec<f32> = std::iter::repeat_with(|| {
            // Noise, which is not made small by compression.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as f32 / u32::MAX as f32
        })
        .take(FRAME as usize)
        .collect();
        let start = FRAME * seq;
        let body = AudioFrame { start, sample_rate: 16_000, samples: samples.into(), gap: 0 };
        let audio = message("s", seq, Some(body));
        recorder.write("source/audio", &audio).unwrap();
        recorder.write("vad/speech", &audio).unwrap();
        let watermark = message("s", seq, Some(Watermark { position: start }));
        recorder.write("sink/watermark", &watermark).unwrap();
        if seq % 16 == 0 {
            recorder.flush().unwrap();
        }
    }
    recorder.finish().unwrap();
    assert_eq!(verify(&folder).unwrap(), 3 * frames);
}

#[test]
fn a_long_session_takes_no_more_memory_than_a_short_one() {
    record(2);
    let short = most_memory();
    record(30);
    let grown = most_memory() - short;
    assert!(grown < 4 << 20, "{grown} bytes more than {short}");
}
