//! The `replay` node: a recording in, its messages out.

use std::process::ExitCode;
use std::time::Duration;

use eyre::{Result, bail};
use undertone_messages::SAMPLE_RATE;
use undertone_node::{Feed, Incident, IncidentKind, Inputs, Outputs, Pace, Start};
use undertone_replay::{Arguments, Player, Wiring};

fn main() -> ExitCode {
    undertone_node::run(replay)
}

fn replay(start: Start<Arguments>) -> Result<()> {
    let arguments = start.arguments.clone();
    arguments.check()?;
    let node = start.join(Inputs::AtLeast(&[]), Outputs::Any)?;
    let wiring = wiring(&arguments, node.name(), node.outputs())?;
    let mut player = Player::open(&arguments.folder, &wiring, arguments.range())?;
    if arguments.times == 0 {
        player.check_loop()?;
    }
    let mut feed = Feed::new(node, arguments.pace, arguments.lead())?;
    for text in player.manifest().doubts() {
        let text = format!("{}: {text}", arguments.folder.display());
        tracing::warn!("what is replayed is not exact: {text}");
        feed.incident(Incident {
            kind: IncidentKind::Replayed,
            session: None,
            sample: None,
            amount: None,
            text,
        });
    }
    let mut played = 0;
    loop {
        while let Some(item) = player.next_item()? {
            let due = match arguments.pace {
                Pace::Fast => Duration::ZERO,
                Pace::Realtime => {
                    Duration::from_secs_f64(item.due as f64 / f64::from(SAMPLE_RATE) / arguments.speed)
                }
            };
            if !feed.wait_until(due)? {
                return Ok(());
            }
            let captured_then = item.audio && arguments.speed == 1.0;
            feed.send_array(&item.output, item.message, item.captured, due, captured_then)?;
        }
        let cut_off = player.cut_off();
        if let Some((topic, session)) = cut_off.first() {
            bail!(
                "{}: topic {topic} was cut off in session `{session}` when it was recorded; \
                 all that there is of it was played",
                arguments.folder.display()
            );
        }
        played += 1;
        if played == arguments.times {
            return feed.settle();
        }
        player.repeat()?;
    }
}

/// Which topic each output plays.
fn wiring<'a>(
    arguments: &Arguments,
    node: &str,
    outputs: impl Iterator<Item = &'a str>,
) -> Result<Vec<Wiring>> {
    let outputs: Vec<&str> = outputs.collect();
    if let Some(unknown) = arguments.topic.iter().find(|wiring| !outputs.contains(&wiring.output.as_str())) {
        let Wiring { output, topic } = unknown;
        bail!("`--topic {output}={topic}`: the graph has no output `{output}` of node `{node}`");
    }
    if outputs.is_empty() {
        bail!("node `{node}` has no outputs in the graph: name those that it is to play");
    }
    let topic = |output: &str| {
        let named = arguments.topic.iter().find(|wiring| wiring.output == output);
        named.map_or_else(|| format!("{node}/{output}"), |wiring| wiring.topic.clone())
    };
    Ok(outputs.into_iter().map(|output| Wiring { output: output.to_owned(), topic: topic(output) }).collect())
}
