//! The server without a graph: who may come in, and what is answered.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Message, client};
use undertone_gateway::{Access, Hub, Limits, Parameters, Shared, listen, serve};

const TOKEN: &str = "0123456789abcdef";

/// A server whose graph does nothing.
struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

impl Server {
    fn start(token: Option<&str>) -> Self {
        Self::with_dora(token, "/no/such/dora".into())
    }

    fn with_dora(token: Option<&str>, program: PathBuf) -> Self {
        let access = Access {
            origins: vec!["https://speech.example.org".to_owned()],
            token: token.map(str::to_owned),
        };
        let parameters = Parameters::new(vec!["fusion".to_owned()], program);
        let limits = Limits { sessions: 2, ..Limits::default() };
        let shared = Arc::new(Shared::new(Hub::new(limits), access, parameters));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let inside = runtime.enter();
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(listener, Arc::clone(&shared)));
        drop(inside);
        Self { address, shared, _runtime: runtime }
    }

    fn open(self) -> Self {
        self.shared.hub().open(Default::default(), 1_000);
        self
    }

    fn ask(&self, line: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let (host, length) = (self.address, body.len());
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }

    /// The first message, and the closing code if there is one.
    fn join(&self, protocols: &str, headers: &[(&'static str, &str)]) -> (Value, Option<u16>) {
        let mut request = format!("ws://{}/ws", self.address).into_client_request().unwrap();
        if !protocols.is_empty() {
            let protocols = HeaderValue::from_str(protocols).unwrap();
            request.headers_mut().insert("sec-websocket-protocol", protocols);
        }
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let (mut socket, answer) = client(request, TcpStream::connect(self.address).unwrap()).unwrap();
        let chosen = answer.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap());
        assert_eq!(chosen, (!protocols.is_empty()).then_some("undertone.v1"), "a token is never sent back");
        let Message::Text(text) = socket.read().unwrap() else { panic!("no text") };
        let event: Value = serde_json::from_str(&text).unwrap();
        if event["type"] == "ready" {
            let _ = socket.close(None);
            while socket.read().is_ok() {}
            return (event, None);
        }
        let Message::Close(Some(frame)) = socket.read().unwrap() else { panic!("not closed") };
        (event, Some(frame.code.into()))
    }
}

#[test]
fn alive_before_ready() {
    let server = Server::start(None);
    assert_eq!(server.ask("GET /healthz", "", "").0, 200);
    assert_eq!(server.ask("GET /readyz", "", "").0, 503);
    let (event, code) = server.join("undertone.v1", &[]);
    assert_eq!((&event["code"], code), (&"not_ready".into(), Some(1013)));
    let server = server.open();
    assert_eq!(server.ask("GET /readyz", "", "").0, 200);
    assert_eq!(server.join("undertone.v1", &[]).1, None);
    assert_eq!(server.join("", &[]).1, None, "a client without a subprotocol is of version 1");
    server.shared.hub().fail("it broke");
    let (status, answer) = server.ask("GET /readyz", "", "");
    assert!(status == 503 && answer.contains("it broke"), "{answer}");
}

#[test]
fn the_page_is_served_and_nothing_else() {
    let server = Server::start(None);
    for path in ["/", "/index.html", "/app.js", "/worklet.js", "/style.css"] {
        let (status, answer) = server.ask(&format!("GET {path}"), "", "");
        assert_eq!(status, 200, "{path}");
        assert!(answer.contains("content-security-policy: default-src 'none'"), "{answer}");
        assert!(answer.contains("x-content-type-options: nosniff"), "{answer}");
    }
    for path in ["/app", "/page/app.js", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "//etc/passwd"] {
        assert_eq!(server.ask(&format!("GET {path}"), "", "").0, 404, "{path}");
    }
    assert_eq!(server.ask("GET /", &format!("X: {}\r\n", "a".repeat(40_000)), "").0 / 100, 4);
}

#[test]
fn who_has_no_token_gets_nothing() {
    let server = Server::start(Some(TOKEN)).open();
    let (event, code) = server.join("undertone.v1", &[]);
    assert_eq!((&event["code"], code), (&"unauthorised".into(), Some(4401)));
    assert_eq!(server.join("undertone.v1, bearer.wrong", &[]).1, Some(4401));
    assert_eq!(server.join("undertone.v1", &[("authorization", "Bearer wrong")]).1, Some(4401));
    assert_eq!(server.join(&format!("undertone.v1, bearer.{TOKEN}"), &[]).1, None);
    assert_eq!(server.join(&format!("bearer.{TOKEN}, undertone.v1"), &[]).1, None);
    let header = format!("Bearer {TOKEN}");
    assert_eq!(server.join("", &[("authorization", &header)]).1, None);
    assert_eq!(server.ask("GET /stats", "", "").0, 401);
    assert_eq!(server.ask("POST /parameters", "", "{}").0, 401);
    assert_eq!(server.ask("GET /stats", &format!("Authorization: {header}\r\n"), "").0, 200);
    // Whether it lives, and the page that asks for the token, are for everybody.
    assert_eq!([server.ask("GET /healthz", "", "").0, server.ask("GET /", "", "").0], [200, 200]);
}

#[test]
fn pages_of_others_are_kept_out() {
    let server = Server::start(None).open();
    let stats = |origin: &str| server.ask("GET /stats", &format!("Origin: {origin}\r\n"), "").0;
    assert_eq!(stats(&format!("http://{}", server.address)), 200);
    assert_eq!(stats("https://speech.example.org"), 200);
    assert_eq!([stats("https://evil.example"), stats("null")], [403, 403]);
    let origin = format!("http://{}", server.address);
    assert_eq!(server.join("undertone.v1", &[("origin", &origin)]).1, None);
}

#[test]
fn changes_that_are_not_possible_are_answered() {
    let server = Server::start(None).open();
    let change = |body: &str| server.ask("POST /parameters", "", body).0;
    assert_eq!(change("weight=1"), 400);
    assert_eq!(change(r#"{"node": "fusion", "name": "text-weight", "value": 0.5, "extra": 1}"#), 400);
    assert_eq!(change(r#"{"node": "fusion", "name": "--text-weight", "value": 0.5}"#), 400);
    assert_eq!(change(r#"{"node": "vad", "name": "threshold", "value": 0.5}"#), 403);
    assert_eq!(change(r#"{"node": "fusion", "name": "text-weight", "value": 0.5}"#), 501);
    assert_eq!(change(&" ".repeat(10_000)), 413);
    let (_, answer) = server.ask("GET /stats", "", "");
    let figures: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(figures["parameters"]["possible"], false);
    assert_eq!(figures["messages"]["limit"], 1_000);
}

/// Changes to a graph whose coordinator takes its time for the first.
#[cfg(unix)]
#[test]
fn the_change_that_came_last_is_made_last() {
    use std::os::unix::fs::PermissionsExt;
    let path =
        |name: &str| std::env::temp_dir().join(format!("undertone-{}-changes-{name}", std::process::id()));
    let (program, record) = (path("dora"), path("record"));
    let script = r#"#!/bin/sh
case "$1" in list) echo the-graph; exit;; esac
for value; do :; done
echo "begin $value" >> RECORD
test "$value" = 1 && sleep 1
echo "end $value" >> RECORD
"#;
    std::fs::write(&record, "").unwrap();
    std::fs::write(&program, script.replace("RECORD", record.to_str().unwrap())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::with_dora(None, program.clone()).open();
    server.shared.parameters.probe("the-graph");
    let change = |value: u32| {
        let body = format!(r#"{{"node": "fusion", "name": "text-weight", "value": {value}}}"#);
        assert_eq!(server.ask("POST /parameters", "", &body).0, 202);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| change(1));
        let begun = Instant::now();
        while std::fs::read_to_string(&record).unwrap().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the first change is not made");
            std::thread::sleep(Duration::from_millis(10));
        }
        change(2);
    });
    assert_eq!(std::fs::read_to_string(&record).unwrap(), "begin 1\nend 1\nbegin 2\nend 2\n");
    std::fs::remove_file(program).unwrap();
    std::fs::remove_file(record).unwrap();
}
