"""The tensors of CTranslate2's Whisper, and the sizes that follow from their shapes.

CTranslate2 joins the projections of an attention layer. Self-attention has query, key and value in `linear_0` and the
output in `linear_1`; cross-attention the query in `linear_0`, key and value in `linear_1` and the output in `linear_2`.
A linear layer's weight is [outputs, inputs], a convolution's [outputs, inputs, 3].
"""

import re
from dataclasses import dataclass
from typing import Self

import numpy as np

from . import ctranslate2, ggml
from .errors import ModelError

# Every Whisper model has heads of this width.
HEAD_WIDTH = 64
# Those of the first generation; large-v3 has 128.
MEL_BANDS = 80


@dataclass(frozen=True)
class Tensors:
    """`variables` maps CTranslate2's paths (encoder/conv1/bias) to the arrays."""

    variables: dict[str, np.ndarray]

    @classmethod
    def of(cls, source: ctranslate2.Model) -> Self:
        """The tensors of a model that is a Whisper of the first generation."""
        if source.specification != "WhisperSpec":
            raise ModelError(f"The CTranslate2 model is a {source.specification}, not a WhisperSpec.")
        tensors = cls(source.variables)
        bands = tensors.get("encoder/conv1/weight").shape[1]
        if bands != MEL_BANDS:
            raise ModelError(f"The model takes {bands} mel bands; only Whisper with {MEL_BANDS} is converted.")
        return tensors

    def get(self, name: str) -> np.ndarray:
        """The array as it is stored."""
        if name not in self.variables:
            raise ModelError(f"The CTranslate2 model has no {name}: it is not laid out as Whisper is.")
        return self.variables[name]

    def reals(self, name: str) -> np.ndarray:
        """The array as it is stored, which must be as float16 or float32."""
        values = self.get(name)
        if values.dtype.kind != "f":
            raise ModelError(f"{name} is {values.dtype}; only a CTranslate2 model of float16 or float32 is converted.")
        return values

    def floats(self, name: str) -> np.ndarray:
        """The array as float32, which holds every float16 exactly."""
        return self.reals(name).astype(np.float32)

    def layers(self, part: str) -> int:
        """How many layers encoder or decoder has."""
        found = [re.match(rf"{part}/layer_(\d+)/", name) for name in self.variables]
        return 1 + max((int(match[1]) for match in found if match), default=-1)

    @property
    def width(self) -> int:
        """The size of a state."""
        return self.get("encoder/conv1/weight").shape[0]

    @property
    def heads(self) -> int:
        """Into how many heads a state is cut."""
        return self.width // HEAD_WIDTH

    def hyperparameters(self) -> ggml.Hyperparameters:
        """All sizes."""
        return ggml.Hyperparameters(
            vocabulary=self.get("decoder/embeddings/weight").shape[0],
            audio_context=self.get("encoder/position_encodings/encodings").shape[0],
            audio_state=self.width,
            audio_heads=self.heads,
            audio_layers=self.layers("encoder"),
            text_context=self.get("decoder/position_encodings/encodings").shape[0],
            text_state=self.width,
            text_heads=self.heads,
            text_layers=self.layers("decoder"),
            mel_bands=self.get("encoder/conv1/weight").shape[1],
        )
