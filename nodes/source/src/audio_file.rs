//! One file as mono samples at 16 kHz.

use std::path::{Path, PathBuf};
use std::time::Duration;

use undertone_audio::{RateConverter, RateError};

use crate::decoder::Decoder;
use crate::error::SourceError;

/// What to do about a file that is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Corruption {
    /// Give what is before the damage, then the error.
    #[default]
    Refuse,
    /// Leave a gap where samples are missing, and go on. Time does not shift, unless the length of the gap is an estimate,
    /// which its error says. Frames of an MP3 that need bytes from within the gap are silent. Whatever was tolerated can
    /// be asked for.
    Tolerate,
}

/// A file that is read from its start to its end, as mono samples at 16 kHz.
///
/// It holds one packet and one block of the resampler, which together are below a megabyte for usual sample rates.
pub struct AudioFile {
    path: PathBuf,
    decoder: Decoder,
    converter: RateConverter,
    /// The samples of a packet.
    mono: Vec<f64>,
    /// `mono` has not been converted yet.
    held: bool,
    /// Lost samples before what comes next, at 16 kHz.
    gap: u64,
    /// What ended the file, once all before it has been given.
    error: Option<SourceError>,
    ended: bool,
}

impl AudioFile {
    /// Opens a file that has to be whole. An MP3 or a bare AAC stream is read through once for the headers of its frames.
    ///
    /// # Errors
    ///
    /// Whatever the header and the first packet show: all of [`SourceError`]. A file without a single sample is an
    /// error ([`SourceError::EmptyRecording`]), because whoever made it meant to record something.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        Self::open_with(path, Corruption::Refuse)
    }

    /// Opens a file that may be damaged.
    ///
    /// # Errors
    ///
    /// As [`AudioFile::open`].
    pub fn open_with(path: &Path, corruption: Corruption) -> Result<Self, SourceError> {
        let mut decoder = Decoder::open(path, corruption)?;
        let mut mono = Vec::new();
        // The first packet shows whether the header can be believed.
        let Some(lost) = decoder.next(&mut mono)? else {
            return Err(SourceError::EmptyRecording { path: path.to_owned(), format: decoder.format() });
        };
        let rate_error = |error| SourceError::Rate { path: path.to_owned(), error };
        let mut converter = RateConverter::new(decoder.rate()).map_err(rate_error)?;
        let gap = converter.skip(lost);
        let path = path.to_owned();
        Ok(Self { path, decoder, converter, mono, held: true, gap, error: None, ended: false })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's own sample rate, in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.decoder.rate()
    }

    /// The file's own number of channels.
    pub fn channels(&self) -> usize {
        self.decoder.channels()
    }

    /// The container's short name, such as `wave` or `isomp4`.
    pub fn format(&self) -> &'static str {
        self.decoder.format()
    }

    /// The codec's short name, such as `pcm_s16le` or `vorbis`.
    pub fn codec(&self) -> &'static str {
        self.decoder.codec()
    }

    /// How long the file is. It is what the header says, or an estimate from the bit rate (MP3 without a LAME header,
    /// bare AAC), or not known (streamed WAV).
    pub fn duration(&self) -> Option<Duration> {
        self.decoder.duration()
    }

    /// The errors that were tolerated since this was last asked.
    pub fn take_tolerated(&mut self) -> Vec<SourceError> {
        self.decoder.take_tolerated()
    }

    /// All samples of a file at once.
    ///
    /// # Errors
    ///
    /// As [`AudioFile::open`] and [`AudioFile::read`].
    pub fn read_whole(path: &Path) -> Result<Vec<f32>, SourceError> {
        let mut file = Self::open(path)?;
        let (mut samples, mut piece) = (Vec::new(), Vec::new());
        while file.read(&mut piece)?.is_some() {
            samples.extend_from_slice(&piece);
        }
        Ok(samples)
    }

    /// Replaces `output` by the next samples, of no particular number. Gives the number of samples at 16 kHz that are
    /// lost right before them (always 0 under [`Corruption::Refuse`]), or `None` at the end.
    ///
    /// # Errors
    ///
    /// What is wrong with the file behind the samples given so far. After an error the file has ended.
    pub fn read(&mut self, output: &mut Vec<f32>) -> Result<Option<u64>, SourceError> {
        output.clear();
        loop {
            if std::mem::take(&mut self.held) {
                self.converter.push(&self.mono, output).map_err(|error| self.rate_error(error))?;
                if !output.is_empty() {
                    return Ok(Some(std::mem::take(&mut self.gap)));
                }
            }
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            if self.ended {
                return Ok(None);
            }
            let lost = match self.decoder.next(&mut self.mono) {
                Ok(Some(0)) => {
                    self.held = true;
                    continue;
                }
                Ok(Some(lost)) => {
                    self.held = true;
                    lost
                }
                Ok(None) => {
                    self.ended = true;
                    0
                }
                Err(error) => {
                    self.ended = true;
                    self.error = Some(error);
                    0
                }
            };
            self.converter.finish(output).map_err(|error| self.rate_error(error))?;
            let skipped = self.converter.skip(lost);
            if !output.is_empty() {
                return Ok(Some(std::mem::replace(&mut self.gap, skipped)));
            }
            self.gap += skipped;
        }
    }

    fn rate_error(&self, error: RateError) -> SourceError {
        SourceError::Rate { path: self.path.clone(), error }
    }
}
