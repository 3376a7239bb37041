//! Which programs the nodes of a graph ran.

use std::collections::BTreeMap;

use serde_yaml_ng::Value;
use undertone_recording::Digest;

/// The digest of each node's program, by the node's name. `None` where the program cannot be read from here.
pub(crate) type Digests = BTreeMap<String, Option<Digest>>;

/// The digests of the programs in a graph.
pub(crate) fn digests(graph: &str) -> Digests {
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
