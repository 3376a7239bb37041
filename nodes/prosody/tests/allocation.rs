//! Once its buffers have grown, an extractor allocates nothing.
#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it must be")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use clap::Parser;
use undertone_prosody::{Arguments, Config, Extractor};

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
fn no_allocation_after_the_first_segment() {
    let mut extractor = Extractor::new(&Config::new(&Arguments::parse_from(["prosody"])).unwrap());
    // A voice whose pitch rises and falls.
    let mut phase = 0.0_f32;
    let signal: Vec<f32> = (0..32_000)
        .map(|n| {
            phase = (phase + (150.0 + 50.0 * (n as f32 * 2e-4).sin()) / 16_000.0).fract();
            0.3 * (-6.0 * phase).exp()
        })
        .collect();
    let mut frames = Vec::new();
    let mut segment = || {
        frames.clear();
        signal.chunks(8_000).for_each(|piece| extractor.push(piece, &mut frames));
        extractor.finish(&mut frames);
        assert!(frames.iter().filter(|frame| frame.f0.is_some()).count() > 150);
    };
    segment();
    let before = ALLOCATIONS.get();
    (0..5).for_each(|_| segment());
    assert_eq!(ALLOCATIONS.get() - before, 0);
}
