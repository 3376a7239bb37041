//! A session, cut into frames.

use std::path::PathBuf;

use undertone_messages::{AudioFrame, SAMPLE_RATE};

use crate::audio_file::{AudioFile, Corruption};
use crate::error::SourceError;

/// Samples of silence that are made at once.
const SILENCE_BLOCK: usize = 1_024;

/// The frames of a session, read as they are asked for.
///
/// All frames have the same length but the last, and the one before a gap. Where the frames are cut depends on that
/// length alone. An error is given behind all that could be read before it, and is the last item.
pub struct Frames {
    files: std::vec::IntoIter<PathBuf>,
    corruption: Corruption,
    frame_samples: usize,
    /// Samples of silence between two files.
    silence: u64,
    /// Samples of silence that are left to give.
    silent: u64,
    file: Option<AudioFile>,
    /// Samples that are yet to be cut, from `taken` on.
    samples: Vec<f32>,
    taken: usize,
    /// Samples that are lost right before them.
    gap: u64,
    /// The frame that is being filled, and what was lost right before it.
    frame: Vec<f32>,
    frame_gap: u64,
    /// Sample index of the frame's first sample.
    start: u64,
    tolerated: Vec<SourceError>,
    error: Option<SourceError>,
    ended: bool,
}

impl Frames {
    /// The frames of `files`, one behind the other with `silence` samples between them.
    pub fn new(files: Vec<PathBuf>, frame_samples: usize, silence: u64, corruption: Corruption) -> Self {
        Self {
            files: files.into_iter(),
            corruption,
            frame_samples: frame_samples.max(1),
            silence,
            silent: 0,
            file: None,
            samples: Vec::new(),
            taken: 0,
            gap: 0,
            frame: Vec::new(),
            frame_gap: 0,
            start: 0,
            tolerated: Vec::new(),
            error: None,
            ended: false,
        }
    }

    /// The file that is being read.
    pub fn file(&self) -> Option<&AudioFile> {
        self.file.as_ref()
    }

    /// The errors that were tolerated since this was last asked.
    pub fn take_tolerated(&mut self) -> Vec<SourceError> {
        std::mem::take(&mut self.tolerated)
    }

    /// Gets more samples, or silence. False at the session's end.
    fn refill(&mut self) -> Result<bool, SourceError> {
        self.taken = 0;
        if self.silent > 0 {
            let length = usize::try_from(self.silent).unwrap_or(usize::MAX).min(SILENCE_BLOCK);
            self.silent -= length as u64;
            self.samples.clear();
            self.samples.resize(length, 0.0);
            return Ok(true);
        }
        if self.file.is_none() {
            let Some(path) = self.files.next() else { return Ok(false) };
            self.file = Some(AudioFile::open_with(&path, self.corruption)?);
        }
        let Some(file) = &mut self.file else { return Ok(false) };
        let read = file.read(&mut self.samples);
        self.tolerated.append(&mut file.take_tolerated());
        match read? {
            Some(gap) => self.gap += gap,
            None => {
                self.file = None;
                self.silent = if self.files.len() > 0 { self.silence } else { 0 };
            }
        }
        Ok(true)
    }

    /// Moves samples into the frame. True if the frame is to be sent now.
    fn fill(&mut self) -> bool {
        let samples = self.samples.get(self.taken..).unwrap_or_default();
        if samples.is_empty() {
            return false;
        }
        if self.gap > 0 {
            if !self.frame.is_empty() {
                return true;
            }
            self.start += self.gap;
            self.frame_gap = std::mem::take(&mut self.gap);
        }
        if self.frame.capacity() == 0 {
            self.frame.reserve_exact(self.frame_samples);
        }
        let wanted = self.frame_samples - self.frame.len();
        let samples = samples.get(..wanted).unwrap_or(samples);
        self.frame.extend_from_slice(samples);
        self.taken += samples.len();
        self.frame.len() == self.frame_samples
    }

    fn cut(&mut self) -> AudioFrame {
        let samples = std::mem::take(&mut self.frame);
        let start = self.start;
        self.start += samples.len() as u64;
        let gap = std::mem::take(&mut self.frame_gap);
        AudioFrame { start, sample_rate: SAMPLE_RATE, samples: samples.into(), gap }
    }
}

impl Iterator for Frames {
    type Item = Result<AudioFrame, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.fill() {
                return Some(Ok(self.cut()));
            }
            if !self.ended {
                match self.refill() {
                    Ok(true) => continue,
                    Ok(false) => self.ended = true,
                    Err(error) => {
                        self.ended = true;
                        self.error = Some(error);
                    }
                }
                self.samples.clear();
            }
            if !self.frame.is_empty() {
                return Some(Ok(self.cut()));
            }
            return self.error.take().map(Err);
        }
    }
}

impl std::iter::FusedIterator for Frames {}
