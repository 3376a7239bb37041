//! Changing the arguments of other nodes while the graph runs, by dora's command line: nodes cannot, and only a graph
//! that was started by `dora start` has a coordinator that can.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;

/// How long dora's command line may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A change that a client asks for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The node.
    pub node: String,
    /// The argument, without its dashes.
    pub name: String,
    /// Its value; `null` takes a change back.
    pub value: Value,
}

/// Why an argument is not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name of the argument cannot be one.
    #[error(
        "`{0}` is no name of an argument: give it as in the node's manual, without dashes, as `text-weight`"
    )]
    Name(String),
    /// The gateway's arguments do not allow it.
    #[error("`{0}` may not be changed: the gateway's `--parameters` does not name it")]
    Forbidden(String),
    /// There is no coordinator, or it does not know the graph.
    #[error("arguments can be changed in a graph that was started by `dora up` and `dora start`: {0}")]
    Impossible(String),
    /// Dora refuses.
    #[error("dora refuses: {0}")]
    Failed(String),
}

/// What may be changed, and how.
#[derive(Debug)]
pub struct Parameters {
    allowed: Vec<String>,
    program: PathBuf,
    dataflow: OnceLock<String>,
    possible: Mutex<Result<(), String>>,
    /// Tokio's serves in the order of arrival, std's does not.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Parameters {
    /// `allowed` are nodes, or arguments as `NODE.ARGUMENT`; `program` is dora's command line.
    pub fn new(allowed: Vec<String>, program: PathBuf) -> Self {
        let unknown = Err("the graph is not ready".to_owned());
        let dataflow = OnceLock::new();
        Self { allowed, program, dataflow, possible: Mutex::new(unknown), turn: Arc::default() }
    }

    /// What may be changed: nodes, or arguments as `NODE.ARGUMENT`.
    pub fn allowed(&self) -> &[String] {
        &self.allowed
    }

    /// Whether it can be, as far as is known.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn possible(&self) -> Result<(), String> {
        self.possible.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of the graph, by its number, and finds out whether a coordinator knows it. Takes as long as dora's
    /// command line does.
    pub fn probe(&self, dataflow: &str) {
        let _ = self.dataflow.set(dataflow.to_owned());
        let possible = if self.allowed.is_empty() {
            Err("the gateway has no `--parameters`".to_owned())
        } else {
            self.dora(&["list", "--format", "json"]).and_then(|list| {
                let known = list.contains(dataflow);
                known.then_some(()).ok_or_else(|| "the coordinator does not know this graph".to_owned())
            })
        };
        *self.possible.lock().unwrap_or_else(PoisonError::into_inner) = possible;
    }

    /// Waits until all changes are made that came before, so that of several the last one holds. What it gives is to be
    /// kept while the change is made.
    pub async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// Sends a change to its node, which may yet object: then its log says so, and it stays as it was.
    ///
    /// # Errors
    ///
    /// The change is not allowed or not possible.
    pub fn set(&self, change: &Change) -> Result<(), Refusal> {
        let Change { node, name, value } = change;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 64 || name.starts_with('-') || !name.bytes().all(plain) {
            return Err(Refusal::Name(name.chars().take(64).collect()));
        }
        let full = format!("{node}.{name}");
        if !self.allowed.iter().any(|allowed| allowed == node || *allowed == full) {
            return Err(Refusal::Forbidden(full.chars().take(128).collect()));
        }
        self.possible().map_err(Refusal::Impossible)?;
        let dataflow = self.dataflow.get().map(String::as_str).unwrap_or_default();
        let text = value.to_string();
        // Behind `--` nothing is taken for an option, such as a negative number.
        let changed = if value.is_null() {
            self.dora(&["param", "delete", "--dataflow", dataflow, "--", node, name])
        } else {
            self.dora(&["param", "set", "--dataflow", dataflow, "--", node, name, &text])
        };
        changed.map(drop).map_err(Refusal::Failed)
    }

    /// Runs dora's command line and gives what it prints.
    fn dora(&self, words: &[&str]) -> Result<String, String> {
        let program = self.program.display();
        let mut child = Command::new(&self.program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                format!("`{program}` cannot be run ({error}); name dora's command line with `--dora`")
            })?;
        let begun = Instant::now();
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
                Ok(None) | Err(_) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("`{program}` does not answer"));
                }
            }
        };
        let read = |stream: Option<&mut dyn Read>| {
            let mut bytes = Vec::new();
            stream.map(|stream| stream.read_to_end(&mut bytes));
            String::from_utf8_lossy(&bytes).trim().to_owned()
        };
        let output = read(child.stdout.as_mut().map(|stream| stream as &mut dyn Read));
        let errors = read(child.stderr.as_mut().map(|stream| stream as &mut dyn Read));
        if status.success() {
            return Ok(output);
        }
        let told = errors.lines().map(str::trim).filter(|line| !line.is_empty()).take(3);
        Err(told.collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(node: &str, name: &str) -> Change {
        Change { node: node.to_owned(), name: name.to_owned(), value: json!(0.5) }
    }

    #[test]
    fn what_is_not_named_may_not_be_changed() {
        let allowed = vec!["fusion".to_owned(), "vad.hangover-ms".to_owned()];
        let parameters = Parameters::new(allowed, "dora".into());
        let refused = |node, name| parameters.set(&change(node, name)).unwrap_err();
        assert!(matches!(refused("vad", "threshold"), Refusal::Forbidden(_)));
        assert!(matches!(refused("text", "model"), Refusal::Forbidden(_)));
        let long = "a".repeat(65);
        for name in ["", "--weight", "weight=1", "We", &long] {
            assert!(matches!(refused("fusion", name), Refusal::Name(_)), "{name}");
        }
        // Before the graph runs nothing is possible.
        assert!(matches!(refused("fusion", "text-weight"), Refusal::Impossible(_)));
        assert!(matches!(refused("vad", "hangover-ms"), Refusal::Impossible(_)));
    }

    /// A program in dora's place that writes down its words.
    #[cfg(unix)]
    fn stand_in(name: &str, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("undertone-{}-{name}", std::process::id()));
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[cfg(unix)]
    #[test]
    fn dora_is_asked() {
        let script = r#"case "$1" in list) echo '{"uuid":"the-graph"}';; *) echo "$*" >&2; exit 1;; esac"#;
        let program = stand_in("asked", script);
        let parameters = Parameters::new(vec!["fusion".to_owned()], program.clone());
        parameters.probe("the-graph");
        assert_eq!(parameters.possible(), Ok(()));
        let refusal = parameters.set(&change("fusion", "text-weight")).unwrap_err();
        let expected = "param set --dataflow the-graph -- fusion text-weight 0.5";
        assert_eq!(refusal, Refusal::Failed(expected.to_owned()));
        let back = Change { value: Value::Null, ..change("fusion", "text-weight") };
        let expected = "param delete --dataflow the-graph -- fusion text-weight";
        assert_eq!(parameters.set(&back), Err(Refusal::Failed(expected.to_owned())));
        let other = Parameters::new(vec!["fusion".to_owned()], program.clone());
        other.probe("another-graph");
        assert!(other.possible().unwrap_err().contains("does not know"));
        std::fs::remove_file(program).unwrap();
        let missing = Parameters::new(vec!["fusion".to_owned()], "/no/such/dora".into());
        missing.probe("the-graph");
        assert!(missing.possible().unwrap_err().contains("--dora"));
    }
}
