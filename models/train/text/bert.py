"""BERT for sentence classification in plain torch, with the tensor names of a Hugging Face `BertModel` checkpoint.

Architecture: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers"; post-layer-norm, exact GELU,
learned absolute positions. The sentence vector is the mean of the token states, as sentence-transformers pools MiniLM.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; the defaults are all-MiniLM-L6-v2's. `token_types` 0 leaves segment embeddings out."""

    vocabulary: int = 30522
    width: int = 384
    layers: int = 6
    heads: int = 12
    intermediate: int = 1536
    positions: int = 512
    token_types: int = 2
    dropout: float = 0.1


class Embeddings(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.word_embeddings = nn.Embedding(shape.vocabulary, shape.width)
        self.position_embeddings = nn.Embedding(shape.positions, shape.width)
        if shape.token_types:
            self.token_type_embeddings = nn.Embedding(shape.token_types, shape.width)
        self.LayerNorm = nn.LayerNorm(shape.width, eps=1e-12)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, input_ids, token_type_ids):
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        states = self.word_embeddings(input_ids) + self.position_embeddings(positions)
        if token_type_ids is not None:
            states = states + self.token_type_embeddings(token_type_ids)
        return self.dropout(self.LayerNorm(states))


class Attention(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.heads, self.head_width = shape.heads, shape.width // shape.heads
        self.self = nn.ModuleDict({name: nn.Linear(shape.width, shape.width) for name in ("query", "key", "value")})
        self.output = Residual(shape.width, shape)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, states, bias):
        batch, tokens, width = states.shape

        def split(name):
            return self.self[name](states).view(batch, tokens, self.heads, self.head_width).transpose(1, 2)

        scores = split("query") @ split("key").transpose(2, 3) / math.sqrt(self.head_width) + bias
        context = self.dropout(scores.softmax(-1)) @ split("value")
        return self.output(context.transpose(1, 2).reshape(batch, tokens, width), states)


class Residual(nn.Module):
    """Dense layer back to the width of the states, added to them and normalised."""

    def __init__(self, width: int, shape: Shape):
        super().__init__()
        self.dense = nn.Linear(width, shape.width)
        self.LayerNorm = nn.LayerNorm(shape.width, eps=1e-12)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, states, residual):
        return self.LayerNorm(self.dropout(self.dense(states)) + residual)


class Layer(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.attention = Attention(shape)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(shape.width, shape.intermediate)})
        self.output = Residual(shape.intermediate, shape)

    def forward(self, states, bias):
        states = self.attention(states, bias)
        return self.output(nn.functional.gelu(self.intermediate["dense"](states)), states)


class Bert(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.embeddings = Embeddings(shape)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer(shape) for _ in range(shape.layers))})

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        """Mean of the unmasked token states, f32 [batch, width]; inputs are i64 [batch, tokens]."""
        states = self.embeddings(input_ids, token_type_ids)
        mask = attention_mask.to(states.dtype)
        bias = (1.0 - mask[:, None, None, :]) * -10000.0
        for layer in self.encoder["layer"]:
            states = layer(states, bias)
        return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


class Classifier(nn.Module):
    """Logits f32 [batch, labels] of a dense layer on the mean token state."""

    def __init__(self, shape: Shape, labels: int):
        super().__init__()
        self.bert = Bert(shape)
        self.dropout = nn.Dropout(shape.dropout)
        self.classifier = nn.Linear(shape.width, labels)

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        return self.classifier(self.dropout(self.bert(input_ids, attention_mask, token_type_ids)))


def load_encoder(bert: Bert, tensors: dict) -> None:
    """Copies a `BertModel` checkpoint in. Its pooler and position counter have no part in a mean-pooled sentence."""
    unused = {"embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"}
    bert.load_state_dict({name: tensor for name, tensor in tensors.items() if name not in unused})
