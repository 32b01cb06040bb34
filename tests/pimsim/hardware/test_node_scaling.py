"""Node factors against examples that another reader of Stillmaker and Baas (Integration 58, 2017) computed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.hardware.node_scaling import (
    FITS,
    NODES,
    area_factor,
    delay_factor,
    energy_factor,
    neighbours,
    wire_energy_factor,
)
from tests.support.closeness import near

nodes = st.floats(7, 180)

# From, to: energy, delay, area, as an independent reader of the paper computed them, with three digits.
EXAMPLES = {
    (130, 45): (0.166, 0.373, 0.16),
    (65, 45): (0.512, 0.653, 0.66),
    (45, 32): (0.531, 0.669, 0.46),
    (45, 7): (0.0556, 0.259, 0.059),
    (130, 7): (0.0092, 0.0966, 0.0092),
}

# The same reader's delay and energy of each fit at its voltage.
FITTED = {
    180: (79.0, 26.4),
    130: (33.5, 5.18),
    90: (25.6, 2.59),
    65: (19.2, 1.68),
    45: (12.5, 0.861),
    32: (8.36, 0.457),
    20: (9.47, 0.201),
    16: (6.73, 0.120),
    14: (4.51, 0.0962),
    10: (4.11, 0.0599),
    7: (3.24, 0.0478),
}


@pytest.mark.parametrize("pair", EXAMPLES, ids=str)
def test_factors_are_those_of_the_examples(pair: tuple[int, int]) -> None:
    energy, delay, area = EXAMPLES[pair]
    assert energy_factor(*pair) == near(energy, rel=4e-3)
    assert delay_factor(*pair) == near(delay, rel=4e-3)
    assert area_factor(*pair) == near(area)


def test_every_fit_has_the_delay_and_energy_of_its_own_voltage() -> None:
    assert set(FITTED) == set(NODES)
    for node, (delay, energy) in FITTED.items():
        assert FITS[node].relative_delay == near(delay, rel=6e-3)
        assert FITS[node].relative_energy == near(energy, rel=6e-3)


def test_45_to_20_nm_does_not_cross_from_lp_to_hp() -> None:
    """Public code takes LP at 45 nm and HP at 20 nm, at 0.8 V for both: another factor by far."""
    hp = energy_factor(45, 20)
    assert hp == near(0.201 / 0.861, rel=5e-3)
    low_power_45 = 1.103 * 0.8**2 - 0.362 * 0.8 + 0.2767
    high_performance_20 = 0.373 * 0.8**2 - 0.1582 * 0.8 + 0.04104
    assert abs(high_performance_20 / low_power_45 / hp - 1) > 0.05


def test_28_and_22_nm_lie_between_32_and_20_nm() -> None:
    """By hand: ln(32/28) / ln(32/20) = 0.2841, so e(28) = 0.457^0.7159 x 0.201^0.2841 = 0.3618; over 0.861: 0.420."""
    assert energy_factor(45, 28) == near(0.420, rel=3e-3)
    assert [node for node, _ in neighbours(28, NODES)] == [32, 20]
    for factor in (energy_factor, area_factor):
        assert factor(45, 32) > factor(45, 28) > factor(45, 22) > factor(45, 20)
    assert delay_factor(45, 32) < delay_factor(45, 28) < delay_factor(45, 20), "the fit of 20 nm at 0.9 V is slower"


@given(nodes, nodes, nodes)
def test_factors_compose(first: float, second: float, third: float) -> None:
    for factor in (energy_factor, delay_factor, wire_energy_factor):
        assert factor(first, second) * factor(second, third) == near(factor(first, third), rel=1e-9)
    assert energy_factor(first, first) == delay_factor(first, first) == area_factor(first, first) == 1


@given(nodes, nodes)
def test_a_smaller_node_takes_less_energy_and_area(one: float, other: float) -> None:
    large, small = max(one, other), min(one, other)
    assert energy_factor(large, small) <= 1 + 1e-12
    assert area_factor(large, small) <= 1.01, "the table is rounded to two digits"
    assert wire_energy_factor(large, small) <= 1 + 1e-12


@given(nodes)
def test_weights_of_neighbours_add_up_and_give_the_node(node_nm: float) -> None:
    found = neighbours(node_nm, NODES)
    assert sum(weight for _, weight in found) == near(1.0)
    product = 1.0
    for node, weight in found:
        product *= node**weight
    assert product == near(node_nm)


def test_wires_follow_the_square_of_the_supply() -> None:
    assert wire_energy_factor(45, 32) == near(0.81)
    assert wire_energy_factor(45, 7) == near(0.49)
