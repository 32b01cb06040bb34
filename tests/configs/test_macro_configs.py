"""Configs of macros against what their publications print, written here a second time (docs/circuits.md)."""

from __future__ import annotations

import math

import pytest

from pimsim import load_config, simulate
from pimsim.results.run_result import RunResult
from tests.support.closeness import near

# NeuRRAM, Nature 608, 2022, as CiMLoop carries it (wan_nature_2022/_tests.py): TOPS/W and TOPS of 48 cores, then fJ an
# operation of word lines, neurons and input pulses, by bits of the output and of the input.
NEURRAM = {
    (3, 1): (43.1, 2.12, 8.99, 10.6, 3.45),
    (4, 2): (40.3, 1.79, 8.27, 12.4, 3.96),
    (5, 3): (23.1, 1.17, 15.5, 20.1, 7.73),
    (6, 4): (15.95, 0.744, 21.8, 29.1, 11.5),
    (7, 5): (11.0, 0.525, 30.9, 44.2, 14.0),
    (8, 6): (8.26, 0.418, 37.2, 52.5, 19.2),
    (9, 7): (7.75, 0.344, 43.7, 61.8, 22.8),
    (10, 8): (6.44, 0.264, 50.5, 75.9, 27.5),
}
OPERATIONS = 2 * 128 * 256


def neurram(out: int, bits: int) -> RunResult:
    settings = [f"workload.trace=traces/macro-neurram-{bits}b.json", f"machine.crossbar.pair.adc.bits={out}"]
    return simulate(load_config("macro-neurram", settings))


def energy_j(result: RunResult, *prefixes: str) -> float:
    return math.fsum(each for action, each in result.energies_j.items() if action.startswith(prefixes))


@pytest.mark.parametrize("point", NEURRAM)
def test_neurram_predicts_seven_points_from_one(point: tuple[int, int]) -> None:
    """Efficiency and speed within 15 %, parts within 30 %; the two energies that are calibrated within 0.5 %."""
    result = neurram(*point)
    per_watt, tops, *parts = NEURRAM[point]
    assert OPERATIONS / energy_j(result, "") / 1e12 == near(per_watt, rel=0.15)
    assert 48 * OPERATIONS / result.latency_s / 1e12 == near(tops, rel=0.15)
    lines, pulses = energy_j(result, "tile.select_line", "tile.row_driver"), energy_j(result, "tile.cell_read")
    neurons = energy_j(result, "tile.sample", "tile.integration", "tile.adc_conversion")
    found = [each / OPERATIONS * 1e15 for each in (lines, neurons, pulses)]
    assert found == near(parts, rel=0.3)
    assert math.fsum(found) == near(energy_j(result, "") / OPERATIONS * 1e15), "nothing else has energy"
    if point == (3, 1):
        assert [found[0], found[2]] == near([parts[0], parts[2]], rel=0.005)


def test_neurram_s_last_point_by_hand() -> None:
    """8-bit inputs: 7 planes in phases of 4 and 3, 15 + 7 steps, conversions of 10 and 10 - 4 bits.

    Time: 22 x 0.27 us + 16 x 0.3 us + 2 x 0.3 us, and seven reads of 9.9386 ns. A neuron: 7 samples of 1.2 pJ, 22 steps
    of 0.25 pJ and 16 bits of 0.4 pJ.
    """
    result = neurram(10, 8)
    assert result.latency_s == near(22 * 0.27e-6 + 16 * 0.3e-6 + 0.6e-6 + 7 * 9.9386e-9, rel=1e-5)
    neurons = energy_j(result, "tile.sample", "tile.integration", "tile.adc_conversion")
    assert neurons == near(256 * (7 * 1.2e-12 + 22 * 0.25e-12 + 16 * 0.4e-12), rel=1e-9)
    assert dict(result.counts)["tile.adc_conversion_6b"] == 256
    assert energy_j(result, "tile.select_line") == near(7 * 256 * 585.6e-15 * 1.3 * 2.2, rel=1e-9)


def test_liu_et_al() -> None:
    """ISSCC 2020, 33.2: 78.4 TOPS/W, 51.1 ns, 3.77 mm^2; nothing is calibrated. Within 25 %."""
    result = simulate(load_config("macro-liu-isscc20"))
    assert 2 * 784 * 100 / energy_j(result, "") / 1e12 == near(78.4, rel=0.25)
    assert result.latency_s == near(51.1e-9, rel=0.25)
    tile = next(each for each in result.components if each.name == "tile")
    assert math.fsum(tile.area_m2.values()) == near(3.77e-6, rel=0.25)
