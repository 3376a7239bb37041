"""Finds files of installed packages without importing these (silero-vad would want torch)."""

import importlib.metadata
import importlib.util
import sys
from pathlib import Path

from . import hashing
from .catalogue import FOLDER, Entry, Input
from .errors import ModelError

# The list that has what conversions import, whatever list a model's own packages are in.
CONVERTERS = "models/requirements.txt"


def install_command(requirements: str, *options: str) -> str:
    """The command that installs a list of packages into the environment that runs this program."""
    return " ".join([f"{sys.executable} -m pip install", *options, f"--no-deps --require-hashes -r {requirements}"])


def require(entry: Entry, package: str) -> None:
    """Fails unless there is a package that a conversion imports."""
    if importlib.util.find_spec(package) is None:
        raise ModelError(
            f"{entry.name} is made with the package {package}, which {sys.prefix} lacks.\n"
            f"Run this program with .venv/bin/python, or install the package: {install_command(CONVERTERS)}"
        )


def locate(entry: Entry, wanted: Input) -> Path:
    """The path of an input whose package, version and hash are right."""
    if not wanted.package:
        path = FOLDER / wanted.file
        check(path, wanted.sha256, f"Take it from the repository again: git checkout {path}")
        return path
    try:
        distribution = importlib.metadata.distribution(wanted.package)
    except importlib.metadata.PackageNotFoundError as error:
        raise ModelError(
            f"{entry.name} is made from the package {wanted.package} {wanted.version}, which {sys.prefix} lacks.\n"
            f"Run this program with .venv/bin/python, or install the package: {install_command(entry.requirements)}"
        ) from error
    if distribution.version != wanted.version:
        raise ModelError(
            f"{entry.name} is made from {wanted.package} {wanted.version}, but {distribution.version} is installed in "
            f"{sys.prefix}.\nInstall the pinned one: {install_command(entry.requirements)}"
        )
    path = Path(str(distribution.locate_file(wanted.file)))
    repair = install_command(entry.requirements, "--force-reinstall")
    check(path, wanted.sha256, f"Install its package again: {repair}")
    return path


def check(path: Path, expected: str, repair: str) -> None:
    """Fails unless an input is there with the expected hash."""
    if not path.is_file():
        raise ModelError(f"{path} is missing.\n{repair}")
    actual = hashing.sha256(path)
    if actual != expected:
        raise ModelError(f"{path} is not what models.toml expects.\n{mismatch(expected, actual)}\n{repair}")


def mismatch(expected: str, actual: str) -> str:
    """Two hashes below each other."""
    return f"  expected sha256 {expected}\n  actual sha256   {actual}"
