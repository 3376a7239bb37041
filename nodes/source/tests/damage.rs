//! Files that are damaged: nothing is lost without a word, nothing panics, nothing hangs.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod recordings;

use std::path::{Path, PathBuf};

use recordings::{Coding, Outcome, assert_near, chirp, committed, outcome, sampled, samples, write_wav};
use undertone_source::{AudioFile, Corruption, SourceError};

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(committed(name)).unwrap()
}

fn read(path: &Path, corruption: Corruption) -> Outcome {
    outcome(&[path], 1_024, 0, corruption)
}

/// The bytes of a WAV of one second at 16 kHz.
fn wav() -> Vec<u8> {
    let scratch = Scratch::new();
    let path = scratch.0.path().join("a.wav");
    write_wav(&path, 16_000, Coding::Integer(16), &[sampled(|time| chirp(time % 0.5), 16_000, 16_000)]);
    std::fs::read(path).unwrap()
}

#[test]
fn a_file_that_is_cut_short_gives_what_is_there_and_then_the_error() {
    let scratch = Scratch::new();
    for (name, bytes, whole) in [
        ("a.flac", bytes_of("mono.flac"), 0.5),
        ("a.mp3", bytes_of("stereo.mp3"), 0.5),
        ("a.wav", wav(), 1.0),
    ] {
        let complete = samples(&scratch.write(name, &bytes));
        let cut = scratch.write(name, &bytes[..bytes.len() * 2 / 3]);

        let refused = read(&cut, Corruption::Refuse);
        let Some(SourceError::CutShort { reached, expected, .. }) = &refused.error else {
            panic!("{name}: {:?}", refused.error)
        };
        let expected = expected.unwrap();
        assert!((expected - whole).abs() < 2e-3, "{name}: {expected} s");
        let given = refused.samples.len() as f64 / 16_000.0;
        assert!(
            (given - reached).abs() < 1e-4 && given > 0.1 * whole && given < whole,
            "{name}: {given} of {reached} s"
        );
        // The resampler's filter sees silence behind the cut, so the last half of its length may differ.
        let settled = refused.samples.len().saturating_sub(700);
        assert_near(&refused.samples[..settled], &complete[..settled], 1e-6, name);
        let error = refused.error.unwrap();
        assert!(error.advice().contains("--tolerate-corruption"));
        let message = error.to_string();
        assert!(
            message.contains(name) && message.contains("cut short") && message.contains(" s of "),
            "{message}"
        );
        // Only who refuses it is told of the option.
        assert!(!message.contains("--tolerate-corruption"), "{message}");

        let tolerated = read(&cut, Corruption::Tolerate);
        assert!(tolerated.error.is_none());
        assert!(
            matches!(tolerated.tolerated[..], [SourceError::CutShort { .. }]),
            "{:?}",
            tolerated.tolerated
        );
        assert_near(&tolerated.samples, &refused.samples, 0.0, name);
    }
}

/// An Ogg file has no length in its header, but its last page is marked.
#[test]
fn a_cut_ogg_is_noticed() {
    let scratch = Scratch::new();
    let bytes = bytes_of("pages.ogg");
    let cut = scratch.write("a.ogg", &bytes[..bytes.len() - 300]);
    let outcome = read(&cut, Corruption::Refuse);
    assert!(
        matches!(outcome.error, Some(SourceError::CutShort { expected: None, .. })),
        "{:?}",
        outcome.error
    );
    assert!(!outcome.samples.is_empty());
}

/// Most MP4 files have their table of samples at the end.
#[test]
fn a_cut_mp4_is_told_at_once() {
    let scratch = Scratch::new();
    let bytes = bytes_of("aac.m4a");
    for length in [bytes.len() - 1, bytes.len() / 2] {
        let path = scratch.write("a.m4a", &bytes[..length]);
        for corruption in [Corruption::Refuse, Corruption::Tolerate] {
            let message = AudioFile::open_with(&path, corruption).err().unwrap().to_string();
            assert!(message.contains("cut short") && message.contains("bytes are missing"), "{message}");
        }
    }
    // Cut between two boxes, as if a box had never been written.
    let movie = bytes.windows(4).position(|window| window == b"moov").unwrap() - 4;
    let message = AudioFile::open(&scratch.write("a.m4a", &bytes[..movie])).err().unwrap().to_string();
    assert!(message.contains("header") && message.contains("missing moov atom"), "{message}");
}

/// Symphonia panics on it.
#[test]
fn an_mp4_that_points_before_its_beginning_is_an_error() {
    let scratch = Scratch::new();
    let mut bytes = bytes_of("fragments.m4a");
    // The offset of the second fragment's samples, a signed number, is 12 bytes behind the box's name.
    let runs: Vec<_> = (0..bytes.len() - 4).filter(|at| &bytes[*at..at + 4] == b"trun").collect();
    bytes[runs[1] + 12] = 0x9d;
    let outcome = read(&scratch.write("a.m4a", &bytes), Corruption::Tolerate);
    let message = outcome.error.unwrap().to_string();
    assert!(message.contains("makes the decoder fail"), "{message}");
    assert!(outcome.samples.len() > 1_600, "what is before it is given");
}

#[test]
fn damage_in_the_middle_is_an_error_that_says_where() {
    let scratch = Scratch::new();
    let mut bytes = bytes_of("mono.flac");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    let path = scratch.write("a.flac", &bytes);
    let outcome = read(&path, Corruption::Refuse);
    let Some(SourceError::Corrupt { at, lost: Some(lost), .. }) = outcome.error else {
        panic!("{outcome:?}")
    };
    // The packets hold 4096 samples at 22.05 kHz: 0.186 s.
    let packet = 4_096.0 / 22_050.0;
    assert!((at - packet).abs() < 1e-6, "{at}");
    assert!((lost - packet).abs() < 1e-6, "{lost}");
    assert_eq!(outcome.samples.len(), 2_972, "what is before the damage is given");
}

#[test]
fn a_tolerated_loss_is_a_gap_and_time_goes_on() {
    let scratch = Scratch::new();
    let mut bytes = bytes_of("mono.flac");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    let path = scratch.write("a.flac", &bytes);
    let outcome = read(&path, Corruption::Tolerate);
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    assert_eq!(outcome.samples.len(), 8_000);
    assert_eq!(outcome.lost, 2_972, "a packet");
    assert!(
        matches!(outcome.tolerated[..], [SourceError::Corrupt { lost: Some(_), .. }]),
        "{:?}",
        outcome.tolerated
    );
    assert!(outcome.tolerated[0].outcome().contains("gap of that length"));
    // Near the loss the resampler's filter sees it.
    let (before, behind) = (2_972 - 700, 2 * 2_972 + 700);
    let whole = samples(&committed("mono.flac"));
    assert_near(&outcome.samples[..before], &whole[..before], 1e-6, "before the loss");
    assert_near(&outcome.samples[behind..], &whole[behind..], 1e-6, "behind the loss");
}

/// Damage that no packet shows: two samples are exchanged, with the frame's own checksum put right by luck.
#[test]
fn a_flac_with_a_wrong_checksum_is_told() {
    let scratch = Scratch::new();
    let mut bytes = bytes_of("mono.flac");
    // The MD5 of the samples is in the last 16 bytes of the first metadata block, which begins at byte 8.
    bytes[8 + 34 - 1] ^= 1;
    let path = scratch.write("a.flac", &bytes);
    let refused = read(&path, Corruption::Refuse);
    assert!(matches!(refused.error, Some(SourceError::Checksum { .. })), "{:?}", refused.error);
    assert_near(&refused.samples, &samples(&committed("mono.flac")), 0.0, "all is given");
    let tolerated = read(&path, Corruption::Tolerate);
    assert!(tolerated.error.is_none());
    assert!(matches!(tolerated.tolerated[..], [SourceError::Checksum { .. }]));
}

/// Where the frames of a committed MP3 (MPEG-1) or ADTS stream begin, and where the last one ends.
fn boundaries(bytes: &[u8]) -> Vec<usize> {
    let mut at = if bytes.starts_with(b"ID3") { 10 + usize::from(bytes[9]) } else { 0 };
    let mut boundaries = vec![at];
    while at < bytes.len() {
        let header = &bytes[at..at + 6];
        at += if header[1] & 6 == 0 {
            (usize::from(header[3] & 3) << 11) + (usize::from(header[4]) << 3) + (usize::from(header[5]) >> 5)
        } else {
            let kbits = [32, 40, 48, 56, 64, 80, 96, 112][usize::from(header[2] >> 4) - 1];
            144_000 * kbits / 44_100 + usize::from(header[2] >> 1 & 1)
        };
        boundaries.push(at);
    }
    assert_eq!(at, bytes.len());
    boundaries
}

/// Symphonia goes on at the next sync word and says nothing, and the sound behind comes a frame early.
#[test]
fn a_damaged_header_between_frames_is_told_and_time_does_not_shift() {
    let scratch = Scratch::new();
    for (name, samples_a_frame, first) in
        [("no-header.mp3", 1_152, 0), ("stereo.mp3", 1_152, 1), ("adts.aac", 1_024, 0)]
    {
        let bytes = bytes_of(name);
        let whole = samples(&committed(name));
        let frame = samples_a_frame as f64 / 44_100.0;
        let boundaries = boundaries(&bytes);
        let frames = boundaries.len() - 1 - first;
        assert!(frames > 15, "{name}: {frames} frames");
        // The sync word, layer and version, and lengths that are too long and too short.
        let flips = if name == "adts.aac" {
            [(0, 0xff), (1, 0xff), (4, 0x04), (4, 0x0c)]
        } else {
            [(0, 0xff), (1, 0xff), (2, 0x30), (2, 0x10)]
        };
        for (index, at) in boundaries[first..boundaries.len() - 1].iter().enumerate() {
            for (byte, flip) in flips {
                let what = format!("{name}, byte {byte} ^ {flip:#x} of frame {index}");
                let mut damaged = bytes.clone();
                damaged[at + byte] ^= flip;
                let path = scratch.write(name, &damaged);

                let refused = read(&path, Corruption::Refuse);
                match &refused.error {
                    Some(SourceError::Corrupt { at, .. }) => {
                        let expected = index as f64 * frame - 1e-6..(index + 1) as f64 * frame + 1e-6;
                        let delay = if first == 1 { 1_105.0 / 44_100.0 } else { 0.0 };
                        assert!(expected.contains(&(at + delay)) || *at == 0.0, "{what}: at {at}");
                    }
                    // A last frame that claims to be longer than it is.
                    Some(SourceError::CutShort { .. }) => assert_eq!(index, frames - 1, "{what}"),
                    error => panic!("{what}: {error:?}"),
                }

                let tolerated = read(&path, Corruption::Tolerate);
                assert!(
                    tolerated.error.is_none() && !tolerated.tolerated.is_empty(),
                    "{what}: {tolerated:?}"
                );
                let missing = whole.len() as f64 / 16_000.0 - tolerated.samples.len() as f64 / 16_000.0;
                if index == frames - 1 {
                    continue;
                }
                if name == "adts.aac" {
                    // Frames of AAC differ in length, so that how many are lost is an estimate, and the error says so.
                    assert!(missing.abs() < 1.01 * frame, "{what}: {missing} s are missing, {tolerated:?}");
                    let errors = tolerated.tolerated.iter().map(ToString::to_string);
                    assert!(errors.collect::<String>().contains("estimated"), "{what}: {tolerated:?}");
                } else {
                    assert!(missing.abs() < 1e-3, "{what}: {missing} s are missing, {tolerated:?}");
                    // What was lost is one frame, and the next ones need some of it.
                    let behind = ((index + 4) as f64 * frame * 16_000.0) as usize;
                    let behind = behind.min(whole.len());
                    assert_near(&tolerated.samples[behind..], &whole[behind..], 0.02, &what);
                }
            }
        }
    }
}

/// A copy of bytes with others put in.
fn with(bytes: &[u8], at: usize, more: &[u8]) -> Vec<u8> {
    [&bytes[..at], more, &bytes[at..]].concat()
}

#[test]
fn tags_and_padding_of_a_stream_are_no_damage() {
    let scratch = Scratch::new();
    // Each holds what looks like a frame.
    let frame = [0xff, 0xfb, 0x52, 0x64, 0xff, 0xf1, 0x50, 0x80, 0x04, 0x1f];
    let text = [&[b' '; 40][..], &frame].concat();
    let id3v2 = [&b"ID3\x04\x00\x00\x00\x00\x01\x48"[..], &text, &[0; 150]].concat();
    let id3v1 = [&b"TAG"[..], &text, &[0; 75]].concat();
    // One item of bytes.
    let item = [&[text.len() as u8, 0, 0, 0, 2, 0, 0, 0][..], b"Cover\0", &text].concat();
    let ape = |flags: u8| {
        let size = (item.len() as u32 + 32).to_le_bytes();
        [b"APETAGEX\xd0\x07\x00\x00", &size[..], &[1, 0, 0, 0, 0, 0, 0, flags], &[0; 8]].concat()
    };
    let ape = [ape(0xa0), item.clone(), ape(0x80)].concat();
    let lyrics = [&b"LYRICSBEGIN"[..], &text, format!("{:06}LYRICS200", text.len() + 11).as_bytes()].concat();
    for name in ["no-header.mp3", "adts.aac"] {
        let bytes = bytes_of(name);
        let whole = samples(&committed(name));
        let middle = boundaries(&bytes)[7];
        for (what, tagged) in [
            ("ID3v2", with(&bytes, 0, &id3v2)),
            ("ID3v2 and padding", with(&with(&bytes, 0, &[0; 500]), 0, &id3v2)),
            ("ID3v2 between frames, as in a live stream", with(&bytes, middle, &id3v2)),
            ("ID3v1", [&bytes[..], &id3v1].concat()),
            ("APE", [&bytes[..], &ape].concat()),
            ("APE in front", with(&bytes, 0, &ape)),
            ("Lyrics3, APE and ID3v1", [&bytes[..], &lyrics, &ape, &id3v1].concat()),
        ] {
            let outcome = read(&scratch.write(name, &tagged), Corruption::Refuse);
            assert!(outcome.error.is_none(), "{name}, {what}: {outcome:?}");
            assert_near(&outcome.samples, &whole, 0.0, &format!("{name}, {what}"));
        }
    }
}

#[test]
fn what_is_neither_frame_nor_tag_is_damage() {
    let scratch = Scratch::new();
    for name in ["no-header.mp3", "adts.aac"] {
        let bytes = bytes_of(name);
        let middle = boundaries(&bytes)[7];
        for (place, at) in [("in front", 0), ("between", middle), ("behind", bytes.len())] {
            for junk in [&[0x55_u8; 3][..], &[0x55; 5_000]] {
                // Symphonia does not take a file for audio that begins with so much else.
                if at == 0 && junk.len() > 4_000 {
                    continue;
                }
                let path = scratch.write(name, &with(&bytes, at, junk));
                let error = read(&path, Corruption::Refuse).error;
                let message = error.map(|error| error.to_string()).unwrap_or_default();
                assert!(
                    message.contains(&format!("{} bytes are none", junk.len())),
                    "{name}, {place}: {message}"
                );
                let tolerated = read(&path, Corruption::Tolerate);
                assert!(
                    tolerated.error.is_none() && tolerated.tolerated.len() == 1,
                    "{name}, {place}: {tolerated:?}"
                );
            }
        }
        let cut = read(&scratch.write(name, &bytes[..bytes.len() - 20]), Corruption::Refuse);
        assert!(matches!(cut.error, Some(SourceError::CutShort { expected: None, .. })), "{name}: {cut:?}");
    }
}

#[test]
fn two_mp3_in_one_file_are_not_taken_for_one() {
    let scratch = Scratch::new();
    let path = scratch.write("a.mp3", &[bytes_of("stereo.mp3"), bytes_of("stereo.mp3")].concat());
    let outcome = read(&path, Corruption::Refuse);
    let message = outcome.error.unwrap().to_string();
    assert!(message.contains("several files in one"), "{message}");
    assert_eq!(outcome.samples.len(), 8_000);
}

#[test]
fn a_chained_ogg_is_told() {
    let scratch = Scratch::new();
    let path = scratch.write("a.ogg", &[bytes_of("stereo.ogg"), bytes_of("stereo.ogg")].concat());
    let outcome = read(&path, Corruption::Tolerate);
    let message = outcome.error.unwrap().to_string();
    assert!(message.contains("several streams in one Ogg file"), "{message}");
    assert_eq!(outcome.samples.len(), 8_000);
}

#[test]
fn what_is_no_recording_is_told_for_what_it_is() {
    let scratch = Scratch::new();
    let told =
        |name: &str, bytes: &[u8]| AudioFile::open(&scratch.write(name, bytes)).err().unwrap().to_string();

    let message = told("notes.wav", b"These are the notes of the first session.\n");
    assert!(message.contains("notes.wav") && message.contains("looks like plain text"), "{message}");
    let message = told("a.wav", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
    assert!(message.contains("git lfs pull"), "{message}");
    let message = told("a.mp3", b"<!DOCTYPE html><html></html>");
    assert!(message.contains("a web page"), "{message}");
    let message = told("a.wav", &[0; 4_000]);
    assert!(message.contains("begins with zeros"), "{message}");
    let message = told("a.wav", b"x");
    assert!(message.contains("not audio of a known format"), "{message}");
    let message = told("empty.wav", b"");
    assert!(message.contains("empty file (0 bytes)"), "{message}");
    let message = told("a.ogg", &bytes_of("opus.ogg"));
    assert!(message.contains("coded as Opus") && message.contains("ffmpeg -i"), "{message}");
    let message = told("a.mp4", &bytes_of("no-audio.mp4"));
    assert!(message.contains("no audio track"), "{message}");
    let message = told("a.wav", &wav()[..30]);
    assert!(message.contains("header") && message.contains("the file ends within it"), "{message}");

    let mut bytes = wav();
    bytes[22..24].fill(0);
    let message = told("a.wav", &bytes);
    assert!(message.contains("header") && message.contains("channel"), "{message}");
    let mut bytes = wav();
    bytes[24..28].fill(0);
    let message = told("a.wav", &bytes);
    assert!(message.contains("sample rate of 0 Hz, not 1000 to 768000 Hz"), "{message}");

    let message = AudioFile::open(scratch.0.path()).err().unwrap().to_string();
    assert!(message.contains("is a folder, not a file"), "{message}");
}

#[test]
fn a_recording_of_nothing_is_told() {
    let scratch = Scratch::new();
    let path = scratch.0.path().join("a.wav");
    write_wav(&path, 16_000, Coding::Integer(16), &[Vec::new()]);
    let error = AudioFile::open(&path).err().unwrap();
    assert!(matches!(error, SourceError::EmptyRecording { .. }), "{error}");
}

#[test]
fn a_missing_file_suggests_its_neighbour() {
    let scratch = Scratch::new();
    scratch.write("interview-01.wav", b"x");
    scratch.write("interview-02.wav", b"x");
    let error = AudioFile::open(&scratch.0.path().join("interview-02.wave")).err().unwrap();
    let SourceError::NotFound { similar, .. } = &error else { panic!("{error}") };
    assert_eq!(similar.as_deref(), Some(&*scratch.0.path().join("interview-02.wav")));
    let error = AudioFile::open(&scratch.0.path().join("xyz/none.wav")).err().unwrap();
    assert!(matches!(error, SourceError::NotFound { similar: None, .. }), "{error}");
}

/// A generator of numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }
}

const FILES: [&str; 11] = [
    "mono.flac",
    "stereo-24-bit.flac",
    "stereo.mp3",
    "no-header.mp3",
    "stereo.ogg",
    "pages.ogg",
    "aac.m4a",
    "fragments.m4a",
    "alac.m4a",
    "adts.aac",
    "opus.ogg",
];

/// Reads a damaged file both ways. Whatever is given is finite and within an hour; whether it is an error is the
/// damage's business.
fn survives(path: &Path, what: &str) {
    for corruption in [Corruption::Refuse, Corruption::Tolerate] {
        let files = vec![path.to_owned()];
        let mut samples = 0;
        for frame in undertone_source::Frames::new(files, 1_024, 0, corruption).flatten() {
            samples += frame.samples.len();
            assert!(frame.samples.iter().all(|sample| sample.is_finite()), "{what}");
        }
        assert!(samples < 3_600 * 16_000, "{what}: {samples} samples");
    }
}

#[test]
fn cut_files_are_survived() {
    let scratch = Scratch::new();
    let mut numbers = Numbers(1);
    for (name, bytes) in FILES.map(|name| (name, bytes_of(name))).into_iter().chain([("a.wav", wav())]) {
        let mut lengths: Vec<usize> = (0..64).collect();
        lengths.extend((0..64).map(|_| numbers.below(bytes.len())));
        lengths.extend(bytes.len() - 24..bytes.len());
        for length in lengths {
            survives(&scratch.write("cut", &bytes[..length]), &format!("{name}, {length} bytes"));
        }
    }
}

#[test]
fn flipped_bytes_are_survived() {
    let scratch = Scratch::new();
    let mut numbers = Numbers(2);
    for (name, bytes) in FILES.map(|name| (name, bytes_of(name))).into_iter().chain([("a.wav", wav())]) {
        for round in 0..150 {
            let mut damaged = bytes.clone();
            // Headers decide what is allocated and looped over, so half of the damage is there.
            let reach = if round % 2 == 0 { bytes.len().min(256) } else { bytes.len() };
            let flips = 1 + numbers.below(4);
            let places: Vec<_> =
                (0..flips).map(|_| (numbers.below(reach), numbers.below(256) as u8)).collect();
            for (at, value) in &places {
                damaged[*at] = *value;
            }
            survives(&scratch.write("flipped", &damaged), &format!("{name}, {places:?}"));
        }
    }
}
