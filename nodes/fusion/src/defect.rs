//! Deliberate bugs behind the hidden argument `--defect`. They exist to prove that the tests of exactness can fail: a
//! graph with one of them runs to its end with exit code 0, and gives other results from run to run.

use clap::ValueEnum;
use undertone_messages::{Emotion, Sentiment};
use undertone_node::now_ns;

use crate::VOICE_MODALITY;

/// A deliberate bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Defect {
    /// The voice is joined by arrival: a result takes the newest opinion, whatever segment that is of. So results
    /// depend on how far the voice is ahead of the words.
    UnorderedJoin,
    /// The wall clock gets into the score, below its third decimal.
    Clock,
}

/// A defect at work, or none.
#[derive(Clone, Debug)]
pub struct Defects {
    defect: Option<Defect>,
    /// The newest opinion of the voice.
    newest: Option<Emotion>,
}

impl Defects {
    /// Nothing has arrived yet.
    pub fn new(defect: Option<Defect>) -> Self {
        Self { defect, newest: None }
    }

    /// Sees what arrives.
    pub fn see(&mut self, emotion: Option<&Emotion>) {
        let opinion =
            emotion.filter(|emotion| emotion.modality == VOICE_MODALITY && !emotion.labels.is_empty());
        if let (Some(Defect::UnorderedJoin), Some(opinion)) = (self.defect, opinion) {
            self.newest = Some(opinion.clone());
        }
    }

    /// Spoils what goes out.
    pub fn spoil(&self, result: Option<&mut Sentiment>) {
        match (self.defect, result, &self.newest) {
            (Some(Defect::Clock), Some(result), _) => result.score += (now_ns() % 1_000_000) as f32 * 1e-9,
            (Some(Defect::UnorderedJoin), Some(result), Some(newest)) => join(result, newest),
            _ => {}
        }
    }
}

/// Puts another opinion of the voice in the place of the segment's own.
fn join(result: &mut Sentiment, newest: &Emotion) {
    let Some(voice) = result.contributions.iter_mut().find(|piece| piece.modality == VOICE_MODALITY) else {
        return;
    };
    let own = result.labels.iter().zip(&mut voice.probabilities).zip(&mut result.probabilities);
    for ((label, own), fused) in own {
        let mut other = newest.labels.iter().zip(&newest.probabilities);
        if let Some((_, other)) = other.find(|(other, _)| other.eq_ignore_ascii_case(label)) {
            *fused += voice.weight * (other - *own);
            *own = *other;
        }
    }
}
