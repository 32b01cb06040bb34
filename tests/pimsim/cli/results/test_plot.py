"""`pimsim results plot`: the plots that each kind of sweep has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.analysed_sweeps import METRICS
from tests.support.command_line import pimsim


@pytest.mark.parametrize("name", ["axis", "grid", "sobol"])
def test_plots(swept: Path, name: str, tmp_path: Path) -> None:
    printed = pimsim("results", "plot", swept / f"{name}.h5", METRICS, "--out", tmp_path).ok
    drawn = {path.stem for path in tmp_path.iterdir()}
    assert printed == f"{len(drawn)} plots written to {tmp_path}, each as PNG and SVG\n"
    assert {"front-tokens_per_s-area_m2", "parallel-coordinates", "heat-map-area_m2"} <= drawn
    assert ("sobol-tokens_per_s" in drawn) == (name == "sobol")
    assert ("tornado-tokens_per_s" in drawn) or name == "sobol"
