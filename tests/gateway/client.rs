//! A client of the gateway, and what it can be made to do.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use harness::{repository, wait_for};
use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, HandshakeError, Message, WebSocket, client};

/// Nothing that these tests wait for takes longer.
const WATCHDOG: Duration = Duration::from_secs(60);

/// A port that nobody listens on. It is below those that the system gives to connections of its own choice, since a test
/// may wait for others before its graph listens there.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 100) as u16 * 100;
    let mut ports = std::iter::repeat_with(|| first + NEXT.fetch_add(1, Ordering::Relaxed));
    ports.by_ref().take(100).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// The answer to a plain request: its status, and all of it.
pub fn request(port: u16, head: &str, body: &str) -> (u16, String) {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return (0, String::new()) };
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    let length = body.len();
    let text = format!(
        "{head} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let mut answer = String::new();
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer)
}

/// Waits until a request is answered with a status.
pub fn await_status(port: u16, path: &str, expected: u16) {
    let what = format!("{expected} from {path}");
    wait_for(&what, WATCHDOG, || request(port, &format!("GET {path}"), "").0 == expected);
}

/// What `GET /stats` says.
pub fn stats(port: u16) -> Value {
    let (status, answer) = request(port, "GET /stats", "");
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// A recording of the session, in 16-bit samples.
pub fn recording(file: &str) -> Vec<i16> {
    let path = repository().join("recordings/session").join(file);
    undertone_source::Session { name: "s".into(), files: vec![path] }
        .frames(&clap::Parser::parse_from(["source", "unused"]))
        .flat_map(|frame| frame.unwrap().samples.to_vec())
        .map(|sample| (sample * 32_767.0).round() as i16)
        .collect()
}

/// A connected client.
pub struct Client {
    socket: WebSocket<TcpStream>,
    /// All that it was sent.
    pub events: Vec<Value>,
    /// How it was closed.
    pub closed: Option<(u16, String)>,
}

impl Client {
    /// Connects to `/ws` and waits for nothing.
    pub fn connect(port: u16, query: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        Self::over(stream, port, query, "undertone.v1", &[]).unwrap()
    }

    /// Connects over a stream, with these subprotocols and headers. The status, if the server refuses.
    pub fn over(
        stream: TcpStream,
        port: u16,
        query: &str,
        protocols: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, u16> {
        let mut request = format!("ws://127.0.0.1:{port}/ws{query}").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_str(protocols).unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        stream.set_nodelay(true).unwrap();
        match client(request, stream) {
            Ok((socket, _)) => Ok(Self { socket, events: Vec::new(), closed: None }),
            Err(HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends a message; a server that has closed does not hear it.
    pub fn send(&mut self, message: Message) {
        let _ = self.socket.send(message);
    }

    pub fn send_pcm(&mut self, samples: &[i16]) {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        self.send(Message::Binary(bytes.into()));
    }

    pub fn send_text(&mut self, text: &str) {
        self.send(Message::Text(text.into()));
    }

    /// Reads what comes within `patience`. False once the connection is closed.
    pub fn take(&mut self, patience: Duration) -> bool {
        let begun = Instant::now();
        while self.take_one(patience.saturating_sub(begun.elapsed())) {
            if begun.elapsed() >= patience {
                return true;
            }
        }
        false
    }

    /// Reads the next message, if it comes within `patience`. False once the connection is closed.
    fn take_one(&mut self, patience: Duration) -> bool {
        self.socket.get_mut().set_read_timeout(Some(patience.max(Duration::from_millis(1)))).unwrap();
        match self.socket.read() {
            Ok(Message::Text(text)) => self.events.push(serde_json::from_str(&text).unwrap()),
            Ok(Message::Close(frame)) => {
                let frame = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                self.closed = self.closed.take().or(frame);
            }
            Ok(_) => {}
            Err(Error::Io(error)) => {
                return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            }
            Err(_) => return false,
        }
        true
    }

    /// Waits for a message of a type.
    pub fn until(&mut self, kind: &str) -> Value {
        let begun = Instant::now();
        let mut seen = 0;
        loop {
            if let Some(event) = self.events[seen..].iter().find(|event| event["type"] == kind) {
                return event.clone();
            }
            seen = self.events.len();
            let open = self.take_one(WATCHDOG);
            assert!(open || seen < self.events.len(), "closed before `{kind}`: {:?}", self.closed);
            assert!(begun.elapsed() < WATCHDOG, "no `{kind}` in {:?}", self.events);
        }
    }

    /// Reads until the connection is closed, and tells how.
    pub fn until_closed(&mut self) -> u16 {
        let begun = Instant::now();
        while self.take_one(WATCHDOG) {
            assert!(begun.elapsed() < WATCHDOG, "not closed: {:?}", self.events);
        }
        self.closed.clone().map_or(0, |(code, _)| code)
    }

    /// Sends samples in frames of 40 ms, `pace` times as fast as the clock, and reads meanwhile.
    pub fn speak(&mut self, samples: &[i16], pace: u32) {
        let begun = Instant::now();
        for (number, frame) in (1..).zip(samples.chunks(640)) {
            self.send_pcm(frame);
            let due = Duration::from_millis(40) * number / pace;
            self.take(due.saturating_sub(begun.elapsed()));
        }
    }

    /// Ends the session and waits for all its results.
    pub fn finish(&mut self) -> u16 {
        self.send_text(r#"{"type":"end"}"#);
        self.until_closed()
    }

    /// Breaks the connection, as a network does.
    pub fn cut(self) -> Vec<Value> {
        let _ = self.socket.get_ref().shutdown(Shutdown::Both);
        self.events
    }

    /// Leaves as one does.
    pub fn leave(mut self) {
        let _ = self.socket.close(None);
        self.take(Duration::from_millis(500));
    }

    /// The stream, to do what no client should.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.socket.get_mut()
    }

    /// The final words, segment by segment.
    pub fn words(&self) -> Vec<String> {
        let results = self.results("final");
        results.iter().flat_map(|result| harness::normalise(result["text"].as_str().unwrap())).collect()
    }

    /// The results with a status.
    pub fn results(&self, status: &str) -> Vec<&Value> {
        let wanted = |event: &&Value| event["type"] == "sentiment" && event["status"] == status;
        self.events.iter().filter(wanted).collect()
    }

    /// Fails unless each event came once and in order, from number `first` on.
    pub fn check_numbers(&self, first: u64) {
        let numbers: Vec<u64> = self.events.iter().map(|event| event["event"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (first..first + numbers.len() as u64).collect::<Vec<_>>());
    }
}

/// Memory of a process that it shares with nobody, in bytes.
pub fn own_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1_024
}

/// How many files and sockets a process has open.
pub fn open_files(process: u32) -> usize {
    std::fs::read_dir(Path::new("/proc").join(process.to_string()).join("fd")).unwrap().count()
}

/// The process that started another.
pub fn parent(process: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap()
}
