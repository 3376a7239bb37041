//! The parameters as command-line arguments.

use clap::{Parser, ValueEnum};

use crate::config::{
    Config, ConfigError, Edges, FftLength, Lifter, MelScale, Normalise, Preset, Spectrum, Triangles, Window,
};

/// Computes mel-frequency cepstral coefficients of speech. What is not given is as the preset has it.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "mfcc", version)]
pub struct Arguments {
    /// Convention that everything else starts from: kaldi unless given.
    #[arg(long, value_enum)]
    pub preset: Option<Preset>,
    /// Number of cepstral coefficients, the zeroth included.
    #[arg(long, value_name = "N")]
    pub coefficients: Option<usize>,
    /// Length of a frame in milliseconds.
    #[arg(long, value_name = "MS")]
    pub frame_ms: Option<f64>,
    /// Distance between the starts of two frames in milliseconds.
    #[arg(long, value_name = "MS")]
    pub hop_ms: Option<f64>,
    /// What happens at the edges of the signal.
    #[arg(long, value_enum)]
    pub edges: Option<Edges>,
    /// Length of the Fourier transform.
    #[arg(long, value_enum)]
    pub fft: Option<FftLength>,
    /// Number of mel filters.
    #[arg(long, value_name = "N")]
    pub mels: Option<usize>,
    /// Lower edge of the first mel filter in hertz.
    #[arg(long, value_name = "HZ")]
    pub low_hz: Option<f32>,
    /// Upper edge of the last mel filter in hertz.
    #[arg(long, value_name = "HZ")]
    pub high_hz: Option<f32>,
    /// Formula from hertz to mel.
    #[arg(long, value_enum)]
    pub mel_scale: Option<MelScale>,
    /// The axis on which the mel filters are triangles.
    #[arg(long, value_enum)]
    pub triangles: Option<Triangles>,
    /// Give every mel filter the same area.
    #[arg(long, value_name = "BOOL")]
    pub area_normalised: Option<bool>,
    /// Window that each frame is multiplied by.
    #[arg(long, value_enum)]
    pub window: Option<Window>,
    /// What the mel filters sum up.
    #[arg(long, value_enum)]
    pub spectrum: Option<Spectrum>,
    /// Subtract each frame's mean first.
    #[arg(long, value_name = "BOOL")]
    pub remove_dc: Option<bool>,
    /// Coefficient of the pre-emphasis within each frame, 0 for none.
    #[arg(long, value_name = "C")]
    pub pre_emphasis: Option<f32>,
    /// Liftering parameter L, 0 for none.
    #[arg(long, value_name = "L")]
    pub lifter: Option<f32>,
    /// Replace the zeroth coefficient by the logarithm of the frame's energy.
    #[arg(long, value_name = "BOOL")]
    pub energy: Option<bool>,
    /// Order of the deltas that follow the coefficients: 0 for none, 1, or 2 for accelerations too.
    #[arg(long, value_name = "ORDER")]
    pub deltas: Option<usize>,
    /// Frames before and after that enter a delta.
    #[arg(long, value_name = "FRAMES")]
    pub delta_radius: Option<usize>,
    /// Running normalisation of each coefficient by what was heard of the segment, from its first frame.
    #[arg(long, value_enum, default_value_t)]
    pub normalise: NormaliseBy,
    /// Time constant of the running normalisation in frames.
    #[arg(long, value_name = "FRAMES", default_value_t = 300)]
    pub normalise_frames: u32,
}

/// What the running normalisation takes out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum NormaliseBy {
    /// Nothing
    #[default]
    None,
    /// The mean
    Mean,
    /// The mean and the standard deviation
    MeanVariance,
}

impl Arguments {
    /// The preset with what was given in its place, checked.
    ///
    /// # Errors
    /// A [`ConfigError`] that names the argument and what it must be.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let mut config = self.preset.map_or_else(Config::default, Preset::config);
        let samples = |ms: f64| (ms * f64::from(config.sample_rate) / 1000.0).round() as usize;
        let (frame_length, hop) = (self.frame_ms.map(samples), self.hop_ms.map(samples));
        set(&mut config.frame_length, frame_length);
        set(&mut config.hop, hop);
        set(&mut config.coefficients, self.coefficients);
        set(&mut config.edges, self.edges);
        set(&mut config.fft, self.fft);
        set(&mut config.mels, self.mels);
        set(&mut config.low_hz, self.low_hz);
        set(&mut config.high_hz, self.high_hz);
        set(&mut config.mel_scale, self.mel_scale);
        set(&mut config.triangles, self.triangles);
        set(&mut config.area_normalised, self.area_normalised);
        set(&mut config.window, self.window);
        set(&mut config.spectrum, self.spectrum);
        set(&mut config.remove_dc, self.remove_dc);
        set(&mut config.pre_emphasis, self.pre_emphasis);
        set(&mut config.lifter, self.lifter.map(|l| self.lifter(l)));
        set(&mut config.energy, self.energy);
        set(&mut config.deltas.order, self.deltas);
        set(&mut config.deltas.radius, self.delta_radius);
        let frames = self.normalise_frames;
        config.normalise = match self.normalise {
            NormaliseBy::None => Normalise::None,
            NormaliseBy::Mean => Normalise::Mean { frames },
            NormaliseBy::MeanVariance => Normalise::MeanVariance { frames },
        };
        config.validate()?;
        Ok(config)
    }

    fn lifter(&self, lifter: f32) -> Lifter {
        match self.preset {
            _ if lifter == 0.0 => Lifter::None,
            Some(Preset::Librosa) => Lifter::Librosa(lifter),
            _ => Lifter::Htk(lifter),
        }
    }
}

fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *field = value;
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        features: Arguments,
    }

    fn config(line: &str) -> Result<Config, String> {
        let words = std::iter::once("mfcc").chain(line.split_whitespace());
        let command = Command::try_parse_from(words).map_err(|e| e.to_string())?;
        command.features.config().map_err(|e| e.to_string())
    }

    #[test]
    fn nothing_given_is_the_default() {
        assert_eq!(config(""), Ok(Config::default()));
        assert_eq!(config("--preset htk"), Ok(Preset::Htk.config()));
    }

    #[test]
    fn what_is_given_replaces_the_presets_value() {
        let given = config(
            "--preset librosa --coefficients 20 --frame-ms 32 --hop-ms 16 --window hann --lifter 22 --deltas 2 \
             --normalise mean-variance --normalise-frames 100 --area-normalised false",
        );
        let base = Preset::Librosa.config();
        let expected = Config {
            coefficients: 20,
            frame_length: 512,
            hop: 256,
            window: Window::Hann,
            lifter: Lifter::Librosa(22.0),
            deltas: crate::Deltas { order: 2, ..base.deltas },
            normalise: Normalise::MeanVariance { frames: 100 },
            area_normalised: false,
            ..base
        };
        assert_eq!(given, Ok(expected));
        assert_eq!(config("--lifter 0").unwrap().lifter, Lifter::None);
    }

    #[test]
    fn rows_are_called_by_the_preset_and_what_differs_from_it() {
        let kind = |line: &str| config(line).unwrap().kind();
        assert_eq!(kind(""), "mfcc kaldi");
        assert_eq!(kind("--preset librosa"), "mfcc librosa");
        assert_eq!(kind("--coefficients 40 --lifter 22"), "mfcc kaldi");
        assert_eq!(kind("--coefficients 20"), "mfcc kaldi coefficients=20");
        assert_eq!(
            kind("--preset htk --normalise mean --energy true"),
            "mfcc htk energy=true normalise=Mean { frames: 300 }"
        );
    }

    #[test]
    fn what_cannot_be_names_the_argument() {
        let refused = |line: &str, name: &str| {
            let message = config(line).unwrap_err();
            assert!(message.contains(name), "{line}: {message}");
        };
        refused("--coefficients 41", "--mels");
        refused("--coefficients 0", "--coefficients");
        refused("--frame-ms 0", "--frame-ms");
        refused("--frame-ms nan", "--frame-ms");
        refused("--hop-ms 0", "--hop-ms");
        refused("--low-hz 9000", "--low-hz");
        refused("--high-hz 8001", "--high-hz");
        refused("--pre-emphasis 1", "--pre-emphasis");
        refused("--lifter=-3", "--lifter");
        refused("--deltas 3", "--deltas");
        refused("--delta-radius 0", "--delta-radius");
        refused("--normalise mean --normalise-frames 0", "--normalise-frames");
        refused("--window hamm", "hamming");
    }
}
