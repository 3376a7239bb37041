//! Recorded speech: files of any common format, decoded to 16 kHz mono and cut into frames.
//!
//! [`sessions`] turns what the user asked for into [`Session`]s. Each gives its [`Frames`], an iterator over
//! [`undertone_messages::AudioFrame`]s that reads as it goes and, at any usual sample rate, holds less than a second of
//! audio, whatever the length of the file. [`AudioFile`] is the way to one file's samples. [`Pacer`] and [`Lead`] say
//! when a frame may be sent; they know no clock.
//!
//! What holds for every file:
//!
//! - Sample 0 of a session is the first sample of its first file. Delay and padding that an encoder has added are cut
//!   off where the file tells of them: MP3 with a LAME or Xing header, M4A with an edit list, Ogg by its granule
//!   positions.
//! - A file of `n` samples at `r` Hz gives `n * 16000 / r` samples, rounded to the nearest. One of 16 kHz mono passes
//!   bit by bit.
//! - Channels are averaged with equal weights, so a voice on one of two channels loses 6 dB. Nothing is clipped: floating
//!   point beyond full scale passes as it is.
//! - The frames' boundaries depend on the frame length alone, never on the codec's packets.
//! - A file that holds less than its header says, or something that cannot be decoded, is an error, after all that came
//!   before has been given. So are bytes of an MP3 or AAC stream that are neither frame nor tag, because something was
//!   there. What no header tells is not noticed: an MP3 without a LAME or Xing header, or a bare AAC stream, that ends
//!   early right behind a frame, and other bytes in the sound of a frame that still decodes. See [`SourceError`].

mod arguments;
mod audio_file;
mod decoder;
mod elementary;
mod error;
mod frames;
mod mp4;
mod pacer;
mod sessions;
mod sniff;

pub use arguments::{Arguments, ArgumentsError, Progress};
pub use audio_file::{AudioFile, Corruption};
pub use error::{Remedy, SourceError};
pub use frames::Frames;
pub use pacer::Pacer;
pub use sessions::{AUDIO_EXTENSIONS, Session, sessions};
