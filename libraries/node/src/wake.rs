//! A call to a node that waits, from another thread.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use dora_node_api::futures::task::AtomicWaker;

/// Ends a wait of [`crate::Node::wait`] early, from any thread: the one in progress or else the next.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<State>);

#[derive(Debug, Default)]
struct State {
    called: AtomicBool,
    waker: AtomicWaker,
}

impl Wake {
    /// Calls the node. Several calls before it looks count as one.
    pub fn wake(&self) {
        self.0.called.store(true, Ordering::Release);
        self.0.waker.wake();
    }

    /// Ready when the node was called.
    pub(crate) fn called(&self) -> Called<'_> {
        Called(&self.0)
    }
}

pub(crate) struct Called<'a>(&'a State);

impl Future for Called<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.waker.register(context.waker());
        // After the waker is there: a call between the two would be missed otherwise.
        if self.0.called.swap(false, Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dora_node_api::futures::executor::block_on;

    use super::*;

    #[test]
    fn a_call_ends_the_wait_in_progress_or_the_next() {
        let wake = Wake::default();
        wake.wake();
        wake.wake();
        block_on(wake.called());
        let caller = wake.clone();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            caller.wake();
        });
        block_on(wake.called());
        thread.join().unwrap();
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert_eq!(Pin::new(&mut wake.called()).poll(&mut context), Poll::Pending);
    }
}
