"""MPNet in plain torch, with the tensor names of a Hugging Face `MPNetModel` checkpoint: the teacher's encoder.

Architecture: Song et al. 2020, "MPNet: Masked and Permuted Pre-training for Language Understanding": BERT with one
relative position bias for all layers, bucketed as in T5 (Raffel et al. 2020).
"""

import math
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention

VOCABULARY, POSITIONS, WIDTH, HEADS, LAYERS = 30527, 514, 768, 12, 12
PADDING = 1  # token; positions are counted from behind it
BUCKETS, FARTHEST = 32, 128
EPSILON = 1e-5


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        attention = nn.ModuleDict({name: nn.Linear(WIDTH, WIDTH) for name in "qkvo"})
        self.attention = nn.ModuleDict({"attn": attention, "LayerNorm": nn.LayerNorm(WIDTH, EPSILON)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(WIDTH, 4 * WIDTH)})
        self.output = nn.ModuleDict({"dense": nn.Linear(4 * WIDTH, WIDTH), "LayerNorm": nn.LayerNorm(WIDTH, EPSILON)})
        self.dropout = nn.Dropout(0.1)

    def forward(self, states, bias):
        batch, tokens, _ = states.shape
        attention = self.attention["attn"]
        parts = (attention[name](states).view(batch, tokens, HEADS, WIDTH // HEADS).transpose(1, 2) for name in "qkv")
        query, key, value = parts
        context = scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        context = attention["o"](context.transpose(1, 2).reshape(batch, tokens, WIDTH))
        states = self.attention["LayerNorm"](states + self.dropout(context))
        inner = self.output["dense"](gelu(self.intermediate["dense"](states)))
        return self.output["LayerNorm"](states + self.dropout(inner))


class MPNet(nn.Module):
    """The embeddings, the bias of positions and the first `kept` layers stay as they are: no gradient is computed for them."""

    def __init__(self, kept: int):
        super().__init__()
        self.kept = kept
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(VOCABULARY, WIDTH),
                "position_embeddings": nn.Embedding(POSITIONS, WIDTH),
                "LayerNorm": nn.LayerNorm(WIDTH, EPSILON),
            }
        )
        layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.encoder = nn.ModuleDict({"layer": layers, "relative_attention_bias": nn.Embedding(BUCKETS, HEADS)})

    def forward(self, ids, mask):
        """Mean of the unmasked token states, f32 [batch, width]; ids and mask are i64 [batch, tokens]."""
        bias = self._bias(mask)
        with torch.no_grad():
            positions = torch.arange(ids.shape[1]) + PADDING + 1
            states = self.embeddings["word_embeddings"](ids) + self.embeddings["position_embeddings"](positions)
            states = self.embeddings["LayerNorm"](states)
            for layer in self.encoder["layer"][: self.kept]:
                states = layer(states, bias)
        for layer in self.encoder["layer"][self.kept :]:
            states = layer(states, bias)
        shown = mask[..., None].to(states.dtype)
        return (states * shown).sum(1) / shown.sum(1)

    def _bias(self, mask):
        relative = self.encoder["relative_attention_bias"](_buckets(mask.shape[1])).permute(2, 0, 1)[None]
        return relative + (1.0 - mask[:, None, None, :].float()) * -10000.0


def _buckets(tokens: int) -> torch.Tensor:
    """Bucket of the distance of each token (column) from each (row), i64 [tokens, tokens]."""
    places = torch.arange(tokens)
    distance = places[None, :] - places[:, None]
    half = BUCKETS // 2
    exact = half // 2
    far = (distance.abs().float().clamp(min=1) / exact).log() / math.log(FARTHEST / exact) * (half - exact)
    bucket = torch.where(distance.abs() < exact, distance.abs(), (exact + far.long()).clamp(max=half - 1))
    return bucket + (distance > 0).long() * half


def load_mpnet(path: Path, kept: int) -> MPNet:
    return mpnet_of(load_file(path), kept)


def mpnet_of(tensors: dict[str, torch.Tensor], kept: int) -> MPNet:
    """The encoder of a checkpoint's tensors."""
    unused = {"embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"}
    model = MPNet(kept)
    model.load_state_dict({name: tensor for name, tensor in tensors.items() if name not in unused})
    return model
