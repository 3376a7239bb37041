"""Reads every file of a model's folder and compares its hash with what the folder's manifest.json says."""

from pathlib import Path

from . import hashing, packages, prepare
from .catalogue import Entry
from .errors import ModelError


def problems(folder: Path, entry: Entry | None, repair: str) -> list[str]:
    """What is wrong with a folder, nothing if all is well; `entry` is a prepared model's part of models.toml."""
    manifest = prepare.read_manifest(folder)
    if manifest is None:
        return [f"{folder / prepare.MANIFEST} is missing or no JSON. {repair}"]
    if entry is not None and manifest != entry.manifest():
        return [f"{folder / prepare.MANIFEST} does not say what models.toml says. {repair}"]
    files = manifest.get("files")
    if not isinstance(files, dict) or not files:
        return [f"{folder / prepare.MANIFEST} names no files with their sha256. {repair}"]
    found = [_problem(folder / name, expected, repair) for name, expected in files.items()]
    return [problem for problem in found if problem]


def _problem(path: Path, expected: str, repair: str) -> str:
    if not path.is_file():
        return f"{path} is missing. {repair}"
    actual = hashing.sha256(path)
    return (
        ""
        if actual == expected
        else f"{path} is damaged or was edited.\n{packages.mismatch(expected, actual)}\n{repair}"
    )


def committed(folder: Path) -> dict[str, Path]:
    """The models that are part of the repository: the folders beside models.toml that have a manifest.json."""
    return {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{prepare.MANIFEST}"))}


def require_sound(found: list[str]) -> None:
    """Fails with everything that was found."""
    if found:
        raise ModelError("\n".join(found))
