//! The system's devices.

use std::fmt::Write;

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{Device, Host};

use crate::device::{Known, choose};
use crate::error::MicrophoneError;

/// The device to listen to.
#[derive(Clone, Debug)]
pub enum Target {
    /// Whatever is the system's default at the time.
    Default,
    /// A device by its identifier.
    Named(Known),
}

impl Target {
    /// Looks for the device that the arguments ask for. No device is opened.
    ///
    /// # Errors
    ///
    /// There is no such device, or it is not clear which one is meant.
    pub fn find(wanted: Option<&str>) -> Result<Self, MicrophoneError> {
        let host = cpal::default_host();
        let devices = devices(&host)?;
        let known: Vec<Known> = devices.into_iter().map(|(known, _)| known).collect();
        let Some(wanted) = wanted else {
            return match host.default_input_device() {
                Some(_) => Ok(Self::Default),
                None => Err(MicrophoneError::NoDefault { known }),
            };
        };
        let index = choose(&known, wanted)?;
        let missing = MicrophoneError::NoSuchDevice { wanted: wanted.to_owned(), known: Vec::new() };
        known.into_iter().nth(index).map(Self::Named).ok_or(missing)
    }

    /// Looks for the device again: it may have been unplugged and plugged in since, or another be the default.
    pub(crate) fn device(&self) -> Result<(Known, Device), MicrophoneError> {
        let host = cpal::default_host();
        match self {
            Self::Default => {
                let device = host.default_input_device();
                let device = device.ok_or(MicrophoneError::NoDefault { known: Vec::new() })?;
                Ok((describe(&device, true), device))
            }
            Self::Named(wanted) => {
                let (mut others, mut found) = (Vec::new(), None);
                for (known, device) in devices(&host)? {
                    if known.id == wanted.id {
                        found = Some((known, device));
                    } else {
                        others.push(known);
                    }
                }
                found.ok_or_else(|| MicrophoneError::NoSuchDevice {
                    wanted: wanted.to_string(),
                    known: others,
                })
            }
        }
    }

    /// What to call it before it is open.
    pub fn name(&self) -> String {
        match self {
            Self::Default => "the default microphone".to_owned(),
            Self::Named(known) => known.to_string(),
        }
    }
}

/// The devices that can be listened to, in the system's order. The default is among them.
fn devices(host: &Host) -> Result<Vec<(Known, Device)>, MicrophoneError> {
    let default = host.default_input_device();
    let default_id = default.as_ref().map(|device| describe(device, true).id);
    let listed = host.input_devices().map_err(MicrophoneError::NoDevices)?;
    let mut devices: Vec<(Known, Device)> = listed
        .map(|device| {
            let known = describe(&device, false);
            (Known { is_default: Some(&known.id) == default_id.as_ref(), ..known }, device)
        })
        .collect();
    if let Some(default) = default
        && !devices.iter().any(|(known, _)| known.is_default)
    {
        devices.insert(0, (describe(&default, true), default));
    }
    Ok(devices)
}

fn describe(device: &Device, is_default: bool) -> Known {
    let name = device.to_string();
    let id = device.id().map_or_else(|_| name.clone(), |id| id.id().to_owned());
    Known { id, name, is_default }
}

/// The devices with their rates and channels, a line each. For that they are opened for a moment.
///
/// # Errors
///
/// The system does not tell its devices.
pub fn list() -> Result<String, MicrophoneError> {
    let quiet = Quiet::new();
    let devices = devices(&cpal::default_host())?;
    let (mut text, mut closed) = (String::new(), Vec::new());
    for (index, (known, device)) in devices.iter().enumerate() {
        let default = if known.is_default { ", the default" } else { "" };
        // Writing to a string does not fail.
        let _ = match abilities(device) {
            Ok(abilities) => writeln!(text, "{index:>3}  {known}{default}: {abilities}"),
            Err(error) => {
                closed.push(format!(
                    "{index:>3}  {known}{default}: {}",
                    error.to_string().trim_end_matches('.')
                ));
                Ok(())
            }
        };
    }
    drop(quiet);
    if text.is_empty() {
        text = "there is no device that can be listened to\n".to_owned();
    }
    if !closed.is_empty() {
        let _ = writeln!(text, "\nnot to be opened now:\n{}", closed.join("\n"));
    }
    Ok(text)
}

/// What a device takes: the configuration that it would be opened with, and the ranges that there are.
fn abilities(device: &Device) -> Result<String, cpal::Error> {
    let config = device.default_input_config()?;
    let (mut rates, mut channels) = ((u32::MAX, 0), (u16::MAX, 0));
    for range in device.supported_input_configs()? {
        rates = (rates.0.min(range.min_sample_rate()), rates.1.max(range.max_sample_rate()));
        channels = (channels.0.min(range.channels()), channels.1.max(range.channels()));
    }
    let (rate, count, format) = (config.sample_rate(), config.channels(), config.sample_format());
    let plural = if count == 1 { "" } else { "s" };
    let rates = range(rates.0, rates.1);
    let channels = range(channels.0.into(), channels.1.into());
    Ok(format!("{rate} Hz, {count} channel{plural}, {format} (takes {rates} Hz, {channels} channels)"))
}

fn range(least: u32, most: u32) -> String {
    // Where a library converts, there is no limit.
    match (least == most, most > 10_000_000) {
        (true, _) => least.to_string(),
        (false, true) => format!("from {least}"),
        (false, false) => format!("{least} to {most}"),
    }
}

/// As long as this lives, nothing is printed on the standard error: ALSA and the libraries behind it print a dozen lines
/// for each device that cannot be opened.
struct Quiet {
    #[cfg(unix)]
    kept: libc::c_int,
}

impl Quiet {
    #[cfg(unix)]
    fn new() -> Self {
        // SAFETY: these calls take and give file descriptors alone, and the path is a string of C.
        unsafe {
            let kept = libc::dup(libc::STDERR_FILENO);
            let nowhere = libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY);
            if kept >= 0 && nowhere >= 0 {
                libc::dup2(nowhere, libc::STDERR_FILENO);
            }
            libc::close(nowhere);
            Self { kept }
        }
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self {}
    }
}

#[cfg(unix)]
impl Drop for Quiet {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe {
            if self.kept >= 0 {
                libc::dup2(self.kept, libc::STDERR_FILENO);
                libc::close(self.kept);
            }
        }
    }
}
