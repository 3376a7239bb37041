//! Speech over WebSocket into a graph, and its results back: one session a connection, many at a time.
//!
//! The protocol stands in `asyncapi.yml`, how to use and protect the gateway in `README.md`, both beside this crate.
//!
//! # Rooms
//!
//! What a client may do and what follows from it is pure code, without sockets, dora or clock: [`Hub`] has all sessions,
//! a [`Session`] one client, its `Audio` and its [`EventLog`], [`Request`] and [`Event`] are the messages,
//! [`Fault`] and [`Close`] what can go wrong. Around it are two thin layers: the server with a task for each connection
//! (tokio, axum), and [`run`], which moves audio and results between the hub and the graph on the process's first thread.
//!
//! # What is bounded, and what happens at the bound
//!
//! | what | bound | then |
//! | --- | --- | --- |
//! | sessions | `--sessions` | the next is closed with 1013 |
//! | audio that is read | `--burst-seconds`, then `--max-speed` | the rest waits in the network: TCP holds it back |
//! | audio that waits for the graph | `--buffer-seconds` | a client that is ahead of the clock is held back; of one that is not, the oldest audio goes, which is on record |
//! | when audio came | once for each 10 ms of what may wait | the oldest goes, which is of audio that has gone |
//! | results whose speech has not ended yet | 64 of a session | the oldest is forgotten |
//! | changes of arguments | one at a time | the next wait, in the order in which they came |
//! | messages in the graph | the graph's shortest `queue_size`, in equal shares | audio waits, as above |
//! | events of a session | 4,096, and 2 MiB | the oldest go; a client that comes back for them is told |
//! | events behind a client that does not read | `--lag-events` | it is disconnected, and can resume |
//! | a message | the longest frame | 1009 |
//! | connections | 64 and two for each session | the next wait to be accepted |
//! | the head of a request | 16 KiB, 5 s | the connection is closed |
//!
//! # Latency
//!
//! A session's clock begins when its first frame arrives, less the frame's length. A result's latency counts from when
//! its last sample should have been captured on that clock: what a slow network adds is in it. Audio that comes faster
//! than the clock counts from its arrival. A client that sends nothing for more than 2 s has paused, and its clock goes
//! on from the next frame. A lag that each frame of 5 s has is the client's and no latency: its sound card is slow, or it
//! leaves pauses out. By so much the clock moves, and back if the client catches up.
//!
//! All of that is on a clock that nobody sets. Only the stamp on a message for the graph is the time on the wall.

mod access;
mod arguments;
mod audio;
mod clock;
mod close;
mod event;
mod graph;
mod hub;
mod input;
mod limits;
mod log;
mod page;
mod parameters;
mod request;
mod server;
mod session;
mod shared;
mod socket;
mod stats;

pub use access::Access;
pub use arguments::Arguments;
pub use close::{Close, Closing, Fault};
pub use event::{Event, GapReason, Span};
pub use graph::run;
pub use hub::{Call, Counts, Graph, Hub, Outgoing, Signal, Wish};
pub use input::{Input, Report};
pub use limits::{Limits, RATES};
pub use log::EventLog;
pub use parameters::{Change, Parameters, Refusal};
pub use request::{Encoding, Request};
pub use server::{PROTOCOL, listen, serve};
pub use session::{ConnectionId, Depth, Output, Session};
pub use shared::Shared;
pub use stats::{LatencyStatistics, Percentiles};
