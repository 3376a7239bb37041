//! The stage: speech in, features out.

use undertone_messages::{Features, Phase, ScalarBuffer, SessionId, Speech};
use undertone_stage::{Factory, Stage};

use crate::{Arguments, Config, ConfigError, Extractor};

/// What can be wrong with the arguments or the speech.
#[derive(Debug, thiserror::Error)]
pub enum MfccError {
    /// Parameters that contradict each other.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A message that does not follow the one before.
    #[error(
        "segment {segment}: `{phase}` with samples {start}..{end} arrived, but {expected}: two outputs may be wired to this input"
    )]
    Order {
        /// The segment of the message.
        segment: u64,
        /// The phase of the message.
        phase: Phase,
        /// Sample index of the message's first new sample.
        start: u64,
        /// Sample index behind the message's last new sample.
        end: u64,
        /// What should have come.
        expected: String,
    },
    /// The session ended before the segment.
    #[error("the session ended inside segment {segment}, which is neither final nor cancelled")]
    Unfinished {
        /// The segment that is open.
        segment: u64,
    },
    /// A change that cannot be made in a session in progress.
    #[error("the parameters of the features cannot change within a session: the next one has them")]
    Fixed,
}

/// The segment that is open.
#[derive(Clone, Copy, Debug)]
struct Open {
    segment: u64,
    /// Sample index behind the samples that have arrived.
    end: u64,
}

/// The features of one session. Every segment begins with a fresh extractor.
pub struct Mfcc {
    config: Config,
    kind: String,
    extractor: Extractor,
    open: Option<Open>,
    rows: Vec<f32>,
}

impl Mfcc {
    /// A session whose features follow `config`.
    ///
    /// # Errors
    ///
    /// Parameters that contradict each other.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let extractor = Extractor::new(config)?;
        Ok(Self { config: config.clone(), kind: config.kind(), extractor, open: None, rows: Vec::new() })
    }

    /// Checks that a message continues the open segment, or opens the next one, without a hole in its samples.
    fn check(&self, input: &Speech) -> Result<(), MfccError> {
        let first = input.end.saturating_sub(input.samples.len() as u64);
        let expected = match (self.open, input.phase) {
            (None, Phase::Open) if first == input.start => return Ok(()),
            (None, _) => "no segment is open".to_owned(),
            (Some(open), phase) => {
                let follows = open.segment == input.segment && phase != Phase::Open;
                if follows && (input.samples.is_empty() || first == open.end) {
                    return Ok(());
                }
                format!("segment {} is open up to sample {}", open.segment, open.end)
            }
        };
        let Speech { segment, phase, end, .. } = *input;
        Err(MfccError::Order { segment, phase, start: first, end, expected })
    }
}

impl Stage for Mfcc {
    type Input = Speech;
    type Output = Features;
    type Error = MfccError;

    fn push(&mut self, input: Speech, output: &mut Vec<Features>) -> Result<(), MfccError> {
        if input.phase == Phase::Silence {
            return Ok(());
        }
        self.check(&input)?;
        if input.phase == Phase::Open {
            self.extractor.reset();
        }
        if !input.samples.is_empty() {
            self.extractor.push(&input.samples, &mut self.rows);
            self.open = Some(Open { segment: input.segment, end: input.end });
        }
        match input.phase {
            Phase::Final => self.extractor.finish(&mut self.rows),
            Phase::Cancelled => self.rows.clear(),
            _ => {}
        }
        if matches!(input.phase, Phase::Final | Phase::Cancelled) {
            self.open = None;
        }
        // Parameters are checked to be far below 2^32.
        let as_u32 = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        output.push(Features {
            segment: input.segment,
            start: input.start,
            end: input.end,
            phase: input.phase,
            kind: self.kind.clone(),
            hop: as_u32(self.extractor.hop()),
            width: as_u32(self.extractor.width()),
            values: ScalarBuffer::from(std::mem::take(&mut self.rows)),
        });
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<Features>) -> Result<(), MfccError> {
        match self.open {
            None => Ok(()),
            Some(open) => Err(MfccError::Unfinished { segment: open.segment }),
        }
    }
}

/// What the sessions share: nothing.
pub struct MfccFactory;

impl Factory for MfccFactory {
    type Arguments = Arguments;
    type Stage = Mfcc;

    fn load(arguments: &Arguments) -> Result<Self, MfccError> {
        let mfcc = Mfcc::new(&arguments.config()?)?;
        let empty = mfcc.extractor.empty_mel_filters();
        if empty > 0 {
            tracing::warn!(
                "{empty} of the mel filters hold no bin of the spectrum and always give the logarithm's floor: lower --mels, or make the transform longer (--frame-ms, --fft)"
            );
        }
        Ok(Self)
    }

    fn create(&mut self, arguments: &Arguments, _: &SessionId) -> Result<Mfcc, MfccError> {
        Ok(Mfcc::new(&arguments.config()?)?)
    }

    fn adjust(&mut self, arguments: &Arguments, stage: &mut Mfcc) -> Result<(), MfccError> {
        if arguments.config()? == stage.config { Ok(()) } else { Err(MfccError::Fixed) }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn parameters_change_with_the_next_session() {
        let before = Arguments::parse_from(["mfcc"]);
        let mut factory = MfccFactory::load(&before).unwrap();
        let mut stage = factory.create(&before, &"session".into()).unwrap();
        let changed = Arguments::parse_from(["mfcc", "--coefficients", "20"]);
        factory.create(&changed, &"next".into()).unwrap();
        let error = factory.adjust(&changed, &mut stage).unwrap_err().to_string();
        assert!(error.contains("the next one"), "{error}");
        factory.adjust(&before, &mut stage).unwrap();
    }

    fn speech(segment: u64, start: u64, end: u64, phase: Phase, samples: &[f32]) -> Speech {
        Speech { segment, start, end, phase, samples: samples.to_vec().into(), probability: 1.0 }
    }

    fn tone(length: usize) -> Vec<f32> {
        (0..length).map(|index| (index as f32 * 0.07).sin() * 0.3).collect()
    }

    /// The features of a tone that begins at sample 1000 and arrives in pieces of `piece` samples.
    fn features(piece: usize) -> Vec<Features> {
        let mut stage = Mfcc::new(&Config::default()).unwrap();
        let (samples, mut output, mut end) = (tone(8_000), Vec::new(), 1_000);
        for (index, part) in samples.chunks(piece).enumerate() {
            end += part.len() as u64;
            let phase = if index == 0 { Phase::Open } else { Phase::More };
            stage.push(speech(0, 1_000, end, phase, part), &mut output).unwrap();
        }
        stage.push(speech(0, 1_000, 7_000, Phase::Final, &[]), &mut output).unwrap();
        stage.finish(&mut output).unwrap();
        output
    }

    fn values(output: &[Features]) -> Vec<f32> {
        output.iter().flat_map(|features| features.values.iter().copied()).collect()
    }

    #[test]
    fn features_follow_the_segment_and_not_its_pieces() {
        let whole = features(8_000);
        assert_eq!(values(&whole).len(), 40 * (1 + (8_000 - 400) / 160));
        for piece in [160, 512, 2_048] {
            assert_eq!(values(&features(piece)), values(&whole), "pieces of {piece}");
        }
        assert_eq!((whole[1].phase, whole[1].start, whole[1].end), (Phase::Final, 1_000, 7_000));
        assert_eq!((whole[0].kind.as_str(), whole[0].hop, whole[0].width), ("mfcc kaldi", 160, 40));
    }

    #[test]
    fn a_segment_does_not_hear_the_one_before() {
        let mut stage = Mfcc::new(&Config::default()).unwrap();
        let mut output = Vec::new();
        let noise: Vec<f32> = tone(3_000).iter().map(|sample| sample.powi(3)).collect();
        stage.push(speech(0, 0, 3_000, Phase::Open, &noise), &mut output).unwrap();
        stage.push(speech(0, 0, 3_000, Phase::Cancelled, &[]), &mut output).unwrap();
        stage.push(speech(1, 4_000, 4_000, Phase::Silence, &[]), &mut output).unwrap();
        assert_eq!(output.len(), 2);
        assert!(output[1].values.is_empty());
        output.clear();
        stage.push(speech(1, 5_000, 13_000, Phase::Open, &tone(8_000)), &mut output).unwrap();
        assert_eq!(values(&output), values(&features(8_000)));
    }

    #[test]
    fn holes_and_strangers_are_refused() {
        let mut stage = Mfcc::new(&Config::default()).unwrap();
        let mut output = Vec::new();
        let more = stage.push(speech(0, 0, 100, Phase::More, &[0.0; 100]), &mut output).unwrap_err();
        assert!(more.to_string().contains("no segment is open"), "{more}");
        stage.push(speech(0, 0, 100, Phase::Open, &[0.0; 100]), &mut output).unwrap();
        let hole = stage.push(speech(0, 0, 300, Phase::More, &[0.0; 100]), &mut output).unwrap_err();
        assert!(hole.to_string().contains("samples 200..300"), "{hole}");
        assert!(matches!(stage.finish(&mut output), Err(MfccError::Unfinished { segment: 0 })));
    }
}
