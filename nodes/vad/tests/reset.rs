//! When the detector forgets what is not recent: after silence in the samples of the session, and by nothing else.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::sync::{Arc, Mutex};

use clap::Parser;
use proptest::prelude::*;
use undertone_messages::{AudioFrame, ScalarBuffer};
use undertone_stage::Stage;
use undertone_vad::{Arguments, Detector, DetectorError, Vad};

const FRAME: usize = 512;
const NEVER: [u64; 0] = [];

/// What happened to a detector: samples that it had heard, and what it was told then.
type Diary = Arc<Mutex<Vec<(u64, &'static str)>>>;

/// Takes the first sample of a frame for the probability.
struct Scripted {
    heard: u64,
    diary: Diary,
}

impl Scripted {
    fn note(&self, what: &'static str) {
        self.diary.lock().expect("nobody failed").push((self.heard, what));
    }
}

impl Detector for Scripted {
    fn frame_length(&self) -> usize {
        FRAME
    }

    fn probability(&mut self, frame: &[f32]) -> Result<f32, DetectorError> {
        self.heard += FRAME as u64;
        Ok(frame[0])
    }

    fn reset(&mut self) -> Result<(), DetectorError> {
        self.note("reset");
        Ok(())
    }

    fn refresh(&mut self) -> Result<(), DetectorError> {
        self.note("refresh");
        Ok(())
    }
}

fn vad(line: &str) -> (Vad, Diary) {
    let arguments = Arguments::try_parse_from(std::iter::once("vad").chain(line.split_whitespace()));
    let diary = Diary::default();
    let detector = Scripted { heard: 0, diary: Arc::clone(&diary) };
    let vad = Vad::new(&arguments.expect("valid arguments"), Box::new(detector)).expect("a session");
    (vad, diary)
}

fn audio(start: u64, samples: &[f32], gap: u64) -> AudioFrame {
    AudioFrame { start, sample_rate: 16_000, samples: ScalarBuffer::from(samples.to_vec()), gap }
}

/// Samples for probabilities of so many frames.
fn frames(parts: &[(f32, usize)]) -> Vec<f32> {
    parts.iter().flat_map(|(probability, count)| vec![*probability; count * FRAME]).collect()
}

/// In how many frames the detector was refreshed, for audio that arrives in chunks of the given lengths.
fn refreshes(line: &str, samples: &[f32], chunks: &[usize]) -> Vec<u64> {
    let (mut vad, diary) = vad(line);
    let (mut start, mut lengths) = (0, chunks.iter().cycle());
    while start < samples.len() {
        let end = samples.len().min(start + lengths.next().expect("a chunk length"));
        vad.push(audio(start as u64, &samples[start..end], 0), &mut Vec::new()).expect("good audio");
        start = end;
    }
    let diary = diary.lock().expect("nobody failed");
    assert!(diary.iter().all(|(_, what)| *what == "refresh"));
    diary.iter().map(|(heard, _)| heard / FRAME as u64).collect()
}

#[test]
fn silence_refreshes_the_detector_again_and_again() {
    // 1 s is 31.25 frames, which count as 32.
    let silence = frames(&[(0.1, 100)]);
    assert_eq!(refreshes("--reset-ms 1000", &silence, &[FRAME]), [32, 64, 96]);
    assert_eq!(refreshes("", &silence, &[FRAME]), [63]);
    assert_eq!(refreshes("--reset-ms 0", &silence, &[FRAME]), NEVER);
}

#[test]
fn the_stretch_begins_where_the_last_frame_of_speech_ends() {
    // The pause of 10 frames is within the segment; the hangover is over after 16.
    let samples = frames(&[(0.1, 20), (0.9, 10), (0.1, 10), (0.9, 10), (0.1, 70)]);
    assert_eq!(refreshes("--reset-ms 1000", &samples, &[FRAME]), [82, 114]);
    // A click that is cancelled was speech, too.
    assert_eq!(refreshes("--reset-ms 1000", &frames(&[(0.1, 20), (0.9, 1), (0.1, 40)]), &[FRAME]), [53]);
}

#[test]
fn an_open_segment_is_never_disturbed() {
    let pauses = frames(&[(0.9, 10), (0.1, 30), (0.9, 10), (0.1, 15)]);
    assert_eq!(refreshes("--reset-ms 100 --hangover-ms 1000", &pauses, &[FRAME]), NEVER);
    let between = frames(&[(0.9, 10), (0.4, 300)]);
    assert_eq!(refreshes("--reset-ms 100", &between, &[FRAME]), NEVER);
}

#[test]
fn a_gap_is_a_new_beginning() {
    let (mut vad, diary) = vad("--reset-ms 1000");
    vad.push(audio(0, &frames(&[(0.1, 40)]), 0), &mut Vec::new()).expect("good audio");
    let start = 40 * FRAME as u64 + 700;
    vad.push(audio(start, &frames(&[(0.1, 40)]), 700), &mut Vec::new()).expect("a gap that is accounted for");
    let diary = diary.lock().expect("nobody failed");
    let frames: Vec<_> = diary.iter().map(|(heard, what)| (heard / FRAME as u64, *what)).collect();
    assert_eq!(frames, [(32, "refresh"), (40, "reset"), (72, "refresh")]);
}

proptest! {
    #[test]
    fn the_chunks_of_the_audio_change_nothing(
        parts in prop::collection::vec((prop::sample::select(vec![0.1_f32, 0.4, 0.9]), 1..80_usize), 1..8),
        chunks in prop::collection::vec(1..5000_usize, 1..20),
    ) {
        let samples = frames(&parts);
        let expected = refreshes("--reset-ms 700", &samples, &[FRAME]);
        prop_assert_eq!(refreshes("--reset-ms 700", &samples, &chunks), expected);
    }
}
