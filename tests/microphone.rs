//! The microphone, without hardware: a PulseAudio server of the test's own, whose null sink is played to in real time and
//! whose monitor is the microphone, reached through ALSA as on any desktop. And ALSA's null device, which gives zeros as
//! fast as they are taken.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{
    Graph, Outcome, find_process, normalise, repository, signal, transcripts, wait_for, word_error_rate,
};
use tempfile::TempDir;
use undertone_messages::{AudioFrame, Message};
use undertone_recording::{ExceptionKind, Manifest, TopicReader};

/// The name of the test's microphone.
const DEVICE: &str = "speech";

/// No server and no node takes longer to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sound server with one microphone, in a folder of its own.
struct Server {
    folder: TempDir,
    process: Option<Child>,
}

impl Server {
    fn start() -> Self {
        // Not below `out/tests`: the path of a socket has 107 bytes at most.
        let folder = TempDir::new().unwrap();
        let mut server = Self { folder, process: None };
        let configuration = format!(
            "</usr/share/alsa/alsa.conf>\n\
             pcm.{DEVICE} {{\n  type pulse\n  server \"{}\"\n  device \"{DEVICE}.monitor\"\n  \
             hint {{ show on description \"Test microphone\" }}\n}}\n",
            server.address()
        );
        fs::write(server.configuration(), configuration).unwrap();
        server.go_on();
        server
    }

    /// Starts the server, again if it was killed.
    fn go_on(&mut self) {
        let socket = self.folder.path().join("socket");
        let _ = fs::remove_file(&socket);
        let protocol = format!("module-native-protocol-unix socket={} auth-anonymous=1", socket.display());
        let sink = format!("module-null-sink sink_name={DEVICE} rate=48000 channels=2");
        let child = Command::new("pulseaudio")
            .args(["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--system=false"])
            .args(["-L", &protocol, "-L", &sink])
            .env("HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(child.unwrap_or_else(|error| panic!("pulseaudio: {error}; run `./setup test`")));
        wait_for("the sound server", PATIENCE, || !self.listed("sinks").is_empty());
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn process(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    fn address(&self) -> String {
        format!("unix:{}/socket", self.folder.path().display())
    }

    /// ALSA's configuration, in which the microphone is.
    fn configuration(&self) -> PathBuf {
        self.folder.path().join("asound.conf")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg(format!("--server={}", self.address())).env("HOME", self.folder.path());
        command
    }

    fn listed(&self, what: &str) -> String {
        let output = self.command("pactl").args(["list", "short", what]).output();
        let output = output.unwrap_or_else(|error| panic!("pactl: {error}; run `./setup test`"));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until the node listens.
    fn wait_for_listener(&self) {
        wait_for("the microphone to be opened", PATIENCE, || !self.listed("source-outputs").is_empty());
        // The first samples come within a second, when the server has found its pace, and the session begins with them.
        sleep(Duration::from_millis(1_500));
    }

    /// Plays a file of the recorded session, in real time, and waits for its end.
    fn play(&self, file: &str) {
        assert!(self.begin(file).wait().unwrap().success());
    }

    /// Begins to play a file.
    fn begin(&self, file: &str) -> Child {
        let path = repository().join("recordings/session").join(file);
        let player = self.command("paplay").arg(format!("--device={DEVICE}")).arg(path).spawn();
        player.unwrap_or_else(|error| panic!("paplay: {error}; run `./setup test`"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The graph for live audio, listening to the server's microphone.
fn live(name: &str, server: &Server) -> Graph {
    let configuration = server.configuration();
    Graph::open("dataflows/live.yml", &format!("microphone-{name}"))
        .args("microphone", &format!("--device {DEVICE} --session live"))
        .env("microphone", "ALSA_CONFIG_PATH", configuration.to_str().unwrap())
}

/// Only the microphone, the vad and the recorder.
fn recorded(graph: Graph) -> Graph {
    graph.without(&["encoder", "acoustic", "decoder", "text", "fusion", "sink"]).record()
}

/// Ends the session as a user does.
fn end_session(folder: &Path) {
    // What was played is still in the server.
    sleep(Duration::from_secs(1));
    signal("INT", find_process("microphone", folder));
}

/// What was said in a file of the recorded session.
fn words(file: &str) -> Vec<String> {
    let mut rows = transcripts().into_iter();
    rows.find_map(|(name, words)| (name == file).then_some(words)).unwrap()
}

/// The start, in seconds, of the first result, and of the first one behind `behind`.
fn starts(outcome: &Outcome, behind: f64) -> (f64, f64) {
    let start = |result: &serde_json::Value| result["start_seconds"].as_f64().unwrap();
    let mut starts = outcome.results.iter().map(start);
    let first = starts.next().unwrap();
    (first, starts.find(|start| *start > behind).unwrap())
}

/// The frames that the microphone sent. They follow one another, gaps included, and the stream has its end.
fn frames(folder: &Path) -> Vec<AudioFrame> {
    let mut topic = TopicReader::open(&folder.join("microphone/audio.arrow")).unwrap();
    let (mut frames, mut position, mut ended) = (Vec::new(), 0, false);
    while let Some(row) = topic.next_message().unwrap() {
        match Message::<AudioFrame>::decode(&row).unwrap().body {
            Some(frame) => {
                assert_eq!(frame.start, position + frame.gap);
                position = frame.end();
                frames.push(frame);
            }
            None => ended = true,
        }
    }
    assert!(ended, "the session has no last message");
    frames
}

/// How often the microphone has said something.
fn told(outcome: &Outcome, text: &str) -> usize {
    outcome.log.lines().filter(|line| line.contains(" microphone: ") && line.contains(text)).count()
}

fn gap_seconds(frames: &[AudioFrame]) -> f64 {
    frames.iter().map(|frame| frame.gap).sum::<u64>() as f64 / 16_000.0
}

#[test]
fn what_is_said_into_the_microphone_comes_out() {
    let server = Server::start();
    let files = ["LJ001-0006.flac", "LJ001-0004.flac"];
    let outcome = live("words", &server).run_with(move |folder| {
        server.wait_for_listener();
        for file in files {
            server.play(file);
            sleep(Duration::from_secs(1));
        }
        end_session(folder);
    });
    let outcome = outcome.expect_success();
    let reference: Vec<String> = files.iter().flat_map(|file| words(file)).collect();
    let rate = word_error_rate(&reference, &outcome.words());
    assert!(rate <= 0.15, "word error rate {rate:.3}: {:?}", outcome.words());
    for result in &outcome.results {
        assert_eq!(result["session"], "live", "{result}");
        assert!(result["latency_ms"]["total"].as_f64().unwrap() > 0.0, "{result}");
    }
    assert!(outcome.log.contains("48000 Hz, 2 channels"), "{}", outcome.log);
    assert!(!outcome.log.contains("are missing at"), "nothing was lost:\n{}", outcome.log);
}

#[test]
fn a_sound_server_that_dies_and_comes_back_leaves_a_gap() {
    let mut server = Server::start();
    let graph = live("killed", &server).record();
    let recording = graph.recording();
    let (tell, told) = channel();
    let outcome = graph.run_with(move |folder| {
        server.wait_for_listener();
        let first = Instant::now();
        server.play("LJ001-0006.flac");
        sleep(Duration::from_secs(1));
        server.kill();
        let killed = Instant::now();
        sleep(Duration::from_secs(3));
        server.go_on();
        server.wait_for_listener();
        let away = killed.elapsed();
        let second = Instant::now();
        server.play("LJ001-0004.flac");
        end_session(folder);
        tell.send((second - first, away)).unwrap();
    });
    let outcome = outcome.expect_success();
    let (apart, away) = told.recv().unwrap();
    // What was said before and after is heard, at the time at which it was said.
    let reference = [words("LJ001-0006.flac"), words("LJ001-0004.flac")].concat();
    let rate = word_error_rate(&reference, &outcome.words());
    assert!(rate <= 0.15, "word error rate {rate:.3}: {:?}", outcome.words());
    let (first, second) = starts(&outcome, 5.0);
    let error = second - first - apart.as_secs_f64();
    assert!(error.abs() < 1.0, "{first} s and {second} s are not {apart:?} apart");
    // The time between is on record, in the audio, in the account of the recording, and in the log.
    let gap = gap_seconds(&frames(&recording));
    assert!((3.0..away.as_secs_f64() + 0.5).contains(&gap), "a gap of {gap} s in {away:?}");
    let exceptions = Manifest::read(&recording).unwrap().exceptions;
    let gaps: Vec<_> = exceptions.iter().filter(|exception| exception.kind == ExceptionKind::Gap).collect();
    let places: BTreeSet<_> = gaps.iter().map(|gap| gap.sample).collect();
    assert!(!gaps.is_empty() && places.len() == gaps.len(), "each once: {exceptions:?}");
    assert!(gaps.iter().all(|gap| gap.place == "microphone"), "by who knows why: {exceptions:?}");
    for text in ["opening it again in 0.25 s", "trying again in", "while the microphone was away"] {
        assert!(outcome.log.contains(text), "`{text}` is not in the log:\n{}", outcome.log);
    }
}

/// It dies in the middle of a sentence, for good.
#[test]
fn what_was_said_as_the_device_went_does_not_wait_for_its_return() {
    let mut server = Server::start();
    let outcome = live("gone", &server).run_with(move |folder| {
        server.wait_for_listener();
        let mut player = server.begin("jfk.flac");
        sleep(Duration::from_secs(3));
        server.kill();
        player.wait().unwrap();
        sleep(Duration::from_secs(6));
        end_session(folder);
    });
    let outcome = outcome.expect_success();
    assert_eq!(outcome.words().first().map(String::as_str), Some("and"), "{:?}", outcome.words());
    for result in &outcome.results {
        assert!(result["latency_ms"]["total"].as_f64().unwrap() < 4_000.0, "{result}");
    }
}

/// It hangs, as a server does whose machine was asleep: no error, no samples, and whoever asks it waits.
#[test]
fn a_sound_server_that_hangs_is_noticed_and_left() {
    let server = Server::start();
    let graph = recorded(live("hangs", &server)).add_args("microphone", "--silent-device-ms 1000");
    let recording = graph.recording();
    let outcome = graph.run_with(move |folder| {
        server.wait_for_listener();
        sleep(Duration::from_secs(1));
        signal("STOP", server.process());
        sleep(Duration::from_secs(4));
        signal("CONT", server.process());
        sleep(Duration::from_secs(4));
        end_session(folder);
    });
    let outcome = outcome.expect_success();
    assert!(outcome.log.contains("nothing has come from the microphone for 1."), "{}", outcome.log);
    let frames = frames(&recording);
    assert!((2.0..8.0).contains(&gap_seconds(&frames)), "a gap of {} s", gap_seconds(&frames));
    let behind = frames.iter().rposition(|frame| frame.gap > 0).unwrap();
    assert!(frames.len() - behind > 30, "the session goes on behind the gap");
}

/// Nothing is played, so the microphone hears zeros.
#[test]
fn a_session_has_its_length_and_a_muted_microphone_is_told() {
    let server = Server::start();
    let graph = recorded(live("muted", &server)).add_args("microphone", "--duration-seconds 6.51");
    let recording = graph.recording();
    let outcome = graph.run().expect_success();
    let frames = frames(&recording);
    assert_eq!((frames.last().unwrap().end(), gap_seconds(&frames)), (104_160, 0.0));
    assert!(frames.iter().all(|frame| frame.samples.iter().all(|sample| *sample == 0.0)));
    assert_eq!(told(&outcome, "it may be muted"), 1, "{}", outcome.log);
}

/// ALSA's null device gives more than the node can take. All of it is sent or on record.
#[test]
fn what_a_node_cannot_take_is_on_record_and_does_not_flood_the_log() {
    let graph = Graph::open("dataflows/live.yml", "microphone-null");
    let graph = recorded(graph.args("microphone", "--device null --duration-seconds 300"));
    let recording = graph.recording();
    let outcome = graph.run().expect_success();
    let frames = frames(&recording);
    assert!(frames.last().unwrap().end() <= 4_800_000);
    assert!(gap_seconds(&frames) > 0.0);
    assert!(told(&outcome, "of audio are missing at") < 5, "{}", outcome.log);
    assert!(outcome.log.contains("more losses"), "{}", outcome.log);
}

/// Fusion sends no watermark for a while: what may be on its way is used up, then the room in the node, and then the
/// oldest goes. Afterwards the session goes on.
#[test]
fn a_graph_that_is_late_leaves_a_gap_and_is_caught_up_with() {
    let server = Server::start();
    let graph = live("late", &server).record().add_args("microphone", "--lead-seconds 3 --buffer-seconds 1");
    let recording = graph.recording();
    let outcome = graph.run_with(move |folder| {
        server.wait_for_listener();
        sleep(Duration::from_secs(2));
        let fusion = find_process("fusion", folder);
        signal("STOP", fusion);
        sleep(Duration::from_secs(7));
        signal("CONT", fusion);
        sleep(Duration::from_secs(2));
        end_session(folder);
    });
    let outcome = outcome.expect_success();
    for text in ["the graph is late", "the graph has caught up;"] {
        assert_eq!(told(&outcome, text), 1, "{}", outcome.log);
    }
    let frames = frames(&recording);
    let gap = gap_seconds(&frames);
    assert!((1.0..6.0).contains(&gap), "a gap of {gap} s");
    assert_eq!(told(&outcome, &format!("{gap:.2} s of audio were dropped")), 1, "{gap}: {}", outcome.log);
}

/// Ctrl-C stops all nodes at once. What was a result by then is in the sink's file, which is whole.
#[test]
fn a_graph_that_is_stopped_ends_well() {
    let server = Server::start();
    let graph = live("stopped", &server);
    let results = graph.folder().join("results.jsonl");
    let outcome = graph.run_with(move |folder| {
        server.wait_for_listener();
        server.play("LJ001-0002.flac");
        sleep(Duration::from_secs(2));
        signal("INT", find_process("dora", folder));
    });
    let outcome = outcome.expect_success();
    assert!(results.exists(), "{}", outcome.log);
    assert_eq!(outcome.words(), words("LJ001-0002.flac"));
    assert_eq!(told(&outcome, "the session ends after"), 1, "{}", outcome.log);
}

#[test]
fn a_device_that_does_not_exist_is_an_error_that_says_what_to_do() {
    let server = Server::start();
    let missing = live("missing", &server).args("microphone", "--device no-such-thing");
    missing.run().expect_failure(&["no device is `no-such-thing`", "choose another", "Test microphone"]);
    let channel = live("channel", &server).add_args("microphone", "--channel 3");
    channel.run().expect_failure(&["has 2 channels", "--channel 3"]);
}

#[test]
fn devices_are_listed_outside_a_graph() {
    let server = Server::start();
    let output = Command::new(repository().join("target/release/microphone"))
        .arg("--list")
        .env("ALSA_CONFIG_PATH", server.configuration())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let line = text.lines().find(|line| line.contains("Test microphone (speech)")).unwrap();
    assert!(line.contains("48000 Hz, 2 channels"), "{text}");
    assert!(text.contains("the default"), "{text}");
    assert_eq!(normalise(&String::from_utf8(output.stderr).unwrap()), Vec::<String>::new());
}
