"""Whisper from CTranslate2 to ggml: the same tensors under OpenAI's names, in the order of OpenAI's checkpoints.

OpenAI's projections are each their own; those that CTranslate2 joined (whisper_tensors.py) are taken apart.
"""

from collections.abc import Iterator
from pathlib import Path

from . import ctranslate2, ggml, mel, vocabulary
from .whisper_tensors import Tensors


class _Ggml(Tensors):
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


def to_ggml(source: ctranslate2.Model, tokens: list[bytes]) -> ggml.Model:
    """The ggml model that holds every weight of a float16 (or float32) CTranslate2 Whisper."""
    whisper = _Ggml.of(source)
    filters = mel.filterbank(whisper.hyperparameters().mel_bands)
    return ggml.Model(whisper.hyperparameters(), filters, tokens, list(whisper.tensors()))


def load(model_bin: list[Path], tokenizer: Path) -> ggml.Model:
    """Reads the CTranslate2 files (model.bin whole or in parts, tokenizer.json) as a ggml model."""
    return to_ggml(ctranslate2.read(model_bin), vocabulary.read(tokenizer))
