//! Speech from a microphone, as it is spoken: what the `microphone` node does, all but the graph.
//!
//! A sound card's callback writes mono samples into a lock-free [`ring`]. The node takes them out and hands them to the
//! [`Timeline`], which converts the rate, cuts frames and knows when each sample was captured. The [`Keeper`] opens the
//! device, notices when it fails or falls silent, and opens it again.
//!
//! # Time
//!
//! Time is the number of samples that the sound card has captured, as everywhere. A sound card's clock differs from the
//! wall clock, commonly by 10 to 100 parts in a million, which is up to 0.4 s an hour; nothing is stretched to hide that.
//! Where samples are missing because the device was away, the machine's monotonic clock ([`std::time::Instant`]) tells how
//! many, and they are the `gap` of the next frame. On Linux that clock stands still while the machine sleeps: that time is
//! in no gap.

mod arguments;
mod clock;
mod delay;
mod device;
mod error;
mod host;
mod keeper;
mod mix;
mod mute;
mod ring;
mod signals;
mod stream;
mod timeline;
mod watchdog;

pub use arguments::{Arguments, ArgumentsError};
pub use clock::SampleClock;
pub use delay::Delay;
pub use device::{Known, choose};
pub use error::MicrophoneError;
pub use host::{Target, list};
pub use keeper::{Keeper, News};
pub use mix::{Mix, Pcm};
pub use mute::{Heard, Mute};
pub use ring::{Block, Reader, Writer, ring};
pub use signals::{asked_to_end, watch_signals};
pub use timeline::{Loss, LossCause, Timeline};
pub use watchdog::{State, Watchdog};
