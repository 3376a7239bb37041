//! An open device.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{
    BufferSize, Device, ErrorKind, I24, InputCallbackInfo, SampleFormat, Stream, StreamConfig,
    SupportedStreamConfig, U24,
};
use undertone_node::Wake;

use crate::error::MicrophoneError;
use crate::host::Target;
use crate::mix::{Mix, Pcm};
use crate::ring::{Reader, Writer, ring};

/// How often the sound system looks whether a device that says nothing is still there.
const LOOK: Duration = Duration::from_millis(500);

/// Errors that wait to be read. There are seldom two, and the first one counts.
const ERRORS: usize = 8;

/// A device that is open.
pub(crate) struct Open {
    /// What is captured comes as long as this lives.
    pub(crate) stream: Stream,
    pub(crate) reader: Reader,
    /// Why no more comes.
    pub(crate) errors: Receiver<cpal::Error>,
    /// In samples a second.
    pub(crate) rate: u32,
    /// Name, rate, channels, format and buffer, for the log.
    pub(crate) description: String,
}

impl Open {
    /// Opens a device at its own rate, with its own channels, format and buffer. `wake` is called as samples come.
    pub(crate) fn new(target: &Target, channel: Option<u16>, wake: &Wake) -> Result<Self, MicrophoneError> {
        let (known, device) = target.device()?;
        let failed = |error| MicrophoneError::Open { device: known.to_string(), error };
        let config = config(&device).map_err(failed)?;
        let (channels, format) = (config.channels(), config.sample_format());
        let mix = match channel {
            None => Mix::Average,
            Some(wanted) if wanted > channels => {
                return Err(MicrophoneError::NoSuchChannel { device: known.to_string(), channels, wanted });
            }
            Some(wanted) => Mix::Channel(usize::from(wanted) - 1),
        };
        let rate = config.sample_rate();
        let (writer, reader) = ring(rate, channels, mix);
        let (tell, errors) = sync_channel(ERRORS);
        let config = StreamConfig { channels, sample_rate: rate, buffer_size: BufferSize::Default };
        let stream = build(&device, config, format, writer, tell, wake);
        let stream = stream.ok_or_else(|| {
            let (device, format) = (known.to_string(), format.to_string());
            MicrophoneError::Format { device, format }
        })?;
        let stream = stream.map_err(failed)?;
        stream.play().map_err(failed)?;
        let buffer = stream.buffer_size().map_or_else(
            |_| String::new(),
            |frames| format!(", in pieces of {:.1} ms", 1_000.0 * f64::from(frames) / f64::from(rate)),
        );
        let description = format!("`{known}`: {rate} Hz, {channels} channels, {format}{buffer}");
        Ok(Self { stream, reader, errors, rate, description })
    }
}

/// The device's own configuration; of a device whose own is a one-bit stream, its best other.
fn config(device: &Device) -> Result<SupportedStreamConfig, cpal::Error> {
    let config = device.default_input_config()?;
    if !config.sample_format().is_dsd() {
        return Ok(config);
    }
    let others = device.supported_input_configs()?.filter(|range| !range.sample_format().is_dsd());
    let best = others.max_by(|a, b| a.cmp_default_heuristics(b));
    Ok(best.map_or(config, |best| {
        best.try_with_standard_sample_rate().unwrap_or_else(|| best.with_max_sample_rate())
    }))
}

/// Builds the stream for samples of a format; `None` for a format that is not converted.
fn build(
    device: &Device,
    config: StreamConfig,
    format: SampleFormat,
    writer: Writer,
    tell: SyncSender<cpal::Error>,
    wake: &Wake,
) -> Option<Result<Stream, cpal::Error>> {
    let build = match format {
        SampleFormat::I8 => build_for::<i8>,
        SampleFormat::I16 => build_for::<i16>,
        SampleFormat::I24 => build_for::<I24>,
        SampleFormat::I32 => build_for::<i32>,
        SampleFormat::I64 => build_for::<i64>,
        SampleFormat::U8 => build_for::<u8>,
        SampleFormat::U16 => build_for::<u16>,
        SampleFormat::U24 => build_for::<U24>,
        SampleFormat::U32 => build_for::<u32>,
        SampleFormat::U64 => build_for::<u64>,
        SampleFormat::F32 => build_for::<f32>,
        SampleFormat::F64 => build_for::<f64>,
        _ => return None,
    };
    Some(build(device, config, writer, tell, wake.clone()))
}

fn build_for<T: Pcm>(
    device: &Device,
    config: StreamConfig,
    mut writer: Writer,
    tell: SyncSender<cpal::Error>,
    wake: Wake,
) -> Result<Stream, cpal::Error> {
    let torn = writer.torn();
    let call = wake.clone();
    let hear = move |samples: &[T], info: &InputCallbackInfo| {
        let arrived = Instant::now();
        let stamp = info.timestamp();
        writer.write(samples, arrived, stamp.callback.checked_duration_since(stamp.capture));
        call.wake();
    };
    let fail = move |error| note(error, &torn, &tell, &wake);
    device.build_input_stream(config, hear, fail, Some(LOOK))
}

/// Takes an error of a stream. Some end it, some do not.
fn note(error: cpal::Error, torn: &Arc<AtomicBool>, tell: &SyncSender<cpal::Error>, wake: &Wake) {
    match error.kind() {
        // The device goes on by itself.
        ErrorKind::Xrun => torn.store(true, Ordering::Release),
        ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
        _ => {
            // If there is no room, the first ones are enough.
            let _ = tell.try_send(error);
            wake.wake();
        }
    }
}
