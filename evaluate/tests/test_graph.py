"""Graphs turned to the recordings of an evaluation: only what sends and what writes changes."""

import tempfile
import unittest
from pathlib import Path

import yaml
from context import REPOSITORY
from undertone_evaluate import graph as graphs
from undertone_evaluate.errors import EvaluationError
from undertone_evaluate.graph import Places

PLACES = Places("/o/audio", "/o/results.jsonl", "/o/recording")


def rewritten(graph: graphs.Graph) -> dict[str, dict]:
    return {node["id"]: node for node in yaml.safe_load(graphs.rewrite(graph, PLACES))["nodes"]}


def before(graph: graphs.Graph) -> dict[str, dict]:
    return {node["id"]: node for node in graph.yaml["nodes"]}


class Rewriting(unittest.TestCase):
    def test_the_stages_stay_as_they_are(self):
        for name in (
            "dataflow.yml",
            "dataflows/asr.yml",
            "dataflows/mfcc.yml",
            "dataflows/operator.yml",
            "dataflows/record.yml",
        ):
            graph = graphs.read(REPOSITORY / name)
            old, new = before(graph), rewritten(graph)
            self.assertEqual(new.pop("source")["args"], "/o/audio --pace fast --progress never", name)
            self.assertEqual(new.pop("sink")["args"], "--format none --output /o/results.jsonl", name)
            recorder = new.pop("evaluation-recorder")
            self.assertEqual(recorder["args"], "/o/recording --replace")
            wires = {wire["source"] for wire in recorder["inputs"].values()}
            self.assertLessEqual({"source/audio", "vad/speech", "acoustic/emotion", "text/emotion"}, wires, name)
            self.assertEqual(new, {node: old[node] for node in new}, name)
            self.assertEqual(graph.lacks(), [])

    def test_nodes_are_known_by_types_and_not_by_names(self):
        text = (REPOSITORY / "dataflow.yml").read_text()
        for name in ("source", "vad", "acoustic", "decoder", "text", "fusion", "sink"):
            text = text.replace(f"id: {name}", f"id: my-{name}").replace(f"source: {name}/", f"source: my-{name}/")
        graph = self.read(text)
        self.assertEqual(
            (graph.audio, graph.speech, graph.transcripts),
            ("my-source/audio", ["my-vad/speech"], ["my-decoder/transcript"]),
        )
        self.assertEqual(
            (graph.emotions, graph.sentiment), (["my-acoustic/emotion", "my-text/emotion"], "my-fusion/sentiment")
        )

    def test_what_a_graph_lacks_is_said(self):
        graph = graphs.read(REPOSITORY / "dataflows/audio-only.yml")
        self.assertEqual(graph.lacks(), ["no output of type Transcript: no word error rate"])

    def test_what_works_ahead_is_not_measured(self):
        for name in ("dataflows/rehearsal.yml", "dataflows/live.yml"):
            graph = graphs.read(REPOSITORY / name)
            self.assertEqual(graph.transcripts, ["decoder/transcript"], name)
            self.assertEqual(graph.emotions, ["acoustic/emotion", "text/emotion"], name)
            (recorder,) = (node for node in rewritten(graph).values() if node["id"] == "evaluation-recorder")
            wires = {wire["source"] for wire in recorder["inputs"].values()}
            self.assertEqual(wires, {graph.audio, *graph.speech, *graph.transcripts, *graph.emotions}, name)
            # The stages go on working ahead.
            self.assertIn("preview", rewritten(graph)["decoder"]["outputs"], name)

    def test_estimates_that_are_ahead_are_not_measured_without_fusion_either(self):
        whole = yaml.safe_load((REPOSITORY / "dataflows/rehearsal.yml").read_text())
        fusion = next(node for node in whole["nodes"] if node["id"] == "fusion")
        fusion["outputs"] = ["watermark"]
        graph = self.read(yaml.safe_dump(whole))
        self.assertEqual((graph.sentiment, graph.emotions), (None, ["acoustic/emotion", "text/emotion"]))

    def test_types_of_consumers_are_enough(self):
        whole = yaml.safe_load((REPOSITORY / "dataflow.yml").read_text())
        for node in whole["nodes"]:
            node.pop("output_types", None)
        self.assertEqual(self.read(yaml.safe_dump(whole)).speech, ["vad/speech"])

    def test_a_replay_gives_way_to_the_source(self):
        graph = graphs.read(REPOSITORY / "dataflows/replay.yml")
        node = rewritten(graph)[graph.source["id"]]
        self.assertEqual(Path(node["path"]).name, "source")
        self.assertEqual(node["inputs"]["watermark"]["source"], graph.watermark)

    def test_a_gateway_gives_way_to_the_source_and_nothing_that_it_takes_is_left(self):
        graph = graphs.read(REPOSITORY / "dataflows/gateway.yml")
        node = rewritten(graph)["gateway"]
        self.assertEqual(Path(node["path"]).name, "source")
        self.assertEqual(list(node["inputs"]), ["watermark"])
        self.assertEqual(node["inputs"]["watermark"]["source"], graph.watermark)
        self.assertEqual(node["input_types"], {"watermark": "undertone/speech/v1/Watermark"})
        self.assertEqual(rewritten(graph)["evaluation-sink"]["inputs"]["sentiment"]["source"], graph.sentiment)

    def test_how_the_source_sends_is_kept(self):
        text = (REPOSITORY / "dataflow.yml").read_text()
        text = text.replace(
            "--pace realtime", "--pace realtime --frame-samples 512 --lead-seconds=30 --tolerate-corruption"
        )
        node = rewritten(self.read(text))["source"]
        self.assertTrue(
            node["args"].endswith("--frame-samples 512 --lead-seconds=30 --tolerate-corruption"), node["args"]
        )

    def test_arguments_of_a_node(self):
        graph = graphs.read(REPOSITORY / "dataflow.yml", {"vad": "--detector energy"})
        self.assertEqual(rewritten(graph)["vad"]["args"], "--detector energy")
        with self.assertRaisesRegex(EvaluationError, "has no node vda; it has source, vad"):
            graphs.read(REPOSITORY / "dataflow.yml", {"vda": "--detector energy"})

    def test_graphs_that_cannot_be_measured(self):
        with self.assertRaisesRegex(EvaluationError, "found: first, second"):
            graphs.read(REPOSITORY / "dataflows/two-sources.yml")
        text = (REPOSITORY / "dataflow.yml").read_text()
        with self.assertRaisesRegex(EvaluationError, "no output of type undertone/speech/v1/Watermark"):
            self.read(text[: text.index("  - id: encoder")].replace("fusion/watermark", "vad/speech"))
        with self.assertRaisesRegex(EvaluationError, "is no graph"):
            self.read("nodes: 3")
        with self.assertRaisesRegex(EvaluationError, "there is no graph"):
            graphs.read(REPOSITORY / "nonesuch.yml")

    def read(self, text: str) -> graphs.Graph:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "graph.yml"
            path.write_text(text)
            return graphs.read(path)


if __name__ == "__main__":
    unittest.main()
