"""Whisper from CTranslate2 to ggml: the same tensors under OpenAI's names, in the order of OpenAI's checkpoints.

CTranslate2 joins the projections of an attention layer. Self-attention has query, key and value in `linear_0` and the
output in `linear_1`; cross-attention the query in `linear_0`, key and value in `linear_1` and the output in `linear_2`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import ctranslate2, ggml, mel, vocabulary
from .errors import ModelError

# Every Whisper model has heads of this width.
HEAD_WIDTH = 64
# Those of the first generation; large-v3 has 128.
MEL_BANDS = 80


@dataclass(frozen=True)
class _Source:
    variables: dict[str, np.ndarray]

    def get(self, name: str) -> np.ndarray:
        if name not in self.variables:
            raise ModelError(f"The CTranslate2 model has no {name}: it is not laid out as Whisper is.")
        return self.variables[name]

    def layers(self, part: str) -> int:
        """How many layers encoder or decoder has."""
        found = [re.match(rf"{part}/layer_(\d+)/", name) for name in self.variables]
        return 1 + max((int(match[1]) for match in found if match), default=-1)

    def linear(self, name: str, path: str, rows: slice = slice(None), bias: bool = True) -> Iterator[ggml.Tensor]:
        yield ggml.Tensor(f"{name}.weight", self.get(f"{path}/weight")[rows])
        if bias:
            yield ggml.Tensor(f"{name}.bias", self.get(f"{path}/bias")[rows])

    def layer_norm(self, name: str, path: str) -> Iterator[ggml.Tensor]:
        yield ggml.Tensor(f"{name}.weight", self.get(f"{path}/gamma"))
        yield ggml.Tensor(f"{name}.bias", self.get(f"{path}/beta"))

    def feed_forward(self, block: str, path: str) -> Iterator[ggml.Tensor]:
        yield from self.layer_norm(f"{block}.mlp_ln", f"{path}/layer_norm")
        yield from self.linear(f"{block}.mlp.0", f"{path}/linear_0")
        yield from self.linear(f"{block}.mlp.2", f"{path}/linear_1")

    def self_attention(self, block: str, path: str) -> Iterator[ggml.Tensor]:
        query, key, value = (slice(part * self.width, (part + 1) * self.width) for part in range(3))
        yield from self.layer_norm(f"{block}.attn_ln", f"{path}/layer_norm")
        yield from self.linear(f"{block}.attn.query", f"{path}/linear_0", query)
        # Whisper's key projection has no bias; in CTranslate2's joined one it is zero.
        yield from self.linear(f"{block}.attn.key", f"{path}/linear_0", key, bias=False)
        yield from self.linear(f"{block}.attn.value", f"{path}/linear_0", value)
        yield from self.linear(f"{block}.attn.out", f"{path}/linear_1")

    def cross_attention(self, block: str, path: str) -> Iterator[ggml.Tensor]:
        key, value = slice(0, self.width), slice(self.width, 2 * self.width)
        yield from self.layer_norm(f"{block}.cross_attn_ln", f"{path}/layer_norm")
        yield from self.linear(f"{block}.cross_attn.query", f"{path}/linear_0")
        yield from self.linear(f"{block}.cross_attn.key", f"{path}/linear_1", key, bias=False)
        yield from self.linear(f"{block}.cross_attn.value", f"{path}/linear_1", value)
        yield from self.linear(f"{block}.cross_attn.out", f"{path}/linear_2")

    def decoder(self) -> Iterator[ggml.Tensor]:
        yield ggml.Tensor("decoder.token_embedding.weight", self.get("decoder/embeddings/weight"))
        for layer in range(self.layers("decoder")):
            block, path = f"decoder.blocks.{layer}", f"decoder/layer_{layer}"
            yield from self.feed_forward(block, f"{path}/ffn")
            yield from self.self_attention(block, f"{path}/self_attention")
            yield from self.cross_attention(block, f"{path}/attention")
        yield from self.layer_norm("decoder.ln", "decoder/layer_norm")

    def encoder(self) -> Iterator[ggml.Tensor]:
        for name in ("conv1", "conv2"):
            yield ggml.Tensor(f"encoder.{name}.weight", self.get(f"encoder/{name}/weight"))
            # A column, so that whisper.cpp can add it to [channels, frames].
            yield ggml.Tensor(f"encoder.{name}.bias", self.get(f"encoder/{name}/bias")[:, None], keep_f32=True)
        for layer in range(self.layers("encoder")):
            block, path = f"encoder.blocks.{layer}", f"encoder/layer_{layer}"
            yield from self.feed_forward(block, f"{path}/ffn")
            yield from self.self_attention(block, f"{path}/self_attention")
        yield from self.layer_norm("encoder.ln_post", "encoder/layer_norm")

    def tensors(self) -> Iterator[ggml.Tensor]:
        for part in ("decoder", "encoder"):
            positions = self.get(f"{part}/position_encodings/encodings")
            yield ggml.Tensor(f"{part}.positional_embedding", positions, keep_f32=True)
        yield from self.decoder()
        yield from self.encoder()

    @property
    def width(self) -> int:
        return self.get("encoder/conv1/weight").shape[0]

    def hyperparameters(self) -> ggml.Hyperparameters:
        return ggml.Hyperparameters(
            vocabulary=self.get("decoder/embeddings/weight").shape[0],
            audio_context=self.get("encoder/position_encodings/encodings").shape[0],
            audio_state=self.width,
            audio_heads=self.width // HEAD_WIDTH,
            audio_layers=self.layers("encoder"),
            text_context=self.get("decoder/position_encodings/encodings").shape[0],
            text_state=self.width,
            text_heads=self.width // HEAD_WIDTH,
            text_layers=self.layers("decoder"),
            mel_bands=MEL_BANDS,
        )


def to_ggml(source: ctranslate2.Model, tokens: list[bytes]) -> ggml.Model:
    """The ggml model that holds every weight of a float16 (or float32) CTranslate2 Whisper."""
    if source.specification != "WhisperSpec":
        raise ModelError(f"The CTranslate2 model is a {source.specification}, not a WhisperSpec.")
    whisper = _Source(source.variables)
    bands = whisper.get("encoder/conv1/weight").shape[1]
    if bands != MEL_BANDS:
        raise ModelError(f"The model takes {bands} mel bands; only Whisper with {MEL_BANDS} is converted.")
    return ggml.Model(whisper.hyperparameters(), mel.filterbank(bands), tokens, list(whisper.tensors()))


def load(model_bin: list[Path], tokenizer: Path) -> ggml.Model:
    """Reads the CTranslate2 files (model.bin whole or in parts, tokenizer.json) as a ggml model."""
    return to_ggml(ctranslate2.read(model_bin), vocabulary.read(tokenizer))
