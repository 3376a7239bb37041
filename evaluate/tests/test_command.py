"""`evaluate` as a user runs it: real recordings through the real graph, and the command again."""

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from context import EVALUATE, REPOSITORY

SESSION = REPOSITORY / "recordings/session"
FILES = ("LJ001-0008.flac", "LJ002-0020.flac", "LJ001-0002.flac")


def evaluate(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(EVALUATE / "evaluate"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


class Command(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        # A name that needs quotes in a graph.
        self.output = self.folder / "my report"

    def labels(self, rows: list[list[str]], name: str = "labels.csv") -> str:
        path = self.folder / name
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([["file", "transcript", "sentiment", "speaker", "speech"], *rows])
        return str(path)

    def table(self) -> str:
        texts = dict(line.split("\t")[:2] for line in (SESSION / "transcripts.tsv").read_text().splitlines())
        rows = [[str(SESSION / file), texts[file], "neutral", file[:5], "0-1"] for file in FILES]
        (self.folder / "broken.m4a").write_bytes(os.urandom(3000))
        return self.labels([*rows, ["gone.wav", "", "neutral", "", ""], ["broken.m4a", "", "neutral", "", ""]])

    def test_a_report_of_real_recordings_and_the_same_again(self):
        arguments = ("--labels", self.table(), "--output", str(self.output), "--batch", "5")
        first = evaluate(*arguments)
        self.assertEqual(first.returncode, 0, first.stderr)
        report = json.loads((self.output / "report.json").read_text())
        self.check(report)
        outcomes = {path: path.stat().st_mtime_ns for path in self.output.glob("batches/*/outcome.json")}
        self.assertEqual(len(outcomes), 1)
        # Nothing of the speech is kept.
        self.assertEqual(list(self.output.rglob("*.arrow")), [])
        again = evaluate(*arguments)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual({path: path.stat().st_mtime_ns for path in outcomes}, outcomes)
        self.assertEqual(json.loads((self.output / "report.json").read_text()), report)

    def check(self, report: dict) -> None:
        self.assertEqual(report["labels"]["files"], 3)
        wrong = {row["where"]: row["reason"] for row in report["labels"]["wrong"]}
        self.assertEqual(sorted(wrong), ["labels.csv:5", "labels.csv:6"])
        self.assertIn("is not audio of a known format", wrong["labels.csv:6"])
        # "in 1813." for "in eighteen thirteen" is right once both are normalised.
        self.assertLessEqual(report["words"]["decoder/transcript"]["rates"]["wer"]["value"], 0.2)
        self.assertEqual([one["name"] for one in report["classification"]], ["fusion", "text", "voice"])
        self.assertEqual(sum(map(sum, report["classification"][0]["confusion"]["files"])), 3)
        self.assertGreater(report["voice_activity"]["vad/speech"]["frames"]["as delivered"]["accuracy"]["value"], 0.5)
        self.assertGreater(report["latency_ms"]["decoder"]["worked"]["p50"], 0)
        self.assertGreater(report["cost"]["processor_seconds_per_audio_second"], 0)
        with (self.output / "files.csv").open() as file:
            texts = {Path(row["file"]).name: row["decoder/transcript: text"] for row in csv.DictReader(file)}
        self.assertEqual(texts["LJ001-0008.flac"], "has never been surpassed.")
        text = (self.output / "report.md").read_text()
        for plot in ("confusion", "reliability", "risk_coverage", "latency"):
            self.assertIn(f"({plot}.png)", text)
            self.assertEqual((self.output / f"{plot}.png").read_bytes()[1:4], b"PNG")

    def test_a_node_that_fails_is_named_and_nothing_is_left_beside_the_graph(self):
        graph = self.folder / "graph.yml"
        text = (REPOSITORY / "dataflow.yml").read_text().replace("acoustic-whisper", "acoustic-whisker")
        graph.write_text(text.replace("target/release/", f"{REPOSITORY}/target/release/"))
        shutil.copytree(REPOSITORY / "types", self.folder / "types")
        table = self.labels([[str(SESSION / FILES[0]), "", "neutral", "", ""]])
        found = evaluate("--labels", table, "--output", str(self.output), "--graph", str(graph))
        self.assertEqual(found.returncode, 1)
        self.assertIn("ERROR acoustic: exited with code 1", found.stderr)
        self.assertIn("no model named `acoustic-whisker`", found.stderr)
        self.assertEqual(list(self.folder.glob(".evaluate-*")), [])
        self.assertFalse((self.output / "report.md").exists())

    def test_a_set_without_a_right_row_is_an_error(self):
        found = evaluate("--labels", self.labels([["gone.wav", "", "", "", ""]]), "--output", str(self.output))
        self.assertEqual(found.returncode, 1)
        self.assertIn("labels.csv:2: there is no such file", found.stderr)


if __name__ == "__main__":
    unittest.main()
