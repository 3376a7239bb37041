//! The log-mel spectrogram that Whisper hears.

use crate::config::{Config, Edges, Preset};
use crate::framing::Framer;
use crate::mel::MelFilterbank;
use crate::spectrum::SpectrumAnalyser;

/// The quietest power that the logarithm sees.
const FLOOR: f32 = 1e-10;
/// What is further below the loudest point is raised: 80 dB, in powers of ten.
const RANGE: f32 = 8.0;

/// Whisper's log-mel spectrogram, as `log_mel_spectrogram` in OpenAI's `whisper/audio.py`: the power in mel bands on
/// Slaney's scale, each filter of area 1, of frames of 25 ms every 10 ms (a periodic Hann window, the edges reflected); its
/// decimal logarithm, at least 8 below the loudest point of the whole; then (x + 4) / 4.
pub struct LogMel {
    bands: usize,
    config: Config,
    spectrum: SpectrumAnalyser,
    filters: MelFilterbank,
}

impl LogMel {
    /// With so many mel bands: 80, or 128 with large-v3.
    pub fn new(bands: usize) -> Self {
        let config = Config { mels: bands, edges: Edges::Reflect, ..Preset::Librosa.config() };
        let (spectrum, filters) = (SpectrumAnalyser::new(&config), MelFilterbank::new(&config));
        Self { bands, config, spectrum, filters }
    }

    /// The spectrogram of mono samples at 16 kHz, full scale at ±1: row-major `[bands, frames]`, with one frame for
    /// each whole 10 ms.
    pub fn compute(&mut self, samples: &[f32]) -> Vec<f32> {
        let mut framer = Framer::new(&self.config);
        framer.push(samples);
        framer.pad_end();
        let frames = samples.len() / self.config.hop;
        let mut spectrogram = vec![0.0; self.bands * frames];
        let mut powers = vec![0.0; self.bands];
        let mut loudest = f32::NEG_INFINITY;
        for frame in 0..frames {
            // The reference drops the last frame, which is centred on the end.
            let Some(samples) = framer.next_frame() else { break };
            self.filters.apply(self.spectrum.analyse(samples, 0.0), &mut powers);
            for (row, power) in spectrogram.chunks_exact_mut(frames).zip(&powers) {
                let value = power.max(FLOOR).log10();
                loudest = loudest.max(value);
                if let Some(place) = row.get_mut(frame) {
                    *place = value;
                }
            }
        }
        for value in &mut spectrogram {
            *value = (value.max(loudest - RANGE) + 4.0) / 4.0;
        }
        spectrogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_frame_for_each_hundredth_of_a_second() {
        let mut mel = LogMel::new(80);
        assert_eq!(mel.compute(&[0.0; 16_000]).len(), 80 * 100);
        assert_eq!(mel.compute(&[0.1; 16_159]).len(), 80 * 100);
        assert_eq!(mel.compute(&[0.1; 160]).len(), 80);
        assert!(mel.compute(&[0.1; 159]).is_empty());
        assert!(mel.compute(&[]).is_empty());
    }

    #[test]
    fn silence_is_the_floor_everywhere() {
        // log10(1e-10) = -10; nothing is louder, so nothing is raised.
        let silence = LogMel::new(80).compute(&[0.0; 1_600]);
        assert!(silence.iter().all(|value| (value + 1.5).abs() < 1e-6), "{silence:?}");
    }

    #[test]
    fn nothing_is_further_than_80_db_below_the_loudest() {
        let tone: Vec<f32> = (0..8_000).map(|n| (n as f32 * 0.4).sin()).collect();
        let spectrogram = LogMel::new(80).compute(&tone);
        let loudest = spectrogram.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let quietest = spectrogram.iter().copied().fold(f32::INFINITY, f32::min);
        assert!((loudest - quietest - 2.0).abs() < 1e-5, "{quietest} to {loudest}");
    }
}
