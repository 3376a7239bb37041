//! Writes results: as JSON Lines for programs, and with bars for people.
//!
//! # JSON Lines
//!
//! One object a result, its fields always in this order:
//!
//! | field | meaning |
//! | --- | --- |
//! | `session`, `segment` | the session, and the segment's number in it |
//! | `status` | `final`, or `provisional` with `--provisional` |
//! | `profile` | which modalities gave an estimate: `both`, `audio_only`, `text_only`, `neither` |
//! | `start_sample`, `end_sample` | the segment on the session's 16 kHz clock |
//! | `start_seconds`, `end_seconds` | the same in seconds |
//! | `text` | what was said; empty if it is not known or was rejected |
//! | `label`, `confidence` | the likeliest label, `null` if there is no estimate, and its probability |
//! | `fused_score` | P(positive) − P(negative), −1 to 1 |
//! | `probabilities` | a probability for each label |
//! | `weighting`, `model` | how they were computed, as below: `fixed`, `entropy` or `learned`; and the model of fusion, empty without one |
//! | `bias`, `temperature` | what the pool is calibrated with: by label, empty without a model of fusion; and of a linear pool, 1 if it is not |
//! | `abstained`, `anomaly` | the result is too unsure to be used; the audio is not like speech that the models know |
//! | `degraded` | what was done with less effort because results were late; left out otherwise |
//! | `text_sentiment`, `audio_sentiment` | what text and voice brought, as below; `null` if they are not in the graph |
//! | `other_sentiments` | a list of what all others brought, in the order of their modalities; usually empty |
//! | `latency_ms` | where the time went, in milliseconds; left out by `--no-latency` |
//!
//! Each of these sentiments has `modality`, `label`, `probabilities`, `weight` (its share), `weights` (by label), `model`,
//! `end_sample` (how far it covers the segment), `stale_ms` (how much of the segment's end it does not cover) and `reason` (why
//! there is no estimate; empty if there is one). Where a model tells more, there are `emotions` with their probabilities,
//! `valence` and `arousal`, −1 to 1, and `anomaly`: above 1, what the model was given is not like what it knows.
//!
//! The probabilities of a result are those of its sentiments, multiplied by their `weights` and added up; then the logarithms
//! of these, divided by `temperature`. With `weighting` `learned` their logarithms are multiplied and added up instead, where
//! what is below 0.0001 counts as that. Then the `bias` is added, if there is one, the exponential is taken, and all are scaled
//! so that they sum to 1.
//!
//! `latency_ms` has `total` and `hangover` (both `null` where the audio did not come at the pace of a clock),
//! `transport` and `queueing` (summed over the stages), and `stages`: by name, each with `transport`, `queued` and
//! `worked`. It is the only part that differs from run to run: with `--no-latency` two runs over the same session write
//! the same lines. Lines of several sessions side by side, and of provisional among final results, stand in the order
//! of their arrival.
//!
//! # Statistics
//!
//! Where the input `statistics` is wired, each of its messages is a line as well, for a window or a segment:
//!
//! | field | meaning |
//! | --- | --- |
//! | `type` | `statistics`; results have no such field |
//! | `session`, `segment` | the session, and the segment's number in it |
//! | `scope` | `window`, or `segment` for the whole segment |
//! | `start_sample` to `end_seconds` | what was looked at, as above |
//! | `values` | by name; `null` where a value is not defined |
//! | `reason` | why values are missing that could have been there; empty otherwise |
//!
//! They stand among the results in the order of arrival, which differs from run to run; a sink of their own keeps them
//! apart, as in `dataflows/prosody.yml`. With `--format pretty` they go to the file alone.
//!
//! # Words as they come
//!
//! Where the input `transcript` is wired to the `preview` of a recogniser, `--format pretty` shows what is said while it is
//! said: the words that stand, and dimmed those that may change. JSON Lines have results alone.
//!
//! # The file
//!
//! With `--output` the lines also go to a file. They are written to `FILE.partial` as they come, and the file gets its
//! name at the end, also of a run that was stopped: a file by the name that was asked for has all results of its run, up to
//! its end or its stop. A device or a pipe is written to as it is.
//!
//! # The account
//!
//! At the end of a run stands its account: how many messages were sent on each wire that leads to the sink, and how many
//! arrived. With `--format pretty` it goes to the standard output, behind the last summary, and its last line is the
//! sum; with other formats it goes to the log, because JSON Lines are results alone. If messages are missing, the sink
//! fails, its error names the wire, and the file keeps the name `FILE.partial`.
//!
//! The numbers are from reports that travel with the messages ([`undertone_node::NodeReport`]). The last message of a
//! stream says how many its sender has sent, and the receiver compares. So the account is of the wires whose streams
//! have all ended, of all sessions together; the others are listed without numbers, as those around a node that failed
//! while the rest of the graph went on. In a run that failed or was stopped it is the account so far. Three kinds of
//! wires are not in it: those that do not lead to the sink, as to a recorder or back to a source; those before an
//! operator, which cannot report, and of those behind one it is not known how much was sent; and those before a node
//! that failed before it had sent anything.
//!
//! # A reader that goes away
//!
//! If the standard output closes, as in a pipe to `head`, results still go to the file. Without a file, results would be
//! lost, so it is an error.

mod account;
mod arguments;
mod error;
mod file;
mod pretty;
mod record;
mod sink;
mod summary;

pub use account::Account;
pub use arguments::{Arguments, ColorChoice, Format};
pub use error::SinkError;
pub use pretty::{pretty, words_so_far};
pub use record::{record, statistics_record};
pub use sink::{Input, Sink};
pub use summary::{LatencySummary, Summary};
pub use undertone_results::{Latency, StageLatency};
