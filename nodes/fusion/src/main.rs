//! The `fusion` node: segments, voice and text in; sentiment and the watermark out.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use eyre::{Result, bail};
use undertone_fusion::{
    Arguments, Config, Defects, Inputs as Branches, Model, OutputMessage, SPEECH, Sessions, TRANSCRIPT,
};
use undertone_messages::{Body, Emotion, Message, Scope, SessionId, Speech, Transcript, TranscriptStatus};
use undertone_node::{Delivery, Event, Inputs, Next, Node, Outputs, Start, Trace};
use undertone_stage::check_fixed;

/// How long after an input has closed its last messages may arrive: they and the word that it has closed take different
/// ways.
const PATIENCE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    undertone_node::run(fuse)
}

fn fuse(start: Start<Arguments>) -> Result<()> {
    let arguments = start.arguments.clone();
    let model = arguments.model.as_deref().map(Model::load).transpose()?.map(Arc::new);
    let outputs = Outputs::Optionally(&["provisional", "sentiment", "watermark"]);
    let mut node = start.join(Inputs::AtLeast(&[SPEECH]), outputs)?;
    if let Some(model) = &model {
        node.uses(model.files().clone());
    }
    let branches = Branches::new(node.inputs())?;
    let mut sessions = Sessions::new(Config::new(&arguments, branches.clone(), model.clone())?);
    let mut causes = Causes::default();
    let mut defects = Defects::new(arguments.defect);
    let mut lost = None;
    loop {
        let (mut messages, trace) = match node.wait(PATIENCE)? {
            Next::Ended => break,
            Next::Nothing => (Vec::new(), Trace::default()),
            Next::Event(Event::Message(delivery)) => {
                let sent = take(&mut node, &mut sessions, &mut causes, &mut defects, &delivery)?;
                (sent, delivery.trace)
            }
            Next::Event(Event::Lost { input, reason }) => {
                tracing::error!("going on without the input `{input}`: {reason}");
                lost.get_or_insert(reason);
                // Without the ledger there are no further segments; those that are known can still be closed.
                let sent = if input == SPEECH { Vec::new() } else { sessions.close(&input)? };
                (sent, Trace::default())
            }
            Next::Event(Event::Arguments(changed)) => {
                match adjusted(&changed, &arguments, &branches, model.clone()) {
                    Ok(config) => sessions.adjust(&config),
                    Err(error) => tracing::error!("the arguments stay as they were: {error}"),
                }
                continue;
            }
        };
        for (input, reason) in missed(&node, &sessions) {
            tracing::error!("going on without the input `{input}`: {reason}");
            lost.get_or_insert(reason);
            messages.extend(sessions.close(&input)?);
        }
        for message in messages {
            match message {
                OutputMessage::Provisional(message) => node.send("provisional", message, &trace)?,
                OutputMessage::Sentiment(mut message) => {
                    defects.spoil(message.body.as_mut());
                    let segment = message.body.as_ref().map(|sentiment| sentiment.segment);
                    let cause = causes.take(&message.session, segment).unwrap_or_else(|| trace.clone());
                    node.send("sentiment", message, &cause)?;
                }
                OutputMessage::Watermark(message) => node.send("watermark", message, &trace)?,
            }
        }
    }
    // What could be said without the input has been said, but the run is not whole.
    match lost {
        Some(reason) => bail!("{reason}"),
        None if node.stopped() => Ok(()),
        None => check_ends(&node, &sessions),
    }
}

/// What changed arguments mean. The model stays as it was loaded.
fn adjusted(
    changed: &Arguments,
    loaded: &Arguments,
    branches: &Branches,
    model: Option<Arc<Model>>,
) -> Result<Config> {
    check_fixed(&[("model", changed.model == loaded.model)])?;
    Ok(Config::new(changed, branches.clone(), model)?)
}

/// Checks that no session waits for an input that has closed. A stream that was cut off is noticed when that happens;
/// one of which nothing has arrived, not even its first message, only by the session's other inputs.
fn check_ends(node: &Node<Arguments>, sessions: &Sessions) -> Result<()> {
    let Some(session) = node.inputs().find_map(|input| sessions.unfinished(input).into_iter().next()) else {
        return Ok(());
    };
    let lacks = |input: &&str| sessions.unfinished(input).contains(&session);
    let wires: Vec<&str> = node.inputs().filter(lacks).filter_map(|input| node.wire(input)).collect();
    bail!("nothing of session `{session}` has arrived from {}, while it has from others", wires.join(" and "))
}

/// Inputs that closed while no session was in progress on them, and that a session needs which has begun since: in a graph
/// with a live source there is always another. Without the ledger no session begins.
fn missed(node: &Node<Arguments>, sessions: &Sessions) -> Vec<(String, String)> {
    let missed =
        |input: &str| input != SPEECH && !sessions.is_closed(input) && !sessions.unfinished(input).is_empty();
    node.closed()
        .filter(|(input, since, _)| *since > PATIENCE && missed(input))
        .map(|(input, _, reason)| (input.to_owned(), reason))
        .collect()
}

/// Hands a message to its session.
fn take(
    node: &mut Node<Arguments>,
    sessions: &mut Sessions,
    causes: &mut Causes,
    defects: &mut Defects,
    delivery: &Delivery,
) -> Result<Vec<OutputMessage>> {
    match delivery.input.as_str() {
        SPEECH => Ok(sessions.speech(node.read::<Speech>(delivery)?)?),
        TRANSCRIPT => {
            let message = node.read::<Transcript>(delivery)?;
            causes.note(&message, delivery, |body| {
                (body.status != TranscriptStatus::Partial).then_some(body.segment)
            });
            Ok(sessions.transcript(message)?)
        }
        input => {
            let message = node.read::<Emotion>(delivery)?;
            defects.see(message.body.as_ref());
            causes.note(&message, delivery, |body| (body.scope == Scope::Segment).then_some(body.segment));
            Ok(sessions.emotion(input, message)?)
        }
    }
}

/// For each segment, the way of the message that closed it last so far: a result that had to wait for an earlier
/// segment was caused by its own messages, not by those of the other.
#[derive(Default)]
struct Causes(BTreeMap<(SessionId, u64), Trace>);

impl Causes {
    fn note<B: Body>(
        &mut self,
        message: &Message<B>,
        delivery: &Delivery,
        closes: impl FnOnce(&B) -> Option<u64>,
    ) {
        if let Some(segment) = message.body.as_ref().and_then(closes) {
            self.0.insert((message.session.clone(), segment), delivery.trace.clone());
        }
    }

    fn take(&mut self, session: &SessionId, segment: Option<u64>) -> Option<Trace> {
        self.0.remove(&(session.clone(), segment?))
    }
}
