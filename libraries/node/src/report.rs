//! What nodes tell those behind them: who they are, how many messages they took and sent, and what went wrong.
//!
//! Reports travel in the metadata of the first and the last message of each stream, and of the next message after
//! something went wrong. A node passes on what it was told along with its own, so the end of a graph knows of all that
//! leads to it. Operators cannot send metadata; what is behind one does not know of what is before it.

use std::collections::BTreeMap;

use dora_node_api::MetadataParameters;
use dora_node_api::metadata::Parameter;
use serde::{Deserialize, Serialize};

/// What a node tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its version.
    pub version: String,
    /// The words of its command line, without the program.
    pub arguments: Vec<String>,
    /// The files of the models that it loaded, with their SHA-256.
    pub models: BTreeMap<String, String>,
    /// Its inputs, by name.
    pub inputs: BTreeMap<String, InputReport>,
    /// How many messages it has sent, by output.
    pub outputs: BTreeMap<String, u64>,
    /// What happened to it because of which another run might differ.
    pub incidents: Vec<Incident>,
}

/// What has arrived at an input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputReport {
    /// The output that it is wired to, as `node/output`.
    pub wire: String,
    /// How many messages have arrived.
    pub received: u64,
    /// Whether all the streams that began have ended.
    pub ended: bool,
}

/// Something because of which another run might differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// What it is.
    pub kind: IncidentKind,
    /// The session, if it concerns one.
    pub session: Option<String>,
    /// The sample index, if there is one.
    pub sample: Option<u64>,
    /// How much is missing: samples or messages.
    pub amount: Option<u64>,
    /// The same in words.
    pub text: String,
}

/// What can happen to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// Audio was lost before it got into the graph.
    Gap,
    /// Messages did not arrive.
    Missing,
    /// A stream stopped without its last message.
    CutOff,
    /// Arguments were changed while the graph ran.
    Changed,
    /// The recording that is replayed has incidents of its own.
    Replayed,
}

impl NodeReport {
    /// A later report of the same node has counted more.
    fn age(&self) -> (u64, usize) {
        let received = self.inputs.values().map(|input| input.received);
        (received.chain(self.outputs.values().copied()).sum(), self.incidents.len())
    }

    /// What does not change from message to message.
    fn news(&self) -> (usize, &BTreeMap<String, String>) {
        (self.incidents.len(), &self.models)
    }
}

/// What a node knows of the nodes before it and of itself, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reports(pub(crate) BTreeMap<String, NodeReport>);

const REPORTS: &str = "undertone_reports";

impl Reports {
    /// The reports in a message's metadata, if it has any. What cannot be read is of another version, and as good as
    /// none: reports do not change results.
    pub(crate) fn read(parameters: &MetadataParameters) -> Option<Self> {
        match parameters.get(REPORTS) {
            Some(Parameter::String(text)) => serde_json::from_str(text).ok(),
            _ => None,
        }
    }

    /// Adds the reports to a message's metadata.
    pub(crate) fn write(&self, parameters: &mut MetadataParameters) {
        // Strings and numbers have a JSON form.
        if let Ok(text) = serde_json::to_string(self) {
            parameters.insert(REPORTS.to_owned(), Parameter::String(text));
        }
    }

    /// Takes over what is newer. True if there is a node or an incident among it that was not known.
    pub(crate) fn merge(&mut self, other: Self) -> bool {
        let mut news = false;
        for (name, report) in other.0 {
            match self.0.get_mut(&name) {
                None => {
                    news = true;
                    self.0.insert(name, report);
                }
                Some(known) if known.age() < report.age() => {
                    news |= known.news() != report.news();
                    *known = report;
                }
                Some(_) => {}
            }
        }
        news
    }

    /// The wires whose messages have all arrived, as their receivers tell.
    pub(crate) fn account(&self) -> Vec<Wire> {
        let mut wires = Vec::new();
        for (node, report) in &self.0 {
            for (input, state) in report.inputs.iter().filter(|(_, state)| state.ended) {
                let sender = state.wire.split_once('/');
                let sent = sender.and_then(|(node, output)| self.0.get(node)?.outputs.get(output));
                wires.push(Wire {
                    from: state.wire.clone(),
                    to: format!("{node}/{input}"),
                    sent: sent.copied(),
                    received: state.received,
                });
            }
        }
        wires
    }
}

/// The account of one wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// The output, as `node/output`.
    pub from: String,
    /// The input, as `node/input`.
    pub to: String,
    /// How many messages were sent; unknown for an operator, which cannot tell.
    pub sent: Option<u64>,
    /// How many arrived.
    pub received: u64,
}

impl Wire {
    /// How many messages were sent and did not arrive.
    pub fn missing(&self) -> u64 {
        self.sent.map_or(0, |sent| sent.saturating_sub(self.received))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(received: u64, sent: u64, ended: bool) -> NodeReport {
        let input = InputReport { wire: "source/audio".to_owned(), received, ended };
        NodeReport {
            inputs: BTreeMap::from([("audio".to_owned(), input)]),
            outputs: BTreeMap::from([("speech".to_owned(), sent)]),
            ..NodeReport::default()
        }
    }

    fn reports(nodes: &[(&str, NodeReport)]) -> Reports {
        Reports(nodes.iter().map(|(name, report)| ((*name).to_owned(), report.clone())).collect())
    }

    #[test]
    fn the_latest_report_of_a_node_counts() {
        let mut known = reports(&[("vad", report(5, 3, false))]);
        assert!(!known.merge(reports(&[("vad", report(4, 3, false))])));
        assert_eq!(known.0["vad"].inputs["audio"].received, 5);
        assert!(!known.merge(reports(&[("vad", report(9, 3, true))])));
        assert_eq!(known.0["vad"].inputs["audio"].received, 9);
        assert!(known.merge(reports(&[("source", NodeReport::default())])), "a new node is news");
        let mut changed = report(9, 3, true);
        changed.incidents.push(Incident {
            kind: IncidentKind::Changed,
            session: None,
            sample: None,
            amount: None,
            text: "changed".to_owned(),
        });
        assert!(known.merge(reports(&[("vad", changed)])), "an incident is news");
    }

    #[test]
    fn the_account_is_of_wires_that_have_ended() {
        let mut source = NodeReport::default();
        source.outputs.insert("audio".to_owned(), 10);
        let known =
            reports(&[("source", source), ("vad", report(9, 3, true)), ("other", report(2, 0, false))]);
        let wires = known.account();
        assert_eq!(wires.len(), 1, "{wires:?}");
        assert_eq!((wires[0].to.as_str(), wires[0].sent, wires[0].missing()), ("vad/audio", Some(10), 1));
        // Behind an operator it is not known how much was sent.
        let wires = reports(&[("vad", report(9, 3, true))]).account();
        assert_eq!((wires[0].sent, wires[0].missing()), (None, 0));
    }

    #[test]
    fn reports_survive_the_metadata() {
        let known = reports(&[("vad", report(9, 3, true))]);
        let mut parameters = MetadataParameters::new();
        known.write(&mut parameters);
        assert_eq!(Reports::read(&parameters), Some(known));
        assert_eq!(Reports::read(&MetadataParameters::new()), None);
    }
}
