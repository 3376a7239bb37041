//! Recorded sessions.
//!
//! # Layout
//!
//! A recording is a folder:
//!
//! | file | content |
//! | --- | --- |
//! | `manifest.json` | the graph, its nodes with their arguments and models, what was recorded with counts and digests, and what went wrong: [`Manifest`] |
//! | `NODE/OUTPUT.arrow` | the messages of a topic, one a row, one column a field: an Arrow IPC file |
//!
//! Each file opens in one line of Python: `pyarrow.ipc.open_file(path).read_pandas()`, `polars.read_ipc(path)`,
//! `pandas.read_feather(path)`. Files are compressed with Zstandard. A topic that was recorded as digests alone has the
//! columns `session`, `seq`, `last` and `digest`.
//!
//! While it is recorded, a topic is an Arrow IPC stream, `NODE/OUTPUT.arrows`, to which messages are appended as they
//! come. If the recorder is killed, [`repair`] makes whole files of what was written. Meanwhile there is `recorder.lock`,
//! which the recorder holds locked as long as it lives: a recording in the making is neither repaired nor replaced.
//!
//! # Sameness
//!
//! A *stream* is the messages of one output in one session. Two streams are the same if their [`Digest`]s are, which is
//! if all their messages have the same fields with the same bits. The order in which messages of different streams
//! were recorded does not count. [`compare`] finds the first difference and says it in words.

mod checks;
mod compare;
mod digest;
mod error;
mod lock;
mod manifest;
mod recorder;
mod results;
mod topic_reader;
mod topic_writer;
mod verify;

pub use compare::{Comparison, Difference, Options, StreamComparison, compare};
pub use digest::{Digest, UnknownType, message_digest};
pub use error::RecordingError;
pub use manifest::{
    Content, Dataflow, Exception, ExceptionKind, Host, Manifest, NodeRecord, State, Stream, Topic,
};
pub use recorder::{Recorder, repair};
pub use results::{Results, Row, Score, Utterance, results};
pub use topic_reader::{TopicReader, compact};
pub use verify::{verify, verify_topic};
