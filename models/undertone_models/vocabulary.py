"""Whisper's vocabulary as bytes, from the `tokenizer.json` of a byte-level BPE tokenizer."""

import json
from pathlib import Path

from .errors import ModelError

# Whisper's ggml files name GPT-2's 50,257 tokens; whisper.cpp itself names the special ones that follow.
TOKENS = 50_257


def byte_of_character() -> dict[str, int]:
    """Inverts GPT-2's `bytes_to_unicode`: printable bytes stand for themselves, the rest for U+0100 onwards."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in set(printable)]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(256 + place): byte for place, byte in enumerate(hidden)}


def read(path: Path, count: int = TOKENS) -> list[bytes]:
    """The bytes of the tokens 0 to `count` - 1."""
    try:
        numbers = json.loads(path.read_text(encoding="utf-8"))["model"]["vocab"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: not a tokenizer.json with model.vocab ({error!r}).") from error
    texts = {number: text for text, number in numbers.items()}
    missing = [number for number in range(count) if number not in texts]
    if missing:
        raise ModelError(f"{path}: {len(missing)} of {count} tokens are missing, the first is {missing[0]}.")
    table = byte_of_character()
    try:
        return [bytes(table[character] for character in texts[number]) for number in range(count)]
    except KeyError as error:
        raise ModelError(
            f"{path}: the character {error} stands for no byte; this is no byte-level tokenizer."
        ) from error
