//! Candidates for the pitch of a frame, with probabilities (pYIN, first stage).
//!
//! Mauch and Dixon, "pYIN: a fundamental frequency estimator using probabilistic threshold distributions", ICASSP 2014.
//! Instead of YIN's one threshold there is a distribution of thresholds, and a trough of the difference function has the
//! probability of being chosen by a threshold drawn from it. As in librosa 0.10, where several troughs are below a
//! threshold, the shorter periods are likelier by a Boltzmann distribution, and if none is, the lowest still counts a
//! little.

use undertone_messages::SAMPLE_RATE;

/// Thresholds: 1/100, 2/100 … 1.
const THRESHOLDS: usize = 100;
/// Parameter of the Boltzmann distribution over the troughs below a threshold.
const BOLTZMANN: f64 = 2.0;
/// Probability of the lowest trough where no trough is below the threshold.
const NO_TROUGH: f64 = 0.01;

/// A period that the signal may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// In hertz.
    pub f0: f64,
    /// 0 to 1. Those of a frame sum to 1 at most.
    pub probability: f64,
}

/// A minimum of the difference function.
#[derive(Clone, Copy, Debug)]
struct Trough {
    /// Its place in samples, between the samples where it is interpolated.
    period: f64,
    height: f64,
    probability: f64,
}

/// Finds candidates.
pub struct Candidates {
    shortest: usize,
    /// Probability that the threshold is the one of this place.
    priors: [f64; THRESHOLDS],
    troughs: Vec<Trough>,
}

impl Candidates {
    /// For periods from `shortest` samples on.
    pub fn new(shortest: usize) -> Self {
        let priors = std::array::from_fn(|place| {
            let threshold = |place: usize| place as f64 / THRESHOLDS as f64;
            beta_distribution(threshold(place + 1)) - beta_distribution(threshold(place))
        });
        Self { shortest, priors, troughs: Vec::new() }
    }

    /// Appends the candidates of a frame, by rising period. `difference` begins at lag 0.
    pub fn find(&mut self, difference: &[f64], candidates: &mut Vec<Candidate>) {
        self.find_troughs(difference);
        self.weigh();
        candidates.extend(self.troughs.iter().filter(|trough| trough.probability > 0.0).map(|trough| {
            Candidate { f0: f64::from(SAMPLE_RATE) / trough.period, probability: trough.probability }
        }));
    }

    fn find_troughs(&mut self, difference: &[f64]) {
        self.troughs.clear();
        let searched = difference.get(self.shortest..).unwrap_or_default();
        // The first may be a trough whose left side is not seen.
        if let [first, second, ..] = searched
            && first < second
        {
            self.troughs.push(Trough { period: self.shortest as f64, height: *first, probability: 0.0 });
        }
        for (lag, [before, here, behind]) in (self.shortest + 1..).zip(searched.array_windows::<3>()) {
            if here < before && here <= behind {
                let period = lag as f64 + vertex(*before, *here, *behind);
                self.troughs.push(Trough { period, height: *here, probability: 0.0 });
            }
        }
    }

    fn weigh(&mut self) {
        let lowest = self.troughs.iter().map(|trough| trough.height).fold(f64::INFINITY, f64::min);
        let mut none_below = 0.0;
        for (place, prior) in self.priors.iter().enumerate() {
            let threshold = (place + 1) as f64 / THRESHOLDS as f64;
            let below = || self.troughs.iter().filter(|trough| trough.height < threshold);
            let count = below().count();
            if count == 0 {
                none_below += prior;
                continue;
            }
            let scale = (1.0 - (-BOLTZMANN).exp()) / (1.0 - (-BOLTZMANN * count as f64).exp());
            let mut weight = prior * scale;
            for trough in self.troughs.iter_mut().filter(|trough| trough.height < threshold) {
                trough.probability += weight;
                weight *= (-BOLTZMANN).exp();
            }
        }
        if let Some(trough) = self.troughs.iter_mut().find(|trough| trough.height == lowest) {
            trough.probability += NO_TROUGH * none_below;
        }
    }
}

/// Where the parabola through three points a step apart has its extremum, from the middle one. 0 where that is farther
/// than a step.
pub fn vertex(before: f64, here: f64, behind: f64) -> f64 {
    let curvature = behind + before - 2.0 * here;
    let slope = (behind - before) / 2.0;
    if slope.abs() >= curvature.abs() { 0.0 } else { -slope / curvature }
}

/// The cumulative distribution function of the beta distribution with the parameters 2 and 18, whose mean is 0.1: the
/// probability that at least 2 of 19 trials succeed.
fn beta_distribution(x: f64) -> f64 {
    1.0 - (1.0 - x).powi(19) - 19.0 * x * (1.0 - x).powi(18)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thresholds_have_a_mean_of_a_tenth() {
        let priors = Candidates::new(32).priors;
        assert!((priors.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let mean: f64 =
            priors.iter().enumerate().map(|(place, prior)| prior * (place as f64 + 0.5) / 100.0).sum();
        assert!((mean - 0.1).abs() < 1e-4, "{mean}");
        // scipy.stats.beta.cdf(0.05, 2, 18)
        assert!((beta_distribution(0.05) - 0.245_292_794_9).abs() < 1e-9);
    }

    #[test]
    fn the_vertex_of_a_parabola_is_found() {
        let parabola = |x: f64| 2.0 * (x - 0.3).powi(2) + 1.0;
        assert!((vertex(parabola(-1.0), parabola(0.0), parabola(1.0)) - 0.3).abs() < 1e-12);
        assert_eq!(vertex(1.0, 1.0, 1.0), 0.0);
        assert_eq!(vertex(1.0, 2.0, 3.0), 0.0);
    }

    #[test]
    fn the_shorter_of_two_equal_troughs_is_likelier() {
        let mut difference = vec![1.0; 300];
        difference[100] = 0.05;
        difference[200] = 0.05;
        let mut found = Vec::new();
        Candidates::new(32).find(&difference, &mut found);
        assert_eq!(found.iter().map(|candidate| candidate.f0).collect::<Vec<_>>(), [160.0, 80.0]);
        assert!(found[0].probability > 6.0 * found[1].probability);
        let flat = &mut Vec::new();
        Candidates::new(32).find(&[1.0; 300], flat);
        assert!(flat.is_empty());
    }
}
