"""Energy of conversions by code: published means, a simulation of the capacitors, and fractions of the mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.code_dependence import CODE_ENERGIES, CodeEnergy
from crossbar.code_energy import energy_factor, relative_energies, switching_energies
from tests.oracles.naive_sar import convert
from tests.support.closeness import near

PROCEDURES: tuple[CodeEnergy, ...] = ("conventional", "split", "monotonic", "vcm")


@pytest.mark.parametrize(
    ("procedure", "saved", "digits"),
    [("split", 0.37, 5e-3), ("monotonic", 0.812, 1e-3), ("vcm", 0.8754, 5e-4)],
)
def test_ten_bits_save_what_is_published(procedure: CodeEnergy, saved: float, digits: float) -> None:
    """Less than the conventional procedure: doi:10.1007/s10470-017-1046-8, section 1; within its last digits."""
    conventional = switching_energies("conventional", 10).mean()
    assert 1 - switching_energies(procedure, 10).mean() / conventional == pytest.approx(saved, abs=digits)


@pytest.mark.parametrize("bits", [1, 2, 3, 6, 8, 10])
def test_open_formulas_of_the_mean(bits: int) -> None:
    """Sums over the steps as in T. Rabuske's open models (GitHub, taimurrabuske/sar_adc_energy, e_models.py)."""
    steps = range(1, bits)
    conventional = sum(2.0 ** (bits + 1 - 2 * i) * (2**i - 1) for i in range(1, bits + 1))
    monotonic = sum(2.0 ** (bits - 2 - i) for i in steps)
    vcm = sum(2.0 ** (bits - 2 - 2 * i) * (2**i - 1) for i in steps)
    assert switching_energies("conventional", bits).mean() == near(conventional)
    assert switching_energies("monotonic", bits).mean() == near(monotonic)
    assert switching_energies("vcm", bits).mean() == near(vcm)


@pytest.mark.parametrize("procedure", PROCEDURES)
@pytest.mark.parametrize("bits", [1, 2, 3, 5, 7])
def test_each_code_as_a_simulation_of_the_capacitors(procedure: CodeEnergy, bits: int) -> None:
    """The input in the middle of each code; the simulation finds the code itself, and the energy by charge."""
    energies = switching_energies(procedure, bits)
    for code in range(1 << bits):
        found, energy = convert(procedure, bits, 2 * (code + 0.5) / (1 << bits) - 1)
        assert found == code
        assert energy == pytest.approx(energies[code], abs=1e-9 * (1 << bits))


def test_two_bits_by_hand() -> None:
    """Monotonic, capacitors 1 and 1 on each side: the first decision moves 1 of 2, and 1 x 1 / 2 flows, at any code."""
    assert switching_energies("monotonic", 2).tolist() == [0.5] * 4
    # Capacitors 2, 1 and 1: the first trial takes 4/4 on each side. A 1 is kept: 1 (1 - 3/4); a 0: 1 + 1 x 1/4.
    assert switching_energies("conventional", 2).tolist() == [4.5, 4.5, 2.5, 2.5]
    assert switching_energies("thermometer", 2).tolist() == [0, 1, 2, 3]
    assert switching_energies("counter", 2).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("procedure", CODE_ENERGIES)
@pytest.mark.parametrize("bits", [1, 2, 6, 16])
def test_equally_frequent_codes_take_the_mean(procedure: CodeEnergy, bits: int) -> None:
    relative = relative_energies(procedure, bits)
    assert len(relative) == 1 << bits
    assert min(relative) >= 0
    assert float(np.mean(relative)) == near(1.0)
    assert energy_factor(procedure, 0.7, [3] * (1 << bits)) == near(1.0)


@given(
    procedure=st.sampled_from(CODE_ENERGIES), fraction=st.floats(0, 1),
    counts=st.lists(st.integers(0, 1000), min_size=16, max_size=16).filter(any),
)  # fmt: skip
def test_the_factor_is_linear_in_the_fraction_and_within_the_codes(
    procedure: CodeEnergy, fraction: float, counts: list[int]
) -> None:
    factor, whole = energy_factor(procedure, fraction, counts), energy_factor(procedure, 1.0, counts)
    assert factor == pytest.approx(1 + fraction * (whole - 1), abs=1e-12)
    relative = relative_energies(procedure, 4)
    assert min(relative) - 1e-12 <= whole <= max(relative) + 1e-12


def test_one_code_alone_takes_its_energy() -> None:
    counts = [0] * 8
    counts[5] = 4
    assert energy_factor("counter", 0.25, counts) == near(0.75 + 0.25 * 6 / 4.5)
    assert energy_factor("none", 0.25, counts) == 1
    assert energy_factor("counter", 0, counts) == 1
