//! The `prosody` node: speech and transcripts in, features and statistics out.

use std::process::ExitCode;

use eyre::{Result, bail};
use undertone_messages::{Speech, Transcript};
use undertone_node::{Delivery, Event, Inputs, Node, Outputs, Start, Trace};
use undertone_prosody::{Arguments, Config, OutputMessage, SPEECH, Sessions, TRANSCRIPT};

fn main() -> ExitCode {
    undertone_node::run(measure)
}

fn measure(start: Start<Arguments>) -> Result<()> {
    let config = Config::new(&start.arguments)?;
    let inputs = Inputs::Optionally(&[SPEECH, TRANSCRIPT]);
    let mut node = start.join(inputs, Outputs::Optionally(&["features", "statistics"]))?;
    if node.wire(SPEECH).is_none() {
        bail!("input `{SPEECH}` is not wired; wire it to the output `speech` of vad");
    }
    let mut sessions = Sessions::new(config, node.wire(TRANSCRIPT).is_some());
    let mut lost = None;
    while let Some(event) = node.next_event()? {
        let (messages, trace) = match event {
            Event::Message(delivery) => (take(&mut node, &mut sessions, &delivery)?, delivery.trace),
            Event::Lost { input, reason } => {
                tracing::error!("going on without the input `{input}`: {reason}");
                lost.get_or_insert(reason);
                // Without speech there are no further segments; those that are known can still be closed.
                let sent = if input == SPEECH { Vec::new() } else { sessions.lose_transcript()? };
                (sent, Trace::default())
            }
            Event::Arguments(_) => {
                tracing::error!("the arguments of this node hold for its whole run");
                continue;
            }
        };
        for message in messages {
            match message {
                OutputMessage::Features(message) => node.send("features", message, &trace)?,
                OutputMessage::Statistics(message) => node.send("statistics", message, &trace)?,
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

/// Hands a message to its session.
fn take(
    node: &mut Node<Arguments>,
    sessions: &mut Sessions,
    delivery: &Delivery,
) -> Result<Vec<OutputMessage>> {
    match delivery.input.as_str() {
        SPEECH => Ok(sessions.speech(&node.read::<Speech>(delivery)?)?),
        _ => Ok(sessions.transcript(&node.read::<Transcript>(delivery)?)?),
    }
}

/// Checks that no session waits for an input that has closed: one of which nothing has arrived, not even its first
/// message, is noticed by the session's other input alone.
fn check_ends(node: &Node<Arguments>, sessions: &Sessions) -> Result<()> {
    for input in [SPEECH, TRANSCRIPT] {
        if let (Some(wire), Some(session)) = (node.wire(input), sessions.unfinished(input).first()) {
            bail!("nothing of session `{session}` has arrived from {wire}, while it has from others");
        }
    }
    Ok(())
}
