//! What several graphs made of the same sessions, side by side.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use arrow::array::StructArray;
use undertone_messages::{Body, Columns, Header, MessageError, Sentiment, likeliest, seconds};

use crate::error::RecordingError;
use crate::manifest::{Content, Manifest};
use crate::verify::verify_topic;

/// One result.
#[derive(Clone, Debug, PartialEq)]
pub struct Utterance {
    /// Sample index of its first sample.
    pub start: u64,
    /// Sample index behind its last.
    pub end: u64,
    /// The likeliest label; empty without an estimate.
    pub label: String,
    /// The probability of that label.
    pub confidence: f32,
    /// P(positive) − P(negative).
    pub score: f32,
    /// What was said.
    pub text: String,
}

impl Utterance {
    /// How many samples two utterances have in common.
    fn overlap(&self, other: &Self) -> u64 {
        self.end.min(other.end).saturating_sub(self.start.max(other.start))
    }

    /// The words, in lower case and without punctuation.
    fn words(&self) -> Vec<String> {
        let plain = |c: char| {
            if c.is_alphanumeric() || c == '\'' { c.to_lowercase().next().unwrap_or(c) } else { ' ' }
        };
        self.text.chars().map(plain).collect::<String>().split_whitespace().map(str::to_owned).collect()
    }
}

/// The results of several recordings, matched to those of the first.
#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    /// The recordings.
    pub folders: Vec<PathBuf>,
    /// What each session came to, in the order of time. Sessions are told apart by name and, since a name may be given
    /// again once its session has ended, by how many of that name there were, with this one.
    pub sessions: BTreeMap<(String, u64), Vec<Row>>,
}

/// What the recordings have of one utterance, each in the order of [`Results::folders`].
#[derive(Clone, Debug, PartialEq)]
pub struct Row(pub Vec<Option<Utterance>>);

impl Row {
    /// Where the row stands in time. The utterance that begins last decides: of one that was cut in two, the row has one
    /// piece, and the other piece may come before it.
    fn time(&self) -> Option<u64> {
        self.0.iter().flatten().map(|utterance| utterance.start).max()
    }
}

/// How the results of one recording compare with those of the first, over all sessions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Utterances in this recording.
    pub utterances: usize,
    /// Those of them that overlap one of the first recording, each with one at most.
    pub matched: usize,
    /// The matched ones with the same label.
    pub same_label: usize,
    /// The least number of words to substitute, insert or delete to get from the first recording's words to these, over
    /// whole sessions.
    pub word_edits: usize,
    /// Words in the first recording.
    pub words: usize,
    /// Mean distance of the scores of matched utterances.
    pub score_distance: f64,
    /// Mean distance of their starts, in milliseconds.
    pub start_distance_ms: f64,
    /// Mean distance of their ends, in milliseconds.
    pub end_distance_ms: f64,
}

/// Reads the results in `topic` of several recordings.
///
/// # Errors
///
/// A recording cannot be read, was not finished, lacks the topic, or has something else in it than results or than its
/// manifest says.
pub fn results(folders: &[PathBuf], topic: &str) -> Result<Results, RecordingError> {
    let mut sessions: BTreeMap<(String, u64), Vec<Row>> = BTreeMap::new();
    for (column, folder) in folders.iter().enumerate() {
        for (session, utterances) in read(folder, topic)? {
            let rows = sessions.entry(session).or_default();
            place(rows, column, utterances);
        }
    }
    for rows in sessions.values_mut() {
        arrange(rows, folders.len());
    }
    Ok(Results { folders: folders.to_vec(), sessions })
}

fn read(folder: &Path, topic: &str) -> Result<BTreeMap<(String, u64), Vec<Utterance>>, RecordingError> {
    let manifest = Manifest::read_whole(folder)?;
    let recorded = manifest.topic(folder, topic)?;
    if recorded.content == Content::Digests {
        return Err(RecordingError::DigestsAlone { path: folder.to_owned(), topic: topic.to_owned() });
    }
    let mut sessions: BTreeMap<(String, u64), Vec<Utterance>> = BTreeMap::new();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut problem = None;
    verify_topic(folder, topic, recorded, |header, message| match utterance(header, message) {
        Ok(utterance) => {
            let name = header.session.to_string();
            let count = counts.entry(name.clone()).or_insert(1);
            sessions.entry((name, *count)).or_default().extend(utterance);
            *count += u64::from(header.last);
        }
        Err(error) => _ = problem.get_or_insert_with(|| error.to_string()),
    })?;
    match problem {
        None => Ok(sessions),
        Some(problem) => Err(RecordingError::Message { topic: topic.to_owned(), problem }),
    }
}

/// What a message says, unless it is the last of its stream. No other fields of a [`Sentiment`] are read, so that results of
/// versions that have others can be compared.
fn utterance(header: &Header, message: &StructArray) -> Result<Option<Utterance>, MessageError> {
    if header.last {
        return Ok(None);
    }
    let columns = Columns::new(Sentiment::NAME, message)?;
    let (labels, probabilities) = (columns.texts("labels")?, columns.floats("probabilities")?);
    let likeliest = likeliest(&labels, &probabilities);
    Ok(Some(Utterance {
        start: columns.u64("start")?,
        end: columns.u64("end")?,
        label: likeliest.map(|(label, _)| label.to_owned()).unwrap_or_default(),
        confidence: columns.f32("confidence")?,
        score: columns.f32("score")?,
        text: columns.text("text")?.to_owned(),
    }))
}

/// Puts a recording's utterances into the rows of those of the first that they overlap, or into rows of their own. The
/// most overlap comes first, so that what overlaps by a sliver takes nobody's row.
fn place(rows: &mut Vec<Row>, column: usize, utterances: Vec<Utterance>) {
    let mut pairs = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let Some(Some(first)) = row.0.first() else { continue };
        for (index, utterance) in utterances.iter().enumerate() {
            let overlap = first.overlap(utterance);
            if overlap > 0 {
                pairs.push((Reverse(overlap), first.start, utterance.start, place, index));
            }
        }
    }
    pairs.sort_unstable();
    let mut places = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for (.., place, index) in pairs {
        if !places.contains_key(&index) && taken.insert(place) {
            places.insert(index, place);
        }
    }
    for (index, utterance) in utterances.into_iter().enumerate() {
        let row = match places.get(&index).and_then(|place| rows.get_mut(*place)) {
            Some(row) => row,
            None => rows.push_mut(Row(Vec::new())),
        };
        row.0.resize(column, None);
        row.0.push(Some(utterance));
    }
}

/// Brings rows into the order of time, each with a place for every recording.
fn arrange(rows: &mut [Row], recordings: usize) {
    rows.iter_mut().for_each(|row| row.0.resize(recordings, None));
    rows.sort_by_key(Row::time);
}

impl Results {
    /// How the results of a recording compare with those of the first.
    pub fn score(&self, column: usize) -> Score {
        let mut score = Score::default();
        for rows in self.sessions.values() {
            let words = |column: usize| -> Vec<String> {
                let utterances = rows.iter().filter_map(|row| row.0.get(column)?.as_ref());
                let mut utterances: Vec<&Utterance> = utterances.collect();
                utterances.sort_by_key(|utterance| utterance.start);
                utterances.into_iter().flat_map(Utterance::words).collect()
            };
            let (first, these) = (words(0), words(column));
            score.words += first.len();
            score.word_edits += strsim::generic_levenshtein(&first, &these);
            for row in rows {
                let Some(Some(utterance)) = row.0.get(column) else { continue };
                score.utterances += 1;
                let Some(Some(first)) = row.0.first() else { continue };
                score.matched += 1;
                score.same_label += usize::from(first.label == utterance.label);
                score.score_distance += f64::from((first.score - utterance.score).abs());
                score.start_distance_ms += 1e3 * seconds(first.start.abs_diff(utterance.start));
                score.end_distance_ms += 1e3 * seconds(first.end.abs_diff(utterance.end));
            }
        }
        let matched = score.matched.max(1) as f64;
        score.score_distance /= matched;
        score.start_distance_ms /= matched;
        score.end_distance_ms /= matched;
        score
    }
}

impl fmt::Display for Results {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        for ((session, count), rows) in &self.sessions {
            match count {
                1 => writeln!(formatter, "session `{session}`")?,
                count => writeln!(formatter, "session `{session}`, number {count} of that name")?,
            }
            for row in rows {
                for (name, utterance) in names.iter().zip(&row.0) {
                    match utterance {
                        None => writeln!(formatter, "  {name:width$}  nothing")?,
                        Some(Utterance { start, end, label, confidence, score, text }) => writeln!(
                            formatter,
                            "  {name:width$}  {:7.2} to {:7.2} s  {label:8} {confidence:.2}  {score:+.2}  {text}",
                            seconds(*start),
                            seconds(*end)
                        )?,
                    }
                }
                if names.len() > 1 {
                    writeln!(formatter)?;
                }
            }
        }
        let head = ["utterances", "matched", "same label", "words changed", "score ±", "start ±", "end ±"];
        write!(formatter, "{:width$}", "")?;
        head.iter().try_for_each(|name| write!(formatter, "  {name:>13}"))?;
        for (column, name) in names.iter().enumerate() {
            let score = self.score(column);
            let cells = [
                score.utterances.to_string(),
                score.matched.to_string(),
                score.same_label.to_string(),
                format!("{} of {}", score.word_edits, score.words),
                format!("{:.3}", score.score_distance),
                format!("{:.0} ms", score.start_distance_ms),
                format!("{:.0} ms", score.end_distance_ms),
            ];
            write!(formatter, "\n{name:width$}")?;
            cells.iter().try_for_each(|cell| write!(formatter, "  {cell:>13}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: u64, end: u64, label: &str, text: &str) -> Utterance {
        Utterance { start, end, label: label.to_owned(), confidence: 0.9, score: 0.5, text: text.to_owned() }
    }

    #[test]
    fn utterances_are_matched_by_overlap_and_counted() {
        let mut rows = Vec::new();
        place(
            &mut rows,
            0,
            vec![at(0, 16_000, "neutral", "One two."), at(32_000, 64_000, "positive", "three four")],
        );
        // The second one was cut in two, and there is one more.
        let others = vec![
            at(1_600, 16_000, "neutral", "one, two"),
            at(30_400, 56_000, "negative", "three for"),
            at(57_600, 64_000, "positive", ""),
            at(80_000, 96_000, "positive", "five"),
        ];
        place(&mut rows, 1, others);
        arrange(&mut rows, 2);
        let shape: Vec<Vec<bool>> =
            rows.iter().map(|row| row.0.iter().map(Option::is_some).collect()).collect();
        assert_eq!(shape, [vec![true, true], vec![true, true], vec![false, true], vec![false, true]]);
        let folders = vec![PathBuf::from("a"), PathBuf::from("b")];
        let results = Results { folders, sessions: BTreeMap::from([(("s".to_owned(), 1), rows)]) };
        let score = results.score(1);
        assert_eq!((score.utterances, score.matched, score.same_label), (4, 2, 1));
        assert_eq!((score.word_edits, score.words), (2, 4));
        assert!((score.start_distance_ms - 100.0).abs() < 1e-9, "{score:?}");
        let same = results.score(0);
        assert_eq!((same.utterances, same.matched, same.word_edits), (2, 2, 0));
        assert!(results.to_string().contains("nothing"), "{results}");
    }

    /// In the row of what was cut is the larger piece, whichever comes first.
    #[test]
    fn words_are_counted_and_rows_shown_in_the_order_of_time() {
        let whole = vec![at(0, 64_000, "neutral", "and so my fellow Americans ask not")];
        let cut = |border: u64, before: &str, behind: &str| {
            vec![at(1_600, border, "neutral", before), at(border + 4_000, 64_000, "neutral", behind)]
        };
        for pieces in [
            cut(16_000, "and so", "my fellow Americans ask not"),
            cut(48_000, "and so my fellow Americans", "ask not"),
        ] {
            let mut rows = Vec::new();
            place(&mut rows, 0, whole.clone());
            place(&mut rows, 1, pieces.clone());
            arrange(&mut rows, 2);
            let shown: Vec<Utterance> = rows.iter().filter_map(|row| row.0[1].clone()).collect();
            assert_eq!(shown, pieces);
            let sessions = BTreeMap::from([(("s".to_owned(), 1), rows)]);
            let score = Results { folders: vec!["a".into(), "b".into()], sessions }.score(1);
            assert_eq!((score.matched, score.word_edits, score.words), (1, 0, 7));
        }
    }

    #[test]
    fn what_overlaps_by_a_sliver_takes_nobodys_row() {
        let first = [at(0, 16_000, "neutral", "one"), at(16_000, 32_000, "neutral", "two")];
        let others = [
            // It begins in the end of the first one, and is nearly all of the second.
            at(15_900, 31_000, "neutral", "two"),
            // It is in both, in the second by less than the one before, and in the first by as much as the one below,
            // which is earlier.
            at(14_000, 18_000, "neutral", "and"),
            at(0, 2_000, "neutral", "one"),
        ];
        let mut rows = Vec::new();
        place(&mut rows, 0, first.to_vec());
        place(&mut rows, 1, others.to_vec());
        let texts: Vec<Vec<&str>> = rows
            .iter()
            .map(|row| row.0.iter().map(|cell| cell.as_ref().map_or("", |cell| &cell.text)).collect())
            .collect();
        assert_eq!(texts, [vec!["one", "one"], vec!["two", "two"], vec!["", "and"]]);
    }
}
