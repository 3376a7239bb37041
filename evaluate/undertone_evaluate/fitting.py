"""Fits a model of fusion to evaluations: how much each input counts, on speech like that which was evaluated.

Of each recording that has a label, the probabilities are those that `files.csv` has of fusion's inputs, calibrated as they
went into it. Each set of inputs that may have an estimate of an utterance is fitted for itself: all of them, and each part
of them, as where nothing was understood. What is told of how good it is comes from folds by speaker that the fit has not
seen.
"""

import argparse
import csv
import itertools
import json
from pathlib import Path

import numpy

from . import markdown, metrics, pools, resampling
from .errors import EvaluationError
from .hashing import sha256
from .labels import in_turn
from .pools import Results
from .prediction import FUSION, Predictions

FOLDS = 5
# Below so many recordings of a label the weights say little of that label.
FEW = 30
COVERAGES = (0.9, 0.7, 0.5)
FIGURES = ("uar", "accuracy", "ece", "brier", "log_loss")
DESCRIPTION = """Fits a model of fusion to one or more evaluations of a graph with labelled recordings of your own: learned weights,
their calibration, and the confidence that leaves a stated share of the results. The fusion node takes it with `--model
FOLDER --weighting learned`."""


def main(arguments: list[str]) -> None:
    """`evaluate fit`."""
    options = _parser().parse_args(arguments)
    evaluations = [Evaluation(folder) for folder in options.evaluations]
    known = _joined(evaluations)
    results, clusters = known.results()
    sets = [list(inputs) for count in range(len(known.models), 0, -1) for inputs in itertools.combinations(known.models, count)]
    fits, found = [], []
    for inputs in sets:
        there = numpy.all([~numpy.isnan(results.of[name]).any(axis=1) for name in inputs], axis=0)
        part, speakers = results.where(there), [one for one, kept in zip(clusters, there, strict=True) if kept]
        if len(inputs) == len(known.models):
            as_it_was = known.probabilities(FUSION)[there]
            found.append(_figures("fusion, as it was in the graph", known.classes, part, as_it_was, speakers))
        _require_enough(known, part, inputs)
        fits.append({"models": [known.models[name] for name in inputs], "learned": pools.learned(part, inputs)})
        found.append(_figures(f"{' and '.join(inputs)}, learned", known.classes, part, pools.held_out(part, inputs), speakers))
    _write(options.output, known, fits, found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="evaluate fit", description=DESCRIPTION)
    parser.add_argument("evaluations", type=Path, nargs="+", metavar="FOLDER", help="what evaluations wrote (`--output`)")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder of the model")
    return parser


class Evaluation:
    """What an evaluation says of its labelled recordings."""

    def __init__(self, folder: Path):
        self.folder = folder
        try:
            report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
            with (folder / "files.csv").open(encoding="utf-8", newline="") as file:
                self.rows = [row for row in csv.DictReader(file) if row["sentiment"]]
        except FileNotFoundError as error:
            raise EvaluationError(f"{folder} is no evaluation that has come to its end: {error.filename} is missing") from error
        except (ValueError, KeyError) as error:
            raise EvaluationError(f"{folder} cannot be read as an evaluation: {error!r}") from error
        self.name = report["labels"]["name"]
        inputs = report.get("inputs")
        if inputs is None:
            raise EvaluationError(f"{folder} was written before fusion could be fitted to it: give its command again")
        if not inputs:
            raise EvaluationError(f"{folder} has no inputs of fusion: evaluate a graph with results, on rows with a sentiment")
        for name, models in inputs.items():
            if len(models) != 1 or not models[0]:
                told = ", ".join(models) or "none"
                raise EvaluationError(f"{folder}: fusion is fitted to one model for each input, and {name} had {told}")
        self.models = {name: models[0] for name, models in inputs.items()}
        whole = [one for one in report["classification"] if one["name"] == FUSION]
        self.classes = sorted(whole[0]["confusion"]["classes"]) if whole else []
        if not self.rows or not self.classes:
            raise EvaluationError(f"{folder} has no recording with a sentiment")

    def probabilities(self, name: str) -> numpy.ndarray:
        """Of an input or of fusion, [recordings, classes]; not-a-number where there are none."""
        cells = [[row[f"{name}: {label}"] for label in self.classes] for row in self.rows]
        return numpy.array([[float(cell) if cell else numpy.nan for cell in row] for row in cells])

    def results(self) -> tuple[Results, list[str]]:
        """Everything that is known, and the speaker of each, or the recording where a speaker is missing."""
        labels = numpy.array([self.classes.index(row["sentiment"]) for row in self.rows])
        by_speaker = all(row["speaker"] for row in self.rows)
        clusters = [row["speaker" if by_speaker else "file"] for row in self.rows]
        fold_of = in_turn(set(clusters), FOLDS)
        fold = numpy.array([fold_of[name] for name in clusters])
        return Results({name: self.probabilities(name) for name in self.models}, labels, fold), clusters


def _joined(evaluations: list[Evaluation]) -> Evaluation:
    """All of them as one."""
    first = evaluations[0]
    for other in evaluations[1:]:
        if (other.models, other.classes) != (first.models, first.classes):
            raise EvaluationError(
                f"{other.folder} is of other models or labels than {first.folder}: {_told(other)} there, {_told(first)} here"
            )
        first.rows += other.rows
        first.name += f", {other.name}"
    files = [row["file"] for row in first.rows]
    twice = sorted({file for file in files if files.count(file) > 1})
    if twice:
        raise EvaluationError(f"{len(twice)} recordings are in more than one evaluation: {', '.join(twice[:3])}")
    return first


def _told(evaluation: Evaluation) -> str:
    models = ", ".join(f"{name} {model}" for name, model in evaluation.models.items())
    return f"{models}; {', '.join(evaluation.classes)}"


def _require_enough(known: Evaluation, results: Results, inputs: list[str]) -> None:
    for number, label in enumerate(known.classes):
        here = results.labels == number
        if len(set(results.fold[here])) < 2:
            raise EvaluationError(
                f"{' and '.join(inputs)}: {here.sum()} recordings labelled {label}, of too few speakers: each label needs "
                "recordings of two speakers or more, so that what is learned of some can be measured on others"
            )
        if here.sum() < FEW:
            print(f"note: {' and '.join(inputs)}: only {here.sum()} recordings labelled {label}, which say little of it")


def _figures(name: str, classes: list[str], results: Results, probabilities: numpy.ndarray, clusters: list[str]) -> dict:
    files = numpy.arange(len(results.labels))
    one = Predictions(name, "sentiment", classes, results.labels, probabilities, files)
    sums = metrics.of_files(one)
    surest = numpy.argsort(-numpy.nan_to_num(probabilities).max(axis=1), kind="stable")
    right = (one.labels == one.truth)[surest]
    return {
        "name": name,
        "target": "sentiment",
        "files": len(files),
        "metrics": resampling.estimate(lambda weights: metrics.metrics(metrics.weigh(sums, weights)), clusters),
        "surest": [float(right[: max(1, round(share * len(right)))].mean()) for share in COVERAGES],
        "reliability": metrics.reliability(metrics.weigh(sums, numpy.ones(len(files)))),
    }


def _write(folder: Path, known: Evaluation, fits: list[dict], found: list[dict]) -> None:
    # Plots take a second to load.
    from . import plots

    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.json"
    config.write_text(pools.configuration(known.classes, fits), encoding="utf-8")
    plots.draw_reliability(found, folder / "reliability.png")
    text = _card(folder.resolve().name, known, found)
    (folder / "README.md").write_text(text, encoding="utf-8")
    manifest = {
        "name": folder.resolve().name,
        "source": f"`evaluate fit` on {known.name}",
        "files": {"config.json": sha256(config)},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(text)
    print(f"written to {folder}; in the graph: fusion with `--model {folder.resolve()} --weighting learned`")


def _card(name: str, known: Evaluation, found: list[dict]) -> str:
    header = ["", "recordings", *(markdown.NAMES[key] for key in FIGURES), *(f"surest {share:.0%}" for share in COVERAGES)]
    rows = [
        [
            one["name"],
            str(one["files"]),
            *(markdown.interval(one["metrics"][key], key in markdown.SHARES) for key in FIGURES),
            *(f"{100 * share:.1f} %" for share in one["surest"]),
        ]
        for one in found
    ]
    models = [f"- {name}: `{model}`" for name, model in known.models.items()]
    return "\n".join(
        [
            f"# {name}: a model of fusion",
            "",
            f"Fitted by `evaluate fit` on {len(known.rows)} recordings of {known.name}, to:",
            "",
            *models,
            "",
            "Figures of the learned weights are of speakers (or recordings, where not all have a speaker) that the fit had not "
            "seen, with 95 % intervals; the last columns are the accuracy of the surest so many results.",
            "",
            markdown.table(header, rows),
            "",
            "![reliability](reliability.png)",
            "",
        ]
    )
