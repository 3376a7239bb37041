//! The `sink` node: results in, lines out.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use eyre::{Result, bail, eyre};
use undertone_messages::{Sentiment, Statistics, Transcript};
use undertone_node::{Event, Inputs, Node, Outputs, Start};
use undertone_results::latency_of;
use undertone_sink::{Account, Arguments, Format, Input, Sink};

fn main() -> ExitCode {
    undertone_node::run(write_results)
}

fn write_results(start: Start<Arguments>) -> Result<()> {
    let arguments = start.arguments.clone();
    let names = Input::ALL.map(Input::name);
    let mut node = start.join(Inputs::Optionally(&names), Outputs::Optionally(&[]))?;
    let inputs: Vec<Input> = node.inputs().filter_map(input_of).collect();
    if inputs.is_empty() {
        bail!("no input is wired: the sink takes {}", names.join(", "));
    }
    let output = std::io::stdout();
    let color = arguments.use_color(output.is_terminal(), std::env::var_os("NO_COLOR").as_deref());
    let mut sink = Sink::new(&arguments, inputs, output, color)?;
    let outcome = take_all(&mut node, &arguments, &mut sink);
    if outcome.is_ok() {
        log(&arguments, sink.end_sessions()?);
    }
    // Of a run that failed, too, as far as it is known. What made it fail is what the node fails with.
    let account = Account::new(node.account(), outcome.is_err() || node.stopped());
    let told = sink.tell(&account);
    log(&arguments, [&account]);
    outcome?;
    told?;
    Ok(sink.finish(&account)?)
}

/// Writes results until all inputs have closed.
fn take_all(node: &mut Node<Arguments>, arguments: &Arguments, sink: &mut Sink<impl Write>) -> Result<()> {
    while let Some(event) = node.next_event()? {
        match event {
            Event::Message(delivery) => {
                let name = &delivery.input;
                let input = input_of(name).ok_or_else(|| eyre!("there is no input `{name}`"))?;
                if input == Input::Statistics {
                    let summary = sink.push_statistics(node.read::<Statistics>(&delivery)?)?;
                    log(arguments, summary);
                    continue;
                }
                if input == Input::Transcript {
                    let summary = sink.push_transcript(node.read::<Transcript>(&delivery)?)?;
                    log(arguments, summary);
                    continue;
                }
                let message = node.read::<Sentiment>(&delivery)?;
                let end = message.body.as_ref().map(|result| result.end);
                let latency = end.map(|end| latency_of(&node.arrived(&delivery.trace), end));
                let summary = sink.push(input, message, latency.as_ref())?;
                log(arguments, summary);
            }
            Event::Lost { reason, .. } => bail!("{reason}"),
            Event::Arguments(_) => tracing::error!("a sink's arguments hold for its whole run"),
        }
    }
    Ok(())
}

/// The input of a name in the graph.
fn input_of(name: &str) -> Option<Input> {
    Input::ALL.into_iter().find(|input| input.name() == name)
}

/// Logs summaries or the account, where they are not among what is printed.
fn log(arguments: &Arguments, texts: impl IntoIterator<Item = impl Display>) {
    if arguments.format != Format::Pretty {
        texts.into_iter().for_each(|text| tracing::info!("{text}"));
    }
}
