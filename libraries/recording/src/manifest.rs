//! What a recording says of itself.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::RecordingError;

/// The manifest's name in the folder.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The manifest's name while it is written.
pub(crate) const MANIFEST_PARTIAL: &str = "manifest.json.partial";
/// The ending of a topic's file while it is recorded: an Arrow IPC stream.
pub(crate) const UNFINISHED: &str = "arrows";
/// The ending of a topic's file.
pub(crate) const FINISHED: &str = "arrow";
/// The ending of a topic's file while it is finished.
pub(crate) const PARTIAL: &str = "arrow.partial";
/// The version of the layout that this code writes and reads.
const FORMAT: u32 = 1;

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the layout; 1.
    pub format: u32,
    /// Whether the recording is finished.
    pub state: State,
    /// The version of the recorder.
    pub undertone: String,
    /// When the recording began, as RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// The computer that it was made on.
    #[serde(default)]
    pub host: Host,
    /// The graph that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataflow: Option<Dataflow>,
    /// What is known of the nodes of the graph, by name.
    #[serde(default)]
    pub nodes: BTreeMap<String, NodeRecord>,
    /// What was recorded, by topic: `node/output`.
    pub topics: BTreeMap<String, Topic>,
    /// Why another run might differ. A recording with an exception is never called exact.
    #[serde(default)]
    pub exceptions: Vec<Exception>,
}

/// Whether a recording is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The recorder is at work, or was killed.
    Recording,
    /// All files are whole.
    Finished,
    /// All files are whole; the recorder had been killed.
    Repaired,
}

/// The computer that a recording was made on: numbers of neural networks may differ in the last bits between
/// processors with different instruction sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Operating system, such as `linux`.
    pub os: String,
    /// Architecture, such as `x86_64`.
    pub arch: String,
    /// Extensions of the instruction set that libraries choose their code by.
    pub features: Vec<String>,
    /// The processor's name, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Logical processors.
    pub cores: usize,
}

/// The graph that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataflow {
    /// The graph as dora read it, in YAML.
    pub text: String,
    /// The digest of `text`.
    pub blake3: Digest,
}

impl Dataflow {
    /// A graph, by its YAML.
    pub fn new(text: String) -> Self {
        let blake3 = Digest::of(text.as_bytes());
        Self { text, blake3 }
    }
}

/// What is known of a node of the graph.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeRecord {
    /// The version that the node gives of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The words of its command line, without the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Vec<String>>,
    /// The files of the models that it loaded, with their SHA-256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, String>,
    /// The digest of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Digest>,
}

/// How much of a topic's messages was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// All.
    #[default]
    Messages,
    /// The digest of each.
    Digests,
}

/// What was recorded of an output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// The file, relative to the folder; none if there was no message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What is in it.
    pub content: Content,
    /// The streams, by session.
    pub sessions: BTreeMap<String, Stream>,
}

impl Topic {
    /// How many messages there are, over all sessions.
    pub fn messages(&self) -> u64 {
        self.sessions.values().fold(0, |sum, stream| sum.saturating_add(stream.messages))
    }
}

/// The messages of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// How many.
    pub messages: u64,
    /// Whether the last of them ended the stream.
    pub ended: bool,
    /// The latest sample index that they speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
    /// The digest of them all.
    pub blake3: Digest,
}

/// Something that happened and because of which another run might differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// What happened.
    pub kind: ExceptionKind,
    /// The node or the topic where it happened.
    pub place: String,
    /// The session, if it concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The sample index, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<u64>,
    /// How much is missing: samples of a gap, otherwise messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// The same in words.
    pub text: String,
}

/// What can happen to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExceptionKind {
    /// A source lost audio.
    Gap,
    /// Messages did not arrive.
    Missing,
    /// A stream stopped without its last message.
    CutOff,
    /// Arguments were changed while the graph ran.
    Changed,
    /// Something was done with less effort because results were late.
    Late,
    /// A file was damaged and has been repaired.
    Damaged,
    /// What was replayed has exceptions of its own.
    Replayed,
}

impl std::fmt::Display for Exception {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.place)?;
        if let Some(session) = &self.session {
            write!(formatter, ", session `{session}`")?;
        }
        if let Some(sample) = self.sample {
            write!(formatter, ", at {:.3} s", undertone_messages::seconds(sample))?;
        }
        write!(formatter, ": {}", self.text)
    }
}

impl Host {
    /// This computer.
    pub fn this() -> Self {
        Self {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            features: features(),
            cpu: fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| {
                let line = info.lines().find(|line| line.starts_with("model name"))?;
                Some(line.split_once(':')?.1.trim().to_owned())
            }),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// Whether numbers are computed in the same way on both.
    pub fn computes_like(&self, other: &Self) -> bool {
        (&self.os, &self.arch, &self.features) == (&other.os, &other.arch, &other.features)
    }
}

/// The extensions by which ONNX Runtime, whisper.cpp and rustfft choose their code.
#[cfg(target_arch = "x86_64")]
fn features() -> Vec<String> {
    let known = [
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512bw", is_x86_feature_detected!("avx512bw")),
        ("avx512vnni", is_x86_feature_detected!("avx512vnni")),
        ("avxvnni", is_x86_feature_detected!("avxvnni")),
    ];
    known.into_iter().filter(|(_, present)| *present).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<String> {
    Vec::new()
}

impl Manifest {
    /// The manifest of a recording that begins now.
    pub fn begin(dataflow: Option<Dataflow>) -> Self {
        Self {
            format: FORMAT,
            state: State::Recording,
            undertone: env!("CARGO_PKG_VERSION").to_owned(),
            started: Some(jiff::Timestamp::now().round(jiff::Unit::Second).unwrap_or_default().to_string()),
            host: Host::this(),
            dataflow,
            nodes: BTreeMap::new(),
            topics: BTreeMap::new(),
            exceptions: Vec::new(),
        }
    }

    /// Reads the manifest of the recording in `folder`.
    ///
    /// # Errors
    ///
    /// There is none, it makes no sense, or it is of a later version.
    pub fn read(folder: &Path) -> Result<Self, RecordingError> {
        let path = folder.join(MANIFEST);
        let bytes = fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                RecordingError::NotARecording(folder.to_owned())
            }
            _ => RecordingError::file("read", &path)(error),
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string());
        text.and_then(Self::parse).map_err(|problem| RecordingError::Manifest { path, problem })
    }

    /// Reads the manifest of the recording in `folder`, whose recorder or repair has ended: before, it does not tell yet
    /// what there is.
    ///
    /// # Errors
    ///
    /// As [`Manifest::read`], or the recording was not finished.
    pub fn read_whole(folder: &Path) -> Result<Self, RecordingError> {
        let manifest = Self::read(folder)?;
        match manifest.state {
            State::Recording => Err(RecordingError::Unfinished(folder.to_owned())),
            State::Finished | State::Repaired => Ok(manifest),
        }
    }

    /// Reads a manifest from its text.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        /// What the manifests of all versions have.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if format != FORMAT {
            return Err(format!("it is of format {format}, and this version reads {FORMAT}"));
        }
        let manifest: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for (name, topic) in &manifest.topics {
            check_name(name)?;
            if topic.file.as_ref().is_some_and(|file| *file != file_of(name, FINISHED)) {
                return Err(format!("the file of topic `{name}` is not named after it"));
            }
        }
        match &manifest.dataflow {
            Some(dataflow) if dataflow.blake3 != Digest::of(dataflow.text.as_bytes()) => {
                Err("the graph is not what its digest says".to_owned())
            }
            _ => Ok(manifest),
        }
    }

    /// Writes the manifest into `folder`; a manifest that is there is replaced at once or not at all.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), RecordingError> {
        let path = folder.join(MANIFEST);
        let partial = folder.join(MANIFEST_PARTIAL);
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| RecordingError::Manifest { path: path.clone(), problem: error.to_string() })?;
        fs::write(&partial, text + "\n")
            .and_then(|()| fs::rename(&partial, &path))
            .map_err(RecordingError::file("write", &path))
    }

    /// A topic of the recording, which is in `folder`.
    ///
    /// # Errors
    ///
    /// There is none of that name.
    pub fn topic(&self, folder: &Path, name: &str) -> Result<&Topic, RecordingError> {
        self.topics.get(name).ok_or_else(|| RecordingError::NoTopic {
            path: folder.to_owned(),
            topic: name.to_owned(),
            present: self.topics.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }

    /// Why the recording cannot be called exact, in words; empty if it can.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts: Vec<String> = self.exceptions.iter().map(ToString::to_string).collect();
        match self.state {
            State::Recording => doubts.push(
                "it was not finished: its recorder is still at work or was killed; if it was, `recording repair` keeps \
                 what was written"
                    .to_owned(),
            ),
            State::Repaired => {
                doubts.push("its recorder did not finish it, so what came last may be missing".to_owned())
            }
            State::Finished => {}
        }
        doubts
    }
}

/// The path of a topic's file in the folder of the recording.
pub(crate) fn file_of(topic: &str, ending: &str) -> String {
    // Not `Path::with_extension`: a name may have a dot in it.
    format!("{topic}.{ending}")
}

/// Checks that a topic's files are inside of the recording, and not those of another topic.
pub(crate) fn check_name(topic: &str) -> Result<(), String> {
    let parts = || Path::new(topic).components();
    let inside = !topic.is_empty() && parts().all(|part| matches!(part, Component::Normal(_)));
    // Neither `a//b` nor `a/./b`: these are `a/b`.
    let alone = parts().collect::<PathBuf>().as_os_str() == topic;
    match inside && alone {
        true => Ok(()),
        false => Err(format!("`{topic}` is not the name of a topic, NODE/OUTPUT")),
    }
}
