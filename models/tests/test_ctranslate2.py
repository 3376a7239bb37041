"""Reading model.bin, on a file made here by the format's description."""

import struct
import tempfile
import unittest
from pathlib import Path

import context  # noqa: F401
import numpy as np
from undertone_models import ctranslate2
from undertone_models.errors import ModelError

CODES = {"float32": 0, "int8": 1, "int32": 3, "float16": 4}


def string(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def variable(name: str, values: np.ndarray) -> bytes:
    head = struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
    return string(name) + head + struct.pack("<BI", CODES[values.dtype.name], values.nbytes) + values.tobytes()


def model_bin(variables: dict[str, np.ndarray], aliases: dict[str, str], version: int = 6) -> bytes:
    parts = [struct.pack("<I", version), string("WhisperSpec"), struct.pack("<II", 3, len(variables))]
    parts += [variable(*item) for item in variables.items()]
    parts += [struct.pack("<I", len(aliases))] + [string(alias) + string(name) for alias, name in aliases.items()]
    return b"".join(parts)


VARIABLES = {
    "encoder/conv1/weight": np.arange(24, dtype=np.float16).reshape(2, 3, 4),
    "encoder/conv1/bias": np.array([0.5, -1.25], np.float32),
    "decoder/scale": np.array(7, np.int8),
}


class Parse(unittest.TestCase):
    def test_names_shapes_types_and_values(self):
        model = ctranslate2.parse(model_bin(VARIABLES, {}), "model.bin")
        self.assertEqual((model.specification, model.revision), ("WhisperSpec", 3))
        self.assertEqual(list(model.variables), list(VARIABLES))
        for name, values in VARIABLES.items():
            self.assertEqual(model.variables[name].dtype, values.dtype)
            np.testing.assert_array_equal(model.variables[name], values)

    def test_an_alias_is_the_same_array(self):
        model = ctranslate2.parse(model_bin(VARIABLES, {"decoder/projection": "encoder/conv1/weight"}), "model.bin")
        self.assertIs(model.variables["decoder/projection"], model.variables["encoder/conv1/weight"])

    def test_parts_follow_each_other(self):
        data = model_bin(VARIABLES, {})
        with tempfile.TemporaryDirectory() as folder:
            parts = [Path(folder) / "part1", Path(folder) / "part2"]
            parts[0].write_bytes(data[:77])
            parts[1].write_bytes(data[77:])
            np.testing.assert_array_equal(ctranslate2.read(parts).variables["encoder/conv1/bias"], [0.5, -1.25])

    def test_a_cut_at_any_byte_is_an_error_that_names_the_file(self):
        data = model_bin(VARIABLES, {"a": "decoder/scale"})
        for length in range(len(data)):
            with self.subTest(length=length), self.assertRaisesRegex(ModelError, "^model.bin: ends after"):
                ctranslate2.parse(data[:length], "model.bin")

    def test_bytes_too_many_are_an_error(self):
        with self.assertRaisesRegex(ModelError, "3 bytes follow"):
            ctranslate2.parse(model_bin(VARIABLES, {}) + b"abc", "model.bin")

    def test_another_version_is_an_error(self):
        with self.assertRaisesRegex(ModelError, "binary version 9"):
            ctranslate2.parse(model_bin(VARIABLES, {}, version=9), "model.bin")

    def test_an_alias_of_nothing_is_an_error(self):
        with self.assertRaisesRegex(ModelError, "alias of nothing"):
            ctranslate2.parse(model_bin(VARIABLES, {"a": "nothing"}), "model.bin")
