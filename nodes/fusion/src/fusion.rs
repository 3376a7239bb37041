//! One session's pass through fusion.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use undertone_messages::{
    Detail, Emotion, Sentiment, SentimentStatus, Speech, Transcript, TranscriptStatus, Watermark,
};
use undertone_stage::{Course, CourseError, Join};

use crate::branch::{Branch, Standing};
use crate::config::Config;
use crate::error::FusionError;
use crate::ledger::{Entry, Ledger, News, Segment};
use crate::opinion::{Evidence, Reader};
use crate::pool::{Pooled, pool};
use crate::{ACOUSTIC, SPEECH, TEXT_MODALITY, TRANSCRIPT, VOICE_MODALITY};

/// What fusion sends, each on the output of its name. `None` ends the output's stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A result from one input alone, while others are waited for.
    Provisional(Option<Sentiment>),
    /// The result for a segment.
    Sentiment(Option<Sentiment>),
    /// How far the session is done.
    Watermark(Option<Watermark>),
}

/// What a session waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited<'a> {
    /// The oldest segment that has ended and is not done. `None` if there is none and the session has ended: then the inputs'
    /// ends are awaited.
    pub segment: Option<u64>,
    /// The inputs that it waits for.
    pub inputs: Vec<&'a str>,
}

/// An input with estimates.
#[derive(Clone, Debug)]
struct Estimates {
    branch: Branch<Emotion>,
    /// What the input looks at, and the model, as its messages say.
    known: Option<(String, String)>,
}

/// One session's pass through fusion.
///
/// Messages of one input come in their order; inputs may come in any order relative to each other, and what goes out
/// on each output is the same. After an error the session cannot go on.
#[derive(Clone, Debug)]
pub struct Fusion {
    config: Config,
    ledger: Ledger,
    /// Segments that have ended and may get a provisional result.
    provisional: VecDeque<Segment>,
    estimates: BTreeMap<String, Estimates>,
    transcript: Option<Branch<Transcript>>,
    /// Inputs that are not waited for until they are heard again.
    silent: BTreeSet<String>,
    watermark: u64,
    done: bool,
}

impl Join for Fusion {
    type Config = Config;
    type Output = Output;
    type Error = FusionError;

    fn begin(config: &Config) -> Self {
        let estimates =
            |input: &String| (input.clone(), Estimates { branch: Branch::new(input), known: None });
        Self {
            ledger: Ledger::default(),
            provisional: VecDeque::new(),
            estimates: config.inputs.estimates.iter().map(estimates).collect(),
            transcript: config.inputs.transcript.then(|| Branch::new(TRANSCRIPT)),
            silent: BTreeSet::new(),
            watermark: 0,
            done: false,
            config: config.clone(),
        }
    }

    fn end(&mut self, input: &str, output: &mut Vec<Output>) -> Result<(), FusionError> {
        if input == SPEECH {
            self.ledger.end()?;
        } else {
            self.course(input)?.end()?;
        }
        self.advance(output)
    }

    /// Without the ledger there is no way to go on: its loss is an error.
    fn lose(&mut self, input: &str, output: &mut Vec<Output>) -> Result<(), FusionError> {
        if input == SPEECH {
            return if self.ledger.has_ended() { Ok(()) } else { Err(FusionError::LedgerLost) };
        }
        self.course(input)?.lose();
        self.advance(output)
    }

    fn has_ended(&self, input: &str) -> bool {
        match input {
            SPEECH => self.ledger.has_ended(),
            TRANSCRIPT => self.transcript.as_ref().is_some_and(|branch| branch.course.is_over()),
            _ => self.estimates.get(input).is_some_and(|estimates| estimates.branch.course.is_over()),
        }
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

impl Fusion {
    /// Changes the arguments from the next result on. The configuration must be for the same inputs.
    pub fn adjust(&mut self, config: Config) {
        debug_assert_eq!(self.config.inputs, config.inputs);
        if config.provisional != self.config.provisional {
            self.provisional.clear();
        }
        self.config = config;
    }

    /// Takes a message of the ledger and appends what can be sent now to `output`.
    ///
    /// # Errors
    ///
    /// The ledger contradicts itself or another input, or as [`Fusion::emotion`].
    pub fn speech(&mut self, speech: &Speech, output: &mut Vec<Output>) -> Result<(), FusionError> {
        match self.ledger.push(speech)? {
            News::None => {}
            News::Ended(segment) if self.config.provisional.is_some() => self.provisional.push_back(segment),
            News::Ended(_) => {}
            News::Cancelled(segment) => self.cancel(segment)?,
        }
        self.advance(output)
    }

    /// Takes an estimate that arrived on `input` and appends what can be sent now to `output`.
    ///
    /// # Errors
    ///
    /// The message breaks the order of its stream, its probabilities are none, or the inputs' labels differ.
    pub fn emotion(
        &mut self,
        input: &str,
        emotion: Emotion,
        output: &mut Vec<Output>,
    ) -> Result<(), FusionError> {
        self.silent.remove(input);
        let past = self.ledger.is_past(emotion.segment);
        let Some(estimates) = self.estimates.get_mut(input) else {
            return Err(self.config.inputs.unknown(input));
        };
        let now = (emotion.modality.clone(), emotion.model.clone());
        match estimates.known.replace(now) {
            Some((before, _)) if before != emotion.modality => {
                return Err(FusionError::Modality { input: input.to_owned(), before, now: emotion.modality });
            }
            _ => estimates.branch.accept(emotion, past)?,
        }
        self.advance(output)
    }

    /// Takes a transcript and appends what can be sent now to `output`.
    ///
    /// # Errors
    ///
    /// The message breaks the order of its stream, or as [`Fusion::emotion`].
    pub fn transcript(
        &mut self,
        transcript: Transcript,
        output: &mut Vec<Output>,
    ) -> Result<(), FusionError> {
        self.silent.remove(TRANSCRIPT);
        let past = self.ledger.is_past(transcript.segment);
        let Some(branch) = &mut self.transcript else {
            return Err(self.config.inputs.unknown(TRANSCRIPT));
        };
        branch.accept(transcript, past)?;
        self.advance(output)
    }

    /// What the session waits for, if it waits for other inputs than the ledger.
    pub fn awaited(&self) -> Option<Awaited<'_>> {
        match self.ledger.front() {
            Some(Entry::Segment(Segment { number, .. })) => {
                let inputs = self.lacking(number).filter(|input| !self.silent.contains(*input)).collect();
                Some(Awaited { segment: Some(number), inputs })
            }
            None if self.ledger.has_ended() && !self.done => {
                Some(Awaited { segment: None, inputs: self.open().collect() })
            }
            _ => None,
        }
    }

    /// The inputs beside the ledger whose streams have not ended.
    fn open(&self) -> impl Iterator<Item = &str> {
        let estimates = self.estimates.iter().map(|(input, known)| (input.as_str(), &known.branch.course));
        let transcript = self.transcript.iter().map(|branch| (TRANSCRIPT, &branch.course));
        estimates.chain(transcript).filter(|(_, course)| !course.is_over()).map(|(input, _)| input)
    }

    /// The inputs that have not closed a segment, and may still do so.
    fn lacking(&self, segment: u64) -> impl Iterator<Item = &str> {
        let waiting = |(_, standing): &(_, Result<_, _>)| *standing == Ok(Standing::Waiting);
        self.standings(segment).filter(waiting).map(|(input, _)| input)
    }

    /// How each input stands to a segment.
    fn standings(&self, segment: u64) -> impl Iterator<Item = (&str, Result<Standing, CourseError>)> {
        let estimates =
            self.estimates.iter().map(move |(input, known)| (input.as_str(), known.branch.standing(segment)));
        let transcript = self.transcript.iter().map(move |branch| (TRANSCRIPT, branch.standing(segment)));
        estimates.chain(transcript)
    }

    /// Goes on without an input until it is heard again, and appends what can be sent now to `output`. What it then says of
    /// segments that are done is passed over.
    ///
    /// # Errors
    ///
    /// As [`Fusion::emotion`].
    pub fn give_up(&mut self, input: &str, output: &mut Vec<Output>) -> Result<(), FusionError> {
        self.silent.insert(input.to_owned());
        self.advance(output)
    }

    /// The course of an input that is not the ledger.
    fn course(&mut self, input: &str) -> Result<&mut Course, FusionError> {
        let course = match input {
            TRANSCRIPT => self.transcript.as_mut().map(|branch| &mut branch.course),
            _ => self.estimates.get_mut(input).map(|estimates| &mut estimates.branch.course),
        };
        course.ok_or_else(|| self.config.inputs.unknown(input))
    }

    fn cancel(&mut self, segment: u64) -> Result<(), FusionError> {
        for estimates in self.estimates.values_mut() {
            estimates.branch.cancel(segment)?;
        }
        self.transcript.as_mut().map_or(Ok(()), |branch| branch.cancel(segment))
    }

    /// Sends what can be sent.
    fn advance(&mut self, output: &mut Vec<Output>) -> Result<(), FusionError> {
        self.advance_provisional(output)?;
        while let Some(entry) = self.ledger.front() {
            match entry {
                Entry::Silence(position) => self.mark(position, output),
                Entry::Segment(segment) if self.is_complete(segment.number)? => {
                    output.push(Output::Sentiment(Some(self.result(segment)?)));
                    self.forget(segment.number);
                    self.mark(segment.end, output);
                }
                Entry::Segment(_) => break,
            }
            self.ledger.done();
        }
        if self.ledger.has_ended() {
            self.finish(output)?;
        }
        Ok(())
    }

    /// Sends the provisional results that can be sent, in the order of the segments. Whether one is sent depends on its
    /// own input alone: its estimate must be there, and neither a refusal to estimate nor its death is news.
    fn advance_provisional(&mut self, output: &mut Vec<Output>) -> Result<(), FusionError> {
        while let (Some(&segment), Some(input)) = (self.provisional.front(), &self.config.provisional) {
            let Some(estimates) = self.estimates.get(input) else { break };
            if estimates.branch.standing(segment.number)? == Standing::Waiting {
                break;
            }
            let evidence = self.evidence(input, estimates, segment)?;
            let pooled = pool(segment.number, vec![evidence], &self.config)?;
            if !pooled.labels.is_empty() {
                let result = sentiment(segment, SentimentStatus::Provisional, pooled, String::new());
                output.push(Output::Provisional(Some(result)));
            }
            self.provisional.pop_front();
        }
        Ok(())
    }

    /// Whether nothing more will come of a segment.
    fn is_complete(&self, segment: u64) -> Result<bool, FusionError> {
        // All are asked, so that an input that leaves out a segment is found out whatever the others do.
        let mut complete = true;
        for (input, standing) in self.standings(segment) {
            complete &= standing? != Standing::Waiting || self.silent.contains(input);
        }
        Ok(complete)
    }

    /// The result for a segment that is complete.
    fn result(&self, segment: Segment) -> Result<Sentiment, FusionError> {
        let transcript = self
            .transcript
            .as_ref()
            .and_then(|branch| branch.reports(segment.number).last())
            .filter(|transcript| transcript.status != TranscriptStatus::Partial);
        let rejected = transcript.filter(|transcript| transcript.status == TranscriptStatus::Rejected);
        let mut evidence = Vec::new();
        for (input, estimates) in &self.estimates {
            let mut piece = self.evidence(input, estimates, segment)?;
            if let (Some(rejected), TEXT_MODALITY, true) = (rejected, &*piece.modality, piece.opinion.is_ok())
            {
                piece.opinion = Err(format!("the transcript was rejected: {}", rejected.reason));
            }
            evidence.push(piece);
        }
        let text = transcript.filter(|_| rejected.is_none()).map(|transcript| transcript.text.clone());
        let lacking = self.lacking(segment.number).collect::<Vec<_>>().join(" and ");
        let degraded = [
            transcript.map(|transcript| transcript.degraded.clone()).unwrap_or_default(),
            if lacking.is_empty() {
                String::new()
            } else {
                format!("without {lacking}, silent for too long")
            },
        ];
        let degraded = degraded.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
        let pooled = pool(segment.number, evidence, &self.config)?;
        let result = sentiment(segment, SentimentStatus::Final, pooled, text.unwrap_or_default());
        Ok(Sentiment { degraded, ..result })
    }

    /// What an input holds of a segment that it has closed, or did not live to close.
    fn evidence(
        &self,
        input: &str,
        estimates: &Estimates,
        segment: Segment,
    ) -> Result<Evidence, FusionError> {
        let reports = estimates.branch.reports(segment.number);
        let standing = estimates.branch.standing(segment.number)?;
        if let (Standing::Closed, Some(closing)) = (standing, reports.last()) {
            let mapping = self.config.mappings.get(input);
            return Reader { input, pooling: self.config.pooling, mapping }.evidence(reports, closing);
        }
        let reason = if standing == Standing::Waiting { "was silent for too long" } else { "ended early" };
        // An input that died before it said what it looks at is taken by its name.
        let by_name = || (if input == ACOUSTIC { VOICE_MODALITY } else { input }.to_owned(), String::new());
        let (modality, model) = estimates.known.clone().unwrap_or_else(by_name);
        Ok(Evidence {
            input: input.to_owned(),
            modality,
            model,
            end: segment.start,
            opinion: Err(format!("input `{input}` {reason}")),
            detail: Detail::default(),
        })
    }

    fn forget(&mut self, segment: u64) {
        // A result without the input that provisional ones are from leaves nothing to expect of it.
        self.provisional.retain(|waiting| waiting.number != segment);
        for estimates in self.estimates.values_mut() {
            estimates.branch.forget(segment);
        }
        if let Some(branch) = &mut self.transcript {
            branch.forget(segment);
        }
    }

    /// Sends the watermark, if it has moved.
    fn mark(&mut self, position: u64, output: &mut Vec<Output>) {
        if position > self.watermark {
            self.watermark = position;
            output.push(Output::Watermark(Some(Watermark { position })));
        }
    }

    /// Ends the outputs' streams, if everything is done.
    fn finish(&mut self, output: &mut Vec<Output>) -> Result<(), FusionError> {
        let segments = self.ledger.segments();
        for estimates in self.estimates.values() {
            estimates.branch.check(&segments)?;
        }
        if let Some(branch) = &self.transcript {
            branch.check(&segments)?;
        }
        let over = self.ledger.front().is_none() && self.open().next().is_none();
        if over && !self.done {
            self.done = true;
            output.extend([Output::Provisional(None), Output::Sentiment(None), Output::Watermark(None)]);
        }
        Ok(())
    }
}

fn sentiment(segment: Segment, status: SentimentStatus, pooled: Pooled, text: String) -> Sentiment {
    Sentiment {
        segment: segment.number,
        start: segment.start,
        end: segment.end,
        status,
        profile: pooled.profile,
        labels: pooled.labels,
        probabilities: pooled.probabilities,
        weighting: pooled.weighting,
        model: pooled.model,
        contributions: pooled.contributions,
        bias: pooled.bias,
        temperature: pooled.temperature,
        score: pooled.score,
        confidence: pooled.confidence,
        abstained: pooled.abstained,
        anomaly: pooled.anomaly,
        text,
        degraded: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use undertone_messages::{Phase, ScalarBuffer, Scope};

    use super::*;
    use crate::arguments::Arguments;
    use crate::config::Inputs;

    #[test]
    fn a_session_keeps_nothing_of_what_is_done() {
        let inputs = Inputs::new(["speech", "acoustic", "text"]).unwrap();
        let config =
            Config::new(&Arguments::parse_from(["fusion", "--pooling", "mean"]), inputs, None).unwrap();
        let mut fusion = Fusion::begin(&config);
        let mut output = Vec::new();
        for segment in 0..100 {
            let cancelled = segment % 3 == 0;
            let phases = [Phase::Open, if cancelled { Phase::Cancelled } else { Phase::Final }];
            for (input, modality) in [("acoustic", "voice"), ("text", "text")] {
                for scope in [Scope::Window, Scope::Segment] {
                    let estimate = Emotion {
                        segment,
                        start: segment,
                        end: segment + 1,
                        modality: modality.to_owned(),
                        scope,
                        labels: vec!["negative".to_owned(), "positive".to_owned()],
                        probabilities: vec![0.5, 0.5],
                        model: "model@0123456789ab".to_owned(),
                        reason: String::new(),
                        detail: Detail::default(),
                    };
                    if scope == Scope::Window || !cancelled {
                        fusion.emotion(input, estimate, &mut output).unwrap();
                    }
                }
            }
            for phase in phases {
                let samples = ScalarBuffer::from(Vec::new());
                let speech =
                    Speech { segment, start: segment, end: segment + 1, phase, samples, probability: 1.0 };
                fusion.speech(&speech, &mut output).unwrap();
            }
        }
        let kept = |segment| fusion.estimates.values().any(|input| !input.branch.reports(segment).is_empty());
        assert!(!(0..100).any(kept));
        assert_eq!((fusion.ledger.front(), fusion.provisional.len()), (None, 0));
    }
}
