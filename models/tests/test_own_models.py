"""The models in the repository fit those that are prepared."""

import json
import unittest

from context import MODELS
from undertone_models import catalogue


class OwnModels(unittest.TestCase):
    def test_acoustic_whisper_knows_the_encoders_that_are_prepared(self):
        feature = json.loads((MODELS / "acoustic-whisper/config.json").read_text())["feature"]
        entry = catalogue.read()["whisper-tiny.en-onnx"]
        hashes = {output.file: output.sha256 for output in entry.outputs}
        encoders = [f"{entry.name}@{hashes[f'encoder-{precision}.onnx'][:12]}" for precision in ("int8", "fp32")]
        self.assertEqual(feature["encoders"], encoders)


if __name__ == "__main__":
    unittest.main()
