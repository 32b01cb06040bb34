"""`pimsim results plot`: the plots that each kind of sweep has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.analysed_sweeps import METRICS
from tests.support.command_line import pimsim


@pytest.mark.parametrize("name", ["axis", "grid", "sobol"])
def test_plots(swept: Path, name: str, tmp_path: Path) -> None:
    printed = pimsim("results", "plot", swept / f"{name}.h5", METRICS, "--out", tmp_path).ok
    drawn = {path.stem for path in tmp_path.iterdir()}
    assert printed == f"{len(drawn)} plots written to {tmp_path}, each as PNG, SVG and PDF\n"
    assert {"front-tokens_per_s-area_m2", "parallel-coordinates", "heat-map-area_m2"} <= drawn
    assert ("sobol-tokens_per_s" in drawn) == (name == "sobol")
    assert ("tornado-tokens_per_s" in drawn) or name == "sobol"


def test_each_group_has_its_own_plots(swept: Path, tmp_path: Path) -> None:
    _ = pimsim("results", "plot", swept / "grid.h5", "tokens_per_s,area_m2", "--by", "adcs", "--out", tmp_path).ok
    fronts = {path.name for path in tmp_path.glob("front-*.svg")}
    table = json.loads(pimsim("results", "show", swept / "grid.h5", "--columns", "adcs", "--json").ok)
    (name,) = {key for row in table for key in row}
    assert fronts == {f"front-tokens_per_s-area_m2-adcs={row[name]}.svg" for row in table}
    assert len(fronts) > 1
