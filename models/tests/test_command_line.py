"""`models` as a user runs it, and the files that it reads."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from context import MODELS
from undertone_models import catalogue, hashing


def models(*arguments: str, cwd: Path = MODELS.parent) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(MODELS / "models"), *arguments], capture_output=True, text=True, cwd=cwd)


class Commands(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.into = temporary.name

    def test_a_mistyped_name_gets_the_right_one(self):
        for command in ("prepare", "list", "verify"):
            result = models(command, "whisper-tiny")
            self.assertEqual(result.returncode, 1)
            self.assertIn("no model whisper-tiny. Did you mean whisper-tiny.en?", result.stderr)

    def test_an_unknown_name_gets_all_names(self):
        self.assertIn("Known are onnxruntime, silero-vad", models("prepare", "zzz").stderr)

    def test_prepare_list_verify(self):
        self.assertIn("not prepared", models("list", "silero-vad", "--into", self.into).stdout)
        self.assertEqual(models("prepare", "silero-vad", "--into", self.into).stdout, "silero-vad: prepared\n")
        self.assertEqual(models("prepare", "silero-vad", "--into", self.into).stdout, "silero-vad: ready\n")
        self.assertEqual(models("verify", "silero-vad", "--into", self.into).stdout, "silero-vad: right\n")
        self.assertIn("takes     state: float32[2, 1, 128]", models("list", "silero-vad", "--into", self.into).stdout)

    def test_verify_names_a_damaged_file(self):
        models("prepare", "silero-vad", "--into", self.into)
        damaged = Path(self.into) / "silero-vad/model.onnx"
        damaged.write_bytes(damaged.read_bytes()[:-1])
        result = models("verify", "silero-vad", "--into", self.into)
        self.assertEqual((result.returncode, result.stdout), (1, "silero-vad: wrong\n"))
        for part in (f"{damaged} is damaged", "expected sha256 7ed98ddb", f"actual sha256   {hashing.sha256(damaged)}"):
            self.assertIn(part, result.stderr)
        self.assertIn("prepare silero-vad", result.stderr)

    def test_verify_says_what_is_not_prepared(self):
        result = models("verify", "onnxruntime", "--into", self.into)
        self.assertEqual(result.returncode, 1)
        self.assertIn("manifest.json is missing", result.stderr)

    def test_it_runs_from_any_folder(self):
        self.assertEqual(models("list", cwd=Path(self.into)).returncode, 0)


class Catalogue(unittest.TestCase):
    def test_every_input_is_pinned_by_its_requirements(self):
        for machine in ("x86_64", "aarch64"):
            for entry in catalogue.read(machine=machine).values():
                pinned = (MODELS.parent / entry.requirements).read_text()
                self.assertTrue(entry.inputs and entry.outputs, entry.name)
                for item in filter(lambda item: item.package, entry.inputs):
                    self.assertIn(f"{item.package}=={item.version} \\", pinned, entry.name)

    def test_every_hash_is_one(self):
        for entry in catalogue.read().values():
            for item in [*entry.inputs, *entry.outputs]:
                self.assertRegex(item.sha256, "^[0-9a-f]{64}$", item.file)
