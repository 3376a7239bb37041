//! A timer that is set far more often than it goes off.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_timer::Delay;

/// Goes off at the latest when it is told to. Each start of a timer wakes the thread that keeps the timers, which for
/// every message is a good part of what a message costs; so one that is running stays, if it is early enough.
pub(crate) struct Alarm {
    delay: Delay,
    due: Instant,
}

impl Alarm {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { delay: Delay::new(patience), due: Instant::now() + patience }
    }

    /// Sees to it that it goes off within `patience`. It may go off earlier.
    pub(crate) fn within(&mut self, patience: Duration) -> &mut Self {
        let now = Instant::now();
        if self.due <= now || self.due > now + patience {
            self.delay.reset(patience);
            self.due = now + patience;
        }
        self
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.delay).poll(context)
    }
}

#[cfg(test)]
mod tests {
    use dora_node_api::futures::executor::block_on;

    use super::*;

    #[test]
    fn it_goes_off_in_time_whatever_it_was_set_to_before() {
        let mut alarm = Alarm::new(Duration::from_secs(3600));
        for milliseconds in [20, 5, 0, 30] {
            let (begun, patience) = (Instant::now(), Duration::from_millis(milliseconds));
            while begun.elapsed() < patience {
                block_on(alarm.within(patience.saturating_sub(begun.elapsed())));
            }
        }
    }

    #[test]
    fn one_that_is_early_enough_stays() {
        let mut alarm = Alarm::new(Duration::from_secs(10));
        let due = alarm.due;
        assert_eq!(alarm.within(Duration::from_secs(60)).due, due);
        assert!(alarm.within(Duration::from_secs(5)).due < due);
    }
}
