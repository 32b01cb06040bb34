"""A sweep stores what spilled activations would add to its points, and says where it matters."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest

from pimsim import load_config, simulate
from pimsim.present.text.sweep_report import print_summary
from pimsim.studies.optimization.search_spec import load_search
from pimsim.studies.sweep.measure.spilled_metrics import SPILLED_METRICS
from pimsim.studies.sweep.running.sweep_run import run_sweep
from pimsim.studies.sweep.space.plan import load_sweep
from pimsim.studies.sweep.table.spilled_points import chosen_note, columns_to_show, spilled_note
from pimsim.studies.sweep.table.sweep_results import SweepResults
from tests.support.closeness import near
from tests.support.command_line import pimsim

SETTINGS = {"workload.phase": "prefill", "workload.model": "gpt2-small", "machine.sram.capacity_bytes": 1 << 18}
SWEEP = {
    "name": "spill",
    "base": "pim-llm",
    "set": SETTINGS,
    "axes": {"workload.prompt_length": [16, 2048]},
    "metrics": ["tokens_per_s", "area_m2"],
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spill") / "spill.h5"


@pytest.fixture(scope="module")
def results(file: Path) -> SweepResults:
    return run_sweep(load_sweep(SWEEP), file, workers=1)


def test_the_columns_are_the_way_to_memory_and_back(results: SweepResults) -> None:
    """By hand: S bytes are written and read once, so the energy is 8 S (r + w), and the time 2 S / bandwidth."""
    seconds, joules, share = (results.columns[name] for name in SPILLED_METRICS)
    assert (seconds[0], joules[0], share[0]) == (0, 0, 0)
    result = simulate(load_config("pim-llm", {**SETTINGS, "workload.prompt_length": 2048}))
    memory = result.config.machine.memory
    size = joules[1] / 8 / (memory.read_energy_j_per_bit + memory.write_energy_j_per_bit)
    bandwidth = memory.channels * memory.channel_bandwidth_bytes_per_s
    assert seconds[1] == near(2 * size / bandwidth + 2 * memory.access_latency_s)
    assert share[1] == near(max(seconds[1] / result.latency_s, joules[1] / result.energy_j))
    assert share[1] > 0.01


def test_heads_fronts_and_best_points_say_it(results: SweepResults, file: Path) -> None:
    report = io.StringIO()
    print_summary(results, "spill.h5", None, report)
    assert (
        "left out at 1 of 2 points: activations beyond the global buffer, more than 1% of the time" in report.getvalue()
    )
    assert f"at most {results.columns['spilled_share'][1]:.1%}" in report.getvalue()
    for command in (("best", file, "tokens_per_s:lower"), ("front", file, "tokens_per_s:lower")):
        shown = pimsim("results", *command, "--where", "prompt_length > 16").ok
        assert "leaves out activations beyond the global buffer" in shown.splitlines()[-1]
        assert "leaves out" not in pimsim("results", *command, "--where", "prompt_length < 99").ok
    frame = results.to_dataframe()
    assert chosen_note(frame, "of the front").startswith("1 of the 2 points of the front leaves out activations")
    assert chosen_note(frame.drop(columns="spilled_share"), "above") == "", "a file of an earlier version"


def test_a_sweep_without_such_activations_looks_as_before(results: SweepResults) -> None:
    none = dataclasses.replace(results, columns={**results.columns, **{name: [0.0, 0.0] for name in SPILLED_METRICS}})
    assert spilled_note(none) == ""
    assert columns_to_show(none, ["area_m2", *SPILLED_METRICS]) == ["area_m2"]
    assert columns_to_show(results, ["area_m2", *SPILLED_METRICS], brief=True) == ["area_m2", "spilled_share"]
    asked = dataclasses.replace(none, text="metrics: [spilled_s]")
    assert columns_to_show(asked, SPILLED_METRICS) == ["spilled_s"]


def test_a_search_stores_them_too() -> None:
    search = load_search({**SWEEP, "objectives": ["tokens_per_s", "spilled_share"], "trials": 2})
    assert {*SPILLED_METRICS} < {*search.space.metrics}
    assert search.objectives == {"tokens_per_s": "higher", "spilled_share": "lower"}
