//! The likeliest course of the pitch through the candidates (pYIN, second stage), with a fixed delay.
//!
//! The hidden Markov model is that of Mauch and Dixon (see [`crate::candidates`]) with the parameters of librosa 0.10: bins
//! of a tenth of a semitone, each once voiced and once not; voicing changes from frame to frame with a probability of 0.01,
//! and the pitch by a triangular distribution that reaches to 35.92 octaves a second.
//!
//! Viterbi's algorithm decides on the last frame first, and so at the end of the signal. Here a frame is decided as soon as
//! a number of frames behind it, the lag, have been seen: by the path that is the best one then. At the end of the signal
//! the frames that are left are decided as always. A lag that is longer than the signal is the algorithm itself.

use std::collections::VecDeque;

use undertone_messages::SAMPLE_RATE;

use crate::HOP;
use crate::candidates::Candidate;

/// Bins of pitch in an octave.
const BINS_PER_OCTAVE: f64 = 120.0;
/// The fastest change of pitch in octaves a second.
const FASTEST_CHANGE: f64 = 35.92;
/// Probability that voicing changes from one frame to the next.
const SWITCH: f64 = 0.01;

/// What a frame was decided to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A pitch within this bin.
    Voiced(usize),
    /// No pitch.
    Unvoiced,
}

/// Follows the pitch of one segment.
pub struct Tracker {
    f0_min: f64,
    bins: usize,
    lag: usize,
    /// Logarithms of the triangle of transitions; its middle is to the same bin.
    triangle: Vec<f64>,
    /// Logarithm of what the part of the triangle sums up to that lies within the bins, by the bin that it starts from.
    totals: Vec<f64>,
    /// Logarithm of the best path's probability to each state, voiced ones first; empty before the first frame.
    scores: Vec<f64>,
    /// The same while the next frame is worked on.
    next: Vec<f64>,
    /// The best score of the two states of each bin, for one of the two that may follow, and which it is.
    merged: Vec<(f64, usize)>,
    /// Probability of each bin in the present frame.
    observed: Vec<f64>,
    /// For each frame that is not decided the state that the best path to each of its states came from.
    origins: VecDeque<Vec<u16>>,
    spare: Vec<Vec<u16>>,
}

impl Tracker {
    /// For pitches from `f0_min` to `f0_max` hertz, with decisions after `lag` frames.
    pub fn new(f0_min: f64, f0_max: f64, lag: usize) -> Self {
        let bins = (BINS_PER_OCTAVE * (f0_max / f0_min).log2()).floor() as usize + 1;
        // As librosa: whole semitones in a frame.
        let semitones = (FASTEST_CHANGE * 12.0 * HOP as f64 / f64::from(SAMPLE_RATE)).round();
        let reach = (semitones * BINS_PER_OCTAVE / 12.0 / 2.0) as usize;
        let weight = |distance: usize| (reach + 1 - distance) as f64 / (reach + 1) as f64;
        let total = |bin: usize| {
            let within = bin.saturating_sub(reach)..(bin + reach + 1).min(bins);
            within.map(|other| weight(other.abs_diff(bin))).sum::<f64>().ln()
        };
        Self {
            f0_min,
            bins,
            lag,
            triangle: (0..=2 * reach).map(|place| weight(place.abs_diff(reach)).ln()).collect(),
            totals: (0..bins).map(total).collect(),
            scores: Vec::with_capacity(2 * bins),
            next: Vec::with_capacity(2 * bins),
            merged: Vec::with_capacity(bins),
            observed: vec![0.0; bins],
            origins: VecDeque::new(),
            spare: Vec::new(),
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.scores.clear();
        self.spare.extend(self.origins.drain(..));
    }

    /// The bin of a pitch in hertz.
    pub fn bin(&self, f0: f64) -> usize {
        let bin = (BINS_PER_OCTAVE * (f0 / self.f0_min).log2()).round().max(0.0) as usize;
        bin.min(self.bins - 1)
    }

    /// The pitch in the middle of a bin, in hertz.
    pub fn pitch(&self, bin: usize) -> f64 {
        self.f0_min * (bin as f64 / BINS_PER_OCTAVE).exp2()
    }

    /// Takes the candidates of the next frame, and decides on the frame that is the lag before it.
    pub fn push(&mut self, candidates: &[Candidate]) -> Option<Decision> {
        let voiced = self.observe(candidates);
        let mut origins = self.spare.pop().unwrap_or_default();
        origins.clear();
        self.step(voiced, &mut origins);
        self.origins.push_back(origins);
        if self.origins.len() <= self.lag {
            return None;
        }
        let state = self.path().last();
        self.spare.extend(self.origins.pop_front());
        state.map(|state| self.decision(state))
    }

    /// Decides on the frames that are left, and forgets everything.
    pub fn finish(&mut self, decisions: &mut Vec<Decision>) {
        let begin = decisions.len();
        decisions.extend(self.path().map(|state| self.decision(state)));
        if let Some(decided) = decisions.get_mut(begin..) {
            decided.reverse();
        }
        self.reset();
    }

    /// Spreads candidates over the bins and gives the probability that the frame is voiced.
    fn observe(&mut self, candidates: &[Candidate]) -> f64 {
        self.observed.fill(0.0);
        for candidate in candidates {
            let bin = self.bin(candidate.f0);
            if let Some(probability) = self.observed.get_mut(bin) {
                // One of two in a bin counts, as in librosa, where it is the later one.
                *probability = candidate.probability;
            }
        }
        self.observed.iter().sum::<f64>().clamp(0.0, 1.0)
    }

    /// One step of Viterbi's algorithm.
    fn step(&mut self, voiced: f64, origins: &mut Vec<u16>) {
        let log = |probability: f64| probability.max(f64::MIN_POSITIVE).ln();
        let unvoiced = log((1.0 - voiced) / self.bins as f64);
        self.next.clear();
        if self.scores.is_empty() {
            // A segment begins unvoiced, with any pitch.
            let start = log(1.0 / self.bins as f64);
            self.next.extend(self.observed.iter().map(|observed| log(0.0) + log(*observed)));
            self.next.extend(std::iter::repeat_n(start + unvoiced, self.bins));
            origins.extend((0..2 * self.bins).map(|state| state as u16));
        } else {
            for is_voiced in [true, false] {
                self.merge(is_voiced);
                self.follow(origins);
                let added = self.next.len() - self.bins;
                let scores = self.next.iter_mut().skip(added);
                match is_voiced {
                    true => scores.zip(&self.observed).for_each(|(score, observed)| *score += log(*observed)),
                    false => scores.for_each(|score| *score += unvoiced),
                }
            }
        }
        // Probabilities of long paths are small; only their differences matter.
        let best = self.next.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.next.iter_mut().for_each(|score| *score -= best);
        std::mem::swap(&mut self.scores, &mut self.next);
    }

    /// For each bin, whether a path to its voiced or its unvoiced state is better to go on from.
    fn merge(&mut self, is_voiced: bool) {
        let (stay, switch) = ((1.0 - SWITCH).ln(), SWITCH.ln());
        let (from_voiced, from_unvoiced) = if is_voiced { (stay, switch) } else { (switch, stay) };
        let (voiced, unvoiced) = self.scores.split_at(self.bins);
        let better = |(bin, ((voiced, unvoiced), total)): (usize, ((&f64, &f64), &f64))| {
            let (voiced, unvoiced) = (voiced + from_voiced - total, unvoiced + from_unvoiced - total);
            if voiced >= unvoiced { (voiced, bin) } else { (unvoiced, bin + self.bins) }
        };
        self.merged.clear();
        self.merged.extend(voiced.iter().zip(unvoiced).zip(&self.totals).enumerate().map(better));
    }

    /// Appends to `next` and `origins` the best way to each bin.
    fn follow(&mut self, origins: &mut Vec<u16>) {
        let reach = self.triangle.len() / 2;
        for bin in 0..self.bins {
            let first = bin.saturating_sub(reach);
            let near = self.merged.iter().skip(first).take(bin + reach + 1 - first);
            let weights = self.triangle.iter().skip(first + reach - bin);
            let mut best = (f64::NEG_INFINITY, 0);
            for ((score, origin), weight) in near.zip(weights) {
                if score + weight > best.0 {
                    best = (score + weight, *origin);
                }
            }
            self.next.push(best.0);
            origins.push(best.1 as u16);
        }
    }

    /// The best path, from its last state to that of the first frame that is not decided.
    fn path(&self) -> impl Iterator<Item = usize> {
        let best =
            self.scores.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
        let mut state = best.map(|(state, _)| state).filter(|_| !self.origins.is_empty());
        let mut origins = self.origins.iter().rev();
        std::iter::from_fn(move || {
            let here = state?;
            // The origins of the last frame in turn lead to a frame that is decided.
            let origin = origins.next()?.get(here).copied().map(usize::from);
            state = origin;
            Some(here)
        })
    }

    fn decision(&self, state: usize) -> Decision {
        if state < self.bins { Decision::Voiced(state) } else { Decision::Unvoiced }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(lag: usize, frames: &[Vec<Candidate>]) -> Vec<Decision> {
        let mut tracker = Tracker::new(60.0, 500.0, lag);
        let mut decisions: Vec<_> = frames.iter().filter_map(|frame| tracker.push(frame)).collect();
        assert_eq!(decisions.len(), frames.len().saturating_sub(lag));
        tracker.finish(&mut decisions);
        decisions
    }

    fn candidate(f0: f64, probability: f64) -> Candidate {
        Candidate { f0, probability }
    }

    #[test]
    fn an_octave_error_of_one_frame_is_passed_over() {
        let mut frames = vec![vec![candidate(200.0, 0.9)]; 60];
        frames[30] = vec![candidate(200.0, 0.3), candidate(100.0, 0.6)];
        let bin = Tracker::new(60.0, 500.0, 1).bin(200.0);
        for lag in [5, 25, 100] {
            let decisions = decide(lag, &frames);
            assert_eq!(decisions.len(), 60);
            assert!(decisions[1..].iter().all(|decision| *decision == Decision::Voiced(bin)), "lag {lag}");
        }
    }

    #[test]
    fn a_frame_without_candidates_in_a_voiced_stretch_is_bridged_and_a_pause_is_not() {
        let mut frames = vec![vec![candidate(120.0, 0.95)]; 100];
        frames[20..22].iter_mut().for_each(Vec::clear);
        frames[50..80].iter_mut().for_each(Vec::clear);
        let decisions = decide(25, &frames);
        assert_eq!(decisions[65], Decision::Unvoiced);
        assert!(matches!((decisions[40], decisions[90]), (Decision::Voiced(_), Decision::Voiced(_))));
    }

    #[test]
    fn bins_and_pitches_go_together() {
        let tracker = Tracker::new(60.0, 500.0, 25);
        assert_eq!((tracker.bin(60.0), tracker.bin(120.0), tracker.bin(1e4)), (0, 120, tracker.bins - 1));
        assert!((tracker.pitch(240) - 240.0).abs() < 1e-9);
    }
}
