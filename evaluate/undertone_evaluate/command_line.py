"""The arguments, what is printed, and the order of things."""

import argparse
import csv
import fcntl
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import batch as batches
from . import graph as graphs
from . import labels as sets
from . import mixtures, sound
from .arguments import positive
from .errors import EvaluationError
from .graph import PROGRAMS, REPOSITORY, Graph
from .labels import CLASSES, Labels, Row, Wrong
from .outcome import RATE

DESCRIPTION = """Runs a labelled set of recordings through a graph, as fast as it goes, and writes a report of how well
it did: report.md, report.json, files.csv and plots. What was interrupted goes on where it was when the command is given
again."""
EPILOG = """The columns of --labels: file (relative to the table), and any of transcript, sentiment, emotion, speaker,
gender, intensity, speech (reference segments in seconds, as 0.5-1.25;2-3, or none). `evaluate mixtures --help` makes a set
for voice activity detection."""
# The vad's own padding by default, which the frame score can be told to forgive.
COLLAR_MS = (300, 100)


def main(arguments: list[str]) -> int:
    """Runs one command; 0 if all is well."""
    _end_in_order()
    try:
        if arguments[:1] == ["mixtures"]:
            mixtures.main(arguments[1:])
        elif arguments[:1] == ["fit"]:
            # What it fits with takes half a second to load.
            from . import fitting

            fitting.main(arguments[1:])
        else:
            evaluate(parser().parse_args(arguments))
    except (EvaluationError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; give the same command again to go on", file=sys.stderr)
        return 130
    return 0


def _end_in_order() -> None:
    """Takes a request to end, and a terminal that closes, as Ctrl-C, so that no graph is left running."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # What is ignored stays so, as under nohup.
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(prog="evaluate", description=DESCRIPTION, epilog=EPILOG)
    what = whole.add_mutually_exclusive_group(required=True)
    what.add_argument("--labels", type=Path, metavar="CSV", help="a table of recordings and their labels")
    what.add_argument("--ravdess", type=Path, metavar="FOLDER", help="RAVDESS speech; labels are in the files' names")
    what.add_argument("--meld", type=Path, metavar="CSV", help="a table of MELD; its recordings are in --audio")
    what.add_argument("--folder", type=Path, metavar="FOLDER", help="recordings in sub-folders named like sentiments")
    whole.add_argument("--audio", type=Path, metavar="FOLDER", help="MELD's recordings of that part, as dia0_utt0")
    whole.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="where the report goes")
    default = REPOSITORY / "dataflow.yml"
    whole.add_argument("--graph", type=Path, default=default, metavar="YAML", help="any graph (default: dataflow.yml)")
    whole.add_argument("--args", action="append", default=[], metavar="NODE=ARGUMENTS", help="a node's other arguments")
    whole.add_argument("--speakers", metavar="NAME,NAME", help="only these speakers")
    folds = "speakers in so many folds, each with a graph of its own: `{fold}` in --args is its number, from 1"
    whole.add_argument("--folds", type=positive, metavar="COUNT", help=folds)
    whole.add_argument("--classes", type=_names, default=CLASSES, metavar="NAME,NAME", help="the sentiments")
    whole.add_argument("--batch", type=positive, default=50, metavar="COUNT", help="recordings a run of the graph (50)")
    collar = {"type": _collar, "default": tuple(ms / 1000 for ms in COLLAR_MS), "metavar": "MS,MS"}
    whole.add_argument("--collar", **collar, help="padding before and behind speech that is forgiven (300,100)")
    return whole


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _collar(text: str) -> tuple[float, float]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"`{text}` is not two numbers of milliseconds, as 300,100")
    return int(parts[0]) / 1000, int(parts[1]) / 1000


def evaluate(options: argparse.Namespace) -> None:
    """Reads the set, runs the graph, writes the report."""
    _require_built()
    output = options.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    with _alone(output):
        _evaluate(options, output)


def _evaluate(options: argparse.Namespace, output: Path) -> None:
    overrides = dict(_override(text) for text in options.args)
    folds = range(1, options.folds + 1) if options.folds else [None]
    of_folds = {fold: graphs.read(options.graph, _of_fold(overrides, fold)) for fold in folds}
    labels = _labels(options)
    _require_rows(labels, labels.rows)
    if options.folds:
        sets.fold(labels, options.folds)
    sessions, runs = _run(of_folds, labels, options.batch, output)
    # Plots take a second to load, which a mistyped name should not wait for.
    from . import markdown, plots, report

    rows = [row for row in labels.rows if row.where in sessions]
    _require_rows(labels, rows)
    found = [sessions[row.where] for row in rows]
    graph = of_folds[folds[0]]
    run = report.Run(graph, labels, rows, found, runs, options.classes, options.collar, overrides)
    whole, predictions = report.build(run)
    _write_table(output / "files.csv", report.table(run, predictions))
    (output / "report.json").write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    text = markdown.write(whole, plots.draw(whole, output))
    (output / "report.md").write_text(text, encoding="utf-8")
    print(f"{len(rows)} recordings evaluated, {len(labels.wrong)} rows left out: {output / 'report.md'}")


@contextmanager
def _alone(output: Path) -> Iterator[None]:
    """Lets one evaluation at a time write to the folder."""
    with (output / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EvaluationError(
                f"another evaluation writes to {output}: wait until it ends, or give another folder with `--output`"
            ) from error
        yield


def _require_built() -> None:
    for file in (PROGRAMS / "source", PROGRAMS / "recorder", batches.ACTIVATE):
        if not file.exists():
            raise EvaluationError(f"{file} is missing: run `make build` in {REPOSITORY}")


def _override(text: str) -> tuple[str, str]:
    node, equals, arguments = text.partition("=")
    if not equals or not node:
        raise EvaluationError(f"`--args {text}` is not NODE=ARGUMENTS, as `vad=--detector energy`")
    return node, arguments


def _of_fold(overrides: dict[str, str], fold: int | None) -> dict[str, str]:
    """The arguments with the number of the fold in them."""
    if fold is None:
        return overrides
    return {node: given.replace("{fold}", str(fold)) for node, given in overrides.items()}


def _require_rows(labels: Labels, rows: list[Row]) -> None:
    if not rows:
        told = "; ".join(f"{wrong.where}: {wrong.reason}" for wrong in labels.wrong[:3])
        raise EvaluationError(f"no row of {labels.name} can be used. {told}")


def _labels(options: argparse.Namespace) -> Labels:
    if (options.audio is None) != (options.meld is None):
        raise EvaluationError("`--meld CSV` and `--audio FOLDER` go together")
    if (options.ravdess or options.meld) and not set(CLASSES) <= set(options.classes):
        adapter = "--ravdess" if options.ravdess else "--meld"
        raise EvaluationError(
            f"`--classes {','.join(options.classes)}`: the labels of `{adapter}` are {', '.join(CLASSES)}; leave "
            "`--classes` out, or map the graph's labels to these (fusion's `--map`)"
        )
    if options.labels:
        labels = sets.read_csv(options.labels, options.classes)
    elif options.ravdess:
        labels = sets.ravdess(options.ravdess)
    elif options.meld:
        labels = sets.meld(options.meld, options.audio)
    else:
        labels = sets.plain_folder(options.folder, options.classes)
    if options.speakers:
        _choose(labels, options.speakers.split(","))
    with _bar(len(labels.rows), "looking at recordings") as bar:
        sets.check(labels, sound.look, lambda: bar.update(1))
    return labels


def _choose(labels: Labels, speakers: list[str]) -> None:
    known = {row.speaker for row in labels.rows} - {None}
    unknown = [speaker for speaker in speakers if speaker not in known]
    if unknown:
        raise EvaluationError(
            f"no speaker {', '.join(unknown)} in {labels.name}; there are: {', '.join(sorted(known))}"
        )
    labels.rows = [row for row in labels.rows if row.speaker in speakers]
    labels.name += f", speakers {', '.join(speakers)}"


def _run(graphs_by_fold: dict, labels: Labels, size: int, output: Path) -> tuple[dict[str, dict], list[dict]]:
    """The sessions by their rows' places, and all outcomes; recordings that a node refuses become wrong."""
    sessions, runs = {}, []
    with _bar(len(labels.rows), "through the graph") as bar:
        for fold, graph in graphs_by_fold.items():
            rows = [row for row in labels.rows if row.fold == fold]
            runs += _run_fold(graph, rows, labels, size, output, sessions, bar)
    return sessions, runs


def _run_fold(
    graph: Graph, rows: list[Row], labels: Labels, size: int, output: Path, sessions: dict[str, dict], bar
) -> list[dict]:
    """The outcomes of rows that go through one graph, whose sessions come to the others'."""
    runs: list[dict] = []
    for batch in batches.plan(graph, rows, size, output):
        done = bar.n
        size_before = len(batch.rows)
        while batch is not None:
            kept = batches.complete(graph, batch)
            try:
                if kept:
                    batches.require_alike(kept, runs)
                else:
                    seen = lambda count, done=done: bar.update(done + count - bar.n)
                    kept = batches.run(graph, batch, runs, seen)
            except batches.RecordingRefused as refusal:
                labels.wrong.append(Wrong(refusal.row.where, str(refusal.row.file), refusal.reason))
                batch = batches.without(graph, batch, refusal.row, output)
                continue
            runs.append(kept)
            sessions |= _usable(labels, batch, kept["sessions"])
            break
        bar.update(done + size_before - bar.n)
    return runs


def _usable(labels: Labels, batch: batches.Batch, sessions: dict[str, dict]) -> dict[str, dict]:
    """A batch's sessions by their rows' places; a row that does not fit its recording becomes wrong."""
    found = {}
    for name, row in batch.rows.items():
        # Of formats that only the source decodes, the length is known now.
        if reason := sets.beyond(row, sessions[name]["samples"] / RATE):
            labels.wrong.append(Wrong(row.where, str(row.file), reason))
        else:
            found[row.where] = sessions[name]
    return found


def _bar(total: int, what: str):
    from tqdm import tqdm

    return tqdm(total=total, desc=what, unit="file", dynamic_ncols=True, mininterval=0.5)


def _write_table(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        columns = list(dict.fromkeys(column for row in rows for column in row))
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
