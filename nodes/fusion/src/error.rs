//! What can go wrong.

use std::ops::Range;

use undertone_messages::Phase;
use undertone_stage::CourseError;

/// What is wrong with the arguments, the graph or an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FusionError {
    /// The graph leaves out the ledger.
    #[error(
        "input `speech` is not wired; wire it to the output `speech` of vad, which says which segments there are"
    )]
    NoLedger,
    /// The graph leaves out all estimates.
    #[error(
        "no input with estimates is wired; wire `acoustic`, `text` or another to an output of Emotion messages"
    )]
    NoEstimates,
    /// An argument names an input that is not wired.
    #[error(
        "--{argument} names the input `{input}`, which is not wired; inputs with estimates in the graph: {wired}"
    )]
    NotWired {
        /// The argument without dashes.
        argument: &'static str,
        /// The input that it names.
        input: String,
        /// The inputs that are wired.
        wired: String,
    },
    /// An input has no weight.
    #[error("input `{input}` has no weight; add `--weight {input}=0.2`, where 0.2 is its share in a result")]
    NoWeight {
        /// The input.
        input: String,
    },
    /// `--weight` was given for an input that has its weight otherwise.
    #[error(
        "--weight is for further inputs; the weights of `text` and `acoustic` are --text-weight and the rest"
    )]
    OwnWeight,
    /// The shares leave nothing for text and voice, or are all zero.
    #[error("the shares that --weight gives sum to {sum}; {rule}")]
    Shares {
        /// The sum, as text.
        sum: String,
        /// What the sum must be.
        rule: &'static str,
    },
    /// A message on an input that is not wired.
    #[error("there is no input `{input}`; fusion was set up with: {wired}")]
    UnknownInput {
        /// The input.
        input: String,
        /// The inputs that are wired.
        wired: String,
    },
    /// The ledger contradicts itself.
    #[error(
        "input `speech`: `{phase}` of segment {segment} at sample {at} cannot follow: {state}; vad is at fault, or another output is wired to the input"
    )]
    Ledger {
        /// The phase of the message.
        phase: Phase,
        /// The segment of the message.
        segment: u64,
        /// The end of the message.
        at: u64,
        /// Where the ledger stood.
        state: String,
    },
    /// The ledger stopped before its last message.
    #[error(
        "input `speech` ended early, so it is not known which segments there are; the node that it is wired to failed"
    )]
    LedgerLost,
    /// A stream is not in order.
    #[error(transparent)]
    Course(#[from] CourseError),
    /// A closing message for a segment that was given up.
    #[error(
        "input `{input}` closes segment {segment}, which vad cancelled; a node must forget a cancelled segment"
    )]
    Cancelled {
        /// The input.
        input: String,
        /// The segment.
        segment: u64,
    },
    /// A message of a segment that never was.
    #[error(
        "input `{input}` knows a segment {segment}, but the session has {}; it is not wired to the same vad as `speech`",
        describe(segments)
    )]
    UnknownSegment {
        /// The input.
        input: String,
        /// The segment.
        segment: u64,
        /// The segments that the session has.
        segments: Range<u64>,
    },
    /// An input changed what it looks at.
    #[error("input `{input}` looked at `{before}` before and looks at `{now}` now; one modality an input")]
    Modality {
        /// The input.
        input: String,
        /// The modality before.
        before: String,
        /// The modality of the message.
        now: String,
    },
    /// Probabilities that are none.
    #[error(
        "input `{input}`, model {model}, segment {segment}: {problem}; fusion takes probabilities of labels that exclude each other, as a softmax gives them"
    )]
    Probabilities {
        /// The input.
        input: String,
        /// The model.
        model: String,
        /// The segment.
        segment: u64,
        /// What is wrong.
        problem: String,
    },
    /// `--map` names a label that the model does not have.
    #[error("--map names a label `{label}` of input `{input}`, but its model {model} has: {labels}")]
    UnknownLabel {
        /// The input.
        input: String,
        /// The model.
        model: String,
        /// The label that was named.
        label: String,
        /// The labels that there are.
        labels: String,
    },
    /// An argument needs a model, and there is none.
    #[error("--{argument} needs a model of fusion: add `--model FOLDER`")]
    NoModel {
        /// The argument.
        argument: &'static str,
    },
    /// The model of fusion was not fitted on what is pooled.
    #[error(
        "--model was fitted on estimates of whole segments and would take those of windows for surer than they are: leave out --pooling, or --model (and `--weighting learned`)"
    )]
    PooledWindows,
    /// The model of fusion was fitted on other models than those that are wired.
    #[error(
        "segment {segment}: with `--weighting {weighting}`, {model} knows nothing of the results of {found} together; it was fitted on {known}. Wire these models, leave out --model (and `--weighting learned`), or fit another on speech of yours with `evaluate/run fit`, which is for `--weighting learned`"
    )]
    NoFit {
        /// The segment.
        segment: u64,
        /// What it was asked about.
        weighting: &'static str,
        /// The model of fusion.
        model: String,
        /// The models whose results came together.
        found: String,
        /// The sets of models that it knows.
        known: String,
    },
    /// The model of fusion was fitted for other labels.
    #[error(
        "segment {segment}: {model} was fitted for {known}, and the labels are {labels}: leave out --model, or rename labels with `--map INPUT:LABEL=LABEL`"
    )]
    OtherLabels {
        /// The segment.
        segment: u64,
        /// The model of fusion.
        model: String,
        /// Its labels.
        known: String,
        /// The labels of the result.
        labels: String,
    },
    /// The inputs' labels differ.
    #[error(
        "labels differ: {one}; {other}; rename or merge labels with `--map INPUT:LABEL=LABEL`, take another model, or, if one model lacks labels of the other, add `--missing-labels infer`"
    )]
    Labels {
        /// An input, its model and labels.
        one: String,
        /// Another input, its model and labels.
        other: String,
    },
    /// No input has all labels.
    #[error(
        "labels differ, and no input has all of them, so that missing ones cannot be inferred: {one}; {other}; rename or merge labels with `--map INPUT:LABEL=LABEL`"
    )]
    NoneHasAll {
        /// An input, its model and labels.
        one: String,
        /// Another input, its model and labels.
        other: String,
    },
}

/// Segments in words.
fn describe(segments: &Range<u64>) -> String {
    match segments.clone().last() {
        None => "none".to_owned(),
        Some(last) if last == segments.start => format!("only segment {last}"),
        Some(last) => format!("only segments {} to {last}", segments.start),
    }
}
