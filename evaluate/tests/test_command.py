"""`evaluate` as a user runs it: real recordings through the real graph, and the command again."""

import csv
import fcntl
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from context import EVALUATE, REPOSITORY, session, tone
from undertone_evaluate import command_line
from undertone_evaluate.batch import Batch
from undertone_evaluate.labels import Labels, Row

SESSION = REPOSITORY / "recordings/session"
FILES = ("LJ001-0008.flac", "LJ002-0020.flac", "LJ001-0002.flac")


COMMAND = [sys.executable, str(EVALUATE / "evaluate")]


def evaluate(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=600)


def running(words: str) -> list[str]:
    """The commands of all processes that have the words in them."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            # It has just ended.
            continue
    return [command for command in found if words in command]


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
        # Whatever can change a result is known: in so short a run nothing but its results tells what fusion has loaded.
        self.assertEqual(set(report["nodes"]["fusion"]["models"]), {"fusion/config.json"})
        with (self.output / "files.csv").open() as file:
            texts = {Path(row["file"]).name: row["decoder/transcript: text"] for row in csv.DictReader(file)}
        self.assertEqual(texts["LJ001-0008.flac"], "has never been surpassed.")
        text = (self.output / "report.md").read_text()
        for plot in ("confusion", "reliability", "risk_coverage", "latency"):
            self.assertIn(f"({plot}.png)", text)
            self.assertEqual((self.output / f"{plot}.png").read_bytes()[1:4], b"PNG")

    def graph(self, *replaced: tuple[str, str]) -> str:
        """The default graph in the folder of the test, with some words replaced."""
        path, text = self.folder / "graph.yml", (REPOSITORY / "dataflow.yml").read_text()
        for old, new in (("target/release/", f"{REPOSITORY}/target/release/"), *replaced):
            text = text.replace(old, new)
        path.write_text(text)
        shutil.copytree(REPOSITORY / "types", self.folder / "types", dirs_exist_ok=True)
        return str(path)

    def test_a_node_that_fails_is_named_and_nothing_is_left_beside_the_graph(self):
        graph = self.graph(("acoustic-whisper", "acoustic-whisker"))
        table = self.labels([[str(SESSION / FILES[0]), "", "neutral", "", ""]])
        found = evaluate("--labels", table, "--output", str(self.output), "--graph", graph)
        self.assertEqual(found.returncode, 1)
        self.assertIn("ERROR acoustic: exited with code 1", found.stderr)
        self.assertIn("no model named `acoustic-whisker`", found.stderr)
        self.assertEqual(list(self.folder.glob(".evaluate-*")), [])
        self.assertFalse((self.output / "report.md").exists())

    def test_a_command_that_is_asked_to_end_leaves_no_graph_running(self):
        table = self.labels([[str(SESSION / file), "", "neutral", "", ""] for file in FILES])
        # The models of the repository are not above the test's folder.
        (self.folder / "models").symlink_to(REPOSITORY / "models")
        command = [*COMMAND, "--labels", table, "--output", str(self.output), "--graph", self.graph()]
        for asked in (signal.SIGTERM, signal.SIGHUP):
            with self.subTest(asked.name):
                shutil.rmtree(self.output, ignore_errors=True)
                # Tests may run where a hang-up is ignored, as behind nohup, which a process hands on to those that it starts.
                heard = functools.partial(signal.signal, asked, signal.SIG_DFL)
                output = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
                process = subprocess.Popen(command, **output, text=True, preexec_fn=heard)
                self.addCleanup(process.kill)
                recorder = f"{self.output}/batches/"
                while not any("release/recorder" in line for line in running(recorder)):
                    self.assertIsNone(process.poll(), "it ended before the graph ran")
                    time.sleep(0.02)
                process.send_signal(asked)
                told = process.communicate(timeout=60)[1]
                self.assertEqual(process.returncode, 130, told)
                self.assertIn("interrupted; give the same command again to go on", told)
                self.assertEqual(list(self.folder.glob(".evaluate-*")), [])
                self.assertEqual(running(recorder), [])

    def test_a_second_evaluation_into_a_folder_is_refused(self):
        self.output.mkdir()
        with (self.output / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = evaluate("--labels", self.labels([]), "--output", str(self.output))
        self.assertEqual(found.returncode, 1)
        self.assertIn(f"another evaluation writes to {self.output}", found.stderr)

    def test_classes_that_a_known_set_does_not_have_are_refused_before_the_graph_runs(self):
        tone(self.folder / "03-01-05-02-01-02-11.wav")
        found = evaluate("--ravdess", str(self.folder), "--output", str(self.output), "--classes", "good, bad")
        self.assertEqual(found.returncode, 1)
        self.assertIn("the labels of `--ravdess` are negative, neutral, positive; leave `--classes`", found.stderr)
        self.assertFalse((self.output / "batches").exists())

    def test_names_of_classes_may_stand_behind_spaces(self):
        options = command_line.parser().parse_args(["--folder", "a", "--output", "b", "--classes", "bad, good"])
        self.assertEqual(options.classes, ("bad", "good"))

    def test_reference_segments_are_compared_with_a_length_that_only_the_source_knows(self):
        rows = {name: Row(name, Path(f"{name}.m4a"), speech=((0.0, end),)) for name, end in (("a", 1.0), ("b", 1000.0))}
        labels, sessions = Labels("set", list(rows.values())), {name: session() for name in rows}
        found = command_line._usable(labels, Batch(self.folder, rows, {}), sessions)
        self.assertEqual(list(found), ["a"])
        (wrong,) = labels.wrong
        self.assertEqual(wrong.where, "b")
        self.assertIn("goes on to 1000 s, and the recording ends at 1.00 s", wrong.reason)

    def test_a_set_without_a_right_row_is_an_error(self):
        found = evaluate("--labels", self.labels([["gone.wav", "", "", "", ""]]), "--output", str(self.output))
        self.assertEqual(found.returncode, 1)
        self.assertIn("labels.csv:2: there is no such file", found.stderr)


if __name__ == "__main__":
    unittest.main()
