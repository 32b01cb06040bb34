"""Wires: exact solutions beside a dense nodal solve, laws of resistor networks, and the approximation's error."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossbar.array_errors import CrossbarError
from crossbar.kernels.threads import use_threads
from crossbar.parasitics import (
    approximate_transfer_matrix,
    solve_currents,
    solve_node_voltages,
    transfer_matrix,
)
from tests.oracles import naive_parasitics as naive
from tests.support.closeness import near
from tests.support.counts import scaled

Floats = NDArray[np.float64]

SIDES = st.integers(1, 12)
OHMS = st.floats(1e-3, 1e3)


@st.composite
def arrays(draw: st.DrawFn) -> Floats:
    """Cells from 1 kOhm to 10 MOhm, some of them open."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, columns = draw(SIDES), draw(SIDES)
    cells = 10 ** rng.uniform(-7, -3, (rows, columns))
    open_part = draw(st.sampled_from((0.0, 0.3)))
    return np.where(rng.random(cells.shape) < open_part, 0.0, cells)


def random_cells(rows: int, columns: int, seed: int = 0) -> Floats:
    return 10 ** np.random.default_rng(seed).uniform(-6, -4, (rows, columns))


def binary_cells(size: int, lrs_ohm: float, on_off: float, density: float, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((size, size)) < density, 1 / lrs_ohm, 1 / lrs_ohm / on_off)


def assert_close(actual: Floats, expected: Floats, relative: float) -> None:
    """Relative to the largest: the dense solve keeps no digits of elements far below it."""
    np.testing.assert_allclose(actual, expected, rtol=relative, atol=relative * float(np.abs(expected).max()))


# The exact solution beside the dense one


@settings(max_examples=scaled(30, 2000))
@given(arrays(), OHMS, OHMS)
def test_transfer_matrix_is_that_of_the_dense_network(cells: Floats, word_line_ohm: float, bit_line_ohm: float) -> None:
    expected = naive.transfer_matrix(cells, word_line_ohm, bit_line_ohm)
    assert_close(transfer_matrix(cells, word_line_ohm, bit_line_ohm), expected, 1e-9)


@settings(max_examples=scaled(30, 2000))
@given(arrays(), OHMS, OHMS, st.integers(0, 2**32))
def test_node_voltages_are_those_of_the_dense_network(
    cells: Floats, word_line_ohm: float, bit_line_ohm: float, seed: int
) -> None:
    voltages = np.random.default_rng(seed).uniform(-1, 1, (2, len(cells)))
    words, bits = solve_node_voltages(cells, voltages, word_line_ohm, bit_line_ohm)
    for vector in range(2):
        word_v, bit_v = naive.node_voltages(cells, voltages[vector], word_line_ohm, bit_line_ohm)
        np.testing.assert_allclose(words[vector], word_v, rtol=0, atol=1e-9)
        np.testing.assert_allclose(bits[vector], bit_v, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("rows", "columns"), [(33, 20), (17, 40), (1, 70), (70, 1), (2, 37), (16, 16)])
def test_every_way_of_cutting_an_array(rows: int, columns: int) -> None:
    cells = random_cells(rows, columns)
    assert_close(transfer_matrix(cells, 2.0, 3.0), naive.transfer_matrix(cells, 2.0, 3.0), 1e-10)


def test_currents_leave_through_the_outputs_and_obey_kirchhoff_at_full_size() -> None:
    """At 256 x 256 the dense system is too large; the potentials must balance at every node instead."""
    cells = random_cells(256, 256)
    voltages = np.random.default_rng(1).uniform(0, 0.3, (2, 256))
    currents = solve_currents(cells, voltages, 1.5, 0.7)
    words, bits = solve_node_voltages(cells, voltages, 1.5, 0.7)
    through = cells * (words - bits)
    along = -np.diff(words, axis=2, prepend=voltages[:, :, np.newaxis]) / 1.5
    down = -np.diff(bits, axis=1, append=0.0) / 0.7
    np.testing.assert_allclose(currents, down[:, -1], rtol=1e-11)
    np.testing.assert_allclose(
        along - np.append(along[:, :, 1:], np.zeros((2, 256, 1)), 2), through, rtol=0, atol=1e-14
    )
    np.testing.assert_allclose(down - np.append(np.zeros((2, 1, 256)), down[:, :-1], 1), through, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("rows", "columns"), [(64, 64), (40, 90)])
@pytest.mark.parametrize("wires", [(1.0, 1.0), (0.3, 2.82), (1.0, 0.0), (0.0, 1.0)])
def test_badcrossbar_agrees(rows: int, columns: int, wires: tuple[float, float]) -> None:
    with warnings.catch_warnings(record=True):  # without pycairo it cannot draw, and says so through every filter
        badcrossbar = pytest.importorskip("badcrossbar")
    cells, voltages = random_cells(rows, columns), np.random.default_rng(1).uniform(0, 0.3, (3, rows))
    solution = badcrossbar.compute(voltages.T, 1 / cells, r_i_word_line=wires[0], r_i_bit_line=wires[1])
    np.testing.assert_allclose(solve_currents(cells, voltages, *wires), solution.currents.output, rtol=1e-9)
    words, bits = solve_node_voltages(cells, voltages, *wires)
    np.testing.assert_allclose(np.moveaxis(words, 0, 2), solution.voltages.word_line, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.moveaxis(bits, 0, 2), solution.voltages.bit_line, rtol=0, atol=1e-12)


# Limits


@given(arrays())
def test_ideal_wires_change_nothing(cells: Floats) -> None:
    np.testing.assert_array_equal(transfer_matrix(cells, 0.0, 0.0), cells)
    np.testing.assert_array_equal(approximate_transfer_matrix(cells, 0.0, 0.0), cells)


@given(arrays(), OHMS)
def test_with_one_ideal_side_each_line_is_a_ladder(cells: Floats, ohm: float) -> None:
    rows = np.array([naive.ladder(row, ohm) if row.all() else transfer_matrix([row], ohm, 0)[0] for row in cells])
    columns = np.array([naive.ladder(column[::-1], ohm)[::-1] for column in cells.T + 1e-9]).T
    np.testing.assert_allclose(transfer_matrix(cells, ohm, 0.0), rows, rtol=1e-9, atol=0)
    np.testing.assert_allclose(transfer_matrix(cells + 1e-9, 0.0, ohm), columns, rtol=1e-9, atol=0)


@given(arrays(), OHMS)
def test_an_ideal_side_is_the_limit_of_a_good_one(cells: Floats, ohm: float) -> None:
    voltages = np.linspace(0.1, 0.3, len(cells))[np.newaxis]
    for ideal, good in (((ohm, 0.0), (ohm, 1e-12)), ((0.0, ohm), (1e-12, ohm)), ((0.0, 0.0), (1e-12, 1e-12))):
        assert_close(transfer_matrix(cells, *ideal), transfer_matrix(cells, *good), 1e-11)
        for one, other in zip(
            solve_node_voltages(cells, voltages, *ideal), solve_node_voltages(cells, voltages, *good), strict=True
        ):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-11)


def test_single_cell_by_hand() -> None:
    """1 kOhm behind 10 Ohm and before 20 Ohm."""
    assert transfer_matrix([[1e-3]], 10.0, 20.0) == near(1 / 1030, rel=1e-14)
    words, bits = solve_node_voltages([[1e-3]], [[1.03]], 10.0, 20.0)
    assert (words.item(), bits.item()) == near((1.02, 0.02), rel=1e-14)


def test_tiny_elements_keep_their_digits() -> None:
    """Row 1 reaches column 0 only through three cells of 1 GOhm, past wires of a mOhm: by hand, to first order."""
    cells = np.array([[1e-9, 1e-9], [0.0, 1e-9]])
    both = transfer_matrix(cells, 1e-3, 1e-3)
    # Driver 1 lifts bit node (0, 1), which carries no current down, to that of (1, 1): 1e-9 A x 1 segment. From there
    # 1e-9 S lead to word node (0, 1), 2 segments from its driver; of that current 1 segment's drop reaches (0, 0).
    expected = (1e-9 * 1e-3) * 1e-9 * 1e-3 * 1e-9
    assert both[1, 0] == near(expected, rel=1e-8)


# Laws of resistor networks


@settings(max_examples=scaled(40, 2000))
@given(arrays(), OHMS, OHMS)
def test_reciprocity(cells: Floats, word_line_ohm: float, bit_line_ohm: float) -> None:
    """Drivers and outputs swapped: the array turned over its other diagonal, with its lines exchanged."""
    turned = transfer_matrix(cells[::-1, ::-1].T, bit_line_ohm, word_line_ohm)
    forward = transfer_matrix(cells, word_line_ohm, bit_line_ohm)
    np.testing.assert_allclose(turned[::-1, ::-1].T, forward, rtol=1e-11, atol=0)


@settings(max_examples=scaled(40, 2000))
@given(arrays(), OHMS, OHMS)
def test_passivity(cells: Floats, word_line_ohm: float, bit_line_ohm: float) -> None:
    """No element is negative; a line carries at most what ideal wires let through. (An element may exceed its cell.)"""
    exact = transfer_matrix(cells, word_line_ohm, bit_line_ohm)
    assert exact.min() >= 0
    assert (exact.sum(axis=0) <= cells.sum(axis=0) * (1 + 1e-12)).all()
    assert (exact.sum(axis=1) <= cells.sum(axis=1) * (1 + 1e-12)).all()


@settings(max_examples=scaled(40, 2000))
@given(arrays(), OHMS, OHMS, st.floats(1, 3))
def test_more_resistance_lets_less_through(cells: Floats, word_ohm: float, bit_ohm: float, factor: float) -> None:
    """Rayleigh's law holds of the sum, all drivers at one voltage; elements may grow."""
    before = transfer_matrix(cells, word_ohm, bit_ohm).sum()
    for worse in ((word_ohm * factor, bit_ohm), (word_ohm, bit_ohm * factor)):
        assert transfer_matrix(cells, *worse).sum() <= before * (1 + 1e-12)


@given(arrays(), OHMS, OHMS)
def test_currents_are_linear(cells: Floats, word_line_ohm: float, bit_line_ohm: float) -> None:
    voltages = np.random.default_rng(0).uniform(-1, 1, (3, len(cells)))
    voltages[2] = 2 * voltages[0] - voltages[1]
    currents = solve_currents(cells, voltages, word_line_ohm, bit_line_ohm)
    assert_close(currents[2], 2 * currents[0] - currents[1], 1e-10)


# The approximation


@settings(max_examples=scaled(40, 2000))
@given(arrays(), OHMS, OHMS)
def test_approximation_is_exact_up_to_16_lines_a_side(cells: Floats, word_ohm: float, bit_ohm: float) -> None:
    assert_close(
        approximate_transfer_matrix(cells, word_ohm, bit_ohm), transfer_matrix(cells, word_ohm, bit_ohm), 1e-12
    )


@pytest.mark.parametrize("wires", [(0.0, 2.0), (2.0, 0.0)])
def test_approximation_is_exact_where_a_side_is_ideal(wires: tuple[float, float]) -> None:
    cells = random_cells(100, 70)
    near_ideal = [max(ohm, 1e-12) for ohm in wires]
    np.testing.assert_allclose(
        approximate_transfer_matrix(cells, *wires), transfer_matrix(cells, *near_ideal), rtol=1e-9
    )


BOUNDS = (
    # LRS in ohms, wire in ohms, size; bounds of the largest and of the rms error of currents, in parts of the mean one
    (1e5, 1.0, 64, 2e-5, 4e-6),
    (1e5, 2.82, 128, 1e-3, 2e-4),
    (1e5, 2.82, 256, 3e-3, 7e-4),
    (1e4, 1.0, 32, 2e-4, 4e-5),
    (1e4, 1.0, 128, 5e-3, 1.2e-3),
    (1e4, 2.82, 64, 7e-3, 1.5e-3),
    (1e4, 2.82, 256, 1.6e-2, 4e-3),
)


@pytest.mark.parametrize("on_off", [10.0, 1e4])
@pytest.mark.parametrize("density", [1 / 3, 1 / 2])
@pytest.mark.parametrize(("lrs_ohm", "wire_ohm", "size", "largest", "rms"), BOUNDS)
def test_errors_of_the_approximation_are_as_documented(
    lrs_ohm: float, wire_ohm: float, size: int, largest: float, rms: float, density: float, on_off: float
) -> None:
    cells = binary_cells(size, lrs_ohm, on_off, density, seed=size)
    inputs = (np.random.default_rng(3).random((100, size)) < 0.5).astype(float)
    exact = inputs @ transfer_matrix(cells, wire_ohm, wire_ohm)
    wrong = (inputs @ approximate_transfer_matrix(cells, wire_ohm, wire_ohm) - exact) / exact.mean()
    assert np.abs(wrong).max() < largest
    assert np.sqrt((wrong**2).mean()) < rms


def test_approximation_of_uneven_blocks_and_uneven_cells() -> None:
    """Sides that 16 does not divide, a half without any cell in LRS, its edge inside a block (docs/wires.md)."""
    cells = binary_cells(100, 1e4, 100.0, 1 / 3, seed=5)[:, :57]
    cells[:, 30:] = 1e-6
    exact = transfer_matrix(cells, 1.0, 1.0)
    wrong = approximate_transfer_matrix(cells, 1.0, 1.0) - exact
    assert np.abs(wrong).max() < 5e-3 * exact.max()
    assert np.abs(wrong.sum(axis=0) / exact.sum(axis=0)).max() < 1e-2


def test_empty_arrays_conduct_nothing() -> None:
    np.testing.assert_array_equal(approximate_transfer_matrix(np.zeros((40, 30)), 1.0, 1.0), np.zeros((40, 30)))
    np.testing.assert_array_equal(transfer_matrix(np.zeros((40, 30)), 1.0, 1.0), np.zeros((40, 30)))


@pytest.mark.parametrize("function", [transfer_matrix, approximate_transfer_matrix])
def test_batches_and_threads_give_the_same_bits(function: Callable[..., Floats]) -> None:
    cells = np.stack([random_cells(40, 33, seed) for seed in range(5)])
    alone = np.stack([function(array, 1.0, 2.0) for array in cells])
    for count in range(1, 7):
        with use_threads(count):
            np.testing.assert_array_equal(function(cells, 1.0, 2.0), alone)


def test_inputs_stay_as_they_are_and_may_be_read_only_views() -> None:
    cells = random_cells(30, 20)[::-1].T
    kept = cells.copy()
    cells.setflags(write=False)
    np.testing.assert_array_equal(transfer_matrix(cells, 1.0, 2.0), transfer_matrix(kept, 1.0, 2.0))
    np.testing.assert_array_equal(cells, kept)


# What no array has

GOOD = np.full((3, 2), 1e-5)
HUGE = np.broadcast_to(1e-5, (2**20, 2**20))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([[1e-5, float("nan")]], r"conductances\[0, 1\] is nan siemens"),
        ([[1e-5], [-1e-9]], r"conductances\[1, 0\] is -1e-09 siemens; it must be from 0 to 1e\+06"),
        ([[float("inf")]], r"conductances\[0, 0\] is inf"),
        ([1e-5, 1e-5], r"conductances have the shape \[2\]"),
        (np.zeros((0, 3)), r"conductances have the shape \[0, 3\]"),
        ([[1e-5], [1e-5, 1e-5]], "conductances are not an array"),
        ([["a"]], "conductances are of type"),
        ([[1j]], "conductances are of type complex128"),
        (HUGE, "1048576 x 1048576 cells is too large"),
    ],
)
@pytest.mark.parametrize("function", [transfer_matrix, approximate_transfer_matrix])
def test_bad_conductances_are_refused(function: Callable[..., Floats], cells: Any, message: str) -> None:
    with pytest.raises(CrossbarError, match=message):
        function(cells, 1.0, 1.0)


def test_sizes_are_refused_before_they_are_allocated() -> None:
    with pytest.raises(CrossbarError, match="at most 536870912 cells fit in one call"):
        approximate_transfer_matrix(np.broadcast_to(1e-5, (2**30, 16, 16)), 1.0, 1.0)
    with pytest.raises(CrossbarError, match="4096 x 2048 cells is too large"):
        transfer_matrix(np.broadcast_to(1e-5, (4096, 2048)), 1.0, 1.0)
    with pytest.raises(CrossbarError, match="1073741824 vectors; the results would be too large"):
        solve_currents(GOOD, np.broadcast_to(0.1, (2**30, 3)), 1.0, 1.0)


@pytest.mark.parametrize("function", [solve_currents, solve_node_voltages])
@pytest.mark.parametrize(
    ("voltages", "message"),
    [
        ([0.1, 0.1, 0.1], r"voltages have the shape \[3\]; they must be \[vectors, 3\]"),
        ([[0.1, 0.1]], r"voltages have the shape \[1, 2\]"),
        ([[0.1, float("nan"), 0.1]], r"voltages\[0, 1\] is nan volts"),
        ([[0.1, 0.1, float("-inf")]], r"voltages\[0, 2\] is -inf volts"),
    ],
)
def test_bad_voltages_are_refused(function: Callable[..., Any], voltages: Any, message: str) -> None:
    with pytest.raises(CrossbarError, match=message):
        function(GOOD, voltages, 1.0, 1.0)


@pytest.mark.parametrize("ohm", [-1.0, float("nan"), float("inf"), 1e-30, 1e30])
@pytest.mark.parametrize("which", ["word_line_ohm", "bit_line_ohm"])
@pytest.mark.parametrize("function", [transfer_matrix, approximate_transfer_matrix])
def test_bad_wires_are_refused(function: Callable[..., Floats], which: str, ohm: float) -> None:
    wires = {"word_line_ohm": 1.0, "bit_line_ohm": 1.0, which: ohm}
    with pytest.raises(CrossbarError, match=rf"{which} is .*; it must be 0 or from 1e-12 to 1e\+09"):
        function(GOOD, **wires)


def test_no_vectors_give_no_currents() -> None:
    assert solve_currents(GOOD, np.zeros((0, 3)), 1.0, 1.0).shape == (0, 2)
    assert solve_node_voltages(GOOD, np.zeros((0, 3)), 1.0, 1.0)[0].shape == (0, 3, 2)
