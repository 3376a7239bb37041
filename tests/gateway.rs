//! The gateway in its graph: real models, recorded speech over WebSocket, and clients as they should not be.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

#[path = "gateway/client.rs"]
mod client;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use harness::{
    Graph, Outcome, alone, find_process, kill, repository, signal, transcripts, wait_for, word_error_rate,
};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use undertone_recording::{Exception, ExceptionKind, Manifest, State};

use client::{Client, await_status, free_port, open_files, own_memory, parent, recording, request, stats};

/// Runs the gateway's graph, and `test` meanwhile, which ends the graph.
fn run(name: &str, arguments: &str, test: impl FnOnce(u16, &Path) + Send + 'static) -> Outcome {
    let port = free_port();
    let graph = Graph::open("dataflows/gateway.yml", name)
        .args("gateway", &format!("--listen 127.0.0.1:{port} {arguments}"));
    graph.run_with(move |folder| test(port, folder))
}

/// A session that says what is in a recording.
fn say(port: u16, file: &str, pace: u32) -> Client {
    let mut client = Client::connect(port, &format!("?session={}", file.trim_end_matches(".flac")));
    client.until("ready");
    client.speak(&recording(file), pace);
    assert_eq!(client.finish(), 1000, "{:?}", client.closed);
    client
}

/// Results are those of the recording, and of no other session.
fn check(client: &Client, file: &str, reference: &[String]) {
    client.check_numbers(1);
    // Whisper writes years in digits.
    let reference = harness::normalise(&reference.join(" ").replace("eighteen thirteen", "1813"));
    let rate = word_error_rate(&reference, &client.words());
    assert!(rate <= 0.25, "{file}: word error rate {rate:.2}: {:?}", client.words());
    let (first, last) = (client.events.first().unwrap(), client.events.last().unwrap());
    assert_eq!((first["type"].as_str(), last["type"].as_str()), (Some("ready"), Some("end")));
    assert_eq!(last["position_sample"], recording(file).len() as u64);
    let results = client.results("final");
    assert!(!results.is_empty() && client.results("provisional").len() == results.len(), "{file}");
    for result in results {
        assert_eq!(result["session"], file.trim_end_matches(".flac"));
        assert_eq!(result["profile"], "both", "{result}");
        let sum: f64 = result["probabilities"].as_object().unwrap().values().filter_map(Value::as_f64).sum();
        assert!((sum - 1.0).abs() < 1e-4, "{result}");
        let latency = &result["latency_ms"];
        assert!(latency["stages"]["delivery"].is_object(), "{result}");
        let hangover = latency["hangover"].as_f64().unwrap();
        assert!(hangover >= 0.0 && latency["total"].as_f64().unwrap() > hangover, "{result}");
        let of = |kind: &str| {
            client.events.iter().any(|event| event["type"] == kind && event["segment"] == result["segment"])
        };
        assert!(of("speech") && of("acoustic") && of("transcript"), "{result}");
    }
}

#[test]
fn eight_clients_are_heard_at_once_each_for_itself() {
    let outcome = run("gateway", "--sessions 8 --parameters fusion", |port, folder| {
        await_status(port, "/healthz", 200);
        assert_eq!(request(port, "GET /readyz", "").0, 503, "the models are not loaded yet");
        let mut early = Client::connect(port, "");
        assert_eq!(early.until_closed(), 1013);
        assert_eq!(early.events[0]["code"], "not_ready");
        await_status(port, "/readyz", 200);
        let (status, page) = request(port, "GET /", "");
        assert!(
            status == 200 && page.contains("<html") && page.contains("content-security-policy"),
            "{page}"
        );
        assert_eq!(request(port, "GET /../Cargo.toml", "").0, 404);
        let change = r#"{"node": "fusion", "name": "text-weight", "value": 0.8}"#;
        let (status, answer) = request(port, "POST /parameters", change);
        assert!(status == 501 && answer.contains("dora start"), "{answer}");
        assert_eq!(request(port, "POST /parameters", &change.replace("fusion", "vad")).0, 403);
        assert_eq!(stats(port)["parameters"]["possible"], false);

        let sessions = transcripts();
        assert_eq!(sessions.len(), 8);
        let handles: Vec<_> = sessions
            .into_iter()
            .map(|(file, reference)| thread::spawn(move || check(&say(port, &file, 1), &file, &reference)))
            .collect();
        while stats(port)["sessions"]["open"] != 8 {
            thread::sleep(Duration::from_millis(10));
        }
        let mut ninth = Client::connect(port, "");
        assert_eq!(ninth.until_closed(), 1013, "{:?}", ninth.closed);
        assert_eq!((&ninth.events[0]["code"], &ninth.events[0]["event"]), (&"full".into(), &0.into()));
        for handle in handles {
            handle.join().unwrap();
        }
        let figures = stats(port);
        assert_eq!(figures["sessions"]["kept"], 0, "{figures}");
        assert_eq!(figures["messages"]["in_graph"], 0, "{figures}");
        assert_eq!(figures["counts"]["dropped_samples"], 0, "{figures}");
        println!("8 sessions at the pace of the clock: {:#}", figures["latency"]);

        // Text in place of bytes, at another rate.
        let mut client = Client::connect(port, "");
        let wide: Vec<u8> = recording("LJ001-0004.flac")
            .iter()
            .flat_map(|sample| [*sample; 2])
            .flat_map(i16::to_le_bytes)
            .collect();
        for part in wide.chunks(3_200) {
            let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
            client.send_text(&format!(
                r#"{{"type":"audio","audio":"{hex}","encoding":"hex","sample_rate":32000}}"#
            ));
        }
        assert_eq!(client.finish(), 1000, "{:?}", client.closed);
        assert!(client.words().contains(&"printed".to_owned()), "{:?}", client.words());

        // Dora's stop, with a client in the middle of its speech.
        let mut client = Client::connect(port, "");
        client.speak(&recording("jfk.flac")[..32_000], 1);
        signal("INT", parent(find_process("gateway", folder)));
        assert_eq!(client.until_closed(), 1001, "{:?}", client.closed);
    });
    outcome.expect_success();
}

#[test]
fn what_clients_do_wrong_harms_nobody_else() {
    let arguments = "--idle-seconds 3 --grace-seconds 8 --lag-events 16 --max-speed 20 --burst-seconds 30";
    let outcome = run("gateway-hostile", arguments, |port, folder| {
        await_status(port, "/readyz", 200);
        let process = find_process("gateway", folder);
        let good = thread::spawn(move || {
            let (file, reference) =
                transcripts().into_iter().find(|(file, _)| file.starts_with("libri")).unwrap();
            check(&say(port, &file, 1), &file, &reference);
        });
        let slow_loris = thread::spawn(move || slow_loris(port));
        let half_open = thread::spawn(move || half_open(port));
        let resumed = thread::spawn(move || resume(port));
        hostile(port);
        flood(port);
        for thread in [good, slow_loris, half_open, resumed] {
            thread.join().unwrap();
        }
        slow_reader(port);
        many(port, process);
        // A part of the graph dies; what is left still answers.
        kill("decoder", folder);
        await_status(port, "/readyz", 503);
        let mut client = Client::connect(port, "");
        client.speak(&recording("LJ001-0008.flac"), 4);
        assert_eq!(client.finish(), 1000, "{:?}", client.closed);
        assert_eq!(stats(port)["graph"]["state"], "degraded");
        assert_eq!(client.results("final")[0]["profile"], "audio_only");
        let mut client = Client::connect(port, "");
        client.until("ready");
        signal("TERM", process);
        assert_eq!(client.until_closed(), 1001, "{:?}", client.closed);
    });
    outcome.expect_failure(&["decoder"]);
}

#[test]
fn a_node_that_dies_while_nobody_speaks_is_on_record() {
    let port = free_port();
    let graph = Graph::open("dataflows/gateway.yml", "gateway-died")
        .args("gateway", &format!("--listen 127.0.0.1:{port}"))
        .record();
    let recording = graph.recording();
    let outcome = graph.run_with(move |folder| {
        await_status(port, "/readyz", 200);
        say(port, "LJ001-0008.flac", 4);
        kill("decoder", folder);
        await_status(port, "/readyz", 503);
        signal("TERM", find_process("gateway", folder));
    });
    outcome.expect_failure(&["decoder"]);
    let manifest = Manifest::read(&recording).unwrap();
    assert!(manifest.topics["decoder/transcript"].sessions.values().all(|stream| stream.ended));
    let cut = |exception: &&Exception| exception.kind == ExceptionKind::CutOff;
    let places: Vec<_> = manifest.exceptions.iter().filter(cut).map(|exception| &exception.place).collect();
    assert!(places.iter().any(|place| *place == "decoder/transcript"), "{:?}", manifest.exceptions);
}

/// Processes that end with the test.
struct Processes(Vec<Child>);

impl Drop for Processes {
    fn drop(&mut self) {
        for process in self.0.iter_mut().rev() {
            signal("INT", process.id());
            let _ = process.wait();
        }
    }
}

#[test]
fn arguments_of_other_nodes_change_under_a_coordinator() {
    let port = free_port();
    let graph = Graph::open("dataflows/gateway.yml", "gateway-parameters").record();
    let (folder, recording) = (graph.folder().to_owned(), graph.recording());
    let program = repository().join(".venv/bin/dora");
    let arguments = format!("--listen 127.0.0.1:{port} --parameters fusion --dora {}", program.display());
    graph.args("gateway", &arguments).validate().expect_success();
    let _alone = alone();
    let (coordinator, local) = (free_port().to_string(), free_port().to_string());
    let dora = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.args(words).env("DORA_COORDINATOR_PORT", &coordinator).current_dir(&folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let mut processes = Processes(Vec::new());
    processes.0.push(dora(&["coordinator", "--port", &coordinator, "--store", "memory"]).spawn().unwrap());
    let daemon = ["daemon", "--coordinator-port", &coordinator, "--local-listen-port", &local];
    let begun = Instant::now();
    let address = format!("127.0.0.1:{coordinator}");
    wait_for("the coordinator", Duration::from_secs(30), || TcpStream::connect(&address).is_ok());
    processes.0.push(dora(&daemon).spawn().unwrap());
    // The daemon takes a moment to tell the coordinator of itself.
    while !dora(&["start", "--detach", "graph.yml"]).status().unwrap().success() {
        assert!(begun.elapsed() < Duration::from_secs(30), "no daemon");
        thread::sleep(Duration::from_millis(200));
    }
    await_status(port, "/readyz", 200);
    while stats(port)["parameters"]["possible"] != true {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", stats(port)["parameters"]);
        thread::sleep(Duration::from_millis(50));
    }
    let weights = || {
        let client = say(port, "LJ001-0008.flac", 4);
        let result = client.results("final")[0].clone();
        ["text_sentiment", "audio_sentiment"].map(|name| result[name]["weight"].as_f64().unwrap())
    };
    let learned = weights();
    let changes = [
        // A model is loaded once, and so is the log's level set. What is refused is not in the way of what follows.
        r#"{"node": "fusion", "name": "model", "value": "another"}"#,
        r#"{"node": "fusion", "name": "log-level", "value": "warn"}"#,
        r#"{"node": "fusion", "name": "weighting", "value": "fixed"}"#,
        r#"{"node": "fusion", "name": "model", "value": null}"#,
        r#"{"node": "fusion", "name": "text-weight", "value": 0.25}"#,
    ];
    for change in changes {
        let (status, answer) = request(port, "POST /parameters", change);
        assert_eq!(status, 202, "{answer}");
    }
    let begun = Instant::now();
    while weights() != [0.25, 0.75] {
        assert!(begun.elapsed() < Duration::from_secs(30), "fusion has not changed: {:?}", weights());
    }
    assert_ne!(learned, [0.25, 0.75]);
    assert!(dora(&["stop", "--all"]).status().is_ok());
    // What was taken over is on record, and what was refused is not.
    let finished = || Manifest::read(&recording).is_ok_and(|manifest| manifest.state != State::Recording);
    wait_for("the end of the recording", Duration::from_secs(30), finished);
    let manifest = Manifest::read(&recording).unwrap();
    let changed = |exception: &&Exception| exception.kind == ExceptionKind::Changed;
    let texts: Vec<_> = manifest.exceptions.iter().filter(changed).map(|exception| &exception.text).collect();
    let told = [
        "`--weighting` was changed to \"fixed\" while the graph ran",
        "`--text-weight` was changed to 0.25 while the graph ran",
    ];
    assert_eq!(texts, told);
}

/// A connection that breaks and comes back.
fn resume(port: u16) {
    let samples = recording("jfk.flac");
    let mut client = Client::connect(port, "");
    let ready = client.until("ready");
    client.speak(&samples[..64_000], 1);
    let mut events = client.cut();
    thread::sleep(Duration::from_millis(1_500));
    let token = ready["resume"].as_str().unwrap();
    // It has not seen the latest.
    events.truncate(events.len() - 2);
    let after = events.len() as u64;
    let mut client = Client::connect(port, &format!("?resume={token}&after={after}"));
    let again = client.until("ready");
    assert_eq!(again["resumed"], true, "{again}");
    let position = again["position_sample"].as_u64().unwrap();
    assert!((84_000..100_000).contains(&position), "4 s and about 1.5 s: {position}");
    client.speak(&samples[position as usize..], 1);
    assert_eq!(client.finish(), 1000, "{:?}", client.closed);
    client.check_numbers(after + 1);
    let gap = client.until("gap");
    assert_eq!((&gap["reason"], &gap["start_sample"]), (&"disconnected".into(), &64_000.into()));
    assert_eq!(gap["end_sample"], position);
    assert!(client.words().ends_with(&["your".to_owned(), "country".to_owned()]), "{:?}", client.words());
}

/// Each mistake has its error and its code.
fn hostile(port: u16) {
    let text = |text: &str| Message::Text(text.into());
    let binary = |length: usize| Message::Binary(vec![0; length].into());
    for (message, error, code) in [
        (binary(0), "empty_frame", 1007),
        (binary(641), "odd_length", 1007),
        (binary(32_002), "frame_too_long", 1009),
        (binary(300_000), "frame_too_long", 1009),
        (text(""), "bad_json", 1007),
        (text("{\"type\":"), "bad_json", 1007),
        (text("{\"type\":\"audio\"}"), "bad_json", 1007),
        (text("{\"type\":\"audio\",\"audio\":\"%%%\"}"), "bad_encoding", 1007),
        (text("{\"type\":\"audio\",\"audio\":\"AAAA\",\"sample_rate\":7}"), "bad_rate", 1003),
        (text("{\"type\":\"shutdown\"}"), "unknown_type", 1003),
    ] {
        let mut client = Client::connect(port, "");
        client.send(message);
        assert_eq!(client.until_closed(), code, "{error}: {:?}", client.closed);
        assert_eq!(client.events.last().unwrap()["code"], error);
    }
    for (bytes, error, code) in [
        // Text that is not UTF-8, a frame without a mask, a reserved opcode, and a frame of 2^40 bytes.
        (&[0x81, 0x82, 0, 0, 0, 0, 0xC3, 0x28][..], "bad_utf8", 1007),
        (&[0x82, 0x02, 0, 0], "bad_frame", 1007),
        (&[0x83, 0x80, 0, 0, 0, 0], "bad_frame", 1007),
        (&[0x82, 0xFF, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], "message_too_long", 1009),
    ] {
        let mut client = Client::connect(port, "");
        client.until("ready");
        client.stream().write_all(bytes).unwrap();
        assert_eq!(client.until_closed(), code, "{error}: {:?}", client.closed);
        assert_eq!(client.events.last().unwrap()["code"], error);
    }
    for (query, code) in [
        ("?session=a%20b", 4400),
        ("?after=1", 4400),
        ("?resume=0123&after=0", 4404),
        ("?resume=0123&after=x", 4400),
        ("?session=libri-1088-134315-0000", 4409),
    ] {
        assert_eq!(Client::connect(port, query).until_closed(), code, "{query}");
    }
    let over = |protocols, headers: &[(&'static str, &str)]| {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        Client::over(stream, port, "", protocols, headers).map(|mut client| client.until_closed())
    };
    assert_eq!(over("chat", &[]), Err(400));
    assert_eq!(over("bearer.0123", &[]), Err(400));
    assert_eq!(over("undertone.v1", &[("origin", "https://evil.example")]), Err(403));
    assert_eq!(request(port, "GET /ws", "").0 / 100, 4);
    assert_eq!(request(port, "BREW /", "").0, 405);
    assert_eq!(request(port, &format!("GET /{}", "a".repeat(100_000)), "").0 / 100, 4);
}

/// Sends without end, as fast as it can, and reads nothing: the network holds it back.
fn flood(port: u16) {
    let mut client = Client::connect(port, "?session=flood");
    client.until("ready");
    client.stream().set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let (begun, mut sent) = (Instant::now(), 0_u64);
    let mut frame = vec![0x82, 0xFE, 0x0C, 0x80, 0, 0, 0, 0];
    frame.resize(8 + 3_200, 0);
    while begun.elapsed() < Duration::from_secs(2) {
        sent += client.stream().write(&frame).unwrap_or(0) as u64;
    }
    let seconds = sent / 32_000;
    println!("a flood: {seconds} s of audio were taken in 2 s, most of them by the kernel");
    assert!(seconds < 600, "{seconds} s of audio were taken in 2 s");
    client.cut();
}

/// A connection that never gets anything said.
fn half_open(port: u16) {
    let mut client = Client::connect(port, "");
    let begun = Instant::now();
    client.until("ready");
    assert_eq!(client.until_closed(), 4408, "{:?}", client.closed);
    assert!(begun.elapsed() > Duration::from_millis(2_500));
}

/// A request that comes a byte at a time.
fn slow_loris(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let begun = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'a')) {
        assert!(begun.elapsed() < Duration::from_secs(15), "the server waits for ever");
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        let mut answer = [0; 64];
        if let Ok(0) = stream.read(&mut answer) {
            return;
        }
    }
}

/// A client that speaks and does not read is sent away; it comes back and has missed nothing.
fn slow_reader(port: u16) {
    let stream = {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(4_096).unwrap();
            socket.connect(([127, 0, 0, 1], port).into()).await.unwrap().into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        stream
    };
    let mut client = Client::over(stream, port, "?session=slow", "undertone.v1", &[]).unwrap();
    let token = client.until("ready")["resume"].as_str().unwrap().to_owned();
    let samples = recording("libri-1088-134315-0000.flac");
    let (begun, mut sent) = (Instant::now(), 0);
    let queue = |port: u16| {
        let figures = stats(port);
        figures["queues"]
            .as_array()
            .unwrap()
            .iter()
            .find(|queue| queue["session"] == "slow")
            .cloned()
            .unwrap()
    };
    while queue(port)["connected"] == true {
        assert!(begun.elapsed() < Duration::from_secs(40), "it is not sent away: {}", queue(port));
        for frame in samples.chunks(1_600).cycle().skip(sent).take(20) {
            client.send_pcm(frame);
        }
        sent += 20;
        thread::sleep(Duration::from_millis(100));
    }
    // What the network had of it is read yet.
    while client.take(Duration::from_millis(50)) {}
    let after = client.events.len();
    client.check_numbers(1);
    let mut again = Client::connect(port, &format!("?resume={token}&after={after}"));
    again.until("ready");
    assert_eq!(again.finish(), 1000, "{:?}", again.closed);
    again.check_numbers(after as u64 + 1);
    println!(
        "a slow reader: sent away behind {sent} frames and {after} events, {} came behind",
        again.events.len()
    );
}

/// A thousand clients come and go, in every way.
fn many(port: u16, process: u32) {
    let samples = recording("LJ001-0008.flac");
    let visit = |number: usize| {
        let mut client = Client::connect(port, "");
        client.until("ready");
        match number % 4 {
            0 => drop(client.cut()),
            1 => client.leave(),
            2 => {
                client.send_pcm(&samples[..1_600]);
                client.leave();
            }
            _ => {
                client.send_pcm(&samples[..1_600]);
                assert_eq!(client.finish(), 1000, "{:?}", client.closed);
            }
        }
    };
    (0..100).for_each(visit);
    let settled = || {
        let begun = Instant::now();
        while stats(port)["sessions"]["kept"] != 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "{}", stats(port));
            thread::sleep(Duration::from_millis(50));
        }
    };
    settled();
    let (memory, files) = (own_memory(process), open_files(process));
    let begun = Instant::now();
    (0..1_000).for_each(visit);
    settled();
    let seconds = begun.elapsed().as_secs_f64();
    let (later, more_files) = (own_memory(process), open_files(process));
    println!(
        "1,000 connections in {seconds:.1} s: {} kB and {files} files before, {} kB and {more_files} after",
        memory / 1_024,
        later / 1_024
    );
    assert!(later < memory + (4 << 20), "{memory} bytes grew to {later}");
    assert!(more_files <= files + 4, "{files} open files grew to {more_files}");
}
