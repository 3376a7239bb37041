//! The messages of a recording, in the order in which they are to be sent.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use arrow::array::StructArray;
use undertone_messages::Header;
use undertone_recording::{Content, Manifest, RecordingError, State, TopicReader, verify_topic};

use crate::arguments::Wiring;
use crate::range::{Cut, Range, Segments};
use crate::rewrite::{renumber, slice};
use crate::timeline::{Cursor, Timeline};

/// A message to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The output to send it on.
    pub output: String,
    /// The message.
    pub message: StructArray,
    /// When it is due, in samples since the replay began.
    pub due: u64,
    /// The sample index in its session up to which audio was needed for it.
    pub captured: u64,
}

/// Plays topics of a recording.
pub struct Player {
    folder: PathBuf,
    manifest: Manifest,
    wiring: Vec<Wiring>,
    range: Range,
    timeline: Timeline,
    segments: BTreeMap<String, Segments>,
    /// The topics that are played, in the order of their names.
    topics: Vec<Topic>,
    /// How many times all was played.
    played: u64,
}

impl Player {
    /// Opens a recording, and reads the topics once to see that they are whole.
    ///
    /// # Errors
    ///
    /// The recording is not finished or damaged, or lacks a topic.
    pub fn open(folder: &Path, wiring: &[Wiring], range: Range) -> Result<Self, RecordingError> {
        let manifest = Manifest::read(folder)?;
        if manifest.state == State::Recording {
            return Err(RecordingError::Unfinished(folder.to_owned()));
        }
        let mut wiring = wiring.to_vec();
        wiring.sort_by(|a, b| (&a.topic, &a.output).cmp(&(&b.topic, &b.output)));
        let mut player = Self {
            folder: folder.to_owned(),
            manifest,
            wiring,
            range,
            timeline: Timeline::default(),
            segments: BTreeMap::new(),
            topics: Vec::new(),
            played: 0,
        };
        for wiring in player.wiring.clone() {
            player.scan(&wiring.topic)?;
        }
        player.begin()?;
        Ok(player)
    }

    /// The recording's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Begins once more, with sessions under new names and due behind what was played so far.
    ///
    /// # Errors
    ///
    /// A file cannot be read any more.
    pub fn repeat(&mut self) -> Result<(), RecordingError> {
        self.played += 1;
        self.begin()
    }

    /// The next message.
    ///
    /// # Errors
    ///
    /// A file cannot be read any more.
    pub fn next_item(&mut self) -> Result<Option<Item>, RecordingError> {
        let mut next: Option<usize> = None;
        for index in 0..self.topics.len() {
            self.fill(index)?;
            let due = |index: usize| self.topics.get(index)?.head.front().map(|item| item.due);
            // The topics stand in the order of their names, so that the first of equal times is the right one.
            if due(index).is_some_and(|due_here| next.and_then(due).is_none_or(|due| due_here < due)) {
                next = Some(index);
            }
        }
        Ok(next.and_then(|index| self.topics.get_mut(index)?.head.pop_front()))
    }

    /// The streams that were cut off when they were recorded, as topic and session: what follows from them stops where
    /// they stop.
    pub fn cut_off(&self) -> Vec<(String, String)> {
        let streams =
            self.wiring.iter().filter_map(|wiring| self.manifest.topics.get_key_value(&wiring.topic));
        let cut = streams.flat_map(|(name, topic)| {
            let cut = topic.sessions.iter().filter(|(_, stream)| !stream.ended);
            cut.map(|(session, _)| (name.clone(), session.clone()))
        });
        cut.collect()
    }

    /// Reads a topic from end to end.
    fn scan(&mut self, name: &str) -> Result<(), RecordingError> {
        let topic = self.manifest.topic(&self.folder, name)?;
        if topic.content == Content::Digests {
            let (path, topic) = (self.folder.clone(), name.to_owned());
            return Err(RecordingError::DigestsAlone { path, topic });
        }
        let mut cursor = Cursor::default();
        verify_topic(&self.folder, name, topic, |header, message| {
            self.timeline.note(&mut cursor, header, self.range);
            if self.range != Range::ALL && !header.last {
                self.segments.entry(header.session.to_string()).or_default().note(message);
            }
        })?;
        Ok(())
    }

    fn begin(&mut self) -> Result<(), RecordingError> {
        self.topics.clear();
        for wiring in &self.wiring {
            let file = self.manifest.topics.get(&wiring.topic).and_then(|topic| topic.file.as_ref());
            let reader = file.map(|file| TopicReader::open(&self.folder.join(file))).transpose()?;
            self.topics.push(Topic {
                output: wiring.output.clone(),
                reader,
                head: VecDeque::new(),
                due: 0,
                sessions: BTreeMap::new(),
            });
        }
        Ok(())
    }

    /// Reads on in a topic until there is a message to send, or none is left.
    fn fill(&mut self, index: usize) -> Result<(), RecordingError> {
        let Some(topic) = self.topics.get_mut(index) else { return Ok(()) };
        while topic.head.is_empty() {
            let message = match &mut topic.reader {
                Some(reader) => reader.next_message()?,
                None => None,
            };
            let Some(message) = message else { return Ok(()) };
            // It was read in the scan.
            let Ok(mut header) = Header::read(&message) else { continue };
            let segments = self.segments.get(&*header.session);
            let cut = match (segments, header.last) {
                (Some(segments), false) => self.range.cut(&message, header.time, segments),
                _ => Cut::Keep,
            };
            let message = match cut {
                Cut::Keep => message,
                Cut::Drop => continue,
                Cut::Slice(first, last) => {
                    header.time = header.time.map(|time| time.min(self.range.to));
                    slice(&message, first, last)
                }
            };
            let start = self.timeline.end() * self.played + self.timeline.start(&header.session);
            let ahead = self.range.from;
            topic.take(&message, &header, start, ahead, self.played);
        }
        Ok(())
    }
}

/// A topic on its way.
struct Topic {
    output: String,
    reader: Option<TopicReader>,
    head: VecDeque<Item>,
    /// When the message before was due.
    due: u64,
    sessions: BTreeMap<String, Place>,
}

/// The place in a stream.
#[derive(Default)]
struct Place {
    seq: u64,
    captured: u64,
}

impl Topic {
    /// Makes an item of a message that is to be sent.
    fn take(&mut self, message: &StructArray, header: &Header, start: u64, ahead: u64, played: u64) {
        let place = self.sessions.entry(header.session.to_string()).or_default();
        place.captured = place.captured.max(header.time.unwrap_or(0));
        self.due = self.due.max(start + place.captured.saturating_sub(ahead));
        let session = match played {
            0 => header.session.to_string(),
            played => format!("{}-{}", header.session, played + 1),
        };
        let message = renumber(message, &session, place.seq);
        place.seq += 1;
        let (due, captured) = (self.due, place.captured);
        self.head.push_back(Item { output: self.output.clone(), message, due, captured });
    }
}
