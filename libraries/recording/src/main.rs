//! The `recording` command: what is in a recording, whether it is whole, and how it differs from another.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use undertone_messages::seconds;
use undertone_recording::{Manifest, Options, RecordingError, State, compare, repair, results, verify};

/// Looks into recordings, compares them and repairs them.
#[derive(Debug, Parser)]
#[command(name = "recording", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compares two recordings, stream by stream, and tells the first difference.
    ///
    /// Exit code 0: all that was compared is the same, and nothing happened in either run that would make it a matter
    /// of luck. 1: there is a difference, or sameness would prove nothing. 2: a recording cannot be read.
    Compare {
        /// The first recording
        first: PathBuf,
        /// The second one
        second: PathBuf,
        /// Compare this topic alone (NODE/OUTPUT); may be repeated
        #[arg(long, value_name = "TOPIC")]
        topic: Vec<String>,
        /// Leave this topic out; may be repeated
        #[arg(long, value_name = "TOPIC")]
        except: Vec<String>,
        /// Let floats differ by this much, or by this share of the larger one: for recordings of different computers
        #[arg(long, value_name = "FLOAT", default_value_t = 0.0, value_parser = tolerance)]
        tolerance: f64,
    },
    /// Shows what several graphs made of the same sessions, side by side, and how they compare with the first.
    Results {
        /// The recordings
        #[arg(required = true)]
        folders: Vec<PathBuf>,
        /// The topic with the results (NODE/OUTPUT)
        #[arg(long, value_name = "TOPIC", default_value = "fusion/sentiment")]
        topic: String,
    },
    /// Shows what is in a recording.
    Show {
        /// The recording
        folder: PathBuf,
    },
    /// Reads a recording from end to end and checks counts and digests.
    ///
    /// Exit code 0: all is as the manifest says. 2: it is not, or cannot be read.
    Verify {
        /// The recording
        folder: PathBuf,
    },
    /// Makes a recording whole whose recorder was killed, and says what is missing.
    ///
    /// While the recorder is at work it is refused.
    Repair {
        /// The recording
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut text = String::new();
    let outcome = match arguments.command {
        Command::Compare { first, second, topic, except, tolerance } => {
            let topics = topic.into_iter().collect::<BTreeSet<_>>();
            let except = except.into_iter().collect();
            compare(&first, &second, &Options { topics, except, tolerance }).map(|comparison| {
                text = format!("{comparison}\n");
                if comparison.is_exact() { ExitCode::SUCCESS } else { ExitCode::from(1) }
            })
        }
        Command::Results { folders, topic } => results(&folders, &topic).map(|results| {
            text = format!("{results}\n");
            ExitCode::SUCCESS
        }),
        Command::Show { folder } => show(&folder, &mut text),
        Command::Verify { folder } => verify(&folder).map(|messages| {
            text = format!("{}: {messages} messages, all as the manifest says\n", folder.display());
            ExitCode::SUCCESS
        }),
        Command::Repair { folder } => repair(&folder).and_then(|_| show(&folder, &mut text)),
    };
    match outcome {
        // A reader that goes away, as in a pipe to `head`, has seen what it wanted.
        Ok(code) => io::stdout().write_all(text.as_bytes()).map_or(code, |()| code),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn tolerance(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "it is not a number".to_owned())?;
    if number.is_finite() && number >= 0.0 { Ok(number) } else { Err("it is not 0 or more".to_owned()) }
}

fn show(folder: &Path, text: &mut String) -> Result<ExitCode, RecordingError> {
    let manifest = Manifest::read(folder)?;
    *text = summary(&manifest);
    Ok(ExitCode::SUCCESS)
}

fn summary(manifest: &Manifest) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "recorded {} by version {} on {} {}",
        manifest.started.as_deref().unwrap_or("at an unknown time"),
        manifest.undertone,
        manifest.host.os,
        manifest.host.arch
    );
    for (name, node) in &manifest.nodes {
        let arguments = node.arguments.as_ref().map_or_else(String::new, |words| words.join(" "));
        let _ = writeln!(text, "  {name} {} {arguments}", node.version.as_deref().unwrap_or("?"));
        for (file, sha256) in &node.models {
            let _ = writeln!(text, "    {file} {}", sha256.get(..12).unwrap_or(sha256));
        }
    }
    for (name, topic) in &manifest.topics {
        if topic.sessions.is_empty() {
            // What there is of a topic is known once its file is finished.
            let known = if manifest.state == State::Recording { "not finished" } else { "no messages" };
            let _ = writeln!(text, "{name}: {known}");
        }
        for (session, stream) in &topic.sessions {
            let end = stream.end.map_or_else(String::new, |end| format!(", {:.1} s", seconds(end)));
            let digest = stream.blake3.to_string();
            let _ = writeln!(
                text,
                "{name}: session `{session}`, {} messages{end}, {}",
                stream.messages,
                digest.get(..16).unwrap_or(&digest)
            );
        }
    }
    let doubts = manifest.doubts();
    let _ = match doubts.is_empty() {
        true => writeln!(text, "nothing is missing"),
        false => writeln!(text, "not exact:\n  {}", doubts.join("\n  ")),
    };
    text
}
