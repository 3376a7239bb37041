//! Runs graphs as a user would: `dora run GRAPH`, with the nodes as they were built and the real models.
//!
//! A test takes one of the repository's graphs, edits its YAML, and looks at the exit code, the log and the results.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a harness that cannot work fails the test"
)]

mod soak;

use std::fs;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_yaml_ng::{Mapping, Value};

pub use soak::{Soak, soak};

/// Hardly a graph takes longer; one that does hangs.
const WATCHDOG: Duration = Duration::from_secs(300);

/// One graph at a time: each has more processes than the machine has cores.
static RUNNING: Mutex<()> = Mutex::new(());

/// Keeps other graphs from running, for a test that runs one in a way of its own.
pub fn alone() -> MutexGuard<'static, ()> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The repository's root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests has a parent").to_owned()
}

/// A graph under test, in a folder of its own below `out/tests`.
pub struct Graph {
    folder: PathBuf,
    yaml: Value,
    load: bool,
    watchdog: Duration,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code of `dora run`; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Everything that was printed.
    pub log: String,
    /// The results that the sink wrote, one JSON object each.
    pub results: Vec<serde_json::Value>,
}

impl Outcome {
    /// Fails the test unless the run ended well.
    pub fn expect_success(self) -> Self {
        assert_eq!(self.code, Some(0), "the run failed:\n{}", self.log);
        self
    }

    /// Fails the test unless the run failed and its log has all of `texts`.
    pub fn expect_failure(self, texts: &[&str]) -> Self {
        assert_ne!(self.code, Some(0), "the run should have failed:\n{}", self.log);
        for text in texts {
            assert!(self.log.contains(text), "`{text}` is not in the log:\n{}", self.log);
        }
        self
    }

    /// The transcripts of all results, in order, as one lower-case text without punctuation.
    pub fn words(&self) -> Vec<String> {
        self.results
            .iter()
            .flat_map(|result| {
                normalise(result.get("text").and_then(|text| text.as_str()).unwrap_or_default())
            })
            .collect()
    }
}

impl Graph {
    /// The repository's graph at `path`, for the test called `name`. Results go to `results.jsonl` in its folder.
    pub fn open(path: &str, name: &str) -> Self {
        let source = repository().join(path);
        let text = fs::read_to_string(&source).unwrap();
        // Paths in a graph are relative to the graph's own folder.
        let base = source.parent().unwrap();
        let folder = repository().join("out/tests").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink(repository().join("types"), folder.join("types")).unwrap();
        let mut graph =
            Self { folder, yaml: serde_yaml_ng::from_str(&text).unwrap(), load: false, watchdog: WATCHDOG };
        for node in graph.nodes_mut() {
            absolute(node, "path", base);
            if let Some(Value::Mapping(operator)) = node.get_mut("operator") {
                absolute(operator, "shared-library", base);
            }
        }
        graph
    }

    fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Mapping> {
        let nodes = self.yaml.get_mut("nodes").and_then(Value::as_sequence_mut).unwrap();
        nodes.iter_mut().map(|node| node.as_mapping_mut().unwrap())
    }

    fn node(&mut self, id: &str) -> &mut Mapping {
        let node = self.nodes_mut().find(|node| node.get("id").and_then(Value::as_str) == Some(id));
        node.unwrap_or_else(|| panic!("no node {id}"))
    }

    /// The folder of the test, where the graph runs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Sets a node's `args`.
    pub fn args(mut self, id: &str, args: &str) -> Self {
        self.node(id).insert("args".into(), args.into());
        self
    }

    /// Sends the recorded session as fast as the graph takes it.
    pub fn fast(self) -> Self {
        let session = repository().join("recordings/session");
        self.args("source", &format!("{} --join --silence-ms 1000 --pace fast", session.display()))
    }

    /// Sends other recordings, as fast as the graph takes them.
    pub fn recordings(self, args: &str) -> Self {
        self.args("source", &format!("{args} --pace fast"))
    }

    /// Wires an input to another output.
    pub fn rewire(mut self, id: &str, input: &str, output: &str) -> Self {
        let inputs = self.node(id).get_mut("inputs").and_then(Value::as_mapping_mut).unwrap();
        let wire = Mapping::from_iter([("source".into(), output.into()), ("queue_size".into(), 1000.into())]);
        inputs.insert(input.into(), Value::Mapping(wire));
        self
    }

    /// Adds to a node's `args`.
    pub fn add_args(mut self, id: &str, args: &str) -> Self {
        let before = self.node(id).get("args").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.args(id, &format!("{before} {args}"))
    }

    /// Runs another program as a node.
    pub fn program(mut self, id: &str, program: &str, args: &str) -> Self {
        let path = repository().join("target/release").join(program);
        self.node(id).insert("path".into(), path.to_str().unwrap().into());
        self.args(id, args)
    }

    /// Takes nodes out of the graph, and the wires that lead to them.
    pub fn without(mut self, ids: &[&str]) -> Self {
        let nodes = self.yaml.get_mut("nodes").and_then(Value::as_sequence_mut).unwrap();
        nodes.retain(|node| !node.get("id").and_then(Value::as_str).is_some_and(|id| ids.contains(&id)));
        for node in self.nodes_mut() {
            let gone = |wire: &Value| {
                let source =
                    wire.get("source").and_then(Value::as_str).and_then(|source| source.split('/').next());
                source.is_some_and(|source| ids.contains(&source))
            };
            let Some(inputs) = node.get_mut("inputs").and_then(Value::as_mapping_mut) else { continue };
            let unwired: Vec<Value> =
                inputs.iter().filter(|(_, wire)| gone(wire)).map(|(input, _)| input.clone()).collect();
            unwired.iter().for_each(|input| drop(inputs.remove(input)));
            if let Some(types) = node.get_mut("input_types").and_then(Value::as_mapping_mut) {
                unwired.iter().for_each(|input| drop(types.remove(input)));
            }
        }
        self
    }

    /// Records every output of every node into `recording` in the folder of the test.
    pub fn record(mut self) -> Self {
        let mut inputs = Mapping::new();
        for node in self.nodes_mut() {
            let id = node.get("id").and_then(Value::as_str).unwrap().to_owned();
            let own =
                node.get("outputs").or_else(|| node.get("operator").and_then(|node| node.get("outputs")));
            for output in own.and_then(Value::as_sequence).into_iter().flatten() {
                let output = output.as_str().unwrap();
                let wire =
                    [("source".into(), format!("{id}/{output}").into()), ("queue_size".into(), 1000.into())];
                inputs.insert(format!("{id}-{output}").into(), Value::Mapping(Mapping::from_iter(wire)));
            }
        }
        let path = repository().join("target/release/recorder");
        let recorder = [
            ("id".into(), "recorder".into()),
            ("path".into(), path.to_str().unwrap().into()),
            ("args".into(), self.recording().to_str().unwrap().into()),
            ("inputs".into(), Value::Mapping(inputs)),
        ];
        let nodes = self.yaml.get_mut("nodes").and_then(Value::as_sequence_mut).unwrap();
        nodes.push(Value::Mapping(Mapping::from_iter(recorder)));
        self
    }

    /// Where [`Graph::record`] records to.
    pub fn recording(&self) -> PathBuf {
        self.folder.join("recording")
    }

    /// Keeps all cores busy with other work while the graph runs.
    pub fn under_load(self) -> Self {
        Self { load: true, ..self }
    }

    /// Lets the graph run for longer than most.
    pub fn within(self, watchdog: Duration) -> Self {
        Self { watchdog, ..self }
    }

    /// Sets what the graph says of a node.
    pub fn set(mut self, id: &str, key: &str, value: &str) -> Self {
        self.node(id).insert(key.into(), value.into());
        self
    }

    /// Adds an output to those that the graph names.
    pub fn add_output(mut self, id: &str, output: &str) -> Self {
        let outputs = self.node(id).get_mut("outputs").and_then(Value::as_sequence_mut).unwrap();
        outputs.push(output.into());
        self
    }

    /// Sets a variable in a node's environment.
    pub fn env(mut self, id: &str, name: &str, value: &str) -> Self {
        let variables = self.node(id).entry("env".into()).or_insert_with(|| Value::Mapping(Mapping::new()));
        variables.as_mapping_mut().unwrap().insert(name.into(), value.into());
        self
    }

    /// Takes a wire out of the graph.
    pub fn without_input(mut self, id: &str, input: &str) -> Self {
        for key in ["inputs", "input_types"] {
            self.node(id).get_mut(key).and_then(Value::as_mapping_mut).unwrap().remove(input);
        }
        self
    }

    /// Sets the length of all queues.
    pub fn queues(mut self, size: u64) -> Self {
        for node in self.nodes_mut() {
            for (_, wire) in node.get_mut("inputs").and_then(Value::as_mapping_mut).into_iter().flatten() {
                wire.as_mapping_mut().unwrap().insert("queue_size".into(), size.into());
            }
        }
        self
    }

    /// Sets the length of an input's queue.
    pub fn queue(mut self, id: &str, input: &str, size: u64) -> Self {
        let input = self.node(id).get_mut("inputs").and_then(|inputs| inputs.get_mut(input)).unwrap();
        input.as_mapping_mut().unwrap().insert("queue_size".into(), size.into());
        self
    }

    /// Takes the types of a node's inputs away, so that only the node itself can object to a wire.
    pub fn untyped(mut self, id: &str) -> Self {
        self.node(id).remove("input_types");
        self
    }

    /// Runs the graph to its end.
    pub fn run(self) -> Outcome {
        self.run_with(|_| {})
    }

    /// Runs the graph to its end, and `interfere` meanwhile; it is given the folder of the test. If it fails, the graph is
    /// stopped, and the test fails with what the graph has said.
    pub fn run_with(mut self, interfere: impl FnOnce(&Path) + Send + 'static) -> Outcome {
        let results = self.folder.join("results.jsonl");
        if self.nodes_mut().any(|node| node.get("id").and_then(Value::as_str) == Some("sink")) {
            self = self.args("sink", &format!("--format jsonl --output {}", results.display()));
        }
        let graph = self.folder.join("graph.yml");
        fs::write(&graph, serde_yaml_ng::to_string(&self.yaml).unwrap()).unwrap();
        let _one = alone();
        let _load = self.load.then(Load::start);
        let failed = Arc::new(AtomicBool::new(false));
        let meanwhile = thread::spawn({
            let (folder, failed) = (self.folder.clone(), failed.clone());
            move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| interfere(&folder)));
                failed.store(outcome.is_err(), Ordering::Relaxed);
                outcome
            }
        });
        // Operators need the virtual environment to be active; nodes must do without.
        let activated = self.nodes_mut().any(|node| node.contains_key("operator"));
        let arguments = ["run", graph.to_str().unwrap()];
        let (code, log) = dora(&arguments, &self.folder, activated, self.watchdog, &failed);
        if let Err(panic) = meanwhile.join().unwrap() {
            println!("{log}");
            resume_unwind(panic);
        }
        // A run that failed leaves what it had under another name.
        let partial = results.with_extension("jsonl.partial");
        let results =
            fs::read_to_string(&results).or_else(|_| fs::read_to_string(partial)).unwrap_or_default();
        let results = results.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Outcome { code, log, results }
    }

    /// Checks the graph with `dora validate --strict-types`.
    pub fn validate(self) -> Outcome {
        let graph = self.folder.join("graph.yml");
        fs::write(&graph, serde_yaml_ng::to_string(&self.yaml).unwrap()).unwrap();
        let arguments = ["validate", "--strict-types", graph.to_str().unwrap()];
        let (code, log) = dora(&arguments, &self.folder, false, WATCHDOG, &AtomicBool::new(false));
        Outcome { code, log, results: Vec::new() }
    }
}

/// Keeps all cores busy, with more work than there are cores, until it is dropped.
struct Load(Vec<Child>);

impl Load {
    fn start() -> Self {
        let workers = 2 * thread::available_parallelism().unwrap().get();
        // Hashes an endless file, at the priority of the nodes.
        Self((0..workers).map(|_| Command::new("sha256sum").arg("/dev/zero").spawn().unwrap()).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn absolute(node: &mut Mapping, key: &str, base: &Path) {
    if let Some(path) = node.get(key).and_then(Value::as_str) {
        let path = base.join(path).to_str().unwrap().to_owned();
        node.insert(key.into(), path.into());
    }
}

/// Runs dora's command line, until its end or until `stop`, and gives its exit code and all that it printed.
fn dora(
    arguments: &[&str],
    folder: &Path,
    activated: bool,
    watchdog: Duration,
    stop: &AtomicBool,
) -> (Option<i32>, String) {
    let environment = repository().join(".venv/bin");
    let program = environment.join("dora");
    assert!(program.exists(), "{} is missing; run `make setup`", program.display());
    let mut command = Command::new("bash");
    if activated {
        command.args(["-c", r#"source "$0/activate" && exec dora "$@""#]).arg(&environment);
    } else {
        command.args(["-c", r#"exec "$0" "$@""#]).arg(&program);
    }
    let mut child = command
        .args(arguments)
        .current_dir(folder)
        .env_remove("DORA_ZENOH_CONFIG_OVERLAY")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = collect(child.stdout.take().unwrap());
    let errors = collect(child.stderr.take().unwrap());
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if stop.swap(false, Ordering::Relaxed) {
            signal("INT", child.id());
        }
        if begun.elapsed() > watchdog {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!(
                "the run did not end within {watchdog:?}:\n{}{}",
                output.join().unwrap(),
                errors.join().unwrap()
            );
        }
        thread::sleep(Duration::from_millis(20));
    };
    (status.code(), output.join().unwrap() + &errors.join().unwrap())
}

fn collect(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// How many results a graph that runs in `folder` has given.
pub fn results(folder: &Path) -> usize {
    fs::read_to_string(folder.join("results.jsonl.partial")).map_or(0, |text| text.lines().count())
}

/// Waits until something is there.
pub fn wait_for(what: &str, limit: Duration, mut is_there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_there() {
        assert!(begun.elapsed() < limit, "{what} has not come in {limit:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for the process of a node of the graph that runs in `folder`, and gives its number. Nodes run in the folder of
/// their test, and only that test's do.
pub fn find_process(node: &str, folder: &Path) -> u32 {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(id) = entry.file_name().to_string_lossy().parse() else { continue };
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let place = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            if name.trim() == node && place == folder {
                return id;
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("no process of the node {node} in {}", folder.display());
}

/// What a node has used, as far as it was seen before it ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Processor time in seconds.
    pub seconds: f64,
    /// The most memory that it ever held, in bytes.
    pub memory: u64,
    /// The same within its first 10 seconds.
    pub early_memory: u64,
    /// Of the most memory, what it shares neither with files nor with other processes.
    pub own_memory: u64,
}

/// Watches a node of the graph that runs in `folder` until it ends.
pub fn watch(node: &str, folder: &Path) -> Usage {
    let process = Path::new("/proc").join(find_process(node, folder).to_string());
    let mut usage = Usage::default();
    let begun = Instant::now();
    while let Some(memory) = fs::read_to_string(process.join("status")).ok().and_then(|status| {
        usage.own_memory = memory(&status, "RssAnon:").unwrap_or_default().max(usage.own_memory);
        memory(&status, "VmHWM:")
    }) {
        usage.memory = memory;
        if begun.elapsed() < Duration::from_secs(10) {
            usage.early_memory = memory;
        }
        usage.seconds = processor_seconds(&process, ["utime", "stime"]).max(usage.seconds);
        thread::sleep(Duration::from_millis(20));
    }
    usage
}

/// A field of proc(5)'s `status`, in bytes.
fn memory(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Processor time of this process's children that have ended, and of theirs, in seconds.
pub fn children_seconds() -> f64 {
    processor_seconds(Path::new("/proc/self"), ["cutime", "cstime"])
}

/// The sum of some of a process's times, by their names in proc(5).
fn processor_seconds(process: &Path, times: [&str; 2]) -> f64 {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    // The program's name is in parentheses and may have spaces; utime is the 14th field, the 12th behind the name.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
    let named = ["utime", "stime", "cutime", "cstime"].into_iter().zip(fields);
    let ticks =
        named.filter(|(name, _)| times.contains(name)).map(|(_, ticks)| ticks.parse::<f64>().unwrap());
    // Linux counts in hundredths of a second on every processor that this builds for.
    ticks.sum::<f64>() / 100.0
}

/// Kills a node of the graph that runs in `folder`.
pub fn kill(node: &str, folder: &Path) {
    signal("KILL", find_process(node, folder));
}

/// Sends a signal to a process.
pub fn signal(name: &str, process: u32) {
    let status = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(status.unwrap().success(), "kill -{name} {process}");
}

/// The words of a text in lower case, without punctuation, as word error rates are counted.
pub fn normalise(text: &str) -> Vec<String> {
    let plain = |c: char| if c.is_alphanumeric() || c == '\'' { c.to_ascii_lowercase() } else { ' ' };
    text.chars().map(plain).collect::<String>().split_whitespace().map(str::to_owned).collect()
}

/// Word error rate: the least number of substitutions, insertions and deletions, for each word of the reference.
pub fn word_error_rate(reference: &[String], hypothesis: &[String]) -> f64 {
    // Levenshtein's distance, one row at a time.
    let mut row: Vec<usize> = (0..=hypothesis.len()).collect();
    for (deleted, expected) in reference.iter().enumerate() {
        let mut diagonal = deleted;
        let mut left = deleted + 1;
        let mut next = vec![left];
        for (word, above) in hypothesis.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(word != expected)).min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0) as f64 / reference.len() as f64
}

/// What was said in the recorded session, file by file in the order in which the source sends them.
pub fn transcripts() -> Vec<(String, Vec<String>)> {
    let table = fs::read_to_string(repository().join("recordings/session/transcripts.tsv")).unwrap();
    let mut rows: Vec<(String, Vec<String>)> = table
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once('\t'))
        .map(|(file, rest)| (file.to_owned(), normalise(rest.split('\t').next().unwrap_or_default())))
        .collect();
    rows.sort();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_errors_are_counted() {
        let rate = |reference: &str, hypothesis: &str| {
            word_error_rate(&normalise(reference), &normalise(hypothesis))
        };
        assert_eq!(rate("ask not what", "Ask not, what."), 0.0);
        assert_eq!(rate("a b c d", "a x c d"), 0.25);
        assert_eq!(rate("a b c d", "a c d"), 0.25);
        assert_eq!(rate("a b c d", "a b b c d"), 0.25);
        assert_eq!(rate("a b", ""), 1.0);
    }
}
