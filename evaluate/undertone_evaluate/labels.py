"""Labelled recordings: what was said and meant in each, read from a CSV or from the names and tables of known sets.

A row that cannot be trusted becomes a `Wrong` with its place and the reason, and nothing is guessed in its stead.
"""

import csv
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from .errors import EvaluationError

CLASSES = ("negative", "neutral", "positive")
COLUMNS = ("file", "transcript", "sentiment", "emotion", "speaker", "gender", "intensity", "speech")
# What nodes/source takes for a recording.
EXTENSIONS = frozenset(
    "wav wave flac mp3 ogg oga opus m4a m4b aac alac aif aiff caf amr wma mka "
    "mp4 webm mkv mp2 aifc au snd w64 wv ape spx sph 3gp".split()
)
# What a reference segment may go beyond the recording's end: lengths are rounded, and padding of a codec is cut off.
BEYOND_SECONDS = 0.1


@dataclass(frozen=True)
class Row:
    """A recording and what is known of it; None where nothing is known."""

    where: str  # as `labels.csv:12`, for people
    file: Path
    transcript: str | None = None
    sentiment: str | None = None
    emotion: str | None = None
    speaker: str | None = None
    gender: str | None = None
    intensity: str | None = None
    # Reference segments of speech, (start, end) in seconds; no segments and not None: there is no speech.
    speech: tuple[tuple[float, float], ...] | None = None
    # From 1, where each fold goes through a graph of its own.
    fold: int | None = None


@dataclass(frozen=True)
class Wrong:
    """A row that is left out, and why."""

    where: str
    file: str
    reason: str


@dataclass
class Labels:
    """All rows of a set, right and wrong."""

    name: str
    rows: list[Row] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)
    # Columns of the table that nobody asked for.
    unused: list[str] = field(default_factory=list)

    def take(self, row: Row | Wrong) -> None:
        """Adds a row where it belongs."""
        (self.wrong if isinstance(row, Wrong) else self.rows).append(row)


def read_csv(path: Path, classes: tuple[str, ...] = CLASSES) -> Labels:
    """A table with a header; `file` is relative to the table's folder, and other columns may be missing or empty."""
    labels = Labels(str(path))
    for line, fields, columns in _table(path, ["file"]):
        labels.unused = [column for column in columns if column not in COLUMNS]
        labels.take(_csv_row(f"{path.name}:{line}", fields, path.parent, classes))
    return labels


def _csv_row(where: str, fields: dict[str, str], folder: Path, classes: tuple[str, ...]) -> Row | Wrong:
    name = fields.get("file", "")
    if not name:
        return Wrong(where, "", "the column `file` is empty")
    if None in fields:
        return Wrong(where, name, "more fields than the header has: a text with commas needs quotes")
    known = {column: fields.get(column) or None for column in COLUMNS if column not in ("file", "speech")}
    if known["sentiment"] not in (None, *classes):
        return Wrong(where, name, f"unknown sentiment `{known['sentiment']}`: known are {', '.join(classes)}")
    try:
        speech = segments(fields["speech"]) if fields.get("speech") is not None else None
    except ValueError as error:
        return Wrong(where, name, f"`speech` cannot be read: {error}")
    return Row(where, folder / name, **known, speech=speech)


def segments(text: str) -> tuple[tuple[float, float], ...] | None:
    """Reads `0.5-1.25;2-3`, seconds; `none` says that there is no speech, and nothing says that nothing is known."""
    if not text:
        return None
    found = []
    for part in [] if text == "none" else text.split(";"):
        start, separator, end = part.strip().partition("-")
        if not separator:
            raise ValueError(f"`{part}` is not START-END in seconds")
        try:
            found.append((float(start), float(end)))
        except ValueError:
            raise ValueError(f"`{part}` is not START-END in seconds") from None
    followers = [start for start, _ in found[1:]] + [math.inf]
    for (start, end), after in zip(found, followers, strict=False):
        if not (0 <= start < end <= after and end < math.inf):
            raise ValueError(f"`{start:g}-{end:g}` does not end after it starts, or overlaps what follows")
    return tuple(found)


# Livingstone and Russo 2018, doi:10.1371/journal.pone.0196391: the third part of a file's name.
RAVDESS_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
RAVDESS_STATEMENTS = ("Kids are talking by the door", "Dogs are sitting by the door")
RAVDESS_INTENSITIES = ("normal", "strong")
# What a listener would call the emotions in three classes; surprise of RAVDESS is the pleasant kind by convention here.
RAVDESS_SENTIMENTS = {
    **dict.fromkeys(("sad", "angry", "fearful", "disgust"), "negative"),
    **dict.fromkeys(("neutral", "calm"), "neutral"),
    **dict.fromkeys(("happy", "surprised"), "positive"),
}


def ravdess(folder: Path) -> Labels:
    """The speech of RAVDESS, from the names of the recordings in the folder and below."""
    labels = Labels(f"RAVDESS, {folder}")
    for file in recordings(folder):
        labels.take(_ravdess_row(file, str(file.relative_to(folder))))
    return labels


def _ravdess_row(file: Path, name: str) -> Row | Wrong:
    parts = file.stem.split("-")
    if len(parts) != 7 or not all(len(part) == 2 and part.isdecimal() for part in parts):
        return Wrong(name, name, "not a name of RAVDESS: seven numbers of two digits")
    modality, channel, emotion, intensity, statement, _, actor = map(int, parts)
    if (modality, channel) != (3, 1):
        return Wrong(name, name, "not audio of speech (03-01): RAVDESS has videos and songs, too")
    try:
        emotion_name = _item(RAVDESS_EMOTIONS, emotion, "emotion")
        return Row(
            name,
            file,
            transcript=_item(RAVDESS_STATEMENTS, statement, "statement"),
            sentiment=RAVDESS_SENTIMENTS[emotion_name],
            emotion=emotion_name,
            speaker=f"{actor:02}",
            gender="male" if actor % 2 else "female",
            intensity=_item(RAVDESS_INTENSITIES, intensity, "intensity"),
        )
    except ValueError as error:
        return Wrong(name, name, str(error))


def _item(names: tuple[str, ...], number: int, what: str) -> str:
    if not 1 <= number <= len(names):
        raise ValueError(f"RAVDESS has no {what} {number:02}")
    return names[number - 1]


def meld(table: Path, audio: Path) -> Labels:
    """MELD (Poria et al. 2019): one of its tables, and a folder of recordings named dia3_utt7.flac or the like."""
    needed = ["Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"]
    if not audio.is_dir():
        raise EvaluationError(f"{audio} is no folder: `--audio` is where the recordings of MELD are")
    files: dict[str, list[Path]] = {}
    for file in recordings(audio):
        files.setdefault(file.stem, []).append(file)
    labels = Labels(f"MELD, {table}")
    for line, fields, _ in _table(table, needed):
        where, name = f"{table.name}:{line}", f"dia{fields['Dialogue_ID']}_utt{fields['Utterance_ID']}"
        if name not in files:
            labels.take(Wrong(where, name, f"no recording of this name in {audio}"))
        elif len(files[name]) > 1:
            labels.take(Wrong(where, name, _several(files[name], audio)))
        elif fields["Sentiment"] not in CLASSES:
            labels.take(Wrong(where, name, f"unknown sentiment `{fields['Sentiment']}`"))
        else:
            labels.take(
                Row(
                    where,
                    files[name][0],
                    transcript=fields["Utterance"] or None,
                    sentiment=fields["Sentiment"],
                    emotion=fields["Emotion"] or None,
                    speaker=fields["Speaker"] or None,
                )
            )
    return labels


def _several(files: list[Path], audio: Path) -> str:
    """MELD counts dialogues anew in train, dev and test, so that a name alone does not say which recording is meant."""
    names = ", ".join(str(file.relative_to(audio)) for file in files)
    return f"several recordings of this name: {names}; give `--audio` the folder of the one part that the table is of"


def plain_folder(folder: Path, classes: tuple[str, ...] = CLASSES) -> Labels:
    """A folder whose sub-folders are named like the sentiment of the recordings in them."""
    labels = Labels(str(folder))
    for file in recordings(folder):
        name = str(file.relative_to(folder))
        label = file.relative_to(folder).parts[0] if file.parent != folder else ""
        if label in classes:
            labels.take(Row(name, file, sentiment=label))
        elif label:
            labels.take(Wrong(name, name, f"unknown sentiment `{label}`: known are {', '.join(classes)}"))
        else:
            labels.take(Wrong(name, name, "not in a sub-folder that is named like a sentiment"))
    return labels


def recordings(folder: Path) -> Iterable[Path]:
    """All recordings in a folder and below, in the order of their names."""
    if not folder.is_dir():
        raise EvaluationError(f"{folder} is no folder")
    found = [file for file in sorted(folder.rglob("*")) if file.suffix.lower().lstrip(".") in EXTENSIONS]
    if not found:
        raise EvaluationError(f"there are no recordings in {folder}")
    return found


def _table(path: Path, needed: list[str]) -> Iterable[tuple[int, dict[str, str], list[str]]]:
    """The rows of a CSV with the line on which each ends."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as table:
            reader = csv.DictReader(table)
            columns = list(reader.fieldnames or [])
            missing = [column for column in needed if column not in columns]
            if missing:
                raise EvaluationError(f"{path} has no column {', '.join(missing)}; its header is: {', '.join(columns)}")
            for fields in reader:
                yield reader.line_num, {key: _stripped(value) for key, value in fields.items()}, columns
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{path} is not UTF-8: {error}. Save it as UTF-8.") from error
    except csv.Error as error:
        raise EvaluationError(f"{path} cannot be read as CSV: {error}") from error


def _stripped(value):
    return value.strip() if isinstance(value, str) else value


def check(
    labels: Labels, look: Callable[[Path], tuple[str, float | None]], seen: Callable[[], None] = lambda: None
) -> None:
    """Moves rows to the wrong ones whose recording is missing, is there twice, or is not what `look` accepts.

    `look` gives a reason, or nothing, and the recording's seconds, if it knows them, with which reference segments are
    compared; `seen` is called for each row.
    """
    right, files = [], {}
    for row in labels.rows:
        reason = _problem(row, files)
        if not reason:
            reason, seconds = look(row.file)
            reason = reason or (beyond(row, seconds) if seconds is not None else "")
        if reason:
            labels.wrong.append(Wrong(row.where, str(row.file), reason))
        else:
            files[row.file.resolve()] = row.where
            right.append(row)
        seen()
    labels.rows = right


def beyond(row: Row, seconds: float) -> str:
    """How the reference segments go beyond the end of a recording of so many seconds; nothing if they do not."""
    end = row.speech[-1][1] if row.speech else 0.0
    if end <= seconds + BEYOND_SECONDS:
        return ""
    return f"`speech` goes on to {end:g} s, and the recording ends at {seconds:.2f} s; segments are in seconds"


def _problem(row: Row, files: dict[Path, str]) -> str:
    if not row.file.is_file():
        return "there is no such file"
    if row.file.suffix.lower().lstrip(".") not in EXTENSIONS:
        return f"`{row.file.suffix}` is no recording that the source takes"
    if row.file.resolve() in files:
        return f"the same file as in {files[row.file.resolve()]}"
    return ""


def fold(labels: Labels, count: int) -> None:
    """Gives each row its fold: speakers in the order of their names, in turn."""
    missing = [row for row in labels.rows if not row.speaker]
    speakers = {row.speaker for row in labels.rows if row.speaker}
    if missing:
        raise EvaluationError(f"`--folds {count}`: folds are by speaker, and {missing[0].where} has none")
    if len(speakers) < count:
        raise EvaluationError(f"`--folds {count}`: {labels.name} has {len(speakers)} speakers")
    of_speaker = in_turn(speakers, count)
    labels.rows = [replace(row, fold=of_speaker[row.speaker] + 1) for row in labels.rows]


def in_turn(names: Iterable[str], count: int) -> dict[str, int]:
    """The fold of each name, from 0: in their order and in turn, so that folds are of one size, and always the same."""
    return {name: place % count for place, name in enumerate(sorted(names))}
