//! What every Undertone node does around its stage: start, arguments, events, order, latency and end.
//!
//! A node with one input and one output is one line: [`run_stage`]. Others write their own loop:
//!
//! ```no_run
//! use undertone_messages::AudioFrame;
//! use undertone_node::{Event, Inputs, Node, Outputs};
//!
//! #[derive(Clone, clap::Parser)]
//! struct Arguments {}
//!
//! fn main() -> std::process::ExitCode {
//!     undertone_node::run(|start: undertone_node::Start<Arguments>| {
//!         let mut node = start.join(Inputs::Exactly(&["audio"]), Outputs::Optionally(&[]))?;
//!         while let Some(event) = node.next_event()? {
//!             if let Event::Message(delivery) = event {
//!                 let message = node.read::<AudioFrame>(&delivery)?;
//!                 println!("{} {}", message.session, message.seq);
//!             }
//!         }
//!         Ok(())
//!     })
//! }
//! ```
//!
//! # What a node can rely on
//!
//! - **Nothing is lost in silence.** Publishers block instead of dropping when a link is congested ([`lossless`]), and
//!   [`Node::read`] checks that each stream arrives whole: a hole is an error that names the edge.
//! - **A failure is never mistaken for an end.** An input that closes before the last message of its streams is
//!   [`Event::Lost`] or an error, and the node exits with a code other than 0.
//! - **Order.** Messages of one input arrive in the order in which they were sent.
//!
//! # Exit codes
//!
//! 0: all streams ended, or dora asked the node to stop. 1: something failed, and the last line of the log says what.
//! 2: the arguments are wrong.

mod alarm;
mod feed;
mod lead;
mod logs;
mod lossless;
mod node;
mod order;
mod preview;
mod report;
mod run;
mod trace;
mod wake;

pub use feed::{Feed, Pace};
pub use lead::Lead;
pub use node::{Change, Delivery, Event, Inputs, Next, Node, Outputs};
pub use preview::{run_preview_stage, serve_previews};
pub use report::{Incident, IncidentKind, InputReport, NodeReport, Wire};
pub use run::{Start, run, run_stage, serve};
pub use trace::{Capture, Hop, Trace, now_ns};
pub use wake::Wake;
