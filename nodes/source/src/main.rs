//! The `source` node: recordings in, audio frames out, never further ahead of the results than `--lead-seconds`.

mod progress;

use std::process::ExitCode;
use std::time::Duration;

use eyre::{Result, eyre};
use undertone_messages::{AudioFrame, Message};
use undertone_node::{Feed, Inputs, Outputs, Start};
use undertone_source::{Arguments, Frames, SourceError, sessions};

use crate::progress::ProgressReport;

/// The node's only output.
const OUTPUT: &str = "audio";

fn main() -> ExitCode {
    undertone_node::run(send_recordings)
}

fn send_recordings(start: Start<Arguments>) -> Result<()> {
    let arguments = start.arguments.clone();
    let sessions = sessions(&arguments)?;
    let mut length = Some(Duration::ZERO);
    for session in &sessions {
        length = length
            .zip(session.check(&arguments).map_err(advised)?)
            .map(|(sum, more)| sum.saturating_add(more));
    }
    let mut progress = ProgressReport::new(arguments.progress, length);
    let mut pacer = arguments.pacer();
    let node =
        start.join(Inputs::Optionally(&[Feed::<Arguments>::WATERMARK]), Outputs::Optionally(&[OUTPUT]))?;
    let mut feed = Feed::new(node, arguments.pace, arguments.lead())?;
    for session in &sessions {
        let mut seq = 0;
        // Sample index behind the last frame, for the stamp.
        let mut captured = 0;
        let mut frames = session.frames(&arguments);
        while let Some(frame) = frames.next() {
            log_tolerated(&mut frames);
            let frame = frame.map_err(advised)?;
            let due = pacer.due(&frame);
            if !feed.wait_until(due)? {
                return Ok(());
            }
            progress.sent(&frame);
            captured = frame.end();
            let message = Message { session: session.name.clone(), seq, body: Some(frame) };
            feed.send(OUTPUT, message, captured, due)?;
            seq += 1;
        }
        log_tolerated(&mut frames);
        if !feed.wait_until(Duration::ZERO)? {
            return Ok(());
        }
        let end = Message::<AudioFrame> { session: session.name.clone(), seq, body: None };
        feed.send(OUTPUT, end, captured, Duration::ZERO)?;
    }
    progress.done();
    feed.settle()
}

/// The error with what to do about it.
fn advised(error: SourceError) -> eyre::Report {
    eyre!("{error}{}", error.advice())
}

/// What `--tolerate-corruption` went over, and how.
fn log_tolerated(frames: &mut Frames) {
    frames.take_tolerated().iter().for_each(|error| tracing::warn!("{error}{}", error.outcome()));
}
