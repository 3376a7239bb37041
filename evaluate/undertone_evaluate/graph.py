"""A graph as its user wrote it, turned to the recordings of an evaluation.

Nothing is known of the names of nodes: what they are is told by the types of their wires, which are in `output_types`
and `input_types`, and by their programs. Everything between the audio and the results stays as it is.
"""

import copy
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from .errors import EvaluationError

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = REPOSITORY / "target/release"
TYPES = "undertone/speech/v1/"
# The source's arguments that say how to send, not what; with how many values.
KEPT = {"--frame-samples": 1, "--lead-seconds": 1, "--tolerate-corruption": 0}
# Fusion's argument that is left out: what waits in a queue, behind recordings as fast as they go, is not late.
PATIENCE = {"--patience": 1}
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
    for name in overrides or {}:
        _require_used(nodes[names.index(name)], source, sentiment)
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
        if _program(node) == "fusion":
            _wait_for_all(node)
    if graph.sentiment:
        _write_results(whole["nodes"], graph.sentiment, places)
    whole["nodes"].append(_recorder(graph, places))
    return whole


def programs(graph: Graph) -> list[Path]:
    """The programs, scripts and libraries that the rewritten graph runs, as far as they are files."""
    folder = graph.path.resolve().parent
    nodes = _turned(graph, Places("", "", ""))["nodes"]
    named = [name for node in nodes for name in (node.get("path"), _script(folder, node), *_operators(node)) if name]
    files = [folder / name for name in named]
    # Operators are named without what the system puts around the name of a library.
    files += [file.with_name(f"lib{file.name}.so") for file in files]
    return [file for file in files if is_there(Path.is_file, file)]


def given(graph: Graph) -> list[Path]:
    """The files that arguments name; a node may write some of them. Not those of our own programs, which tell what they
    have loaded."""
    folder = graph.path.resolve().parent
    words = [word for node in graph.yaml["nodes"] if not _is_ours(folder, node) for word in arguments(node)]
    files = [folder / part for word in words for part in (word, word.partition("=")[2]) if part]
    return [file for file in files if is_there(Path.is_file, file)]


def told(graph: Graph) -> dict[str, str]:
    """Of each node that runs a program of ours an output, if it has one: its messages tell what it has loaded."""
    folder, nodes = graph.path.resolve().parent, graph.yaml["nodes"]
    ours = {node["id"] for node in nodes if _is_ours(folder, node)}
    found = {}
    for wire in [*_measured(graph), *_joined(graph), *filter(_is_final, _types(nodes))]:
        name = wire.partition("/")[0]
        if name in ours:
            found.setdefault(name, wire)
    return found


def topic(graph: Graph, wire: str) -> str:
    """What dora, and so a recording, calls an output: that of an operator has the operator's name in it."""
    name, _, output = wire.partition("/")
    operators = {node["id"]: node["operator"] for node in graph.yaml["nodes"] if isinstance(node.get("operator"), dict)}
    return f"{name}/{operators[name].get('id') or 'op'}/{output}" if name in operators else wire


def is_there(kind: Callable[[Path], bool], path: Path) -> bool:
    """Whether a path is of a kind, as `Path.is_file`, where it may be no path at all."""
    try:
        return kind(path)
    except OSError:
        # Such as a text that is too long for one.
        return False


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
    return _parted(arguments(node), KEPT)[0]


def _wait_for_all(node: dict) -> None:
    """Makes fusion do without no input."""
    patience, others = _parted(arguments(node), PATIENCE)
    if patience:
        node["args"] = shlex.join(others)


def _parted(words: list[str], options: dict[str, int]) -> tuple[list[str], list[str]]:
    """The words that are one of the options, with its values, and all others."""
    parts, left = ([], []), 0
    for word in words:
        name, equals, _ = word.partition("=")
        if not left and name in options:
            left = 1 + (0 if equals else options[name])
        parts[not left].append(word)
        left = max(left - 1, 0)
    return parts


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
    measured = _measured(graph)
    others = [wire for wire in dict.fromkeys([*_joined(graph), *told(graph).values()]) if wire not in measured]
    # Nothing of them is read but what their nodes tell of themselves.
    digests = [word for wire in others for word in ("--digests", topic(graph, wire))]
    text = shlex.join([places.recording, "--replace", *digests])
    inputs = {wire.replace("/", "-"): wire for wire in [*measured, *others]}
    return _node("evaluation-recorder", "recorder", text, inputs)


def _measured(graph: Graph) -> list[str]:
    """The outputs of which the messages are read."""
    return list(dict.fromkeys([graph.audio, *graph.speech, *graph.transcripts, *graph.emotions]))


def _joined(graph: Graph) -> list[str]:
    """The outputs of what gives the results."""
    return [wire for wire in (graph.sentiment, graph.watermark) if wire]


def _node(name: str, program: str, text: str, inputs: dict[str, str]) -> dict:
    wires = {key: {"source": wire, "queue_size": QUEUE} for key, wire in inputs.items()}
    return {"id": name, "path": str(PROGRAMS / program), "args": text, "inputs": wires}


def _script(folder: Path, node: dict) -> str | None:
    """What an interpreter runs, as in `path: python`: the first word that is no option."""
    if not node.get("path") or (folder / node["path"]).is_file():
        return None
    return next((word for word in arguments(node) if not word.startswith("-")), None)


def _operators(node: dict) -> list[str | None]:
    """The libraries and Python files of a node's operators."""
    operators = [node.get("operator"), *(node.get("operators") or [])]
    return [_code(operator) for operator in operators if isinstance(operator, dict)]


def _code(operator: dict) -> str | None:
    python = operator.get("python")
    return operator.get("shared-library") or (python.get("source") if isinstance(python, dict) else python)


def _is_ours(folder: Path, node: dict) -> bool:
    return (folder / str(node.get("path") or "")).resolve().parent == PROGRAMS.resolve()


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
    """Our types of outputs, from those who give and those who take them, without the folder."""
    found = {}
    for node in nodes:
        wires, types = _wires(node), _ports(node).get("input_types") or {}
        found |= {wires[key]: kind for key, kind in types.items() if key in wires}
    for node in nodes:
        found |= {f"{node['id']}/{key}": kind for key, kind in (_ports(node).get("output_types") or {}).items()}
    there = {f"{node['id']}/{output}" for node in nodes for output in _ports(node).get("outputs") or []}
    ours = {wire: str(kind) for wire, kind in found.items() if wire in there and str(kind).startswith(TYPES)}
    return {wire: kind.removeprefix(TYPES) for wire, kind in ours.items()}


def _of(types: dict[str, str], kind: str) -> list[str]:
    """The outputs of a type that are final."""
    return [wire for wire, there in types.items() if there == kind and _is_final(wire)]


def _is_final(wire: str) -> bool:
    """Whether an output is not named `preview`, as those are that are ahead of the others."""
    return not wire.endswith("/preview")


def _gives(node: dict, types: dict[str, str], kind: str) -> list[str]:
    return [wire for wire in _of(types, kind) if wire.partition("/")[0] == node["id"]]


def _require_used(node: dict, source: dict, sentiment: str | None) -> None:
    """Refuses arguments that a run would be without, so that no report says that it had them."""
    name, program = node["id"], _program(node)
    words, unused, why = arguments(node), [], ""
    if program == "recorder" or (program == "sink" and sentiment in _wires(node).values()):
        raise EvaluationError(f"`--args {name}=…`: an evaluation has a {program} of its own in the place of {name}")
    if node is source and program == "source":
        unused = _parted(words, KEPT)[1]
        why = f"the source sends the recordings; of its arguments only {', '.join(KEPT)} are taken"
    elif node is source:
        unused, why = words, f"the source takes the place of {name}, without its arguments"
    elif program == "fusion":
        unused = _parted(words, PATIENCE)[0]
        why = "recordings go as fast as the graph takes them, so nothing is late"
    if unused:
        raise EvaluationError(f"`--args {name}=…`: leave `{shlex.join(unused)}` out: {why}")


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
