"""A model's folder appears whole and right, or not at all."""

import contextlib
import errno
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from context import MODELS, copied_entry, install_package
from undertone_models import catalogue, hashing, prepare, verify
from undertone_models.errors import ModelError

PAYLOAD = bytes(range(256)) * 5000
OTHER = "0" * 64


class Prepare(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        # The progress lines, which would stand among the tests' own.
        self.enterContext(contextlib.redirect_stderr(io.StringIO()))
        self.into, self.site = self.folder / "prepared", self.folder / "site-packages"
        install_package(self.site, "undertone_test_tiny", "1.0", {"tiny/payload.bin": PAYLOAD})
        sys.path.insert(0, str(self.site))
        self.addCleanup(sys.path.remove, str(self.site))
        self.payload, self.model = self.site / "tiny/payload.bin", self.into / "tiny/model.onnx"

    def test_the_file_and_its_manifest_are_there(self):
        entry = copied_entry(self.folder, PAYLOAD)
        self.assertTrue(prepare.prepare(entry, self.into))
        self.assertEqual(self.model.read_bytes(), PAYLOAD)
        manifest = json.loads((self.into / "tiny/manifest.json").read_text())
        self.assertEqual(manifest["files"], {"model.onnx": hashing.sha256(self.payload)})
        self.assertEqual((manifest["name"], manifest["licence"], manifest["source"]), ("tiny", "MIT", "a test"))
        self.assertEqual(verify.problems(self.into / "tiny", entry, ""), [])

    def test_a_second_run_changes_nothing_and_needs_no_package(self):
        entry = copied_entry(self.folder, PAYLOAD)
        prepare.prepare(entry, self.into)
        before = {path: path.stat().st_mtime_ns for path in self.into.rglob("*")}
        self.payload.unlink()
        self.assertFalse(prepare.prepare(entry, self.into))
        self.assertEqual({path: path.stat().st_mtime_ns for path in self.into.rglob("*")}, before)

    def test_a_cache_on_a_read_only_file_system_is_ready(self):
        entry = copied_entry(self.folder, PAYLOAD)
        prepare.prepare(entry, self.into)
        (self.into / "tiny" / hashing.NOTE).unlink()
        read_only = OSError(errno.EROFS, os.strerror(errno.EROFS))
        with mock.patch.object(Path, "write_text", side_effect=read_only):
            self.assertTrue(prepare.is_ready(entry, self.into))
            self.assertFalse(prepare.prepare(entry, self.into))

    def test_a_damaged_output_is_made_again(self):
        entry = copied_entry(self.folder, PAYLOAD)
        prepare.prepare(entry, self.into)
        self.model.write_bytes(PAYLOAD[:-1] + b"x")
        self.assertTrue(prepare.prepare(entry, self.into))
        self.assertEqual(self.model.read_bytes(), PAYLOAD)

    def test_an_older_catalogues_output_is_made_again(self):
        entry = copied_entry(self.folder, PAYLOAD)
        prepare.prepare(entry, self.into)
        (self.into / "tiny/manifest.json").write_text("{}")
        self.assertTrue(prepare.prepare(entry, self.into))

    def test_verify_reads_what_prepare_trusts(self):
        entry = copied_entry(self.folder, PAYLOAD)
        prepare.prepare(entry, self.into)
        stamp = self.model.stat()
        self.model.write_bytes(PAYLOAD[:-1] + b"x")
        # The same size and time: the note of `prepare` still fits.
        os.utime(self.model, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        self.assertFalse(prepare.prepare(entry, self.into))
        (problem,) = verify.problems(self.into / "tiny", entry, "Make it again.")
        self.assertIn(str(self.model), problem)
        self.assertIn(f"expected sha256 {entry.outputs[0].sha256}", problem)
        self.assertIn(f"actual sha256   {hashing.sha256(self.model)}", problem)
        self.assertIn("Make it again.", problem)

    def test_a_truncated_input_is_named_with_both_hashes(self):
        entry = copied_entry(self.folder, PAYLOAD)
        self.payload.write_bytes(PAYLOAD[:1000])
        message = self.refused(entry)
        self.assertIn(str(self.payload), message)
        self.assertIn(entry.inputs[0].sha256, message)
        self.assertIn(hashing.sha256(self.payload), message)
        self.assertIn("--force-reinstall", message)

    def test_a_conversion_with_other_bytes_leaves_the_old_file(self):
        prepare.prepare(copied_entry(self.folder, PAYLOAD), self.into)
        message = self.refused(copied_entry(self.folder, PAYLOAD, sha256_out=OTHER))
        self.assertIn("tiny/model.onnx", message)
        self.assertIn(OTHER, message)
        self.assertIn(hashing.sha256(self.payload), message)
        self.assertEqual(self.model.read_bytes(), PAYLOAD)
        self.assertEqual(list(self.into.glob(f"{prepare.TEMPORARY}*")), [])

    def test_a_missing_package_is_named_with_the_command_that_installs_it(self):
        sys.path.remove(str(self.site))
        try:
            message = self.refused(copied_entry(self.folder, PAYLOAD))
        finally:
            sys.path.insert(0, str(self.site))
        self.assertIn("undertone-test-tiny 1.0", message)
        self.assertIn("--require-hashes -r models/requirements.txt", message)

    def test_another_version_is_refused(self):
        message = self.refused(copied_entry(self.folder, PAYLOAD, version="2.0"))
        self.assertIn("undertone-test-tiny 2.0", message)
        self.assertIn("1.0 is installed", message)

    def test_what_a_killed_run_left_is_removed(self):
        left = self.into / f"{prepare.TEMPORARY}left"
        left.mkdir(parents=True)
        (left / "model.onnx").write_bytes(b"half")
        prepare.prepare(copied_entry(self.folder, PAYLOAD), self.into)
        self.assertFalse(left.exists())

    def test_it_writes_through_a_link_whose_folder_is_gone(self):
        self.into.symlink_to(self.folder / "cache/models")
        prepare.prepare(copied_entry(self.folder, PAYLOAD), self.into)
        self.assertEqual((self.folder / "cache/models/tiny/model.onnx").read_bytes(), PAYLOAD)

    def refused(self, entry: catalogue.Entry) -> str:
        with self.assertRaises(ModelError) as raised:
            prepare.prepare(entry, self.into)
        return str(raised.exception)


class AtOnce(unittest.TestCase):
    def test_two_processes_prepare_the_same_model(self):
        command = [sys.executable, str(MODELS / "models"), "prepare", "silero-vad", "--into"]
        with tempfile.TemporaryDirectory() as into:
            running = [
                subprocess.Popen([*command, into], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                for _ in range(2)
            ]
            results = [(process.communicate()[1], process.returncode) for process in running]
            entry = catalogue.read()["silero-vad"]
            self.assertEqual([code for _, code in results], [0, 0], results)
            self.assertEqual(verify.problems(Path(into) / "silero-vad", entry, ""), [])
            # The second one waited for the first and found its work done.
            self.assertEqual(sum("making" in text for text, _ in results), 1, results)
