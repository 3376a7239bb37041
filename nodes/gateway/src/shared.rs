//! What the connections and the graph share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use undertone_node::Wake;

use crate::access::Access;
use crate::hub::Hub;
use crate::parameters::Parameters;
use crate::stats::LatencyStatistics;

/// What the connections and the graph share.
pub struct Shared {
    begun: Instant,
    hub: Mutex<Hub>,
    statistics: Mutex<LatencyStatistics>,
    /// Calls the thread that talks to the graph, once it does.
    wake: OnceLock<Wake>,
    stop: AtomicBool,
    /// Who may come in.
    pub access: Access,
    /// What may be changed.
    pub parameters: Parameters,
}

impl Shared {
    /// With no graph yet.
    pub fn new(hub: Hub, access: Access, parameters: Parameters) -> Self {
        Self {
            begun: Instant::now(),
            hub: Mutex::new(hub),
            statistics: Mutex::default(),
            wake: OnceLock::new(),
            stop: AtomicBool::new(false),
            access,
            parameters,
        }
    }

    /// What time it is for the sessions: nanoseconds since the gateway began. Unlike the clock on the wall, nobody sets it.
    pub fn now(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }

    /// The sessions. Not to be held while anything is waited for.
    pub fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the time went.
    pub fn statistics(&self) -> MutexGuard<'_, LatencyStatistics> {
        self.statistics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, [`Shared::call`] calls this.
    pub fn set_wake(&self, wake: Wake) {
        // There is one graph.
        let _ = self.wake.set(wake);
    }

    /// Calls the thread that talks to the graph.
    pub fn call(&self) {
        if let Some(wake) = self.wake.get() {
            wake.wake();
        }
    }

    /// Asks for the end. False if there is no graph to end yet.
    pub fn stop(&self) -> bool {
        self.stop.store(true, Ordering::Release);
        self.call();
        self.wake.get().is_some()
    }

    /// Whether the end was asked for.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
