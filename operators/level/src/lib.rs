//! The `level` operator: brings speech to one level, between a source and the voice activity detector.
//!
//! [`Level`] is the stage; [`Operator`] lets dora load it into a process that it shares with others, as
//! `dataflows/operator.yml` does. Input `audio`, output `audio`, both `AudioFrame`. An operator has no arguments, so
//! the settings are [`Settings::default`].

mod level;

use std::fmt::Display;

use dora_operator_api::{DoraArray, DoraOperator, DoraOutputSender, DoraStatus, Event, register_operator};
use undertone_messages::{AudioFrame, Message, Sequence, SessionId};
use undertone_stage::Sessions;

pub use level::{Level, LevelError, Settings};

const INPUT: &str = "audio";
const OUTPUT: &str = "audio";

/// The functions by which dora loads the operator.
mod registration {
    use super::{Operator, register_operator};

    register_operator!(Operator);
}

/// The stage as dora loads it.
#[derive(Default)]
pub struct Operator {
    sessions: Sessions<Level>,
    sequence: Sequence,
}

impl Operator {
    fn take(&mut self, data: &DoraArray, output: &mut DoraOutputSender) -> Result<(), String> {
        let message = Message::<AudioFrame>::decode(data.as_array()).map_err(at_input)?;
        self.sequence.accept(&message.session, message.seq, message.body.is_none()).map_err(at_input)?;
        let create = |_: &SessionId| Ok(Level::new(Settings::default()));
        let pushed = self.sessions.push(message, None, create).map_err(at_input)?;
        for message in pushed.messages {
            let array = message.encode().map_err(|error| error.to_string())?;
            output.send(OUTPUT, DoraArray::from_array(array))?;
        }
        Ok(())
    }
}

/// Dora tells an operator nothing of its wires.
fn at_input(error: impl Display) -> String {
    format!("operator `level`, input `{INPUT}`: {error}")
}

impl DoraOperator for Operator {
    fn on_event(&mut self, event: &Event, output: &mut DoraOutputSender) -> Result<DoraStatus, String> {
        let outcome = match event {
            Event::Input { id: INPUT, data, .. } => self.take(data, output),
            Event::Input { id, .. } => {
                Err(format!("operator `level` has no input `{id}`; it takes: {INPUT}"))
            }
            Event::InputParseError { id, error } => {
                Err(format!("operator `level`, input `{id}` cannot be read: {error}"))
            }
            Event::InputClosed { .. } => self.sequence.close().map_err(at_input),
            Event::Error { error } => Err(format!("dora reports: {error}")),
            Event::Stop => return Ok(DoraStatus::Stop),
            _ => Ok(()),
        };
        outcome.map(|()| DoraStatus::Continue)
    }
}
