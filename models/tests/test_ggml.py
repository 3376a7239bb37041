"""The file of whisper.cpp: quantisation, layout, reading back."""

import tempfile
import unittest
from pathlib import Path

import context  # noqa: F401
import numpy as np
from undertone_models import ggml
from undertone_models.errors import ModelError


class Quantise(unittest.TestCase):
    def test_known_blocks(self):
        values = np.zeros(64, np.float32)
        # 0.5 in steps of one: half goes away from zero, as C's roundf has it, not to the even neighbour.
        values[:4] = [127, 0.5, -2.5, 1.49]
        blocks = ggml.quantise_q8_0(values)
        self.assertEqual(blocks["values"][0, :5].tolist(), [127, 1, -3, 1, 0])
        self.assertEqual(blocks["scale"].tolist(), [1.0, 0.0])
        self.assertEqual(blocks["values"][1].tolist(), [0] * 32)
        self.assertEqual(blocks.tobytes()[:3], b"\x00\x3c\x7f")
        self.assertEqual(len(blocks.tobytes()), 2 * 34)

    def test_the_error_is_at_most_half_a_step(self):
        values = np.random.default_rng(1).normal(0, 0.05, (500, 64)).astype(np.float32)
        restored = ggml.dequantise_q8_0(ggml.quantise_q8_0(values))
        largest = np.abs(values.reshape(-1, 32)).max(axis=1, keepdims=True)
        # Half a step of rounding, and what float16 rounds off the scale (2^-11 of it, 127 steps away from zero).
        bound = largest / 127 * 0.5 + largest * 2**-11
        self.assertTrue((np.abs(restored - values.reshape(-1, 32)) <= bound * 1.0001).all())
        self.assertGreater(np.abs(restored - values.reshape(-1, 32)).max(), 0)

    def test_rows_that_are_no_blocks(self):
        with self.assertRaisesRegex(ModelError, "multiple of 32"):
            ggml.quantise_q8_0(np.zeros((2, 33), np.float32))


class File(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = Path(temporary.name) / "model.bin"
        random = np.random.default_rng(2)
        tensors = [
            ggml.Tensor("decoder.positional_embedding", random.normal(size=(2, 64)).astype(np.float16), keep_f32=True),
            ggml.Tensor("encoder.conv1.weight", random.normal(size=(4, 3, 5)).astype(np.float16)),
            ggml.Tensor("encoder.blocks.0.mlp.0.weight", random.normal(size=(3, 64)).astype(np.float16)),
            ggml.Tensor("encoder.blocks.0.mlp.0.bias", random.normal(size=3).astype(np.float16)),
        ]
        filters = random.random((80, 201)).astype(np.float32)
        self.model = ggml.Model(ggml.Hyperparameters(*range(51864, 51874)), filters, [b"!", b"", b"\xff\x00"], tensors)
        self.steps = []

    def write(self, file_type: str) -> None:
        ggml.write(self.path, self.model, file_type, lambda done, total: self.steps.append((done, total)))

    def test_f16_comes_back_exactly(self):
        self.write("f16")
        read = ggml.read(self.path)
        self.assertEqual((read.hyperparameters, read.tokens), (self.model.hyperparameters, self.model.tokens))
        np.testing.assert_array_equal(read.filters, self.model.filters)
        for before, after in zip(self.model.tensors, read.tensors, strict=True):
            self.assertEqual(after.name, before.name)
            np.testing.assert_array_equal(after.values, before.values)
        self.assertEqual(
            [tensor.values.dtype for tensor in read.tensors], [np.float32, np.float16, np.float16, np.float32]
        )
        self.assertEqual(self.steps[-1], (4, 4))

    def test_q8_0_is_for_matrices_alone(self):
        self.write("q8_0")
        read = ggml.read(self.path)
        for place in (0, 1, 3):
            np.testing.assert_array_equal(read.tensors[place].values, self.model.tensors[place].values)
        matrix = self.model.tensors[2].values
        expected = ggml.dequantise_q8_0(ggml.quantise_q8_0(matrix)).reshape(matrix.shape)
        np.testing.assert_array_equal(read.tensors[2].values, expected)

    def test_the_same_model_gives_the_same_bytes(self):
        self.write("q8_0")
        first = self.path.read_bytes()
        self.write("q8_0")
        self.assertEqual(self.path.read_bytes(), first)

    def test_a_cut_file_is_an_error(self):
        self.write("f16")
        whole = self.path.read_bytes()
        for length in (0, 3, 40, 100, 64_500, len(whole) - 1):
            self.path.write_bytes(whole[:length])
            with self.subTest(length=length), self.assertRaisesRegex(ModelError, "cut off"):
                ggml.read(self.path)

    def test_another_file_is_an_error(self):
        self.path.write_bytes(b"RIFF" * 20)
        with self.assertRaisesRegex(ModelError, "not a ggml file"):
            ggml.read(self.path)
