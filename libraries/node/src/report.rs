//! What nodes tell those behind them: who they are, how many messages they took and sent, and what went wrong.
//!
//! Reports travel in the metadata of the first and the last message of each stream, and of the next message after
//! something went wrong. A node passes on what it was told along with its own, so the end of a graph knows of all that
//! leads to it. Operators cannot send metadata; what is behind one does not know of what is before it.
//!
//! The last message of a stream tells how many messages its sender has sent, itself included. So the receiver can
//! compare that with what arrived, message for message, and whoever gets its report has the account of the wire.

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
    /// How many messages its sender had sent on it, as the latest message with a report said. Unknown behind an
    /// operator.
    pub sent: Option<u64>,
    /// How many messages have arrived.
    pub received: u64,
    /// Whether all the streams that began have ended. Then the latest message ended one, and had a report: `sent` and
    /// `received` are of the same moment, and a difference between them is a loss.
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
    /// Arguments were changed while the graph ran.
    Changed,
    /// Something was done with less effort because results were late.
    Late,
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

    /// How many messages the sender of a wire had sent on it when it made these reports.
    pub(crate) fn sent(&self, wire: &str) -> Option<u64> {
        let (node, output) = wire.split_once('/')?;
        self.0.get(node)?.outputs.get(output).copied()
    }

    /// The wires, as their receivers tell.
    pub(crate) fn account(&self) -> Vec<Wire> {
        let wire = |node: &str, (input, state): (&String, &InputReport)| Wire {
            from: state.wire.clone(),
            to: format!("{node}/{input}"),
            sent: state.sent,
            received: state.received,
            ended: state.ended,
        };
        self.0.iter().flat_map(|(node, report)| report.inputs.iter().map(|input| wire(node, input))).collect()
    }
}

/// The account of one wire, as its receiver told last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// The output, as `node/output`.
    pub from: String,
    /// The input, as `node/input`.
    pub to: String,
    /// How many messages were sent; unknown if the sender is an operator, which cannot tell.
    pub sent: Option<u64>,
    /// How many arrived.
    pub received: u64,
    /// Whether all the streams that began have ended. Otherwise the numbers are of some moment within a stream, and
    /// say nothing.
    pub ended: bool,
}

impl Wire {
    /// How many messages were sent and did not arrive, where that is known.
    pub fn missing(&self) -> u64 {
        let sent = self.sent.filter(|_| self.ended);
        sent.map_or(0, |sent| sent.saturating_sub(self.received))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(received: u64, sent: u64, ended: bool) -> NodeReport {
        let input = InputReport { wire: "source/audio".to_owned(), sent: Some(10), received, ended };
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
    fn the_account_is_what_receivers_tell() {
        let known = reports(&[("vad", report(9, 3, true)), ("other", report(2, 0, false))]);
        let wires = known.account();
        let account: Vec<_> =
            wires.iter().map(|wire| (wire.to.as_str(), wire.ended, wire.missing())).collect();
        assert_eq!(account, [("other/audio", false, 0), ("vad/audio", true, 1)]);
        // Behind an operator it is not known how much was sent.
        let unknown = Wire { sent: None, ..wires[1].clone() };
        assert_eq!(unknown.missing(), 0);
    }

    #[test]
    fn a_sender_tells_what_it_sent_on_a_wire() {
        let known = reports(&[("vad", report(9, 3, false))]);
        assert_eq!(known.sent("vad/speech"), Some(3));
        assert_eq!((known.sent("vad/other"), known.sent("level/op/audio")), (None, None));
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
