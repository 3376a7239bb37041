//! Mel-frequency cepstral coefficients (MFCC) of a stream of audio, as librosa, torchaudio, Kaldi and HTK define them.
//!
//! An [`Extractor`] takes samples in pieces of any size and gives rows of features as soon as each is complete. How the
//! samples were cut into pieces never changes a bit of the result. After the first second or so it allocates nothing.
//!
//! Each frame goes through removal of its mean, pre-emphasis, window, real FFT, mel filterbank, logarithm, discrete
//! cosine transform (DCT-II) and liftering; then, if asked for, through running normalisation and deltas. [`Config`]
//! holds every choice, [`Preset`] the four conventions, and [`Arguments`] puts both on a command line.
//!
//! [`LogMel`] is another front end on the same parts: the spectrogram that Whisper takes.
//!
//! What is left out on purpose: `top_db` of librosa's `power_to_db` and torchaudio's `AmplitudeToDB` clips a spectrum at
//! 80 dB below the loudest point of the *whole* clip, which a stream has not yet heard. Pass `top_db=None` there to get
//! what this library computes. Kaldi adds dither, noise of its own in each run, to the samples unless it is given
//! `--dither=0`; here the same samples give the same rows.
//!
//! ```
//! use undertone_mfcc::{Config, Extractor};
//!
//! let mut extractor = Extractor::new(&Config::default())?;
//! let mut rows = Vec::new();
//! for piece in [[0.1_f32; 8000], [-0.1; 8000]] {
//!     extractor.push(&piece, &mut rows);
//! }
//! extractor.finish(&mut rows);
//! assert_eq!(rows.len(), 98 * extractor.width());
//! # Ok::<(), undertone_mfcc::ConfigError>(())
//! ```

mod arguments;
mod cepstrum;
mod config;
mod deltas;
mod extractor;
mod framing;
mod lanes;
mod log_mel;
mod mel;
mod normalisation;
mod spectrum;
mod stage;
mod window;

pub use arguments::Arguments;
pub use config::{
    Config, ConfigError, Dct, DeltaRule, Deltas, Edges, FftLength, Lifter, Log, MelScale, Normalise, Preset,
    Spectrum, Triangles, Window,
};
pub use extractor::Extractor;
pub use log_mel::LogMel;
pub use stage::{Mfcc, MfccError, MfccFactory};
