"""Circuits of gains: counts, energies, times and areas of one tile, worked out by hand."""

from __future__ import annotations

import pytest

from pimsim import load_config, load_weights, simulate
from pimsim.config.schema import CrossbarConfig
from pimsim.hardware.crossbar_tile import CrossbarTile
from pimsim.hardware.gain_circuits import GAIN_MEMORIES, GainCircuits
from tests.support.closeness import near

PAIR = "machine.crossbar.pair"
GPT2 = ["workload.model=gpt2-small"]


def crossbar(*settings: str) -> CrossbarConfig:
    config = load_config("pim-llm", [f"{PAIR}.{each}" for each in settings]).machine.crossbar
    assert config is not None
    return config


def test_without_gains_there_are_no_circuits() -> None:
    circuits = GainCircuits(crossbar())
    assert (circuits.energies_j(), circuits.areas(), circuits.leakages_w()) == ({}, (), {})
    assert (circuits.memory_bytes, circuits.conversion_cycles, circuits.vector_cycles(2, 2)) == (0, 0, 0)
    assert circuits.vector_steps("tile", 2, 2, 256, 256) == ()
    assert circuits.conversion_counts(9) == {}


def test_gains_of_columns_by_hand() -> None:
    circuits = GainCircuits(crossbar("correction.gains=column", "correction.input_sums=true"))
    # 256 columns of a gain of 8 + 4 bits and a factor of 13 bits; their two products follow one another.
    assert circuits.memory_bytes == 256 * 25 // 8
    assert circuits.vector_cycles(2, 2) == 4
    (step,) = circuits.vector_steps("tile", 2, 2, rows=200, columns=100)
    assert dict(step.counts) == {
        "tile.gain_multiplication": 100,
        "tile.input_sum_multiplication": 100,
        "tile.gain_read": 40,  # ceil(100 x 25 / 64)
        "tile.add": 300,
    }
    assert step.duration_ps == 8000  # four cycles of 500 MHz
    energies = circuits.energies_j()
    # 0.2 pJ for 8 x 8 bits; sums of 256 rows have 16 bits, and sums of 256 inputs of 8 bits, too.
    assert energies["gain_multiplication"] == near(0.4e-12)
    assert energies["input_sum_multiplication"] == near(0.4e-12)
    multipliers, memories = circuits.areas()
    assert (multipliers.count, multipliers.each_m2) == (128 * 4, near(2 * 282e-12))
    assert (memories.item, memories.count) == (GAIN_MEMORIES, 4)
    assert circuits.leakages_w()[GAIN_MEMORIES] > 0


def test_gains_of_row_groups_by_hand() -> None:
    circuits = GainCircuits(crossbar("correction.gains=row_group", "encoding.readout=separate"))
    # Two row groups of two conversions per column.
    assert circuits.memory_bytes == 256 * 2 * 2 * 12 // 8
    assert circuits.conversion_cycles == 2
    assert circuits.conversion_counts(128) == {"gain_multiplication": 128, "gain_read": 24}
    assert circuits.vector_steps("tile", 2, 2, 256, 256) == ()
    assert circuits.energies_j()["gain_multiplication"] == near(0.2e-12 * 6 / 8)  # conversions of 6 bits


@pytest.mark.parametrize("gains", ["column", "row_group"])
def test_a_run_pays_for_gains(gains: str) -> None:
    settings = [f"{PAIR}.correction.gains={gains}", f"{PAIR}.correction.input_sums=true"]
    without, paid = simulate(load_config("pim-llm", GPT2)), simulate(load_config("pim-llm", [*GPT2, *settings]))
    assert paid.latency_s > without.latency_s
    assert paid.energy_j > without.energy_j
    assert paid.area_m2 > without.area_m2
    counted = sum(op.repeat * op.counts.get("tile.gain_multiplication", 0) for op in paid.ops)
    conversions = sum(op.repeat * op.counts.get("tile.adc_conversion", 0) for op in paid.ops)
    assert counted == (conversions if gains == "row_group" else conversions // 16)  # 8 planes x 2 groups of rows


def test_calibration_is_paid_without_a_calibrated_range() -> None:
    full = [*GPT2, f"{PAIR}.adc.range=full", "machine.crossbar.calibration_vectors=8"]
    without = load_weights(load_config("pim-llm", full))
    paid = load_weights(load_config("pim-llm", [*full, f"{PAIR}.correction.gains=column"]))
    assert paid.latency_s > without.latency_s
    assert [item.name for item in paid.accounting.counted if item.latency_ps] == [
        "streaming and programming the weights",
        "calibration with sample vectors",
    ]


def test_energies_are_those_of_the_tile() -> None:
    config = crossbar("correction.gains=row_group")
    assert GainCircuits(config).energies_j().items() <= CrossbarTile(config).action_energies_j().items()
