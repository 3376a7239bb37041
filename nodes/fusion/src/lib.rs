//! Joins what was said with how it was said: one sentiment for each segment of speech.
//!
//! # Joining
//!
//! The input `speech` is the session's ledger: which segments there are, where they end, and where there is silence.
//! Every other input is a *branch* that closes each segment with exactly one message: `transcript` with a
//! [`Transcript`] that is final or rejected, and all others, whatever their names, with an [`Emotion`] of scope
//! `segment`. Results go out in the order of the ledger, each as soon as all branches have closed its segment.
//! Branches may run ahead of the ledger. What goes out on an output depends on what came in on each input alone, not
//! on the order in which messages of different inputs arrived.
//!
//! | output | what | when |
//! | --- | --- | --- |
//! | `provisional` | a result from one input alone, the voice's by default | that input has closed the segment, if others are waited for |
//! | `sentiment` | the result | all branches have closed the segment |
//! | `watermark` | everything before this time is done | behind each result, and at each silence |
//!
//! A branch whose stream stops without its last message is dead: it is no longer waited for, and results say so in
//! the reason of its contribution. Without the ledger there is no way to go on, so its loss is an error.
//!
//! One that is silent for its `--patience` beyond the time that it usually takes is not waited for either, until it is heard
//! again; what it then says of segments that are done is passed over. Nor does a session's end wait for it.
//!
//! # Fusing
//!
//! The result is a linear opinion pool, P = Σ wᵢ·Pᵢ (Stone, "The opinion pool", Annals of Mathematical Statistics 32,
//! 1961). The weights of text and voice are `--text-weight` and what it leaves; further inputs have the share that
//! `--weight` gives them, and text and voice divide the rest. The weights of the inputs that have no estimate of a
//! segment are divided among those that have one, in proportion. A transcript that was rejected takes the text's
//! estimate with it.
//!
//! With `--weighting entropy` each weight is first multiplied by 1 − H/ln K, where H is the entropy of the input's
//! probabilities over its K labels, so an input that is unsure gives way to one that is sure. It is the idea of
//! Misra, Bourlard and Tyagi, "New entropy based combination rules in HMM/ANN multi-stream ASR", ICASSP 2003, who
//! weight by 1/H; 1 − H/ln K does not grow without bound for an input that is certain. If every input is as unsure as
//! can be, the weights stay as they were.
//!
//! # Learning
//!
//! With `--weighting learned` the result is a logarithmic opinion pool, log P = Σ wᵢ·log Pᵢ + b + constant, with a weight
//! for each input and label: a logistic regression on the inputs' log-probabilities, fitted on sessions whose sentiment is
//! known ([`Model`]). There is a fit for each set of models that may have an estimate, so a result from the voice alone is
//! as calibrated as one from both. With the other weightings, a `--model` gives the temperature and the bias by which the
//! linear pool is calibrated (vector scaling with one scale: Guo et al., "On Calibration of Modern Neural Networks", ICML
//! 2017), fitted with the default weights.
//!
//! `--coverage` marks the least confident results as abstained: those below the confidence that the stated share of
//! held-out results had (selective classification, El-Yaniv and Wiener, JMLR 11, 2010).
//!
//! # Labels
//!
//! Labels are compared without regard to case; a result has them in lower case and in alphabetical order. `--map`
//! renames them, and adds up those that it gives one name.
//!
//! All inputs must have the same labels, because probabilities over different alternatives cannot be averaged: a model
//! that knows `negative` and `positive` alone does not say that speech is *not* neutral, it was never asked. By default
//! such a mix is an error that names models and labels. With `--missing-labels infer` a model's probabilities are taken
//! for what they are, conditional on the labels that it knows: the labels that it lacks get the probability that the
//! inputs with all labels give them (the mean by their weights), and what is left is divided as the model says. So
//! the fused probability of `neutral` is the voice's, and the text decides between `negative` and `positive`.
//!
//! # What a result says
//!
//! `score` is P(positive) − P(negative), and 0 where the labels lack either. `confidence` is the highest probability.
//! `abstained` is true if there is no estimate or the confidence is too low (`--abstain-below`, `--coverage`). `profile`
//! tells which of voice and text took part; an input of another modality does not show in it. `anomaly` is true if an
//! input's model says that what it was given is not what it knows ([`Detail::anomaly`](undertone_messages::Detail)).
//!
//! A result carries what it was computed from, so that anybody can compute it again
//! ([`Weighting`](undertone_messages::Weighting) says how): the probabilities of each input over the result's labels, their
//! `weights` label by label, `bias` and `temperature`, and the `model` of fusion by name and hash. The one `weight` of an input
//! is its share: in a linear pool what all its `weights` are, with learned weights its part of the sum of all |wᵢ|.

mod arguments;
mod branch;
mod config;
mod defect;
mod error;
mod fusion;
mod ledger;
mod model;
mod opinion;
mod pool;

pub use arguments::{Arguments, Mapping, MissingLabels, Patience, Pooling, Share, Weighting};
pub use branch::Report;
pub use config::{Config, Inputs};
pub use defect::{Defect, Defects};
pub use error::FusionError;
pub use fusion::{Awaited, Fusion, Output};
pub use model::Model;
pub use undertone_messages::{Emotion, Speech, Transcript};

/// The input that carries the ledger.
pub const SPEECH: &str = "speech";
/// The input that carries transcripts.
pub const TRANSCRIPT: &str = "transcript";
/// The input whose weight is `--text-weight`.
pub const TEXT: &str = "text";
/// The input that has what `--text-weight` leaves, and that provisional results are from.
pub const ACOUSTIC: &str = "acoustic";

/// The modality of a voice, as in [`Emotion::modality`].
pub(crate) const VOICE_MODALITY: &str = "voice";
/// The modality of a text, as in [`Emotion::modality`].
pub(crate) const TEXT_MODALITY: &str = "text";
