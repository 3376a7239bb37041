//! How long segments have waited.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use undertone_fusion::{Fusion, Patience};
use undertone_messages::{Message, Phase, SessionId, Speech};
use undertone_stage::JoinSessions;

/// When segments have ended, for those inputs that are not waited for as long as it takes.
pub(crate) struct Waiting {
    patience: Vec<Patience>,
    ended: BTreeMap<(SessionId, u64), Instant>,
}

impl Waiting {
    pub(crate) fn new(patience: &[Patience]) -> Self {
        Self { patience: patience.to_vec(), ended: BTreeMap::new() }
    }

    /// Changes how long is waited.
    pub(crate) fn adjust(&mut self, patience: &[Patience]) {
        self.patience = patience.to_vec();
    }

    /// Takes note of a message of the ledger.
    pub(crate) fn follow(&mut self, message: &Message<Speech>) {
        match &message.body {
            Some(speech) if speech.phase == Phase::Final && !self.patience.is_empty() => {
                self.ended.insert((message.session.clone(), speech.segment), Instant::now());
            }
            _ => {}
        }
    }

    /// Takes note of a result.
    pub(crate) fn done(&mut self, session: &SessionId, segment: Option<u64>) {
        if let Some(segment) = segment {
            self.ended.remove(&(session.clone(), segment));
        }
    }

    /// The first input that will have been silent for too long, in which session, and in what time.
    pub(crate) fn next(&self, sessions: &JoinSessions<Fusion>) -> Option<(SessionId, String, Duration)> {
        if self.ended.is_empty() {
            return None;
        }
        let waits = sessions.iter().filter_map(|(session, fusion)| {
            let (segment, inputs) = fusion.awaited()?;
            let ended = self.ended.get(&(session.clone(), segment))?;
            let patience = |input: &&str| self.patience.iter().rfind(|patience| patience.input == **input);
            let first = inputs.iter().filter_map(patience).min_by_key(|patience| patience.time)?;
            Some((session.clone(), first.input.clone(), first.time.saturating_sub(ended.elapsed())))
        });
        waits.min_by_key(|(_, _, time)| *time)
    }
}
