"""The files of an ONNX Whisper: config.json, what is refused, and the whole conversion of the installed package."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import context  # noqa: F401
import numpy as np
import onnx
import onnxruntime
import whisper_reference as reference
from undertone_models import catalogue, ctranslate2, packages, prepare, whisper_onnx
from undertone_models.errors import ModelError
from undertone_models.whisper_tensors import Tensors

CONFIG = {"alignment_heads": [[1, 1], [0, 1]], "suppress_ids": [89, 7, 1], "suppress_ids_begin": [88, 3]}


def small(folder: Path, config: str) -> whisper_onnx.Model:
    """The small random Whisper with this config.json."""
    (folder / "config.json").write_text(config)
    tensors = Tensors.of(ctranslate2.Model("WhisperSpec", 3, reference.random_variables()))
    return whisper_onnx.Model(tensors, whisper_onnx.read_settings(folder / "config.json", tensors), b"{}")


class Small(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def test_config_has_sizes_and_sorted_lists(self):
        expected = {
            "width": 128,
            "layers": 2,
            "heads": 2,
            "mel_bands": 80,
            "audio_context": 24,
            "text_context": 12,
            "vocabulary": 90,
            "multilingual": False,
            "alignment_heads": [[0, 1], [1, 1]],
            "suppressed": [1, 7, 89],
            "suppressed_at_begin": [3, 88],
        }
        config = whisper_onnx.configuration(small(self.folder, json.dumps(CONFIG)))
        self.assertEqual(json.loads(config), expected)

    def test_the_same_model_gives_the_same_bytes(self):
        first, second = (small(self.folder, json.dumps(CONFIG)) for _ in range(2))
        for name, make in whisper_onnx.FILES.items():
            self.assertEqual(make(first), make(second), name)

    def test_the_tokenizer_is_as_it_was(self):
        whisper_onnx.write(self.folder / "tokenizer.json", small(self.folder, json.dumps(CONFIG)))
        self.assertEqual((self.folder / "tokenizer.json").read_bytes(), b"{}")

    def test_a_file_that_is_not_known(self):
        with self.assertRaisesRegex(ModelError, "no file encoder-fp8.onnx of an ONNX Whisper; known are encoder-fp32"):
            whisper_onnx.write(self.folder / "encoder-fp8.onnx", small(self.folder, json.dumps(CONFIG)))

    def test_a_config_of_another_kind(self):
        lacking = json.dumps({name: CONFIG[name] for name in CONFIG if name != "suppress_ids"})
        for config in ("{", "[]", lacking, json.dumps(CONFIG | {"alignment_heads": [3]})):
            with self.subTest(config), self.assertRaisesRegex(ModelError, "not CTranslate2's config.json of a Whisper"):
                small(self.folder, config)

    def test_a_config_of_another_model(self):
        for changed, message in (
            ({"alignment_heads": []}, "names no alignment head"),
            ({"alignment_heads": [[2, 0]]}, "head 0 of layer 2, where 2 layers have 2 heads"),
            ({"alignment_heads": [[1, 2]]}, "head 2 of layer 1, where 2 layers have 2 heads"),
            ({"suppress_ids": [5, 90]}, "token 90, where the vocabulary has 90"),
            ({"suppress_ids_begin": [-1]}, "token -1, where the vocabulary has 90"),
        ):
            with self.subTest(message), self.assertRaisesRegex(ModelError, f"config.json: {message}"):
                small(self.folder, json.dumps(CONFIG | changed))


class TinyEnglish(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.entry = catalogue.read()["whisper-tiny.en-onnx"]
        # The hashes in models.toml are those of every machine.
        with contextlib.redirect_stderr(io.StringIO()):
            prepare.prepare(cls.entry, Path(temporary.name))
        cls.folder = Path(temporary.name) / cls.entry.name
        cls.source = ctranslate2.read([packages.locate(cls.entry, cls.entry.inputs[0])]).variables

    def test_config(self):
        config = json.loads((self.folder / "config.json").read_text())
        sizes = [config[name] for name in ("width", "layers", "heads", "audio_context", "text_context", "vocabulary")]
        self.assertEqual((sizes, config["multilingual"]), ([384, 4, 6, 1500, 448, 51864], False))
        # OpenAI's `whisper/__init__.py`: _ALIGNMENT_HEADS of tiny.en.
        self.assertEqual(config["alignment_heads"], [[1, 0], [2, 0], [2, 5], *([3, head] for head in range(5))])
        tokens = json.loads((self.folder / "tokenizer.json").read_text())["added_tokens"]
        numbers = {token["content"]: token["id"] for token in tokens}
        # A blank and the end.
        self.assertEqual(config["suppressed_at_begin"], [220, numbers["<|endoftext|>"]])
        named = {name for name, number in numbers.items() if number in config["suppressed"]}
        special = ["startoftranscript", "translate", "transcribe", "startoflm", "startofprev", "nocaptions"]
        self.assertEqual(named, {f"<|{name}|>" for name in special})

    def test_every_weight_is_there(self):
        found = set()
        for file in ("encoder", "cross", "decoder"):
            for constant in onnx.load(self.folder / f"{file}-fp32.onnx").graph.initializer:
                found.add(constant.name)
                if constant.name in self.source:
                    expected, values = self.source[constant.name], onnx.numpy_helper.to_array(constant)
                    if "/attention/linear_0/" in constant.name:
                        expected = expected.astype(np.float32) / 8
                    # Linear layers multiply from the other side.
                    turned = "/linear_" in constant.name and values.ndim == 2
                    np.testing.assert_array_equal(values.T if turned else values, expected, constant.name)
        weights = {name for name, values in self.source.items() if values.dtype == np.float16}
        # An alias of the embeddings.
        self.assertEqual(weights - found, {"decoder/projection/weight"})

    def shapes(self, format: str) -> list[dict[str, list[int | str]]]:
        """Of all inputs and of all outputs, by name."""
        takes, gives = {}, {}
        for part in ("encoder", "cross", "decoder"):
            path = self.folder / f"{part}-{format}.onnx"
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            takes.update({value.name: value.shape for value in session.get_inputs()})
            gives.update({value.name: value.shape for value in session.get_outputs()})
        return [takes, gives]

    def test_inputs_and_outputs_are_those_of_the_catalogue(self):
        found = self.shapes("fp32")
        self.assertEqual(self.shapes("int8"), found)
        for ports, shapes in zip((self.entry.takes, self.entry.gives), found, strict=True):
            named = {name: port.shape for port in ports for name in port.name.split(" to ")}
            self.assertEqual({name: shapes.get(name) for name in named}, named)


class Lacking(unittest.TestCase):
    def test_a_missing_onnx_is_named_with_the_command_that_installs_it(self):
        entry = catalogue.read()["whisper-base-onnx"]
        with mock.patch("importlib.util.find_spec", return_value=None), self.assertRaises(ModelError) as raised:
            packages.require(entry, "onnx")
        self.assertIn("whisper-base-onnx is made with the package onnx", str(raised.exception))
        # Not the list of the model's own packages, which lacks it.
        self.assertIn("--require-hashes -r models/requirements.txt", str(raised.exception))
