//! The `fusion` node: segments, voice and text in; sentiment and the watermark out.

mod patience;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eyre::{Result, bail};
use undertone_fusion::{
    Arguments, Config, Defects, Fusion, Inputs as Branches, Model, Output, Patience, Report, SPEECH,
    TRANSCRIPT,
};
use undertone_messages::{Emotion, Message, SessionId, Speech, Transcript};
use undertone_node::{Delivery, Event, Incident, IncidentKind, Inputs, Next, Node, Outputs, Start, Trace};
use undertone_stage::{Join, JoinSessions, Numbered, OwedEnds, check_fixed};

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
    let mut defects = Defects::new(arguments.defect);
    let mut closings = Closings::new(&arguments.patience);
    let mut lost = None;
    loop {
        let next = closings.waiting.next(&sessions, Instant::now());
        let patience = next.as_ref().map_or(STRAGGLERS, |silent| STRAGGLERS.min(silent.within));
        let (mut sent, trace) = match node.wait(patience)? {
            Next::Ended => break,
            Next::Nothing => {
                let silent = next.filter(|silent| silent.within <= patience);
                let sent = silent.map(|silent| closings.give_up(&mut node, &mut sessions, silent));
                (sent.transpose()?.unwrap_or_default(), Trace::default())
            }
            Next::Event(Event::Message(delivery)) => {
                let sent = take(&mut node, &mut sessions, &mut closings, &mut defects, &delivery)?;
                (sent, delivery.trace)
            }
            Next::Event(Event::Lost { input, reason }) => {
                tracing::error!("going on without the input `{input}`: {reason}");
                lost.get_or_insert(reason);
                closings.owed.close(&input);
                // Without the ledger there are no further segments; those that are known can still be closed.
                let sent = if input == SPEECH { Vec::new() } else { sessions.close(&input)? };
                (sent, Trace::default())
            }
            Next::Event(Event::Arguments(change)) => {
                node.take_over(change, |changed| {
                    let config = adjusted(&changed, &arguments, &branches, model.clone())?;
                    sessions.adjust(config, Fusion::adjust);
                    closings.waiting.adjust(&changed.patience);
                    Ok(())
                });
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
                    let cause = closings.done(&session, segment).unwrap_or_else(|| trace.clone());
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

/// What is known of how inputs close segments.
struct Closings {
    /// For each segment, the way of the message that closed it last so far: a result that had to wait for an earlier segment
    /// was caused by its own messages, not by those of the other.
    causes: BTreeMap<(SessionId, u64), Trace>,
    waiting: Waiting,
    /// Ends of inputs that sessions ended without.
    owed: OwedEnds<String>,
}

impl Closings {
    fn new(patience: &[Patience]) -> Self {
        Self { causes: BTreeMap::new(), waiting: Waiting::new(patience), owed: OwedEnds::default() }
    }

    /// Takes note of a message. False if it is of an input that its session ended without.
    fn follow<B: Report>(&mut self, message: &Message<B>, delivery: &Delivery) -> bool {
        let closed = message.body.as_ref().filter(|body| body.closes()).map(Report::segment);
        if let Some(segment) = closed {
            self.waiting.closed(&message.session, segment, &delivery.input, Instant::now());
        }
        if self.owed.take(&message.session, &delivery.input, message.body.is_none()) {
            return false;
        }
        if let Some(segment) = closed {
            self.causes.insert((message.session.clone(), segment), delivery.trace.clone());
        }
        true
    }

    /// Goes on in a session without an input that was silent for too long, or ends it.
    fn give_up(
        &mut self,
        node: &mut Node<Arguments>,
        sessions: &mut JoinSessions<Fusion>,
        Silent { session, segment, input, .. }: Silent,
    ) -> Result<Vec<Numbered<Output>>> {
        let what = match segment {
            Some(_) => format!("results do without `{input}` until it is heard again"),
            None => format!("the session ended without the end of `{input}`"),
        };
        let text = format!(
            "{what}: it was silent for longer than its --patience beyond the time that it usually takes"
        );
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
        self.owed.add(session, input);
        Ok(sent)
    }

    /// Takes note of a result, or of the end of a session's results. Gives what caused it.
    fn done(&mut self, session: &SessionId, segment: Option<u64>) -> Option<Trace> {
        self.waiting.done(session, segment, Instant::now());
        let cause = segment.and_then(|segment| self.causes.remove(&(session.clone(), segment)));
        // Results come in order. What an input that was given up closed since has no result to come.
        self.causes.retain(|(of, number), _| of != session || segment.is_some_and(|done| *number > done));
        cause
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
    closings: &mut Closings,
    defects: &mut Defects,
    delivery: &Delivery,
) -> Result<Vec<Numbered<Output>>> {
    match delivery.input.as_str() {
        SPEECH => {
            let message = node.read::<Speech>(delivery)?;
            closings.waiting.follow(&message, Instant::now());
            Ok(sessions.push(SPEECH, message, |fusion, speech, output| fusion.speech(&speech, output))?)
        }
        TRANSCRIPT => {
            let message = node.read::<Transcript>(delivery)?;
            if !closings.follow(&message, delivery) {
                return Ok(Vec::new());
            }
            Ok(sessions.push(TRANSCRIPT, message, Fusion::transcript)?)
        }
        input => {
            let message = node.read::<Emotion>(delivery)?;
            if !closings.follow(&message, delivery) {
                return Ok(Vec::new());
            }
            defects.see(message.body.as_ref());
            Ok(sessions
                .push(input, message, |fusion, emotion, output| fusion.emotion(input, emotion, output))?)
        }
    }
}
