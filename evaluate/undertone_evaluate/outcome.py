"""What a graph made of a batch of recordings: read from the sink's JSON Lines and the recorder's files, kept as JSON.

Of each session: `samples` (its length at 16 kHz), `results` (the final results as the sink wrote them), `segments`
(start and end of the final segments of speech in samples, by wire), `cancelled` (how many were cancelled, by wire),
`transcripts` (final texts in the order of segments, by wire), `emotions` (estimates of whole segments, by wire).
"""

import json
from pathlib import Path

import pyarrow
import pyarrow.compute
import pyarrow.ipc

from . import graph as graphs
from .errors import EvaluationError
from .graph import Graph

# Samples a second, of lengths and places.
RATE = 16_000
# What may happen to a run that is measured all the same: audio was lost, as of a damaged file where the graph tolerates
# it; something was done with less effort.
ACCEPTED = ("gap", "late")


def read(graph: Graph, names: list[str], results: Path, recording: Path) -> dict:
    """The outcome of a run that ended well: its sessions by name, and what its manifest says of the nodes."""
    manifest = json.loads((recording / "manifest.json").read_text(encoding="utf-8"))
    _require_whole(graph, manifest, recording)
    lengths = {name: session["end"] for name, session in manifest["topics"][graph.audio]["sessions"].items()}
    missing = [name for name in names if name not in lengths]
    if missing:
        raise EvaluationError(f"the graph ended well, and {graph.audio} has nothing of {', '.join(missing)}")
    sessions = {
        name: {
            "samples": lengths[name],
            "results": [],
            "segments": {},
            "cancelled": {},
            "transcripts": {},
            "emotions": {},
        }
        for name in names
    }
    if graph.sentiment:
        # Not `splitlines`, which also cuts at characters that a text may have in it, such as U+2028.
        for line in filter(None, results.read_text(encoding="utf-8").split("\n")):
            result = json.loads(line)
            # Statistics, which a sink may write beside the results, have a `type` and no `status`.
            if result.get("status") == "final":
                sessions[result["session"]]["results"].append(result)
    _read_speech(graph, sessions, recording)
    _read_transcripts(graph, sessions, recording)
    _read_emotions(graph, sessions, recording)
    return {"sessions": sessions, **{key: manifest[key] for key in ("nodes", "host", "exceptions")}}


def _require_whole(graph: Graph, manifest: dict, recording: Path) -> None:
    if manifest["state"] != "finished":
        raise EvaluationError(f"the recording {recording} is not whole: {manifest['state']}")
    refused = [each for each in manifest["exceptions"] if each["kind"] not in ACCEPTED]
    if refused:
        lines = "\n".join(f"  {each['place']}: {each['text']}" for each in refused)
        raise EvaluationError(f"the recording {recording} is not whole:\n{lines}")
    silent = [name for name in graphs.told(graph) if "version" not in manifest["nodes"].get(name, {})]
    if silent:
        raise EvaluationError(
            f"nothing tells which models {', '.join(silent)} had loaded: none of their messages arrived at the recorder"
        )


def _read_speech(graph: Graph, sessions: dict, recording: Path) -> None:
    for wire in graph.speech:
        for session in sessions.values():
            session["segments"][wire], session["cancelled"][wire] = [], 0
        for message in _messages(
            graph, recording, wire, "phase", ("final", "cancelled"), ["session", "phase", "start", "end"]
        ):
            session = sessions[message["session"]]
            if message["phase"] == "final":
                session["segments"][wire].append([message["start"], message["end"]])
            else:
                session["cancelled"][wire] += 1


def _read_transcripts(graph: Graph, sessions: dict, recording: Path) -> None:
    for wire in graph.transcripts:
        for session in sessions.values():
            session["transcripts"][wire] = []
        messages = _messages(graph, recording, wire, "status", ("final",), ["session", "segment", "text"])
        for message in sorted(messages, key=lambda message: message["segment"]):
            sessions[message["session"]]["transcripts"][wire].append(message["text"])


def _read_emotions(graph: Graph, sessions: dict, recording: Path) -> None:
    columns = ["session", "start", "end", "modality", "labels", "probabilities", "emotions", "emotion_probabilities"]
    for wire in graph.emotions:
        for session in sessions.values():
            session["emotions"][wire] = []
        for message in _messages(graph, recording, wire, "scope", ("segment",), columns):
            sessions[message.pop("session")]["emotions"][wire].append(message)


def _messages(
    graph: Graph, recording: Path, wire: str, column: str, values: tuple[str, ...], columns: list[str]
) -> list[dict]:
    """The messages of a wire with one of the values in a column; fields beside `columns` may be there or not."""
    with pyarrow.memory_map(str(recording / f"{graphs.topic(graph, wire)}.arrow")) as file:
        table = pyarrow.ipc.open_file(file).read_all().select(columns if column in columns else [*columns, column])
        kept = table.filter(pyarrow.compute.is_in(table[column], pyarrow.array(values)))
        return kept.select(columns).to_pylist()
