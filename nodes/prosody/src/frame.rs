//! What is measured of a frame, and how it travels in a row of features.

use crate::cycles::Cycles;

/// Frames before and behind one whose cycles count as its own for jitter and shimmer: about what the frame covers.
pub(crate) const CYCLE_REACH: usize = 3;

/// What the columns of a row are, with their units.
pub const COLUMNS: [&str; 10] = [
    "f0_hz",
    "voiced_probability",
    "energy_db",
    "hnr_db",
    "jitter",
    "shimmer",
    "centroid_hz",
    "slope_low_db_per_khz",
    "slope_high_db_per_khz",
    "flux",
];

/// What is measured of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Fundamental frequency in hertz. `None` where there is no voice.
    pub f0: Option<f64>,
    /// Probability that there is a voice, before the frames around were looked at.
    pub voiced_probability: f64,
    /// Mean square in dB relative to full scale, without the frame's mean: a sine of full scale has -3.01. At least -120.
    pub energy: f64,
    /// Harmonics-to-noise ratio in dB. `None` where there is no voice.
    pub hnr: Option<f64>,
    /// Centroid of the spectrum in hertz. `None` in silence; so for the others of the spectrum.
    pub centroid: Option<f64>,
    /// Slope of the spectrum up to 500 Hz, in dB per kHz.
    pub slope_low: Option<f64>,
    /// Slope of the spectrum from 500 to 1500 Hz, in dB per kHz.
    pub slope_high: Option<f64>,
    /// Change of the spectrum since the frame before, 0 to √2. `None` in the first frame, too.
    pub flux: Option<f64>,
    /// The cycles of the voice that end in the 10 ms around the middle of the frame.
    pub cycles: Cycles,
}

/// Appends the row of the frame at `index`. Where a value is not defined there is a 0, so that a model can take the rows
/// as they are; there is a voice where `f0_hz` is not 0.
pub(crate) fn append_row(frames: &[Frame], index: usize, row: &mut Vec<f32>) {
    let Some(frame) = frames.get(index) else { return };
    let mut cycles = Cycles::default();
    if frame.f0.is_some() {
        let around = frames.iter().take(index + CYCLE_REACH + 1).skip(index.saturating_sub(CYCLE_REACH));
        around.for_each(|frame| cycles += frame.cycles);
    }
    let columns: [Option<f64>; COLUMNS.len()] = [
        frame.f0,
        Some(frame.voiced_probability),
        Some(frame.energy),
        frame.hnr,
        cycles.jitter(),
        cycles.shimmer(),
        frame.centroid,
        frame.slope_low,
        frame.slope_high,
        frame.flux,
    ];
    row.extend(columns.map(|value| value.unwrap_or(0.0) as f32));
}
