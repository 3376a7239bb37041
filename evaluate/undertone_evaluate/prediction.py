"""One prediction for a file from the segments that the graph found in it.

A label belongs to a file, and a file may come to have several segments or none. A file's probabilities are the mean of
those of its final segments, each weighted by its duration. A file without a segment, or without an estimate in any,
has no prediction: it counts as wrong wherever labels are compared, and is left out, and counted, where probabilities
are.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy

from .errors import EvaluationError

FUSION = "fusion"
# Fields of the sink's results that hold one modality's contribution.
CONTRIBUTIONS = ("text_sentiment", "audio_sentiment")
# What tells fusion's inputs apart in a result: modality, model, and which of those that have both the same.
Input = tuple[str, str, int]


@dataclass
class Predictions:
    """What one part of the graph says of the files, in their order."""

    name: str
    target: str  # the column of the labels that it is compared with
    classes: list[str]
    truth: numpy.ndarray  # [files], index of the class
    probabilities: numpy.ndarray  # [files, classes], not-a-number where there is no prediction
    files: numpy.ndarray  # [files], which of all files these are

    @property
    def there(self) -> numpy.ndarray:
        """Which files have a prediction."""
        return ~numpy.isnan(self.probabilities).any(axis=1)

    @property
    def labels(self) -> numpy.ndarray:
        """The likeliest class of each file, the first of equals; the number of classes if there is no prediction."""
        filled = numpy.where(self.there[:, None], self.probabilities, 0.0)
        return numpy.where(self.there, filled.argmax(axis=1), len(self.classes))


def predictions(rows: list, sessions: list[dict], classes: tuple[str, ...]) -> list[Predictions]:
    """Fusion's predictions, then those of its inputs, then those of estimates of emotions."""
    found = []
    named = _named_by_fold(rows, sessions)
    estimates = [_sentiments(session, named[row.fold]) for row, session in zip(rows, sessions, strict=True)]
    names = list(dict.fromkeys(name for estimate in estimates for name in estimate))
    for name in sorted(names, key=lambda name: (name != FUSION, name)):
        of_files = [_pooled(estimate.get(name, [])) for estimate in estimates]
        found.append(_compare(name, "sentiment", rows, of_files, list(classes)))
    return [one for one in [*found, *_emotions(rows, sessions)] if one is not None]


def inputs(rows: list, sessions: list[dict]) -> dict[str, list[str]]:
    """Fusion's inputs by the names of their predictions: their models, of which folds may have several."""
    models: dict[str, set[str]] = {}
    for named in _named_by_fold(rows, sessions).values():
        for (_, model, _), name in named.items():
            models.setdefault(name, set()).add(model)
    return {name: sorted(models[name]) for name in sorted(models)}


def contributions(result: dict) -> list[dict]:
    """What each of fusion's inputs brought to a result, in the order of the JSON."""
    return [one for one in [*map(result.get, CONTRIBUTIONS), *result.get("other_sentiments", [])] if one]


def _inputs(result: dict) -> Iterable[tuple[Input, dict]]:
    """Fusion sorts its inputs by modality and name, so that two with the same model are in the same order each time."""
    before: Counter = Counter()
    for contribution in contributions(result):
        known = (contribution["modality"], contribution["model"])
        before[known] += 1
        yield (*known, before[known]), contribution


def _named_by_fold(rows: list, sessions: list[dict]) -> dict[int | None, dict[Input, str]]:
    """The names of each fold's inputs, whose models are its own."""
    together: dict[int | None, list[dict]] = {}
    for row, session in zip(rows, sessions, strict=True):
        together.setdefault(row.fold, []).append(session)
    return {fold: _named(members) for fold, members in together.items()}


def _named(sessions: list[dict]) -> dict[Input, str]:
    """The inputs that have a row of their own, with its name: the modality, and the model where it has several."""
    results = [result for session in sessions for result in session["results"]]
    modalities: dict[str, set[Input]] = {}
    for one in {one for result in results for one, _ in _inputs(result)}:
        modalities.setdefault(one[0], set()).add(one)
    named = {}
    for modality, inputs in modalities.items():
        # An input that ended before it named its model has given no estimate: no model of its own beside others.
        inputs = {one for one in inputs if one[1]} or inputs
        named |= {one: _name(one) if len(inputs) > 1 else modality for one in inputs}
    return named


def _name(one: Input) -> str:
    modality, model, place = one
    return f"{modality} ({model})" if place == 1 else f"{modality} ({model}), {place}"


def _sentiments(session: dict, named: dict[Input, str]) -> dict[str, list[tuple[float, dict[str, float]]]]:
    """Duration in samples and probabilities of each segment, of fusion and of what it has fused."""
    found: dict[str, list] = {}
    for result in session["results"]:
        duration = result["end_sample"] - result["start_sample"]
        found.setdefault(FUSION, []).append((duration, result["probabilities"]))
        for one, contribution in _inputs(result):
            if one in named:
                found.setdefault(named[one], []).append((duration, contribution["probabilities"]))
    return found


def _pooled(segments: list[tuple[float, dict[str, float]]]) -> dict[str, float]:
    """The mean of the segments that have probabilities, weighted by duration; nothing if there is none."""
    segments = [(duration, values) for duration, values in segments if values and duration > 0]
    whole = sum(duration for duration, _ in segments)
    pooled: dict[str, float] = {}
    for duration, values in segments:
        for label, value in values.items():
            pooled[label] = pooled.get(label, 0.0) + value * duration / whole
    return pooled


def _emotions(rows: list, sessions: list[dict]) -> list[Predictions | None]:
    """Estimates of a wire that tell the set's emotions: beside its labels, or as its labels before fusion maps them."""
    found = []
    for wire in sessions[0]["emotions"] if sessions else []:
        of_files, labels = [], {}
        for session in sessions:
            messages = session["emotions"][wire]
            told = [_told(message) for message in messages]
            labels |= dict.fromkeys(label for values in told for label in values)
            durations = [message["end"] - message["start"] for message in messages]
            of_files.append(_pooled(list(zip(durations, told, strict=True))))
        emotions = {row.emotion for row in rows if row.emotion}
        if emotions and emotions <= set(labels):
            found.append(_compare(wire, "emotion", rows, of_files, list(labels)))
    return found


def _told(message: dict) -> dict[str, float]:
    """The emotions of a message, or its labels if the model tells nothing finer."""
    finer = message["emotions"]
    names, values = (finer, message["emotion_probabilities"]) if finer else (message["labels"], message["probabilities"])
    return dict(zip(names, values, strict=True))


def _compare(name: str, target: str, rows: list, of_files: list[dict], classes: list[str]) -> Predictions | None:
    labelled = [place for place, row in enumerate(rows) if getattr(row, target) is not None]
    if not labelled:
        return None
    strange = sorted({label for values in of_files for label in values} - set(classes))
    if strange:
        raise EvaluationError(
            f"{name} gives the labels {', '.join(strange)}, and the set's are {', '.join(classes)}: "
            "give the graph's with `--classes`, or map them in the graph (fusion's `--map`)"
        )
    values = [
        [of_files[place].get(label, 0.0) if of_files[place] else numpy.nan for label in classes] for place in labelled
    ]
    truth = numpy.array([classes.index(getattr(rows[place], target)) for place in labelled])
    return Predictions(name, target, classes, truth, numpy.array(values, dtype=float), numpy.array(labelled))
