"""`pimsim results show`: rows and columns of the printed table, and the same rows as JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.studies.sweep.running.sweep_run import run_sweep
from pimsim.studies.sweep.space.plan import load_sweep
from pimsim.studies.sweep.table.sweep_results import SweepResults
from tests.pimsim.cli.results.printed_rows import rows
from tests.support.command_line import pimsim
from tests.support.sweeps import SMALL


def shown(file: Path, *options: str) -> tuple[list[str], list[list[str]], list[str]]:
    """Heading, rows and the lines below of a printed table; no cell of these sweeps has a space in it."""
    counted, left_out, heading, _, *lines = pimsim("results", "show", file, *options).ok.splitlines()
    assert counted.startswith("counted in the first point: ")
    assert left_out.startswith("left out in the first point: ")
    names = heading.split()
    return names, [line.split() for line in lines if " points; " not in line], [x for x in lines if " points; " in x]


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of 18 points, 6 of which fail."""
    path = tmp_path_factory.mktemp("failing") / "small.h5"
    run_sweep(load_sweep(SMALL), path, workers=1)
    return path


COLUMNS = ("--columns", "side,tokens_per_s")


def test_the_first_20_points_are_printed_unless_others_are_asked_for(swept: Path, grid: SweepResults) -> None:
    file = swept / "grid.h5"
    assert len(grid) == 48
    for options, count, below in (
        ([], 20, ["20 of 48 points; --limit shows more, --csv and --parquet write all"]),
        (["--limit", "3"], 3, ["3 of 48 points; --limit shows more, --csv and --parquet write all"]),
        (["--limit", "30"], 30, ["30 of 48 points; --limit shows more, --csv and --parquet write all"]),
        (["--limit", "48"], 48, []),
        (["--where", "side < 16"], 12, []),
    ):
        names, cells, after = shown(file, *COLUMNS, *options)
        assert (names, len(cells), after) == (["side", "tokens_per_s"], count, below), options


def test_rows_are_sorted_and_columns_are_in_the_order_asked_for(swept: Path, grid: SweepResults) -> None:
    file, frame = swept / "grid.h5", grid.to_dataframe()
    names, cells, _ = shown(file, "--columns", "macs,side", "--sort", "side,macs", "--descending", "--limit", "2")
    assert names == ["macs", "side"]
    assert [side for _, side in cells] == ["64", "64"]
    found = rows("show", file, "--sort", "tokens_per_s", "--where", "side == 8")
    assert [row["key"] for row in found] == frame[frame["side"] == 8].sort_values("tokens_per_s")["key"].tolist()


def test_the_table_has_a_status_column_only_if_a_point_failed(swept: Path, failing: Path) -> None:
    names, cells, _ = shown(failing)
    assert names[-1] == "status"
    assert [row[-1] for row in cells].count("failed") == 6
    assert "status" not in shown(swept / "grid.h5")[0]
    assert shown(swept / "grid.h5", "--columns", "side,status", "--limit", "1")[0] == ["side", "status"]
    for file in (failing, swept / "grid.h5"):
        assert not {"key", "error"} & set(shown(file)[0])
    assert shown(failing, "--columns", "status,error,key", "--limit", "1")[0] == ["status", "error", "key"]
