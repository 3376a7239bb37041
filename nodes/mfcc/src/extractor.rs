//! The chain from samples to rows of features.

use crate::cepstrum::Cepstrum;
use crate::config::{Config, ConfigError};
use crate::deltas::DeltaAppender;
use crate::framing::Framer;
use crate::mel::MelFilterbank;
use crate::normalisation::Normaliser;
use crate::spectrum::SpectrumAnalyser;

/// Computes the features of one stream of samples.
///
/// Samples must be finite. The result does not depend on how they are cut into pieces. It may differ in its last bits
/// between machines, because the FFT uses the widest vector instructions that the processor has.
pub struct Extractor {
    width: usize,
    hop: usize,
    padding: usize,
    energy: bool,
    framer: Framer,
    spectrum: SpectrumAnalyser,
    mel: MelFilterbank,
    cepstrum: Cepstrum,
    normaliser: Normaliser,
    deltas: DeltaAppender,
    energies: Vec<f32>,
    row: Vec<f32>,
}

impl Extractor {
    /// Makes an extractor: FFT plan, window, filters and transform are computed once, here.
    ///
    /// # Errors
    /// What [`Config::validate`] finds wrong with the parameters.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            width: config.width(),
            hop: config.hop,
            padding: config.padding(),
            energy: config.energy,
            framer: Framer::new(config),
            spectrum: SpectrumAnalyser::new(config),
            mel: MelFilterbank::new(config),
            cepstrum: Cepstrum::new(config),
            normaliser: Normaliser::new(config.normalise, config.coefficients),
            deltas: DeltaAppender::new(config.deltas, config.coefficients),
            energies: vec![0.0; config.mels],
            row: vec![0.0; config.coefficients],
        })
    }

    /// Values in one row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Samples from the start of one frame to the start of the next.
    #[must_use]
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// Samples by which the first frame starts before the first sample: frame t starts at sample `t·hop - padding`.
    #[must_use]
    pub fn padding(&self) -> usize {
        self.padding
    }

    /// Mel filters that are narrower than the distance between two bins and hold none: their output is always the
    /// logarithm's floor. Fewer filters or a longer FFT avoid them; librosa and torchaudio warn of them too.
    #[must_use]
    pub fn empty_mel_filters(&self) -> usize {
        self.mel.empty_filters()
    }

    /// Takes the next samples, in -1 to 1, and appends to `rows` each row of features that is now complete, row-major
    /// [frames, width].
    pub fn push(&mut self, samples: &[f32], rows: &mut Vec<f32>) {
        self.framer.push(samples);
        self.process(rows);
    }

    /// Ends the signal: appends the rows that were waiting for an edge or for the context of their deltas. The next
    /// [`Self::push`] begins a new signal, whose running normalisation goes on from this one's.
    pub fn finish(&mut self, rows: &mut Vec<f32>) {
        self.framer.pad_end();
        self.process(rows);
        self.framer.reset();
        self.deltas.finish(rows);
    }

    /// Forgets everything that was pushed, the running normalisation included.
    pub fn reset(&mut self) {
        self.framer.reset();
        self.normaliser.reset();
        self.deltas.reset();
    }

    fn process(&mut self, rows: &mut Vec<f32>) {
        while let Some(frame) = self.framer.next_frame() {
            let offset = self.spectrum.offset(frame);
            self.mel.apply(self.spectrum.analyse(frame, offset), &mut self.energies);
            self.cepstrum.apply(&mut self.energies, &mut self.row);
            if self.energy
                && let Some(zeroth) = self.row.get_mut(self.cepstrum.zeroth())
            {
                *zeroth = self.spectrum.log_energy(frame, offset);
            }
            self.normaliser.apply(&mut self.row);
            self.deltas.push(&self.row, rows);
        }
    }
}
