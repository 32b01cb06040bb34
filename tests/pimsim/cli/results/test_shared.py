"""What the subcommands of `pimsim results` share: export of tables, and refused command lines."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.pimsim.cli.results.printed_rows import rows
from tests.support.analysed_sweeps import ADCS, LINK, LINKED, METRICS
from tests.support.command_line import assert_refused, pimsim


def test_tables_go_to_files(swept: Path, tmp_path: Path) -> None:
    said = pimsim("results", "sensitivity", swept / "axis.h5", "tokens_per_s", "--csv", tmp_path / "a.csv").ok
    assert said == f"{tmp_path / 'a.csv'} written: 4 rows and 9 columns\n"
    assert {*pd.read_csv(tmp_path / "a.csv")["axis"]} == {"side", ADCS, LINK, " + ".join(LINKED)}
    assert pimsim("results", "front", swept / "grid.h5", METRICS, "--parquet", tmp_path / "a.parquet").ok
    assert len(pd.read_parquet(tmp_path / "a.parquet")) == len(rows("front", swept / "grid.h5", METRICS))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show", "grid.h5", "--by", "side"], 2),
        (["show", "grid.h5", "--descending"], 2),
        (["show", "grid.h5", "--sort", "machine"], 9),
        (["best", "grid.h5"], 2),
        (["sensitivity", "grid.h5"], 2),
        (["front", "grid.h5", "tokens"], 10),
        (["best", "grid.h5", "macs"], 10),
        (["best", "grid.h5", "tokens_per_s", "--by", "modle"], 10),
        (["sensitivity", "grid.h5", "tokens"], 10),
        (["sensitivity", "grid.h5", "tokens_per_s", "--where", "side > 1000"], 10),
    ],
)
def test_invalid_command_lines_are_refused(
    swept: Path, arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(swept)
    assert_refused(pimsim("results", *arguments), code)
