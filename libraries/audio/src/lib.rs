//! What sources of audio share: the conversion of the sample rate ([`RateConverter`]), and the way of live audio into a
//! graph ([`Intake`]).

mod intake;
mod live;
mod rate;

pub use intake::Intake;
pub use rate::{RateConverter, RateError};
