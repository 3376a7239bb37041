//! Automatic gain control for speech.

use undertone_messages::{AudioFrame, SampleError, ScalarBuffer};
use undertone_stage::Stage;

/// How the level is brought to its target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The root mean square level that speech is brought to, in dB relative to full scale.
    pub target_db: f32,
    /// The gain is at most this many dB up or down.
    pub range_db: f32,
    /// Blocks below this level, in dB relative to full scale, do not count, so that a pause does not raise the noise.
    pub gate_db: f32,
    /// The time constant of the level that the gain follows, in seconds.
    pub time_constant: f32,
}

impl Default for Settings {
    /// -23 dB, as EBU R 128 has for programmes (which weights by frequency besides); 20 dB either way; blocks below
    /// -50 dB are pauses; 3 s, the window of EBU Tech 3341's short-term loudness.
    fn default() -> Self {
        Self { target_db: -23.0, range_db: 20.0, gate_db: -50.0, time_constant: 3.0 }
    }
}

/// What can be wrong with the audio.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LevelError {
    /// The frames are not at the session's rate.
    #[error("audio at {0} Hz; the level operator needs 16000 Hz, as a source gives it")]
    SampleRate(u32),
    /// A frame does not begin where the one before it ended.
    #[error("audio frame that starts at sample {start}, but sample {expected} was next")]
    Discontinuity {
        /// Where the frame starts.
        start: u64,
        /// Where it should start.
        expected: u64,
    },
    /// A sample that is none: brought to the level, it would pass for loud speech.
    #[error(transparent)]
    Sample(#[from] SampleError),
}

/// Samples in a block: 10 ms.
const BLOCK: usize = 160;

/// Level normalisation of one session.
///
/// Works in blocks of 10 ms on the session's own clock, so that its output does not depend on how the audio is cut
/// into frames. Within a block the gain moves in a straight line, and never so high that a sample would exceed full
/// scale. The audio is delayed by nothing: a sample keeps its index.
#[derive(Debug)]
pub struct Level {
    settings: Settings,
    /// Mean square of the speech so far, or `None` before the first block above the gate.
    power: Option<f32>,
    /// The gain at the end of the last block.
    gain: f32,
    /// Samples that do not yet fill a block.
    pending: Vec<f32>,
    /// Sample index behind the last sample that arrived; none before the first.
    end: Option<u64>,
}

impl Level {
    /// A session that begins with its first frame, wherever that is, and with a gain of 1.
    pub fn new(settings: Settings) -> Self {
        Self { settings, power: None, gain: 1.0, pending: Vec::with_capacity(BLOCK), end: None }
    }

    /// The gain that the level so far asks for.
    fn wanted_gain(&self) -> f32 {
        let Some(power) = self.power else { return 1.0 };
        let level_db = 10.0 * power.log10();
        let range = self.settings.range_db;
        decibels_to_gain((self.settings.target_db - level_db).clamp(-range, range))
    }

    /// Applies the gain to a block, which is shorter than 10 ms only at the end of a session or before a gap.
    fn process(&mut self, block: &mut [f32]) {
        let power = block.iter().map(|sample| sample * sample).sum::<f32>() / block.len() as f32;
        if power > decibels_to_gain(self.settings.gate_db).powi(2) {
            let weight = 1.0 - (-0.01 / self.settings.time_constant).exp();
            let before = self.power.unwrap_or(power);
            self.power = Some(before + weight * (power - before));
        }
        let peak = block.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        let highest = if peak > 0.0 { 1.0 / peak } else { f32::INFINITY };
        let from = self.gain.min(highest);
        let to = self.wanted_gain().min(highest);
        let step = (to - from) / block.len() as f32;
        for (index, sample) in block.iter_mut().enumerate() {
            *sample = (*sample * (from + step * (index + 1) as f32)).clamp(-1.0, 1.0);
        }
        self.gain = to;
    }

    /// Takes the whole blocks out of what is pending, or all of it.
    fn take(&mut self, all: bool) -> Option<AudioFrame> {
        let whole = self.pending.len() - if all { 0 } else { self.pending.len() % BLOCK };
        if whole == 0 {
            return None;
        }
        let start = self.end?.saturating_sub(self.pending.len() as u64);
        let rest = self.pending.split_off(whole);
        let mut samples = std::mem::replace(&mut self.pending, rest);
        samples.chunks_mut(BLOCK).for_each(|block| self.process(block));
        Some(AudioFrame {
            start,
            sample_rate: undertone_messages::SAMPLE_RATE,
            samples: ScalarBuffer::from(samples),
            gap: 0,
        })
    }
}

fn decibels_to_gain(decibels: f32) -> f32 {
    10f32.powf(decibels / 20.0)
}

impl Stage for Level {
    type Input = AudioFrame;
    type Output = AudioFrame;
    type Error = LevelError;

    fn push(&mut self, frame: AudioFrame, output: &mut Vec<AudioFrame>) -> Result<(), LevelError> {
        if frame.sample_rate != undertone_messages::SAMPLE_RATE {
            return Err(LevelError::SampleRate(frame.sample_rate));
        }
        let end = self.end.unwrap_or_else(|| frame.start.saturating_sub(frame.gap));
        let expected = end.saturating_add(frame.gap);
        if frame.start != expected {
            return Err(LevelError::Discontinuity { start: frame.start, expected });
        }
        frame.check_samples()?;
        if frame.gap > 0 {
            output.extend(self.take(true));
            // The gap travels on at once, at the place where it is.
            self.end = Some(frame.start);
            output.push(AudioFrame { samples: ScalarBuffer::from(Vec::new()), ..frame.clone() });
        }
        self.pending.extend_from_slice(&frame.samples);
        self.end = Some(frame.end());
        output.extend(self.take(false));
        Ok(())
    }

    fn finish(&mut self, output: &mut Vec<AudioFrame>) -> Result<(), LevelError> {
        output.extend(self.take(true));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(start: u64, samples: Vec<f32>, gap: u64) -> AudioFrame {
        AudioFrame { start, sample_rate: 16_000, samples: samples.into(), gap }
    }

    /// The session's audio, pushed in frames of the given lengths, one after another.
    fn run(samples: &[f32], lengths: &[usize]) -> Vec<f32> {
        let mut level = Level::new(Settings::default());
        let mut output = Vec::new();
        let (mut start, mut lengths) = (0, lengths.iter().cycle());
        while start < samples.len() {
            let end = samples.len().min(start + lengths.next().unwrap());
            level.push(frame(start as u64, samples[start..end].to_vec(), 0), &mut output).unwrap();
            start = end;
        }
        level.finish(&mut output).unwrap();
        let mut next = 0;
        for frame in &output {
            assert_eq!(frame.start, next);
            next = frame.end();
        }
        output.iter().flat_map(|frame| frame.samples.iter().copied()).collect()
    }

    fn tone(amplitude: f32, seconds: usize) -> Vec<f32> {
        (0..seconds * 16_000).map(|index| amplitude * (index as f32 * 0.1).sin()).collect()
    }

    fn level_db(samples: &[f32]) -> f32 {
        10.0 * (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32).log10()
    }

    #[test]
    fn quiet_and_loud_speech_come_to_one_level() {
        for amplitude in [0.02, 0.1, 0.9] {
            let output = run(&tone(amplitude, 6), &[1024]);
            let level = level_db(&output[5 * 16_000..]);
            assert!((level - -23.0).abs() < 0.1, "amplitude {amplitude}: {level} dB");
        }
    }

    #[test]
    fn a_pause_does_not_raise_the_noise() {
        let mut samples = tone(0.1, 3);
        samples.extend(tone(0.001, 3));
        let output = run(&samples, &[1024]);
        let gain = level_db(&output[5 * 16_000..]) - level_db(&samples[5 * 16_000..]);
        assert!(gain.abs() < 1.0, "{gain} dB");
    }

    #[test]
    fn a_gap_stays_where_it_was() {
        let mut level = Level::new(Settings::default());
        let mut output = Vec::new();
        level.push(frame(0, vec![0.1; 100], 0), &mut output).unwrap();
        level.push(frame(150, vec![0.1; 160], 50), &mut output).unwrap();
        level.finish(&mut output).unwrap();
        let shape: Vec<_> =
            output.iter().map(|frame| (frame.start, frame.samples.len(), frame.gap)).collect();
        assert_eq!(shape, [(0, 100, 0), (150, 0, 50), (150, 160, 0)]);
    }

    #[test]
    fn a_session_may_begin_anywhere() {
        let run = |start: u64| {
            let mut level = Level::new(Settings::default());
            let mut output = Vec::new();
            level.push(frame(start, tone(0.1, 1), 0), &mut output).unwrap();
            level.finish(&mut output).unwrap();
            assert_eq!(output[0].start, start);
            output.iter().flat_map(|frame| frame.samples.iter().copied()).collect::<Vec<f32>>()
        };
        assert_eq!(run(480_001), run(0));
    }

    #[test]
    fn audio_that_does_not_follow_is_refused() {
        let mut level = Level::new(Settings::default());
        level.push(frame(0, vec![0.0; 100], 0), &mut Vec::new()).unwrap();
        let error = level.push(frame(90, vec![0.0; 100], 0), &mut Vec::new()).unwrap_err();
        assert_eq!(error, LevelError::Discontinuity { start: 90, expected: 100 });
    }

    #[test]
    fn what_is_no_audio_is_refused() {
        for value in [16_384.0, f32::NAN, f32::INFINITY] {
            let mut level = Level::new(Settings::default());
            let error = level.push(frame(100, vec![0.5, value], 0), &mut Vec::new()).unwrap_err();
            assert!(error.to_string().contains("sample 101 (0.006 s)"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn the_cut_into_frames_does_not_matter(
            samples in prop::collection::vec(-1.0f32..1.0, 1..3000),
            lengths in prop::collection::vec(1usize..700, 1..8),
        ) {
            let whole = run(&samples, &[samples.len()]);
            prop_assert_eq!(whole.len(), samples.len());
            prop_assert!(whole.iter().all(|sample| sample.abs() <= 1.0));
            prop_assert_eq!(run(&samples, &lengths), whole);
        }
    }
}
