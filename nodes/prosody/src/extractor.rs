//! The chain from samples to frames.

use std::collections::VecDeque;

use crate::arguments::Config;
use crate::candidates::{Candidate, Candidates};
use crate::cycles::{CycleTracker, Samples};
use crate::difference::Difference;
use crate::frame::Frame;
use crate::spectrum::{SINC_REACH, SpectrumAnalyser, harmonics_to_noise};
use crate::tracker::{Decision, Tracker};
use crate::{FRAME, HOP};

/// The lowest energy, in dB: what is less is silence.
const SILENCE_DB: f64 = -120.0;

/// A frame whose pitch is not decided.
#[derive(Debug)]
struct Pending {
    frame: Frame,
    candidates: Vec<Candidate>,
    autocorrelation: Vec<f64>,
}

/// Measures the frames of one segment.
///
/// Frame t covers the samples `t·HOP .. t·HOP + FRAME` of the segment. The result does not depend on how the samples are cut
/// into pieces. It may differ in its last bits between kinds of processors, because the FFT uses the widest vector
/// instructions that there are.
pub struct Extractor {
    difference: Difference,
    candidates: Candidates,
    tracker: Tracker,
    spectrum: SpectrumAnalyser,
    cycles: CycleTracker,
    /// Where the samples for the pitch begin within a frame.
    offset: usize,
    /// Samples that the pitch needs.
    span: usize,
    /// Lags of the autocorrelation that are kept.
    lags: usize,
    /// Samples that are still needed.
    samples: Vec<f32>,
    /// Where they begin in the segment.
    begin: usize,
    /// Frames that were analysed, and those of them that were decided.
    analysed: usize,
    decided: usize,
    frame: Vec<f64>,
    pending: VecDeque<Pending>,
    spare: Vec<Pending>,
    decisions: Vec<Decision>,
}

impl Extractor {
    /// Plans transforms and computes tables.
    pub fn new(config: &Config) -> Self {
        let (shortest, longest) = config.periods();
        let span = Difference::span(longest);
        Self {
            difference: Difference::new(longest),
            candidates: Candidates::new(shortest),
            tracker: Tracker::new(config.f0_min, config.f0_max, config.lag),
            spectrum: SpectrumAnalyser::new(),
            cycles: CycleTracker::default(),
            offset: (FRAME - span) / 2,
            span,
            lags: longest + longest / 10 + SINC_REACH + 3,
            samples: Vec::new(),
            begin: 0,
            analysed: 0,
            decided: 0,
            frame: vec![0.0; FRAME],
            pending: VecDeque::new(),
            spare: Vec::new(),
            decisions: Vec::new(),
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.tracker.reset();
        self.spectrum.reset();
        self.cycles.reset();
        self.samples.clear();
        (self.begin, self.analysed, self.decided) = (0, 0, 0);
        self.spare.extend(self.pending.drain(..));
    }

    /// Takes the next samples, in -1 to 1, and appends the frames whose pitch is now decided.
    pub fn push(&mut self, samples: &[f32], frames: &mut Vec<Frame>) {
        self.samples.extend_from_slice(samples);
        while self.load() {
            let pending = self.analyse();
            let decision = self.tracker.push(&pending.candidates);
            self.pending.push_back(pending);
            if let Some(decision) = decision {
                self.decide(decision, frames);
            }
        }
        self.drop_old();
    }

    /// Ends the segment: appends the frames that were left.
    pub fn finish(&mut self, frames: &mut Vec<Frame>) {
        let mut decisions = std::mem::take(&mut self.decisions);
        self.tracker.finish(&mut decisions);
        for decision in decisions.drain(..) {
            self.decide(decision, frames);
        }
        self.decisions = decisions;
        self.reset();
    }

    /// Copies the next frame, without its mean, if all its samples are there.
    fn load(&mut self) -> bool {
        let start = self.analysed * HOP - self.begin;
        let Some(samples) = self.samples.get(start..start + FRAME) else { return false };
        let mean = samples.iter().copied().map(f64::from).sum::<f64>() / FRAME as f64;
        for (value, sample) in self.frame.iter_mut().zip(samples) {
            *value = f64::from(*sample) - mean;
        }
        self.analysed += 1;
        true
    }

    fn analyse(&mut self) -> Pending {
        let mut pending = self.spare.pop().unwrap_or_else(|| Pending {
            frame: Frame {
                f0: None,
                voiced_probability: 0.0,
                energy: SILENCE_DB,
                hnr: None,
                centroid: None,
                slope_low: None,
                slope_high: None,
                flux: None,
                cycles: Default::default(),
            },
            candidates: Vec::new(),
            autocorrelation: vec![0.0; self.lags],
        });
        pending.candidates.clear();
        let mean_square = self.frame.iter().map(|x| x * x).sum::<f64>() / FRAME as f64;
        let energy = (10.0 * mean_square.log10()).max(SILENCE_DB);
        let shape = self.spectrum.analyse(&self.frame);
        if shape.is_some() {
            self.spectrum.autocorrelation(&mut pending.autocorrelation);
            let voice = self.frame.get(self.offset..self.offset + self.span).unwrap_or_default();
            self.candidates.find(self.difference.compute(voice), &mut pending.candidates);
        }
        let probability = pending.candidates.iter().map(|candidate| candidate.probability).sum::<f64>();
        pending.frame = Frame {
            f0: None,
            voiced_probability: probability.min(1.0),
            energy,
            hnr: None,
            centroid: shape.map(|shape| shape.centroid),
            slope_low: shape.map(|shape| shape.slope_low),
            slope_high: shape.map(|shape| shape.slope_high),
            flux: shape.and_then(|shape| shape.flux),
            cycles: Default::default(),
        };
        pending
    }

    /// Completes the oldest frame that is pending.
    fn decide(&mut self, decision: Decision, frames: &mut Vec<Frame>) {
        let Some(mut pending) = self.pending.pop_front() else { return };
        let f0 = self.pitch(decision, &pending.candidates);
        let middle = self.decided * HOP + FRAME / 2;
        let samples = Samples { begin: self.begin, known: &self.samples };
        pending.frame.f0 = f0;
        pending.frame.hnr = f0.map(|f0| harmonics_to_noise(&pending.autocorrelation, crate::RATE / f0));
        pending.frame.cycles = self.cycles.advance(f0, middle - HOP / 2..middle + HOP / 2, samples);
        frames.push(pending.frame);
        self.decided += 1;
        self.spare.push(pending);
    }

    /// The pitch of a decision: that of the likeliest candidate in the bin or next to it, or else the bin's own.
    fn pitch(&self, decision: Decision, candidates: &[Candidate]) -> Option<f64> {
        let Decision::Voiced(bin) = decision else { return None };
        let near = candidates.iter().filter(|candidate| self.tracker.bin(candidate.f0).abs_diff(bin) <= 1);
        let likeliest =
            near.reduce(|best, next| if next.probability > best.probability { next } else { best });
        Some(likeliest.map_or_else(|| self.tracker.pitch(bin), |candidate| candidate.f0))
    }

    /// Drops samples that neither frames nor cycles need: a cycle may have begun two periods before the frame's middle.
    fn drop_old(&mut self) {
        let needed = (self.decided * HOP).saturating_sub(FRAME / 2);
        let old = needed.saturating_sub(self.begin).min(self.samples.len());
        self.samples.drain(..old);
        self.begin += old;
    }
}
