//! Once its buffers have grown, an extractor allocates nothing.
#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it must be")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use undertone_mfcc::{Config, Deltas, Edges, Extractor, Normalise, Preset};

/// The system's allocator, counting what each thread asks for.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises about the layout are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn no_allocation_after_the_first_second() {
    for preset in [Preset::Librosa, Preset::Torchaudio, Preset::Kaldi, Preset::Htk] {
        for edges in [Edges::Snip, Edges::Zero, Edges::Reflect] {
            let base = preset.config();
            let config = Config {
                edges,
                normalise: Normalise::MeanVariance { frames: 300 },
                deltas: Deltas { order: 2, ..base.deltas },
                ..base
            };
            let count = allocations_when_warm(&config);
            assert_eq!(count, 0, "{preset:?}, {edges:?}");
        }
    }
}

/// Allocations during ten segments after a first one, in pieces of 500 ms.
fn allocations_when_warm(config: &Config) -> usize {
    let mut extractor = Extractor::new(config).unwrap();
    let signal: Vec<f32> = (0..32_000).map(|n| (n as f32 * 0.1).sin()).collect();
    let mut rows = Vec::new();
    let mut segment = || {
        rows.clear();
        signal.chunks(8000).for_each(|piece| extractor.push(piece, &mut rows));
        extractor.finish(&mut rows);
    };
    segment();
    let before = ALLOCATIONS.get();
    (0..10).for_each(|_| segment());
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    let before = ALLOCATIONS.get();
    drop(vec![1_u8]);
    assert_eq!(ALLOCATIONS.get() - before, 1);
}
