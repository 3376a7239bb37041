//! What is done with less effort when results are late.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A way to be done sooner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relief {
    /// So many candidates in the search, 1 for greedy decoding.
    Beam(u8),
    /// Another model.
    Model(PathBuf),
    /// No recognition.
    Skip,
}

/// A rung of the ladder: what to do from how late on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// How long after its last sample was captured a segment's turn comes.
    pub late: Duration,
    /// What to do then.
    pub relief: Relief,
}

impl Rung {
    /// Of what is ready for each rung, that for what is `late`: for the last rung of those that are due.
    pub fn find<T>(ladder: &[T], late: Duration, rung: impl Fn(&T) -> &Self) -> Option<&T> {
        ladder.iter().filter(|item| rung(item).late <= late).max_by_key(|item| rung(item).late)
    }

    /// What is done, and why, for the result.
    pub fn text(&self) -> String {
        let done = match &self.relief {
            Relief::Beam(beam) => format!("beam {beam}"),
            Relief::Model(model) => format!("model {}", model.display()),
            Relief::Skip => "overload: not recognised".to_owned(),
        };
        format!("{done}, since it was more than {:.1} s late", self.late.as_secs_f64())
    }
}

impl FromStr for Rung {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not like 1000=beam:1, 3000=model:whisper-tiny.en or 8000=skip");
        let (late, relief) = text.split_once('=').ok_or_else(wrong)?;
        let late = Duration::from_millis(late.parse().map_err(|_| wrong())?);
        let relief = match relief.split_once(':') {
            None if relief == "skip" => Relief::Skip,
            Some(("beam", beam)) => match beam.parse() {
                Ok(beam) if (1..=8).contains(&beam) => Relief::Beam(beam),
                _ => return Err(format!("`{text}`: a beam is 1 to 8 wide")),
            },
            Some(("model", model)) if !model.is_empty() => Relief::Model(model.into()),
            _ => return Err(wrong()),
        };
        Ok(Self { late, relief })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rung_that_is_due_holds() {
        let ladder: Vec<Rung> =
            ["8000=skip", "1000=beam:1", "3000=model:small"].map(|rung| rung.parse().unwrap()).to_vec();
        let relief =
            |ms| Rung::find(&ladder, Duration::from_millis(ms), |rung| rung).map(|rung| rung.relief.clone());
        assert_eq!(relief(999), None);
        assert_eq!(relief(1_000), Some(Relief::Beam(1)));
        assert_eq!(relief(7_999), Some(Relief::Model("small".into())));
        assert_eq!(relief(60_000), Some(Relief::Skip));
        assert_eq!(ladder[1].text(), "beam 1, since it was more than 1.0 s late");
    }

    #[test]
    fn what_is_no_rung_is_refused() {
        for wrong in [
            "",
            "skip",
            "1000",
            "1000=",
            "1000=beam",
            "1000=beam:0",
            "1000=beam:9",
            "x=skip",
            "1=model:",
            "-1=skip",
        ] {
            assert!(wrong.parse::<Rung>().is_err(), "{wrong}");
        }
    }
}
