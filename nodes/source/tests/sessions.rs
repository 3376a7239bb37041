//! From paths to sessions, and joined files.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod recordings;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use proptest::prelude::*;
use recordings::{Coding, chirp, outcome, sampled, samples, write_wav};
use undertone_source::{Arguments, ArgumentsError, Corruption, SourceError, sessions};

fn arguments(paths: &[&Path], options: &[&str]) -> Arguments {
    let paths = paths.iter().map(|path| path.as_os_str().to_owned());
    let options = options.iter().map(|option| option.into());
    Arguments::try_parse_from([std::ffi::OsString::from("source")].into_iter().chain(paths).chain(options))
        .unwrap()
}

fn names(arguments: &Arguments) -> Vec<String> {
    sessions(arguments).unwrap().iter().map(|session| session.name.to_string()).collect()
}

fn record(path: &Path, length: usize) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_wav(path, 16_000, Coding::Integer(16), &[sampled(|time| chirp(time % 0.5), 16_000, length)]);
}

#[test]
fn a_folder_stands_for_its_recordings_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in [
        "b.wav",
        "a.FLAC",
        "c-10.mp3",
        "c-2.ogg",
        "C.m4a",
        "d.mp4",
        "e.au",
        "notes.txt",
        "._b.wav",
        "sub/d.wav",
    ] {
        std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        std::fs::write(at(name), b"x").unwrap();
    }
    let sessions = sessions(&arguments(&[folder.path()], &[])).unwrap();
    let found: Vec<_> = sessions.iter().map(|session| (&*session.name, session.files.clone())).collect();
    let file = |name: &str| vec![at(name)];
    assert_eq!(
        found,
        [
            ("C", file("C.m4a")),
            ("a", file("a.FLAC")),
            ("b", file("b.wav")),
            ("c-10", file("c-10.mp3")),
            ("c-2", file("c-2.ogg")),
            ("d", file("d.mp4")),
            ("e", file("e.au")),
        ]
    );
}

#[test]
fn a_folder_without_recordings_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("speaker-1")).unwrap();
    std::fs::write(folder.path().join("notes.txt"), b"x").unwrap();
    let error = sessions(&arguments(&[folder.path()], &[])).unwrap_err().to_string();
    assert!(error.contains("of its 1 other files none ends in .wav"), "{error}");
    assert!(error.contains("its 1 sub-folders are not searched"), "{error}");
}

#[test]
fn equal_names_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = ["1/a.wav", "2/a.wav", "2/a-2.wav", "3/a.flac", "3/b.wav"]
        .map(|name| folder.path().join(name))
        .to_vec();
    for path in &paths {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"x").unwrap();
    }
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    // `a-2` belongs to the file of that name.
    assert_eq!(names(&arguments(&paths, &[])), ["a", "a-3", "a-2", "a-4", "b"]);
}

#[test]
fn a_missing_path_is_an_error_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    record(&folder.path().join("jfk.wav"), 100);
    let missing = folder.path().join("jkf.wav");
    let error =
        sessions(&arguments(&[&folder.path().join("jfk.wav"), &missing], &[])).unwrap_err().to_string();
    assert!(error.contains("did you mean") && error.contains("jfk.wav"), "{error}");
}

#[test]
fn one_name_is_for_one_session() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.wav"), folder.path().join("b.wav"));
    record(&a, 100);
    record(&b, 100);
    assert_eq!(names(&arguments(&[&a], &["--session", "talk"])), ["talk"]);
    assert_eq!(names(&arguments(&[&a, &b], &["--join", "--session", "talk"])), ["talk"]);
    assert_eq!(names(&arguments(&[&b, &a], &["--join"])), ["b"]);
    let error = sessions(&arguments(&[&a, &b], &["--session", "talk"])).unwrap_err();
    assert!(
        matches!(error, SourceError::Arguments(ArgumentsError::OneNameForMany { sessions: 2, .. })),
        "{error}"
    );
}

#[test]
fn joined_files_follow_without_a_gap_or_after_silence() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.wav"), folder.path().join("b.wav"));
    record(&a, 2_500);
    record(&b, 1_000);
    let joined = arguments(&[&a, &b], &["--join", "--frame-samples", "512"]);
    let session = &sessions(&joined).unwrap()[0];
    let frames: Vec<_> = session.frames(&joined).map(Result::unwrap).collect();
    let heard: Vec<f32> = frames.iter().flat_map(|frame| frame.samples.to_vec()).collect();
    assert_eq!(heard, [samples(&a), samples(&b)].concat());
    assert!(frames.iter().rev().skip(1).all(|frame| frame.samples.len() == 512), "frames go over the joint");
    assert_eq!(session.check(&joined).unwrap(), Some(Duration::from_micros(218_750)));

    let paused = arguments(&[&a, &b, &a], &["--join", "--silence-ms", "300"]);
    let session = &sessions(&paused).unwrap()[0];
    let heard: Vec<f32> = session.frames(&paused).flat_map(|frame| frame.unwrap().samples.to_vec()).collect();
    let pause = vec![0.0; 4_800];
    assert_eq!(heard, [samples(&a), pause.clone(), samples(&b), pause, samples(&a)].concat());
    assert_eq!(session.check(&paused).unwrap(), Some(Duration::from_millis(975)));
}

/// The error of a joined session comes behind the files before it, and `check` knows of it beforehand.
#[test]
fn an_error_in_a_joined_file_comes_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.wav"), folder.path().join("b.wav"));
    record(&a, 2_000);
    std::fs::write(&b, b"no audio").unwrap();
    let outcome = outcome(&[&a, &b, &a], 1_024, 0, Corruption::Tolerate);
    assert_eq!(outcome.samples, samples(&a));
    assert!(matches!(outcome.error, Some(SourceError::NotAudio { .. })), "{:?}", outcome.error);
    let joined = arguments(&[&a, &b], &["--join"]);
    assert!(matches!(sessions(&joined).unwrap()[0].check(&joined), Err(SourceError::NotAudio { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn names_differ_and_do_not_change(stems in prop::collection::vec("[ab](-[234])?", 1..12)) {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = stems
            .iter()
            .enumerate()
            .map(|(index, stem)| folder.path().join(format!("{index}/{stem}.wav")))
            .collect();
        for path in &paths {
            std::fs::create_dir(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        let arguments = arguments(&paths, &[]);
        let found = names(&arguments);
        let distinct: std::collections::BTreeSet<_> = found.iter().collect();
        prop_assert_eq!(distinct.len(), stems.len());
        for (index, stem) in stems.iter().enumerate() {
            let first = stems.iter().position(|other| other == stem) == Some(index);
            prop_assert!(found[index].starts_with(stem.as_str()));
            prop_assert_eq!(first, &found[index] == stem, "only the first keeps its name");
        }
        prop_assert_eq!(names(&arguments), found);
    }
}
