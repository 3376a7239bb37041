//! Anything as the file of a topic, and as a manifest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use undertone_recording::Manifest;

fuzz_target!(|bytes: &[u8]| {
    undertone_fuzz::read(bytes);
    let Some(Ok(manifest)) = std::str::from_utf8(bytes).ok().map(Manifest::parse) else { return };
    let _ = manifest.doubts();
    for topic in manifest.topics.values() {
        let _ = topic.messages();
        let mut parts = topic.file.iter().flat_map(|file| file.split('/'));
        assert!(
            parts.all(|part| !["", ".", ".."].contains(&part)),
            "{:?} leads out of the folder",
            topic.file
        );
    }
});
