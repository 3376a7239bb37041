//! The `recorder` node: messages of any kind in, a recording out.

mod programs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use clap::Parser;
use eyre::{Result, bail, eyre};
use undertone_node::{Delivery, Event, Incident, IncidentKind, Inputs, Next, Node, Outputs, Start};
use undertone_recording::{Content, Dataflow, Digest, Exception, ExceptionKind, NodeRecord, Recorder};

use crate::programs::Programs;

/// How often what was recorded is handed to the operating system: what a killed recorder loses.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// Records what passes on the wires of a graph.
///
/// Inputs: any, of any names; each is recorded as the topic that it is wired to, NODE/OUTPUT. The recording is a folder
/// with one Arrow file a topic and a `manifest.json`; `recording show FOLDER` tells what is in it, and the node `replay`
/// plays it.
#[derive(Clone, Debug, PartialEq, Parser)]
#[command(name = "recorder", version)]
struct Arguments {
    /// The folder of the recording; relative to the graph's own folder
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// Replace a recording that is there already
    #[arg(long)]
    replace: bool,

    /// Keep only the digests of this topic's messages (NODE/OUTPUT): enough to tell whether another run gives the same,
    /// in little space, but not to replay it; may be repeated
    #[arg(long, value_name = "TOPIC")]
    digests: Vec<String>,
}

fn main() -> ExitCode {
    undertone_node::run(record)
}

fn record(start: Start<Arguments>) -> Result<()> {
    let arguments = start.arguments.clone();
    let mut node = start.join(Inputs::AtLeast(&[]), Outputs::Optionally(&[]))?;
    let topics = topics(&node, &arguments)?;
    let contents = topics.values().map(|topic| (topic.name.clone(), topic.content)).collect();
    let dataflow = Dataflow::new(node.dataflow()?);
    let mut programs = Programs::of(&dataflow.text);
    let mut recorder = Recorder::create(&arguments.folder, arguments.replace, &contents, Some(dataflow))?;
    let outcome = take_all(&mut node, &topics, &mut recorder, &mut programs);
    let failures = match outcome {
        Ok(failures) => failures,
        // What was recorded is worth finishing whatever happened. With a disk that is full, that fails and says so.
        Err(error) => {
            let text = format!("{error:#}");
            recorder.manifest_mut().exceptions.push(Exception {
                kind: ExceptionKind::Missing,
                place: node.name().to_owned(),
                session: None,
                sample: None,
                amount: None,
                text: text.clone(),
            });
            vec![text]
        }
    };
    let manifest = recorder.manifest_mut();
    manifest.nodes = nodes(&mut node, programs.digests(true));
    manifest.exceptions.extend(incidents(&mut node));
    let manifest = recorder.finish()?;
    let messages: u64 = manifest.topics.values().map(|topic| topic.messages()).sum();
    let folder = arguments.folder.display();
    tracing::info!("recorded {messages} messages of {} topics in {folder}", manifest.topics.len());
    match failures.first() {
        None => Ok(()),
        Some(reason) => bail!("the recording {folder} is not whole: {reason}"),
    }
}

/// What is recorded of an input.
struct Topic {
    name: String,
    content: Content,
}

/// The topics by input.
fn topics(node: &Node<Arguments>, arguments: &Arguments) -> Result<BTreeMap<String, Topic>> {
    let mut topics = BTreeMap::new();
    let mut names = BTreeSet::new();
    for input in node.inputs() {
        let name = node.wire(input).ok_or_else(|| eyre!("there is no input `{input}`"))?.to_owned();
        if !names.insert(name.clone()) {
            bail!("two inputs are wired to {name}: one is enough to record it");
        }
        let content = if arguments.digests.contains(&name) { Content::Digests } else { Content::Messages };
        topics.insert(input.to_owned(), Topic { name, content });
    }
    if topics.is_empty() {
        bail!("no input is wired: there is nothing to record");
    }
    if let Some(unknown) = arguments.digests.iter().find(|topic| !names.contains(*topic)) {
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        bail!("`--digests {unknown}`: no input is wired to it (there are: {names})");
    }
    Ok(topics)
}

/// Records until all inputs have closed. Gives what went wrong with them, in words; it is in the manifest, too.
fn take_all(
    node: &mut Node<Arguments>,
    topics: &BTreeMap<String, Topic>,
    recorder: &mut Recorder,
    programs: &mut Programs,
) -> Result<Vec<String>> {
    let (mut failures, mut told) = (Vec::new(), BTreeSet::new());
    let mut flushed = Instant::now();
    loop {
        match node.wait(FLUSH_INTERVAL)? {
            Next::Event(Event::Message(delivery)) => {
                failures.extend(take(node, topics, recorder, &delivery)?);
            }
            Next::Event(Event::Lost { input, reason }) => {
                tracing::error!("going on without the input `{input}`: {reason}");
                recorder.manifest_mut().exceptions.push(cut_off(topics, &input, &reason));
                failures.push(reason);
                told.insert(input);
            }
            Next::Event(Event::Arguments(_)) => {
                tracing::error!("the arguments of a recorder hold for its whole run");
            }
            Next::Nothing => {}
            Next::Ended => break,
        }
        if flushed.elapsed() >= FLUSH_INTERVAL {
            recorder.flush()?;
            recorder.describe(nodes(node, programs.digests(false)))?;
            flushed = Instant::now();
        }
    }
    // Of a node that failed while none of its sessions was open, all streams are whole; but more might have come.
    let failed = node.failed().filter(|(input, _)| !node.stopped() && !told.contains(*input));
    for (input, reason) in failed {
        recorder.manifest_mut().exceptions.push(cut_off(topics, input, &reason));
        failures.push(reason);
    }
    Ok(failures)
}

/// What the manifest says of an input that was lost.
fn cut_off(topics: &BTreeMap<String, Topic>, input: &str, reason: &str) -> Exception {
    Exception {
        kind: ExceptionKind::CutOff,
        place: topics.get(input).map_or(input, |topic| &topic.name).to_owned(),
        session: None,
        sample: None,
        amount: None,
        text: reason.to_owned(),
    }
}

/// Records a message. Gives the reason if messages before it are missing.
fn take(
    node: &mut Node<Arguments>,
    topics: &BTreeMap<String, Topic>,
    recorder: &mut Recorder,
    delivery: &Delivery,
) -> Result<Option<String>> {
    let input = &delivery.input;
    let topic = topics.get(input).ok_or_else(|| eyre!("there is no input `{input}`"))?;
    let (header, order) = node.read_header(delivery)?;
    // The header was read, so it is a struct.
    let Some(message) = delivery.array.as_struct_opt() else { return Ok(None) };
    recorder.write(&topic.name, message)?;
    let Err(error) = order else { return Ok(None) };
    recorder.manifest_mut().exceptions.push(Exception {
        kind: ExceptionKind::Missing,
        place: topic.name.clone(),
        session: Some(header.session.to_string()),
        sample: header.time,
        amount: error.missing(),
        text: error.to_string(),
    });
    Ok(Some(format!("{}: {error}", topic.name)))
}

/// What is known of the nodes.
fn nodes(
    node: &mut Node<Arguments>,
    programs: &BTreeMap<String, Option<Digest>>,
) -> BTreeMap<String, NodeRecord> {
    let program = |(name, program): (&String, &Option<Digest>)| {
        (name.clone(), NodeRecord { program: *program, ..NodeRecord::default() })
    };
    let mut nodes: BTreeMap<String, NodeRecord> = programs.iter().map(program).collect();
    for (name, report) in node.reports() {
        let record = nodes.entry(name.clone()).or_default();
        record.version = Some(report.version.clone());
        record.arguments = Some(report.arguments.clone());
        record.models = report.models.clone();
    }
    nodes
}

/// What the nodes tell of because of which another run might differ.
fn incidents(node: &mut Node<Arguments>) -> Vec<Exception> {
    let mut incidents: Vec<(&String, &Incident)> = Vec::new();
    let mut reports: Vec<_> = node.reports().iter().collect();
    // A node at the head of the graph, which accounts for no inputs, also tells why audio was lost.
    reports.sort_by_key(|(_, report)| !report.inputs.is_empty());
    for (name, report) in reports {
        for incident in &report.incidents {
            // Every reader of a gap tells of it.
            let gap = gap(incident);
            if gap.is_none() || !incidents.iter().any(|(_, known)| self::gap(known) == gap) {
                incidents.push((name, incident));
            }
        }
    }
    incidents.into_iter().map(|(place, incident)| exception(place.clone(), incident.clone())).collect()
}

/// The session in which audio is missing, and where, if it is known.
fn gap(incident: &Incident) -> Option<(&str, u64)> {
    let Incident { kind: IncidentKind::Gap, session: Some(session), sample: Some(sample), .. } = incident
    else {
        return None;
    };
    Some((session, *sample))
}

fn exception(place: String, incident: Incident) -> Exception {
    let Incident { kind, session, sample, amount, text } = incident;
    let kind = match kind {
        IncidentKind::Gap => ExceptionKind::Gap,
        IncidentKind::Changed => ExceptionKind::Changed,
        IncidentKind::Late => ExceptionKind::Late,
        IncidentKind::Replayed => ExceptionKind::Replayed,
    };
    Exception { kind, place, session, sample, amount, text }
}
