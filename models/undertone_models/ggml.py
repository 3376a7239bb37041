"""whisper.cpp's ggml model file, written and read back.

The layout is that of whisper.cpp's `models/convert-pt-to-ggml.py`; all numbers are little-endian i32:

    magic, 11 hyperparameters
    mel filters: bands, bins, f32 x bands x bins
    vocabulary: count, each token: length, bytes
    each tensor: rank, length of name, type, dimensions (fastest first), name, data
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .errors import ModelError

MAGIC = 0x67676D6C
# ggml_type, for tensors.
F32, F16, Q8_0 = 0, 1, 8
# ggml_ftype, for the whole file; a quantised one carries GGML_QNT_VERSION * 1000 as well.
FILE_TYPES = {"f16": 1, "q8_0": 2000 + 7}
# A block of q8_0: a float16 scale and 32 signed bytes.
BLOCK = 32
BLOCK_Q8_0 = np.dtype([("scale", "<f2"), ("values", "i1", BLOCK)])


@dataclass(frozen=True)
class Hyperparameters:
    """Sizes, in the order of the file: `state` is the width, `context` frames (audio) or tokens (text)."""

    vocabulary: int
    audio_context: int
    audio_state: int
    audio_heads: int
    audio_layers: int
    text_context: int
    text_state: int
    text_heads: int
    text_layers: int
    mel_bands: int


@dataclass(frozen=True)
class Tensor:
    """One tensor under its name in the file; `keep_f32` where whisper.cpp wants float32 whatever the file's type."""

    name: str
    values: np.ndarray
    keep_f32: bool = False


@dataclass(frozen=True)
class Model:
    """All that a file holds. The filters are f32 [bands, bins]."""

    hyperparameters: Hyperparameters
    filters: np.ndarray
    tokens: list[bytes]
    tensors: list[Tensor]


def quantise_q8_0(values: np.ndarray) -> np.ndarray:
    """Blocks along the last axis, as ggml's `quantize_row_q8_0_ref` makes them."""
    if values.shape[-1] % BLOCK:
        raise ModelError(f"q8_0 needs rows of a multiple of {BLOCK} values, not {values.shape[-1]}.")
    rows = values.astype(np.float32).reshape(-1, BLOCK)
    scale = np.abs(rows).max(axis=1) / np.float32(127)
    inverse = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale > 0)
    scaled = (rows * inverse[:, None]).astype(np.float64)
    blocks = np.empty(len(rows), BLOCK_Q8_0)
    blocks["scale"] = scale
    # C's roundf: half away from zero. In float64 the sum is exact.
    blocks["values"] = np.trunc(scaled + np.copysign(0.5, scaled))
    return blocks


def dequantise_q8_0(blocks: np.ndarray) -> np.ndarray:
    """The float32 values that blocks stand for, [blocks, 32]."""
    return blocks["scale"].astype(np.float32)[:, None] * blocks["values"].astype(np.float32)


def tensor_type(tensor: Tensor, file_type: str) -> int:
    """Vectors and what asks for it stay float32; q8_0 is for matrices, convolutions stay float16."""
    if tensor.keep_f32 or tensor.values.ndim < 2:
        return F32
    return Q8_0 if file_type == "q8_0" and tensor.values.ndim == 2 else F16


def encode(values: np.ndarray, kind: int) -> bytes:
    """The data of a tensor in the file."""
    values = np.ascontiguousarray(values)
    if kind == Q8_0:
        return quantise_q8_0(values).tobytes()
    return values.astype("<f4" if kind == F32 else "<f2").tobytes()


def write(path: Path, model: Model, file_type: str, progress: Callable[[int, int], None]) -> None:
    """Writes the file; `progress` is told the tensors written and their number."""
    with path.open("wb") as file:
        file.write(struct.pack("<12i", MAGIC, *astuple(model.hyperparameters), FILE_TYPES[file_type]))
        file.write(struct.pack("<2i", *model.filters.shape) + model.filters.astype("<f4").tobytes())
        file.write(struct.pack("<i", len(model.tokens)))
        file.writelines(struct.pack("<i", len(token)) + token for token in model.tokens)
        for written, tensor in enumerate(model.tensors):
            progress(written, len(model.tensors))
            _write_tensor(file, tensor, tensor_type(tensor, file_type))
        progress(len(model.tensors), len(model.tensors))


def _write_tensor(file: BinaryIO, tensor: Tensor, kind: int) -> None:
    name, shape = tensor.name.encode(), tensor.values.shape
    file.write(struct.pack("<3i", len(shape), len(name), kind))
    file.write(struct.pack(f"<{len(shape)}i", *reversed(shape)))
    file.write(name + encode(tensor.values, kind))


def read(path: Path) -> Model:
    """Reads a file back; q8_0 tensors come as the float32 values that they stand for."""
    with path.open("rb") as file:
        magic, *sizes, _ = _numbers(file, 12)
        if magic != MAGIC:
            raise ModelError(f"{path}: not a ggml file (it begins with {magic:#010x}).")
        bands, bins = _numbers(file, 2)
        filters = np.frombuffer(_take(file, 4 * bands * bins), "<f4").reshape(bands, bins)
        tokens = [_take(file, _numbers(file, 1)[0]) for _ in range(_numbers(file, 1)[0])]
        return Model(Hyperparameters(*sizes), filters, tokens, list(_read_tensors(file)))


def _read_tensors(file: BinaryIO) -> Iterator[Tensor]:
    while header := file.read(12):
        if len(header) != 12:
            raise ModelError(f"{file.name}: cut off in the header of a tensor.")
        rank, length, kind = struct.unpack("<3i", header)
        shape = tuple(reversed(_numbers(file, rank)))
        name, count = _take(file, length).decode(), int(np.prod(shape))
        if kind == Q8_0:
            blocks = np.frombuffer(_take(file, count // BLOCK * BLOCK_Q8_0.itemsize), BLOCK_Q8_0)
            yield Tensor(name, dequantise_q8_0(blocks).reshape(shape))
        else:
            stored = np.dtype("<f4" if kind == F32 else "<f2")
            yield Tensor(name, np.frombuffer(_take(file, count * stored.itemsize), stored).reshape(shape), kind == F32)


def _numbers(file: BinaryIO, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}i", _take(file, 4 * count))


def _take(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ModelError(f"{file.name}: cut off, {size} bytes were due and {len(data)} are left.")
    return data
