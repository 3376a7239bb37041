//! Conversion of the sample rate.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};
use undertone_messages::SAMPLE_RATE;

use crate::live::LiveFilter;

/// The filter's length in samples, counted at the lower of the two rates. Even at 8 kHz it is 128 ms long, which a
/// recording does not mind.
const FILTER_LENGTH: usize = 1_024;

/// The resampler has failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the resampler failed: {0}")]
pub struct RateError(String);

impl RateError {
    fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Converts a stream of mono samples from any rate to 16 kHz, as it comes.
///
/// The filter is rubato's FFT resampler: a windowed sinc of linear phase (squared Blackman-Harris), applied in blocks, in
/// 64-bit floating point. With `f` the lower of the two rates, it is at least 1,024 samples long at `f`; it passes up to
/// 0.475 `f` with less than 0.01 dB of loss (7.6 kHz for all rates from 16 kHz on) and stops from 0.5 `f` on by more than
/// 100 dB. `nodes/source/tests/resampling.rs` measures both.
///
/// Its delay, half its length, is taken off: output sample `k` stands at time `k / 16000` of the input, exactly. Before
/// and behind the input there is silence. At 16 kHz samples pass untouched.
///
/// How long a sample waits for its output, with the two filters:
///
/// | from | [`RateConverter::new`], for recordings | [`RateConverter::live`] |
/// | --- | --- | --- |
/// | 48 kHz | 32 to 96 ms | 5 ms |
/// | 44.1 kHz | 40 to 120 ms | 5 ms |
/// | 16 kHz | nothing | nothing |
/// | 8 kHz | 64 to 192 ms | 10 ms |
///
/// The first is half the filter, and what is missing of a block; `nodes/source/tests/resampling.rs` measures both.
pub struct RateConverter {
    rate: u32,
    filter: Filter,
    /// Samples that went in, what was lost included.
    received: u64,
    /// Samples that came out, what was lost included.
    sent: u64,
}

enum Filter {
    /// At 16 kHz there is nothing to do.
    None,
    Blocks(Box<Blocks>),
    Live(LiveFilter),
}

struct Blocks {
    fft: Fft<f64>,
    /// The block that is being filled.
    block: Vec<f64>,
    /// Its length when it is full.
    block_length: usize,
    converted: Vec<f64>,
    /// Samples that are yet to be dropped: the filter's delay, and what comes before the stream.
    delay: usize,
    /// The shortest run that is a whole number of samples at both rates: how many on the way in, and out.
    period: (u64, u64),
}

impl RateConverter {
    /// A converter from `rate`, in samples a second.
    ///
    /// # Errors
    ///
    /// A rate of 0.
    pub fn new(rate: u32) -> Result<Self, RateError> {
        let filter = if rate == SAMPLE_RATE {
            Filter::None
        } else {
            Filter::Blocks(Box::new(Blocks::new(rate as usize)?))
        };
        Ok(Self { rate, filter, received: 0, sent: 0 })
    }

    /// A converter from `rate`, in samples a second, for live audio: an output sample comes 80 samples of the lower rate
    /// behind its time, which is 5 ms from 16 kHz on, with less than 1 % of a core at 48 kHz.
    ///
    /// For that its filter is worse: it passes up to 0.46 `f` with less than 0.01 dB of loss (7.4 kHz for all rates from
    /// 16 kHz on) and stops from 0.5 `f` on by more than 85 dB.
    ///
    /// # Errors
    ///
    /// A rate of 0.
    pub fn live(rate: u32) -> Result<Self, RateError> {
        let filter = match rate {
            0 => return Err(RateError::new("a sample rate of 0")),
            SAMPLE_RATE => Filter::None,
            _ => Filter::Live(LiveFilter::new(rate)),
        };
        Ok(Self { rate, filter, received: 0, sent: 0 })
    }

    /// Takes samples and appends to `output` what they settle.
    ///
    /// # Errors
    ///
    /// None that a caller can cause.
    pub fn push(&mut self, input: &[f64], output: &mut Vec<f32>) -> Result<(), RateError> {
        self.received += input.len() as u64;
        let before = output.len();
        match &mut self.filter {
            Filter::None => output.extend(input.iter().map(|sample| *sample as f32)),
            Filter::Blocks(blocks) => blocks.push(input, output)?,
            Filter::Live(live) => live.push(input, output),
        }
        self.sent += (output.len() - before) as u64;
        Ok(())
    }

    /// Ends the stream, or the part before a loss: appends what is left.
    ///
    /// # Errors
    ///
    /// None that a caller can cause.
    pub fn finish(&mut self, output: &mut Vec<f32>) -> Result<(), RateError> {
        let end = self.converted(self.received);
        while self.sent < end {
            let before = output.len();
            match &mut self.filter {
                Filter::None => break,
                Filter::Blocks(blocks) => blocks.flush(output)?,
                Filter::Live(live) => live.flush(output),
            }
            let surplus = (self.sent + (output.len() - before) as u64).saturating_sub(end);
            output.truncate(output.len() - surplus as usize);
            self.sent += (output.len() - before) as u64;
        }
        self.begin();
        Ok(())
    }

    /// Goes on behind a loss of `lost` samples, after [`RateConverter::finish`]. Gives the loss in output samples.
    ///
    /// Time does not shift, not even by a fraction of a sample.
    pub fn skip(&mut self, lost: u64) -> u64 {
        if lost == 0 {
            return 0;
        }
        self.received += lost;
        let skipped = self.converted(self.received).saturating_sub(self.sent);
        self.sent += skipped;
        self.begin();
        skipped
    }

    /// Forgets what went in, and goes on where the stream is.
    fn begin(&mut self) {
        match &mut self.filter {
            Filter::None => {}
            Filter::Blocks(blocks) => blocks.begin_at(self.received, self.sent),
            Filter::Live(live) => live.begin_at(self.received, self.sent),
        }
    }

    /// How many samples of output stand for `samples` of input, to the nearest.
    pub fn converted(&self, samples: u64) -> u64 {
        let (to, from) = (u128::from(SAMPLE_RATE), u128::from(self.rate));
        u64::try_from((2 * u128::from(samples) * to + from) / (2 * from)).unwrap_or(u64::MAX)
    }
}

impl Blocks {
    fn new(rate: usize) -> Result<Self, RateError> {
        let target = SAMPLE_RATE as usize;
        // Blocks are multiples of the period. Their number is even because the delay is
        // half a block and has to be a whole number of samples on both sides.
        let divisor = num_integer::gcd(rate.max(1), target);
        let shortest = rate.min(target) / divisor;
        let runs = FILTER_LENGTH.div_ceil(shortest.max(1)).next_multiple_of(2);
        let fft = Fft::new_custom(
            rate,
            target,
            runs * (rate / divisor),
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(RateError::new)?;
        let block_length = fft.input_frames_next();
        let converted = vec![0.0; fft.output_frames_next()];
        let delay = fft.output_delay();
        let period = ((rate / divisor) as u64, (target / divisor) as u64);
        Ok(Self { fft, block: Vec::with_capacity(block_length), block_length, converted, delay, period })
    }

    fn push(&mut self, mut input: &[f64], output: &mut Vec<f32>) -> Result<(), RateError> {
        while let Some((head, tail)) = input.split_at_checked(self.block_length - self.block.len()) {
            self.block.extend_from_slice(head);
            self.convert(output)?;
            input = tail;
        }
        self.block.extend_from_slice(input);
        Ok(())
    }

    /// Fills the block with silence and converts it.
    fn flush(&mut self, output: &mut Vec<f32>) -> Result<(), RateError> {
        self.block.resize(self.block_length, 0.0);
        self.convert(output)
    }

    fn convert(&mut self, output: &mut Vec<f32>) -> Result<(), RateError> {
        let length = self.converted.len();
        let input = SequentialSlice::new(&self.block, 1, self.block_length).map_err(RateError::new)?;
        let mut converted =
            SequentialSlice::new_mut(&mut self.converted, 1, length).map_err(RateError::new)?;
        self.fft.process_into_buffer(&input, &mut converted, None).map_err(RateError::new)?;
        let dropped = self.delay.min(length);
        self.delay -= dropped;
        output.extend(self.converted.iter().skip(dropped).map(|sample| *sample as f32));
        self.block.clear();
        Ok(())
    }

    /// Forgets what went in, and goes on with sample `input` of the stream, whose output begins with sample `output`.
    fn begin_at(&mut self, input: u64, output: u64) {
        // Only at whole periods do the samples of both rates stand at the same time. So the filter begins at the last
        // one, with silence up to the sample, and what that gives is dropped.
        let (period_in, period_out) = self.period;
        let silence = input % period_in;
        let surplus = output.saturating_sub(input / period_in * period_out);
        self.fft.reset();
        self.block.clear();
        self.block.resize(silence as usize, 0.0);
        self.delay = self.fft.output_delay() + surplus as usize;
    }
}
