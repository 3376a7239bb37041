"""Reads the recordings that python.rs made, each topic in one line, and checks every column and value."""

import json
import pathlib
import sys

import pandas
import polars
import pyarrow
import pyarrow.ipc


def plain(value):
    """A value as JSON has it: pandas gives arrays for lists, and NaN for what is missing."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [plain(element) for element in value]
    if isinstance(value, dict):
        return {name: plain(element) for name, element in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    return None if value is None or value is pandas.NA or value != value else value


def with_pyarrow(path):
    table = pyarrow.ipc.open_file(path).read_all()
    return {name: table[name].to_pylist() for name in table.column_names}


def with_pyarrow_for_pandas(path):
    frame = pyarrow.ipc.open_file(path).read_pandas()
    return {name: list(frame[name]) for name in frame.columns}


def with_polars(path):
    return polars.read_ipc(path).to_dict(as_series=False)


def with_pandas(path):
    frame = pandas.read_feather(path)
    return {name: list(frame[name]) for name in frame.columns}


def check(path, expected):
    for read in (with_pyarrow, with_pyarrow_for_pandas, with_polars, with_pandas):
        found = {name: plain(values) for name, values in read(path).items()}
        assert list(found) == list(expected), f"{read.__name__}, {path}: columns {list(found)}"
        for name, values in expected.items():
            assert found[name] == values, f"{read.__name__}, {path}, {name}: {found[name]}, not {values}"


def main(folder):
    expected = json.loads((folder / "expected.json").read_text())
    for topic, content in expected.items():
        columns = dict(content["columns"])
        check(folder / "whole" / f"{topic}.arrow", columns)
        header = {name: columns[name] for name in ("session", "seq", "last")}
        check(folder / "digests" / f"{topic}.arrow", {**header, "digest": content["digests"]})
        # Of a recording that is not finished, too, if need be.
        table = pyarrow.ipc.open_stream(folder / "unfinished" / f"{topic}.arrows").read_all()
        assert {name: table[name].to_pylist() for name in table.column_names} == columns
    print(len(expected), "topics")


main(pathlib.Path(sys.argv[1]))
