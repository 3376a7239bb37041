//! The messages of a recording, in the order in which they are to be sent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use arrow::array::StructArray;
use undertone_messages::{Header, SessionId, seconds};
use undertone_recording::{Content, Manifest, RecordingError, TopicReader, verify_topic};

use crate::arguments::Wiring;
use crate::range::{Cut, Range, Segments};
use crate::rewrite::{is_audio, renumber, slice};
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
    /// The sample index in its session up to which audio was needed for it, as far as it is known.
    pub captured: u64,
    /// Whether it is audio. How much audio was needed for anything else is not known.
    pub audio: bool,
}

/// Why a recording is not played.
#[derive(Debug, thiserror::Error)]
pub enum PlayerError {
    /// It cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// A name was given to two sessions, one after the other.
    #[error(
        "{}: topic {topic} has two sessions of the name `{session}`, one after the other; what comes back of the first \
         would be taken for the second's, so this cannot be replayed: give each session a name of its own when it is \
         recorded",
        .path.display()
    )]
    NameTwice {
        /// The recording.
        path: PathBuf,
        /// The topic.
        topic: String,
        /// The name.
        session: String,
    },
    /// Its topics have no messages.
    #[error("{}: there is nothing to play, because nothing was recorded of {topics}", .path.display())]
    Empty {
        /// The recording.
        path: PathBuf,
        /// The topics that are played.
        topics: String,
    },
    /// The range is not in the recording, or holds no utterance as a whole.
    #[error(
        "{}: `--from` and `--to` leave nothing to play: the recording ends at {:.1} s, and of speech only what lies \
         between them as a whole is played",
        .path.display(),
        seconds(*.end)
    )]
    Outside {
        /// The recording.
        path: PathBuf,
        /// The sample index at which the longest session ends.
        end: u64,
    },
    /// Played again and again, it would take no time.
    #[error(
        "{}: there is nothing to play again and again: all that is played, such as the ends of sessions in which \
         nothing was said, takes no time; leave out `--loop`, or say how many times",
        .path.display()
    )]
    NoLength {
        /// The recording.
        path: PathBuf,
    },
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
    /// The numbers behind the names of the sessions; none the first time.
    numbers: BTreeMap<String, u64>,
}

impl Player {
    /// Opens a recording, and reads the topics once to see that they are whole.
    ///
    /// # Errors
    ///
    /// The recording is not finished or damaged, or lacks a topic; it has a name twice; or there is nothing to play.
    pub fn open(folder: &Path, wiring: &[Wiring], range: Range) -> Result<Self, PlayerError> {
        let manifest = Manifest::read_whole(folder)?;
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
            numbers: BTreeMap::new(),
        };
        let mut plays = false;
        for wiring in player.wiring.clone() {
            plays |= player.scan(&wiring.topic)?;
        }
        plays |= player.segments.values().any(|segments| segments.any_in(range));
        player.check_content(plays)?;
        player.begin()?;
        Ok(player)
    }

    /// Checks that there is something to play. Of a session in which nothing is said some topics have but the end: where
    /// that is all there is, it is played.
    fn check_content(&self, plays: bool) -> Result<(), PlayerError> {
        let topics = || self.wiring.iter().filter_map(|wiring| self.manifest.topics.get(&wiring.topic));
        let path = || self.folder.clone();
        if topics().all(|topic| topic.messages() == 0) {
            let topics =
                self.wiring.iter().map(|wiring| wiring.topic.as_str()).collect::<Vec<_>>().join(", ");
            return Err(PlayerError::Empty { path: path(), topics });
        }
        let end = topics().flat_map(|topic| topic.sessions.values()).filter_map(|stream| stream.end).max();
        match end {
            Some(end) if !plays => Err(PlayerError::Outside { path: path(), end }),
            _ => Ok(()),
        }
    }

    /// Checks that it takes time to play it, as it must to be played again and again without an end.
    ///
    /// # Errors
    ///
    /// [`PlayerError::NoLength`].
    pub fn check_loop(&self) -> Result<(), PlayerError> {
        match self.timeline.end() {
            0 => Err(PlayerError::NoLength { path: self.folder.clone() }),
            _ => Ok(()),
        }
    }

    /// The recording's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Begins once more, with sessions under new names and due behind what was played so far. The second time a session
    /// is called NAME-2; numbers that would make a name that is in the recording are left out.
    ///
    /// # Errors
    ///
    /// A file cannot be read any more.
    pub fn repeat(&mut self) -> Result<(), RecordingError> {
        self.played += 1;
        let recorded: BTreeSet<&String> =
            self.manifest.topics.values().flat_map(|topic| topic.sessions.keys()).collect();
        for session in &recorded {
            let number = self.numbers.entry((*session).clone()).or_insert(1);
            *number += 1;
            while recorded.contains(&format!("{session}-{number}")) {
                *number += 1;
            }
        }
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

    /// Reads a topic from end to end. Tells whether any message but ends is played, leaving aside those of segments in
    /// a range: they are judged by all that is known of the segment.
    fn scan(&mut self, name: &str) -> Result<bool, PlayerError> {
        let topic = self.manifest.topic(&self.folder, name)?;
        if topic.content == Content::Digests {
            let (path, topic) = (self.folder.clone(), name.to_owned());
            return Err(RecordingError::DigestsAlone { path, topic }.into());
        }
        let mut cursor = Cursor::default();
        let mut plays = false;
        let mut ended: BTreeSet<SessionId> = BTreeSet::new();
        let mut again = None;
        verify_topic(&self.folder, name, topic, |header, message| {
            self.timeline.note(&mut cursor, header, self.range);
            if ended.contains(&header.session) {
                again.get_or_insert_with(|| header.session.to_string());
            }
            if header.last {
                ended.insert(header.session.clone());
            } else if self.range == Range::ALL {
                plays = true;
            } else {
                self.segments.entry(header.session.to_string()).or_default().note(message);
                plays |= self.range.cut(message, header.time, &Segments::default()) != Cut::Drop;
            }
        })?;
        match again {
            None => Ok(plays),
            Some(session) => {
                let (path, topic) = (self.folder.clone(), name.to_owned());
                Err(PlayerError::NameTwice { path, topic, session })
            }
        }
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
                Cut::Slice(part) => {
                    header.time = header.time.map(|time| time.min(self.range.to));
                    slice(&message, part)
                }
            };
            let start = self.timeline.end() * self.played + self.timeline.start(&header.session);
            let ahead = self.range.from;
            let number = self.numbers.get(&*header.session).copied();
            topic.take(&message, &header, start, ahead, number);
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
    fn take(&mut self, message: &StructArray, header: &Header, start: u64, ahead: u64, number: Option<u64>) {
        let place = self.sessions.entry(header.session.to_string()).or_default();
        place.captured = place.captured.max(header.time.unwrap_or(0));
        self.due = self.due.max(start + place.captured.saturating_sub(ahead));
        let session = match number {
            None => header.session.to_string(),
            Some(number) => format!("{}-{number}", header.session),
        };
        let message = renumber(message, &session, place.seq);
        place.seq += 1;
        let (due, captured, audio) = (self.due, place.captured, is_audio(&message));
        self.head.push_back(Item { output: self.output.clone(), message, due, captured, audio });
    }
}
