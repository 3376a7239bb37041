"""Whether models are as an earlier run had them, by the files that a node would load now.

A node tells what it has loaded as MODEL/FILE with a SHA-256. MODEL is the name in the folder's `manifest.json`, or the
folder's own without one. It does not say where the folder is, and nodes may load different models of one name, so each
node's are looked for where that node looks (`ModelFolder` in libraries/inference).
"""

import json
import re
from pathlib import Path

from . import graph as graphs
from .hashing import sha256


def unchanged(folder: Path, node: dict, told: dict[str, str]) -> bool:
    """Whether a node of a graph in `folder` would load what it has `told`: MODEL/FILE with its SHA-256."""
    named = _named(folder, graphs.arguments(node))
    models = {path.partition("/")[0] for path in told}
    for path, digest in told.items():
        model, _, file = path.partition("/")
        there = [each for each in named if (each / file).is_file()]
        alike = [each for each in there if _name(each) == model]
        # The folder of none of the models: one whose name has changed since.
        strange = [each for each in there if _name(each) not in models]
        # What no argument names is a node's default, which it finds by its name.
        files = [each / file for each in alike or strange or _found(folder, model)]
        if not files or not all(each.is_file() and sha256(each) == digest for each in files):
            return False
    return True


def _named(folder: Path, words: list[str]) -> list[Path]:
    """The folders that arguments name: by path or name, also as `--model=PATH` and `--when-late 3000=model:PATH`, or by a
    file in them (`--onnxruntime FILE`)."""
    parts = {part: None for word in words for part in (word, word.partition("=")[2], *re.split("[=:,]", word)) if part}
    found = []
    for part in parts:
        is_path = "/" in part or part in (".", "..")
        found += [folder / part] if is_path else _found(folder, part)
    folders = [each.parent if graphs.is_there(Path.is_file, each) else each for each in found]
    return [each for each in folders if graphs.is_there(Path.is_dir, each)]


def _found(folder: Path, name: str) -> list[Path]:
    """The folder that a node takes for the name of a model: the first, or none."""
    above = [base / "models" for base in (folder, *folder.parents)]
    places = (place / name for models in above for place in (models, models / "prepared"))
    return [place for place in places if graphs.is_there(Path.is_dir, place)][:1]


def _name(model: Path) -> str:
    try:
        return json.loads((model / "manifest.json").read_text(encoding="utf-8"))["name"]
    except (OSError, ValueError, KeyError, TypeError):
        # A node refuses a manifest that cannot be read, and says so.
        return model.name
