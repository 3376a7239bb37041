//! Every choice that shapes the features, the four presets, and the checks.

use clap::ValueEnum;

/// How the features are computed. Start from a [`Preset`] and change fields; [`crate::Extractor::new`] checks the whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Samples a second.
    pub sample_rate: u32,
    /// Length of a frame in samples.
    pub frame_length: usize,
    /// Distance between the starts of two frames in samples.
    pub hop: usize,
    /// What happens at the first and last samples.
    pub edges: Edges,
    /// Samples, which are in -1 to 1, are multiplied by this: 32768 for references that take 16-bit integers as they are.
    pub scale: f32,
    /// Subtract each frame's mean first (Kaldi's `remove-dc-offset`).
    pub remove_dc: bool,
    /// Coefficient c of `y[n] = x[n] - c·x[n-1]` within each frame, where the sample before the first is the first, as in
    /// Kaldi and HTK. 0 for none.
    pub pre_emphasis: f32,
    /// Window that each frame is multiplied by.
    pub window: Window,
    /// Length of the Fourier transform.
    pub fft: FftLength,
    /// What the mel filters sum up.
    pub spectrum: Spectrum,
    /// Number of mel filters.
    pub mels: usize,
    /// Lower edge of the first mel filter in hertz.
    pub low_hz: f32,
    /// Upper edge of the last mel filter in hertz, at most half the sample rate.
    pub high_hz: f32,
    /// Formula from hertz to mel.
    pub mel_scale: MelScale,
    /// The axis on which the filters are triangles.
    pub triangles: Triangles,
    /// Give every filter the same area: weights times 2 / bandwidth in hertz (librosa's `norm="slaney"`).
    pub area_normalised: bool,
    /// Logarithm of the filters' output.
    pub log: Log,
    /// Number of cepstral coefficients, the zeroth included.
    pub coefficients: usize,
    /// Place and size of the zeroth coefficient.
    pub dct: Dct,
    /// Liftering of the coefficients.
    pub lifter: Lifter,
    /// Replace the zeroth coefficient by the natural logarithm of the frame's energy before pre-emphasis and window
    /// (Kaldi's `use-energy` with `raw-energy`).
    pub energy: bool,
    /// Running normalisation of the coefficients, before the deltas are taken.
    pub normalise: Normalise,
    /// Deltas that follow the coefficients in each row.
    pub deltas: Deltas,
}

/// Conventions of the four toolkits that features are usually compared with. All have 40 coefficients, frames of 25 ms
/// and a hop of 10 ms at 16 kHz; what else they share or not is in the table of [`Preset::config`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Preset {
    /// `librosa.feature.mfcc` (librosa 0.11) with `n_fft=400, hop_length=160`, decibels without `top_db`
    Librosa,
    /// `torchaudio.transforms.MFCC` (torchaudio 2) with `n_fft=400, hop_length=160`, decibels without `top_db`
    Torchaudio,
    /// Kaldi's `compute-mfcc-feats --dither=0` and kaldi-native-fbank, with 40 filters and no energy as in
    /// `mfcc_hires.conf`, which also has `--high-freq=-400` (`--high-hz 7600`)
    Kaldi,
    /// HTK's `HCopy` for the target kind MFCC_0 (HTK Book 3.4, chapter 5), with 40 filters
    Htk,
}

impl Preset {
    /// The preset's parameters at 16 kHz.
    ///
    /// | | librosa | torchaudio | kaldi | htk |
    /// | --- | --- | --- | --- | --- |
    /// | edges | centred, zeros | centred, reflected | whole frames | whole frames |
    /// | sample scale | 1 | 1 | 32768 | 32768 |
    /// | mean removed | no | no | yes | no |
    /// | pre-emphasis | none | none | 0.97 | 0.97 |
    /// | window | Hann, periodic | Hann, periodic | Povey | Hamming |
    /// | FFT length | 400 | 400 | 512 | 512 |
    /// | spectrum | power | power | power | magnitude |
    /// | mel filters | 128, Slaney, area-normalised | 128, HTK | 40, HTK | 40, HTK |
    /// | triangular in | hertz | hertz | mel | mel |
    /// | band in hertz | 0 to 8000 | 0 to 8000 | 20 to 8000 | 0 to 8000 |
    /// | logarithm | dB, floor 1e-10 | dB, floor 1e-10 | natural, floor 1.19e-7 | natural, floor 1 |
    /// | lifter | none | none | 22 | 22 |
    /// | zeroth coefficient | first | first | first | last, √2 larger |
    /// | delta rule | Savitzky-Golay, 9 frames | regression, 5 frames | Kaldi, 5 frames | regression, 5 frames |
    #[must_use]
    pub fn config(self) -> Config {
        match self {
            Self::Librosa => librosa(),
            Self::Torchaudio => Config {
                edges: Edges::Reflect,
                mel_scale: MelScale::Htk,
                area_normalised: false,
                deltas: Deltas { order: 0, radius: 2, rule: DeltaRule::Regression },
                ..librosa()
            },
            Self::Kaldi => kaldi(),
            Self::Htk => Config {
                remove_dc: false,
                window: Window::Hamming,
                spectrum: Spectrum::Magnitude,
                low_hz: 0.0,
                log: Log::Natural { floor: 1.0 },
                dct: Dct::Htk,
                deltas: Deltas { order: 0, radius: 2, rule: DeltaRule::Regression },
                ..kaldi()
            },
        }
    }
}

fn librosa() -> Config {
    Config {
        sample_rate: 16_000,
        frame_length: 400,
        hop: 160,
        edges: Edges::Zero,
        scale: 1.0,
        remove_dc: false,
        pre_emphasis: 0.0,
        window: Window::HannPeriodic,
        fft: FftLength::Frame,
        spectrum: Spectrum::Power,
        mels: 128,
        low_hz: 0.0,
        high_hz: 8_000.0,
        mel_scale: MelScale::Slaney,
        triangles: Triangles::Hertz,
        area_normalised: true,
        log: Log::Decibel { floor: 1e-10 },
        coefficients: 40,
        dct: Dct::Ortho,
        lifter: Lifter::None,
        energy: false,
        normalise: Normalise::None,
        deltas: Deltas { order: 0, radius: 4, rule: DeltaRule::SavitzkyGolay },
    }
}

fn kaldi() -> Config {
    Config {
        edges: Edges::Snip,
        scale: 32_768.0,
        remove_dc: true,
        pre_emphasis: 0.97,
        window: Window::Povey,
        fft: FftLength::PowerOfTwo,
        mels: 40,
        low_hz: 20.0,
        mel_scale: MelScale::Htk,
        triangles: Triangles::Mel,
        area_normalised: false,
        log: Log::Natural { floor: f32::EPSILON },
        lifter: Lifter::Htk(22.0),
        deltas: Deltas { order: 0, radius: 2, rule: DeltaRule::Kaldi },
        ..librosa()
    }
}

/// [`Preset::Kaldi`]: it waits for no sample beyond the frame, so it suits a live stream best.
impl Default for Config {
    fn default() -> Self {
        Preset::Kaldi.config()
    }
}

/// What happens at the edges of the signal.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Edges {
    /// Only frames that lie wholly inside the signal (Kaldi's `snip-edges`); no latency beyond the frame
    Snip,
    /// Frame t is centred on sample t·hop; zeros beyond the edges (librosa's `pad_mode="constant"`)
    Zero,
    /// Frame t is centred on sample t·hop; the signal is mirrored at its first and last sample (torchaudio, `pad_mode="reflect"`)
    Reflect,
}

/// Window functions. N is the frame length; a periodic window is the symmetric one of N + 1 points without its last.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Window {
    /// 0.54 - 0.46·cos(2πn / (N - 1)), as Kaldi and HTK have it
    Hamming,
    /// Hamming with the period N
    HammingPeriodic,
    /// 0.5 - 0.5·cos(2πn / (N - 1)), Kaldi's `hanning`
    Hann,
    /// Hann with the period N, as librosa and torchaudio have it
    HannPeriodic,
    /// Hann to the power of 0.85, Kaldi's default
    Povey,
    /// All ones
    Rectangular,
}

/// Length of the Fourier transform.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum FftLength {
    /// The frame's own length
    Frame,
    /// The frame followed by zeros up to the next power of two
    PowerOfTwo,
}

/// What the mel filters sum up.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Spectrum {
    /// |X|²
    Power,
    /// |X|
    Magnitude,
}

/// Formula from hertz to mel.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum MelScale {
    /// 2595·log10(1 + f / 700)
    Htk,
    /// Linear below 1 kHz and logarithmic above (Slaney's Auditory Toolbox, 1998; librosa's default)
    Slaney,
}

/// The axis on which the mel filters are triangles.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Triangles {
    /// Straight slopes over hertz (librosa, torchaudio)
    Hertz,
    /// Straight slopes over mel (Kaldi, HTK)
    Mel,
}

/// Logarithm of a mel filter's output, which is first raised to `floor`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Log {
    /// ln(x)
    Natural {
        /// Least value whose logarithm is taken
        floor: f32,
    },
    /// 10·log10(x), librosa's `power_to_db` with `ref=1` and `top_db=None`
    Decibel {
        /// Least value whose logarithm is taken (librosa's `amin`)
        floor: f32,
    },
}

/// Place and size of the zeroth coefficient. The transform is the DCT-II with orthonormal rows otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Dct {
    /// First, orthonormal like the others
    Ortho,
    /// Last and √2 larger, as in HTK's MFCC_0 (Kaldi's `htk-compat`)
    Htk,
}

/// Weights on the coefficients c_n, n from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lifter {
    /// All one
    None,
    /// 1 + (L/2)·sin(πn / L), HTK and Kaldi
    Htk(f32),
    /// 1 + (L/2)·sin(π(n + 1) / L), librosa
    Librosa(f32),
}

/// Normalisation of each coefficient by its own running statistics.
///
/// It is causal: row t is normalised by the mean (and variance) of rows 0 to t, each of weight 1/t while t is at most
/// `frames`, and with exponential forgetting at the rate 1/`frames` from there on. So it streams exactly, which a
/// normalisation by a segment's own statistics cannot do. In the mfcc node row 0 is the segment's first: nothing is carried
/// from one segment into the next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Normalise {
    /// As they are
    None,
    /// Minus the running mean
    Mean {
        /// Time constant in frames
        frames: u32,
    },
    /// Minus the running mean, divided by the running standard deviation
    MeanVariance {
        /// Time constant in frames
        frames: u32,
    },
}

/// Deltas: slopes over time of the coefficients, and slopes of slopes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deltas {
    /// 0 for none, 1 for deltas, 2 for deltas and accelerations.
    pub order: usize,
    /// Frames before and after that enter a slope: 2 for a window of 5. Each row waits for `order · radius` later frames
    /// (Savitzky-Golay: `radius`).
    pub radius: usize,
    /// Formula and behaviour at the edges.
    pub rule: DeltaRule,
}

/// Formula of the deltas.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum DeltaRule {
    /// Regression over each previous order, whose first and last rows are repeated (HTK, torchaudio's `compute_deltas`)
    Regression,
    /// The same, but both orders are taken from the coefficients, whose first and last rows are repeated (Kaldi's `add-deltas`)
    Kaldi,
    /// Savitzky-Golay filter of the order's degree; the first and last windows are fitted once for all their rows (librosa's
    /// `mode="interp"`). A signal shorter than the window, which librosa refuses, has its first and last rows repeated.
    SavitzkyGolay,
}

/// A parameter that cannot be used, with what to change.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// The frame has fewer than two samples.
    #[error("frame length is {0} samples: give at least 2 (a longer --frame-ms)")]
    FrameLength(usize),
    /// The hop has no sample.
    #[error("hop is 0 samples: give at least 1 (a longer --hop-ms)")]
    Hop,
    /// No mel filters, or no coefficients.
    #[error("{0} is 0: give at least 1")]
    Zero(&'static str),
    /// More coefficients than the mel filters can give.
    #[error(
        "{coefficients} coefficients need at least as many mel filters, and there are {mels}: raise --mels or lower --coefficients"
    )]
    Coefficients {
        /// Coefficients asked for.
        coefficients: usize,
        /// Mel filters.
        mels: usize,
    },
    /// The mel filters' band is empty or leaves the spectrum.
    #[error(
        "mel filters from {low} to {high} Hz: --low-hz must be at least 0 and below --high-hz, and that at most {nyquist} Hz, half the sample rate"
    )]
    Band {
        /// Lower edge in hertz.
        low: f32,
        /// Upper edge in hertz.
        high: f32,
        /// Half the sample rate in hertz.
        nyquist: f32,
    },
    /// A number is outside the range in which it means something.
    #[error("{name} is {value}: it must be {range}")]
    Range {
        /// The parameter.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed.
        range: &'static str,
    },
}

impl Config {
    /// What its rows are called in messages: `mfcc` and the preset, such as `mfcc kaldi`, and what differs from it, such as
    /// `mfcc kaldi coefficients=20`. Of several presets the one that differs least.
    #[must_use]
    pub fn kind(&self) -> String {
        let presets = Preset::value_variants().iter();
        let nearest = presets.min_by_key(|preset| self.differences(&preset.config()).len());
        let preset = nearest.copied().unwrap_or(Preset::Kaldi);
        let name = preset.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        [vec!["mfcc".to_owned(), name], self.differences(&preset.config())].concat().join(" ")
    }

    /// Every parameter that is another one in `base`.
    fn differences(&self, base: &Self) -> Vec<String> {
        macro_rules! differing {
            ($($field:ident),*) => {{
                // Without `..`, so that none can be forgotten.
                let Self { $($field),* } = self;
                [$((*$field != base.$field).then(|| format!("{}={:?}", stringify!($field), $field))),*]
            }};
        }
        let fields = differing!(
            sample_rate,
            frame_length,
            hop,
            edges,
            scale,
            remove_dc,
            pre_emphasis,
            window,
            fft,
            spectrum,
            mels,
            low_hz,
            high_hz,
            mel_scale,
            triangles,
            area_normalised,
            log,
            coefficients,
            dct,
            lifter,
            energy,
            normalise,
            deltas
        );
        fields.into_iter().flatten().collect()
    }

    /// Values in one row: coefficients and their deltas.
    #[must_use]
    pub fn width(&self) -> usize {
        self.coefficients * (1 + self.deltas.order)
    }

    /// Length of the Fourier transform in samples.
    #[must_use]
    pub fn fft_length(&self) -> usize {
        match self.fft {
            FftLength::Frame => self.frame_length,
            FftLength::PowerOfTwo => self.frame_length.next_power_of_two(),
        }
    }

    /// Samples by which the signal is extended at each edge, so that frame t starts at sample `t·hop - padding`.
    #[must_use]
    pub fn padding(&self) -> usize {
        match self.edges {
            Edges::Snip => 0,
            Edges::Zero | Edges::Reflect => self.frame_length / 2,
        }
    }

    /// Says what is wrong with the parameters, if anything is.
    ///
    /// # Errors
    /// A [`ConfigError`] that names the parameter and what it must be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_counts()?;
        let nyquist = self.sample_rate as f32 / 2.0;
        let (low, high) = (self.low_hz, self.high_hz);
        if !(0.0 <= low && low < high && high <= nyquist) {
            return Err(ConfigError::Band { low, high, nyquist });
        }
        in_range(
            "--pre-emphasis",
            self.pre_emphasis,
            "at least 0 and below 1",
            (0.0..1.0).contains(&self.pre_emphasis),
        )?;
        let positive = |x: f32| x > 0.0 && x.is_finite();
        in_range("sample scale", self.scale, "above 0", positive(self.scale))?;
        let (Log::Natural { floor } | Log::Decibel { floor }) = self.log;
        in_range("floor of the logarithm", floor, "above 0", positive(floor))?;
        if let Lifter::Htk(lifter) | Lifter::Librosa(lifter) = self.lifter {
            in_range("--lifter", lifter, "above 0 (0 on the command line for none)", positive(lifter))?;
        }
        Ok(())
    }

    fn validate_counts(&self) -> Result<(), ConfigError> {
        let &Self { frame_length, hop, mels, coefficients, deltas, .. } = self;
        match (mels, coefficients) {
            (0, _) => return Err(ConfigError::Zero("--mels")),
            (_, 0) => return Err(ConfigError::Zero("--coefficients")),
            _ if coefficients > mels => return Err(ConfigError::Coefficients { coefficients, mels }),
            _ if frame_length < 2 => return Err(ConfigError::FrameLength(frame_length)),
            _ if hop == 0 => return Err(ConfigError::Hop),
            _ => {}
        }
        in_range("--deltas", deltas.order as f32, "0, 1 or 2", deltas.order <= 2)?;
        in_range("--delta-radius", deltas.radius as f32, "1 to 100", (1..=100).contains(&deltas.radius))?;
        match self.normalise {
            Normalise::Mean { frames: 0 } | Normalise::MeanVariance { frames: 0 } => {
                Err(ConfigError::Zero("--normalise-frames"))
            }
            _ => Ok(()),
        }
    }
}

fn in_range(name: &'static str, value: f32, range: &'static str, holds: bool) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::Range { name, value: f64::from(value), range }) }
}
