"""Makes a model's folder from installed packages: files under temporary names, checked, then renamed into place."""

import fcntl
import json
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import hashing, packages
from .catalogue import Entry
from .errors import ModelError
from .progress import Progress

MANIFEST = "manifest.json"
TEMPORARY = ".preparing-"
COPY_CHUNK = 1 << 20


def is_ready(entry: Entry, into: Path) -> bool:
    """Whether the model's folder already holds what the catalogue says."""
    folder = into / entry.name
    return read_manifest(folder) == entry.manifest() and hashing.is_right(folder, entry.manifest()["files"])


def read_manifest(folder: Path) -> dict | None:
    """A folder's manifest.json, None where there is none that can be read."""
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def prepare(entry: Entry, into: Path) -> bool:
    """Makes the model unless it is ready; True if there was something to make."""
    if is_ready(entry, into):
        return False
    if not entry.outputs:
        raise ModelError(f"{entry.name} has no file for a {platform.machine()} processor in models.toml.")
    # Through a link whose folder is gone as well.
    into.resolve().mkdir(parents=True, exist_ok=True)
    with _alone(into):
        # Another process may have made it while this one waited.
        if is_ready(entry, into):
            return False
        with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=into) as temporary:
            _make(entry, Path(temporary))
            _move(entry, Path(temporary), into / entry.name)
    if not is_ready(entry, into):
        raise ModelError(f"{into / entry.name} was changed by something else while it was made. Run this again.")
    return True


@contextmanager
def _alone(into: Path) -> Iterator[None]:
    """Lets one process at a time write to the folder, and removes what a killed one left."""
    with (into / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in into.glob(f"{TEMPORARY}*"):
            shutil.rmtree(left)
        yield


def _make(entry: Entry, folder: Path) -> None:
    """Writes all outputs into `folder` and checks them."""
    sources = [packages.locate(entry, wanted) for wanted in entry.inputs]
    if entry.conversion == "copy":
        _copy(entry, sources, folder)
    elif entry.conversion == "whisper-ggml":
        _convert_whisper_to_ggml(entry, sources, folder)
    elif entry.conversion == "whisper-onnx":
        _convert_whisper_to_onnx(entry, sources, folder)
    elif entry.conversion == "mpnet-onnx":
        _convert_mpnet_to_onnx(entry, sources, folder)
    else:
        known = "copy, whisper-ggml, whisper-onnx and mpnet-onnx"
        raise ModelError(f"{entry.name}: there is no conversion {entry.conversion}; known are {known}.")
    for output in entry.outputs:
        _check_made(entry, folder / output.file, output.sha256)


def _copy(entry: Entry, sources: list[Path], folder: Path) -> None:
    for source, output in zip(sources, entry.outputs, strict=True):
        progress, total, done = Progress(f"{entry.name}/{output.file}"), source.stat().st_size, 0
        with source.open("rb") as original, (folder / output.file).open("wb") as copy:
            while chunk := original.read(COPY_CHUNK):
                done += copy.write(chunk)
                progress(done, total)


def _convert_whisper_to_ggml(entry: Entry, sources: list[Path], folder: Path) -> None:
    # NumPy takes longer to load than everything else takes when there is nothing to do.
    from . import ggml, whisper

    *model_bin, tokenizer = sources
    model = whisper.load(model_bin, tokenizer)
    for output in entry.outputs:
        ggml.write(folder / output.file, model, output.format, Progress(f"{entry.name}/{output.file}"))


def _convert_whisper_to_onnx(entry: Entry, sources: list[Path], folder: Path) -> None:
    packages.require(entry, "onnx")
    # As above; onnx takes longer still.
    from . import whisper_onnx

    *model_bin, tokenizer, config = sources
    _write_all(entry, folder, whisper_onnx.load(model_bin, tokenizer, config), whisper_onnx.write)


def _convert_mpnet_to_onnx(entry: Entry, sources: list[Path], folder: Path) -> None:
    for package in ("onnx", "safetensors"):
        packages.require(entry, package)
    # As above.
    from . import mpnet

    *archive, adapter, config = sources
    _write_all(entry, folder, mpnet.load(archive, adapter, config), mpnet.write)


def _write_all(entry: Entry, folder: Path, model: Any, write: Callable[[Path, Any], None]) -> None:
    for output in entry.outputs:
        progress = Progress(f"{entry.name}/{output.file}")
        progress(0, 1)
        write(folder / output.file, model)
        progress(1, 1)


def _check_made(entry: Entry, path: Path, expected: str) -> None:
    actual = hashing.sha256(path)
    if actual != expected:
        raise ModelError(
            f"{entry.name}/{path.name}: the conversion of right inputs gave other bytes than models.toml says.\n"
            f"{packages.mismatch(expected, actual)}\n"
            "If the disk is sound, the converter, NumPy or onnx has changed: look at why before you write the new hash "
            "down."
        )


def _move(entry: Entry, temporary: Path, folder: Path) -> None:
    """Renames the outputs into place; the manifest, without which the folder counts as not prepared, comes last."""
    folder.mkdir(exist_ok=True)
    for output in entry.outputs:
        (temporary / output.file).replace(folder / output.file)
    hashing.write_atomically(folder / MANIFEST, json.dumps(entry.manifest(), indent=2) + "\n")
