//! The way from the sound card's callback to the node, without locks and with an account of what does not fit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer, RingBuffer};

use crate::mix::{Mix, Pcm};

/// How much audio the ring holds: the node looks after each callback, so this is for when it cannot.
const SECONDS: usize = 4;

/// The most blocks that the ring holds, for the same time in callbacks of 2 ms.
const BLOCKS: usize = 2_048;

/// What one callback brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Samples that were lost before these, because the ring was full.
    pub lost: u64,
    /// The device has lost samples before these, and does not know how many.
    pub torn: bool,
    /// How many samples there are.
    pub samples: usize,
    /// When the callback was called.
    pub arrived: Instant,
    /// How long all that the callback brought is: its first sample came so long before it at least.
    pub length: Duration,
    /// How much longer the device says that it was on its way.
    pub delay: Duration,
}

/// Makes a ring for a device of a rate, in samples a second, and a number of channels.
pub fn ring(rate: u32, channels: u16, mix: Mix) -> (Writer, Reader) {
    with_room(SECONDS * rate as usize, rate, channels, mix)
}

fn with_room(samples: usize, rate: u32, channels: u16, mix: Mix) -> (Writer, Reader) {
    let (into, from) = RingBuffer::new(samples);
    let (blocks_into, blocks_from) = RingBuffer::new(BLOCKS);
    let torn = Arc::new(AtomicBool::new(false));
    let writer = Writer {
        samples: into,
        blocks: blocks_into,
        channels: usize::from(channels.max(1)),
        nanoseconds: 1_000_000_000 / u64::from(rate.max(1)),
        mix,
        lost: 0,
        torn,
    };
    (writer, Reader { samples: from, blocks: blocks_from })
}

/// The callback's end. Nothing here allocates, locks or waits.
pub struct Writer {
    samples: Producer<f32>,
    blocks: Producer<Block>,
    channels: usize,
    /// Nanoseconds a sample.
    nanoseconds: u64,
    mix: Mix,
    /// Samples that were lost and are not told yet.
    lost: u64,
    torn: Arc<AtomicBool>,
}

impl Writer {
    /// A flag for the device to raise when it has lost samples.
    pub fn torn(&self) -> Arc<AtomicBool> {
        self.torn.clone()
    }

    /// Takes a callback's samples, channels in turn. `age` is how long ago the first of them was captured, if that is
    /// known.
    pub fn write<T: Pcm>(&mut self, data: &[T], arrived: Instant, age: Option<Duration>) {
        let frames = data.len() / self.channels;
        let length = Duration::from_nanos(self.nanoseconds * frames as u64);
        // Without room for the block's record there is nobody to tell of its samples.
        let room = if self.blocks.is_full() { 0 } else { self.samples.slots() };
        let samples = frames.min(room);
        if samples > 0
            && let Ok(chunk) = self.samples.write_chunk_uninit(samples)
        {
            let mono = data.chunks_exact(self.channels).map(|frame| self.mix.mono(frame));
            chunk.fill_from_iter(mono.take(samples));
            let block = Block {
                lost: std::mem::take(&mut self.lost),
                torn: self.torn.swap(false, Ordering::AcqRel),
                samples,
                arrived,
                length,
                delay: delay(age, length),
            };
            // There is room, see above.
            let _ = self.blocks.push(block);
        }
        self.lost += (frames - samples) as u64;
    }
}

/// By how much a callback's first sample is older than the callback is long; nothing if the device says that a sample came
/// before it was captured, or long after.
fn delay(age: Option<Duration>, length: Duration) -> Duration {
    let age = age.filter(|age| *age <= length + Duration::from_secs(2));
    age.unwrap_or_default().saturating_sub(length)
}

/// The node's end.
pub struct Reader {
    samples: Consumer<f32>,
    blocks: Consumer<Block>,
}

impl Reader {
    /// Whether there is a block to read.
    pub fn has_blocks(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// Puts the next block's samples into `samples`, in the place of what is there.
    pub fn read(&mut self, samples: &mut Vec<f64>) -> Option<Block> {
        let block = self.blocks.pop().ok()?;
        samples.clear();
        // Samples are written before their block's record.
        let chunk = self.samples.read_chunk(block.samples).ok()?;
        samples.extend(chunk.into_iter().map(f64::from));
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn no_age() -> (Instant, Option<Duration>) {
        (Instant::now(), None)
    }

    #[test]
    fn channels_are_mixed_on_the_way() {
        let (mut writer, mut reader) = ring(16_000, 2, Mix::Average);
        let (arrived, age) = no_age();
        writer.write(&[0.5_f32, 0.25, -1.0, 0.0], arrived, age);
        let mut samples = vec![9.0];
        let block = reader.read(&mut samples).unwrap();
        assert_eq!((samples.as_slice(), block.samples, block.lost), (&[0.375, -0.5][..], 2, 0));
        assert_eq!((block.length, block.delay), (Duration::from_micros(125), Duration::ZERO));
        assert_eq!(reader.read(&mut samples), None);
    }

    #[test]
    fn the_delay_is_the_devices_word_if_it_makes_sense() {
        let (mut writer, mut reader) = ring(16_000, 1, Mix::Average);
        let mut delay = |age: Option<u64>| {
            writer.write(&[0_i16; 160], Instant::now(), age.map(Duration::from_millis));
            let block = reader.read(&mut Vec::new()).unwrap();
            assert_eq!(block.length, Duration::from_millis(10));
            block.delay
        };
        assert_eq!(delay(Some(25)), Duration::from_millis(15));
        for nonsense in [None, Some(0), Some(3), Some(1_000_000)] {
            assert_eq!(delay(nonsense), Duration::ZERO, "{nonsense:?}");
        }
    }

    #[test]
    fn a_device_that_lost_samples_says_so_once() {
        let (mut writer, mut reader) = ring(16_000, 1, Mix::Average);
        writer.torn().store(true, Ordering::Release);
        let (arrived, age) = no_age();
        writer.write(&[0_i16; 4], arrived, age);
        writer.write(&[0_i16; 4], arrived, age);
        let mut torn = || reader.read(&mut Vec::new()).unwrap().torn;
        assert_eq!((torn(), torn()), (true, false));
    }

    #[test]
    fn a_ring_full_of_tiny_blocks_loses_none_in_silence() {
        let (mut writer, mut reader) = with_room(10_000, 16_000, 1, Mix::Average);
        let (arrived, age) = no_age();
        for _ in 0..BLOCKS + 100 {
            writer.write(&[0_i16], arrived, age);
        }
        let mut samples = Vec::new();
        assert_eq!((0..BLOCKS).filter(|_| reader.read(&mut samples).is_some()).count(), BLOCKS);
        writer.write(&[0_i16], arrived, age);
        assert_eq!(reader.read(&mut samples).unwrap().lost, 100);
    }

    proptest! {
        /// Each sample is its own index, so that what is missing shows.
        #[test]
        fn samples_come_in_order_or_are_counted_as_lost(
            room in 1..60_usize,
            steps in prop::collection::vec((0..40_usize, any::<bool>()), 1..60),
        ) {
            let (mut writer, mut reader) = with_room(room, 16_000, 1, Mix::Average);
            let (arrived, age) = no_age();
            let (mut written, mut expected) = (0_usize, 0_usize);
            let mut samples = Vec::new();
            for (count, read) in steps {
                let data: Vec<f32> = (written..written + count).map(|index| index as f32).collect();
                writer.write(&data, arrived, age);
                written += count;
                while read && let Some(block) = reader.read(&mut samples) {
                    expected += block.lost as usize;
                    for sample in &samples {
                        prop_assert_eq!(*sample, expected as f64);
                        expected += 1;
                    }
                }
            }
            while reader.read(&mut samples).is_some() {}
            let before = written;
            writer.write(&[0.0_f32], arrived, age);
            let block = reader.read(&mut samples).unwrap();
            prop_assert_eq!(block.samples, 1);
            prop_assert!(expected as u64 + block.lost <= before as u64);
        }
    }
}
