"""Reads CTranslate2's `model.bin` (binary versions 4 to 6, little-endian): the weights of a converted model, by name.

The layout is that of `ctranslate2/specs/model_spec.py` (`ModelSpec._serialize`), release 4:

    u32 binary version, string specification, u32 revision, u32 count of variables
    each variable: string name, u8 rank, u32 x rank shape, u8 type, u32 byte size, bytes
    u32 count of aliases, each: string alias, string name

A string is a u16 length that counts the closing zero byte, then the bytes.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import ModelError

# DataType in `include/ctranslate2/types.h`; 5 is bfloat16, which NumPy lacks.
TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
VERSIONS = range(4, 7)


@dataclass(frozen=True)
class Model:
    """`specification` is a name such as WhisperSpec; `variables` maps a path (encoder/conv1/bias) to its array."""

    specification: str
    revision: int
    variables: dict[str, np.ndarray]


class _Cursor:
    """Takes values from the front of the bytes, and says where they end too early."""

    def __init__(self, data: bytes, name: str):
        self.data, self.name, self.offset = data, name, 0

    def take(self, size: int, what: str) -> memoryview:
        end = self.offset + size
        if end > len(self.data):
            raise ModelError(
                f"{self.name}: ends after {len(self.data)} bytes, where {what} needs bytes {self.offset} to {end}. "
                "The file is cut off: install its package again."
            )
        taken = memoryview(self.data)[self.offset : end]
        self.offset = end
        return taken

    def number(self, code: str, what: str) -> int:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}"), what))[0]

    def string(self, what: str) -> str:
        raw = bytes(self.take(self.number("H", what), what))
        try:
            return raw.rstrip(b"\0").decode()
        except UnicodeDecodeError as error:
            raise ModelError(f"{self.name}: {what} is no text. Is this a CTranslate2 model.bin?") from error


def read(paths: list[Path]) -> Model:
    """Reads a model.bin, which may be cut into several files that follow each other."""
    return parse(b"".join(path.read_bytes() for path in paths), " + ".join(path.name for path in paths))


def parse(data: bytes, name: str) -> Model:
    """Parses the bytes of a model.bin; `name` is for messages. The arrays are read-only views of `data`."""
    cursor = _Cursor(data, name)
    version = cursor.number("I", "the version")
    if version not in VERSIONS:
        raise ModelError(
            f"{name}: CTranslate2 binary version {version}, where {VERSIONS.start} to {VERSIONS.stop - 1} are known. "
            "Is this a CTranslate2 model.bin?"
        )
    specification, revision = cursor.string("the specification"), cursor.number("I", "the revision")
    variables = dict(_variable(cursor) for _ in range(cursor.number("I", "the count of variables")))
    for _ in range(cursor.number("I", "the count of aliases")):
        alias, original = cursor.string("an alias"), cursor.string("an alias's variable")
        if original not in variables:
            raise ModelError(f"{name}: {alias} is an alias of {original}, which is not there.")
        variables[alias] = variables[original]
    if cursor.offset != len(data):
        raise ModelError(f"{name}: {len(data) - cursor.offset} bytes follow the last entry at byte {cursor.offset}.")
    return Model(specification, revision, variables)


def _variable(cursor: _Cursor) -> tuple[str, np.ndarray]:
    key = cursor.string("a variable's name")
    shape = tuple(cursor.number("I", f"the shape of {key}") for _ in range(cursor.number("B", f"the rank of {key}")))
    code = cursor.number("B", f"the type of {key}")
    if code not in TYPES:
        raise ModelError(
            f"{cursor.name}: {key} has the unknown type {code}. Only float32, float16 and integers are read."
        )
    kind = np.dtype(TYPES[code]).newbyteorder("<")
    size = cursor.number("I", f"the size of {key}")
    if size != math.prod(shape) * kind.itemsize:
        raise ModelError(f"{cursor.name}: {key} has {size} bytes, but its shape {shape} of {kind} another number.")
    return key, np.frombuffer(cursor.take(size, key), kind).reshape(shape)
