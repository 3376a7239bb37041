"""Batches of recordings through the graph with `dora run`; a batch that is complete is not run again.

A batch has a folder in the output: `audio` (links to its recordings), `log.txt`, and, when it is complete,
`outcome.json`. Its name is a digest of the graph, the programs, the files that arguments name, and the recordings.
"""

import contextlib
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import graph as graphs
from . import models, outcome
from .errors import EvaluationError
from .graph import REPOSITORY, Graph, Places
from .hashing import sha256
from .labels import Row

# Changes when what is kept of a batch does.
FORMAT = 2
ACTIVATE = REPOSITORY / ".venv/bin/activate"
# Nothing has come of a graph for so long: it hangs.
PATIENCE_SECONDS = 300.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.25
# What dora puts before a line of a node, and colours.
DRESS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Batch:
    """Recordings that go through one run of the graph, by the names of their sessions."""

    folder: Path
    rows: dict[str, Row]
    # The programs and recordings that it is named after, with their SHA-256.
    contents: dict[Path, str]

    @property
    def kept(self) -> Path:
        """Where the outcome is once the batch is complete."""
        return self.folder / "outcome.json"


class RecordingRefused(Exception):
    """A node could not work with one recording of a batch, and named it."""

    def __init__(self, row: Row, reason: str):
        super().__init__(reason)
        self.row, self.reason = row, reason


def plan(graph: Graph, rows: list[Row], size: int, output: Path) -> list[Batch]:
    """Cuts the rows into batches of `size`."""
    return [_batch(graph, rows[start : start + size], output) for start in range(0, len(rows), size)]


def without(graph: Graph, batch: Batch, row: Row, output: Path) -> Batch | None:
    """The batch with a recording less; None if nothing is left."""
    rows = [other for other in batch.rows.values() if other is not row]
    return _batch(graph, rows, output) if rows else None


def _batch(graph: Graph, rows: list[Row], output: Path) -> Batch:
    named = {f"{place:06}-{_plain(row.file.stem)}": row for place, row in enumerate(rows, 1)}
    programs = {file: sha256(file) for file in graphs.programs(graph)}
    recordings = {row.file: sha256(row.file) for row in rows}
    identity = [
        FORMAT,
        graphs.rewrite(graph, Places("audio", "results", "recording")),
        list(programs.values()),
        [sha256(file) for file in graphs.given(graph)],
        list(zip(named, recordings.values(), strict=True)),
    ]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    return Batch(output / "batches" / digest[:16], named, programs | recordings)


def _plain(stem: str) -> str:
    """A name that is the same in a log."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", stem).lstrip("-.") or "recording"


def complete(graph: Graph, batch: Batch) -> dict | None:
    """The outcome of an earlier run, unless there is none or a model has changed since."""
    try:
        kept = json.loads(batch.kept.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    folder = graph.path.resolve().parent
    nodes = {node["id"]: node for node in graph.yaml["nodes"]}
    told = {name: node.get("models") or {} for name, node in kept["nodes"].items()}
    same = (models.unchanged(folder, nodes.get(name, {}), files) for name, files in told.items())
    return kept if all(same) else None


def require_alike(kept: dict, others: list[dict]) -> None:
    """Ends an evaluation of which one outcome is of other programs or models than the others, which are alike."""
    if changed := _unlike(kept, others):
        raise _mixed(changed)


def run(graph: Graph, batch: Batch, others: list[dict], seen: Callable[[int], None]) -> dict:
    """Runs the graph on a batch and keeps its outcome, if it is of the same programs and models as the others of the
    evaluation; `seen` is told how many recordings have had a result."""
    shutil.rmtree(batch.folder, ignore_errors=True)
    (batch.folder / "audio").mkdir(parents=True)
    for name, row in batch.rows.items():
        (batch.folder / "audio" / f"{name}{row.file.suffix.lower()}").symlink_to(row.file.resolve())
    places = Places(*(str(batch.folder / name) for name in ("audio", "results.jsonl", "recording")))
    before, begun = _processor_seconds(), time.monotonic()
    code, log = _dora(graph, graphs.rewrite(graph, places), batch.folder, seen)
    cost = {"processor_seconds": _processor_seconds() - before, "wall_seconds": time.monotonic() - begun}
    if code != 0:
        raise _failure(graph, batch, code, log)
    found = outcome.read(graph, list(batch.rows), Path(places.results), Path(places.recording))
    if changed := _changed(batch) + _unlike(found, others):
        shutil.rmtree(batch.folder)
        raise _mixed(changed)
    kept = {"format": FORMAT, **found, "cost": cost}
    partial = batch.kept.with_suffix(".partial")
    partial.write_text(json.dumps(kept), encoding="utf-8")
    partial.replace(batch.kept)
    # All of the speech is in it; what is needed of it is in the outcome.
    shutil.rmtree(places.recording)
    Path(places.results).unlink(missing_ok=True)
    return kept


def _changed(batch: Batch) -> list[str]:
    """The programs and recordings that are no longer as they were before the run."""
    sha256.cache_clear()
    return [str(file) for file, digest in batch.contents.items() if not file.is_file() or sha256(file) != digest]


def _unlike(found: dict, others: list[dict]) -> list[str]:
    """The nodes that ran another program or other models than in the others."""
    if not others:
        return []
    before, now = _loaded(others[0]), _loaded(found)
    return [name for name in now if now[name] != before.get(name)]


def _loaded(outcome: dict) -> dict[str, tuple]:
    return {name: (node.get("program"), node.get("models")) for name, node in outcome["nodes"].items()}


def _mixed(changed: list[str]) -> EvaluationError:
    return EvaluationError(
        f"programs, models or recordings changed while this ran: {', '.join(changed)}; leave them as they are, and "
        "give the command again"
    )


def _processor_seconds() -> float:
    """Of all children of this process that have ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _dora(graph: Graph, text: str, folder: Path, seen: Callable[[int], None]) -> tuple[int, str]:
    """Runs a graph's text in the folder of its file, because paths in it are relative to that."""
    own = graph.path.resolve().parent / f".evaluate-{os.getpid()}-{graph.path.stem}.yml"
    # As a user would run it: operators need the environment to be active.
    command = ["bash", "-c", 'source "$0" && exec dora run "$1" --log-format compact --log-level warn', ACTIVATE, own]
    log = folder / "log.txt"
    try:
        own.write_text(text, encoding="utf-8")
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
            code = _wait(process, folder, seen)
    finally:
        own.unlink(missing_ok=True)
    return code, DRESS.sub("", log.read_text(encoding="utf-8", errors="replace"))


def _wait(process: subprocess.Popen, folder: Path, seen: Callable[[int], None]) -> int:
    changed, before = time.monotonic(), None
    try:
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            now = _traces(folder)
            if now != before:
                changed, before = time.monotonic(), now
                seen(_sessions(folder / "results.jsonl.partial"))
            if time.monotonic() - changed > PATIENCE_SECONDS:
                raise EvaluationError(
                    f"the graph hangs: nothing has come of it for {PATIENCE_SECONDS:.0f} s; see {folder}"
                )
        return process.returncode
    finally:
        _stop(process)


def _traces(folder: Path) -> tuple:
    """What changes in a folder while the graph works."""
    files = [file for file in folder.rglob("*") if not file.is_symlink() and file.is_file()]
    return tuple(sorted((str(file), file.stat().st_size) for file in files if file.exists()))


def _sessions(results: Path) -> int:
    try:
        lines = results.read_bytes().splitlines()
    except FileNotFoundError:
        return 0
    return len({match[1] for line in lines if (match := re.match(rb'\{"session":"([^"]*)"', line))})


def _stop(process: subprocess.Popen) -> None:
    """Ends a run that is still going: as Ctrl-C does, and if that is not enough, with force."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        # Whoever asks again does not want to wait.
        process.kill()
        process.wait()
        # Dora gives each node a process group of its own.
        while members := _members(process.pid):
            for member in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)
            time.sleep(0.02)


def _members(session: int) -> list[int]:
    """The processes of a session that run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # A name in brackets comes first, which may have anything in it.
            state, _, _, of_session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(of_session) == session and state not in "ZX":
                found.append(int(stat.parent.name))
    return found


def _failure(graph: Graph, batch: Batch, code: int, log: str) -> Exception:
    lines = [line.strip() for line in log.splitlines() if re.search(r"error", line, re.IGNORECASE)]
    # Dora says it once more for programs; what other nodes say of it follows from the first.
    lines = [line for line in lines if "node_failure" not in line and "This error occurred because" not in line]
    for line in lines:
        for name, row in batch.rows.items():
            if f"{name}." in line:
                return RecordingRefused(row, line)
    told = "\n".join(f"  {line}" for line in lines[:8]) or "  (nothing in the log says why)"
    return EvaluationError(
        f"{graph.path} failed on a batch of {len(batch.rows)} recordings, exit code {code}:\n{told}\n"
        f"All of the log: {batch.folder / 'log.txt'}. What was complete is kept; repair the graph and run this again."
    )
