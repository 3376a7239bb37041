"""Whisper from CTranslate2 to ONNX graphs: encoder, keys and values of cross-attention, one step of the decoder.

The arithmetic is that of OpenAI's `whisper/model.py`. `frames` is half the columns of the mel spectrogram, one for each
20 ms, and at most the 1500 of 30 s; what a caller leaves out is not computed. A state has `width` values, which are
`heads` of 64. Caches count layers from 0, as CTranslate2's paths do.

encoder   takes mel [1, 80, 2 * frames];
          gives states [1, frames, width] and, of the same shape, layer_1, layer_2 and so on: the sum that the first,
          the second layer leaves, before the norm that makes states of the last one
cross     takes states [frames, width];
          gives key_0 [heads, 64, frames] and value_0 [heads, frames, 64], and so on for each layer of the decoder
decoder   takes tokens, int64 [batch, length], at least one; past_key_0 and past_value_0 [batch, heads, past, 64] and so
          on, of the tokens before; cross_key_0 and cross_value_0 and so on, as `cross` gives them, and log_counts
          [frames], the natural logarithm of how many frames like it each stands for (0 for itself alone), all the same
          for the whole batch;
          gives logits [batch, length, vocabulary]; present_key_0 and present_value_0 [batch, heads, past + length, 64]
          and so on; and alignment [alignment heads, batch * length, frames]: the products that these heads give to the
          softmax, to which log_counts is added there

Without any token ONNX Runtime (1.31) does not fail but divides by zero, which ends the process.
With `quantised`, the weights of linear layers and the embeddings of tokens are int8 with a scale for each output (for
an embedding that is the token's logit). All else is float32.
"""

from dataclasses import dataclass
from functools import cached_property

from onnx import TensorProto

from .onnx_graph import RUNTIME, Graph
from .whisper_tensors import HEAD_WIDTH, Tensors

EMBEDDINGS = "decoder/embeddings/weight"
# Scores are divided by the root of the head's width. That is a power of two, so that a weight loses nothing by it.
QUERY_SCALE = HEAD_WIDTH**-0.5


@dataclass(frozen=True)
class _Part:
    """Adds Whisper's pieces to a graph, each under CTranslate2's path of its tensors."""

    tensors: Tensors
    graph: Graph

    def constant(self, path: str) -> str:
        return self.graph.constant(path, self.tensors.floats(path))

    def convolution(self, value: str, path: str, stride: int) -> str:
        weight, bias = self.constant(f"{path}/weight"), self.constant(f"{path}/bias")
        return self.graph.node("Gelu", self.graph.node("Conv", value, weight, bias, strides=[stride], pads=[1, 1]))

    def layer_norm(self, value: str, path: str, into: str = "") -> str:
        return self.graph.layer_norm(value, self.constant(f"{path}/gamma"), self.constant(f"{path}/beta"), into)

    def linear(self, value: str, path: str, scale: float = 1.0) -> str:
        weight, bias = self.tensors.floats(f"{path}/weight"), self.tensors.floats(f"{path}/bias")
        return self.graph.linear(value, path, weight * scale, bias * scale)

    def joined(self, value: str, path: str, parts: int) -> list[str]:
        """Joined projections, taken apart again."""
        return self.graph.split("Split", self.linear(value, path), into=[""] * parts, axis=-1, num_outputs=parts)

    def by_head(self, value: str, order: list[int], into: str = "") -> str:
        """[..., width] to [rows, heads, 64] with its axes in that order."""
        shape = self.graph.integers(-1, self.tensors.heads, HEAD_WIDTH)
        return self.graph.node("Transpose", self.graph.node("Reshape", value, shape), perm=order, into=into)

    def self_attention(self, value: str, path: str, past: tuple = (), present: tuple = (), **attributes) -> str:
        """The sum with attention between positions; `past` and `present` are the key and value of a cache."""
        query, key, new = self.joined(self.layer_norm(value, f"{path}/layer_norm"), f"{path}/linear_0", 3)
        no_bias_and_masks = [""] * 3 if past else []
        mixed, *_ = self.graph.split(
            "MultiHeadAttention",
            *(query, key, new, *no_bias_and_masks, *past),
            into=["", *present],
            domain=RUNTIME,
            num_heads=self.tensors.heads,
            **attributes,
        )
        return self.graph.node("Add", value, self.linear(mixed, f"{path}/linear_1"))

    def feed_forward(self, value: str, path: str, into: str = "") -> str:
        """The sum with both layers."""
        wide = self.graph.node("Gelu", self.linear(self.layer_norm(value, f"{path}/layer_norm"), f"{path}/linear_0"))
        return self.graph.node("Add", value, self.linear(wide, f"{path}/linear_1"), into=into)


@dataclass(frozen=True)
class _Decoder(_Part):
    """The decoder's own pieces."""

    def start(self) -> str:
        """The sum of the embeddings of tokens and positions, [batch, length, width]."""
        length = self.graph.node("Gather", self.graph.node("Shape", "tokens"), self.graph.integer(1))
        past = self.graph.node("Gather", self.graph.node("Shape", "past_key_0"), self.graph.integer(2))
        start, step = self.graph.integer(0), self.graph.integer(1)
        # Gather fails where there is no position. Slice (ONNX Runtime turns a Gather of a bare Range into it) gives too
        # few there: a single one would be repeated for all tokens, and with none the process would end.
        places = self.graph.node("Add", self.graph.node("Range", start, length, step), past)
        positions = self.graph.node("Gather", self.constant("decoder/position_encodings/encodings"), places)
        return self.graph.node("Add", self.embeddings(), positions)

    def embeddings(self) -> str:
        if not self.graph.quantised:
            return self.as_float(self.graph.node("Gather", self.table(), "tokens"))
        columns, scale = self.quantised_table
        values = self.graph.node("Transpose", self.graph.node("Gather", columns, "tokens", axis=1), perm=[1, 2, 0])
        scales = self.graph.node("Unsqueeze", self.graph.node("Gather", scale, "tokens"), self.graph.integers(-1))
        return self.graph.node("Mul", self.as_float(values), scales)

    def logits(self, value: str) -> None:
        """The products with the embeddings of all tokens: the same constant as in `embeddings`."""
        if self.graph.quantised:
            self.graph.quantised_product(value, *self.quantised_table, into="logits")
            return
        rows = self.graph.node("Reshape", value, self.graph.integers(-1, self.tensors.width))
        products = self.graph.node("Gemm", rows, self.as_float(self.table()), transB=1)
        self.graph.node("Reshape", products, "batch_and_length", into="logits")

    def table(self) -> str:
        # As the package has it: float16 takes half the room, and ONNX Runtime makes it float32 once, when it loads it.
        return self.graph.constant(EMBEDDINGS, self.tensors.reals(EMBEDDINGS))

    @cached_property
    def quantised_table(self) -> tuple[str, str]:
        return self.graph.quantised_weight(EMBEDDINGS, self.tensors.floats(EMBEDDINGS))

    def as_float(self, value: str) -> str:
        return self.graph.node("Cast", value, to=TensorProto.FLOAT)

    def cached_attention(self, value: str, path: str, layer: int) -> str:
        """Attention to the tokens before and to itself, by caches that come in and go out."""
        past, present = ((f"{time}_key_{layer}", f"{time}_value_{layer}") for time in ("past", "present"))
        for before, after in zip(past, present, strict=True):
            self.graph.take(before, ["batch", self.tensors.heads, "past", HEAD_WIDTH])
            self.graph.give(after, ["batch", self.tensors.heads, "past + length", HEAD_WIDTH])
        return self.self_attention(value, path, past, present, unidirectional=1)

    def cross_attention(self, value: str, path: str, layer: int) -> tuple[str, str]:
        """The sum with attention to the audio; and its products of queries and keys, [heads, batch * length, frames].

        No frame is hidden from any token, so that those of the whole batch are asked about as the tokens of one text.
        """
        keys = self.graph.take(f"cross_key_{layer}", [self.tensors.heads, HEAD_WIDTH, "frames"])
        values = self.graph.take(f"cross_value_{layer}", [self.tensors.heads, "frames", HEAD_WIDTH])
        query = self.linear(self.layer_norm(value, f"{path}/layer_norm"), f"{path}/linear_0", QUERY_SCALE)
        scores = self.graph.node("MatMul", self.by_head(query, [1, 0, 2]), keys)
        weights = self.graph.node("Softmax", self.graph.node("Add", scores, "log_counts"), axis=-1)
        mixed = self.graph.node("MatMul", weights, values)
        mixed = self.graph.node("Reshape", self.graph.node("Transpose", mixed, perm=[1, 0, 2]), "batch_and_length")
        return self.graph.node("Add", value, self.linear(mixed, f"{path}/linear_2")), scores


def encoder(tensors: Tensors, quantised: bool) -> bytes:
    """The file of the encoder."""
    graph = Graph("encoder", quantised)
    part, shape = _Part(tensors, graph), [1, "frames", tensors.width]
    mel = graph.take("mel", [1, tensors.hyperparameters().mel_bands, "2 * frames"])
    value = part.convolution(part.convolution(mel, "encoder/conv1", 1), "encoder/conv2", 2)
    value = graph.node("Transpose", value, perm=[0, 2, 1])
    positions, start = part.constant("encoder/position_encodings/encodings"), graph.integers(0)
    positions = graph.node("Slice", positions, start, graph.node("Shape", value, start=1, end=2), start)
    value = graph.node("Add", value, positions)
    graph.give("states", shape)
    for layer in range(tensors.layers("encoder")):
        value = part.self_attention(value, f"encoder/layer_{layer}/self_attention")
        value = part.feed_forward(value, f"encoder/layer_{layer}/ffn", into=f"layer_{layer + 1}")
        graph.give(value, shape)
    part.layer_norm(value, "encoder/layer_norm", into="states")
    return graph.serialise()


def cross(tensors: Tensors, quantised: bool) -> bytes:
    """The file of cross-attention's keys and values, which are made once for all steps."""
    graph = Graph("cross", quantised)
    part = _Part(tensors, graph)
    states = graph.take("states", ["frames", tensors.width])
    for layer in range(tensors.layers("decoder")):
        key, value = part.joined(states, f"decoder/layer_{layer}/attention/linear_1", 2)
        graph.give(part.by_head(key, [1, 2, 0], f"key_{layer}"), [tensors.heads, HEAD_WIDTH, "frames"])
        graph.give(part.by_head(value, [1, 0, 2], f"value_{layer}"), [tensors.heads, "frames", HEAD_WIDTH])
    return graph.serialise()


def decoder(tensors: Tensors, quantised: bool, alignment_heads: list[tuple[int, int]]) -> bytes:
    """The file of the decoder's step; `alignment_heads` are (layer, head), sorted."""
    graph = Graph("decoder", quantised)
    part, alignment = _Decoder(tensors, graph), []
    tokens = graph.take("tokens", ["batch", "length"], TensorProto.INT64)
    graph.take("log_counts", ["frames"])
    graph.give("logits", ["batch", "length", tensors.hyperparameters().vocabulary])
    graph.give("alignment", [len(alignment_heads), "batch * length", "frames"])
    # The shape that takes [batch * length, ...] apart.
    graph.node("Concat", graph.node("Shape", tokens), graph.integers(-1), axis=0, into="batch_and_length")
    value = part.start()
    for layer in range(tensors.layers("decoder")):
        value = part.cached_attention(value, f"decoder/layer_{layer}/self_attention", layer)
        value, scores = part.cross_attention(value, f"decoder/layer_{layer}/attention", layer)
        value = part.feed_forward(value, f"decoder/layer_{layer}/ffn")
        if chosen := [head for place, head in alignment_heads if place == layer]:
            alignment.append(graph.node("Gather", scores, graph.integers(*chosen), axis=0))
    part.logits(part.layer_norm(value, "decoder/layer_norm"))
    graph.node("Concat", *alignment, axis=0, into="alignment")
    return graph.serialise()
