//! The filter for live audio: as short as speech allows.

use std::f64::consts::PI;

use undertone_messages::SAMPLE_RATE;

/// Half the filter's length in samples, counted at the lower of the two rates: what comes later than a sample by more
/// than this does not change it. 5 ms at 16 kHz, 10 ms at 8 kHz.
const HALF_LENGTH: usize = 80;

/// By how much frequencies are stopped that the lower rate cannot hold, in dB, as the window promises.
const ATTENUATION: f64 = 90.0;

/// The most positions between two input samples for which the filter is kept. All common rates have fewer (48 kHz has 1,
/// 44.1 kHz 160, 11.025 kHz 640); for others, positions in between are interpolated.
const MOST_PHASES: u64 = 1_024;

/// Converts a rate with a windowed sinc (Kaiser's window), applied directly and not in blocks: an output sample comes as
/// soon as the input is there that it depends on.
///
/// Output sample `k` is computed at its own place between the input samples, at `k * rate / 16000` of them, which is a
/// fraction with an exact position. So there is no delay to take off, and time cannot shift.
pub(crate) struct LiveFilter {
    rate: u64,
    /// How many input samples before and behind a position count.
    reach: usize,
    phases: u64,
    /// For each position between two input samples, and for the next input sample, the `2 * reach` weights.
    weights: Vec<f64>,
    /// The input that may still count.
    history: Vec<f64>,
    /// Index of the first sample of `history`, counted from `reach` samples before the stream.
    first: u64,
    /// The next output sample.
    next: u64,
}

impl LiveFilter {
    /// A filter from `rate`, which is not 0.
    pub(crate) fn new(rate: u32) -> Self {
        let rate = u64::from(rate.max(1));
        let to = u64::from(SAMPLE_RATE);
        // Even, so that the sum can be taken in fours.
        let reach = (HALF_LENGTH as u64 * rate).div_ceil(rate.min(to)).next_multiple_of(2) as usize;
        let phases = (to / num_integer::gcd(rate, to)).min(MOST_PHASES);
        let width = rate as f64 / rate.min(to) as f64;
        let weights =
            (0..=phases).flat_map(|phase| row(phase as f64 / phases as f64, reach, width)).collect();
        let mut filter = Self { rate, reach, phases, weights, history: Vec::new(), first: 0, next: 0 };
        filter.begin_at(0, 0);
        filter
    }

    /// Takes samples and appends to `output` what they settle.
    pub(crate) fn push(&mut self, input: &[f64], output: &mut Vec<f32>) {
        self.history.extend(input);
        self.convert(output);
    }

    /// Appends what follows when there is silence behind the input.
    pub(crate) fn flush(&mut self, output: &mut Vec<f32>) {
        self.history.extend(std::iter::repeat_n(0.0, self.reach));
        self.convert(output);
    }

    /// Forgets what went in, and goes on with sample `input` of the stream and sample `output` of its output.
    pub(crate) fn begin_at(&mut self, input: u64, output: u64) {
        self.next = output;
        // Silence before the sample, back to where the next output sample begins to depend on it.
        let (position, _) = self.position();
        self.first = position.min(input);
        self.history.clear();
        let silence = self.reach as u64 + input - self.first;
        self.history.extend(std::iter::repeat_n(0.0, silence as usize));
    }

    /// Where the next output sample stands: the input sample at or before it, and how far behind that it is, in samples
    /// of output rate (of 16,000).
    fn position(&self) -> (u64, u64) {
        let to = u128::from(SAMPLE_RATE);
        let scaled = u128::from(self.next) * u128::from(self.rate);
        ((scaled / to) as u64, (scaled % to) as u64)
    }

    fn convert(&mut self, output: &mut Vec<f32>) {
        // The weights are for the samples from `reach - 1` before the position to `reach` behind it; with the silence
        // before the stream the first of them has the index `position + 1`.
        let mut used;
        loop {
            let (position, behind) = self.position();
            used = (position + 1).saturating_sub(self.first) as usize;
            let Some(samples) = self.history.get(used..used + 2 * self.reach) else { break };
            output.push(self.weighted(behind, samples) as f32);
            self.next += 1;
        }
        used = used.min(self.history.len());
        self.history.drain(..used);
        self.first += used as u64;
    }

    /// The sum of samples by the weights for a position `behind` samples of 16,000 behind the middle one.
    fn weighted(&self, behind: u64, samples: &[f64]) -> f64 {
        let scaled = behind * self.phases;
        let (phase, rest) = (scaled / u64::from(SAMPLE_RATE), scaled % u64::from(SAMPLE_RATE));
        let sum = |phase: u64| {
            let row = self.weights.get(phase as usize * samples.len()..).unwrap_or_default();
            dot(row, samples)
        };
        if rest == 0 {
            return sum(phase);
        }
        let share = rest as f64 / f64::from(SAMPLE_RATE);
        (1.0 - share) * sum(phase) + share * sum(phase + 1)
    }
}

/// The sum of products, in four sums that do not wait for each other.
fn dot(weights: &[f64], samples: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (samples, rest) = samples.as_chunks::<4>();
    let weights = weights.as_chunks::<4>().0;
    for (weights, samples) in weights.iter().zip(samples) {
        for ((sum, weight), sample) in sums.iter_mut().zip(weights).zip(samples) {
            *sum += weight * sample;
        }
    }
    debug_assert!(rest.is_empty(), "an even number of taps on each side");
    sums.iter().sum()
}

/// The weights of `2 * reach` input samples for an output sample `fraction` of a sample behind the middle one. `width` is
/// how many input samples there are for one at the lower rate.
fn row(fraction: f64, reach: usize, width: f64) -> Vec<f64> {
    // Kaiser and Schafer 1980: the window's shape for an attenuation, and the width of the transition that follows. It
    // ends at half the lower rate.
    let beta = 0.1102 * (ATTENUATION - 8.7);
    let transition = (ATTENUATION - 7.95) / (14.36 * 2.0 * HALF_LENGTH as f64);
    let cutoff = 1.0 - transition;
    let weight = |tap: usize| {
        let distance = (tap as f64 - (reach as f64 - 1.0) - fraction) / width;
        let inside = (1.0 - (distance / HALF_LENGTH as f64).powi(2)).max(0.0);
        sinc(cutoff * distance) * bessel(beta * inside.sqrt())
    };
    let weights: Vec<f64> = (0..2 * reach).map(weight).collect();
    // A constant stays what it is, at every position.
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The modified Bessel function of the first kind, of order 0, by its power series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for index in 1..64 {
        term *= (x / (2.0 * f64::from(index))).powi(2);
        sum += term;
    }
    sum
}
