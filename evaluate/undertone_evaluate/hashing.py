"""SHA-256 of files, each read once."""

import functools
import hashlib
from pathlib import Path


@functools.cache
def sha256(path: Path) -> str:
    """The hash of a file as it was when it was first asked for."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
