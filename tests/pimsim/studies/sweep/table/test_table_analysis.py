"""Analysis of sweep results: axes, objectives, and Sobol' indices."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pimsim.base.errors import AnalysisError
from pimsim.studies.analysis.sensitivity import sobol_indices
from pimsim.studies.sweep.running.sweep_run import run_sweep
from pimsim.studies.sweep.space.plan import load_sweep
from pimsim.studies.sweep.table.sweep_results import SweepResults
from pimsim.studies.sweep.table.sweep_store import read_sweep
from pimsim.studies.sweep.table.table_analysis import (
    axes_of,
    is_saltelli,
    keys_of,
    objectives_of,
    sobol_of,
    usual_objectives,
)
from tests.support.analysed_sweeps import ADCS, LINK, LINKED, changed, write_sweeps


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("analysis")
    write_sweeps(folder)
    return folder


@pytest.fixture(scope="module")
def sobol(folder: Path) -> SweepResults:
    return read_sweep(folder / "sobol.h5")


@pytest.fixture(scope="module")
def grid(folder: Path) -> SweepResults:
    return read_sweep(folder / "grid.h5")


# --- what the analysis is told -------------------------------------------------------------------------------------


def test_linked_axes_stay_together(grid: SweepResults) -> None:
    assert axes_of(grid) == ["side", ADCS, LINK, LINKED]
    assert keys_of(grid)["side"] == "machine.systolic.rows"
    unreadable = dataclasses.replace(grid, text="sweep_version: 99")
    assert axes_of(unreadable) == ["side", ADCS, LINK, *LINKED]
    assert not is_saltelli(unreadable)


def test_metrics_know_their_directions(grid: SweepResults) -> None:
    assert objectives_of(grid, ["tokens_per_s", "area_m2", "macs:lower"]) == {
        "tokens_per_s": "higher",
        "area_m2": "lower",
        "macs": "lower",
    }
    assert list(usual_objectives(grid)) == ["tokens_per_s", "gops_per_w", "area_m2"]
    for name, said in {
        "tokens": "'tokens' is not a metric of this sweep; did you mean tokens_per_s?",
        "macs": "macs: has no better direction; write macs:higher or macs:lower",
        "macs:up": "macs: 'up' is not a direction; write macs:higher or macs:lower",
    }.items():
        with pytest.raises(AnalysisError) as refused:
            objectives_of(grid, [name])
        assert str(refused.value) == said


def test_sobol_indices_come_from_the_sample_with_its_repeats(sobol: SweepResults) -> None:
    """As if every point of the sample had been run, and then by SALib alone."""
    found = sobol_of(sobol, "tokens_per_s")
    assert set(found.axes["axis"]) == {"side", ADCS, LINK, " + ".join(LINKED)}
    assert len(found.pairs) == 6
    frame = sobol.to_dataframe()
    from pimsim.studies.sweep.space.sampling import draws
    from pimsim.studies.sweep.table.table_analysis import _read

    file, axes = _read(sobol)
    points = list(draws(file.spec.sampling, axes))
    assert len(points) == 160 > len(frame)
    speed = {tuple(row[:5]): row[5] for row in frame[[*(a.name for a in sobol.axes), "tokens_per_s"]].to_numpy()}
    table = pd.DataFrame(
        [(*point[:3], point[3], speed[point]) for point in points], columns=["side", ADCS, LINK, "which", "y"]
    )
    expected = sobol_indices(table, ["side", ADCS, LINK, "which"], "y", second_order=True)
    assert np.array_equal(expected.axes["total"], found.axes["total"])
    assert np.array_equal(expected.pairs["second"], found.pairs["second"])


def test_sobol_indices_need_their_sample(grid: SweepResults, sobol: SweepResults, tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"sampling: \{method: saltelli"):
        sobol_of(grid, "tokens_per_s")
    sweep = changed(sampling={"method": "saltelli", "samples": 8}, constraints=["side > 8"])
    holed = run_sweep(load_sweep(sweep), tmp_path / "holed.h5", workers=1)
    with pytest.raises(AnalysisError, match=r"all 48 points of the sample; \d+ are missing from the results"):
        sobol_of(holed, "tokens_per_s")
