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


def recorded(graph: graphs.Graph) -> tuple[set[str], set[str]]:
    """The outputs of which a recording has the messages, and those of which it has digests."""
    recorder = rewritten(graph)["evaluation-recorder"]
    folder, replace, *options = recorder["args"].split()
    digests = set(options[1::2])
    assert (folder, replace, set(options[::2])) == ("/o/recording", "--replace", {"--digests"})
    wires = {wire["source"] for wire in recorder["inputs"].values()}
    return wires - digests, digests


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
            new.pop("evaluation-recorder")
            messages, _ = recorded(graph)
            self.assertLessEqual({"source/audio", "vad/speech", "acoustic/emotion", "text/emotion"}, messages, name)
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
            messages, _ = recorded(graph)
            self.assertEqual(messages, {graph.audio, *graph.speech, *graph.transcripts, *graph.emotions}, name)
            # The stages go on working ahead.
            self.assertIn("preview", rewritten(graph)["decoder"]["outputs"], name)

    def test_the_recorder_hears_what_each_of_our_nodes_has_loaded(self):
        for path in sorted((REPOSITORY / "dataflows").glob("*.yml")):
            if path.name == "two-sources.yml":
                continue
            graph = graphs.read(path)
            messages, digests = recorded(graph)
            self.assertLessEqual({graph.sentiment, graph.watermark}, digests, path)
            # Of operators nothing is heard.
            givers = {node["id"] for node in graph.yaml["nodes"] if node.get("outputs")}
            self.assertEqual({wire.partition("/")[0] for wire in messages | digests}, givers, path)

    def test_outputs_of_operators_are_recorded_with_the_operator_in_their_names(self):
        whole = yaml.safe_load((REPOSITORY / "dataflow.yml").read_text())
        vad = next(node for node in whole["nodes"] if node["id"] == "vad")
        wires = {key: vad.pop(key) for key in ("inputs", "input_types", "outputs", "output_types")}
        del vad["path"], vad["args"]
        for given, name in (({}, "op"), ({"id": "gate"}, "gate")):
            vad["operator"] = {**given, "python": "gate.py", **wires}
            graph = self.read(yaml.safe_dump(whole))
            self.assertEqual(graph.speech, ["vad/speech"])
            self.assertEqual(graphs.topic(graph, "vad/speech"), f"vad/{name}/speech")
            self.assertEqual(graphs.topic(graph, graph.sentiment), "fusion/sentiment")

    def test_fusion_waits_for_all_inputs(self):
        for name in ("dataflows/live.yml", "dataflows/gateway.yml"):
            graph = graphs.read(REPOSITORY / name)
            self.assertIn("--patience text=", before(graph)["fusion"]["args"])
            args = rewritten(graph)["fusion"]["args"]
            self.assertEqual(args, "--model fusion --weighting learned --provisional-from acoustic")

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

    def test_arguments_that_a_run_would_be_without_are_refused(self):
        for name, node, given, words in (
            ("dataflow.yml", "sink", "--format json", "an evaluation has a sink of its own in the place of sink"),
            ("dataflows/record.yml", "recorder", "", "has a recorder of its own"),
            ("dataflow.yml", "source", "a.wav --frame-samples 512 --pace fast", "leave `a.wav --pace fast` out"),
            ("dataflows/live.yml", "microphone", "--device hw:0", "the source takes the place of microphone"),
            ("dataflow.yml", "fusion", "--model fusion --patience=text=400", "leave `--patience=text=400` out"),
        ):
            with self.assertRaisesRegex(EvaluationError, words):
                graphs.read(REPOSITORY / name, {node: given})
        graph = graphs.read(REPOSITORY / "dataflow.yml", {"source": "--frame-samples 512", "fusion": ""})
        self.assertIn("--frame-samples 512", rewritten(graph)["source"]["args"])
        self.assertEqual(rewritten(graph)["fusion"]["args"], "")

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
