//! What can be wrong with a microphone, and what to do about it.

use cpal::ErrorKind;

use crate::device::Known;

/// What is wrong with a device, and what to do: try again, choose another, or fix a permission.
#[derive(Debug, thiserror::Error)]
pub enum MicrophoneError {
    /// The arguments make no sense.
    #[error(transparent)]
    Arguments(#[from] crate::ArgumentsError),
    /// The sound system does not tell its devices.
    #[error("the sound system does not tell its devices: {0}; {advice}", advice = advice(.0.kind()))]
    NoDevices(cpal::Error),
    /// There is no default device.
    #[error("there is no default microphone; choose one with `--device`{}", listed(.known))]
    NoDefault {
        /// The devices that there are.
        known: Vec<Known>,
    },
    /// There is no such device.
    #[error("no device is `{wanted}`; choose another with `--device`{}", listed(.known))]
    NoSuchDevice {
        /// What was asked for.
        wanted: String,
        /// The devices that there are.
        known: Vec<Known>,
    },
    /// Several devices could be meant.
    #[error("`{wanted}` is a part of several devices' names; say more of one, or its number{}", listed(.known))]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// The devices that could be meant.
        known: Vec<Known>,
    },
    /// There is no such channel.
    #[error("`{device}` has {channels} channels; `--channel {wanted}` is none of them, take 1 to {channels}")]
    NoSuchChannel {
        /// The device.
        device: String,
        /// How many channels it has.
        channels: u16,
        /// What was asked for.
        wanted: u16,
    },
    /// The device gives no samples that can be converted.
    #[error(
        "`{device}` gives only {format}, which cannot be converted; choose another with `--device` (`--list` shows them)"
    )]
    Format {
        /// The device.
        device: String,
        /// Its format.
        format: String,
    },
    /// The device cannot be opened.
    #[error("cannot open `{device}`: {error}; {advice}", advice = advice(.error.kind()))]
    Open {
        /// The device.
        device: String,
        /// What the system said.
        error: cpal::Error,
    },
    /// The device is being opened, and nothing comes of it.
    #[error(
        "`{device}` cannot be opened: the system has not answered for {seconds} s; see whether its sound server hangs, or choose another device with `--device` (`--list` shows them)"
    )]
    NoAnswer {
        /// The device.
        device: String,
        /// For how long.
        seconds: u64,
    },
}

/// What a user can do about an error of the sound system.
pub(crate) fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::DeviceBusy => {
            "another program has it: end that one and try again, or reach it through a sound server (`--device pulse`)"
        }
        ErrorKind::DeviceNotAvailable => {
            "plug it in, or choose another device with `--device` (`--list` shows them); for PulseAudio and PipeWire, \
             ALSA needs the package libasound2-plugins"
        }
        ErrorKind::HostUnavailable => "start the sound server and try again",
        ErrorKind::PermissionDenied => {
            "on Linux, become a member of the group `audio` (`usermod -aG audio USER`, then log in again); on macOS and \
             Windows, allow this program the microphone in the privacy settings"
        }
        ErrorKind::UnsupportedConfig | ErrorKind::UnsupportedOperation | ErrorKind::InvalidInput => {
            "choose another device with `--device` (`--list` shows them)"
        }
        ErrorKind::ResourceExhausted => "end other programs that use sound, and try again",
        _ => {
            "see whether the sound server is running and try again, or choose another device with `--device` (`--list` \
             shows them)"
        }
    }
}

fn listed(known: &[Known]) -> String {
    if known.is_empty() {
        return "; the system has no device to listen to".to_owned();
    }
    let names: Vec<String> = known.iter().map(ToString::to_string).collect();
    format!(": {}", names.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_what_to_do() {
        for (kind, text) in [
            (ErrorKind::DeviceBusy, "try again"),
            (ErrorKind::DeviceNotAvailable, "libasound2-plugins"),
            (ErrorKind::HostUnavailable, "start"),
            (ErrorKind::PermissionDenied, "group `audio`"),
            (ErrorKind::UnsupportedConfig, "--device"),
            (ErrorKind::BackendError, "try again"),
        ] {
            let error = MicrophoneError::Open { device: "mic".to_owned(), error: kind.into() };
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
