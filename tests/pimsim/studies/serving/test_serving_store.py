"""Files of served requests: read back equal, and damaged ones refused in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim import ServingResult, load_config, poisson_requests, serve
from pimsim.base.errors import OutputError, ResultFileError
from pimsim.studies.serving.serving_store import read_serving, write_serving


@pytest.fixture(scope="module")
def served() -> ServingResult:
    config = load_config("pim-llm", ["workload.model=gpt2-small", "leakage_gating=ungated"])
    return serve(config, poisson_requests(3.0, 6, prompt=8, output="uniform:1:4"))


@pytest.fixture(scope="module")
def image(served: ServingResult, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("store") / "s.h5"
    write_serving(served, path)
    return path.read_bytes()


def test_a_result_reads_back_equal(served: ServingResult, tmp_path: Path) -> None:
    write_serving(served, tmp_path / "s.h5")
    assert read_serving(tmp_path / "s.h5") == served
    assert [path.name for path in tmp_path.iterdir()] == ["s.h5"]


def test_notes_are_stored(served: ServingResult, tmp_path: Path) -> None:
    noted = replace(served, notes=("its tail is not modelled",))
    write_serving(noted, tmp_path / "s.h5")
    assert read_serving(tmp_path / "s.h5") == noted
    assert noted.to_dict()["notes"] == ["its tail is not modelled"]


def test_prefix_hashes_are_stored(served: ServingResult, tmp_path: Path) -> None:
    first, second, *others = served.requests
    hashed = replace(served, requests=(first, second._replace(prefix_hashes=(7, -(2**63), 2**63 - 1)), *others))
    write_serving(hashed, tmp_path / "s.h5")
    assert read_serving(tmp_path / "s.h5") == hashed
    assert hashed.to_dict()["requests"][1]["prefix_hashes"] == [7, -(2**63), 2**63 - 1]
    assert "prefix_hashes" not in hashed.to_dict()["requests"][0]


@pytest.mark.parametrize(
    ("column", "value", "match"),
    [
        ("hash", b"x", "hash holds a text that is not an integer"),
        ("request", 99, "request refers to 99, not in the file"),
    ],
)
def test_a_prefix_hash_that_cannot_be_is_refused(
    served: ServingResult, tmp_path: Path, column: str, value: object, match: str
) -> None:
    first, *others = served.requests
    write_serving(replace(served, requests=(first._replace(prefix_hashes=(7,)), *others)), tmp_path / "s.h5")
    with h5py.File(tmp_path / "s.h5", "r+") as file:
        file[f"prefix_hashes/{column}"][0] = value
    with pytest.raises(ResultFileError, match=f"dataset prefix_hashes/{match}"):
        read_serving(tmp_path / "s.h5")


def test_a_file_that_cannot_be_written_is_one_error(served: ServingResult, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="there is no directory"):
        write_serving(served, tmp_path / "none" / "s.h5")


@given(st.data())
def test_damage_anywhere_is_one_error_or_the_same_result(
    served: ServingResult, image: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(image) - 1))
    damaged = bytearray(image)
    damaged[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.h5"
    path.write_bytes(damaged)
    try:
        assert read_serving(path).requests == served.requests
    except ResultFileError as error:
        assert str(error).isprintable()  # noqa: PT017


@pytest.mark.parametrize(
    ("table", "column", "wanted"),
    [
        ("requests", "finished_ps", "ends before it starts"),
        ("requests", "output_tokens", "has no output tokens"),
        ("iterations", "end_ps", "iteration 0 "),
    ],
)
def test_rows_that_contradict_each_other_are_refused(
    served: ServingResult, tmp_path: Path, table: str, column: str, wanted: str
) -> None:
    rows = getattr(served, table)
    changed = type(served)(**{**vars_of(served), table: tuple(row._replace(**{column: 0}) for row in rows)})
    write_serving(changed, tmp_path / "s.h5")
    with pytest.raises(ResultFileError, match=wanted):
        read_serving(tmp_path / "s.h5")


def vars_of(result: ServingResult) -> dict[str, object]:
    return {name: getattr(result, name) for name in ServingResult.__dataclass_fields__}


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["format"] = "x"
    with pytest.raises(ResultFileError):
        read_serving(tmp_path / "x.h5")
