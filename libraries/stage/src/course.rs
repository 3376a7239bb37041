//! How an input's stream runs from segment to segment.

/// What breaks the order of an input's stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CourseError {
    /// The stream went on behind its end.
    #[error("input `{input}` went on behind the last message of its stream")]
    AfterEnd {
        /// The input.
        input: String,
    },
    /// A message of a segment that the input has closed, or came back to.
    #[error(
        "input `{input}`: a message of segment {segment} behind one of segment {latest} or behind the one that closes it; a node must send the segments in order and close each once"
    )]
    OutOfOrder {
        /// The input.
        input: String,
        /// The segment of the message.
        segment: u64,
        /// The latest segment before it.
        latest: u64,
    },
    /// A segment was never closed.
    #[error(
        "input `{input}` has no closing message for segment {segment}; a node must close each segment that ends, if need be with a reason instead of an estimate or a transcript"
    )]
    Skipped {
        /// The input.
        input: String,
        /// The segment.
        segment: u64,
    },
}

/// How a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Open,
    Ended,
    Lost,
}

/// The course of an input's stream in a session, which closes each segment that ends with one message, in order.
#[derive(Clone, Debug)]
pub struct Course {
    input: String,
    stream: Stream,
    /// The highest segment that a message was about, and whether that message closed it.
    latest: Option<(u64, bool)>,
}

impl Course {
    /// Nothing has arrived yet.
    pub fn new(input: &str) -> Self {
        Self { input: input.to_owned(), stream: Stream::Open, latest: None }
    }

    /// The input.
    pub fn input(&self) -> &str {
        &self.input
    }

    /// Checks that the stream may go on.
    ///
    /// # Errors
    ///
    /// It has ended or was lost.
    pub fn check_open(&self) -> Result<(), CourseError> {
        if self.is_over() { Err(CourseError::AfterEnd { input: self.input.clone() }) } else { Ok(()) }
    }

    /// Takes note of a message of a segment, and whether it closes it.
    ///
    /// # Errors
    ///
    /// As [`Course::check_open`], or the segment is closed, or lies before one that the input has come to.
    pub fn accept(&mut self, segment: u64, closes: bool) -> Result<(), CourseError> {
        self.check_open()?;
        match self.latest {
            Some((latest, closed)) if segment < latest || (segment == latest && closed) => {
                Err(CourseError::OutOfOrder { input: self.input.clone(), segment, latest })
            }
            _ => {
                self.latest = Some((segment, closes));
                Ok(())
            }
        }
    }

    /// Takes note of the stream's last message.
    ///
    /// # Errors
    ///
    /// As [`Course::check_open`].
    pub fn end(&mut self) -> Result<(), CourseError> {
        self.check_open()?;
        self.stream = Stream::Ended;
        Ok(())
    }

    /// Takes note that no more will come, unless the stream has ended as it should.
    pub fn lose(&mut self) {
        if self.stream == Stream::Open {
            self.stream = Stream::Lost;
        }
    }

    /// Whether nothing more will come.
    pub fn is_over(&self) -> bool {
        self.stream != Stream::Open
    }

    /// The highest segment that a message was about.
    pub fn latest(&self) -> Option<u64> {
        self.latest.map(|(segment, _)| segment)
    }

    /// Whether the message that closes a segment, and is not there, is to come. Otherwise it was lost with the stream.
    ///
    /// # Errors
    ///
    /// The input has left out the segment: it has gone past it, or its stream has ended.
    pub fn awaits(&self, segment: u64) -> Result<bool, CourseError> {
        let passed = self.latest().is_some_and(|latest| latest > segment);
        match self.stream {
            Stream::Open if !passed => Ok(true),
            Stream::Lost if !passed => Ok(false),
            _ => Err(CourseError::Skipped { input: self.input.clone(), segment }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The course of an input `text` behind these messages.
    fn behind(messages: &[(u64, bool)]) -> Course {
        let mut course = Course::new("text");
        messages.iter().for_each(|(segment, closes)| course.accept(*segment, *closes).unwrap());
        course
    }

    #[test]
    fn segments_come_in_order_and_are_closed_once() {
        let mut course = behind(&[(3, false), (3, false), (3, true), (5, false)]);
        assert_eq!(course.latest(), Some(5));
        let out_of_order =
            |segment, latest| Err(CourseError::OutOfOrder { input: "text".to_owned(), segment, latest });
        assert_eq!(course.accept(4, true), out_of_order(4, 5));
        course.accept(5, true).unwrap();
        assert_eq!(course.accept(5, false), out_of_order(5, 5));
        course.accept(6, true).unwrap();
    }

    #[test]
    fn a_closing_message_is_awaited_lost_or_left_out() {
        let skipped = |segment| Err(CourseError::Skipped { input: "text".to_owned(), segment });
        let mut ended = behind(&[(3, true), (5, false)]);
        let mut lost = ended.clone();
        assert_eq!([4, 5, 6].map(|segment| ended.awaits(segment)), [skipped(4), Ok(true), Ok(true)]);
        lost.lose();
        assert_eq!([4, 5, 6].map(|segment| lost.awaits(segment)), [skipped(4), Ok(false), Ok(false)]);
        ended.end().unwrap();
        assert_eq!([4, 5, 6].map(|segment| ended.awaits(segment)), [4, 5, 6].map(skipped));
    }

    #[test]
    fn a_stream_ends_once_and_does_not_go_on() {
        let over = Err(CourseError::AfterEnd { input: "text".to_owned() });
        let mut ended = behind(&[(3, true)]);
        assert!(!ended.is_over());
        ended.end().unwrap();
        assert_eq!(
            (ended.end(), ended.accept(4, true), ended.check_open()),
            (over.clone(), over.clone(), over)
        );
        ended.lose();
        assert!(ended.is_over() && ended.awaits(4).is_err(), "what has ended cannot be lost");
    }
}
