//! The node's log: its own lines and the warnings of dora's node library.
//!
//! Under dora the lines are JSON objects on standard output, which the daemon takes for log messages with a level, so
//! that `dora run --log-level warn` shows warnings alone. Elsewhere they are text on standard error.

use std::fmt::Debug;
use std::path::Path;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Starts the log at `level`.
pub(crate) fn start(level: LevelFilter) {
    let under_dora = std::env::var_os("DORA_NODE_CONFIG").is_some();
    let wanted = Wanted { level, program: program() };
    let json = under_dora.then(|| fmt::layer().json().with_filter(wanted.clone()));
    let text = || fmt::layer().with_writer(std::io::stderr).without_time().with_target(false);
    let text = (!under_dora).then(|| text().with_filter(wanted));
    // Fails only if a log was started before, as in a test of several nodes in one process; that one serves as well.
    let _ = tracing_subscriber::registry().with(json).with(text).try_init();
}

/// Warnings of dora 1.1.0 and zenoh 1.10 that come with ordinary runs and mean nothing to their user.
const CHATTER: [&str; 4] = [
    // Dora's node library resolves dora's own types alone. `dora validate` checks ours, and so does decoding.
    "unknown input type URN",
    // The first three messages of every output are traced.
    "dora-rs/dora#2742 diagnostic",
    // Nodes of one graph start at different times, because models take time to load.
    "Scouting delay elapsed",
    // Zenoh tells its own administration of a link to a node that has ended meanwhile (zenoh/src/api/admin.rs).
    "Unable to find transport for link event",
];

/// The program's crate: `sink` for `target/release/sink`.
fn program() -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&program).file_stem().unwrap_or_default();
    name.to_string_lossy().replace('-', "_")
}

/// What is worth a line.
#[derive(Clone)]
struct Wanted {
    level: LevelFilter,
    program: String,
}

impl Wanted {
    fn is_own(&self, target: &str) -> bool {
        let root = target.split("::").next().unwrap_or_default();
        root.starts_with("undertone") || root == self.program
    }
}

impl<S: Subscriber> Filter<S> for Wanted {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        let own = self.is_own(metadata.target());
        // Of zenoh and the other libraries below dora only what goes wrong.
        metadata.level() <= &if own { self.level } else { self.level.min(LevelFilter::WARN) }
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let mut message = Message(String::new());
        event.record(&mut message);
        !CHATTER.iter().any(|chatter| message.0.contains(chatter))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }
}

/// The text of a log event.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_says_is_its_own() {
        let wanted = Wanted { level: LevelFilter::INFO, program: "sink".to_owned() };
        for own in ["undertone_node::node", "undertone_sink::sink", "sink", "sink::latency_of"] {
            assert!(wanted.is_own(own), "{own}");
        }
        for other in ["zenoh_shm::watchdog", "dora_node_api::node", "sinks"] {
            assert!(!wanted.is_own(other), "{other}");
        }
    }
}
