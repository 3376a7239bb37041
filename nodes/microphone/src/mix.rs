//! From a device's format to mono.

use cpal::{I24, SizedSample, U24};

/// How channels become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// The average of all channels.
    Average,
    /// One channel, counted from 0.
    Channel(usize),
}

impl Mix {
    /// The mono sample of a frame, which is one sample of each channel. Floating-point samples that are no numbers count
    /// as 0.
    pub fn mono<T: Pcm>(self, frame: &[T]) -> f32 {
        let sample = match self {
            Self::Average => frame.iter().map(|sample| sample.amplitude()).sum::<f64>() / frame.len() as f64,
            Self::Channel(index) => frame.get(index).map_or(0.0, |sample| sample.amplitude()),
        } as f32;
        if sample.is_finite() { sample } else { 0.0 }
    }
}

/// A sample as a device gives it: one of cpal's formats, all but one-bit streams (DSD).
pub trait Pcm: SizedSample + Send + 'static {
    /// Its amplitude, full scale at ±1.
    fn amplitude(self) -> f64;
}

macro_rules! pcm {
    ($($type:ty: $sample:ident => $amplitude:expr),* $(,)?) => {$(
        impl Pcm for $type {
            fn amplitude(self) -> f64 {
                let $sample = self;
                $amplitude
            }
        }
    )*};
}

/// 2 to the power of 23, 31 and 63.
const TWO_23: f64 = 8_388_608.0;
const TWO_31: f64 = 2_147_483_648.0;
const TWO_63: f64 = 9_223_372_036_854_775_808.0;

pcm! {
    i8: sample => f64::from(sample) / 128.0,
    i16: sample => f64::from(sample) / 32_768.0,
    // Four bytes of which three count: the fourth is whatever the driver left there.
    I24: sample => f64::from((sample.inner() << 8) >> 8) / TWO_23,
    i32: sample => f64::from(sample) / TWO_31,
    i64: sample => sample as f64 / TWO_63,
    u8: sample => f64::from(sample) / 128.0 - 1.0,
    u16: sample => f64::from(sample) / 32_768.0 - 1.0,
    U24: sample => f64::from(sample.inner() & 0x00ff_ffff) / TWO_23 - 1.0,
    u32: sample => f64::from(sample) / TWO_31 - 1.0,
    u64: sample => sample as f64 / TWO_63 - 1.0,
    f32: sample => f64::from(sample),
    f64: sample => sample,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amplitudes<T: Pcm>(samples: [T; 3]) -> [f64; 3] {
        samples.map(Pcm::amplitude)
    }

    #[test]
    fn every_format_has_its_lowest_value_at_minus_one_and_its_middle_at_zero() {
        let (half, low, mid) = (0.5, -1.0, 0.0);
        assert_eq!(amplitudes([i8::MIN, 0, 64]), [low, mid, half]);
        assert_eq!(amplitudes([i16::MIN, 0, 1 << 14]), [low, mid, half]);
        assert_eq!(amplitudes([-(1 << 23), 0, 1 << 22].map(I24::new_unchecked)), [low, mid, half]);
        assert_eq!(amplitudes([i32::MIN, 0, 1 << 30]), [low, mid, half]);
        assert_eq!(amplitudes([i64::MIN, 0, 1 << 62]), [low, mid, half]);
        assert_eq!(amplitudes([0_u8, 128, 192]), [low, mid, half]);
        assert_eq!(amplitudes([0_u16, 1 << 15, 3 << 14]), [low, mid, half]);
        assert_eq!(amplitudes([0, 1 << 23, 3 << 22].map(U24::new_unchecked)), [low, mid, half]);
        assert_eq!(amplitudes([0_u32, 1 << 31, 3 << 30]), [low, mid, half]);
        assert_eq!(amplitudes([0_u64, 1 << 63, 3 << 62]), [low, mid, half]);
        assert_eq!(amplitudes([-1.0_f32, 0.0, 0.5]), [low, mid, half]);
        assert_eq!(amplitudes([-1.0_f64, 0.0, 0.5]), [low, mid, half]);
    }

    /// Drivers fill the fourth byte with the sign, with zeros, or not at all.
    #[test]
    fn the_fourth_byte_of_24_bit_samples_does_not_count() {
        for fourth in [0x00, 0x5a, 0xff] {
            let minus_one = I24::new_unchecked((fourth << 24) | 0x00ff_ffff);
            assert_eq!(minus_one.amplitude(), -1.0 / TWO_23, "{fourth:x}");
        }
        assert_eq!(U24::new_unchecked(0x5a80_0000).amplitude(), 0.0);
    }

    #[test]
    fn what_is_no_number_is_silence() {
        assert_eq!(Mix::Average.mono(&[f32::NAN, 0.5]), 0.0);
        assert_eq!(Mix::Channel(0).mono(&[f64::INFINITY]), 0.0);
        assert_eq!(Mix::Channel(2).mono(&[0.5_f32, 0.5]), 0.0);
        assert_eq!(Mix::Channel(1).mono(&[0.25_f32, 0.5]), 0.5);
    }

    proptest! {
        #[test]
        fn the_average_lies_between_the_channels(frame in prop::collection::vec(any::<i16>(), 1..9)) {
            let mono = Mix::Average.mono(&frame);
            let amplitude = |sample: Option<&i16>| sample.unwrap().amplitude() as f32;
            prop_assert!(mono >= amplitude(frame.iter().min()) - 1e-6);
            prop_assert!(mono <= amplitude(frame.iter().max()) + 1e-6);
            prop_assert!((-1.0..1.0).contains(&mono));
        }
    }
}
