//! The node's log: its own lines and dora's warnings, on standard error, where dora picks them up.

use std::fmt::Debug;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Starts the log at `level`.
pub(crate) fn start(level: LevelFilter) {
    // Dora adds the time and the node's name to each line.
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_filter(Wanted { level });
    // Fails only if a log was started before, as in a test of several nodes in one process; that one serves as well.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}

/// What is worth a line.
struct Wanted {
    level: LevelFilter,
}

impl<S: Subscriber> Filter<S> for Wanted {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        let own = metadata.target().starts_with("undertone");
        // Of zenoh and the other libraries below dora only what goes wrong.
        metadata.level() <= &if own { self.level } else { self.level.min(LevelFilter::WARN) }
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        // Dora's node library knows dora's own types alone and says so at each start for each input of ours, which
        // `dora validate` checks and our own decoding checks again.
        let mut message = Message(String::new());
        event.record(&mut message);
        !message.0.starts_with("unknown input type URN")
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
