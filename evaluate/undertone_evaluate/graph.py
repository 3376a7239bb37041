"""A graph as its user wrote it, turned to the recordings of an evaluation.

Nothing is known of the names of nodes: what they are is told by the types of their wires, which are in `output_types`
and `input_types`, and by their programs. Everything between the audio and the results stays as it is.
"""

import copy
import shlex
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from .errors import EvaluationError

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = REPOSITORY / "target/release"
TYPES = "undertone/speech/v1/"
# The source's arguments that say how to send, not what; with how many values.
KEPT = {"--frame-samples": 1, "--lead-seconds": 1, "--tolerate-corruption": 0}
# Covers what a source may be ahead of the results, in frames of any length.
QUEUE = 10_000


@dataclass(frozen=True)
class Places:
    """Where a run reads and writes."""

    audio: str
    results: str
    recording: str


@dataclass
class Graph:
    """A graph and where what is measured passes in it, as NODE/OUTPUT."""

    path: Path
    text: str
    yaml: dict
    source: dict
    audio: str
    speech: list[str]
    transcripts: list[str]
    # Estimates that go into what gives the results; all estimates where there are no results.
    emotions: list[str]
    # The final results, None in a graph without fusion.
    sentiment: str | None
    watermark: str
    changed: list[str] = field(default_factory=list)

    def lacks(self) -> list[str]:
        """What cannot be measured on this graph, in words."""
        wanted = {
            "Speech": (self.speech, "no voice activity"),
            "Transcript": (self.transcripts, "no word error rate"),
            "Sentiment": (self.sentiment, "no fused sentiment, anomalies, abstention, latency"),
        }
        return [f"no output of type {kind}: {what}" for kind, (there, what) in wanted.items() if not there]


def read(path: Path, overrides: dict[str, str] | None = None) -> Graph:
    """Reads a graph; `overrides` are arguments of nodes by their names, in the place of those in the file."""
    try:
        text = path.read_text(encoding="utf-8")
        whole = yaml.safe_load(text)
        nodes = whole["nodes"]
        names = [node["id"] for node in nodes]
    except FileNotFoundError as error:
        raise EvaluationError(f"there is no graph {path}") from error
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise EvaluationError(f"{path} is no graph of dora's (`nodes`, each with an `id`): {error}") from error
    for name, given in (overrides or {}).items():
        if name not in names:
            raise EvaluationError(f"`--args {name}=…`: {path} has no node {name}; it has {', '.join(names)}")
        nodes[names.index(name)]["args"] = given
    types = _types(nodes)
    source = _source(path, nodes, types)
    sentiment = _sentiment(path, nodes, types)
    fused = {wire for node in nodes if _gives(node, types, "Sentiment") for wire in _wires(node).values()}
    emotions = _of(types, "Emotion")
    watermarks = _of(types, "Watermark")
    if not watermarks:
        raise EvaluationError(
            f"{path} has no output of type {TYPES}Watermark, by which the source would know how fast it may send: add "
            "fusion, as in dataflows/audio-only.yml"
        )
    return Graph(
        path,
        text,
        whole,
        source,
        _gives(source, types, "AudioFrame")[0],
        _of(types, "Speech"),
        _of(types, "Transcript"),
        [wire for wire in emotions if wire in fused] if sentiment else emotions,
        sentiment,
        watermarks[0],
    )


def rewrite(graph: Graph, places: Places) -> str:
    """The graph's text with recordings from `places.audio`, and its results and wires kept at `places`."""
    return yaml.safe_dump(_turned(graph, places), sort_keys=False, width=1000)


def _turned(graph: Graph, places: Places) -> dict:
    whole = copy.deepcopy(graph.yaml)
    whole["nodes"] = [node for node in whole["nodes"] if _program(node) != "recorder"]
    for node in whole["nodes"]:
        if node["id"] == graph.source["id"]:
            _send(node, graph, places)
    if graph.sentiment:
        _write_results(whole["nodes"], graph.sentiment, places)
    whole["nodes"].append(_recorder(graph, places))
    return whole


def programs(graph: Graph) -> list[Path]:
    """The files of the programs and libraries that the rewritten graph runs, as far as they are files."""
    folder = graph.path.resolve().parent
    nodes = _turned(graph, Places("", "", ""))["nodes"]
    named = [node.get("path") or (node.get("operator") or {}).get("shared-library") for node in nodes]
    files = [folder / name for name in named if name]
    # Operators are named without what the system puts around the name of a library.
    files += [file.with_name(f"lib{file.name}.so") for file in files]
    return [file for file in files if file.is_file()]


def arguments(node: dict) -> list[str]:
    """A node's arguments, which dora splits as a shell does."""
    try:
        return shlex.split(str(node.get("args") or ""))
    except ValueError as error:
        raise EvaluationError(f"the arguments of the node {node['id']} cannot be read: {error}") from error


def _send(node: dict, graph: Graph, places: Places) -> None:
    """Makes the source send the recordings, whatever it was before."""
    own = _program(node) == "source"
    node["args"] = shlex.join([places.audio, "--pace", "fast", "--progress", "never", *(_kept(node) if own else [])])
    if not own:
        # A microphone, a replay or a gateway; what it is started with and what it takes mean nothing to the source.
        node["path"] = str(PROGRAMS / "source")
    if not own or "watermark" not in _wires(node):
        node["inputs"] = {"watermark": {"source": graph.watermark, "queue_size": QUEUE}}
        node["input_types"] = {"watermark": f"{TYPES}Watermark"}


def _kept(node: dict) -> list[str]:
    words, kept = arguments(node), []
    for place, word in enumerate(words):
        name, equals, _ = word.partition("=")
        if name in KEPT:
            kept += words[place : place + 1 + (0 if equals else KEPT[name])]
    return kept


def _write_results(nodes: list[dict], sentiment: str, places: Places) -> None:
    text = shlex.join(["--format", "none", "--output", places.results])
    sinks = [node for node in nodes if _program(node) == "sink" and sentiment in _wires(node).values()]
    if sinks:
        sinks[0]["args"] = text
        # Others would write beside it.
        for other in sinks[1:]:
            nodes.remove(other)
        return
    nodes.append(_node("evaluation-sink", "sink", text, {"sentiment": sentiment}))


def _recorder(graph: Graph, places: Places) -> dict:
    wires = dict.fromkeys([graph.audio, *graph.speech, *graph.transcripts, *graph.emotions])
    text = shlex.join([places.recording, "--replace"])
    return _node("evaluation-recorder", "recorder", text, {wire.replace("/", "-"): wire for wire in wires})


def _node(name: str, program: str, text: str, inputs: dict[str, str]) -> dict:
    wires = {key: {"source": wire, "queue_size": QUEUE} for key, wire in inputs.items()}
    return {"id": name, "path": str(PROGRAMS / program), "args": text, "inputs": wires}


def _program(node: dict) -> str:
    return Path(str(node.get("path") or "")).name


def _ports(node: dict) -> dict:
    """What has a node's inputs and outputs: the node, or the operator in it."""
    return node["operator"] if isinstance(node.get("operator"), dict) else node


def _wires(node: dict) -> dict[str, str]:
    """An input's name and the output that it is wired to."""
    inputs = _ports(node).get("inputs") or {}
    return {key: wire["source"] if isinstance(wire, dict) else str(wire) for key, wire in inputs.items()}


def _types(nodes: list[dict]) -> dict[str, str]:
    """The types of all outputs that have one, from those who give and those who take them, without the folder."""
    found = {}
    for node in nodes:
        wires, types = _wires(node), _ports(node).get("input_types") or {}
        found |= {wires[key]: kind for key, kind in types.items() if key in wires}
    for node in nodes:
        found |= {f"{node['id']}/{key}": kind for key, kind in (_ports(node).get("output_types") or {}).items()}
    there = {f"{node['id']}/{output}" for node in nodes for output in _ports(node).get("outputs") or []}
    return {wire: str(kind).rpartition("/")[2] for wire, kind in found.items() if wire in there}


def _of(types: dict[str, str], kind: str) -> list[str]:
    """The outputs of a type, but those named `preview`: they are ahead of the others, and nothing in them is final."""
    return [wire for wire, there in types.items() if there == kind and not wire.endswith("/preview")]


def _gives(node: dict, types: dict[str, str], kind: str) -> list[str]:
    return [wire for wire in _of(types, kind) if wire.partition("/")[0] == node["id"]]


def _source(path: Path, nodes: list[dict], types: dict[str, str]) -> dict:
    audio = set(_of(types, "AudioFrame"))
    found = [node for node in nodes if _gives(node, types, "AudioFrame") and not audio & set(_wires(node).values())]
    if len(found) != 1:
        names = ", ".join(node["id"] for node in found) or "none"
        raise EvaluationError(
            f"{path} has to have one node that gives audio (an output of type {TYPES}AudioFrame) and takes none; "
            f"found: {names}. Leave one of them, or say its type in `output_types`."
        )
    if _program(found[0]) != "source" and _gives(found[0], types, "AudioFrame") != [f"{found[0]['id']}/audio"]:
        raise EvaluationError(f"{path}: the source takes the place of {found[0]['id']}, whose output must be `audio`")
    return found[0]


def _sentiment(path: Path, nodes: list[dict], types: dict[str, str]) -> str | None:
    given = [wire for wire in _of(types, "Sentiment") if not wire.endswith("/provisional")]
    written = {_wires(node).get("sentiment") for node in nodes if _program(node) == "sink"}
    chosen = [wire for wire in given if wire in written] or given
    if len(chosen) > 1:
        raise EvaluationError(f"{path} has several results: {', '.join(chosen)}. Leave the sink on one of them.")
    return chosen[0] if chosen else None
