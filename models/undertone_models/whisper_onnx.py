"""Makes the files of an ONNX Whisper from CTranslate2's: graphs, the tokenizer as it is, and config.json.

config.json has what a decoder needs to know beside the graphs' own inputs and outputs:

    width, layers, heads        of the decoder; a head has 64 values
    mel_bands                   of the encoder's input
    audio_context               frames of 20 ms that the encoder can take at most
    text_context                tokens that the decoder can take at most, those of its caches counted in
    vocabulary                  tokens that have a logit; the last ones, timestamps, are not in tokenizer.json
    multilingual                whether a prompt names language and task
    alignment_heads             [layer, head] of each row of the decoder's output `alignment`
    suppressed                  tokens that are never to be chosen
    suppressed_at_begin         and those not as the first of a text: a blank and the end

Heads and tokens are those of the package's config.json, into which CTranslate2's converter wrote OpenAI's: of
`whisper/__init__.py` the heads, of the generation config the tokens. Among the suppressed are the special tokens that
no text has (<|startoftranscript|>, <|translate|>, <|nocaptions|> ...), but not <|notimestamps|>, the languages' and the
timestamps': with <|notimestamps|> in its prompt, Whisper does not choose them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import ctranslate2, whisper_graphs
from .errors import ModelError
from .whisper_tensors import Tensors

# As OpenAI's `whisper/model.py` tells them apart (is_multilingual).
MULTILINGUAL_VOCABULARY = 51_865


@dataclass(frozen=True)
class Settings:
    """What config.json takes over; all lists are sorted."""

    alignment_heads: list[tuple[int, int]]
    suppressed: list[int]
    suppressed_at_begin: list[int]


@dataclass(frozen=True)
class Model:
    """All that the files are made of; `tokenizer` is the content of tokenizer.json."""

    tensors: Tensors
    settings: Settings
    tokenizer: bytes


def load(model_bin: list[Path], tokenizer: Path, config: Path) -> Model:
    """Reads the CTranslate2 files: model.bin whole or in parts, tokenizer.json, config.json."""
    tensors = Tensors.of(ctranslate2.read(model_bin))
    return Model(tensors, read_settings(config, tensors), tokenizer.read_bytes())


def read_settings(path: Path, tensors: Tensors) -> Settings:
    """The settings in CTranslate2's config.json, which must be for a model of these sizes."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        heads = sorted((int(layer), int(head)) for layer, head in read["alignment_heads"])
        tokens = [sorted(map(int, read[name])) for name in ("suppress_ids", "suppress_ids_begin")]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: not CTranslate2's config.json of a Whisper ({error!r}).") from error
    _require_known(path, Settings(heads, *tokens), tensors)
    return Settings(heads, *tokens)


def _require_known(path: Path, settings: Settings, tensors: Tensors) -> None:
    layers, vocabulary = tensors.layers("decoder"), tensors.hyperparameters().vocabulary
    if not settings.alignment_heads:
        raise ModelError(f"{path}: names no alignment head, without which no word can be placed in time.")
    for layer, head in settings.alignment_heads:
        if not (0 <= layer < layers and 0 <= head < tensors.heads):
            raise ModelError(f"{path}: head {head} of layer {layer}, where {layers} layers have {tensors.heads} heads.")
    for token in [*settings.suppressed, *settings.suppressed_at_begin]:
        if not 0 <= token < vocabulary:
            raise ModelError(f"{path}: token {token}, where the vocabulary has {vocabulary}.")


def configuration(model: Model) -> bytes:
    """The content of config.json, a line for each entry."""
    sizes, settings = model.tensors.hyperparameters(), model.settings
    entries: dict[str, Any] = {
        "width": sizes.text_state,
        "layers": sizes.text_layers,
        "heads": sizes.text_heads,
        "mel_bands": sizes.mel_bands,
        "audio_context": sizes.audio_context,
        "text_context": sizes.text_context,
        "vocabulary": sizes.vocabulary,
        "multilingual": sizes.vocabulary >= MULTILINGUAL_VOCABULARY,
        "alignment_heads": settings.alignment_heads,
        "suppressed": settings.suppressed,
        "suppressed_at_begin": settings.suppressed_at_begin,
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in entries.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


# Every file that can be made, by its name.
FILES: dict[str, Callable[[Model], bytes]] = {
    "encoder-fp32.onnx": lambda model: whisper_graphs.encoder(model.tensors, False),
    "encoder-int8.onnx": lambda model: whisper_graphs.encoder(model.tensors, True),
    "cross-fp32.onnx": lambda model: whisper_graphs.cross(model.tensors, False),
    "cross-int8.onnx": lambda model: whisper_graphs.cross(model.tensors, True),
    "decoder-fp32.onnx": lambda model: whisper_graphs.decoder(model.tensors, False, model.settings.alignment_heads),
    "decoder-int8.onnx": lambda model: whisper_graphs.decoder(model.tensors, True, model.settings.alignment_heads),
    "tokenizer.json": lambda model: model.tokenizer,
    "config.json": configuration,
}


def write(path: Path, model: Model) -> None:
    """Writes the file that `path` names."""
    if path.name not in FILES:
        raise ModelError(f"There is no file {path.name} of an ONNX Whisper; known are {', '.join(FILES)}.")
    path.write_bytes(FILES[path.name](model))
