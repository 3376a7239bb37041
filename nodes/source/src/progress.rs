//! How far the recordings are sent.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use undertone_messages::{AudioFrame, SAMPLE_RATE};
use undertone_source::{Pacer, Progress};

/// A bar on a terminal, or a line in the log for each tenth.
pub(crate) struct ProgressReport {
    bar: ProgressBar,
    /// Samples a tenth, if tenths are logged.
    tenth: Option<u64>,
    length: Duration,
    sent: u64,
}

impl ProgressReport {
    /// A report for recordings of the given length together, if it is known.
    pub(crate) fn new(progress: Progress, length: Option<Duration>) -> Self {
        let seconds = length.unwrap_or_default().as_secs();
        let bar = match (progress, length) {
            (Progress::Never, _) => ProgressBar::hidden(),
            (_, Some(_)) => ProgressBar::new(seconds),
            (_, None) => ProgressBar::no_length(),
        };
        if let Ok(style) =
            ProgressStyle::with_template("{bar:40} {pos}/{len} s of audio, {elapsed} {wide_msg}")
        {
            bar.set_style(style);
        }
        let tenth = (seconds * u64::from(SAMPLE_RATE) / 10).max(1);
        // Indicatif hides a bar that has no terminal.
        let logged = progress == Progress::Always && bar.is_hidden() && length.is_some();
        Self { bar, tenth: logged.then_some(tenth), length: length.unwrap_or_default(), sent: 0 }
    }

    /// Takes note of a frame.
    pub(crate) fn sent(&mut self, frame: &AudioFrame) {
        let before = self.sent;
        self.sent += frame.gap + frame.samples.len() as u64;
        let time = Pacer::time(self.sent);
        self.bar.set_position(time.as_secs());
        if self.tenth.is_some_and(|tenth| before / tenth != self.sent / tenth) {
            tracing::info!("sent {:.0} s of {:.0} s", time.as_secs_f64(), self.length.as_secs_f64());
        }
    }

    /// Everything is sent.
    pub(crate) fn done(&self) {
        self.bar.finish_and_clear();
    }
}
