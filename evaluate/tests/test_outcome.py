"""What is read of a run: results among other lines of the sink, messages of wires, and whether it counts."""

import dataclasses
import json
import tempfile
import unittest
from pathlib import Path

import pyarrow
import pyarrow.ipc
import yaml
from context import REPOSITORY
from undertone_evaluate import graph as graphs
from undertone_evaluate import outcome
from undertone_evaluate.errors import EvaluationError
from undertone_evaluate.graph import Graph

NODES = ("source", "vad", "encoder", "decoder", "acoustic", "text", "fusion")


class Case(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def outcome(self, *lines: dict, graph: Graph | None = None, exceptions=(), nodes=NODES) -> dict:
        """What is read of a run with the session `a`, with these results, of a graph that has no other wires."""
        graph = graph or graphs.read(REPOSITORY / "dataflow.yml")
        graph = dataclasses.replace(graph, transcripts=[], emotions=[])
        manifest = {
            "state": "finished",
            "exceptions": exceptions,
            "topics": {graph.audio: {"sessions": {"a": {"end": 16_000}}}},
            "nodes": {name: {"version": "1"} for name in nodes},
            "host": {},
        }
        (self.folder / "manifest.json").write_text(json.dumps(manifest))
        speech = self.folder / f"{graphs.topic(graph, 'vad/speech')}.arrow"
        speech.parent.mkdir(parents=True, exist_ok=True)
        table = pyarrow.table({"session": ["a", "a"], "phase": ["open", "final"], "start": [0, 0], "end": [9, 18]})
        with pyarrow.ipc.new_file(speech, table.schema) as file:
            file.write_table(table)
        results = self.folder / "results.jsonl"
        # As the sink writes them: characters beyond ASCII as they are.
        results.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
        return outcome.read(graph, ["a"], results, self.folder)


class Results(Case):
    def read(self, *lines: dict) -> list[dict]:
        return self.outcome(*lines)["sessions"]["a"]["results"]

    def test_statistics_and_provisional_results_are_no_results(self):
        final = {"session": "a", "status": "final", "text": "Well."}
        statistics = {"type": "statistics", "session": "a", "segment": 0, "scope": "window", "values": {}}
        self.assertEqual(self.read(statistics, {**final, "status": "provisional"}, final, statistics), [final])

    def test_a_text_may_have_separators_of_lines_in_it(self):
        final = {"session": "a", "status": "final", "text": "Well\u2028then\x85no."}
        self.assertEqual(self.read(final), [final])


class Recordings(Case):
    def test_what_an_operator_gives_is_found(self):
        whole = yaml.safe_load((REPOSITORY / "dataflow.yml").read_text())
        vad = next(node for node in whole["nodes"] if node["id"] == "vad")
        vad["operator"] = {key: vad.pop(key) for key in ("inputs", "input_types", "outputs", "output_types")}
        path = self.folder / "graph.yml"
        path.write_text(yaml.safe_dump(whole))
        graph = graphs.read(path)
        for found in (self.outcome(), self.outcome(graph=graph)):
            self.assertEqual(found["sessions"]["a"]["segments"], {"vad/speech": [[0, 18]]})
        self.assertTrue((self.folder / "vad/op/speech.arrow").is_file())

    def test_audio_that_was_lost_and_less_effort_are_no_failures(self):
        gap = {"kind": "gap", "place": "source", "session": "a", "amount": 9, "text": "9 samples of audio were lost"}
        late = {"kind": "late", "place": "fusion", "text": "without text"}
        self.assertEqual(self.outcome(exceptions=[gap, late])["exceptions"], [gap, late])
        missing = {"kind": "missing", "place": "vad/speech", "text": "messages 3 to 5 are missing"}
        with self.assertRaisesRegex(EvaluationError, "is not whole:\n  vad/speech: messages 3 to 5 are missing$"):
            self.outcome(exceptions=[gap, missing])

    def test_a_node_that_does_not_tell_its_models_is_a_failure(self):
        with self.assertRaisesRegex(EvaluationError, "which models fusion had loaded"):
            self.outcome(nodes=NODES[:-1])


if __name__ == "__main__":
    unittest.main()
