//! The start and the end of a node's process.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Args, FromArgMatches, Parser};
use eyre::{Context, Result, bail};
use tracing::level_filters::LevelFilter;
use undertone_messages::{Message, SessionId};
use undertone_stage::{Factory, Pushed, Sessions, Stage};

use crate::logs;
use crate::lossless::{Overlay, block_on_congestion};
use crate::node::{Change, Event, Inputs, Node, Outputs};
use crate::report::{Incident, IncidentKind};
use crate::trace::Trace;

// The arguments that every node has beside its own. As a documentation comment this would become the node's `--help`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeArguments {
    /// How much the node's log tells: off, error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value = "info", help_heading = "Log")]
    log_level: LevelFilter,
}

/// Arguments that were changed at run time, by name without dashes, in the order in which they were.
pub(crate) type Changes = Vec<(String, serde_json::Value)>;

/// Whether an argument may be given several times, and all of them count.
pub(crate) fn is_repeatable<A: Parser>(name: &str) -> bool {
    let appends = |argument: &Arg| matches!(argument.get_action(), ArgAction::Append);
    A::command().get_arguments().any(|argument| argument.get_long() == Some(name) && appends(argument))
}

/// Parses the words of a command line, with `changes` behind them.
///
/// # Errors
///
/// Clap's own, which suggest the right name.
pub(crate) fn parse<A: Parser>(
    words: impl IntoIterator<Item = OsString>,
    changes: &Changes,
) -> Result<(A, NodeArguments), clap::Error> {
    let command = NodeArguments::augment_args(A::command()).args_override_self(true);
    let mut words: Vec<OsString> = words.into_iter().collect();
    for (name, value) in changes {
        let takes_value = command
            .get_arguments()
            .find(|argument| argument.get_long() == Some(name))
            .is_none_or(|argument| argument.get_action().takes_values());
        match value {
            serde_json::Value::Bool(true) if !takes_value => words.push(format!("--{name}").into()),
            // The graph may have switched it on.
            serde_json::Value::Bool(false) if !takes_value => {
                let switch = OsString::from(format!("--{name}"));
                words.retain(|word| *word != switch);
            }
            serde_json::Value::String(text) => words.push(format!("--{name}={text}").into()),
            other => words.push(format!("--{name}={other}").into()),
        }
    }
    let matches = command.try_get_matches_from(words)?;
    Ok((A::from_arg_matches(&matches)?, NodeArguments::from_arg_matches(&matches)?))
}

/// A node that has read its arguments and not yet joined its graph. This is when models are loaded: the graph starts
/// only once all its nodes have joined.
pub struct Start<A> {
    /// The node's arguments.
    pub arguments: A,
    own: NodeArguments,
    // Read by dora while the node joins.
    overlay: Overlay,
}

impl<A: Parser + Clone> Start<A> {
    /// Joins the graph.
    ///
    /// # Errors
    ///
    /// The process was not started by dora, dora cannot be reached, or the graph wires inputs or outputs that the node
    /// does not have or leaves out one that it needs.
    pub fn join(self, inputs: Inputs<'_>, outputs: Outputs<'_>) -> Result<Node<A>> {
        let node = Node::join(inputs, outputs, self.own);
        drop(self.overlay);
        node
    }
}

/// Runs a node's process: arguments, log and exit code around `body`.
pub fn run<A: Parser + Clone>(body: impl FnOnce(Start<A>) -> Result<()>) -> ExitCode {
    let (arguments, own) = match parse::<A>(std::env::args_os(), &Changes::new()) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version are no errors and go to standard output, with exit code 0; the rest is exit code 2.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    logs::start(own.log_level);
    return_memory();
    // SAFETY: this is the process's first thread, and no other has been started yet.
    let outcome =
        unsafe { block_on_congestion() }.and_then(|overlay| body(Start { arguments, own, overlay }));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            // On standard error, which dora repeats at the end of a failed run.
            eprintln!("error: {report:#}");
            ExitCode::FAILURE
        }
    }
}

/// Makes glibc's allocator give large blocks back when they are freed. By default it keeps more the larger they were, so
/// that what a model took while it was loaded would stay for ever: with 1 MiB, encoder and decoder take a fifth less
/// memory, and no more time.
fn return_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets a number inside the allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
    }
}

/// Runs a node with one input and one output around a stage.
///
/// Every session has a state of its own, made as its first message arrives and dropped at its last. The input can be
/// wired several times, to outputs that carry different sessions: `audio`, `audio-2` and so on.
pub fn run_stage<F>(input: &str, output: &str) -> ExitCode
where
    F: Factory<Arguments: Parser + Clone>,
{
    run(|start| serve::<F>(start, input, output))
}

/// What [`run_stage`] does once it knows its arguments, for a node that chooses its stage by them.
///
/// # Errors
///
/// The stage cannot be made or fails, or a stream is cut off.
pub fn serve<F>(start: Start<F::Arguments>, input: &str, output: &str) -> Result<()>
where
    F: Factory<Arguments: Parser + Clone>,
{
    let mut service = Service::<F>::new(start, Inputs::Several(input, &[]), &[output])?;
    while let Some(event) = service.node.next_event()? {
        match event {
            Event::Message(delivery) => {
                let message = service.node.read(&delivery)?;
                service.push(message, &delivery.trace)?;
            }
            Event::Lost { reason, .. } => service.lose(&reason)?,
            Event::Arguments(change) => service.change(change),
        }
    }
    Ok(())
}

/// A node around a stage: the sessions in progress, and what makes new ones.
pub(crate) struct Service<F: Factory> {
    pub(crate) node: Node<F::Arguments>,
    factory: F,
    arguments: F::Arguments,
    sessions: Sessions<F::Stage>,
    output: String,
}

impl<F> Service<F>
where
    F: Factory<Arguments: Parser + Clone>,
{
    /// Loads the stage and joins the graph. The first of `outputs` is the stage's.
    pub(crate) fn new(start: Start<F::Arguments>, inputs: Inputs<'_>, outputs: &[&str]) -> Result<Self> {
        let arguments = start.arguments.clone();
        let factory = F::load(&arguments)?;
        let mut node = start.join(inputs, Outputs::Optionally(outputs))?;
        node.uses(factory.models());
        let output = outputs.first().copied().unwrap_or_default().to_owned();
        Ok(Self { node, factory, arguments, sessions: Sessions::default(), output })
    }

    /// Hands a message to its session and sends what follows from it.
    pub(crate) fn push(&mut self, message: Message<<F::Stage as Stage>::Input>, trace: &Trace) -> Result<()> {
        let session = message.session.clone();
        let create = |session: &SessionId| self.factory.create(&self.arguments, session);
        let pushed = self.sessions.push(message, trace.lateness(), create);
        let Pushed { messages, relief } = pushed.wrap_err_with(|| format!("session `{session}`"))?;
        if let Some(text) = relief {
            let kind = IncidentKind::Late;
            let session = Some(session.to_string());
            self.node.incident(Incident { kind, session, sample: None, amount: None, text });
        }
        for message in messages {
            self.node.send(&self.output, message, trace)?;
        }
        Ok(())
    }

    /// The stage of a session, which may be new.
    pub(crate) fn stage(&mut self, session: &SessionId) -> Result<&mut F::Stage> {
        Ok(self.node_and_stage(session)?.1)
    }

    /// As [`Service::stage`], with the node.
    pub(crate) fn node_and_stage(
        &mut self,
        session: &SessionId,
    ) -> Result<(&mut Node<F::Arguments>, &mut F::Stage)> {
        let create = |session: &SessionId| self.factory.create(&self.arguments, session);
        let stage = self.sessions.stage(session, create).wrap_err_with(|| format!("session `{session}`"))?;
        Ok((&mut self.node, stage))
    }

    /// An input was cut off: what is known goes on its way before the node fails.
    ///
    /// # Errors
    ///
    /// Always.
    pub(crate) fn lose(&mut self, reason: &str) -> Result<()> {
        for message in self.sessions.cut_off() {
            self.node.send(&self.output, message, &Trace::default())?;
        }
        bail!("{reason}")
    }

    /// An argument is to be changed at run time, for the sessions in progress as well.
    pub(crate) fn change(&mut self, change: Change) {
        let Self { node, factory, arguments, sessions, .. } = self;
        node.take_over(change, |changed| {
            factory.check(&changed)?;
            // Whether sessions can have these arguments from now on.
            factory.create(&changed, &SessionId::from(""))?;
            *arguments = changed;
            for stage in sessions.states_mut() {
                if let Err(error) = factory.adjust(arguments, stage) {
                    tracing::error!("not changed in the session in progress: {error}");
                }
            }
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Finds speech.
    #[derive(Clone, Debug, PartialEq, Parser)]
    #[command(name = "finder")]
    struct Finder {
        /// How sure.
        #[arg(long, default_value_t = 0.5)]
        threshold: f32,
        /// Say more.
        #[arg(long)]
        partials: bool,
        /// What to look out for; may be repeated.
        #[arg(long)]
        mark: Vec<String>,
    }

    fn finder(threshold: f32, partials: bool) -> Finder {
        Finder { threshold, partials, mark: Vec::new() }
    }

    fn parse_with(changes: &[(&str, serde_json::Value)]) -> Result<Finder, String> {
        let words = ["finder", "--threshold", "0.4"].map(OsString::from);
        let changes = changes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        parse::<Finder>(words, &changes).map(|(finder, _)| finder).map_err(|error| error.to_string())
    }

    #[test]
    fn changes_at_run_time_override_the_graph() {
        assert_eq!(parse_with(&[]), Ok(finder(0.4, false)));
        let changed = parse_with(&[("threshold", json!(0.7)), ("partials", json!(true))]);
        assert_eq!(changed, Ok(finder(0.7, true)));
        assert_eq!(parse_with(&[("threshold", json!("0.6"))]), Ok(finder(0.6, false)));
        let off = || [("partials".to_owned(), json!(false))].into();
        for words in [&["finder"][..], &["finder", "--partials"]] {
            let (parsed, _) = parse::<Finder>(words.iter().map(OsString::from), &off()).unwrap();
            assert_eq!(parsed, finder(0.5, false));
        }
    }

    #[test]
    fn what_may_be_repeated_is_added_to_what_the_graph_says() {
        let changes = vec![("mark".to_owned(), json!("b=2")), ("mark".to_owned(), json!("a=1"))];
        let words = ["finder", "--mark", "c=3"].map(OsString::from);
        let (parsed, _) = parse::<Finder>(words, &changes).unwrap();
        assert_eq!(parsed.mark, ["c=3", "b=2", "a=1"]);
        assert!(is_repeatable::<Finder>("mark") && !is_repeatable::<Finder>("threshold"));
    }

    #[test]
    fn a_mistyped_name_suggests_the_right_one() {
        let error = parse_with(&[("treshold", json!(0.7))]).unwrap_err();
        assert!(error.contains("--treshold") && error.contains("--threshold"), "{error}");
        assert!(parse_with(&[("threshold", json!("loud"))]).unwrap_err().contains("loud"));
    }

    #[test]
    fn help_is_about_the_node() {
        let words = ["finder", "--help"].map(OsString::from);
        let help = parse::<Finder>(words, &Changes::new()).unwrap_err().to_string();
        assert!(help.starts_with("Finds speech") && help.contains("--log-level"), "{help}");
    }
}
