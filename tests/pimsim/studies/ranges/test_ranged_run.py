"""Figures without a simulation against `simulate` with the same values: equal picoseconds, and joules to 1e-12."""

from __future__ import annotations

from collections.abc import Mapping
from unittest.mock import Mock

import pytest

from pimsim import load_config, simulate
from pimsim.base.errors import WorkloadInputError
from pimsim.base.shipped_files import list_configs
from pimsim.config.layers import read_layers
from pimsim.config.preset_files import lacks_machine
from pimsim.engine import run as run_engine
from pimsim.studies.ranges import ranged_run
from pimsim.studies.ranges.config_ranges import config_ranges
from pimsim.studies.ranges.config_values import is_timing, with_values
from pimsim.studies.ranges.draws import draws
from pimsim.studies.ranges.ranged_run import RangedRun
from pimsim.studies.ranges.ranges_run import needs_mapping, sampled_values
from tests.support.closeness import near
from tests.support.counts import DEEP, scaled

SMALL = "workload.model=gpt2-small"
CLOCKS = {"machine.sram.clock_hz": [5e7, 2e8], "machine.systolic.clock_hz": [5e7, 2e8]}
CASES: dict[str, tuple[str, list[str], Mapping[str, object]]] = {
    "decode": ("pim-llm", [SMALL], {}),
    "published": ("pim-llm-published", [SMALL], {}),
    "tpu": ("tpu-llm", [SMALL], {}),
    "prefill": ("pim-llm", [SMALL, "workload.phase=prefill", "workload.prompt_length=16"], {}),
    "28 nm": ("pim-llm", [SMALL, "machine.technology_nm=28", "leakage_gating=ungated"], {}),
    "units at banks": ("pim-llm-near-memory", [SMALL], {}),
    "banks that compute": ("transpim", [SMALL], {}),
    "clocks": ("pim-llm", [SMALL], CLOCKS),
    "swap": ("pim-llm", [SMALL, "mapping.provisioning=swap"], {}),
    "chips": (
        "pim-llm",
        [
            SMALL,
            "workload.batch=2",
            "mapping.microbatches=2",
            "machine.chips.count=2",
            "mapping.provisioning=whole_model",
        ],
        {},
    ),
    "near memory": ("pim-llm-near-memory", [SMALL], {}),
    "sram cim": ("pim-llm-sram-attention", [SMALL], {}),
    "dataflow": ("pim-llm", [SMALL, "schedule=dataflow"], {}),
    "contended": ("pim-llm", [SMALL, "schedule=contended"], CLOCKS),
}
LONG = ("swap", "chips", "dataflow", "contended")


@pytest.mark.parametrize("name", CASES)
def test_the_figures_are_those_of_a_simulation(name: str) -> None:
    if name in LONG and not DEEP:
        pytest.skip("in make test-deep only: it takes long")
    source, overrides, own = CASES[name]
    config = load_config(source, overrides)
    ranges = config_ranges(config, source, overrides, own)
    assert needs_mapping(ranges) == bool(own)
    uniform = {each.group: draws(each.group, 40, 1) for each in ranges}
    columns = sampled_values(ranges, uniform)
    run = RangedRun(config, list(columns), remapped=needs_mapping(ranges))
    for index in range(scaled(2, 10)):
        values = {key: float(column[index]) for key, column in columns.items()}
        found, simulated = run.figures(values), simulate(with_values(config, values))
        assert found.latency_ps == simulated.latency_ps
        assert found.energy_j == near(simulated.energy_j, rel=1e-12)
        assert found.area_m2 == near(simulated.area_m2, rel=1e-12)
        figures = found.values()
        assert figures["gops_per_w"] == near(simulated.gops_per_w, rel=1e-12)
        assert figures["tokens_per_s"] == near(simulated.tokens_per_s, rel=1e-12)
        assert figures["power_w"] == near(simulated.power.total_w, rel=1e-12)
        if config.schedule == "serial":
            result = run.result_with(values)
            assert result.ops == simulated.ops
            assert result.components == simulated.components
            assert result.action_energies_j == simulated.action_energies_j


MACHINES = [
    name
    for name in list_configs()
    if not name.startswith("macro-") and not lacks_machine(read_layers(name), name) and name != "defaults"
]


@pytest.mark.parametrize("name", MACHINES)
def test_every_shipped_machine_has_ranges(name: str) -> None:
    """Whatever computes its ops: the likely values give the run itself, and other values a run with these."""
    config = load_config(name, [SMALL])
    ranges = config_ranges(config, name, [SMALL])
    run = RangedRun(config, [each.key for each in ranges], remapped=needs_mapping(ranges))
    assert run.figures({each.key: each.range.likely for each in ranges}).energy_j == near(run.result.energy_j)
    values = {each.key: each.range.high for each in ranges}
    found, simulated = run.figures(values), simulate(with_values(config, values))
    assert found.latency_ps == simulated.latency_ps
    assert found.energy_j == near(simulated.energy_j, rel=1e-12)


def test_energies_alone_do_not_build_steps_again() -> None:
    """Whatever the schedule, times are those of the one run."""
    config = load_config("pim-llm", [SMALL])
    run = RangedRun(config, ["machine.memory.background_w"])
    found = run.figures({"machine.memory.background_w": 0.3})
    assert found.latency_ps == run.result.latency_ps
    # The background power is charged while the memory is busy: a line in the power with this slope.
    busy_s = run.result.component("memory").busy_ps / 1e12
    assert found.energy_j - run.result.energy_j == near((0.3 - 0.172) * busy_s, rel=1e-9)


@pytest.mark.parametrize(
    ("key", "timing"),
    [
        ("machine.crossbar.pair.adc.conversion_energy_j", False),
        ("machine.mesh.hop_energy_j_per_bit", False),
        ("machine.crossbar.pair.dac.power_w", False),
        ("machine.sram.area_m2", False),
        ("machine.crossbar.pair.cell.lrs_ohm", True),
        ("machine.crossbar.pair.adc.sample_rate_hz", True),
        ("machine.memory.access_latency_s", True),
    ],
)
def test_all_but_energies_powers_and_areas_may_change_times(key: str, timing: bool) -> None:
    assert is_timing(key) is timing


@pytest.mark.parametrize("phase", ["generate", "load"])
def test_a_run_of_another_kind_is_refused(phase: str) -> None:
    with pytest.raises(WorkloadInputError, match=f"of a decode step, a prefill or a trace, not of {phase}"):
        RangedRun(load_config("pim-llm", [SMALL, f"workload.phase={phase}"]), ())


def test_the_engine_runs_again_only_for_other_times(monkeypatch: pytest.MonkeyPatch) -> None:
    pulse, hop = "machine.crossbar.pair.cell.read_pulse_s", "machine.mesh.hop_energy_j_per_bit"
    ranged = RangedRun(load_config("pim-llm", [SMALL, "schedule=dataflow"]), [pulse, hop])
    engine = Mock(side_effect=run_engine)
    monkeypatch.setattr(ranged_run, "run", engine)
    values = ((9e-9, 1e-13), (9e-9, 2e-13), (2e-9, 2e-13))
    found = [ranged.figures({pulse: pulse_s, hop: hop_j}) for pulse_s, hop_j in values]
    assert engine.call_count == 2
    assert found[0].latency_ps == found[1].latency_ps > found[2].latency_ps
    assert found[0].energy_j < found[1].energy_j
