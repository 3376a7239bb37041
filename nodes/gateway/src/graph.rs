//! The gateway's place in the graph: audio out, results in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eyre::{Context, Result, bail, eyre};
use serde_yaml_ng::{Mapping, Value};
use tokio::signal::unix::{SignalKind, signal};
use undertone_messages::{Body, Emotion, Sentiment, SentimentStatus, Speech, Transcript, Watermark};
use undertone_node::{
    Capture, Delivery, Event, Incident, IncidentKind, Inputs, Next, Node, Outputs, Start, Trace, now_ns,
};
use undertone_results::{Latency, latency_of};

use crate::access::Access;
use crate::arguments::Arguments;
use crate::hub::{Hub, Outgoing};
use crate::input::{Input, Report};
use crate::limits::milliseconds;
use crate::parameters::Parameters;
use crate::server;
use crate::shared::Shared;

/// The node's only output.
const OUTPUT: &str = "audio";
/// How often the time is looked at.
const TICK: Duration = Duration::from_millis(50);
/// How long the graph may take for the ends of its streams once the gateway is to stop.
const SETTLE: Duration = Duration::from_secs(3);
/// How long clients may take to go once they were told to.
const FAREWELL: Duration = Duration::from_secs(3);
/// What a session must be able to have on its way: vad's longest segment and what is around it.
const LONGEST_MS: u64 = 30_000;
/// The environment variable with the token.
const TOKEN: &str = "UNDERTONE_TOKEN";

/// Serves clients until the graph ends, dora asks for it, or a signal does.
///
/// # Errors
///
/// The address cannot be listened on, the graph is not wired as it has to be, or it has failed.
pub fn run(start: Start<Arguments>) -> Result<()> {
    let arguments = start.arguments.clone();
    let access = Access { origins: arguments.allow_origins.clone(), token: token(&arguments)? };
    if access.token.is_none() && !arguments.listen.ip().is_loopback() {
        tracing::warn!(
            "whoever reaches {} can use the gateway: ask for a token with `--token-file`, or listen on 127.0.0.1",
            arguments.listen
        );
    }
    let parameters = Parameters::new(arguments.parameters.clone(), arguments.dora.clone());
    let shared = Arc::new(Shared::new(Hub::new(arguments.limits()), access, parameters));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("gateway-net")
        .enable_all()
        .build()
        .wrap_err("no threads for the network")?;
    {
        let _inside = runtime.enter();
        let listener = server::listen(arguments.listen).wrap_err_with(|| {
            format!("cannot listen on {}: choose another with `--listen`", arguments.listen)
        })?;
        let address = listener.local_addr().unwrap_or(arguments.listen);
        tracing::info!("listening on http://{address}");
        runtime.spawn(server::serve(listener, Arc::clone(&shared)));
        runtime.spawn(stop_on_signal(Arc::clone(&shared)));
    }
    let outcome = serve(start, &shared);
    match &outcome {
        Ok(()) => shared.hub().stop(),
        Err(error) => shared.hub().fail(&format!("{error:#}")),
    }
    let begun = Instant::now();
    while shared.hub().connected() > 0 && begun.elapsed() < FAREWELL {
        std::thread::sleep(Duration::from_millis(10));
    }
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

/// The token that clients must have, if they must.
fn token(arguments: &Arguments) -> Result<Option<String>> {
    let (token, place) = match &arguments.token_file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .wrap_err_with(|| format!("cannot read the token from {}", path.display()))?;
            (text.lines().next().unwrap_or_default().trim().to_owned(), path.display().to_string())
        }
        None => match std::env::var(TOKEN) {
            Ok(token) => (token.trim().to_owned(), TOKEN.to_owned()),
            Err(_) => return Ok(None),
        },
    };
    // What a subprotocol can carry (RFC 6455, 4.1, and RFC 9110, 5.6.2).
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if token.len() < 16 || !token.bytes().all(allowed) {
        bail!(
            "the token in {place} must be 16 letters, digits, `-`, `_` or `.`, or more; `openssl rand -hex 32` makes one"
        );
    }
    Ok(Some(token))
}

/// Ends the node when the system asks for it.
async fn stop_on_signal(shared: Arc<Shared>) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    if !shared.stop() {
        // The node still waits for the others, and nothing can call it.
        std::process::exit(0);
    }
}

/// Joins the graph and serves it.
fn serve(start: Start<Arguments>, shared: &Arc<Shared>) -> Result<()> {
    let frame_ms = start.arguments.frame_ms;
    let names = Input::ALL.map(Input::name);
    let mut node = start.join(Inputs::Optionally(&names), Outputs::Optionally(&[OUTPUT]))?;
    let inputs: BTreeSet<Input> = node.inputs().filter_map(Input::named).collect();
    for needed in Input::ALL.into_iter().filter(|input| input.is_needed()) {
        if !inputs.contains(&needed) {
            let name = needed.name();
            bail!("input `{name}` is not wired: the gateway needs `{name}: fusion/{name}`");
        }
    }
    if !node.has_output(OUTPUT) {
        bail!("output `{OUTPUT}` is not in the graph: write `outputs: [{OUTPUT}]`");
    }
    // What it sends is what clients say, and what it takes goes to them.
    node.put_at_head();
    let messages = shortest_queue(&node.dataflow()?)?;
    shared.hub().open(inputs, messages);
    let share = shared.hub().share();
    if share * frame_ms < LONGEST_MS {
        tracing::warn!(
            "the graph's shortest queue, {messages} messages, leaves each session {} ms: less than an utterance may be \
             long, so sessions can come to a halt; raise `queue_size`, or lower `--sessions`",
            share * frame_ms
        );
    }
    shared.set_wake(node.wake());
    let (dataflow, probed) = (node.dataflow_id(), Arc::clone(shared));
    std::thread::spawn(move || probed.parameters.probe(&dataflow));
    tracing::info!("ready");
    pump(&mut node, shared)
}

/// The length of the graph's shortest queue. No more messages than that may be on their way.
fn shortest_queue(graph: &str) -> Result<u64> {
    /// Dora's, where the graph says nothing.
    const DEFAULT: u64 = 10;
    let graph: Value = serde_yaml_ng::from_str(graph).wrap_err("the graph cannot be read")?;
    let nodes =
        graph.get("nodes").and_then(Value::as_sequence).ok_or_else(|| eyre!("the graph has no nodes"))?;
    // A node of operators has inputs of its own in dora's description, too: none.
    let parts = nodes.iter().flat_map(|node| {
        let operators = node.get("operators").and_then(Value::as_sequence).into_iter().flatten();
        operators.chain(node.get("operator")).chain([node])
    });
    let inputs = parts.filter_map(|part| part.get("inputs")?.as_mapping()).flat_map(Mapping::values);
    let queue = |input: &Value| {
        let source = input.as_str().or_else(|| input.get("source")?.as_str()).unwrap_or_default();
        let size = input.get("queue_size").and_then(Value::as_u64).unwrap_or(DEFAULT);
        (!source.starts_with("dora/")).then_some(size)
    };
    Ok(inputs.filter_map(queue).min().unwrap_or(DEFAULT))
}

/// Audio out, results in, until the end.
fn pump(node: &mut Node<Arguments>, shared: &Shared) -> Result<()> {
    let mut lost = BTreeMap::new();
    let mut stopping: Option<Instant> = None;
    loop {
        shared.hub().tick(shared.now());
        send_audio(node, shared)?;
        if shared.stopping() && stopping.is_none() {
            stopping = Some(Instant::now());
            shared.hub().stop();
            continue;
        }
        if stopping.is_some_and(|since| shared.hub().is_settled() || since.elapsed() > SETTLE) {
            break;
        }
        if stopping.is_none() {
            // Sessions may come at any time: here an input that closes is always a failure.
            for (input, _, reason) in node.closed() {
                lose(shared, &mut lost, input, reason)?;
            }
        }
        match node.wait(TICK)? {
            Next::Event(Event::Message(delivery)) => take(node, shared, &delivery)?,
            Next::Event(Event::Lost { input, reason }) => lose(shared, &mut lost, &input, reason)?,
            Next::Event(Event::Arguments(_)) => {
                tracing::error!("the arguments of this node hold for its whole run");
            }
            Next::Nothing => {}
            Next::Ended if node.stopped() => {
                shared.hub().stop();
                // Others may be gone already, and then the ends of the streams arrive nowhere.
                if let Err(error) = send_audio(node, shared) {
                    tracing::debug!("{error:#}");
                }
                break;
            }
            Next::Ended => bail!("the graph has ended, and the gateway has nowhere to send to"),
        }
    }
    lost.into_values().next().map_or(Ok(()), |reason| Err(eyre!("{reason}")))
}

/// Goes on without an input, if it can. `lost` are those that are lost already, with the reasons.
fn lose(shared: &Shared, lost: &mut BTreeMap<String, String>, input: &str, reason: String) -> Result<()> {
    let Some(known) = Input::named(input).filter(|_| !lost.contains_key(input)) else { return Ok(()) };
    shared.hub().lose(known, &reason);
    if known.is_needed() {
        bail!("{reason}");
    }
    tracing::error!("going on without the input `{input}`: {reason}");
    lost.insert(input.to_owned(), reason);
    Ok(())
}

/// Sends the audio that may be sent.
fn send_audio(node: &mut Node<Arguments>, shared: &Shared) -> Result<()> {
    loop {
        // Not in the `while let`: the hub would be held while the message is sent.
        let next = shared.hub().take(shared.now());
        let Some(Outgoing { message, sample, age }) = next else { return Ok(()) };
        if let Some(frame) = message.body.as_ref().filter(|frame| frame.gap > 0) {
            node.incident(Incident {
                kind: IncidentKind::Gap,
                session: Some(message.session.to_string()),
                sample: Some(frame.start.saturating_sub(frame.gap)),
                amount: Some(frame.gap),
                text: format!("{} ms of a client's audio were lost", milliseconds(frame.gap)),
            });
        }
        // The other nodes know the clock on the wall alone.
        let capture = Capture { sample, at_ns: now_ns() - age, realtime: true };
        let trace = Trace { capture: Some(capture), hops: Vec::new() };
        node.send(OUTPUT, message, &trace)?;
    }
}

/// Hands a message to its session.
fn take(node: &mut Node<Arguments>, shared: &Shared, delivery: &Delivery) -> Result<()> {
    let name = &delivery.input;
    let input = Input::named(name).ok_or_else(|| eyre!("there is no input `{name}`"))?;
    match input {
        Input::Watermark => {
            let message = node.read::<Watermark>(delivery)?;
            shared.hub().reached(&message.session, message.body);
            Ok(())
        }
        Input::Speech => report::<Speech>(node, shared, input, delivery, |_, body| Report::Speech(body)),
        Input::Acoustic | Input::AcousticPreview => {
            report::<Emotion>(node, shared, input, delivery, |_, body| Report::Acoustic(body))
        }
        Input::Transcript | Input::TranscriptPreview => {
            report::<Transcript>(node, shared, input, delivery, |_, body| Report::Transcript(body))
        }
        Input::Sentiment | Input::Provisional => {
            report::<Sentiment>(node, shared, input, delivery, |trace, body| {
                let latency = delivered(latency_of(trace, body.end));
                if body.status == SentimentStatus::Final {
                    shared.statistics().count(&latency);
                }
                Report::Sentiment(body, latency)
            })
        }
    }
}

fn report<B: Body>(
    node: &mut Node<Arguments>,
    shared: &Shared,
    input: Input,
    delivery: &Delivery,
    make: impl FnOnce(&Trace, B) -> Report,
) -> Result<()> {
    let message = node.read::<B>(delivery)?;
    let trace = node.arrived(&delivery.trace);
    let report = message.body.map(|body| make(&trace, body));
    shared.hub().report(input, &message.session, report.as_ref(), shared.now());
    Ok(())
}

/// The gateway is the first stage and the last, and they need names of their own.
fn delivered(mut latency: Latency) -> Latency {
    if latency.stages.len() > 1
        && let Some(last) = latency.stages.last_mut()
    {
        "delivery".clone_into(&mut last.name);
    }
    latency
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_queue_counts() {
        let graph = "
nodes:
  - id: gateway
    inputs: { watermark: { source: fusion/watermark, queue_size: 4096 } }
  - id: vad
    inputs: { audio: { source: gateway/audio, queue_size: VAD }, tick: dora/timer/millis/100 }
  - id: level
    inputs: {}
    operator: { inputs: { audio: { source: gateway/audio, queue_size: LEVEL } } }
  - id: runtime
    inputs: {}
    operators: [ { id: one }, { id: two, inputs: { audio: { source: gateway/audio, queue_size: TWO } } } ]
  - id: alone
";
        for shortest in ["VAD", "LEVEL", "TWO"] {
            let mut graph = graph.replace(shortest, "2000");
            for longer in ["VAD", "LEVEL", "TWO"] {
                graph = graph.replace(longer, "3000");
            }
            assert_eq!(shortest_queue(&graph).unwrap(), 2_000, "{shortest}");
        }
        let plain = "{ nodes: [ { id: vad, inputs: { audio: gateway/audio } } ] }";
        assert_eq!(shortest_queue(plain).unwrap(), 10);
    }
}
