//! The account of a run: how many messages were sent on each wire that leads to the sink, and how many arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use undertone_node::Wire;

use crate::error::SinkError;

/// The account of a run, as the receivers of the wires told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// From the head of the graph to the sink.
    wires: Vec<Wire>,
    /// The run was stopped or failed: what was on its way then is nobody's loss.
    broken_off: bool,
}

impl Account {
    /// Puts the wires in order. `broken_off` says that the run did not come to its end.
    pub fn new(mut wires: Vec<Wire>, broken_off: bool) -> Self {
        let depths = depths(&wires);
        let depth = |place: &str| depths.get(node(place)).copied().unwrap_or_default();
        wires.sort_by_cached_key(|wire| {
            (depth(&wire.from), depth(&wire.to), wire.from.clone(), wire.to.clone())
        });
        Self { wires, broken_off }
    }

    /// Checks that nothing is missing on any wire.
    ///
    /// # Errors
    ///
    /// The first wire on which messages are missing.
    pub fn check(&self) -> Result<(), SinkError> {
        match self.wires.iter().find(|wire| wire.missing() > 0) {
            None => Ok(()),
            Some(wire) => Err(SinkError::Missing {
                from: wire.from.clone(),
                to: wire.to.clone(),
                missing: wire.missing(),
                sent: wire.sent.unwrap_or_default(),
            }),
        }
    }
}

/// The node of an output or input.
fn node(place: &str) -> &str {
    place.split_once('/').map_or(place, |(node, _)| node)
}

/// How many wires there are before each node, on the longest way.
fn depths(wires: &[Wire]) -> BTreeMap<String, usize> {
    let mut depths = BTreeMap::new();
    // No way is longer than all wires, unless it is a ring.
    for _ in wires {
        for wire in wires {
            let before: usize = depths.get(node(&wire.from)).copied().unwrap_or_default();
            let depth = depths.entry(node(&wire.to).to_owned()).or_default();
            *depth = (*depth).max(before + 1);
        }
    }
    depths
}

/// The table, a line a wire, and the sum.
impl fmt::Display for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |wire: &Wire| format!("{} → {}", wire.from, wire.to);
        let width = self.wires.iter().map(|wire| name(wire).chars().count()).max().unwrap_or_default();
        if !self.wires.is_empty() {
            writeln!(formatter, "  {:width$} {:>9} {:>9} {:>9}", "messages", "sent", "received", "missing")?;
        }
        for wire in &self.wires {
            let known = |number: u64| wire.sent.map_or_else(|| "?".to_owned(), |_| number.to_string());
            let (sent, missing) = (known(wire.sent.unwrap_or_default()), known(wire.missing()));
            match wire.ended {
                true => writeln!(
                    formatter,
                    "  {:width$} {sent:>9} {:>9} {missing:>9}",
                    name(wire),
                    wire.received
                )?,
                false => writeln!(formatter, "  {:width$} {:>29}", name(wire), "end not known")?,
            }
        }
        self.sum(formatter)
    }
}

impl Account {
    /// The last line. The sums are of the wires of which both numbers are known.
    fn sum(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = || self.wires.iter().filter(|wire| wire.ended);
        let known = || ended().filter_map(|wire| Some((wire, wire.sent?)));
        let (count, sent): (usize, u64) = (known().count(), known().map(|(_, sent)| sent).sum());
        let received: u64 = known().map(|(wire, _)| wire.received).sum();
        let missing: u64 = known().map(|(wire, _)| wire.missing()).sum();
        let title = if self.broken_off { "account so far" } else { "account" };
        let plural = if count == 1 { "" } else { "s" };
        write!(
            formatter,
            "{title}: {count} wire{plural}, {sent} messages sent, {received} received, {missing} missing"
        )?;
        let open = self.wires.iter().filter(|wire| !wire.ended).count();
        if open > 0 {
            write!(formatter, "; the end of {open} more not known")?;
        }
        let silent: BTreeSet<_> =
            ended().filter(|wire| wire.sent.is_none()).map(|wire| node(&wire.from)).collect();
        if !silent.is_empty() {
            let silent = silent.into_iter().map(|node| format!("`{node}`")).collect::<Vec<_>>().join(", ");
            write!(formatter, "; not known before {silent}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(from: &str, to: &str, sent: u64, received: u64) -> Wire {
        Wire { from: from.to_owned(), to: to.to_owned(), sent: Some(sent), received, ended: true }
    }

    #[test]
    fn an_account_goes_from_the_head_of_the_graph_to_the_sink() {
        let wires = vec![
            wire("acoustic/emotion", "fusion/acoustic", 27, 27),
            wire("vad/speech", "fusion/speech", 101, 101),
            wire("mfcc/features", "acoustic/features", 90, 90),
            wire("fusion/sentiment", "sink/sentiment", 6, 6),
            wire("vad/speech", "mfcc/speech", 101, 101),
            wire("source/audio", "vad/audio", 1_173, 1_173),
        ];
        let account = Account::new(wires, false);
        account.check().unwrap();
        let expected = "  \
  messages                                sent  received   missing
  source/audio → vad/audio                1173      1173         0
  vad/speech → mfcc/speech                 101       101         0
  vad/speech → fusion/speech               101       101         0
  mfcc/features → acoustic/features         90        90         0
  acoustic/emotion → fusion/acoustic        27        27         0
  fusion/sentiment → sink/sentiment          6         6         0
account: 6 wires, 1498 messages sent, 1498 received, 0 missing";
        assert_eq!(account.to_string(), expected);
    }

    #[test]
    fn a_hole_is_an_error_that_names_the_wire() {
        let wires =
            vec![wire("vad/speech", "asr/speech", 10, 10), wire("source/audio", "vad/audio", 100, 70)];
        let account = Account::new(wires, false);
        let error = account.check().unwrap_err().to_string();
        assert!(error.contains("30 of the 100 messages on source/audio → vad/audio"), "{error}");
        assert!(
            account.to_string().ends_with("account: 2 wires, 110 messages sent, 80 received, 30 missing")
        );
    }

    #[test]
    fn what_an_operator_took_and_sent_is_not_known() {
        let operator = Wire { sent: None, ..wire("level/op/audio", "vad/audio", 0, 1_173) };
        let account = Account::new(vec![operator, wire("vad/speech", "asr/speech", 10, 10)], false);
        account.check().unwrap();
        let text = account.to_string();
        assert!(text.contains("  level/op/audio → vad/audio         ?      1173         ?\n"), "{text}");
        let sum = "\naccount: 1 wire, 10 messages sent, 10 received, 0 missing; not known before `level`";
        assert!(text.ends_with(sum), "{text}");
    }

    #[test]
    fn numbers_from_the_middle_of_a_stream_are_not_told() {
        let open = Wire { ended: false, ..wire("vad/speech", "asr/speech", 10, 1) };
        let account = Account::new(vec![open, wire("source/audio", "vad/audio", 100, 100)], true);
        account.check().unwrap();
        let text = account.to_string();
        assert!(text.contains("\n  vad/speech → asr/speech                  end not known\n"), "{text}");
        let sum = "\naccount so far: 1 wire, 100 messages sent, 100 received, 0 missing; the end of 1 more not known";
        assert!(text.ends_with(sum), "{text}");
    }

    #[test]
    fn a_ring_does_not_keep_the_account_waiting() {
        let ring = vec![wire("a/x", "b/x", 1, 1), wire("b/y", "a/y", 1, 1)];
        assert_eq!(Account::new(ring, false).to_string().lines().count(), 4);
        let empty = Account::new(Vec::new(), true).to_string();
        assert_eq!(empty, "account so far: 0 wires, 0 messages sent, 0 received, 0 missing");
    }
}
