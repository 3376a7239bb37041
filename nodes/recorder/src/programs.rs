//! Which programs the nodes of a graph ran.

use std::collections::BTreeMap;
use std::thread::{self, JoinHandle};

use serde_yaml_ng::Value;
use undertone_recording::Digest;

/// The digest of each node's program, by the node's name. `None` where the program cannot be read from here.
type Digests = BTreeMap<String, Option<Digest>>;

/// The programs of a graph. They are read beside the recording: that takes time in which the queues would fill.
pub(crate) struct Programs {
    reading: Option<JoinHandle<Digests>>,
    digests: Digests,
}

impl Programs {
    /// Begins to read them.
    pub(crate) fn of(graph: &str) -> Self {
        let graph = graph.to_owned();
        Self { reading: Some(thread::spawn(move || digests(&graph))), digests: Digests::new() }
    }

    /// The digests; without `wait` there are none until all programs have been read.
    pub(crate) fn digests(&mut self, wait: bool) -> &Digests {
        if let Some(reading) = self.reading.take_if(|reading| wait || reading.is_finished()) {
            // Programs that cannot be read are no reason to fail.
            self.digests = reading.join().unwrap_or_default();
        }
        &self.digests
    }
}

fn digests(graph: &str) -> Digests {
    let graph: Value = serde_yaml_ng::from_str(graph).unwrap_or_default();
    let nodes = graph.get("nodes").and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
    let entry = |node: &Value| {
        let name = node.get("id")?.as_str()?.to_owned();
        // Nodes run in the folder that paths in the graph are relative to.
        let program = node.get("path").and_then(Value::as_str).and_then(digest);
        Some((name, program))
    };
    nodes.iter().filter_map(entry).collect()
}

fn digest(path: &str) -> Option<Digest> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_mmap(path).ok()?;
    Some(Digest(*hasher.finalize().as_bytes()))
}
