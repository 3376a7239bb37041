//! The `prosody` node: speech and transcripts in, features and statistics out.

use std::process::ExitCode;

use eyre::{Result, bail};
use undertone_messages::{Message, Speech, Transcript};
use undertone_node::{Delivery, Event, Inputs, Node, Outputs, Start, Trace};
use undertone_prosody::{Arguments, Config, Output, Prosody, SPEECH, TRANSCRIPT};
use undertone_stage::{JoinSessions, Numbered};

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
    let mut sessions = JoinSessions::new((config, node.wire(TRANSCRIPT).is_some()));
    let mut lost = None;
    while let Some(event) = node.next_event()? {
        let (sent, trace) = match event {
            Event::Message(delivery) => (take(&mut node, &mut sessions, &delivery)?, delivery.trace),
            Event::Lost { input, reason } => {
                tracing::error!("going on without the input `{input}`: {reason}");
                lost.get_or_insert(reason);
                (sessions.close(&input)?, Trace::default())
            }
            Event::Arguments(_) => {
                tracing::error!("the arguments of this node hold for its whole run");
                continue;
            }
        };
        for Numbered { session, seq, output } in sent {
            match output {
                Output::Features(body) => node.send("features", Message { session, seq, body }, &trace)?,
                Output::Statistics(body) => {
                    node.send("statistics", Message { session, seq, body }, &trace)?
                }
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

/// Hands a message to its session.
fn take(
    node: &mut Node<Arguments>,
    sessions: &mut JoinSessions<Prosody>,
    delivery: &Delivery,
) -> Result<Vec<Numbered<Output>>> {
    Ok(match delivery.input.as_str() {
        SPEECH => {
            let message = node.read::<Speech>(delivery)?;
            sessions.push(SPEECH, message, |prosody, speech, output| prosody.speech(&speech, output))?
        }
        input => {
            let message = node.read::<Transcript>(delivery)?;
            sessions
                .push(input, message, |prosody, transcript, output| prosody.transcript(&transcript, output))?
        }
    })
}
