"""Expected pulses of verified writes against hand calculations and against chips."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar import expected_write_pulses
from crossbar.programmed_matrix import program_matrix
from crossbar.verification import lrs_fraction, write_pulses
from tests.crossbar.chips import ALPHABETS, chip, random_weights
from tests.support.closeness import near
from tests.support.counts import scaled

SPREADS: dict[str, dict[str, Any]] = {
    "normal": {"noise.variation.lrs.sigma": 0.1, "noise.variation.hrs.sigma": 0.6},
    "lognormal": {
        "noise.variation.lrs": {"distribution": "lognormal", "sigma": 0.1},
        "noise.variation.hrs": {"distribution": "lognormal", "sigma": 1.5},
    },
    "polynomial": {"noise.variation.sigma_polynomial": (0.5, 0.1, -0.0005)},
    "none": {},
}
ARRAY = {"array.rows": 256, "array.columns": 128, "array.rows_at_once": 128, "array.adcs": 32}


def verified(tolerance: float | None, pulses: int, **changes: Any) -> dict[str, Any]:
    return {"noise.write_verify.tolerance": tolerance, "noise.write_verify.max_pulses": pulses, **changes}


@pytest.mark.parametrize("spread", sorted(SPREADS))
@pytest.mark.parametrize(("tolerance", "pulses"), [(0.05, 4), (0.3, 10), (1.5, 3)])
@pytest.mark.parametrize("faults", [0.0, 0.03])
def test_as_chips_have_it(spread: str, tolerance: float, pulses: int, faults: float) -> None:
    """`ProgrammedMatrix.writes` of 131,072 cells: within five standard errors, and a little for their one matrix."""
    changes = {**ARRAY, **SPREADS[spread], **verified(tolerance, pulses), "cell.hrs_ohm": 5e4}
    changes |= {"noise.faults.stuck_lrs": faults, "noise.faults.stuck_hrs": 2 * faults}
    params = chip(changes)
    shape = (512, 128)
    matrix = program_matrix(random_weights(params, shape, 3), params, 5)
    cells = 2 * shape[0] * shape[1]
    margin = 5 * pulses / math.sqrt(cells)
    assert matrix.writes / cells == pytest.approx(expected_write_pulses(params), abs=margin)


def test_rows_wait_for_their_slowest_cell() -> None:
    """Against draws of the truncated geometric distribution itself."""
    params = chip(verified(0.1, 6, **{"noise.variation.lrs.sigma": 0.1, "noise.variation.hrs.sigma": 0.1}))
    miss = math.erfc(1 / math.sqrt(2))
    draws = np.minimum(np.random.default_rng(0).geometric(1 - miss, (20_000, 12)), 6)
    pulses = write_pulses(params)
    assert pulses.mean == near(sum(miss**k for k in range(6)))
    assert pulses.mean == near(draws.mean(), rel=0.01)
    assert pulses.expected_slowest(12) == near(draws.max(axis=1).mean(), rel=0.01)
    assert pulses.expected_slowest(1) == near(pulses.mean)


def test_by_hand() -> None:
    """Stuck cells take all pulses where they are wrong, and one where they are right."""
    assert expected_write_pulses(chip(verified(None, 9))) == 1
    assert write_pulses(chip(verified(None, 9))).expected_slowest(256) == 1
    assert expected_write_pulses(chip(verified(0.1, 9))) == 1
    stuck = chip(verified(0.1, 9, **{"noise.faults.stuck_lrs": 0.1}))
    # Random ternary weights have a third of the cells in LRS, if that is a 1: two thirds are wrong if stuck there.
    assert lrs_fraction(stuck) == near(1 / 3)
    assert expected_write_pulses(stuck) == near(1 + 8 * 0.1 * 2 / 3)


@given(
    sigma=st.floats(0, 2), tolerance=st.floats(0.01, 5), pulses=st.integers(1, 50), cells=st.integers(1, 500),
    lognormal=st.booleans(), faults=st.floats(0, 0.5),
)  # fmt: skip
@settings(max_examples=scaled(60, 1000))
def test_bounds_and_order(
    sigma: float, tolerance: float, pulses: int, cells: int, lognormal: bool, faults: float
) -> None:
    """Between one and the limit; more with a tighter tolerance, and with more pulses."""
    spread = {"distribution": "lognormal" if lognormal else "normal", "sigma": sigma}

    def of(tolerance: float, pulses: int) -> tuple[float, float]:
        changes = {"noise.variation.lrs": spread, "noise.variation.hrs": spread, "noise.faults.stuck_lrs": faults}
        found = write_pulses(chip(verified(tolerance, pulses, **changes)))
        return found.mean, found.expected_slowest(cells)

    mean, most = of(tolerance, pulses)
    assert 1 <= mean <= most + 1e-9 <= pulses + 2e-9
    for other in (of(tolerance / 2, pulses), of(tolerance, pulses + 1)):
        assert other[0] >= mean - 1e-9
        assert other[1] >= most - 1e-9


@pytest.mark.parametrize(
    ("alphabet", "cells", "polarity"),
    list(itertools.product(ALPHABETS, ("differential", "offset"), ("one_is_lrs", "one_is_hrs"))),
)
def test_cells_in_lrs(alphabet: str, cells: str, polarity: str) -> None:
    params = chip({"encoding.weights": alphabet, "encoding.cells": cells, "encoding.polarity": polarity})
    matrix = program_matrix(random_weights(params, (256, 128), 1), params)
    masks = {each.channel.slice: each.masks for each in matrix.cells if each.channel.array == 0}
    ones = sum(int(np.unpackbits(np.ascontiguousarray(mask).view(np.uint8)).sum()) for mask in masks.values())
    arrays = 2 if cells == "differential" else 1
    assert ones / (256 * 128 * arrays * matrix.code.slices) == pytest.approx(lrs_fraction(params), abs=0.02)
