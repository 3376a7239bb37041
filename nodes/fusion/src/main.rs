//! The `fusion` node: segments, voice and text in; sentiment and the watermark out.

mod patience;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eyre::{Result, bail};
use undertone_fusion::{
    Arguments, Config, Defects, Fusion, Inputs as Branches, Model, Output, SPEECH, TRANSCRIPT,
};
use undertone_messages::{Body, Emotion, Message, Scope, SessionId, Speech, Transcript, TranscriptStatus};
use undertone_node::{Delivery, Event, Incident, IncidentKind, Inputs, Next, Node, Outputs, Start, Trace};
use undertone_stage::{Join, JoinSessions, Numbered, check_fixed};

use crate::patience::{Silent, Waiting};

/// How long after an input has closed its last messages may arrive: they and the word that it has closed take different
/// ways.
const STRAGGLERS: Duration = Duration::from_secs(2);

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
    let mut sessions = JoinSessions::new(Config::new(&arguments, branches.clone(), model.clone())?);
    let mut causes = Causes::default();
    let mut defects = Defects::new(arguments.defect);
    let mut late = Late { waiting: Waiting::new(&arguments.patience), abandoned: BTreeSet::new() };
    let mut lost = None;
    loop {
        let next = late.waiting.next(&sessions, Instant::now());
        let patience = next.as_ref().map_or(STRAGGLERS, |silent| STRAGGLERS.min(silent.within));
        let (mut sent, trace) = match node.wait(patience)? {
            Next::Ended => break,
            Next::Nothing => {
                let silent = next.filter(|silent| silent.within <= patience);
                let sent = silent.map(|silent| late.give_up(&mut node, &mut sessions, silent));
                (sent.transpose()?.unwrap_or_default(), Trace::default())
            }
            Next::Event(Event::Message(delivery)) => {
                let sent = take(&mut node, &mut sessions, &mut causes, &mut defects, &mut late, &delivery)?;
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
                    Ok(config) => {
                        sessions.adjust(config, Fusion::adjust);
                        late.waiting.adjust(&changed.patience);
                    }
                    Err(error) => tracing::error!("the arguments stay as they were: {error}"),
                }
                continue;
            }
        };
        for (input, reason) in missed(&node, &sessions) {
            tracing::error!("going on without the input `{input}`: {reason}");
            lost.get_or_insert(reason);
            sent.extend(sessions.close(&input)?);
        }
        for Numbered { session, seq, output } in sent {
            match output {
                Output::Provisional(body) => {
                    node.send("provisional", Message { session, seq, body }, &trace)?;
                }
                Output::Sentiment(mut body) => {
                    defects.spoil(body.as_mut());
                    let segment = body.as_ref().map(|sentiment| sentiment.segment);
                    let cause = causes.take(&session, segment).unwrap_or_else(|| trace.clone());
                    late.waiting.done(&session, segment, Instant::now());
                    node.send("sentiment", Message { session, seq, body }, &cause)?;
                }
                Output::Watermark(body) => node.send("watermark", Message { session, seq, body }, &trace)?,
            }
        }
    }
    // What could be said without the input has been said, but the run is not whole.
    match lost {
        Some(reason) => bail!("{reason}"),
        None if node.stopped() => Ok(()),
        None => node.check_ends(&sessions),
    }
}

/// Inputs that are late.
struct Late {
    waiting: Waiting,
    /// Those that a session ended without. What they yet say of it is passed over.
    abandoned: BTreeSet<(SessionId, String)>,
}

impl Late {
    /// Goes on in a session without an input that was silent for too long, or ends it.
    fn give_up(
        &mut self,
        node: &mut Node<Arguments>,
        sessions: &mut JoinSessions<Fusion>,
        Silent { session, segment, input, .. }: Silent,
    ) -> Result<Vec<Numbered<Output>>> {
        let text = match segment {
            Some(_) => format!(
                "input `{input}` was silent for longer than its --patience; results do without until it is heard again"
            ),
            None => format!(
                "the session ended without `{input}`, which was silent for longer than its --patience"
            ),
        };
        tracing::warn!("session `{session}`: {text}");
        let about = Some(session.to_string());
        node.incident(Incident {
            kind: IncidentKind::Late,
            session: about,
            sample: None,
            amount: None,
            text,
        });
        if segment.is_some() {
            return Ok(sessions.step(&session, |fusion, output| fusion.give_up(&input, output))?);
        }
        let sent = sessions.step(&session, |fusion, output| fusion.lose(&input, output))?;
        self.abandoned.insert((session, input));
        Ok(sent)
    }

    /// Takes note of a message. False if it is of an input that its session ended without.
    fn follow<B: Body>(
        &mut self,
        message: &Message<B>,
        delivery: &Delivery,
        closes: impl Fn(&B) -> Option<u64>,
    ) -> bool {
        let stream = (message.session.clone(), delivery.input.clone());
        if self.abandoned.contains(&stream) {
            if message.body.is_none() {
                self.abandoned.remove(&stream);
            }
            return false;
        }
        if let Some(segment) = message.body.as_ref().and_then(closes) {
            self.waiting.closed(&message.session, segment, &delivery.input, Instant::now());
        }
        true
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

/// Inputs that closed while no session was in progress on them, and that a session needs which has begun since: in a graph
/// with a live source there is always another. Without the ledger no session begins.
fn missed(node: &Node<Arguments>, sessions: &JoinSessions<Fusion>) -> Vec<(String, String)> {
    let missed = |input: &str| {
        input != SPEECH && !sessions.is_closed(input) && sessions.unfinished(input).next().is_some()
    };
    node.closed()
        .filter(|(input, since, _)| *since > STRAGGLERS && missed(input))
        .map(|(input, _, reason)| (input.to_owned(), reason))
        .collect()
}

/// Hands a message to its session.
fn take(
    node: &mut Node<Arguments>,
    sessions: &mut JoinSessions<Fusion>,
    causes: &mut Causes,
    defects: &mut Defects,
    late: &mut Late,
    delivery: &Delivery,
) -> Result<Vec<Numbered<Output>>> {
    match delivery.input.as_str() {
        SPEECH => {
            let message = node.read::<Speech>(delivery)?;
            late.waiting.follow(&message, Instant::now());
            Ok(sessions.push(SPEECH, message, |fusion, speech, output| fusion.speech(&speech, output))?)
        }
        TRANSCRIPT => {
            let message = node.read::<Transcript>(delivery)?;
            let closes =
                |body: &Transcript| (body.status != TranscriptStatus::Partial).then_some(body.segment);
            if !late.follow(&message, delivery, closes) {
                return Ok(Vec::new());
            }
            causes.note(&message, delivery, closes);
            Ok(sessions.push(TRANSCRIPT, message, Fusion::transcript)?)
        }
        input => {
            let message = node.read::<Emotion>(delivery)?;
            let closes = |body: &Emotion| (body.scope == Scope::Segment).then_some(body.segment);
            if !late.follow(&message, delivery, closes) {
                return Ok(Vec::new());
            }
            defects.see(message.body.as_ref());
            causes.note(&message, delivery, closes);
            Ok(sessions
                .push(input, message, |fusion, emotion, output| fusion.emotion(input, emotion, output))?)
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
