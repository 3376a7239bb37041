//! The server: connections, addresses, and what is answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, Query, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY,
    SEC_WEBSOCKET_PROTOCOL, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::speaks;
use crate::close::Fault;
use crate::hub::{Graph, Wish};
use crate::page::{FILES, POLICY};
use crate::parameters::{Change, Refusal};
use crate::shared::Shared;
use crate::socket;

/// The subprotocol.
pub const PROTOCOL: &str = "undertone.v1";

/// How long the head of a request may take, from its first byte or the end of the request before.
const HEAD: Duration = Duration::from_secs(5);
/// How long the body of a request may take.
const BODY: Duration = Duration::from_secs(5);
/// How long a connection may stay that becomes no WebSocket.
const PLAIN: Duration = Duration::from_secs(60);
/// Bytes of a request's head at most.
const HEAD_BYTES: usize = 16 << 10;
/// Bytes of a request's body at most.
const BODY_BYTES: usize = 4 << 10;
/// What the kernel keeps for a client that does not read. More would hide that it does not.
const SEND_BUFFER: u32 = 64 << 10;
/// Connections at a time beside twice as many as there are sessions. More wait in the kernel.
const SPARE_CONNECTIONS: usize = 64;

/// Kept as long as a connection is.
pub(crate) type Place = Arc<OwnedSemaphorePermit>;

/// Begins to listen.
///
/// # Errors
///
/// The address is in use or not this machine's.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(1_024)
}

/// Serves connections for ever.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let places = SPARE_CONNECTIONS + 2 * shared.hub().limits().sessions;
    let places = Arc::new(Semaphore::new(places));
    let app = router(shared);
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file handles, most likely: that passes.
                tracing::warn!("a connection cannot be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Results are small and wanted at once.
        let _ = stream.set_nodelay(true);
        let place: Place = Arc::new(place);
        let service = TowerToHyperService::new(app.clone().layer(Extension(place)));
        tokio::spawn(async move {
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
            let connection = server.serve_connection(TokioIo::new(stream), service).with_upgrades();
            // What goes wrong here is the client's business.
            let _ = tokio::time::timeout(PLAIN, connection).await;
        });
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new();
    for file in FILES {
        let headers = [
            (CONTENT_TYPE, file.content_type),
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
            (CACHE_CONTROL, "no-cache"),
        ];
        router = router.route(file.path, get(move || async move { (headers, file.content) }));
    }
    router
        .route("/ws", get(connect))
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/stats", get(statistics))
        .route("/parameters", post(change))
        .with_state(shared)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// All of a header's lines as one list.
fn list(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

fn refuse(status: StatusCode, reason: &str) -> Response {
    (status, Json(json!({ "error": reason }))).into_response()
}

/// The answer to a page that may not ask.
fn foreign(shared: &Shared, headers: &HeaderMap) -> Option<Response> {
    if shared.access.allows_origin(text(headers, &ORIGIN), text(headers, &HOST)) {
        return None;
    }
    let reason = "pages of this origin may not use the gateway: name it with `--allow-origin`";
    Some(refuse(StatusCode::FORBIDDEN, reason))
}

/// The answer to who may not ask over plain HTTP.
fn unauthorised(shared: &Shared, headers: &HeaderMap) -> Option<Response> {
    if shared.access.allows(text(headers, &AUTHORIZATION), None) {
        return foreign(shared, headers);
    }
    let reason = refuse(StatusCode::UNAUTHORIZED, "send `Authorization: Bearer TOKEN`");
    Some(([(WWW_AUTHENTICATE, "Bearer")], reason).into_response())
}

/// `GET /ws`. What a browser is to know is told behind the upgrade, by a closing code: it cannot see a status.
async fn connect(
    State(shared): State<Arc<Shared>>,
    Extension(place): Extension<Place>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if let Some(refusal) = foreign(&shared, &headers) {
        return refusal;
    }
    let protocols = list(&headers, &SEC_WEBSOCKET_PROTOCOL);
    if !speaks(protocols.as_deref(), PROTOCOL) {
        return refuse(StatusCode::BAD_REQUEST, "offer the subprotocol `undertone.v1`, also beside a token");
    }
    let wish = if shared.access.allows(text(&headers, &AUTHORIZATION), protocols.as_deref()) {
        Wish::read(query)
    } else {
        Err(Fault::Unauthorised)
    };
    let most = shared.hub().limits().message_bytes();
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(most)
        .max_frame_size(most)
        .on_upgrade(move |socket| socket::serve(socket, shared, wish, place))
}

/// `GET /readyz`.
async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let graph = shared.hub().graph().clone();
    match graph {
        Graph::Ready => "ready\n".into_response(),
        other => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", reason(&other))).into_response(),
    }
}

fn state(graph: &Graph) -> &'static str {
    match graph {
        Graph::Starting => "starting",
        Graph::Ready => "ready",
        Graph::Degraded(_) => "degraded",
        Graph::Failed(_) => "failed",
        Graph::Stopping => "stopping",
    }
}

fn reason(graph: &Graph) -> &str {
    match graph {
        Graph::Starting => "the nodes of the graph have not all joined yet",
        Graph::Ready => "",
        Graph::Degraded(reason) | Graph::Failed(reason) => reason,
        Graph::Stopping => "the gateway stops",
    }
}

/// `GET /stats`.
async fn statistics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if !shared.access.allows_host(text(&headers, &HOST)) {
        let reason =
            "under this name, start the gateway with a token, or with `--allow-origin http://NAME:PORT`";
        return refuse(StatusCode::FORBIDDEN, reason);
    }
    unauthorised(&shared, &headers).unwrap_or_else(|| Json(figures(&shared)).into_response())
}

fn figures(shared: &Shared) -> Value {
    let possible = shared.parameters.possible();
    let (limit, on_their_way, graph, depths, counts, sessions) = {
        let hub = shared.hub();
        let (limit, on_their_way) = hub.messages();
        let depths = hub.depths(shared.now());
        (limit, on_their_way, hub.graph().clone(), depths, hub.counts(), hub.limits().sessions)
    };
    let statistics = shared.statistics();
    json!({
        "protocol": PROTOCOL,
        "graph": { "state": state(&graph), "reason": reason(&graph) },
        "sessions": {
            "limit": sessions,
            "open": depths.iter().filter(|depth| depth.is_open()).count(),
            "connected": depths.iter().filter(|depth| depth.is_connected()).count(),
            "kept": depths.len(),
        },
        "counts": counts,
        "messages": { "limit": limit, "in_graph": on_their_way },
        "queues": depths,
        "results": statistics.results(),
        "latency": statistics.percentiles(),
        "parameters": {
            "possible": possible.is_ok(),
            "reason": possible.err().unwrap_or_default(),
            "allowed": shared.parameters.allowed(),
        },
    })
}

/// `POST /parameters`.
async fn change(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    if let Some(refusal) = unauthorised(&shared, &head.headers) {
        return refusal;
    }
    let Ok(Ok(body)) = tokio::time::timeout(BODY, to_bytes(body, BODY_BYTES)).await else {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long, or took too long");
    };
    let change: Change = match serde_json::from_slice(&body) {
        Ok(change) => change,
        Err(error) => {
            let form = r#"send {"node": "fusion", "name": "text-weight", "value": 0.5}"#;
            return refuse(StatusCode::BAD_REQUEST, &format!("{error}; {form}"));
        }
    };
    let turn = shared.parameters.turn().await;
    // Dora's command line takes its time, and goes on if the client goes: so the turn is kept there.
    let change = move || {
        let changed = shared.parameters.set(&change);
        drop(turn);
        changed
    };
    let changed = tokio::task::spawn_blocking(change).await;
    match changed {
        Ok(Ok(())) => (StatusCode::ACCEPTED, Json(json!({ "status": "sent" }))).into_response(),
        Ok(Err(refusal)) => refuse(status(&refusal), &refusal.to_string()),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Name(_) => StatusCode::BAD_REQUEST,
        Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
        Refusal::Impossible(_) => StatusCode::NOT_IMPLEMENTED,
        Refusal::Failed(_) => StatusCode::BAD_GATEWAY,
    }
}
