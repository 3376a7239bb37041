//! A graph that is late.

use undertone_messages::seconds;

/// Tells once that the graph is late, and once how much was lost by it.
#[derive(Clone, Debug, Default)]
pub struct Late {
    /// Samples that were dropped since the graph is late.
    dropped: u64,
}

impl Late {
    /// Takes note of samples that were dropped, and whether any wait. Gives what is to be logged, and how many samples were
    /// dropped once it is over.
    pub fn note(&mut self, dropped: u64, waiting: bool) -> Option<(String, u64)> {
        let begins = self.dropped == 0 && dropped > 0;
        self.dropped += dropped;
        if begins {
            let text = "the graph is late: it has as much audio on its way as `--lead-seconds` allows, and as much waits \
                        here as `--buffer-seconds` allows; the oldest is dropped and becomes a gap, until the graph has \
                        caught up";
            return Some((text.to_owned(), 0));
        }
        if waiting || self.dropped == 0 {
            return None;
        }
        let dropped = std::mem::take(&mut self.dropped);
        Some((format!("the graph has caught up; {:.2} s of audio were dropped", seconds(dropped)), dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_and_summed_up() {
        let mut late = Late::default();
        assert_eq!(late.note(0, true), None);
        assert!(late.note(512, true).unwrap().0.contains("late"));
        assert_eq!(late.note(7_488, true), None);
        let (text, dropped) = late.note(0, false).unwrap();
        assert!(text.contains("0.50 s") && dropped == 8_000, "{text}");
        assert_eq!(late.note(0, false), None);
    }
}
