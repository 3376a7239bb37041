//! Whether a microphone is switched off.

/// Looks for a microphone that gives nothing but zeros. A real one has noise.
#[derive(Clone, Debug)]
pub struct Mute {
    /// Zeros in a row.
    zeros: u64,
    /// How many are suspicious.
    limit: u64,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// There have been zeros for too long.
    Nothing,
    /// After that, there is sound.
    Something,
}

impl Mute {
    /// `limit` zeros in a row are suspicious.
    pub fn new(limit: u64) -> Self {
        Self { zeros: 0, limit: limit.max(1) }
    }

    /// Takes samples; says once when there is nothing in them, and once when there is something again.
    pub fn hear(&mut self, samples: &[f64]) -> Option<Heard> {
        let was_mute = self.zeros >= self.limit;
        match samples.iter().rev().position(|sample| *sample != 0.0) {
            None => self.zeros += samples.len() as u64,
            Some(zeros) => self.zeros = zeros as u64,
        }
        match (was_mute, self.zeros >= self.limit) {
            (false, true) => Some(Heard::Nothing),
            (true, false) => Some(Heard::Something),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_noticed_once_and_sound_after_them_once() {
        let mut mute = Mute::new(10);
        assert_eq!(mute.hear(&[0.0; 9]), None);
        assert_eq!(mute.hear(&[0.1, 0.0]), None);
        assert_eq!(mute.hear(&[0.0; 9]), Some(Heard::Nothing));
        assert_eq!(mute.hear(&[0.0; 90]), None);
        assert_eq!(mute.hear(&[]), None);
        assert_eq!(mute.hear(&[0.0, -0.1]), Some(Heard::Something));
        assert_eq!(mute.hear(&[0.1]), None);
    }
}
