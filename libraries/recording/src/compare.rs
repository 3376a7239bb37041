//! Compares two recordings.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int32Type, Int64Type, UInt8Type, UInt32Type, UInt64Type,
};
use undertone_messages::{Header, seconds};

use crate::digest::{type_name, value};
use crate::error::RecordingError;
use crate::manifest::{Content, Manifest, Topic};
use crate::recorder::digest_of;
use crate::topic_reader::TopicReader;
use crate::verify::verify_topic;

/// What to compare, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// These topics alone, which both must have; all that both have if it is empty.
    pub topics: BTreeSet<String>,
    /// All but these.
    pub except: BTreeSet<String>,
    /// Floats may differ by this much, or by this share of the larger one. With 0 they are the same bit by bit.
    pub tolerance: f64,
}

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The first recording.
    pub first: PathBuf,
    /// The second one.
    pub second: PathBuf,
    /// The streams that were compared.
    pub streams: Vec<StreamComparison>,
    /// Topics of the first recording alone.
    pub only_first: Vec<String>,
    /// Topics of the second one alone.
    pub only_second: Vec<String>,
    /// Why sameness would prove nothing, in words: the exceptions of both recordings.
    pub doubts: Vec<String>,
    /// How much floats were allowed to differ.
    pub tolerance: f64,
}

/// How one stream compares.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamComparison {
    /// The output, `node/output`.
    pub topic: String,
    /// The session.
    pub session: String,
    /// Messages in the first recording; 0 if the session is not there.
    pub first: u64,
    /// Messages in the second one.
    pub second: u64,
    /// How many messages are not the same as the one with their number in the other recording.
    pub differing: u64,
    /// The first difference.
    pub difference: Option<Difference>,
}

/// A difference between two messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The output, `node/output`.
    pub topic: String,
    /// The session.
    pub session: String,
    /// The number of the message in its stream.
    pub seq: u64,
    /// The segment that the message belongs to, if it has one.
    pub segment: Option<u64>,
    /// The sample index that the message speaks of, if any.
    pub sample: Option<u64>,
    /// The field, and for a list which element; empty where there is no second message to compare with.
    pub field: String,
    /// What is different, in words.
    pub text: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, session `{}`, message {}", self.topic, self.session, self.seq)?;
        if let Some(segment) = self.segment {
            write!(formatter, ", segment {segment}")?;
        }
        if let Some(sample) = self.sample {
            write!(formatter, ", at {:.3} s (sample {sample})", seconds(sample))?;
        }
        write!(formatter, ": {}", self.text)
    }
}

impl Comparison {
    /// The difference that comes first: in sample time, then by the name of the topic.
    pub fn first_difference(&self) -> Option<&Difference> {
        let differences = self.streams.iter().filter_map(|stream| stream.difference.as_ref());
        differences.min_by_key(|difference| (difference.sample.unwrap_or(u64::MAX), &difference.topic))
    }

    /// Whether what was compared is the same, and nothing speaks against saying so.
    pub fn is_exact(&self) -> bool {
        !self.streams.is_empty() && self.doubts.is_empty() && self.first_difference().is_none()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = self.streams.iter().map(|stream| stream.topic.len()).max().unwrap_or(0).max(5);
        let session = self.streams.iter().map(|stream| stream.session.len()).max().unwrap_or(0).max(7);
        writeln!(
            formatter,
            "{:topic$}  {:session$}  {:>8}  {:>8}  the same",
            "topic", "session", "first", "second"
        )?;
        for stream in &self.streams {
            let verdict = match stream.differing {
                0 => "yes".to_owned(),
                differing => format!("no, {differing} differ"),
            };
            let StreamComparison { topic: name, session: id, first, second, .. } = stream;
            writeln!(formatter, "{name:topic$}  {id:session$}  {first:>8}  {second:>8}  {verdict}")?;
        }
        for (topics, recording) in [(&self.only_first, &self.first), (&self.only_second, &self.second)] {
            if !topics.is_empty() {
                writeln!(formatter, "not compared, only in {}: {}", recording.display(), topics.join(", "))?;
            }
        }
        if let Some(difference) = self.first_difference() {
            return write!(formatter, "first difference: {difference}");
        }
        if self.streams.is_empty() {
            return write!(
                formatter,
                "there is nothing to compare: no topic with messages is in both recordings"
            );
        }
        if !self.doubts.is_empty() {
            writeln!(formatter, "no difference was found, but this is not exact:")?;
            return write!(formatter, "  {}", self.doubts.join("\n  "));
        }
        match self.tolerance {
            0.0 => write!(formatter, "the same, byte for byte"),
            tolerance => write!(formatter, "the same, but for floats within {tolerance:e}"),
        }
    }
}

/// Compares the recordings in two folders.
///
/// # Errors
///
/// A recording cannot be read, was not finished, holds something else than its manifest says, or lacks a topic that was
/// asked for; or neither has a topic that is to be left out.
pub fn compare(first: &Path, second: &Path, options: &Options) -> Result<Comparison, RecordingError> {
    let manifests = [Manifest::read_whole(first)?, Manifest::read_whole(second)?];
    let folders = [first, second];
    for (manifest, folder) in manifests.iter().zip(folders) {
        options.topics.iter().try_for_each(|topic| manifest.topic(folder, topic).map(drop))?;
    }
    let [a, b] = &manifests;
    for topic in options.except.iter().filter(|topic| !b.topics.contains_key(*topic)) {
        a.topic(first, topic)?;
    }
    let wanted = |topic: &&String| {
        !options.except.contains(*topic) && (options.topics.is_empty() || options.topics.contains(*topic))
    };
    let alone = |mine: &Manifest, other: &Manifest| {
        let topics = mine.topics.keys().filter(wanted);
        topics.filter(|topic| !other.topics.contains_key(*topic)).cloned().collect()
    };
    let mut comparison = Comparison {
        first: first.to_owned(),
        second: second.to_owned(),
        streams: Vec::new(),
        only_first: alone(a, b),
        only_second: alone(b, a),
        doubts: Vec::new(),
        tolerance: options.tolerance,
    };
    for (manifest, folder) in manifests.iter().zip(folders) {
        let doubts = manifest.doubts().into_iter().map(|doubt| format!("{}: {doubt}", folder.display()));
        comparison.doubts.extend(doubts);
    }
    for (name, topic) in a.topics.iter().filter(|(name, _)| wanted(name)) {
        if let Some(other) = b.topics.get(name) {
            let pair = [(first, topic), (second, other)];
            comparison.streams.extend(compare_topic(name, pair, options.tolerance)?);
        }
    }
    Ok(comparison)
}

fn compare_topic(
    name: &str,
    pair: [(&Path, &Topic); 2],
    tolerance: f64,
) -> Result<Vec<StreamComparison>, RecordingError> {
    // The manifests' digests are compared below, which says something of the files if they hold what was digested.
    for (folder, topic) in pair {
        verify_topic(folder, name, topic, |_, _| {})?;
    }
    let [(_, a), (_, b)] = pair;
    let mut streams = Vec::new();
    let sessions: BTreeSet<&String> = a.sessions.keys().chain(b.sessions.keys()).collect();
    for session in sessions {
        let (of_a, of_b) = (a.sessions.get(session), b.sessions.get(session));
        let mut stream = StreamComparison {
            topic: name.to_owned(),
            session: session.clone(),
            first: of_a.map_or(0, |stream| stream.messages),
            second: of_b.map_or(0, |stream| stream.messages),
            differing: 0,
            difference: None,
        };
        if of_a.map(|stream| stream.blake3) != of_b.map(|stream| stream.blake3) {
            search(&mut stream, pair, tolerance)?;
        }
        streams.push(stream);
    }
    Ok(streams)
}

/// Looks for the differences between two streams whose digests differ.
fn search(
    stream: &mut StreamComparison,
    pair: [(&Path, &Topic); 2],
    tolerance: f64,
) -> Result<(), RecordingError> {
    let [mut a, mut b] = [open(&stream.session, pair[0])?, open(&stream.session, pair[1])?];
    let contents = pair.map(|(_, topic)| topic.content);
    loop {
        let (found, message) = match (next(&mut a)?, next(&mut b)?) {
            (None, None) => break,
            (Some(message), None) => {
                ((String::new(), "it is in the first recording alone".to_owned()), message)
            }
            (None, Some(message)) => {
                ((String::new(), "it is in the second recording alone".to_owned()), message)
            }
            (Some(first), Some(second)) => match differ([&first, &second], contents, tolerance) {
                // Where one is but a digest, the other one tells more.
                Some(found) if contents[0] == Content::Digests => (found, second),
                Some(found) => (found, first),
                None => continue,
            },
        };
        stream.differing += 1;
        if stream.difference.is_none() {
            let header = Header::read(&message).ok();
            let segment =
                message.column_by_name("segment").and_then(|column| column.as_primitive_opt::<UInt64Type>());
            stream.difference = Some(Difference {
                topic: stream.topic.clone(),
                session: stream.session.clone(),
                seq: header.as_ref().map_or(0, |header| header.seq),
                segment: segment.filter(|column| column.is_valid(0)).map(|column| column.value(0)),
                sample: header.and_then(|header| header.time),
                field: found.0,
                text: found.1,
            });
        }
    }
    Ok(())
}

/// The messages of one session of a topic.
struct Messages {
    session: String,
    reader: Option<TopicReader>,
}

fn open(session: &str, (folder, topic): (&Path, &Topic)) -> Result<Messages, RecordingError> {
    let reader = topic.file.as_ref().map(|file| TopicReader::open(&folder.join(file))).transpose()?;
    Ok(Messages { session: session.to_owned(), reader })
}

fn next(messages: &mut Messages) -> Result<Option<StructArray>, RecordingError> {
    let Some(reader) = &mut messages.reader else { return Ok(None) };
    while let Some(message) = reader.next_message()? {
        if Header::read(&message).is_ok_and(|header| *header.session == messages.session) {
            return Ok(Some(message));
        }
    }
    Ok(None)
}

/// The first field in which two messages differ, and how.
fn differ(pair: [&StructArray; 2], contents: [Content; 2], tolerance: f64) -> Option<(String, String)> {
    let mut scratch = Vec::new();
    let mut digest = |index: usize| {
        let (message, content) = (pair.get(index)?, contents.get(index)?);
        digest_of(*content, message, &mut scratch).ok()
    };
    let (first, second) = (digest(0), digest(1));
    if first.is_some() && first == second {
        return None;
    }
    let [a, b] = pair;
    if contents.contains(&Content::Digests) {
        let text = "the digests differ, and the content was not recorded".to_owned();
        return Some((String::new(), text));
    }
    let (names, others) = (a.column_names(), b.column_names());
    if names != others {
        let text = format!("the fields are {} against {}", names.join(", "), others.join(", "));
        return Some((String::new(), text));
    }
    let mut columns = names.iter().zip(a.columns().iter().zip(b.columns()));
    columns.find_map(|(name, (a, b))| differ_at((name, a, 0), (name, b, 0), tolerance))
}

/// A value: its path in the message, its array and its row.
type Value<'a> = (&'a str, &'a dyn Array, usize);

/// The first place in two values at which they differ, and how.
fn differ_at(first: Value<'_>, second: Value<'_>, tolerance: f64) -> Option<(String, String)> {
    let (path, a, row_a) = first;
    let (_, b, row_b) = second;
    let types = [a, b].map(|array| type_name(array.data_type()).unwrap_or_else(|error| error.0));
    if types[0] != types[1] {
        return Some((path.to_owned(), format!("`{path}` is a {} against a {}", types[0], types[1])));
    }
    if let (Some(a), Some(b)) = (list(a, row_a), list(b, row_b)) {
        return differ_in_list(path, [&a, &b], tolerance);
    }
    if let (Some(a), Some(b), true) =
        (a.as_struct_opt(), b.as_struct_opt(), a.is_valid(row_a) && b.is_valid(row_b))
    {
        let mut fields = a.column_names().into_iter().zip(a.columns().iter().zip(b.columns()));
        return fields.find_map(|(name, (a, b))| {
            let path = format!("{path}.{name}");
            differ_at((&path, a, row_a), (&path, b, row_b), tolerance)
        });
    }
    // As the digest tells them apart, so that what has another digest is never called the same.
    let mut encoded = [Vec::new(), Vec::new()];
    let known = value(a, row_a, &mut encoded[0]).is_ok() && value(b, row_b, &mut encoded[1]).is_ok();
    let close = match (float(a, row_a), float(b, row_b)) {
        (Some(a), Some(b)) => {
            let distance = (a - b).abs();
            // A share of infinity is infinite.
            let finite = distance.is_finite() && tolerance > 0.0;
            finite && distance <= tolerance * a.abs().max(b.abs()).max(1.0)
        }
        _ => false,
    };
    if close || (known && encoded[0] == encoded[1]) {
        return None;
    }
    let [first, second] = brief(&show(a, row_a), &show(b, row_b));
    Some((path.to_owned(), format!("`{path}` is {first} against {second}")))
}

/// The elements of a list, whichever of Arrow's two kinds it is.
fn list(array: &dyn Array, row: usize) -> Option<ArrayRef> {
    if array.is_null(row) {
        return None;
    }
    let large = array.as_list_opt::<i64>().map(|list| list.value(row));
    large.or_else(|| Some(array.as_list_opt::<i32>()?.value(row)))
}

fn differ_in_list(path: &str, [a, b]: [&dyn Array; 2], tolerance: f64) -> Option<(String, String)> {
    if a.len() != b.len() {
        return Some((path.to_owned(), format!("`{path}` has {} elements against {}", a.len(), b.len())));
    }
    let mut differences = (0..a.len()).filter_map(|row| {
        let path = format!("{path}[{row}]");
        differ_at((&path, a, row), (&path, b, row), tolerance)
    });
    let (place, text) = differences.next()?;
    let text = match differences.count() {
        0 => text,
        more => format!("{text}, and {more} more of its {} elements differ", a.len()),
    };
    Some((place, text))
}

fn float(array: &dyn Array, row: usize) -> Option<f64> {
    if array.is_null(row) {
        return None;
    }
    let single = array.as_primitive_opt::<Float32Type>().map(|array| f64::from(array.value(row)));
    single.or_else(|| array.as_primitive_opt::<Float64Type>().map(|array| array.value(row)))
}

/// A value that is neither a list nor a struct, as text.
fn show(array: &dyn Array, row: usize) -> String {
    if array.is_null(row) {
        return "null".to_owned();
    }
    match array.data_type() {
        DataType::Utf8 => format!("{:?}", array.as_string::<i32>().value(row)),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).to_string(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).to_string(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float32 => {
            let float = array.as_primitive::<Float32Type>().value(row);
            // There are many.
            if float.is_nan() { format!("NaN (bits {:#x})", float.to_bits()) } else { float.to_string() }
        }
        DataType::Float64 => {
            let float = array.as_primitive::<Float64Type>().value(row);
            if float.is_nan() { format!("NaN (bits {:#x})", float.to_bits()) } else { float.to_string() }
        }
        DataType::LargeList(_) | DataType::List(_) => {
            format!("a list of {} elements", list(array, row).map_or(0, |list| list.len()))
        }
        DataType::Struct(_) => "a struct".to_owned(),
        other => format!("a value of type {other}"),
    }
}

/// Two texts that differ, with the place where they do, cut to fit a line.
fn brief(first: &str, second: &str) -> [String; 2] {
    const MOST: usize = 60;
    const BEFORE: usize = 20;
    let same = first.chars().zip(second.chars()).take_while(|(a, b)| a == b).count();
    [first, second].map(|text| {
        let length = text.chars().count();
        let start = if length > MOST { same.saturating_sub(BEFORE).min(length - MOST) } else { 0 };
        let part: String = text.chars().skip(start).take(MOST).collect();
        let (before, behind) = (start > 0, start + MOST < length);
        format!("{}{part}{}", if before { "…" } else { "" }, if behind { "…" } else { "" })
    })
}
