"""Analysis of sweep results, and the subcommands of `pimsim results`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pimsim.base.errors import AnalysisError, ConfigError
from pimsim.studies.analysis.pareto import pareto_front
from pimsim.studies.analysis.sensitivity import one_at_a_time, sobol_indices
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
from tests.support.command_line import assert_refused, pimsim

ADCS, LINK = "machine.crossbar.pair.array.adcs", "machine.mesh.link_bandwidth_bps"
METRICS = "tokens_per_s,area_m2"
LINKED = ("workload.model", "workload.context_length")
SWEEP: dict[str, Any] = {
    "name": "small",
    "base": "pim-llm",
    "set": {"workload.model": "gpt2-medium"},
    "axes": {
        "side": {"keys": ["machine.systolic.rows", "machine.systolic.columns"], "values": [8, 16, 32, 64]},
        ADCS: [2, 8, 32],
        LINK: {"start": "5 Gb/s", "stop": "80 Gb/s", "scale": "log"},
        "which": {"linked": {"workload.model": ["gpt2-small", "gpt2-medium"], "workload.context_length": [128, 1024]}},
    },
    "metrics": ["tokens_per_s", "gops_per_w", "area_m2", "macs"],
}


def changed(**changes: Any) -> dict[str, Any]:
    return {**SWEEP, **changes}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of each kind: points of one axis at a time, a Saltelli sample, a grid."""
    folder = tmp_path_factory.mktemp("analysis")
    grid = {**SWEEP["axes"], LINK: ["5 Gb/s", "80 Gb/s"]}
    for name, sweep in {
        "axis": changed(sampling="one_at_a_time"),
        "sobol": changed(sampling={"method": "saltelli", "samples": 16, "second_order": True}),
        "grid": changed(axes=grid),
    }.items():
        run_sweep(load_sweep(sweep), folder / f"{name}.h5", workers=1)
    return folder


@pytest.fixture(scope="module")
def axis(folder: Path) -> SweepResults:
    return read_sweep(folder / "axis.h5")


@pytest.fixture(scope="module")
def sobol(folder: Path) -> SweepResults:
    return read_sweep(folder / "sobol.h5")


@pytest.fixture(scope="module")
def grid(folder: Path) -> SweepResults:
    return read_sweep(folder / "grid.h5")


# --- points ---------------------------------------------------------------------------------------------------------


def test_one_at_a_time_starts_at_the_base_config(axis: SweepResults) -> None:
    frame = axis.to_dataframe()
    names = [each.name for each in axis.axes]
    base = frame.iloc[0]
    # The values of pim-llm, of which `adcs` is not on its axis.
    assert base[names].tolist() == [32, 128, 20e9, "gpt2-medium", 128]
    assert len(frame) == 1 + 3 + 3 + 2 + 2
    for _, row in frame.iloc[1:].iterrows():
        differing = {name for name in names if row[name] != base[name]}
        assert len(differing) == 1 or differing <= set(LINKED)
    assert sorted(frame[LINK].unique()) == [5e9, 20e9, 80e9]


def test_a_base_with_two_values_for_one_column_is_refused() -> None:
    sweep = changed(sampling="one_at_a_time", set={"machine.systolic.rows": 16})
    with pytest.raises(ConfigError, match=r"axes\.side: the base config has 16, 32 for its keys"):
        load_sweep(sweep)


def test_a_saltelli_sample_leaves_out_what_comes_up_again(sobol: SweepResults) -> None:
    assert 0 < len(sobol) <= 16 * (2 * 4 + 2)
    assert not sobol.to_dataframe().duplicated([each.name for each in sobol.axes]).any()
    few = changed(
        axes={"machine.systolic.rows": [16, 32], ADCS: [2, 8]}, sampling={"method": "saltelli", "samples": 64}
    )
    assert len(load_sweep(few)) == 4


@pytest.mark.parametrize(
    ("sampling", "said"),
    [
        ({"method": "saltelli"}, "saltelli needs samples, a power of 2"),
        ({"method": "saltelli", "samples": 12}, "a power of 2"),
        ({"method": "saltelli", "samples": 16, "points": 5}, "saltelli needs samples"),
        ({"method": "saltelli", "samples": 1 << 19}, "3,145,728 points, more than the 1,000,000"),
        ({"method": "one_at_a_time", "points": 5}, "one_at_a_time runs all of its points"),
        ({"method": "random", "samples": 16}, "random needs points"),
        ({"method": "random", "points": 5, "second_order": True}, "second_order needs sampling method saltelli"),
    ],
)
def test_bad_samplings_are_refused(sampling: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_sweep(changed(sampling=sampling))


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


# --- the command ----------------------------------------------------------------------------------------------------


def rows(*arguments: str | Path) -> list[dict[str, Any]]:
    found = json.loads(pimsim("results", *arguments, "--json").ok)
    assert isinstance(found, list)
    return found


def test_pareto(folder: Path, grid: SweepResults) -> None:
    front = pareto_front(grid.to_dataframe(), {"tokens_per_s": "higher", "area_m2": "lower"})
    assert 1 < len(front) < len(grid)
    file = folder / "grid.h5"
    assert [row["key"] for row in rows("front", file, METRICS)] == front["key"].tolist()
    each = rows("front", file, METRICS, "--by", "workload.model")
    frame = grid.to_dataframe()
    assert [row["key"] for row in each] == [
        key
        for model in ("gpt2-small", "gpt2-medium")
        for key in pareto_front(
            frame[frame["workload.model"] == model], {"tokens_per_s": "higher", "area_m2": "lower"}
        )["key"]
    ]
    # Filters come first, and --sort after.
    some = rows("front", file, METRICS, "--where", "side < 64", "--sort", "area_m2", "--limit", "2")
    expected = pareto_front(frame[frame["side"] < 64], {"tokens_per_s": "higher", "area_m2": "lower"})
    assert [row["key"] for row in some] == expected.sort_values("area_m2", kind="stable")["key"].tolist()[:2]


def test_best(folder: Path, grid: SweepResults) -> None:
    file, frame = folder / "grid.h5", grid.to_dataframe()
    (best,) = rows("best", file, "area_m2")
    assert best["area_m2"] == frame["area_m2"].min()
    each = rows("best", file, "tokens_per_s", "--by", "workload.model", "--top", "2")
    assert [row["workload.model"] for row in each] == ["gpt2-small"] * 2 + ["gpt2-medium"] * 2
    assert each[0]["tokens_per_s"] == frame[frame["workload.model"] == "gpt2-small"]["tokens_per_s"].max()


@pytest.mark.parametrize("name", ["axis", "grid"])
def test_one_axis_at_a_time(folder: Path, name: str) -> None:
    results = read_sweep(folder / f"{name}.h5")
    table = one_at_a_time(results.to_dataframe(), axes_of(results), "tokens_per_s")
    found = rows("sensitivity", folder / f"{name}.h5", "tokens_per_s")
    assert [(row["axis"], row["swing"]) for row in found] == list(zip(table["axis"], table["swing"], strict=True))
    printed = pimsim("results", "sensitivity", folder / f"{name}.h5", "tokens_per_s").ok
    assert "model + context_length" in printed
    assert "80 Gb/s" in printed


def test_sobol(folder: Path, sobol: SweepResults) -> None:
    found = rows("sensitivity", folder / "sobol.h5", "tokens_per_s")
    assert [row["total"] for row in found] == sobol_of(sobol, "tokens_per_s").axes["total"].tolist()
    printed = pimsim("results", "sensitivity", folder / "sobol.h5", "tokens_per_s").ok
    assert "first order" in printed
    assert "second order" in printed
    refused = pimsim("results", "sensitivity", folder / "sobol.h5", "tokens_per_s", "--where", "side < 64")
    assert_refused(refused, 2)


def test_tables_go_to_files(folder: Path, tmp_path: Path) -> None:
    assert pimsim("results", "sensitivity", folder / "axis.h5", "tokens_per_s", "--csv", tmp_path / "a.csv").ok == ""
    assert pd.read_csv(tmp_path / "a.csv")["axis"].tolist()[0] == " + ".join(LINKED)
    assert pimsim("results", "front", folder / "grid.h5", METRICS, "--parquet", tmp_path / "a.parquet").ok == ""
    assert len(pd.read_parquet(tmp_path / "a.parquet")) == len(rows("front", folder / "grid.h5", METRICS))


@pytest.mark.parametrize("name", ["axis", "grid", "sobol"])
def test_plots(folder: Path, name: str, tmp_path: Path) -> None:
    printed = pimsim("results", "plot", folder / f"{name}.h5", METRICS, "--out", tmp_path).ok
    drawn = {path.stem for path in tmp_path.iterdir()}
    assert printed == f"{len(drawn)} plots written to {tmp_path}, each as PNG and SVG\n"
    assert {"front-tokens_per_s-area_m2", "parallel-coordinates", "heat-map-area_m2"} <= drawn
    assert ("sobol-tokens_per_s" in drawn) == (name == "sobol")
    assert ("tornado-tokens_per_s" in drawn) or name == "sobol"


def test_the_front_is_that_of_the_usual_metrics_unless_others_are_named(folder: Path, grid: SweepResults) -> None:
    front = pareto_front(grid.to_dataframe(), usual_objectives(grid))
    assert [row["key"] for row in rows("front", folder / "grid.h5")] == front["key"].tolist()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show", "grid.h5", "--by", "side"], 2),
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
    folder: Path, arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert_refused(pimsim("results", *arguments), code)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["grid.h5"], "`pimsim results show FILE`"),
        (["grid.h5", "--where", "side < 64"], "`pimsim results show FILE`"),
        (["grid.h5", "--pareto", METRICS], "--pareto is now `pimsim results front FILE METRIC,...`"),
        (["--best=tokens_per_s", "grid.h5"], "--best is now `pimsim results best FILE METRIC`"),
        (["grid.h5", "--sensitivity", "macs"], "--sensitivity is now `pimsim results sensitivity FILE METRIC`"),
        (["grid.h5", "--plots", "plots"], "--plots is now `pimsim results plot FILE --out DIR`"),
        (["shwo"], "Did you mean 'show'?"),
    ],
)
def test_a_command_line_without_subcommand_is_told_the_new_command(arguments: list[str], told: str) -> None:
    outcome = pimsim("results", *arguments)
    assert_refused(outcome, 2)
    assert outcome.err.rstrip().endswith(told)
