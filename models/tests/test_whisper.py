"""The whole conversion of Whisper tiny.en, from the installed package."""

import contextlib
import io
import tempfile
import unittest
from pathlib import Path

import context  # noqa: F401
import numpy as np
from undertone_models import catalogue, ctranslate2, ggml, packages, prepare, whisper
from undertone_models.errors import ModelError


class TinyEnglish(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        entry = catalogue.read()["whisper-tiny.en"]
        with contextlib.redirect_stderr(io.StringIO()):
            prepare.prepare(entry, Path(temporary.name))
        folder = Path(temporary.name) / entry.name
        cls.source = ctranslate2.read([packages.locate(entry, entry.inputs[0])]).variables
        cls.f16, cls.q8_0 = (ggml.read(folder / output.file) for output in entry.outputs)
        cls.tensors = {tensor.name: tensor.values for tensor in cls.f16.tensors}

    def test_hyperparameters(self):
        expected = ggml.Hyperparameters(51864, 1500, 384, 6, 4, 448, 384, 6, 4, 80)
        self.assertEqual(self.f16.hyperparameters, expected)
        self.assertEqual(self.q8_0.hyperparameters, expected)

    def test_every_weight_is_there_once(self):
        self.assertEqual(len(self.f16.tensors), len(self.tensors))
        # Beside weights the package has settings, which are numbers without a shape or lists of them, all integers.
        weights = {name: values for name, values in self.source.items() if values.dtype == np.float16}
        # An alias of the embedding; and Whisper's key projections have no bias, where CTranslate2 has zeros.
        tied, key_biases = weights.pop("decoder/projection/weight").size, 12 * 384
        self.assertEqual(tied, 51864 * 384)
        written = sum(values.size for values in self.tensors.values())
        self.assertEqual(written, sum(values.size for values in weights.values()) - key_biases)

    def test_plain_tensors_are_unchanged(self):
        pairs = {
            "decoder.token_embedding.weight": "decoder/embeddings/weight",
            "decoder.positional_embedding": "decoder/position_encodings/encodings",
            "encoder.conv2.weight": "encoder/conv2/weight",
            "encoder.ln_post.bias": "encoder/layer_norm/beta",
            "decoder.blocks.3.mlp.2.weight": "decoder/layer_3/ffn/linear_1/weight",
            "decoder.blocks.2.cross_attn.query.bias": "decoder/layer_2/attention/linear_0/bias",
            "encoder.blocks.1.attn.out.weight": "encoder/layer_1/self_attention/linear_1/weight",
        }
        for name, original in pairs.items():
            np.testing.assert_array_equal(self.tensors[name], self.source[original], name)

    def test_joined_projections_are_taken_apart(self):
        for block, path, parts in (
            ("encoder.blocks.0.attn", "encoder/layer_0/self_attention/linear_0", ("query", "key", "value")),
            ("decoder.blocks.3.attn", "decoder/layer_3/self_attention/linear_0", ("query", "key", "value")),
            ("decoder.blocks.1.cross_attn", "decoder/layer_1/attention/linear_1", ("key", "value")),
        ):
            joined = np.concatenate([self.tensors[f"{block}.{part}.weight"] for part in parts])
            np.testing.assert_array_equal(joined, self.source[f"{path}/weight"])
            zeros = np.zeros(384, np.float32)
            joined = np.concatenate([self.tensors.get(f"{block}.{part}.bias", zeros) for part in parts])
            np.testing.assert_array_equal(joined, self.source[f"{path}/bias"])

    def test_q8_0_is_close_to_f16(self):
        for exact, close in zip(self.f16.tensors, self.q8_0.tensors, strict=True):
            self.assertEqual(exact.name, close.name)
            wide = exact.values.astype(np.float32)
            if exact.values.ndim == 2 and not exact.keep_f32:
                rows, error = wide.reshape(-1, 32), (close.values - wide).reshape(-1, 32)
                largest = np.abs(rows).max(axis=1, keepdims=True)
                # As in test_ggml, and float16's smallest step for scales near zero.
                self.assertTrue(
                    (np.abs(error) <= largest * (0.5 / 127 + 2**-11) * 1.001 + 127 * 2**-25).all(), exact.name
                )
            else:
                np.testing.assert_array_equal(close.values, exact.values, exact.name)


class Refused(unittest.TestCase):
    def test_a_model_that_is_no_whisper(self):
        with self.assertRaisesRegex(ModelError, "TransformerSpec, not a WhisperSpec"):
            whisper.to_ggml(ctranslate2.Model("TransformerSpec", 1, {}), [])

    def test_128_mel_bands(self):
        variables = {"encoder/conv1/weight": np.zeros((1280, 128, 3), np.float16)}
        with self.assertRaisesRegex(ModelError, "128 mel bands"):
            whisper.to_ggml(ctranslate2.Model("WhisperSpec", 3, variables), [])

    def test_a_missing_weight_is_named(self):
        variables = {"encoder/conv1/weight": np.zeros((384, 80, 3), np.float16)}
        with self.assertRaisesRegex(ModelError, "no decoder/embeddings/weight"):
            whisper.to_ggml(ctranslate2.Model("WhisperSpec", 3, variables), [])
