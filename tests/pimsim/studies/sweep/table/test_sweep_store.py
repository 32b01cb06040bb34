"""The file of a sweep: what is written is read, anyone can read it, and a damaged one is refused."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim import load_config
from pimsim.base.errors import OutputError, ResultFileError
from pimsim.results.store import read_result, write_result
from pimsim.simulation import simulate
from pimsim.studies.sweep.table.sweep_results import AxisColumn, MetricColumn, SweepResults
from pimsim.studies.sweep.table.sweep_store import read_sweep, write_sweep

CONFIG = load_config("pim-llm")


def results(columns: dict[str, list[Any]], metric: list[float] | None = None) -> SweepResults:
    count = len(next(iter(columns.values())))
    return SweepResults(
        name="made up",
        text="name: made up\n",
        config=CONFIG,
        version="0",
        code_hash="c" * 32,
        axes=tuple(AxisColumn(name, (f"machine.{name}", "other.key")) for name in columns),
        metrics=(MetricColumn("gops", "GOPS", "higher"),),
        columns=columns | {"gops": metric or [float(row) for row in range(count)]},
        errors=["" if row % 3 else "wrong" for row in range(count)],
        keys=[f"{row:032x}" for row in range(count)],
    )


def stored(written: SweepResults, folder: Path) -> SweepResults:
    write_sweep(written, folder / "x.h5")
    return read_sweep(folder / "x.h5")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_sweep(results({"rows": [8, 16, 32], "model": ["a", "b", "c"]}), tmp_path / "good.h5")
    return tmp_path / "good.h5"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = results({"rows": [8, 16], "clock": [1e8, 2.5], "model": ["a", "\u00e9"]})
    assert stored(written, tmp_path) == written


@pytest.mark.parametrize(
    ("values", "read"),
    [
        ([1, 2**70], [1, 2**70]),
        ([1, 2.5], [1.0, 2.5]),
        ([-1, 2], [-1.0, 2.0]),
        ([True, False], ["true", "false"]),
        ([None, 64], ["null", "64"]),
        ([["q"], ["k", "v"]], ['["q"]', '["k", "v"]']),
        ([{"b": 1, "a": 2}, "x"], ['{"a": 2, "b": 1}', '"x"']),
        (["x" * 2000, "y"], None),
    ],
)
def test_values_of_any_kind(tmp_path: Path, values: list[Any], read: list[Any] | None) -> None:
    written = results({"axis": values})
    if read is None:
        with pytest.raises(OutputError, match="holds a text of 2002 bytes"):
            stored(written, tmp_path)
        return
    assert stored(written, tmp_path).columns["axis"] == read


@given(st.lists(st.floats(), min_size=1, max_size=20))
def test_metrics_come_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    written = results({"rows": list(range(len(values)))}, values)
    again = stored(written, tmp_path_factory.mktemp("metrics"))
    assert np.array(again.columns["gops"]).tobytes() == np.array(values).tobytes()


def test_a_file_needs_no_pimsim_to_be_read(path: Path) -> None:
    with h5py.File(path) as file:
        assert (file.attrs["format"], file.attrs["name"]) == (b"pimsim-sweep", b"made up")
        assert file["sweep"].asstr()[0] == "name: made up\n"
        frame = pd.DataFrame({name: column[:] for name, column in file["points"].items()})
        messages = file["messages/message"].asstr()[:]
    assert list(frame.columns) == ["rows", "model", "gops", "message", "key"]
    assert list(frame["rows"]) == [8, 16, 32]
    assert [messages[number - 1] if number else "" for number in frame["message"]] == ["wrong", "", ""]


def test_the_same_results_make_the_same_bytes(path: Path, tmp_path: Path) -> None:
    write_sweep(read_sweep(path), tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()


def test_the_table_is_a_data_frame(path: Path) -> None:
    frame = read_sweep(path).to_dataframe()
    assert list(frame.columns) == ["rows", "model", "gops", "status", "error", "key"]
    assert list(frame["status"]) == ["failed", "ok", "ok"]
    assert frame["rows"].dtype == np.int64
    assert frame["gops"].dtype == np.float64


def edited(path: Path, change: Callable[[h5py.File], None]) -> str:
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(ResultFileError) as error:
        read_sweep(path)
    return str(error.value)


def replaced(table: str, column: str, values: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[f"{table}/{column}"]
        data = np.array(values, dtype=h5py.string_dtype("utf-8", 40) if isinstance(values[0], bytes) else None)
        file[table].create_dataset(column, data=data, chunks=data.shape, compression="gzip")

    return change


def deleted(name: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (deleted("points/gops"), "dataset points/gops is missing"),
        (deleted("points"), "group points is missing"),
        (deleted("sweep"), "dataset sweep is missing"),
        (deleted("config"), "dataset config is missing"),
        (replaced("points", "rows", [1, 2]), "has 3 rows, but the first column has 2"),
        (replaced("points", "message", [0, 0, 9]), "refers to a message that is not in the file"),
        (replaced("columns", "stored", [b"integer", b"text", b"colour"]), "with unknown words"),
        (replaced("columns", "role", [b"axis", b"axis", b"boss"]), "with unknown words"),
        (replaced("columns", "better", [b"", b"", b"worse"]), "with unknown words"),
        (replaced("columns", "name", [b"rows", b"rows", b"gops"]), "has a column name twice"),
        (
            replaced("columns", "name", [b"rows", b"../config", b"gops"]),
            "or a name that is not allowed",
        ),
        (
            replaced("columns", "name", [b"rows", b"key", b"gops"]),
            "or a name that is not allowed",
        ),
        (replaced("columns", "stored", [b"integer", b"json", b"number"]), "contains a text that is not JSON"),
        (replaced("points", "model", [b"a\x1b", b"b", b"c"]), "control characters"),
        (lambda file: file.attrs.__setitem__("sweep_results_version", np.int64(9)), "is from a newer pimsim"),
        (lambda file: file.attrs.__delitem__("name"), "attribute name is missing"),
    ],
)
def test_a_damaged_file_is_refused(path: Path, change: Callable[[h5py.File], None], told: str) -> None:
    message = edited(path, change)
    assert told in message
    assert message.isprintable()


def test_the_result_of_a_run_is_no_sweep_and_the_other_way_round(path: Path, tmp_path: Path) -> None:
    write_result(simulate(load_config("tpu-llm", ["workload.model=gpt2-small"])), tmp_path / "run.h5")
    with pytest.raises(ResultFileError, match="holds the result of a run: use pimsim show"):
        read_sweep(tmp_path / "run.h5")
    with pytest.raises(ResultFileError, match="holds the points of a sweep or a search: use pimsim results show"):
        read_result(path)


@given(st.integers(0, 100_000), st.integers(0, 255))
def test_a_damaged_byte_is_refused_or_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
) -> None:
    folder = tmp_path_factory.mktemp("byte")
    write_sweep(results({"rows": [8, 16, 32], "model": ["a", "b", "c"]}), folder / "x.h5")
    data = bytearray((folder / "x.h5").read_bytes())
    data[place % len(data)] = byte
    (folder / "x.h5").write_bytes(data)
    try:
        frame = read_sweep(folder / "x.h5").to_dataframe()
        assert len(frame) == 3
    except ResultFileError as error:
        assert_readable(error)


def assert_readable(error: ResultFileError) -> None:
    assert str(error).isprintable()


@pytest.mark.parametrize("content", [b"", b"name: x\n", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(3000)])
def test_what_is_no_file_of_ours(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.h5").write_bytes(content)
    with pytest.raises(ResultFileError):
        read_sweep(tmp_path / "x.h5")
    with pytest.raises(ResultFileError, match="No such file"):
        read_sweep(tmp_path / "none.h5")


def test_no_number_is_nan_in_the_file(tmp_path: Path) -> None:
    again = stored(results({"rows": [1, 2]}, [math.nan, math.inf]), tmp_path)
    assert math.isnan(again.columns["gops"][0])
    assert again.columns["gops"][1] == math.inf


def test_json_values_are_json(tmp_path: Path) -> None:
    again = stored(dataclasses.replace(results({"groups": [[["q"]], None]})), tmp_path)
    assert [json.loads(text) for text in again.columns["groups"]] == [[["q"]], None]
    assert io.StringIO(again.to_dataframe().to_csv(index=False)).readline().startswith("groups,gops")
