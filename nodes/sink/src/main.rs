//! The `sink` node: results in, lines out.

mod account;

use std::io::IsTerminal;
use std::process::ExitCode;

use eyre::{Result, bail, eyre};
use undertone_messages::Sentiment;
use undertone_node::{Event, Inputs, Outputs, Start};
use undertone_sink::{Arguments, Format, Input, Sink, Summary};

fn main() -> ExitCode {
    undertone_node::run(write_results)
}

fn write_results(start: Start<Arguments>) -> Result<()> {
    let arguments = start.arguments.clone();
    let names = Input::ALL.map(Input::name);
    let mut node = start.join(Inputs::Optionally(&names), Outputs::Optionally(&[]))?;
    let input_of = |name: &str| Input::ALL.into_iter().find(|input| input.name() == name);
    let inputs: Vec<Input> = node.inputs().filter_map(input_of).collect();
    if inputs.is_empty() {
        bail!("no input is wired: the sink takes {}", names.join(" and "));
    }
    let output = std::io::stdout();
    let color = arguments.use_color(output.is_terminal(), std::env::var_os("NO_COLOR").as_deref());
    let mut sink = Sink::new(&arguments, inputs, output, color)?;
    while let Some(event) = node.next_event()? {
        match event {
            Event::Message(delivery) => {
                let name = &delivery.input;
                let input = input_of(name).ok_or_else(|| eyre!("there is no input `{name}`"))?;
                let message = node.read::<Sentiment>(&delivery)?;
                let end = message.body.as_ref().map(|result| result.end);
                let latency = end.map(|end| account::latency(&node.arrived(&delivery.trace), end));
                let summary = sink.push(input, message, latency.as_ref())?;
                log(&arguments, summary);
            }
            Event::Lost { reason, .. } => bail!("{reason}"),
            Event::Arguments(_) => tracing::error!("a sink's arguments hold for its whole run"),
        }
    }
    log(&arguments, sink.finish()?);
    Ok(())
}

/// Logs the summaries of sessions, where they are not among what is printed.
fn log(arguments: &Arguments, summaries: impl IntoIterator<Item = Summary>) {
    if arguments.format != Format::Pretty {
        summaries.into_iter().for_each(|summary| tracing::info!("{summary}"));
    }
}
