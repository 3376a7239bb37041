"""SHA-256 of files, and a note of which files were found right, so that a second `prepare` need not read them again."""

import contextlib
import hashlib
import json
import os
from pathlib import Path

# Inside a prepared folder: {file: [size, modification time in ns, sha256]}. Only `prepare` trusts it, never `verify`.
NOTE = ".checked.json"


def sha256(path: Path) -> str:
    """The hash of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_right(folder: Path, expected: dict[str, str]) -> bool:
    """Whether every file is there with its expected hash; a file is read only if it changed since it was last read."""
    noted = _read_note(folder)
    found = {name: _current(folder / name, noted.get(name)) for name in expected}
    if any(found[name] is None or found[name][2] != expected[name] for name in expected):
        return False
    if found != noted:
        # The note saves time and no more: a cache that cannot be written, as on a read-only file system, does without.
        with contextlib.suppress(OSError):
            write_atomically(folder / NOTE, json.dumps(found, indent=1, sort_keys=True) + "\n")
    return True


def write_atomically(path: Path, text: str) -> None:
    """Replaces a small file in one step; a reader finds the old one or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _current(path: Path, noted: list | None) -> list | None:
    """[size, time, hash] of a file, None if it is not there; the hash as noted where size and time are."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    stamp = [status.st_size, status.st_mtime_ns]
    return noted if noted and noted[:2] == stamp else [*stamp, sha256(path)]


def _read_note(folder: Path) -> dict[str, list]:
    try:
        return json.loads((folder / NOTE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
