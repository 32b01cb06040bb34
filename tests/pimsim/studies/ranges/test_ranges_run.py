"""Propagation: closed forms for one number at a time, common random numbers, and intervals that mean what they say."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from pimsim import RangesResult, compare_ranges, load_config, run_ranges, simulate
from pimsim.base.errors import AnalysisError, WorkloadInputError
from pimsim.studies.ranges.config_ranges import KeyRange
from pimsim.studies.ranges.ranges_run import propagate
from pimsim.studies.ranges.value_ranges import Range
from tests.support.closeness import near

SMALL = ["workload.model=gpt2-small"]
POWER = "machine.memory.background_w"
CLOCK = "machine.systolic.clock_hz"


@cache
def small(name: str) -> RangesResult:
    return run_ranges(name, SMALL, samples=100)


def test_the_interval_of_a_line_is_that_of_its_number() -> None:
    """Energy is linear in the background power; 2.5 % and 97.5 % of a uniform power give the ends by hand."""
    config = load_config("pim-llm", SMALL)
    key_range = KeyRange(POWER, Range(0.1, 0.172, 0.3, "uniform"), POWER, "test")
    found = propagate(config, [key_range], samples=400)
    result = simulate(config)
    busy_s = result.component("memory").busy_ps / 1e12
    low, high = (result.energy_j + (0.1 + share * 0.2 - 0.172) * busy_s for share in (0.025, 0.975))
    energy = found.intervals["energy_j"]
    assert energy.point == result.energy_j
    assert (energy.low, energy.high) == (near(low, rel=1e-3), near(high, rel=1e-3))
    assert found.intervals["tokens_per_j"].low == near(1 / energy.high)
    assert found.intervals["latency_s"].width == 1
    assert found.shares("energy_j")[POWER].share == near(1.0, rel=1e-6)
    assert found.shares("latency_s") == {}


def test_the_linearisation_has_mean_and_variance_of_a_linear_figure() -> None:
    """For energy, linear in two powers: exact mean and variance of two uniform numbers, and a lognormal with them."""
    config = load_config("pim-llm", SMALL)
    power = KeyRange(POWER, Range(0.1, 0.15, 0.2, "uniform"), POWER, "test")
    config = config.model_copy(
        update={
            "machine": config.machine.model_copy(
                update={"memory": config.machine.memory.model_copy(update={"background_w": 0.15})}
            )
        }
    )
    found = propagate(config, [power], samples=40)
    result = simulate(config)
    deviation = 0.1 / 12**0.5 * result.component("memory").busy_ps / 1e12
    spread = np.sqrt(np.log1p((deviation / result.energy_j) ** 2))
    middle = np.log(result.energy_j) - spread**2 / 2
    linear = found.first_order["energy_j"]
    assert (linear.low, linear.high) == (
        near(float(np.exp(middle - 1.959964 * spread))),
        near(float(np.exp(middle + 1.959964 * spread))),
    )
    assert linear.shares == {POWER: 1.0}
    assert found.first_order["tokens_per_j"].low == near(1 / linear.high)


def test_the_intervals_of_a_shipped_config_contain_its_point_and_agree_with_the_linearisation() -> None:
    found = small("pim-llm")
    assert found.point["energy_j"] == simulate(load_config("pim-llm", SMALL)).energy_j
    energy = found.intervals["energy_j"]
    assert energy.contains(energy.point)
    assert energy.low < energy.median < energy.high
    assert energy.low == near(energy.first_order_low, rel=0.1)
    assert energy.high == near(energy.first_order_high, rel=0.1)
    assert abs(sum(each.share for each in found.shares("energy_j").values()) - 1) < 0.1


def test_a_result_turns_into_rows_and_frames() -> None:
    found = small("pim-llm")
    frame = found.to_dataframe()
    assert len(frame) == 100
    assert {POWER, "tokens_per_j", "machine.sram.read_energy_j"} <= set(frame.columns)
    assert (frame["tokens_per_j"] * frame["energy_j"]).to_numpy() == near(np.ones(100))
    assert [row["figure"] for row in found.interval_rows()] == list(found.samples)
    tree = found.to_dict()
    assert (tree["samples"], tree["seed"], tree["confidence"]) == (100, 0, 0.95)
    assert {row["source"] for row in tree["shares"]} == set(found.uniform)
    assert "samples: 100" in repr(found)


def test_what_two_machines_share_cancels() -> None:
    """Both read memory: the ratio of their energies is known better than each of them."""
    pim, tpu = small("pim-llm"), small("tpu-llm")
    shared = pim.uniform.keys() & tpu.uniform.keys()
    assert "energy of LPDDR" in shared
    assert all((pim.uniform[name] == tpu.uniform[name]).all() for name in shared)
    ratio = compare_ranges(pim, tpu, "tokens_per_j")
    assert ratio.point == near(pim.point["tokens_per_j"] / tpu.point["tokens_per_j"])
    assert ratio.high / ratio.low < pim.intervals["tokens_per_j"].width
    assert (ratio.probability(1), ratio.probability(1e9)) == (1.0, 0.0)
    assert ratio.probability(ratio.median) == near(0.5)


def test_results_of_other_samples_are_not_compared() -> None:
    with pytest.raises(AnalysisError, match="100 and 40 samples with the seeds 0 and 0"):
        compare_ranges(small("pim-llm"), run_ranges("tpu-llm", SMALL, samples=40), "energy_j")
    with pytest.raises(AnalysisError, match="tokens_per_w: pim-llm has no such figure; did you mean"):
        compare_ranges(small("pim-llm"), small("tpu-llm"), "tokens_per_w")


def test_a_clock_that_a_user_gives_a_range_changes_times() -> None:
    found = run_ranges("tpu-llm", SMALL, samples=40, ranges={CLOCK: ["50 MHz", "200 MHz"]})
    assert found.intervals["tokens_per_s"].width > 1.5
    assert next(iter(found.shares("latency_s"))) == CLOCK


def test_an_unknown_number_moves_the_point_to_its_own_likely_value() -> None:
    found = run_ranges("pim-llm", SMALL, samples=40, unknown=["machine.crossbar.pair.adc.*"])
    assert found.point["energy_j"] < small("pim-llm").point["energy_j"]  # 2.46 pJ a conversion, not 10.08
    assert found.keys_of("machine.crossbar.pair.adc.area_m2") == ("machine.crossbar.pair.adc.area_m2",)


@pytest.mark.parametrize("samples", [39, 10**7])
def test_the_number_of_samples_has_bounds(samples: int) -> None:
    with pytest.raises(WorkloadInputError, match="is not between 40 and 1,000,000"):
        run_ranges("pim-llm", samples=samples)


def test_progress_is_reported() -> None:
    calls: list[tuple[int, int]] = []
    run_ranges("tpu-llm", SMALL, samples=40, progress=lambda done, of: calls.append((done, of)))
    assert calls == [(done, 40) for done in range(1, 41)]


def test_a_loaded_config_says_that_its_files_are_not_known() -> None:
    loaded = load_config("tpu-llm", SMALL)
    unknown = run_ranges(loaded, SMALL, samples=40)
    assert "ranges that they state have no effect" in unknown.notes[0]
    assert unknown.to_dict()["notes"] == list(unknown.notes)
    assert "notes: 1" in repr(unknown)
    assert run_ranges(loaded, SMALL, samples=40, source="tpu-llm").notes == ()


def test_a_small_node_says_that_its_factors_have_no_range() -> None:
    nodes = (28, 14)
    small, smaller = (run_ranges("tpu-llm", [*SMALL, f"machine.technology_nm={nm}"], samples=40) for nm in nodes)
    assert small.notes == ()
    assert "the factors of nodes are exact here" in smaller.notes[0]
