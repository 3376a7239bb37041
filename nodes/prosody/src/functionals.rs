//! What the frames of a window, a segment and a session come to, as named values.

use undertone_messages::{Scope, Statistics};

use crate::cycles::Cycles;
use crate::frame::Frame;
use crate::moments::Moments;
use crate::rate::Rate;

/// The names of the values, in the order in which every message has them. The crate's documentation says what they are.
pub const NAMES: [&str; 45] = [
    "voiced_share",
    "f0_mean",
    "f0_deviation",
    "f0_p20",
    "f0_p50",
    "f0_p80",
    "energy_mean",
    "energy_deviation",
    "energy_p20",
    "energy_p50",
    "energy_p80",
    "hnr_mean",
    "hnr_deviation",
    "jitter",
    "shimmer",
    "centroid_mean",
    "centroid_deviation",
    "slope_low_mean",
    "slope_low_deviation",
    "slope_high_mean",
    "slope_high_deviation",
    "flux_mean",
    "flux_deviation",
    "words_per_second",
    "syllables_per_second",
    "session_f0_mean",
    "session_f0_deviation",
    "session_energy_mean",
    "session_energy_deviation",
    "session_hnr_mean",
    "session_hnr_deviation",
    "session_centroid_mean",
    "session_centroid_deviation",
    "session_slope_low_mean",
    "session_slope_low_deviation",
    "session_slope_high_mean",
    "session_slope_high_deviation",
    "session_flux_mean",
    "session_flux_deviation",
    "session_jitter",
    "session_shimmer",
    "session_words_per_second_mean",
    "session_words_per_second_deviation",
    "session_syllables_per_second_mean",
    "session_syllables_per_second_deviation",
];

/// Where the values of the speaking rate stand.
const RATES: [&str; 2] = ["words_per_second", "syllables_per_second"];

/// Where those of the session stand.
const SESSION_RATES: [&str; 4] = [
    "session_words_per_second_mean",
    "session_words_per_second_deviation",
    "session_syllables_per_second_mean",
    "session_syllables_per_second_deviation",
];

/// What the frames of a session have come to so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Running {
    f0: Moments,
    energy: Moments,
    hnr: Moments,
    centroid: Moments,
    slope_low: Moments,
    slope_high: Moments,
    flux: Moments,
    cycles: Cycles,
}

impl Running {
    /// Takes the next frame.
    pub fn add(&mut self, frame: &Frame) {
        self.f0.add(frame.f0);
        self.energy.add(Some(frame.energy));
        self.hnr.add(frame.hnr);
        self.centroid.add(frame.centroid);
        self.slope_low.add(frame.slope_low);
        self.slope_high.add(frame.slope_high);
        self.flux.add(frame.flux);
        self.cycles += frame.cycles;
    }

    fn append(&self, values: &mut Vec<Option<f64>>) {
        let Self { f0, energy, hnr, centroid, slope_low, slope_high, flux, cycles } = self;
        for moments in [f0, energy, hnr, centroid, slope_low, slope_high, flux] {
            values.extend([moments.mean(), moments.deviation()]);
        }
        values.extend([cycles.jitter(), cycles.shimmer()]);
    }
}

/// What the speaking rates of a session's segments have come to so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunningRate {
    words: Moments,
    syllables: Moments,
}

impl RunningRate {
    /// Takes the rate of the next segment.
    pub fn add(&mut self, rate: &Rate) {
        self.words.add(Some(rate.words));
        self.syllables.add(rate.syllables);
    }
}

/// The part of a session that is summed up.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub segment: u64,
    pub start: u64,
    pub end: u64,
    pub scope: Scope,
}

/// Sums up frames and the session so far. The speaking rates are not known yet.
pub fn summarise(span: Span, frames: &[Frame], running: &Running) -> Statistics {
    let mut cycles = Cycles::default();
    frames.iter().for_each(|frame| cycles += frame.cycles);
    let voiced = frames.iter().filter(|frame| frame.f0.is_some()).count();
    let mut values = Vec::with_capacity(NAMES.len());
    values.push((!frames.is_empty()).then(|| voiced as f64 / frames.len() as f64));
    for (value, percentiles) in [
        ((|frame| frame.f0) as fn(&Frame) -> Option<f64>, true),
        (|frame| Some(frame.energy), true),
        (|frame| frame.hnr, false),
    ] {
        append_moments(frames, value, &mut values);
        if percentiles {
            append_percentiles(frames, value, &mut values);
        }
    }
    values.extend([cycles.jitter(), cycles.shimmer()]);
    for value in [
        (|frame| frame.centroid) as fn(&Frame) -> Option<f64>,
        |frame| frame.slope_low,
        |frame| frame.slope_high,
        |frame| frame.flux,
    ] {
        append_moments(frames, value, &mut values);
    }
    values.extend([None; RATES.len()]);
    running.append(&mut values);
    values.extend([None; SESSION_RATES.len()]);
    let Span { segment, start, end, scope } = span;
    let short = frames.is_empty() && scope == Scope::Segment;
    Statistics {
        segment,
        start,
        end,
        scope,
        names: NAMES.map(str::to_owned).to_vec(),
        values: values.into_iter().map(as_f32).collect(),
        reason: if short { "the segment is shorter than a frame".to_owned() } else { String::new() },
    }
}

fn as_f32(value: Option<f64>) -> f32 {
    value.map_or(f32::NAN, |value| value as f32)
}

fn append_moments(frames: &[Frame], value: fn(&Frame) -> Option<f64>, values: &mut Vec<Option<f64>>) {
    let moments: Moments = frames.iter().map(value).collect();
    values.extend([moments.mean(), moments.deviation()]);
}

/// The 20th, 50th and 80th percentile, between the two nearest values where there is none (as numpy's `percentile`).
fn append_percentiles(frames: &[Frame], value: fn(&Frame) -> Option<f64>, values: &mut Vec<Option<f64>>) {
    let mut sorted: Vec<f64> = frames.iter().filter_map(value).collect();
    sorted.sort_by(f64::total_cmp);
    values.extend([0.2, 0.5, 0.8].map(|share| {
        let place = share * sorted.len().saturating_sub(1) as f64;
        let (below, above) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
        Some(below + place.fract() * (above - below))
    }));
}

/// Adds what the transcript says, or why it says nothing.
pub fn set_rate(statistics: &mut Statistics, rate: Result<Rate, String>) {
    match rate {
        Ok(Rate { words, syllables }) => set(statistics, RATES, [Some(words), syllables]),
        Err(reason) if statistics.reason.is_empty() => statistics.reason = reason,
        Err(reason) => statistics.reason = format!("{}; {reason}", statistics.reason),
    }
}

/// Adds what the speaking rates of the session have come to.
pub fn set_session_rate(statistics: &mut Statistics, rate: &RunningRate) {
    let RunningRate { words, syllables } = rate;
    let values = [words.mean(), words.deviation(), syllables.mean(), syllables.deviation()];
    set(statistics, SESSION_RATES, values);
}

fn set<const N: usize>(statistics: &mut Statistics, names: [&str; N], values: [Option<f64>; N]) {
    for (name, value) in statistics.names.iter().zip(&mut statistics.values) {
        if let Some((_, new)) = names.iter().zip(values).find(|(known, _)| *known == name) {
            *value = as_f32(new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(f0: Option<f64>, energy: f64) -> Frame {
        Frame {
            f0,
            voiced_probability: 0.5,
            energy,
            hnr: f0.map(|_| 12.0),
            centroid: Some(1000.0),
            slope_low: Some(-5.0),
            slope_high: None,
            flux: Some(0.1),
            cycles: Cycles::default(),
        }
    }

    const SPAN: Span = Span { segment: 3, start: 100, end: 200, scope: Scope::Segment };

    #[test]
    fn values_stand_under_their_names() {
        let frames: Vec<_> =
            (0..=10).map(|n| frame((n < 5).then_some(100.0 + f64::from(n)), f64::from(-n))).collect();
        let mut running = Running::default();
        running.add(&frame(Some(300.0), -20.0));
        let statistics = summarise(SPAN, &frames, &running);
        assert_eq!((statistics.names.len(), statistics.values.len()), (NAMES.len(), NAMES.len()));
        let expected = [
            ("voiced_share", Some(5.0 / 11.0)),
            ("f0_mean", Some(102.0)),
            ("f0_deviation", Some(2.0_f32.sqrt())),
            ("f0_p20", Some(100.8)),
            ("f0_p50", Some(102.0)),
            ("energy_mean", Some(-5.0)),
            ("energy_p80", Some(-2.0)),
            ("hnr_mean", Some(12.0)),
            ("jitter", None),
            ("centroid_mean", Some(1000.0)),
            ("slope_low_mean", Some(-5.0)),
            ("slope_high_mean", None),
            ("flux_deviation", Some(0.0)),
            ("words_per_second", None),
            ("session_f0_mean", Some(300.0)),
            ("session_energy_mean", Some(-20.0)),
            ("session_slope_low_mean", Some(-5.0)),
            ("session_slope_high_deviation", None),
            ("session_flux_mean", Some(0.1)),
            ("session_shimmer", None),
            ("session_words_per_second_mean", None),
        ];
        for (name, value) in expected {
            assert!(statistics.names.iter().any(|known| known == name), "{name}");
            assert_eq!(statistics.value(name), value, "{name}");
        }
    }

    #[test]
    fn what_is_not_defined_has_one_pattern_of_bits() {
        let statistics = summarise(SPAN, &[], &Running::default());
        assert!(statistics.values.iter().all(|value| value.to_bits() == f32::NAN.to_bits()));
        assert!(statistics.reason.contains("shorter than a frame"));
    }

    #[test]
    fn the_rate_comes_with_the_transcript() {
        let mut statistics = summarise(SPAN, &[frame(None, -30.0)], &Running::default());
        set_rate(&mut statistics, Ok(Rate { words: 2.5, syllables: None }));
        assert_eq!(statistics.value("words_per_second"), Some(2.5));
        assert_eq!((statistics.value("syllables_per_second"), statistics.reason.as_str()), (None, ""));
        let mut running = RunningRate::default();
        running.add(&Rate { words: 2.0, syllables: None });
        running.add(&Rate { words: 3.0, syllables: Some(4.0) });
        set_session_rate(&mut statistics, &running);
        let session = ["words", "syllables"].map(|unit| {
            ["mean", "deviation"].map(|what| statistics.value(&format!("session_{unit}_per_second_{what}")))
        });
        assert_eq!(session, [[Some(2.5), Some(0.5)], [Some(4.0), Some(0.0)]]);
        set_rate(&mut statistics, Err("the transcript was rejected: loop".to_owned()));
        assert_eq!(statistics.reason, "the transcript was rejected: loop");
    }
}
