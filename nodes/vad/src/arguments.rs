//! What the graph says of this node.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use undertone_messages::SAMPLE_RATE;

use crate::endpointer::EndpointRules;
use crate::webrtc::WebrtcMode;

/// The choice of a detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DetectorKind {
    /// Silero VAD, a small recurrent network: the most accurate, in noise above all. Frames of 32 ms.
    Silero,
    /// Energy against an adaptive noise floor: for quiet rooms, without a model. Frames of 20 ms.
    Energy,
    /// The Gaussian mixtures of WebRTC: without a model. Says yes or no, so that thresholds do not matter. Frames of
    /// 30 ms.
    Webrtc,
}

/// Finds where somebody speaks, and cuts it into segments.
///
/// Takes audio at 16 kHz. A segment opens with the first frame that sounds like speech, and reaches back by the
/// pre-roll. It ends when nobody has spoken for the hangover; one with too little speech in it is cancelled.
/// Thresholds and durations can be changed while the graph runs, the detector and its model cannot. Durations count in
/// whole frames of the detector, rounded up.
#[derive(Clone, Debug, PartialEq, clap::Parser)]
#[command(name = "vad", version, about)]
pub struct Arguments {
    /// What tells speech from other sound
    #[arg(long, value_enum, default_value_t = DetectorKind::Silero)]
    pub detector: DetectorKind,

    /// Silence becomes speech at this probability: above 0, at most 1
    #[arg(long, value_name = "PROBABILITY", default_value_t = 0.5)]
    pub threshold: f32,

    /// Speech becomes silence below this probability: above 0, at most the threshold [default: the threshold less
    /// 0.15, but at least 0.01]
    #[arg(long, value_name = "PROBABILITY")]
    pub negative_threshold: Option<f32>,

    /// A segment with less speech than this is cancelled; pauses do not count
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 250)]
    pub minimum_speech_ms: u32,

    /// A segment ends after this much silence
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 500)]
    pub hangover_ms: u32,

    /// A segment's end is announced as tentative after this much silence, for those who want to begin early; at most
    /// the hangover, and not announced if it is the hangover
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 200)]
    pub tentative_ms: u32,

    /// How much before the first frame of speech belongs to the segment, unless the previous segment has it
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 300)]
    pub pre_roll_ms: u32,

    /// How much behind the last frame of speech belongs to the segment; at most the time to a tentative end
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 100)]
    pub post_roll_ms: u32,

    /// A segment that would grow longer than this is cut at the quietest point of its last 5 seconds, and what is left
    /// opens the next segment
    #[arg(long, value_name = "SECONDS", default_value_t = 28.0)]
    pub longest_seconds: f64,

    /// While somebody speaks, samples are sent on in pieces of this length
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 128)]
    pub chunk_ms: u32,

    /// Energy over the noise floor at which speech is as likely as not; only with `--detector energy` [default: 10]
    #[arg(long, value_name = "DECIBELS")]
    pub margin_db: Option<f32>,

    /// How strict the WebRTC detector is; only with `--detector webrtc` [default: very-aggressive]
    #[arg(long, value_enum, value_name = "MODE")]
    pub webrtc_mode: Option<WebrtcMode>,

    /// Folder of the Silero model, or its name under models/ or models/prepared/; only with `--detector silero`
    /// [default: silero-vad]
    #[arg(long, value_name = "FOLDER")]
    pub model: Option<PathBuf>,

    /// After each stretch of this much silence, Silero forgets what it heard but for the last second, since what it
    /// remembers of long silence makes it miss speech; 0 is never. Only with `--detector silero` [default: 2000]
    #[arg(long, value_name = "MILLISECONDS")]
    pub reset_ms: Option<u32>,

    /// ONNX Runtime's library; only with `--detector silero` [default: models/prepared/onnxruntime/libonnxruntime.so]
    #[arg(long, value_name = "FILE")]
    pub onnxruntime: Option<PathBuf>,

    /// Threads for the Silero model; only with `--detector silero` [default: 1]
    #[arg(long, value_name = "COUNT")]
    pub threads: Option<NonZeroUsize>,
}

/// Arguments that are not possible, or not possible together.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArgumentsError {
    /// A threshold is no probability.
    #[error("--{name} {value} is not a probability above 0 and at most 1")]
    NotAProbability {
        /// The argument.
        name: &'static str,
        /// Its value.
        value: f32,
    },
    /// Speech would be silence at once.
    #[error(
        "--negative-threshold {negative} is above --threshold {threshold}: speech would begin and end on the same frame; give at most {threshold}"
    )]
    NegativeThreshold {
        /// The negative threshold.
        negative: f32,
        /// The threshold.
        threshold: f32,
    },
    /// A duration is longer than one that it must fit into.
    #[error(
        "--{name} {value} is more than --{limit_name} {limit}: {reason}; lower the first or raise the second"
    )]
    TooLong {
        /// The argument.
        name: &'static str,
        /// Its value in milliseconds.
        value: u32,
        /// The argument that it must not exceed.
        limit_name: &'static str,
        /// Its value in milliseconds.
        limit: u32,
        /// Why it must not.
        reason: &'static str,
    },
    /// There is no room for a segment.
    #[error(
        "--longest-seconds {longest} is too short: with this pre-roll, minimum speech and hangover, which must fit twice, give at least {least}"
    )]
    NoRoom {
        /// The longest segment in seconds.
        longest: f64,
        /// The least that is possible in seconds.
        least: f64,
    },
    /// Nothing would ever be sent, or pieces without samples.
    #[error(
        "--chunk-ms 0 is not possible: give at least 1; pieces count in whole frames of the detector anyway"
    )]
    EmptyChunk,
    /// A margin that is no number.
    #[error("--margin-db {0} is not a number of decibels from 0 to 60")]
    Margin(f32),
    /// An argument that the detector does not have.
    #[error("--{name} is only for --detector {owner}, and the detector is {detector}: take it out")]
    OtherDetector {
        /// The argument.
        name: &'static str,
        /// The detector that has it.
        owner: &'static str,
        /// The detector that was chosen.
        detector: &'static str,
    },
}

impl DetectorKind {
    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silero => "silero",
            Self::Energy => "energy",
            Self::Webrtc => "webrtc",
        }
    }
}

impl Arguments {
    /// The energy detector's margin in dB.
    pub fn margin(&self) -> f32 {
        self.margin_db.unwrap_or(10.0)
    }

    /// The WebRTC detector's mode.
    pub fn mode(&self) -> WebrtcMode {
        self.webrtc_mode.unwrap_or(WebrtcMode::VeryAggressive)
    }

    /// After how many samples of silence the detector forgets what is not recent; nothing if never.
    pub fn reset(&self) -> Option<u64> {
        match self.detector {
            DetectorKind::Silero => {
                Some(samples(self.reset_ms.unwrap_or(2_000))).filter(|silence| *silence > 0)
            }
            DetectorKind::Energy | DetectorKind::Webrtc => None,
        }
    }

    /// The endpointing rules, for a detector with frames of `frame` samples.
    ///
    /// # Errors
    ///
    /// Values that are not possible, or that contradict each other.
    pub fn rules(&self, frame: usize) -> Result<EndpointRules, ArgumentsError> {
        let (threshold, negative_threshold) = self.thresholds()?;
        self.check_durations()?;
        self.check_detector()?;
        let rules = EndpointRules {
            threshold,
            negative_threshold,
            minimum_speech: samples(self.minimum_speech_ms),
            hangover: samples(self.hangover_ms),
            tentative: samples(self.tentative_ms),
            pre_roll: samples(self.pre_roll_ms),
            post_roll: samples(self.post_roll_ms),
            // Not a number becomes 0, which is too short.
            longest: (self.longest_seconds * f64::from(SAMPLE_RATE)).round() as u64,
            chunk: samples(self.chunk_ms),
        };
        let least = rules.shortest_longest(frame as u64);
        if rules.longest < least {
            let least = least as f64 / f64::from(SAMPLE_RATE);
            return Err(ArgumentsError::NoRoom { longest: self.longest_seconds, least });
        }
        Ok(rules)
    }

    fn thresholds(&self) -> Result<(f32, f32), ArgumentsError> {
        let threshold = probability("threshold", self.threshold)?;
        match self.negative_threshold {
            None => Ok((threshold, (threshold - 0.15).max(0.01).min(threshold))),
            Some(negative) => {
                let negative = probability("negative-threshold", negative)?;
                if negative > threshold {
                    return Err(ArgumentsError::NegativeThreshold { negative, threshold });
                }
                Ok((threshold, negative))
            }
        }
    }

    fn check_durations(&self) -> Result<(), ArgumentsError> {
        if self.chunk_ms == 0 {
            return Err(ArgumentsError::EmptyChunk);
        }
        if self.tentative_ms > self.hangover_ms {
            return Err(ArgumentsError::TooLong {
                name: "tentative-ms",
                value: self.tentative_ms,
                limit_name: "hangover-ms",
                limit: self.hangover_ms,
                reason: "the segment would have ended before",
            });
        }
        if self.post_roll_ms > self.tentative_ms {
            return Err(ArgumentsError::TooLong {
                name: "post-roll-ms",
                value: self.post_roll_ms,
                limit_name: "tentative-ms",
                limit: self.tentative_ms,
                reason: "a tentative end is announced with all its samples, the post-roll included",
            });
        }
        Ok(())
    }

    fn check_detector(&self) -> Result<(), ArgumentsError> {
        if let Some(margin) = self.margin_db.filter(|margin| !(0.0..=60.0).contains(margin)) {
            return Err(ArgumentsError::Margin(margin));
        }
        let owned = [
            ("margin-db", self.margin_db.is_some(), DetectorKind::Energy),
            ("webrtc-mode", self.webrtc_mode.is_some(), DetectorKind::Webrtc),
            ("model", self.model.is_some(), DetectorKind::Silero),
            ("reset-ms", self.reset_ms.is_some(), DetectorKind::Silero),
            ("onnxruntime", self.onnxruntime.is_some(), DetectorKind::Silero),
            ("threads", self.threads.is_some(), DetectorKind::Silero),
        ];
        match owned.into_iter().find(|(_, given, owner)| *given && *owner != self.detector) {
            None => Ok(()),
            Some((name, _, owner)) => Err(ArgumentsError::OtherDetector {
                name,
                owner: owner.name(),
                detector: self.detector.name(),
            }),
        }
    }
}

fn probability(name: &'static str, value: f32) -> Result<f32, ArgumentsError> {
    // Not a number fails both comparisons.
    if value > 0.0 && value <= 1.0 { Ok(value) } else { Err(ArgumentsError::NotAProbability { name, value }) }
}

fn samples(milliseconds: u32) -> u64 {
    u64::from(milliseconds) * u64::from(SAMPLE_RATE / 1000)
}
