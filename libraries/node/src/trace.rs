//! The latency account: wall-clock stamps that travel in a message's metadata, beside the payload.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dora_node_api::MetadataParameters;
use dora_node_api::metadata::Parameter;

/// Nanoseconds since the Unix epoch.
pub fn now_ns() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
}

/// When a sample came into the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Sample index behind the last sample that had been captured.
    pub sample: u64,
    /// When it was captured, in nanoseconds since the Unix epoch.
    pub at_ns: i64,
    /// Samples come at the pace of the clock, so that a time between two of them is real. Otherwise they come as fast
    /// as they can be handled.
    pub realtime: bool,
}

/// A message's way through one node. Times are nanoseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The node's name in the graph.
    pub node: String,
    /// When the node was done with what it did before.
    pub free_ns: i64,
    /// When the node took the message that caused this one.
    pub begun_ns: i64,
    /// When the node sent this message.
    pub sent_ns: i64,
}

/// A message's way from its source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The audio that caused the message.
    pub capture: Option<Capture>,
    /// The nodes on the way, the source first.
    pub hops: Vec<Hop>,
}

const SAMPLE: &str = "capture_sample";
const AT: &str = "capture_ns";
const REALTIME: &str = "capture_realtime";
const NODES: &str = "trace_nodes";
const TIMES: &str = "trace_ns";

impl Trace {
    /// How long ago the audio that caused the message was captured, where it comes at the pace of the clock.
    pub fn lateness(&self) -> Option<Duration> {
        let capture = self.capture.filter(|capture| capture.realtime)?;
        Some(Duration::from_nanos(u64::try_from(now_ns() - capture.at_ns).unwrap_or(0)))
    }

    /// Reads the trace from a message's metadata. Without stamps, as in replayed test inputs, it is empty.
    pub(crate) fn read(parameters: &MetadataParameters) -> Self {
        let capture = match (parameters.get(SAMPLE), parameters.get(AT), parameters.get(REALTIME)) {
            (
                Some(Parameter::Integer(sample)),
                Some(Parameter::Integer(at_ns)),
                Some(Parameter::Bool(realtime)),
            ) => u64::try_from(*sample).ok().map(|sample| Capture {
                sample,
                at_ns: *at_ns,
                realtime: *realtime,
            }),
            _ => None,
        };
        let hops = match (parameters.get(NODES), parameters.get(TIMES)) {
            (Some(Parameter::ListString(nodes)), Some(Parameter::ListInt(times))) => nodes
                .iter()
                .zip(times.as_chunks::<3>().0)
                .map(|(node, &[free_ns, begun_ns, sent_ns])| Hop {
                    node: node.clone(),
                    free_ns,
                    begun_ns,
                    sent_ns,
                })
                .collect(),
            _ => Vec::new(),
        };
        Self { capture, hops }
    }

    /// The trace as metadata.
    pub(crate) fn write(&self) -> MetadataParameters {
        let mut parameters = MetadataParameters::new();
        if let Some(capture) = self.capture {
            // A sample index fits an i64 for 18 million years.
            let sample = i64::try_from(capture.sample).unwrap_or(i64::MAX);
            parameters.insert(SAMPLE.to_owned(), Parameter::Integer(sample));
            parameters.insert(AT.to_owned(), Parameter::Integer(capture.at_ns));
            parameters.insert(REALTIME.to_owned(), Parameter::Bool(capture.realtime));
        }
        let nodes = self.hops.iter().map(|hop| hop.node.clone()).collect();
        let times = self.hops.iter().flat_map(|hop| [hop.free_ns, hop.begun_ns, hop.sent_ns]).collect();
        parameters.insert(NODES.to_owned(), Parameter::ListString(nodes));
        parameters.insert(TIMES.to_owned(), Parameter::ListInt(times));
        parameters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_survives_the_metadata() {
        let hop =
            |node: &str, at| Hop { node: node.to_owned(), free_ns: at, begun_ns: at + 1, sent_ns: at + 2 };
        let trace = Trace {
            capture: Some(Capture { sample: 16_000, at_ns: 1_000_000_000, realtime: true }),
            hops: vec![hop("source", 10), hop("vad", 20)],
        };
        assert_eq!(Trace::read(&trace.write()), trace);
        assert_eq!(Trace::read(&MetadataParameters::new()), Trace::default());
    }
}
