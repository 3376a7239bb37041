//! Live audio on its way into a graph.

use std::collections::VecDeque;

use undertone_messages::{AudioFrame, SAMPLE_RATE};

/// Cuts a session's audio into frames, holds them while the graph takes none, and lets the oldest go when there is no
/// more room. What is lost, here or before, is the `gap` of the next frame: the session's clock goes on over it.
///
/// All frames have the same length but the one before a loss, that which tells of a loss, and the last.
#[derive(Clone, Debug)]
pub struct Intake {
    frame_samples: usize,
    /// The most samples that wait.
    room: usize,
    waiting: VecDeque<AudioFrame>,
    waiting_samples: usize,
    /// The frame that is being filled.
    frame: Vec<f32>,
    /// What was lost right before it.
    gap: u64,
    /// Sample index of its first sample.
    start: u64,
    dropped: u64,
}

impl Intake {
    /// Frames of `frame_samples` samples; `room` for so many samples, and for one frame at least.
    pub fn new(frame_samples: usize, room: usize) -> Self {
        let frame_samples = frame_samples.max(1);
        Self {
            frame_samples,
            room: room.max(frame_samples),
            waiting: VecDeque::new(),
            waiting_samples: 0,
            frame: Vec::with_capacity(frame_samples),
            gap: 0,
            start: 0,
            dropped: 0,
        }
    }

    /// Takes samples at 16 kHz, mono, full scale at ±1.
    pub fn push(&mut self, mut samples: &[f32]) {
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(self.frame_samples - self.frame.len()));
            self.frame.extend_from_slice(now);
            samples = later;
            if self.frame.len() == self.frame_samples {
                self.cut();
            }
        }
    }

    /// Takes note that `samples` samples were lost on their way here.
    pub fn lose(&mut self, samples: u64) {
        if samples > 0 {
            self.cut();
            self.start += samples;
            self.gap += samples;
        }
    }

    /// Makes a frame without samples of what was lost, so that it is known before more comes.
    pub fn tell_loss(&mut self) {
        if self.gap > 0 && self.frame.is_empty() {
            self.put();
        }
    }

    /// Makes a frame of what there is, or of what was lost behind the last sample, because no more comes.
    pub fn finish(&mut self) {
        self.cut();
        self.tell_loss();
    }

    /// The next frame.
    pub fn take(&mut self) -> Option<AudioFrame> {
        let frame = self.waiting.pop_front()?;
        self.waiting_samples -= frame.samples.len();
        Some(frame)
    }

    /// Whether a frame waits.
    pub fn has_frame(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Samples that wait in frames.
    pub fn waiting(&self) -> usize {
        self.waiting_samples
    }

    /// Samples for which there was no room since this was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Sample index behind the last sample that came or was lost.
    pub fn position(&self) -> u64 {
        self.start + self.frame.len() as u64
    }

    fn cut(&mut self) {
        if !self.frame.is_empty() {
            self.put();
        }
    }

    fn put(&mut self) {
        let samples = std::mem::replace(&mut self.frame, Vec::with_capacity(self.frame_samples));
        let length = samples.len();
        let gap = std::mem::take(&mut self.gap);
        let frame = AudioFrame { start: self.start, sample_rate: SAMPLE_RATE, samples: samples.into(), gap };
        self.start += length as u64;
        self.waiting_samples += length;
        self.waiting.push_back(frame);
        while self.waiting_samples > self.room {
            let Some(oldest) = self.take() else { return };
            let lost = oldest.samples.len() as u64;
            self.dropped += lost;
            match self.waiting.front_mut() {
                Some(next) => next.gap += oldest.gap + lost,
                None => self.gap += oldest.gap + lost,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(intake: &mut Intake) -> Vec<(u64, usize, u64)> {
        std::iter::from_fn(|| intake.take())
            .map(|frame| (frame.start, frame.samples.len(), frame.gap))
            .collect()
    }

    #[test]
    fn frames_have_one_length_but_before_a_loss_and_at_the_end() {
        let mut intake = Intake::new(4, 100);
        intake.push(&[0.5; 6]);
        assert_eq!(frames(&mut intake), [(0, 4, 0)]);
        intake.lose(10);
        intake.push(&[0.5; 5]);
        assert_eq!(frames(&mut intake), [(4, 2, 0), (16, 4, 10)]);
        intake.finish();
        assert_eq!(frames(&mut intake), [(20, 1, 0)]);
    }

    #[test]
    fn a_loss_can_be_told_before_more_comes() {
        let mut intake = Intake::new(4, 100);
        intake.push(&[0.5; 2]);
        intake.tell_loss();
        assert_eq!(frames(&mut intake), [], "there is none");
        intake.lose(10);
        intake.tell_loss();
        intake.tell_loss();
        assert_eq!(frames(&mut intake), [(0, 2, 0), (12, 0, 10)]);
        intake.lose(5);
        intake.push(&[0.5; 4]);
        assert_eq!(frames(&mut intake), [(17, 4, 5)]);
        intake.lose(3);
        intake.finish();
        assert!(intake.has_frame());
        assert_eq!(frames(&mut intake), [(24, 0, 3)]);
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let mut intake = Intake::new(4, 8);
        intake.push(&[0.0; 16]);
        assert_eq!((intake.waiting(), intake.take_dropped(), intake.take_dropped()), (8, 8, 0));
        assert_eq!(frames(&mut intake), [(8, 4, 8), (12, 4, 0)]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(usize),
        Lose(u64),
        Tell,
        Take(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..50_usize).prop_map(Step::Push),
            (0..30_u64).prop_map(Step::Lose),
            Just(Step::Tell),
            (0..4_usize).prop_map(Step::Take),
        ];
        prop::collection::vec(step, 0..60)
    }

    proptest! {
        /// Each sample is its own index: every sample of the clock is in a frame, at its place, or in a gap.
        #[test]
        fn all_is_sent_or_on_record(steps in steps(), frame in 1..20_usize, room in 0..60_usize) {
            let mut intake = Intake::new(frame, room);
            let mut taken = Vec::new();
            for step in steps {
                match step {
                    Step::Push(count) => {
                        let from = intake.position();
                        let samples: Vec<f32> = (from..from + count as u64).map(|index| index as f32).collect();
                        intake.push(&samples);
                    }
                    Step::Lose(count) => intake.lose(count),
                    Step::Tell => intake.tell_loss(),
                    Step::Take(count) => taken.extend((0..count).filter_map(|_| intake.take())),
                }
                prop_assert!(intake.waiting() <= room.max(frame));
            }
            intake.finish();
            taken.extend(std::iter::from_fn(|| intake.take()));
            let mut position = 0;
            for frame in taken {
                prop_assert_eq!(frame.start, position + frame.gap);
                for (index, sample) in (frame.start..).zip(frame.samples.iter()) {
                    prop_assert_eq!(*sample, index as f32);
                }
                position = frame.end();
            }
            prop_assert_eq!(position, intake.position());
        }
    }
}
