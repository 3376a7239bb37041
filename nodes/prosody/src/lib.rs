//! How something is said: pitch, voicing, loudness, voice quality, spectrum and speaking rate of a stream of speech.
//!
//! # Frames
//!
//! Every 10 ms of a segment there is a frame of 64 ms; frame t covers the samples `160·t .. 160·t + 1024`. The mean of each
//! frame is taken out first. The output `features` has a row of [`COLUMNS`] for each frame, in as many messages as there
//! are on `speech` that are not `Silence`. What is not defined is 0 there, so that a model can take the rows as they are.
//!
//! | column | what | source |
//! | --- | --- | --- |
//! | `f0_hz` | fundamental frequency, 0 where there is no voice | pYIN: Mauch and Dixon, ICASSP 2014, on YIN: de Cheveigné and Kawahara, J. Acoust. Soc. Am. 111, 2002; parameters of librosa 0.10 |
//! | `voiced_probability` | probability of a voice by this frame alone | the same |
//! | `energy_db` | mean square relative to full scale; a sine of full scale has -3.01 | |
//! | `hnr_db` | harmonics-to-noise ratio, -20 to 60 | Boersma, Proceedings of the Institute of Phonetic Sciences 17, 1993 |
//! | `jitter`, `shimmer` | local: mean difference of neighbouring periods or amplitudes by their mean, here of the cycles within 70 ms | Praat's definitions, from cycles that are found as its *To PointProcess (periodic, cc)* does |
//! | `centroid_hz` | mean frequency of the spectrum, by magnitude | as `librosa.feature.spectral_centroid` |
//! | `slope_low_db_per_khz`, `slope_high_db_per_khz` | slope of the power spectrum in dB up to 500 Hz, and from 500 to 1500 Hz | eGeMAPS: Eyben et al., IEEE Trans. Affective Computing 7, 2016 |
//! | `flux` | distance of the magnitude spectra of two frames, each scaled to norm 1: 0 to √2 | Scheirer and Slaney, ICASSP 1997 |
//!
//! The spectrum is that of a Hann window over the whole frame. The slope up to 500 Hz leaves out what lies closer to 0 Hz
//! than the width of that window's peak, 31 Hz, because the frame's mean has been taken out.
//!
//! For a model of the acoustic node that hears these rows, `config.json` has
//! `"feature": {"preset": "prosody", "coefficients": 10, "hop_ms": 10, "frame_ms": 64}`, and the node's input `features` is
//! wired to this node's. Rows with another `--f0-min`, `--f0-max` or `--lag-ms` are called so, as in `"prosody f0_max=400"`,
//! and a model that does not name them refuses them.
//!
//! # Latency
//!
//! pYIN decides on the pitch of a clip at its end. Here a frame is decided 250 ms (`--lag-ms`) behind it by what is the best
//! path then, or at the segment's end. Another 30 ms pass until the cycles around the frame are known; so a row comes 344
//! ms behind its first sample's, or with the segment's last message. Neither depends on how samples are cut into messages.
//!
//! # Statistics
//!
//! The output `statistics` sums frames up: at each multiple of `--every-ms` of a segment over the last `--window-ms` of it
//! (scope `window`, sent as soon as its last frame is decided; not where only the segment's end decides it), and once for
//! each segment that ends (scope `segment`). Each message has all the [`NAMES`]:
//!
//! | name | what |
//! | --- | --- |
//! | `voiced_share` | share of the frames that have a voice |
//! | `NAME_mean`, `NAME_deviation` | mean and standard deviation of `f0` (Hz), `energy`, `hnr` (dB), `centroid` (Hz), `slope_low`, `slope_high` (dB per kHz), `flux`; where they are defined |
//! | `f0_p20`, `f0_p50`, `f0_p80`, and of `energy` | percentiles |
//! | `jitter`, `shimmer` | of all cycles: 0.01 is 1 % |
//! | `words_per_second`, `syllables_per_second` | from the start of the first word to the end of the last, in the transcript of the segment; of windows not defined |
//! | `session_NAME_mean`, `session_NAME_deviation`, `session_jitter`, `session_shimmer` | running values of the session: of all segments that ended so far and, in a window, of the open one up to the window's end (Welford, Technometrics 4, 1962) |
//! | `session_words_per_second_mean` and `_deviation`, and of syllables | running values of the rates of the segments that ended so far, each of the same weight |
//!
//! A value that is not defined, as the pitch where there is no voice, is NaN. Cancelled segments leave nothing behind, and
//! what was sent behind the end of a segment that was cut counts to the next alone.
//!
//! Where `transcript` is wired, a segment's statistics wait for it, and what comes behind them waits as well, so that the
//! order on the output depends on the inputs' contents alone. A transcript that was rejected, has no words, or never came
//! because its node died leaves the speaking rate undefined and says why in `reason`. Nothing waits for this node: in a
//! graph whose other nodes are faster, its queues must hold what it has not done yet.
//!
//! # Accuracy
//!
//! Share of the frames voiced in both whose pitch is more than 20 % off (gross pitch error), mean of the other differences,
//! and share of the frames that only one calls voiced, by `examples/with_references.py`:
//!
//! | recordings | reference | gross | fine | voicing |
//! | --- | --- | --- | --- | --- |
//! | the recorded session, 8 clips | librosa 0.10.2, pYIN | 0.00 % | 0.15 % | 2.9 % |
//! | | Praat 6.1.38, autocorrelation | 0.16 % | 0.82 % | 11.1 % |
//! | RAVDESS, 40 clips: 4 men, 4 women; neutral, sad, angry | librosa | 0.22 % | 0.15 % | 3.9 % |
//! | | Praat | 1.07 % | 1.23 % | 11.4 % |
//!
//! Of the six groups of the 40 clips, by sex and emotion, the worst gross errors are those of sad women by Praat, 3.2 %, and
//! of neutral women by librosa, 1.7 %.
//!
//! librosa takes the end of the range for a candidate even if no period is there: most of what it alone calls voiced in the
//! recorded session is noise at 60 Hz. librosa and Praat differ in voicing by 13.3 and 9.3 %: Praat calls nothing voiced that is 30 dB below the clip's loudest
//! point, which a stream has not heard yet.

mod arguments;
mod candidates;
mod cycles;
mod difference;
mod error;
mod extractor;
mod frame;
mod functionals;
mod moments;
mod prosody;
mod rate;
mod rates;
mod spectrum;
mod tracker;

pub use arguments::{Arguments, Config, ConfigError};
pub use cycles::Cycles;
pub use error::ProsodyError;
pub use extractor::Extractor;
pub use frame::{COLUMNS, Frame};
pub use functionals::NAMES;
pub use prosody::{Output, Prosody};

/// The input that carries segments.
pub const SPEECH: &str = "speech";
/// The input that carries transcripts.
pub const TRANSCRIPT: &str = "transcript";
/// Samples of a frame: 64 ms, which is four periods of the lowest voices.
pub const FRAME: usize = 1024;
/// Samples from the start of one frame to the start of the next: 10 ms.
pub const HOP: usize = 160;
/// Samples whose repetition is looked for (YIN's integration window).
pub(crate) const YIN_WINDOW: usize = 512;
/// Samples a second.
pub(crate) const RATE: f64 = undertone_messages::SAMPLE_RATE as f64;
