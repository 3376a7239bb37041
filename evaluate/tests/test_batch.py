"""Batches: what makes two of them the same, and what a failure says."""

import json
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import yaml
from context import REPOSITORY, tone
from undertone_evaluate import batch as batches
from undertone_evaluate import graph as graphs
from undertone_evaluate.errors import EvaluationError
from undertone_evaluate.hashing import sha256
from undertone_evaluate.labels import Row


class Batches(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.addCleanup(sha256.cache_clear)
        self.folder = Path(temporary.name)
        self.rows = [Row(name, tone(self.folder / f"{name} take 1.wav")) for name in "abc"]
        self.graph = graphs.read(REPOSITORY / "dataflow.yml")

    def plan(self, graph=None, rows=None, size=2) -> list[batches.Batch]:
        sha256.cache_clear()
        return batches.plan(graph or self.graph, rows or self.rows, size, self.folder / "out")

    def test_names_of_sessions_have_no_spaces_and_are_different(self):
        first, second = self.plan()
        self.assertEqual(list(first.rows), ["000001-a_take_1", "000002-b_take_1"])
        self.assertEqual(list(second.rows), ["000001-c_take_1"])

    def test_the_same_is_found_again_and_nothing_else(self):
        before = [batch.folder for batch in self.plan()]
        self.assertEqual([batch.folder for batch in self.plan()], before)
        other = graphs.read(REPOSITORY / "dataflow.yml", {"fusion": "--text-weight 0.5"})
        self.assertFalse(set(before) & {batch.folder for batch in self.plan(other)})
        tone(self.rows[0].file, 0.2)
        changed = [batch.folder for batch in self.plan()]
        self.assertNotEqual(changed[0], before[0])
        self.assertEqual(changed[1], before[1])

    def test_an_outcome_of_another_model_is_no_outcome(self):
        # A model of the user's own, beside the graph.
        model = self.folder / "my-model/model.onnx"
        model.parent.mkdir()
        model.write_bytes(b"weights")
        whole = yaml.safe_load((REPOSITORY / "dataflow.yml").read_text())
        next(node for node in whole["nodes"] if node["id"] == "text")["args"] = "--model ./my-model"
        path = self.folder / "graph.yml"
        path.write_text(yaml.safe_dump(whole))
        graph = graphs.read(path)
        (batch,) = self.plan(graph, size=3)
        self.assertIsNone(batches.complete(graph, batch))
        batch.folder.mkdir(parents=True)
        batch.kept.write_text(
            json.dumps({"nodes": {"text": {"models": {"my-model/model.onnx": sha256(model)}}, "sink": {}}})
        )
        self.assertIsNotNone(batches.complete(graph, batch))
        model.write_bytes(b"other weights")
        sha256.cache_clear()
        self.assertIsNone(batches.complete(graph, batch))

    def test_models_of_one_name_are_told_apart_by_their_nodes(self):
        whole = yaml.safe_load((REPOSITORY / "dataflows/two-texts.yml").read_text())
        files = {}
        for name in ("text", "larger"):
            files[name] = self.folder / name / "same/model.onnx"
            files[name].parent.mkdir(parents=True)
            files[name].write_text(name)
            next(node for node in whole["nodes"] if node["id"] == name)["args"] = f"--model {name}/same"
        path = self.folder / "graph.yml"
        path.write_text(yaml.safe_dump(whole))
        graph = graphs.read(path)
        (batch,) = self.plan(graph, size=3)
        batch.folder.mkdir(parents=True)
        nodes = {name: {"models": {"same/model.onnx": sha256(file)}} for name, file in files.items()}
        batch.kept.write_text(json.dumps({"nodes": nodes}))
        self.assertIsNotNone(batches.complete(graph, batch))
        files["text"].write_text("larger")
        sha256.cache_clear()
        self.assertIsNone(batches.complete(graph, batch))

    def test_programs_that_the_evaluation_puts_in_count_as_the_graphs_own(self):
        # A microphone gives way to the source, and there is a recorder beside the graph's own nodes.
        graph = graphs.read(REPOSITORY / "dataflows/live.yml")
        with mock.patch.object(graphs, "PROGRAMS", self.folder / "programs"):
            (self.folder / "programs").mkdir()
            for name in ("source", "recorder"):
                (batch,) = self.plan(graph, size=3)
                (self.folder / "programs" / name).write_bytes(b"another version")
                self.assertNotEqual(self.plan(graph, size=3)[0].folder, batch.folder, name)

    def test_scripts_python_operators_and_files_that_arguments_name_count(self):
        for name in ("node.py", "settings.yml", "one.py", "two.py", "three.py"):
            (self.folder / name).write_text("before")
        whole = yaml.safe_load((REPOSITORY / "dataflow.yml").read_text())
        whole["nodes"] += [
            {"id": "node", "path": "python", "args": "-u node.py --settings=settings.yml --many 3"},
            {"id": "one", "operator": {"python": "one.py"}},
            {"id": "more", "operators": [{"id": "a", "python": {"source": "two.py"}}, {"id": "b", "python": "three.py"}]},
        ]
        path = self.folder / "graph.yml"
        path.write_text(yaml.safe_dump(whole))
        graph = graphs.read(path)
        for name in ("node.py", "settings.yml", "one.py", "two.py", "three.py"):
            (batch,) = self.plan(graph, size=3)
            (self.folder / name).write_text("after")
            self.assertNotEqual(self.plan(graph, size=3)[0].folder, batch.folder, name)
            # What is not certain to be read, and may be written, does not end a run.
            self.assertEqual(self.folder / name in batch.contents, name != "settings.yml", name)

    def run_with(self, models: dict, others: list[dict], meanwhile=lambda: None) -> dict:
        """Runs a batch with a node that tells these models, and something that happens meanwhile."""
        (batch,) = self.plan(size=3)

        def dora(*_) -> tuple[int, str]:
            (batch.folder / "recording").mkdir()
            meanwhile()
            return 0, ""

        def read(*_) -> dict:
            return {"sessions": {}, "nodes": {"text": {"program": "1", "models": models}}}

        with mock.patch.object(batches, "_dora", dora), mock.patch.object(batches.outcome, "read", read):
            try:
                return batches.run(self.graph, batch, others, lambda _: None)
            finally:
                self.kept = batch.kept.is_file()

    def test_a_run_of_other_models_than_the_others_ends_the_evaluation(self):
        first = self.run_with({"text/model.onnx": "1"}, [])
        self.assertTrue(self.kept)
        self.run_with({"text/model.onnx": "1"}, [first])
        with self.assertRaisesRegex(EvaluationError, "changed while this ran: text;"):
            self.run_with({"text/model.onnx": "2"}, [first])
        self.assertFalse(self.kept)
        # An outcome of earlier, of a model that has come back, is not of this evaluation either.
        with self.assertRaisesRegex(EvaluationError, "changed while this ran: text;"):
            batches.require_alike({"nodes": {"text": {"program": "2", "models": {"text/model.onnx": "1"}}}}, [first])

    def test_a_program_or_recording_that_changes_meanwhile_ends_the_evaluation(self):
        recording = self.rows[0].file
        with self.assertRaisesRegex(EvaluationError, f"changed while this ran: {recording};"):
            self.run_with({}, [], lambda: tone(recording, 0.2))
        self.assertFalse(self.kept)

    def test_a_stop_by_force_leaves_no_node_running(self):
        # Like dora, with nodes in process groups of their own; it does not hear Ctrl-C.
        words = ["bash", "-c", "set -m; sleep 300 & sleep 300 & trap '' INT; echo up; wait"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)
        self.addCleanup(process.stdout.close)
        process.stdout.readline()
        self.assertEqual(len(batches._members(process.pid)), 3)
        with mock.patch.object(batches, "STOP_SECONDS", 0.1):
            batches._stop(process)
        self.assertEqual(batches._members(process.pid), [])

    def test_a_recording_that_a_node_names_is_refused(self):
        (batch,) = self.plan(size=3)
        log = "10:00:00 ERROR source: exited with code 1\nerror: `/out/audio/000002-b_take_1.wav` is damaged at 3.1 s\n"
        found = batches._failure(self.graph, batch, 1, log)
        self.assertIsInstance(found, batches.RecordingRefused)
        self.assertEqual(
            (found.row, found.reason), (self.rows[1], "error: `/out/audio/000002-b_take_1.wav` is damaged at 3.1 s")
        )
        rest = batches.without(self.graph, batch, found.row, self.folder / "out")
        self.assertEqual(list(rest.rows.values()), [self.rows[0], self.rows[2]])

    def test_another_failure_says_what_the_log_says(self):
        (batch,) = self.plan(size=3)
        found = batches._failure(self.graph, batch, 1, "ERROR vad: exited with code 1\nerror: no model named `x`\n")
        self.assertIn("ERROR vad: exited with code 1\n  error: no model named `x`", str(found))


if __name__ == "__main__":
    unittest.main()
