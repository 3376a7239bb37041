"""Models of an earlier run: each node's files are looked for where that node would load them from."""

import json
import tempfile
import unittest
from pathlib import Path

from context import REPOSITORY  # noqa: F401
from undertone_evaluate import models
from undertone_evaluate.hashing import sha256


class Models(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.addCleanup(sha256.cache_clear)
        # A graph's folder, with folders above it.
        self.folder = Path(temporary.name) / "above/graphs"
        self.folder.mkdir(parents=True)

    def model(self, place: str, weights: str, name: str | None = None) -> str:
        """Writes a model's file and the name in its manifest, and gives the file's hash."""
        file = self.folder / place / "model.onnx"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(weights)
        if name:
            (file.parent / "manifest.json").write_text(json.dumps({"name": name}))
        sha256.cache_clear()
        return sha256(file)

    def unchanged(self, args: str, **told: str) -> bool:
        files = {f"{name}/model.onnx": digest for name, digest in told.items()}
        return models.unchanged(self.folder, {"id": "text", "args": args}, files)

    def test_a_folder_that_an_argument_names_decides_and_no_other_of_its_name(self):
        before = self.model("experiment/text", "before")
        self.model("../models/text", "before")
        self.model("models/prepared/text", "before")
        for args in ("--model experiment/text", "--model=./experiment/text/", f"--model {self.folder}/experiment/text"):
            self.assertTrue(self.unchanged(args, text=before), args)
        self.model("experiment/text", "after")
        for args in ("--model experiment/text", "--model=./experiment/text/", f"--model {self.folder}/experiment/text"):
            self.assertFalse(self.unchanged(args, text=before), args)

    def test_an_argument_may_be_longer_than_a_path(self):
        before = self.model("experiment/text", "before")
        self.assertTrue(self.unchanged(f"--prompt '{'word ' * 100}' --model experiment/text", text=before))

    def test_a_file_that_an_argument_names_stands_for_its_folder(self):
        before = self.model("experiment/runtime", "before", name="runtime")
        args = "--onnxruntime experiment/runtime/model.onnx"
        self.assertTrue(self.unchanged(args, runtime=before))
        self.model("experiment/runtime", "after", name="runtime")
        self.assertFalse(self.unchanged(args, runtime=before))

    def test_a_folder_is_known_by_the_name_in_its_manifest(self):
        self.model("../models/text", "original")
        for place, args in (("mine", "--model ./mine"), ("models/other", "--model other")):
            tuned = self.model(place, "tuned", name="text")
            self.assertTrue(self.unchanged(args, text=tuned), args)
            self.model(place, "tuned again", name="text")
            self.assertFalse(self.unchanged(args, text=tuned), args)

    def test_a_folder_with_another_name_than_before_decides_too(self):
        original = self.model("../models/text", "original")
        self.model("mine", "original", name="text")
        self.assertTrue(self.unchanged("--model ./mine", text=original))
        self.model("mine", "tuned", name="mine")
        self.assertFalse(self.unchanged("--model ./mine", text=original))

    def test_of_several_folders_of_a_name_the_one_that_a_node_finds_first_decides(self):
        far = self.model("../models/text", "far")
        near = self.model("models/prepared/text", "near")
        for args in ("--model text", ""):
            self.assertTrue(self.unchanged(args, text=near), args)
            self.assertFalse(self.unchanged(args, text=far), args)
        committed = self.model("models/text", "committed")
        self.assertTrue(self.unchanged("", text=committed))
        self.assertFalse(self.unchanged("", text=near))

    def test_a_second_model_in_an_argument_is_found_beside_the_default(self):
        large, small = self.model("models/large", "large"), self.model("models/small", "small")
        args = "--when-late 3000=model:small"
        self.assertTrue(self.unchanged(args, large=large, small=small))
        self.model("models/small", "smaller")
        self.assertFalse(self.unchanged(args, large=large, small=small))

    def test_a_model_that_is_gone_has_changed(self):
        self.assertFalse(self.unchanged("--model text", text="0" * 64))
        self.assertTrue(self.unchanged("--detector energy"))


if __name__ == "__main__":
    unittest.main()
