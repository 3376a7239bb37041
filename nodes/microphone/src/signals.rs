//! The end of a session by a signal.

use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Whether the process was asked to end.
pub fn asked_to_end() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Lets SIGINT and SIGTERM end the session instead of the process. Dora starts nodes in process groups of their own, so
/// that Ctrl-C on `dora run` is not among them: that is an event of dora's.
pub fn watch_signals() {
    #[cfg(unix)]
    {
        extern "C" fn note(_: libc::c_int) {
            ASKED.store(true, Ordering::Relaxed);
        }
        let note: extern "C" fn(libc::c_int) = note;
        for signal in [libc::SIGINT, libc::SIGTERM] {
            // SAFETY: the handler stores to an atomic and does nothing else.
            unsafe { libc::signal(signal, note as libc::sighandler_t) };
        }
    }
}
