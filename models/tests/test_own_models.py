"""The models in the repository fit those that are prepared."""

import json
import unittest

from context import MODELS
from undertone_models import catalogue, packages
from undertone_models.errors import ModelError


class OwnModels(unittest.TestCase):
    def test_acoustic_whisper_knows_the_encoders_that_are_prepared(self):
        feature = json.loads((MODELS / "acoustic-whisper/config.json").read_text())["feature"]
        entry = catalogue.read()["whisper-tiny.en-onnx"]
        hashes = {output.file: output.sha256 for output in entry.outputs}
        encoders = [f"{entry.name}@{hashes[f'encoder-{precision}.onnx'][:12]}" for precision in ("int8", "fp32")]
        self.assertEqual(feature["encoders"], encoders)

    def test_what_prepared_models_take_from_the_repository_is_there(self):
        entries = catalogue.read().values()
        own = [(entry, wanted) for entry in entries for wanted in entry.inputs if not wanted.package]
        self.assertEqual({entry.name for entry, _ in own}, {"text-mpnet"})
        for entry, wanted in own:
            self.assertEqual(packages.locate(entry, wanted), MODELS / wanted.file)

    def test_what_was_changed_in_the_repository_is_told(self):
        entry = catalogue.read()["text-mpnet"]
        for file, problem in [("models.toml", "not what models.toml expects"), ("adapters/none", "is missing")]:
            with self.assertRaisesRegex(ModelError, f"{file}.*{problem}(.|\\n)*git checkout"):
                packages.locate(entry, catalogue.Input(file, "0" * 64))


if __name__ == "__main__":
    unittest.main()
