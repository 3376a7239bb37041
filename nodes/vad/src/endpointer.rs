//! From probabilities to segments: where speech begins, pauses, and ends.
//!
//! A Schmitt trigger says of each frame whether it is speech: from silence the probability must reach the threshold,
//! and speech lasts until it falls below the negative threshold. The segment opens with the first frame of speech and
//! ends when the hangover has passed without any.
//!
//! Samples are delivered while there is speech. In a pause they are held back from the post-roll on, and come with the
//! speech that ends the pause; if none does, nobody has been given samples that are not the segment's. So the end of a
//! segment is where the delivered samples end, and a consumer never has to take samples back. There is one exception:
//! the cut of a segment that grows too long lies in the past, at the quietest point of the last seconds.

use undertone_messages::{Phase, SAMPLE_RATE, ScalarBuffer, Speech};

use crate::track::Track;

/// How often silence is announced, in samples: about once a second.
const ANNOUNCEMENT: u64 = SAMPLE_RATE as u64;

/// How far back the quietest point is looked for when a segment grows too long, in samples: 5 s, though never more
/// than half of the longest segment.
const SEARCH: u64 = 5 * SAMPLE_RATE as u64;

/// Frames on either side that count for the quietness of a frame: a pause is longer than the closure of a plosive.
const NEIGHBOURS: usize = 2;

/// When a segment begins and ends. Durations are in samples and count in whole frames, rounded up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EndpointRules {
    /// Silence becomes speech at a probability of at least this.
    pub threshold: f32,
    /// Speech becomes silence at a probability below this.
    pub negative_threshold: f32,
    /// A segment with less speech than this is cancelled. Pauses do not count.
    pub minimum_speech: u64,
    /// A segment ends after this much silence.
    pub hangover: u64,
    /// A segment's end is announced as tentative after this much silence; not at all if it is the hangover.
    pub tentative: u64,
    /// How much before the first frame of speech belongs to the segment, unless a previous segment has it.
    pub pre_roll: u64,
    /// How much behind the last frame of speech belongs to the segment; at most `tentative`.
    pub post_roll: u64,
    /// A segment never grows longer than this. It must leave room for twice the pre-roll, the minimum of speech and
    /// the hangover together, and for [`EndpointRules::shortest_longest`] at least.
    pub longest: u64,
    /// While speech goes on, samples are delivered as soon as there are this many.
    pub chunk: u64,
}

impl EndpointRules {
    /// The least that [`EndpointRules::longest`] may be, for frames of `frame` samples.
    ///
    /// Half of it is what a cut leaves at least on its near side, and where the cut is looked for.
    pub fn shortest_longest(&self, frame: u64) -> u64 {
        let rules = 2 * (self.pre_roll + self.minimum_speech + self.hangover);
        let search = 4 * (NEIGHBOURS as u64 + 1) * frame;
        rules.max(search)
    }
}

/// A segment that is open.
#[derive(Clone, Debug)]
struct Segment {
    number: u64,
    start: u64,
    /// Sample index behind the last sample that was delivered.
    delivered: u64,
    /// The last frame was speech.
    speaking: bool,
    /// Sample index behind the last frame of speech.
    last_speech: u64,
    /// Samples in frames of speech.
    speech: u64,
    /// There has been enough speech: the segment will not be cancelled.
    believed: bool,
    /// The end that was announced for the present pause.
    tentative: Option<u64>,
}

/// The endpointing state of one session.
#[derive(Clone, Debug)]
pub struct Endpointer {
    rules: EndpointRules,
    frame: u64,
    track: Track,
    open: Option<Segment>,
    next_segment: u64,
    /// Whatever begins later begins here or behind.
    floor: u64,
    /// When silence was last announced or a segment ended.
    announced: u64,
    /// Sample index behind the last frame of speech, or where the audio begins.
    last_speech: u64,
}

impl Endpointer {
    /// The state at sample 0 of a session, for a detector with frames of `frame` samples.
    pub fn new(rules: EndpointRules, frame: usize) -> Self {
        let frame = frame as u64;
        let track = Track::new(frame, 0);
        Self { rules, frame, track, open: None, next_segment: 0, floor: 0, announced: 0, last_speech: 0 }
    }

    /// Begins at `position` instead of sample 0. Nothing before it belongs to the session: no segment reaches back.
    /// To be called before the first frame.
    pub fn begin_at(&mut self, position: u64) {
        self.track = Track::new(self.frame, position);
        (self.floor, self.announced, self.last_speech) = (position, position, position);
    }

    /// Changes the rules from the next frame on.
    pub fn adjust(&mut self, rules: EndpointRules) {
        self.rules = rules;
    }

    /// Sample index behind the last sample.
    pub fn position(&self) -> u64 {
        self.track.end()
    }

    /// For how many samples nobody has spoken; nothing while a segment is open.
    pub fn silence(&self) -> Option<u64> {
        self.open.is_none().then(|| self.position() - self.last_speech)
    }

    /// Takes the next frame and the detector's probability that it is speech. A frame that is shorter than the others
    /// is the last before [`Endpointer::finish`].
    pub fn push(&mut self, samples: &[f32], probability: f32, output: &mut Vec<Speech>) {
        self.track.push(samples, probability);
        self.open = match self.open.take() {
            None => self.wait(samples.len() as u64, probability, output),
            Some(segment) => self
                .listen(segment, samples.len() as u64, probability, output)
                .and_then(|segment| self.limit(segment, output)),
        };
        self.forget();
    }

    /// Closes the open segment, if there is one, because the audio ends or has a gap, and announces all of the audio.
    pub fn finish(&mut self, output: &mut Vec<Speech>) {
        if let Some(segment) = self.open.take() {
            self.close(segment, output);
        }
        self.announce(self.position(), output);
    }

    /// Goes on `samples` later, after [`Endpointer::finish`]: so many were lost.
    pub fn skip(&mut self, samples: u64, output: &mut Vec<Speech>) {
        self.track = Track::new(self.frame, self.position() + samples);
        self.last_speech = self.position();
        self.announce(self.position(), output);
    }

    /// No segment is open.
    fn wait(&mut self, length: u64, probability: f32, output: &mut Vec<Speech>) -> Option<Segment> {
        let now = self.position();
        if probability >= self.rules.threshold {
            let begin = (now - length).saturating_sub(self.rules.pre_roll);
            let start = begin.max(self.floor).max(self.track.first_sample());
            let segment = Segment {
                number: self.next_segment,
                start,
                delivered: start,
                speaking: true,
                last_speech: now,
                speech: length,
                believed: length >= self.rules.minimum_speech,
                tentative: None,
            };
            return Some(self.open(segment, output));
        }
        if now - self.announced >= ANNOUNCEMENT {
            self.announce(now.saturating_sub(self.rules.pre_roll), output);
        }
        None
    }

    /// A segment is open. Gives it back unless it ends.
    fn listen(
        &mut self,
        mut segment: Segment,
        length: u64,
        probability: f32,
        output: &mut Vec<Speech>,
    ) -> Option<Segment> {
        let now = self.position();
        let threshold = if segment.speaking { self.rules.negative_threshold } else { self.rules.threshold };
        segment.speaking = probability >= threshold;
        if segment.speaking {
            segment.last_speech = now;
            segment.speech += length;
            segment.believed |= segment.speech >= self.rules.minimum_speech;
            let resumed = segment.tentative.take().is_some();
            self.deliver(&mut segment, if resumed { 1 } else { self.rules.chunk }, output);
            return Some(segment);
        }
        let pause = now - segment.last_speech;
        if pause >= self.rules.hangover {
            self.close(segment, output);
            return None;
        }
        self.deliver(&mut segment, self.rules.chunk, output);
        if segment.believed && segment.tentative.is_none() && pause >= self.rules.tentative {
            self.deliver(&mut segment, 1, output);
            let end = self.end(&segment);
            segment.tentative = Some(end);
            output.push(self.message(&segment, Phase::Tentative, end));
        }
        Some(segment)
    }

    /// Cuts a segment that would grow too long with the next frame. Gives back what stays open.
    fn limit(&mut self, mut segment: Segment, output: &mut Vec<Speech>) -> Option<Segment> {
        let now = self.position();
        if now - segment.start + self.frame <= self.rules.longest {
            return Some(segment);
        }
        let search = SEARCH.min(self.rules.longest / 2);
        let cut = self.quietest(now.saturating_sub(search)..now);
        // A pause that has come to be the quietest point is an end like others.
        let cut = cut.filter(|cut| *cut < segment.last_speech && segment.tentative.is_none());
        let (Some(cut), true) = (cut, segment.believed) else {
            self.close(segment, output);
            return None;
        };
        self.deliver_until(&mut segment, cut, output);
        self.end_with(&segment, Phase::Final, cut, output);
        // What is left of it is believed, however short it may turn out: it is the end of something that was.
        let rest = Segment { number: self.next_segment, start: cut, delivered: cut, ..segment };
        Some(self.open(rest, output))
    }

    /// The middle of the quietest frame of a range: the frame around which probability and loudness are lowest, the
    /// latest if there are several. Loudness is the root mean square relative to the loudest frame of the range.
    fn quietest(&self, range: std::ops::Range<u64>) -> Option<u64> {
        let frames: Vec<_> = self.track.frames(range).collect();
        let loudest = frames.iter().map(|(_, _, level)| *level).fold(f32::MIN_POSITIVE, f32::max);
        let noise = |window: &[(u64, f32, f32)]| -> f32 {
            window.iter().map(|(_, probability, level)| probability + level / loudest).sum()
        };
        frames
            .windows(2 * NEIGHBOURS + 1)
            .rev()
            .min_by(|one, other| noise(one).total_cmp(&noise(other)))
            .and_then(|window| window.get(NEIGHBOURS))
            .map(|(start, _, _)| start + self.frame / 2)
    }

    /// Where the segment ends if there is no more speech.
    fn end(&self, segment: &Segment) -> u64 {
        let end = segment.tentative.unwrap_or(segment.last_speech + self.rules.post_roll);
        end.min(self.position()).max(segment.delivered)
    }

    fn open(&mut self, mut segment: Segment, output: &mut Vec<Speech>) -> Segment {
        self.next_segment = segment.number + 1;
        let end = self.end(&segment);
        output.push(self.message_with_samples(&segment, Phase::Open, end));
        segment.delivered = end;
        segment
    }

    /// Delivers what is known to be the segment's, if there are `least` samples or more.
    fn deliver(&self, segment: &mut Segment, least: u64, output: &mut Vec<Speech>) {
        let end = self.end(segment);
        if end - segment.delivered >= least {
            self.deliver_until(segment, end, output);
        }
    }

    fn deliver_until(&self, segment: &mut Segment, end: u64, output: &mut Vec<Speech>) {
        if end > segment.delivered {
            output.push(self.message_with_samples(segment, Phase::More, end));
            segment.delivered = end;
        }
    }

    /// Ends a segment where its speech ends.
    fn close(&mut self, mut segment: Segment, output: &mut Vec<Speech>) {
        if segment.believed {
            self.deliver(&mut segment, 1, output);
            self.end_with(&segment, Phase::Final, segment.delivered, output);
        } else {
            // The next segment's pre-roll may reach into this one, since nobody will have heard it.
            let end = self.position().saturating_sub(self.rules.pre_roll).max(segment.start);
            self.end_with(&segment, Phase::Cancelled, end, output);
        }
    }

    fn end_with(&mut self, segment: &Segment, phase: Phase, end: u64, output: &mut Vec<Speech>) {
        self.last_speech = segment.last_speech;
        output.push(self.message(segment, phase, end));
        self.floor = end;
        self.announced = self.position();
    }

    /// Says that no segment will begin before `end`, if that is news.
    fn announce(&mut self, end: u64, output: &mut Vec<Speech>) {
        self.announced = self.position();
        if end > self.floor {
            output.push(Speech {
                segment: self.next_segment,
                start: end,
                end,
                phase: Phase::Silence,
                samples: ScalarBuffer::from(Vec::new()),
                probability: self.track.mean_probability(self.floor..end),
            });
            self.floor = end;
        }
    }

    fn message(&self, segment: &Segment, phase: Phase, end: u64) -> Speech {
        Speech {
            segment: segment.number,
            start: segment.start,
            end,
            phase,
            samples: ScalarBuffer::from(Vec::new()),
            probability: self.track.mean_probability(segment.start..end),
        }
    }

    fn message_with_samples(&self, segment: &Segment, phase: Phase, end: u64) -> Speech {
        let new = segment.delivered..end;
        Speech {
            samples: ScalarBuffer::from(self.track.samples(new.clone())),
            probability: self.track.mean_probability(new),
            ..self.message(segment, phase, end)
        }
    }

    /// Forgets what no message can need any more.
    fn forget(&mut self) {
        let recent = self.position().saturating_sub(self.rules.pre_roll);
        match &self.open {
            None => {
                self.track.forget_samples(recent);
                self.track.forget_probabilities(self.floor.min(recent));
            }
            Some(segment) => {
                let searched = self.position().saturating_sub(SEARCH);
                self.track.forget_samples(recent.min(searched).min(segment.delivered));
                self.track.forget_probabilities(segment.start);
            }
        }
    }
}
