//! What a stage can say of a segment before it has ended.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Stage;

/// A stage that can say something of a segment while somebody still speaks, and begin with the end before it is
/// certain.
///
/// Previews go out on a stream of their own, and not every message gets one: a runtime makes them when nothing else
/// waits, and gives up those that have become useless. Whatever it does, [`Stage::push`] gives the same messages as
/// without; only sooner, where a preview has done its work already.
pub trait Preview: Stage<Input: Clone + Sync, Output: Send> + Send {
    /// Whether `input`, the latest of its kind, is worth a preview now. Costs nothing and changes nothing: it is asked when the
    /// input comes, and again before its preview is made.
    fn is_due(&self, input: &Self::Input) -> bool;

    /// What can be said now, if anything. Given up as soon as possible once it is cancelled, without an output.
    ///
    /// # Errors
    ///
    /// As [`Stage::push`].
    fn preview(&mut self, input: &Self::Input, cancel: &Cancel) -> Result<Option<Self::Output>, Self::Error>;

    /// Whether a preview of `input` has become useless, now that `later` has come in the same session.
    fn is_outdated(input: &Self::Input, later: &Self::Input) -> bool;

    /// Whether a preview of `input` makes way for `other`, which is another session's and has to be pushed.
    fn makes_way(input: &Self::Input, other: &Self::Input) -> bool;
}

/// Tells work in progress on another thread that nobody needs it any more.
#[derive(Clone, Default)]
pub struct Cancel(Arc<State>);

#[derive(Default)]
struct State {
    cancelled: AtomicBool,
    stop: Mutex<Option<Stop>>,
}

/// Ends a computation that cannot look at a [`Cancel`] itself.
type Stop = Box<dyn Fn() + Send>;

impl Cancel {
    /// The work may stop.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
        if let Some(stop) = &*self.stop() {
            stop();
        }
    }

    /// Whether the work may stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Does `work`, which calling `stop` from another thread ends early.
    pub fn stopping<T>(&self, stop: impl Fn() + Send + 'static, work: impl FnOnce() -> T) -> T {
        *self.stop() = Some(Box::new(stop));
        // What was cancelled before that called nothing.
        if let (true, Some(stop)) = (self.is_cancelled(), &*self.stop()) {
            stop();
        }
        let done = work();
        *self.stop() = None;
        done
    }

    fn stop(&self) -> std::sync::MutexGuard<'_, Option<Stop>> {
        self.0.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Cancel").field(&self.is_cancelled()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn work_that_was_cancelled_before_or_meanwhile_is_stopped() {
        let calls = Arc::new(AtomicUsize::new(0));
        let stop = |calls: &Arc<AtomicUsize>| {
            let calls = calls.clone();
            move || {
                calls.fetch_add(1, Ordering::Relaxed);
            }
        };
        let cancel = Cancel::default();
        assert_eq!(cancel.stopping(stop(&calls), || calls.load(Ordering::Relaxed)), 0);
        cancel.clone().cancel();
        assert!(cancel.is_cancelled());
        assert_eq!(calls.load(Ordering::Relaxed), 0, "there is no work any more");
        assert_eq!(cancel.stopping(stop(&calls), || calls.load(Ordering::Relaxed)), 1);
        let (cancel, other) = (Cancel::default(), Cancel::default());
        cancel.stopping(stop(&calls), || {
            std::thread::spawn({
                let cancel = cancel.clone();
                move || cancel.cancel()
            })
            .join()
            .unwrap()
        });
        assert_eq!((calls.load(Ordering::Relaxed), other.is_cancelled()), (2, false));
    }
}
