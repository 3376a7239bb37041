"""`models.toml`: what is prepared, from which package's files, into which files, with which hashes."""

import difflib
import platform
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ModelError

FOLDER = Path(__file__).resolve().parent.parent
PREPARED = FOLDER / "prepared"


@dataclass(frozen=True)
class Input:
    """A file of an installed package, or without one of this folder; `machine` is empty, or the processor that it is for."""

    file: str
    sha256: str
    package: str = ""
    version: str = ""
    machine: str = ""


@dataclass(frozen=True)
class Output:
    """A file of the prepared folder; `format` is what a conversion needs to know (f16, q8_0)."""

    file: str
    sha256: str
    format: str = ""
    machine: str = ""


@dataclass(frozen=True)
class Port:
    """A tensor that a model takes or gives; a dimension is a number or the name of what varies."""

    name: str
    type: str
    shape: list[int | str]
    meaning: str


@dataclass(frozen=True)
class Entry:
    """One model of the catalogue, for this machine's processor."""

    name: str
    description: str
    licence: str
    source: str
    conversion: str
    requirements: str
    optional: bool
    inputs: list[Input]
    outputs: list[Output]
    takes: list[Port]
    gives: list[Port]

    def manifest(self) -> dict[str, Any]:
        """What the prepared folder's manifest.json says."""
        files = {output.file: output.sha256 for output in self.outputs}
        return {"name": self.name, "licence": self.licence, "source": self.source, "files": files}


def read(path: Path = FOLDER / "models.toml", machine: str = platform.machine()) -> dict[str, Entry]:
    """All entries by name, in the file's order."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))["model"]
        return {table["name"]: _entry(table, machine) for table in tables}
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: {error}") from error


def _entry(table: dict[str, Any], machine: str) -> Entry:
    def for_machine(items: list[Any]) -> list[Any]:
        return [item for item in items if item.machine in ("", machine)]

    fields = {key: table[key] for key in ("name", "description", "licence", "source", "conversion", "requirements")}
    return Entry(
        **fields,
        optional=table.get("optional", False),
        inputs=for_machine([Input(**item) for item in table["inputs"]]),
        outputs=for_machine([Output(**item) for item in table["outputs"]]),
        takes=[Port(**item) for item in table.get("takes", [])],
        gives=[Port(**item) for item in table.get("gives", [])],
    )


def choose(known: list[str], names: list[str]) -> list[str]:
    """`names` without repeats, each of which must be known; a wrong one is told the nearest right one."""
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(known)}."
            raise ModelError(f"There is no model {name}. {hint}")
    return list(dict.fromkeys(names))
