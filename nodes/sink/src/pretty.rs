//! A result for people: what was said, how sure each modality is of what, and where the time went.

use owo_colors::Style;
use textwrap::Options;
use textwrap::core::display_width;
use undertone_messages::{Contribution, Sentiment, SentimentStatus, Transcript, is_spaceless, seconds};
use undertone_results::{Latency, NamedValues};

/// Columns that a result takes at most, unless a session's name or a word is longer.
const WIDTH: usize = 100;
/// Labels in a row. Where there are more, the likeliest of the fused result are shown.
const SHOWN: usize = 3;
/// Columns for a label, longer ones are cut.
const LABEL: usize = 12;
/// Columns for a full bar at most.
const BAR: usize = 16;

/// The result as lines for people, each with its end, and an empty line behind them. With `color`, escape sequences
/// for a terminal set it off.
pub fn pretty(session: &str, result: &Sentiment, latency: Option<&Latency>, color: bool) -> String {
    let mut lines = vec![header(session, result, color)];
    if !result.text.is_empty() {
        let text = format!("“{}”", plain(&result.text));
        let options = Options::new(WIDTH).initial_indent("  ").subsequent_indent("   ");
        let bold = style(color, Style::bold);
        lines.extend(textwrap::wrap(&text, options).iter().map(|line| bold.style(line).to_string()));
    }
    lines.extend(Rows::new(result, color).lines(result));
    lines.extend(result.contributions.iter().filter_map(|contribution| finer(contribution, color)));
    lines.push(verdict(result, color));
    if let Some(latency) = latency {
        let options = Options::new(WIDTH).initial_indent("  ").subsequent_indent("    ");
        let dim = style(color, Style::dimmed);
        let text = times(latency);
        lines.extend(textwrap::wrap(&text, options).iter().map(|line| dim.style(line).to_string()));
    }
    lines.push(String::new());
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The words of a transcript that may change yet, as a line with its end: those that stand, and dimmed those that may not.
pub fn words_so_far(transcript: &Transcript, color: bool) -> String {
    let texts: Vec<String> = transcript.words.iter().map(|word| plain(&word.text)).collect();
    let (stable, rest) = texts.split_at(texts.len().min(transcript.stable as usize));
    let between = if is_spaceless(&transcript.language) { "" } else { " " };
    let dim = style(color, Style::dimmed);
    let mut line = dim.style(format!("  {:.2} s …", seconds(transcript.end))).to_string();
    let mut before = " ";
    for (words, style) in [(stable, Style::new()), (rest, dim)] {
        if !words.is_empty() {
            line += &format!("{before}{}", style.style(words.join(between)));
            before = between;
        }
    }
    line + "\n"
}

/// A style, or none without colour.
fn style(color: bool, change: impl Fn(Style) -> Style) -> Style {
    if color { change(Style::new()) } else { Style::new() }
}

/// The style of a label.
fn label_style(color: bool, label: &str) -> Style {
    style(color, |style| match label {
        "negative" => style.red(),
        "positive" => style.green(),
        "neutral" => style.yellow(),
        _ => style.cyan(),
    })
}

/// The text without what would move a terminal's cursor or change its colours.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn header(session: &str, result: &Sentiment, color: bool) -> String {
    let (start, end) = (seconds(result.start), seconds(result.end));
    let status = if result.status == SentimentStatus::Provisional { " · provisional" } else { "" };
    let when = format!("{start:.2} to {end:.2} s{status}");
    let dim = style(color, Style::dimmed);
    let session = style(color, Style::bold).style(plain(session)).to_string();
    format!("{session} {}", dim.style(format!("· segment {} · {when}", result.segment)))
}

/// The table of probabilities: a row a modality, and the fused row.
struct Rows<'a> {
    color: bool,
    /// The places of the labels that are shown.
    shown: Vec<usize>,
    labels: &'a [String],
    /// Columns of the modalities' names.
    name: usize,
    /// Columns of a label.
    label: usize,
    /// Columns of a full bar.
    bar: usize,
}

impl<'a> Rows<'a> {
    fn new(result: &'a Sentiment, color: bool) -> Self {
        let mut shown: Vec<(usize, f32)> = result.probabilities.iter().copied().enumerate().collect();
        shown.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        shown.truncate(SHOWN);
        let mut shown: Vec<usize> = shown.into_iter().map(|(index, _)| index).collect();
        shown.sort_unstable();
        let names = result.contributions.iter().map(|contribution| display_width(&contribution.modality));
        let name = names.max().unwrap_or(0).max("fused".len()).min(LABEL);
        let labels = shown.iter().filter_map(|index| result.labels.get(*index));
        let label = labels.map(|label| display_width(label)).max().unwrap_or(0).min(LABEL);
        // A row is the name, a weight and, for each label, the label, a percentage and a bar, with spaces between.
        let left = WIDTH.saturating_sub(2 + name + 5);
        let bar = (left / shown.len().max(1)).saturating_sub(2 + label + 5 + 1).min(BAR);
        Self { color, shown, labels: &result.labels, name, label, bar }
    }

    fn lines(&self, result: &Sentiment) -> Vec<String> {
        let mut lines = Vec::new();
        for contribution in &result.contributions {
            let name = fit(&contribution.modality, self.name);
            if contribution.probabilities.is_empty() {
                let reason = format!("  {name}    –  {}", plain(&contribution.reason));
                let line = cut(&reason, WIDTH);
                lines.push(style(self.color, Style::dimmed).style(line).to_string());
            } else {
                let weight = percent(contribution.weight);
                lines.push(format!("  {name} {weight:>4}{}", self.cells(&contribution.probabilities, false)));
            }
        }
        if result.status == SentimentStatus::Final && !result.labels.is_empty() {
            let name = fit("fused", self.name);
            lines.push(format!("  {name}     {}", self.cells(&result.probabilities, true)));
        }
        lines
    }

    fn cells(&self, probabilities: &[f32], bold: bool) -> String {
        let mut cells = String::new();
        for (place, index) in self.shown.iter().enumerate() {
            let (Some(label), Some(&probability)) = (self.labels.get(*index), probabilities.get(*index))
            else {
                continue;
            };
            let bar = bar(probability, self.bar);
            let cell = format!("{} {:>4} {bar}", fit(label, self.label), percent(probability));
            let last = place + 1 == self.shown.len();
            let cell = if last { cell.trim_end() } else { &cell };
            let style = label_style(self.color, label);
            let style = if bold && self.color { style.bold() } else { style };
            cells.push_str(&format!("  {}", style.style(cell)));
        }
        cells
    }
}

/// What a modality tells beyond its label, if it tells more.
fn finer(contribution: &Contribution, color: bool) -> Option<String> {
    let detail = &contribution.detail;
    let emotions = NamedValues { names: &detail.emotions, values: &detail.emotion_probabilities };
    let emotion =
        emotions.likeliest().map(|(name, probability)| format!("{} {}", plain(name), percent(probability)));
    let dimensions = [("valence", detail.valence), ("arousal", detail.arousal)];
    let dimensions =
        dimensions.into_iter().filter_map(|(name, value)| Some(format!("{name} {:+.2}", value?)));
    let told: Vec<String> = emotion.into_iter().chain(dimensions).collect();
    let line = cut(&format!("  {}: {}", plain(&contribution.modality), told.join(", ")), WIDTH);
    (!told.is_empty()).then(|| style(color, Style::dimmed).style(line).to_string())
}

/// The result in words.
fn verdict(result: &Sentiment, color: bool) -> String {
    let late =
        if result.degraded.is_empty() { String::new() } else { format!(" · late: {}", result.degraded) };
    let likeliest = NamedValues { names: &result.labels, values: &result.probabilities }.likeliest();
    let Some((label, probability)) = likeliest else {
        return style(color, Style::bold).style(format!("  → no estimate{late}")).to_string();
    };
    let unsure = if result.abstained { "abstained: too unsure, " } else { "" };
    let unusual = if result.anomaly { " · unusual audio" } else { "" };
    let score = match result.labels.iter().any(|label| label == "positive" || label == "negative") {
        true => format!(", score {:+.2}", result.score),
        false => String::new(),
    };
    let bold = label_style(color, label);
    let bold = if color { bold.bold() } else { bold };
    bold.style(format!("  → {unsure}{label} {}{score}{unusual}{late}", percent(probability))).to_string()
}

/// Where the time went: the parts that took a tenth of a millisecond or more, in the order in which they came.
fn times(latency: &Latency) -> String {
    let mut parts: Vec<(&str, f64)> = latency.hangover_ms.map(|ms| ("hangover", ms)).into_iter().collect();
    parts.extend(latency.stages.iter().map(|stage| (stage.name.as_str(), stage.worked_ms)));
    parts.push(("queueing", latency.queueing_ms()));
    parts.push(("transport", latency.transport_ms()));
    let listed = parts.into_iter().filter(|(_, ms)| *ms >= 0.1);
    let listed: Vec<_> = listed.map(|(name, ms)| format!("{name} {}", milliseconds(ms))).collect();
    match latency.total_ms {
        Some(total) => format!("{} ms after its end: {}", milliseconds(total), listed.join(", ")),
        None => format!("milliseconds: {}", listed.join(", ")),
    }
}

fn milliseconds(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.1}") } else { format!("{ms:.0}") }
}

fn percent(probability: f32) -> String {
    format!("{:.0}%", probability * 100.0)
}

/// A bar of eighths of a column, padded to `width` columns.
fn bar(probability: f32, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (probability.clamp(0.0, 1.0) * 8.0 * width as f32).round() as usize;
    let rest = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
    let bar = format!("{}{rest}", "█".repeat(eighths / 8));
    format!("{bar:width$}")
}

/// The text in exactly `width` columns.
fn fit(text: &str, width: usize) -> String {
    let text = cut(&plain(text), width);
    let padding = width.saturating_sub(display_width(&text));
    format!("{text}{}", " ".repeat(padding))
}

/// The text in at most `width` columns, with an ellipsis where it was cut.
fn cut(text: &str, width: usize) -> String {
    if display_width(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        if display_width(&kept) + display_width(character.encode_utf8(&mut [0; 4])) >= width {
            break;
        }
        kept.push(character);
    }
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_the_probability() {
        assert_eq!(bar(0.0, 4), "    ");
        assert_eq!(bar(0.5, 4), "██  ");
        assert_eq!(bar(1.0, 4), "████");
        assert_eq!(bar(0.66, 4), "██▋ ");
    }

    #[test]
    fn text_is_cut_by_columns_not_by_characters() {
        assert_eq!(cut("neutral", 7), "neutral");
        assert_eq!(cut("disappointment", 7), "disapp…");
        assert_eq!(cut("中文字幕", 6), "中文…");
        assert_eq!(fit("ab", 4), "ab  ");
    }
}
