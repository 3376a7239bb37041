//! A session's samples in their order and at their time.

use std::time::Duration;

use undertone_audio::{Intake, RateConverter, RateError};
use undertone_messages::{AudioFrame, SAMPLE_RATE};

use crate::clock::SampleClock;
use crate::ring::Block;

/// Samples at 16 kHz for which a device is away before that is told, though it may be away for longer.
const AWAY: u64 = SAMPLE_RATE as u64;

/// Audio that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Why.
    pub cause: LossCause,
    /// Sample index at which it is missing.
    pub at: u64,
    /// How many samples at 16 kHz.
    pub samples: u64,
}

/// Why audio is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossCause {
    /// The device was not open, or said nothing. The machine's clock tells for how long, without the time of its sleep.
    Away,
    /// The device lost samples, because this machine was too busy to take them. The machine's clock tells how many.
    Torn,
    /// The node was too busy to take what was captured.
    Overflow,
}

/// Converts what a device captures to 16 kHz, puts it on the session's clock and cuts it into frames.
pub struct Timeline {
    intake: Intake,
    clock: SampleClock,
    /// Samples at 16 kHz after which the session ends.
    limit: u64,
    stream: Option<Stream>,
    /// It has been told that the device is away.
    away: bool,
    converted: Vec<f32>,
}

/// The device as it is open now.
struct Stream {
    rate: u32,
    converter: RateConverter,
    /// Where the stream's first sample is in the session. Known once it has come.
    start: Option<u64>,
    /// How many of the device's samples have come or were lost.
    received: u64,
}

impl Timeline {
    /// A session that has not begun, with the room of `intake`.
    pub fn new(intake: Intake, limit: Option<u64>) -> Self {
        let limit = limit.unwrap_or(u64::MAX);
        Self {
            intake,
            clock: SampleClock::default(),
            limit,
            stream: None,
            away: false,
            converted: Vec::new(),
        }
    }

    /// The device has been opened, at a rate in samples a second.
    ///
    /// # Errors
    ///
    /// A rate of 0.
    pub fn opened(&mut self, rate: u32) -> Result<(), RateError> {
        self.closed()?;
        self.stream = Some(Stream { rate, converter: RateConverter::live(rate)?, start: None, received: 0 });
        Ok(())
    }

    /// No more comes from the device as it is open now.
    ///
    /// # Errors
    ///
    /// None that a caller can cause.
    pub fn closed(&mut self) -> Result<(), RateError> {
        let Some(mut stream) = self.stream.take() else { return Ok(()) };
        self.converted.clear();
        stream.converter.finish(&mut self.converted)?;
        self.keep();
        Ok(())
    }

    /// Tells what is missing so far, once, if there has been no device for a second, or one that is open and has not been
    /// heard yet: what was being said when it went does not wait for its return to be over.
    pub fn miss(&mut self, now: Duration) -> Option<Loss> {
        let loss = if self.away { None } else { self.missing(now, AWAY) };
        self.away |= loss.is_some();
        loss
    }

    /// What is missing without a device, if it is so much.
    fn missing(&mut self, now: Duration, least: u64) -> Option<Loss> {
        if self.stream.as_ref().is_some_and(|stream| stream.start.is_some()) {
            return None;
        }
        let at = self.intake.position();
        let samples = self.clock.samples_until(at, now).min(self.room());
        if samples < least {
            return None;
        }
        let loss = self.lose(samples, LossCause::Away);
        self.intake.tell_loss();
        Some(loss)
    }

    /// Takes a block whose first sample was captured at `captured`, since some start, as far as its arrival tells. Tells
    /// what is missing before it.
    ///
    /// # Errors
    ///
    /// None that a caller can cause.
    pub fn take(
        &mut self,
        block: &Block,
        samples: &[f64],
        captured: Duration,
    ) -> Result<Option<Loss>, RateError> {
        let Some(mut stream) = self.stream.take() else { return Ok(None) };
        let loss = match stream.start {
            None => Some(self.begin(&mut stream, captured)),
            Some(_) if block.torn => Some(self.mend(&mut stream, captured)?),
            Some(_) if block.lost > 0 => Some(self.skip(&mut stream, block.lost, LossCause::Overflow)?),
            Some(_) => None,
        };
        let start = stream.start.unwrap_or_default();
        self.clock.observe(start + stream.converter.converted(stream.received), captured);
        stream.received += samples.len() as u64;
        self.converted.clear();
        stream.converter.push(samples, &mut self.converted)?;
        self.keep();
        self.stream = Some(stream);
        Ok(loss.filter(|loss| loss.samples > 0))
    }

    /// The first block of a stream: what is missing since the last one is a gap. The first of a session begins it.
    fn begin(&mut self, stream: &mut Stream, captured: Duration) -> Loss {
        let at = self.intake.position();
        let samples = self.clock.samples_until(at, captured);
        stream.start = Some(at + samples);
        self.away = false;
        self.clock.restart(at + samples, captured);
        self.lose(samples, LossCause::Away)
    }

    /// The device lost samples and does not know how many.
    fn mend(&mut self, stream: &mut Stream, captured: Duration) -> Result<Loss, RateError> {
        let next = stream.start.unwrap_or_default() + stream.converter.converted(stream.received);
        let missing = self.clock.samples_until(next, captured);
        let lost = missing * u64::from(stream.rate) / u64::from(SAMPLE_RATE);
        let loss = self.skip(stream, lost, LossCause::Torn)?;
        let next = stream.start.unwrap_or_default() + stream.converter.converted(stream.received);
        self.clock.restart(next, captured);
        Ok(loss)
    }

    /// `lost` of the device's samples are missing.
    fn skip(&mut self, stream: &mut Stream, lost: u64, cause: LossCause) -> Result<Loss, RateError> {
        self.converted.clear();
        stream.converter.finish(&mut self.converted)?;
        self.keep();
        let samples = stream.converter.skip(lost);
        stream.received += lost;
        Ok(self.lose(samples, cause))
    }

    /// Takes note of what is missing, up to the session's end.
    fn lose(&mut self, samples: u64, cause: LossCause) -> Loss {
        let at = self.intake.position();
        let samples = samples.min(self.room());
        self.intake.lose(samples);
        Loss { cause, at, samples }
    }

    /// Hands over what was converted, up to the session's end.
    fn keep(&mut self) {
        let samples = usize::try_from(self.room()).unwrap_or(usize::MAX).min(self.converted.len());
        self.intake.push(self.converted.get(..samples).unwrap_or_default());
    }

    /// Samples until the session has its length.
    fn room(&self) -> u64 {
        self.limit.saturating_sub(self.intake.position())
    }

    /// The next frame.
    pub fn next_frame(&mut self) -> Option<AudioFrame> {
        self.intake.take()
    }

    /// Whether frames wait.
    pub fn is_waiting(&self) -> bool {
        self.intake.waiting() > 0
    }

    /// Samples that waited too long and were dropped since this was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        self.intake.take_dropped()
    }

    /// When sample `index` was captured, since some start.
    pub fn captured(&self, index: u64) -> Option<Duration> {
        self.clock.at(index)
    }

    /// Sample index behind what has come.
    pub fn position(&self) -> u64 {
        self.intake.position()
    }

    /// Whether the session has its length, by its samples or, while none come, by the machine's clock.
    pub fn is_over(&self, now: Duration) -> bool {
        let position = self.intake.position();
        // While the device is open its samples decide: the last ones are on their way.
        let away = || if self.stream.is_none() { self.clock.samples_until(position, now) } else { 0 };
        position >= self.limit || position.saturating_add(away()) >= self.limit
    }

    /// Ends the session: what is left becomes a frame. Tells what is missing without a device.
    ///
    /// # Errors
    ///
    /// None that a caller can cause.
    pub fn finish(&mut self, now: Duration) -> Result<Option<Loss>, RateError> {
        let loss = self.missing(now, 1);
        self.closed()?;
        self.intake.finish();
        Ok(loss)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    fn block(lost: u64, torn: bool) -> Block {
        Block {
            lost,
            torn,
            samples: 0,
            arrived: Instant::now(),
            length: Duration::ZERO,
            delay: Duration::ZERO,
        }
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn timeline(limit: Option<u64>) -> Timeline {
        Timeline::new(Intake::new(512, 16_000_000), limit)
    }

    /// Start, length and gap of all frames.
    fn frames(timeline: &mut Timeline) -> Vec<(u64, usize, u64)> {
        timeline.finish(Duration::ZERO).unwrap();
        std::iter::from_fn(|| timeline.next_frame())
            .map(|frame| (frame.start, frame.samples.len(), frame.gap))
            .collect()
    }

    #[test]
    fn the_time_without_a_device_is_a_gap() {
        let mut timeline = timeline(None);
        timeline.opened(48_000).unwrap();
        let first = timeline.take(&block(0, false), &[0.1; 1_536], ms(500)).unwrap();
        assert_eq!(first, None, "a session begins with its first sample");
        // A second later, at another rate.
        timeline.closed().unwrap();
        timeline.opened(44_100).unwrap();
        let loss = timeline.take(&block(0, false), &[0.1; 441], ms(1_532)).unwrap();
        assert_eq!(loss, Some(Loss { cause: LossCause::Away, at: 512, samples: 16_000 }));
        assert_eq!(timeline.captured(16_512), Some(ms(1_532)));
        assert_eq!(frames(&mut timeline), [(0, 512, 0), (16_512, 160, 16_000)]);
    }

    #[test]
    fn a_device_that_stays_away_is_told_once_and_what_is_missing_adds_up() {
        let mut timeline = timeline(None);
        timeline.opened(16_000).unwrap();
        timeline.take(&block(0, false), &[0.1; 160], ms(0)).unwrap();
        assert_eq!(timeline.miss(ms(5_000)), None, "it is there");
        timeline.closed().unwrap();
        assert_eq!(timeline.miss(ms(1_009)), None);
        timeline.opened(48_000).unwrap();
        let loss = Loss { cause: LossCause::Away, at: 160, samples: 16_000 };
        assert_eq!(timeline.miss(ms(1_010)), Some(loss));
        assert_eq!(timeline.miss(ms(3_000)), None);
        timeline.opened(16_000).unwrap();
        let rest = timeline.take(&block(0, false), &[0.1; 160], ms(3_010)).unwrap();
        assert_eq!(rest, Some(Loss { cause: LossCause::Away, at: 16_160, samples: 32_000 }));
        assert_eq!(frames(&mut timeline), [(0, 160, 0), (16_160, 0, 16_000), (48_160, 160, 32_000)]);
    }

    #[test]
    fn what_did_not_fit_the_ring_is_a_gap_where_it_was() {
        let mut timeline = timeline(None);
        timeline.opened(48_000).unwrap();
        timeline.take(&block(0, false), &[0.1; 480], ms(0)).unwrap();
        let loss = timeline.take(&block(4_800, false), &[0.1; 480], ms(110)).unwrap();
        assert_eq!(loss, Some(Loss { cause: LossCause::Overflow, at: 160, samples: 1_600 }));
        assert_eq!(frames(&mut timeline), [(0, 160, 0), (1_760, 160, 1_600)]);
    }

    #[test]
    fn what_the_device_lost_is_told_by_the_wall_clock() {
        let mut timeline = timeline(None);
        timeline.opened(16_000).unwrap();
        timeline.take(&block(0, false), &[0.1; 160], ms(0)).unwrap();
        let loss = timeline.take(&block(0, true), &[0.1; 160], ms(35)).unwrap();
        assert_eq!(loss, Some(Loss { cause: LossCause::Torn, at: 160, samples: 400 }));
        // A device that lost nothing after all.
        assert_eq!(timeline.take(&block(0, true), &[0.1; 160], ms(45)).unwrap(), None);
        assert_eq!(frames(&mut timeline), [(0, 160, 0), (560, 320, 400)]);
    }

    #[test]
    fn a_session_has_its_length_to_the_sample() {
        let mut timeline = timeline(Some(1_000));
        timeline.opened(48_000).unwrap();
        timeline.take(&block(0, false), &[0.1; 2_400], ms(0)).unwrap();
        assert!(!timeline.is_over(ms(10_000)), "the device is open, its samples count");
        timeline.take(&block(0, false), &[0.1; 2_400], ms(50)).unwrap();
        assert!(timeline.is_over(ms(100)));
        assert_eq!(frames(&mut timeline), [(0, 512, 0), (512, 488, 0)]);
    }

    #[test]
    fn a_session_ends_without_a_device_too() {
        let mut timeline = timeline(Some(16_000));
        assert!(!timeline.is_over(ms(10_000)), "it has not begun");
        timeline.opened(16_000).unwrap();
        timeline.take(&block(0, false), &[0.1; 8_000], ms(0)).unwrap();
        timeline.closed().unwrap();
        assert!(!timeline.is_over(ms(999)));
        assert!(timeline.is_over(ms(1_000)));
        let loss = Loss { cause: LossCause::Away, at: 8_000, samples: 8_000 };
        assert_eq!(timeline.finish(ms(1_020)).unwrap(), Some(loss), "no longer than it was to be");
        let (start, length, gap) = *frames(&mut timeline).last().unwrap();
        assert_eq!((start, length, gap), (16_000, 0, 8_000));
    }

    proptest! {
        /// Streams of any rate, with losses and breaks: the frames follow one another, and the session is as long as the
        /// wall clock says, to a sample a break.
        #[test]
        fn the_timeline_stays_true(
            streams in prop::collection::vec(
                (
                    prop::sample::select(&[8_000_u32, 16_000, 44_100, 48_000][..]),
                    prop::collection::vec((1_usize..2_000, 0_u64..3_000, any::<bool>()), 1..12),
                    0_u64..3_000,
                ),
                1..5,
            ),
        ) {
            let mut timeline = timeline(None);
            let mut now = 0.0_f64;
            let mut breaks = 1.0;
            for (rate, blocks, away) in streams {
                timeline.opened(rate).unwrap();
                for (index, (samples, lost, torn)) in blocks.into_iter().enumerate() {
                    // Before the first block nothing can have been lost.
                    let lost = if index == 0 { 0 } else { lost };
                    now += lost as f64 / f64::from(rate);
                    let block = if torn { block(0, true) } else { block(lost, false) };
                    let captured = Duration::from_secs_f64(now);
                    timeline.take(&block, &vec![0.1; samples], captured).unwrap();
                    if torn || lost > 0 { breaks += 1.0; }
                    now += samples as f64 / f64::from(rate);
                }
                timeline.closed().unwrap();
                let seconds = timeline.position() as f64 / 16_000.0;
                prop_assert!((seconds - now).abs() < breaks * 2.0 / 8_000.0, "{seconds} s, not {now} s");
                now += away as f64 / 1_000.0;
                breaks += 1.0;
            }
            let mut position = 0;
            for (start, length, gap) in frames(&mut timeline) {
                prop_assert_eq!(start, position + gap);
                position = start + length as u64;
            }
            // A gap at the very end has no frame behind it.
            prop_assert!(position <= timeline.position());
        }
    }
}
