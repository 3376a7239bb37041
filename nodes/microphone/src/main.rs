//! The `microphone` node: what a microphone hears goes into the graph, frame by frame.

mod late;
mod losses;
mod session;

use std::process::ExitCode;
use std::time::Duration;

use eyre::Result;
use undertone_microphone::{Arguments, Heard, Keeper, Mute, News, Target, asked_to_end, list, watch_signals};
use undertone_node::{Feed, Inputs, Outputs, Start};

use crate::session::Session;

/// The node's only output.
const OUTPUT: &str = "audio";

/// How often the node looks whether it was asked to end.
const LOOK: Duration = Duration::from_millis(100);

/// How many blocks are taken before the graph has its turn.
const MOST_BLOCKS: usize = 64;

/// For how long a microphone may give nothing but zeros.
const MUTE_SECONDS: u64 = 5;

fn main() -> ExitCode {
    undertone_node::run(listen)
}

fn listen(start: Start<Arguments>) -> Result<()> {
    let arguments = start.arguments.clone();
    if arguments.list {
        print!("{}", list()?);
        return Ok(());
    }
    arguments.check()?;
    let target = Target::find(arguments.device.as_deref())?;
    let node =
        start.join(Inputs::Optionally(&[Feed::<Arguments>::WATERMARK]), Outputs::Optionally(&[OUTPUT]))?;
    watch_signals();
    // Joining takes until all nodes have joined, and they load their models before that. So nothing is captured that nobody
    // takes.
    let mut session = Session::new(Feed::live(node, arguments.lead()), &arguments);
    let mut keeper = Keeper::new(target, &arguments, session.wake());
    let stopped = take_all(&mut keeper, &mut session)?;
    keeper.close();
    session.end(stopped, keeper.now())
}

/// Takes what the microphone hears until the session is over. True if dora asked the node to stop.
fn take_all(keeper: &mut Keeper, session: &mut Session) -> Result<bool> {
    let mut samples = Vec::new();
    let mut mute: Option<Mute> = None;
    loop {
        // Samples before the device's state: one that was heard is not silent, however late this node is. But not without
        // end, if a device gives them faster than they are taken.
        for _ in 0..MOST_BLOCKS {
            let Some(block) = keeper.read(&mut samples) else { break };
            tracing::trace!(?block);
            session.take(&block, &samples, keeper.since_begin(block.arrived))?;
            if let Some(change) = mute.as_mut().and_then(|mute| mute.hear(&samples)) {
                tell_mute(change);
            }
        }
        if !keeper.has_more() {
            session.closed()?;
        }
        if let Some(news) = keeper.check()? {
            if let News::Opened { rate, .. } = &news {
                mute = Some(Mute::new(MUTE_SECONDS * u64::from(*rate)));
            }
            session.tell(&news)?;
        }
        session.miss(keeper.now());
        session.send(keeper.now())?;
        if session.is_over(keeper.now()) || asked_to_end() {
            return Ok(false);
        }
        let patience = if keeper.has_waiting() { Duration::ZERO } else { keeper.quiet().min(LOOK) };
        if !session.listen(patience)? {
            return Ok(true);
        }
    }
}

fn tell_mute(change: Heard) {
    match change {
        Heard::Nothing => tracing::warn!(
            "the microphone has given nothing but zeros for {MUTE_SECONDS} s: it may be muted, by a switch of its own, in \
             the mixer (`alsamixer`, `pavucontrol`) or in the privacy settings"
        ),
        Heard::Something => tracing::info!("the microphone is heard again"),
    }
}
