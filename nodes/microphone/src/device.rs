//! Which device is meant.

use std::fmt;

use crate::error::MicrophoneError;

/// A device that can be listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What the system calls it, as `hw:CARD=Mic,DEV=0`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whether it is the system's default.
    pub is_default: bool,
}

impl fmt::Display for Known {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.id == self.name {
            return write!(formatter, "{}", self.name);
        }
        write!(formatter, "{} ({})", self.name, self.id)
    }
}

/// The ways in which ALSA offers one and the same sound card, the best first: with conversion and shared between
/// programs, with conversion, shared, and plain.
const WAYS: [&str; 5] = ["default:", "sysdefault:", "plughw:", "dsnoop:", "hw:"];

/// The device that is meant by a number in the list, an identifier, a name, or a part of either. Upper and lower case are
/// the same. A card that is offered in several ways is one device, and is taken in the best of them.
///
/// # Errors
///
/// [`MicrophoneError::NoSuchDevice`] and [`MicrophoneError::Ambiguous`], with the devices that there are.
pub fn choose(devices: &[Known], wanted: &str) -> Result<usize, MicrophoneError> {
    let wanted = wanted.trim();
    let missing = || MicrophoneError::NoSuchDevice { wanted: wanted.to_owned(), known: devices.to_vec() };
    if let Ok(index) = wanted.parse::<usize>() {
        return if index < devices.len() { Ok(index) } else { Err(missing()) };
    }
    let lower = wanted.to_lowercase();
    if lower.is_empty() {
        return Err(missing());
    }
    let matches = |matches: &dyn Fn(&Known) -> bool| -> Vec<usize> {
        let meant = devices.iter().enumerate().filter(|(_, device)| matches(device));
        meant.map(|(index, _)| index).collect()
    };
    let mut meant = matches(&|device| device.id.to_lowercase() == lower);
    if meant.is_empty() {
        meant = matches(&|device| device.name.to_lowercase() == lower);
    }
    if meant.is_empty() {
        let is_part = |text: &str| text.to_lowercase().contains(&lower);
        meant = matches(&|device| is_part(&device.name) || is_part(&device.id));
    }
    let way = |index: &usize| {
        let id = devices.get(*index).map(|device| device.id.as_str()).unwrap_or_default();
        WAYS.iter().position(|way| id.starts_with(way)).unwrap_or(WAYS.len())
    };
    let name = |index: usize| devices.get(index).map(|device| device.name.as_str());
    let best = meant.iter().copied().min_by_key(way).ok_or_else(missing)?;
    if meant.iter().all(|index| name(*index) == name(best)) {
        return Ok(best);
    }
    let known = meant.iter().filter_map(|index| devices.get(*index).cloned()).collect();
    Err(MicrophoneError::Ambiguous { wanted: wanted.to_owned(), known })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As ALSA lists a laptop with a USB microphone.
    fn laptop() -> Vec<Known> {
        [
            ("default", "Default Audio Device"),
            ("pulse", "PulseAudio Sound Server"),
            ("hw:CARD=PCH,DEV=0", "HDA Intel PCH, ALC257 Analog"),
            ("plughw:CARD=PCH,DEV=0", "HDA Intel PCH, ALC257 Analog"),
            ("hw:CARD=Mic,DEV=0", "Yeti Microphone, USB Audio"),
            ("plughw:CARD=Mic,DEV=0", "Yeti Microphone, USB Audio"),
            ("sysdefault:CARD=Mic", "Yeti Microphone, USB Audio"),
        ]
        .map(|(id, name)| Known { id: id.to_owned(), name: name.to_owned(), is_default: id == "default" })
        .to_vec()
    }

    fn chosen(wanted: &str) -> Result<String, String> {
        let devices = laptop();
        choose(&devices, wanted).map(|index| devices[index].id.clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_part_of_the_name_is_enough() {
        assert_eq!(chosen("yeti").as_deref(), Ok("sysdefault:CARD=Mic"));
        assert_eq!(chosen("pulse").as_deref(), Ok("pulse"));
        assert_eq!(chosen("ALC257").as_deref(), Ok("plughw:CARD=PCH,DEV=0"));
        assert_eq!(chosen("HW:card=mic,dev=0").as_deref(), Ok("hw:CARD=Mic,DEV=0"), "an identifier is exact");
        assert_eq!(chosen("4").as_deref(), Ok("hw:CARD=Mic,DEV=0"));
    }

    #[test]
    fn what_is_not_clear_is_an_error_that_lists_the_devices() {
        let error = chosen("audio").unwrap_err();
        assert!(error.contains("pulse") && error.contains("Yeti") && !error.contains("ALC257"), "{error}");
        for wanted in ["jabra", "7", ""] {
            let error = chosen(wanted).unwrap_err();
            assert!(error.contains("Yeti") && error.contains("ALC257"), "{error}");
        }
        assert!(choose(&[], "any").unwrap_err().to_string().contains("no device"));
    }

    proptest! {
        #[test]
        fn every_number_and_every_identifier_is_its_device(index in 0..7_usize) {
            let devices = laptop();
            prop_assert_eq!(choose(&devices, &index.to_string()).unwrap(), index);
            prop_assert_eq!(choose(&devices, &devices[index].id.to_uppercase()).unwrap(), index);
        }
    }
}
