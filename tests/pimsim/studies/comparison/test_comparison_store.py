"""Files of comparisons: everything is read back, and a damaged or wrong file is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from pimsim import compare, load_config, read_comparison, read_result, simulate, write_comparison
from pimsim.base.errors import OutputError, ResultFileError
from pimsim.config.loading import load_config_text
from pimsim.results.store import write_result
from pimsim.studies.comparison.comparison_result import ComparisonResult
from pimsim.studies.comparison.external_points import ExternalPoint


@pytest.fixture(scope="module")
def result() -> ComparisonResult:
    return compare(
        ["pim-llm", "tpu-llm", "pim-llm-published", "defaults"],
        models=["gpt2-small", "opt-6.7b"],
        contexts=[64],
        overrides=["workload.batch=2"],
        points=[ExternalPoint("A", "a paper, Table I", gops=3.2)],
        baseline="tpu-llm",
    )


def test_a_comparison_that_is_read_again_has_the_same_values(result: ComparisonResult, tmp_path: Path) -> None:
    write_comparison(result, tmp_path / "c.h5")
    again = read_comparison(tmp_path / "c.h5")
    assert json.dumps(again.to_dict()) == json.dumps(result.to_dict())
    assert [row.accounting for row in again.rows] == [row.accounting for row in result.rows]
    assert again.designs == result.designs
    assert again.to_dataframe().equals(result.to_dataframe())
    assert load_config_text(again.designs[2].config_text) == load_config("pim-llm-published", ["workload.batch=2"])
    assert again.config == load_config("tpu-llm", ["workload.batch=2"])
    assert again.failed[0].error_class == "CapacityError"
    with h5py.File(tmp_path / "c.h5") as file:  # as without pimsim
        assert file.attrs["format"] == b"pimsim-comparison"
        assert list(file["rows/latency_s"][:3]) == [row.latency_s for row in result.rows[:3]]


def test_wrong_and_damaged_files_are_refused(result: ComparisonResult, tmp_path: Path) -> None:
    write_result(simulate(load_config("tpu-llm", ["workload.model=gpt2-small"])), tmp_path / "run.h5")
    with pytest.raises(ResultFileError, match="holds the result of a run: use pimsim show"):
        read_comparison(tmp_path / "run.h5")
    write_comparison(result, tmp_path / "c.h5")
    with pytest.raises(ResultFileError, match="holds a result of pimsim compare: use pimsim show"):
        read_result(tmp_path / "c.h5")
    with h5py.File(tmp_path / "c.h5", "r+") as file:
        file.attrs["baseline"] = b"nothing"
    with pytest.raises(ResultFileError):
        read_comparison(tmp_path / "c.h5")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": ()}, "there are no rows"),
        ({"baseline": "x"}, "attribute baseline is none of the designs"),
        ({"planned": 1}, "there are more rows than planned"),
        ({"designs": ()}, "there are fewer than two designs"),
    ],
)
def test_an_inconsistent_comparison_is_not_written(
    change: dict[str, object], message: str, result: ComparisonResult, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match=message):
        write_comparison(replace(result, **change), tmp_path / "c.h5")  # type: ignore[arg-type]
