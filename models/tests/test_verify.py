"""Folders that came with their own manifest.json: models of the repository."""

import hashlib
import json
import tempfile
import unittest
from pathlib import Path

import context  # noqa: F401
from undertone_models import verify


class Committed(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.models = Path(temporary.name)
        self.folder = self.models / "acoustic"
        self.folder.mkdir()
        (self.models / "tests").mkdir()
        (self.folder / "model.onnx").write_bytes(b"weights")
        (self.folder / "config.json").write_bytes(b"{}")
        self.describe({"model.onnx": b"weights", "config.json": b"{}"})

    def describe(self, files: dict[str, bytes]) -> None:
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        (self.folder / "manifest.json").write_text(json.dumps({"name": "acoustic", "files": hashes}))

    def problems(self) -> list[str]:
        return verify.problems(self.folder, None, "Repair it.")

    def test_a_folder_with_a_manifest_is_found(self):
        self.assertEqual(verify.committed(self.models), {"acoustic": self.folder})

    def test_right_files_have_no_problems(self):
        self.assertEqual(self.problems(), [])

    def test_every_wrong_file_is_named(self):
        (self.folder / "model.onnx").write_bytes(b"other")
        (self.folder / "config.json").unlink()
        damaged, missing = self.problems()
        self.assertIn(f"{self.folder}/model.onnx is damaged or was edited", damaged)
        self.assertIn(f"expected sha256 {hashlib.sha256(b'weights').hexdigest()}", damaged)
        self.assertIn(f"actual sha256   {hashlib.sha256(b'other').hexdigest()}", damaged)
        self.assertEqual(missing, f"{self.folder}/config.json is missing. Repair it.")

    def test_a_manifest_that_names_no_file_proves_nothing(self):
        self.describe({})
        self.assertIn("names no files", self.problems()[0])

    def test_a_broken_manifest(self):
        (self.folder / "manifest.json").write_text("{")
        self.assertIn("is missing or no JSON", self.problems()[0])
