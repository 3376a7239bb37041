"""All figures of an evaluation, as one structure for JSON; `markdown` and `plots` show them."""

import functools
from dataclasses import dataclass

import numpy

from . import metrics, prediction, resampling, voice_activity, words
from .graph import Graph
from .labels import Labels, Row
from .outcome import RATE
from .prediction import Predictions

GROUPS = ("speaker", "gender", "emotion", "intensity")
PARTS = ("worked", "queued", "transport")


@dataclass
class Run:
    """What was measured: rows with their sessions, in the same order, and what the batches tell."""

    graph: Graph
    labels: Labels
    rows: list[Row]
    sessions: list[dict]
    batches: list[dict]
    classes: tuple[str, ...]
    collar: tuple[float, float]
    overrides: dict[str, str]

    @functools.cached_property
    def clusters(self) -> list[str]:
        """What is drawn in a bootstrap: speakers, or files if one of them has no speaker."""
        return [row.speaker or "" for row in self.rows] if self.by_speaker else [str(row.file) for row in self.rows]

    @property
    def by_speaker(self) -> bool:
        """Whether all files have a speaker."""
        return all(row.speaker for row in self.rows)


def build(run: Run) -> tuple[dict, list[Predictions]]:
    """The report, and the predictions that it is made of."""
    predictions = prediction.predictions(run.rows, run.sessions, run.classes)
    texts = _texts(run)
    errors = {wire: _word_errors(run, wire, found) for wire, found in texts.items()}
    report = {
        "format": 2,
        "graph": {"file": str(run.graph.path), "lacks": run.graph.lacks(), "arguments": run.overrides},
        "labels": _set(run),
        "bootstrap": {
            "over": "speakers" if run.by_speaker else "files",
            "clusters": len(set(run.clusters)),
            "resamples": resampling.RESAMPLES,
            "seed": resampling.SEED,
            "interval": 0.95,
        },
        "results": _results(run),
        "inputs": prediction.inputs(run.rows, run.sessions),
        "classification": [_classification(run, one) for one in predictions],
        "folds": _folds(run, predictions),
        "words": {wire: _words(run, found) for wire, found in errors.items() if found},
        "normaliser": words.normaliser(),
        "voice_activity": {wire: _voice_activity(run, wire) for wire in run.graph.speech if _with_speech(run)},
        "groups": {column: _groups(run, column, predictions, errors) for column in GROUPS if _has(run, column)},
        "latency_ms": _latency(run),
        "exceptions": [one for batch in run.batches for one in batch["exceptions"]],
        "cost": _cost(run),
        "nodes": _nodes(run),
        "host": run.batches[0]["host"] if run.batches else {},
    }
    return report, predictions


def table(run: Run, predictions: list[Predictions]) -> list[dict]:
    """What came of each file: a row for a table."""
    found = []
    for place, (row, session) in enumerate(zip(run.rows, run.sessions, strict=True)):
        known = {name: getattr(row, name) or "" for name in ("transcript", "sentiment", *GROUPS)}
        cells = {
            "file": str(row.file),
            "seconds": session["samples"] / RATE,
            "segments": len(session["results"]),
            **known,
        }
        for wire, segments in session["segments"].items():
            cells[f"{wire}: segments"] = ";".join(f"{start / RATE:.3f}-{end / RATE:.3f}" for start, end in segments)
        for wire, texts in session["transcripts"].items():
            cells[f"{wire}: text"] = " ".join(texts)
        for one in predictions:
            cells |= _cells(one, place)
        found.append(cells)
    return found


def _cells(one: Predictions, file: int) -> dict:
    place = numpy.flatnonzero(one.files == file)
    known = len(place) and one.there[place[0]]
    values = one.probabilities[place[0]] if known else [""] * len(one.classes)
    label = one.classes[one.labels[place[0]]] if known else ""
    return {one.name: label, **{f"{one.name}: {name}": value for name, value in zip(one.classes, values, strict=True)}}


def _set(run: Run) -> dict:
    return {
        "name": run.labels.name,
        "files": len(run.rows),
        "seconds": sum(session["samples"] for session in run.sessions) / RATE,
        "wrong": [vars(wrong) for wrong in run.labels.wrong],
        "unused_columns": run.labels.unused,
    }


def _results(run: Run) -> dict:
    """How the graph answered, over segments and files."""
    results = [result for session in run.sessions for result in session["results"]]
    if not run.graph.sentiment:
        return {}
    profiles = sorted({result["profile"] for result in results})
    silent = [str(row.file) for row, session in zip(run.rows, run.sessions, strict=True) if not _answered(session)]
    return {
        "segments": len(results),
        # None where no model looks for them, which is not the same as none found.
        "anomalies": _share(results, "anomaly") if any(map(_looked_for_anomalies, results)) else None,
        "abstained": _share(results, "abstained"),
        # With less effort than the graph asks for, because results were late.
        "degraded": {
            "segments": sum(bool(result.get("degraded")) for result in results),
            "share": _share(results, "degraded"),
        },
        "profiles": {name: sum(result["profile"] == name for result in results) for name in profiles},
        "files_without_prediction": silent,
    }


def _share(results: list[dict], flag: str) -> float | None:
    """The share of results with the flag; the sink leaves out some fields that are empty."""
    return sum(bool(result.get(flag)) for result in results) / len(results) if results else None


def _looked_for_anomalies(result: dict) -> bool:
    """Whether a model told how unlike clean speech this is; a model that does not look for it has no such field."""
    return any(one.get("anomaly") is not None for one in prediction.contributions(result))


def _answered(session: dict) -> bool:
    return any(result["probabilities"] for result in session["results"])


def _classification(run: Run, one: Predictions) -> dict:
    sums = metrics.of_files(one)
    whole = metrics.weigh(sums, numpy.ones(len(one.files)))
    clusters = [run.clusters[place] for place in one.files]
    return {
        "name": one.name,
        "target": one.target,
        "files": len(one.files),
        "without_prediction": [str(run.rows[place].file) for place in one.files[~one.there]],
        "metrics": resampling.estimate(lambda weights: metrics.metrics(metrics.weigh(sums, weights)), clusters),
        "confusion": {
            "classes": one.classes,
            "predicted": [*one.classes, "none"],
            "files": whole.confusion.astype(int).tolist(),
        },
        "reliability": metrics.reliability(whole),
        "risk_coverage": metrics.risk_coverage(one),
    }


def _folds(run: Run, predictions: list[Predictions]) -> list[dict]:
    """Mean and deviation of the metrics over folds; nothing if there are none."""
    numbers = sorted({row.fold for row in run.rows if row.fold is not None})
    found = []
    for one in predictions if numbers else []:
        fold = numpy.array([run.rows[place].fold for place in one.files])
        sums = metrics.of_files(one)
        by_fold = [metrics.metrics(metrics.weigh(sums, (fold == number).astype(float))) for number in numbers]
        values = {name: [float(of_fold[name]) for of_fold in by_fold] for name in by_fold[0]}
        found.append(
            {
                "name": one.name,
                "target": one.target,
                "metrics": {
                    name: {"mean": float(numpy.mean(each)), "deviation": float(numpy.std(each)), "values": each}
                    for name, each in values.items()
                },
            }
        )
    return found


def _nodes(run: Run) -> dict[str, dict]:
    """What the nodes were, with all models that they had in the batches, of which folds may have several."""
    found: dict[str, dict] = {}
    for batch in run.batches:
        for name, node in batch["nodes"].items():
            models = {**(found.get(name, {}).get("models") or {}), **(node.get("models") or {})}
            found[name] = {**node, "models": models}
    return found


def _texts(run: Run) -> dict[str, list[str]]:
    """What each wire of transcripts says of each file."""
    return {
        wire: [" ".join(session["transcripts"][wire]) for session in run.sessions] for wire in run.graph.transcripts
    }


def _word_errors(run: Run, wire: str, texts: list[str]) -> dict[int, words.WordErrors]:
    """The errors of the files that have a transcript, by file."""
    known = [(place, row.transcript) for place, row in enumerate(run.rows) if row.transcript is not None]
    return {place: words.compare(transcript, texts[place]) for place, transcript in known}


def _words(run: Run, errors: dict[int, words.WordErrors]) -> dict:
    clusters = [run.clusters[place] for place in errors]
    found = list(errors.values())
    return {
        "files": len(found),
        "words": sum(one.words for one in found),
        "errors": sum(one.errors for one in found),
        "rates": resampling.estimate(words.rates(found), clusters),
    }


def _groups(run: Run, column: str, predictions: list[Predictions], errors: dict) -> dict[str, dict]:
    """Metrics of all predictions of sentiment and of the first words, by the values of a column."""
    values = sorted({getattr(row, column) for row in run.rows} - {None})
    found = {}
    for value in values:
        members = {place for place, row in enumerate(run.rows) if getattr(row, column) == value}
        found[value] = {"files": len(members), "metrics": {}, "wer": None}
        for one in predictions:
            if one.target == "sentiment" and (known := _of_members(run, one, members)):
                found[value]["metrics"][one.name] = known
        for known in list(errors.values())[:1]:
            of_members = {place: one for place, one in known.items() if place in members}
            if of_members:
                found[value]["wer"] = _words(run, of_members)["rates"]["wer"]
    return found


def _of_members(run: Run, one: Predictions, members: set[int]) -> dict:
    chosen = numpy.array([place in members for place in one.files])
    if not chosen.any():
        return {}
    part = Predictions(
        one.name, one.target, one.classes, one.truth[chosen], one.probabilities[chosen], one.files[chosen]
    )
    return _classification(run, part)["metrics"]


def _has(run: Run, column: str) -> bool:
    return any(getattr(row, column) for row in run.rows)


def _with_speech(run: Run) -> list[int]:
    return [place for place, row in enumerate(run.rows) if row.speech is not None]


def _voice_activity(run: Run, wire: str) -> dict:
    """Frames, onsets and ends of the files with reference segments."""
    places = _with_speech(run)
    clusters = [run.clusters[place] for place in places]
    files = [
        (
            list(run.rows[place].speech),
            [(start / RATE, end / RATE) for start, end in run.sessions[place]["segments"][wire]],
            run.sessions[place]["samples"] / RATE,
        )
        for place in places
    ]
    conventions = {
        "as delivered": [voice_activity.compare(*file) for file in files],
        "with collar": [voice_activity.compare(*file, run.collar) for file in files],
        "without padding": [
            voice_activity.compare(reference, voice_activity.trim(found, *run.collar), seconds)
            for reference, found, seconds in files
        ],
    }
    pairs = [
        (cluster, *pair)
        for cluster, (reference, found, _) in zip(clusters, files, strict=True)
        for pair in voice_activity.pairs(reference, found)
    ]
    of_pairs = [cluster for cluster, _, _ in pairs]
    return {
        "files": len(files),
        "collar_seconds": list(run.collar),
        "reference_segments": sum(len(reference) for reference, _, _ in files),
        "found_segments": sum(len(found) for _, found, _ in files),
        "matched_segments": len(pairs),
        "frames": {
            name: resampling.estimate(voice_activity.rates(each), clusters) for name, each in conventions.items()
        },
        "onset_seconds": _errors([onset for _, onset, _ in pairs], of_pairs),
        "end_seconds": _errors([end for _, _, end in pairs], of_pairs),
    }


def _errors(values: list[float], clusters: list[str]) -> dict:
    """Signed and absolute errors; above zero is late."""
    if not values:
        return {}
    return {
        **resampling.estimate(voice_activity.medians(values), clusters),
        "absolute_p90": float(numpy.percentile(numpy.abs(values), 90)),
    }


def _latency(run: Run) -> dict[str, dict]:
    """Milliseconds in each stage, of all results that tell."""
    found: dict[str, list[dict]] = {}
    for session in run.sessions:
        for result in session["results"]:
            for stage, parts in ((result.get("latency_ms") or {}).get("stages") or {}).items():
                found.setdefault(stage, []).append(parts)
    return {
        stage: {
            part: {
                name: float(numpy.percentile([one[part] for one in all_parts], percent, method="inverted_cdf"))
                for name, percent in (("p50", 50), ("p95", 95))
            }
            for part in PARTS
        }
        for stage, all_parts in found.items()
    }


def _cost(run: Run) -> dict:
    """Processor and wall time of the graph's runs, for each second of the recordings that went through."""
    seconds = sum(session["samples"] for batch in run.batches for session in batch["sessions"].values()) / RATE
    costs = [batch["cost"] for batch in run.batches]
    processor = sum(cost["processor_seconds"] for cost in costs)
    wall = sum(cost["wall_seconds"] for cost in costs)
    return {
        "runs": len(run.batches),
        "audio_seconds": seconds,
        "processor_seconds": processor,
        "wall_seconds": wall,
        "processor_seconds_per_audio_second": processor / seconds if seconds else None,
        "real_time_factor": wall / seconds if seconds else None,
    }
