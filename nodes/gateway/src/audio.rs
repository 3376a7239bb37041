//! A session's audio on its way from the client into the graph.

use undertone_audio::{Intake, RateConverter};
use undertone_messages::{AudioFrame, SAMPLE_RATE};

use crate::clock::{Allowance, Clock};
use crate::close::Fault;
use crate::event::GapReason;
use crate::limits::{Limits, MS, SECOND, samples};

/// A session's audio on its way from the client into the graph.
pub struct Audio {
    intake: Intake,
    conversion: Option<Conversion>,
    converted: Vec<f32>,
    clock: Clock,
    allowance: Allowance,
    /// Audio that has come, in samples of the session's clock, whether or not it has been converted yet.
    received: u64,
    room: u64,
    /// Samples of which it is known that they did not fit, and not yet which ones.
    overflowed: u64,
    /// What did not fit, in all.
    dropped: u64,
    started: bool,
}

/// The conversion of audio that has one rate and no loss in it.
struct Conversion {
    rate: u32,
    converter: RateConverter,
    /// Sample index of its first sample.
    start: u64,
    /// Samples that it took. The sum counts: each message's own number would be rounded.
    taken: u64,
}

/// A frame for the graph, when its last sample was captured, and the reason for the gap before it.
pub struct Ready {
    /// The frame.
    pub frame: AudioFrame,
    /// When its last sample was captured, on the gateway's clock, in nanoseconds.
    pub captured: i64,
    /// Why samples are missing before it, if any are.
    pub gap: Option<GapReason>,
}

impl Audio {
    /// Nothing yet.
    pub fn new(limits: &Limits, now: i64) -> Self {
        let room = samples(limits.buffer_ms);
        Self {
            intake: Intake::new(limits.frame_samples, room as usize),
            conversion: None,
            converted: Vec::new(),
            // What waits, and the frame that is being filled.
            clock: Clock::new(room.saturating_add(2 * limits.frame_samples as u64)),
            allowance: Allowance::new(limits.burst_ms, limits.speed, now),
            received: 0,
            room,
            overflowed: 0,
            dropped: 0,
            started: false,
        }
    }

    /// Takes what a client sent.
    ///
    /// # Errors
    ///
    /// The sample rate cannot be converted.
    pub fn push(&mut self, rate: u32, input: &[f64], now: i64) -> Result<(), Fault> {
        let failed = |error: undertone_audio::RateError| Fault::Conversion(error.to_string());
        if self.conversion.as_ref().is_none_or(|present| present.rate != rate) {
            self.settle()?;
            let converter = RateConverter::live(rate).map_err(failed)?;
            self.conversion = Some(Conversion { rate, converter, start: self.received, taken: 0 });
        }
        let Some(conversion) = &mut self.conversion else { return Ok(()) };
        conversion.converter.push(input, &mut self.converted).map_err(failed)?;
        conversion.taken += input.len() as u64;
        let received = conversion.start + conversion.converter.converted(conversion.taken);
        self.intake.push(&self.converted);
        self.converted.clear();
        let length = received - self.received;
        self.received = received;
        self.started = true;
        self.clock.arrived(length, self.received, now);
        self.allowance.spend(length, now);
        self.overflow();
        Ok(())
    }

    /// Takes note of a message without audio.
    pub fn spend(&mut self, now: i64) {
        self.allowance.spend(0, now);
    }

    /// Takes note that `lost` samples do not come.
    ///
    /// # Errors
    ///
    /// As [`Audio::push`].
    pub fn lose(&mut self, lost: u64) -> Result<(), Fault> {
        self.settle()?;
        self.intake.lose(lost);
        self.received = self.intake.position();
        self.overflow();
        Ok(())
    }

    /// Takes note that no more comes. What was lost behind the last sample becomes a frame, too.
    ///
    /// # Errors
    ///
    /// As [`Audio::push`].
    pub fn finish(&mut self) -> Result<(), Fault> {
        self.settle()?;
        self.intake.finish();
        self.overflow();
        Ok(())
    }

    /// The next frame.
    pub fn take(&mut self, now: i64) -> Option<Ready> {
        let frame = self.intake.take()?;
        let captured = self.clock.captured(frame.end(), now);
        let gap = (frame.gap > 0).then(|| {
            let overflow = std::mem::take(&mut self.overflowed) > 0;
            if overflow { GapReason::Overflow } else { GapReason::Disconnected }
        });
        Some(Ready { frame, captured, gap })
    }

    /// How much of the audio of the time while the client was away is missing: what a client that sends at the pace of
    /// the clock would have sent since its last frame.
    pub fn missed(&self, now: i64) -> u64 {
        let away = (now - self.clock.last()).max(0);
        let most = u64::try_from(away / (SECOND / i64::from(SAMPLE_RATE))).unwrap_or(0);
        if self.started { self.clock.position(now).saturating_sub(self.received).min(most) } else { 0 }
    }

    /// How long no more is to be read. A client that is ahead of the clock is held back before anything is lost; one that
    /// is not cannot wait, and what does not fit is lost.
    pub fn wait(&mut self, now: i64) -> i64 {
        let full = self.waiting() * 4 > self.room * 3;
        let ahead = self.received > self.clock.position(now) + samples(1_000);
        let wait = self.allowance.wait(now);
        if full && ahead { wait.max(20 * MS) } else { wait }
    }

    /// Whether any audio has come.
    pub fn started(&self) -> bool {
        self.started
    }

    /// When the last of it came.
    pub fn last(&self) -> i64 {
        self.clock.last()
    }

    /// Whether a frame waits for the graph. One that only tells of a loss has no samples.
    pub fn has_frame(&self) -> bool {
        self.intake.has_frame()
    }

    /// Samples that wait for the graph.
    pub fn waiting(&self) -> u64 {
        self.intake.waiting() as u64
    }

    /// Samples that did not fit, in all.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Sample index behind the last sample that came or was lost.
    pub fn position(&self) -> u64 {
        self.received.max(self.intake.position())
    }

    /// Converts what is left of the audio so far.
    fn settle(&mut self) -> Result<(), Fault> {
        if let Some(Conversion { mut converter, .. }) = self.conversion.take() {
            converter.finish(&mut self.converted).map_err(|error| Fault::Conversion(error.to_string()))?;
            self.intake.push(&self.converted);
            self.converted.clear();
        }
        self.received = self.intake.position();
        Ok(())
    }

    fn overflow(&mut self) {
        let lost = self.intake.take_dropped();
        self.overflowed += lost;
        self.dropped += lost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::nanoseconds;

    fn all(audio: &mut Audio, now: i64) -> Vec<(u64, u64, u64)> {
        std::iter::from_fn(|| audio.take(now))
            .map(|ready| (ready.frame.start, ready.frame.samples.len() as u64, ready.frame.gap))
            .collect()
    }

    #[test]
    fn rates_may_change_and_time_goes_on() {
        let mut audio = Audio::new(&Limits::default(), 0);
        audio.push(48_000, &[0.1; 48_000], SECOND).unwrap();
        audio.push(16_000, &[0.1; 8_000], 1_500 * MS).unwrap();
        audio.push(44_100, &[0.1; 44_100], 2_500 * MS).unwrap();
        audio.finish().unwrap();
        let frames = all(&mut audio, 3 * SECOND);
        let end = frames.last().map(|(start, length, _)| start + length);
        assert_eq!(end, Some(40_000));
        assert!(frames.iter().all(|(_, _, gap)| *gap == 0));
    }

    #[test]
    fn messages_that_are_no_whole_number_of_samples_lose_no_time() {
        let mut audio = Audio::new(&Limits::default(), 0);
        // Two minutes of what a sound card at 44.1 kHz gives at a time: 371.5 samples of the session's clock.
        for message in 1..=5_168 {
            let now = message * 1_024 * SECOND / 44_100;
            audio.push(44_100, &[0.1; 1_024], now).unwrap();
            while let Some(ready) = audio.take(now) {
                let error = ready.captured - nanoseconds(ready.frame.end());
                assert!(error.abs() < MS, "{error} ns off in message {message}");
            }
        }
        let position = audio.position();
        audio.finish().unwrap();
        assert_eq!((position, audio.position()), (1_920_012, 1_920_012));
    }

    #[test]
    fn what_is_converted_does_not_wait_for_more() {
        let limits = Limits { frame_samples: 160, ..Limits::default() };
        for rate in [8_000, 16_000, 44_100, 48_000] {
            let mut audio = Audio::new(&limits, 0);
            audio.push(rate, &vec![0.1; rate as usize / 10], 100 * MS).unwrap();
            let (start, length, _) = *all(&mut audio, 100 * MS).last().unwrap();
            assert!(start + length >= 1_600 - 160 - 160, "{rate} Hz: {} of 1600", start + length);
        }
    }

    #[test]
    fn what_was_not_sent_is_a_gap() {
        let mut audio = Audio::new(&Limits::default(), 0);
        audio.push(16_000, &[0.0; 16_000], SECOND).unwrap();
        assert_eq!(audio.missed(SECOND), 0);
        assert_eq!(audio.missed(4 * SECOND), 48_000);
        audio.lose(48_000).unwrap();
        audio.push(16_000, &[0.0; 1_600], 4_100 * MS).unwrap();
        audio.finish().unwrap();
        assert!(all(&mut audio, 5 * SECOND).contains(&(64_000, 1_024, 48_000)));
        assert_eq!(audio.position(), 65_600);
    }

    #[test]
    fn who_sends_a_recording_is_held_back_and_loses_nothing() {
        let limits = Limits { burst_ms: 60_000, ..Limits::default() };
        let mut audio = Audio::new(&limits, 0);
        let mut sent = 0;
        while audio.wait(0) == 0 {
            audio.push(16_000, &[0.0; 1_600], 0).unwrap();
            sent += 1;
        }
        assert!((75..100).contains(&sent), "{sent} frames");
        assert_eq!(audio.dropped(), 0);
    }

    #[test]
    fn who_speaks_cannot_wait() {
        let mut audio = Audio::new(&Limits::default(), 0);
        for frame in 1..=200 {
            assert_eq!(audio.wait(frame * 100 * MS), 0);
            audio.push(16_000, &[0.0; 1_600], frame * 100 * MS).unwrap();
        }
        assert!(audio.dropped() > 0);
        let first = audio.take(20 * SECOND).unwrap();
        assert_eq!(first.gap, Some(GapReason::Overflow));
        assert_eq!(first.frame.gap, first.frame.start);
    }
}
