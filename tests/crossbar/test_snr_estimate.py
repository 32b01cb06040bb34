"""The closed form of an array's SNR, held against simulated chips, and its parts against sums written out."""

from __future__ import annotations

import itertools
import math
import operator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.line_potentials import ladder_moments, reference_moments
from crossbar.params import CrossbarParams, StateNoise, StateSpread
from crossbar.programmed_matrix import program_matrix
from crossbar.samples import random_activations, random_weights
from crossbar.snr_estimate import _after_rounding, estimate_snr
from crossbar.snr_moments import covered_limit, pulse_moments
from pimsim import load_config
from tests.support.closeness import near
from tests.support.component_strategies import pairs

PAIR = "machine.crossbar.pair"
IDEAL_WIRES = f"{PAIR}.wires.model=none"


def wires(ohm: float) -> list[str]:
    return [f"{PAIR}.wires.word_line_ohm={ohm}", f"{PAIR}.wires.bit_line_ohm={ohm}"]


def side(cells: int) -> list[str]:
    return [f"{PAIR}.array.{key}={cells}" for key in ("rows", "columns", "rows_at_once", "adcs")]


def spread(sigma: float) -> list[str]:
    return [f"{PAIR}.noise.variation.{state}.sigma={sigma}" for state in ("lrs", "hrs")]


def pair(*overrides: str) -> CrossbarParams:
    crossbar = load_config("pim-llm", list(overrides)).machine.crossbar
    assert crossbar is not None
    return crossbar.pair


def simulated(params: CrossbarParams) -> float:
    weights = random_weights(params.encoding, params.array.rows, params.array.columns)
    x = random_activations(params.encoding, 32, params.array.rows)
    return program_matrix(weights, params, 3).observe(x).errors.snr_db


@pytest.mark.parametrize(
    ("overrides", "source", "within"),
    [
        ([], "wires", 0.2),  # MNSIM's stock wires beside cells of 10 kOhm
        (wires(1), "wires", 0.2),
        (wires(0.1), "wires", 0.3),
        (side(64), "wires", 0.5),
        ([f"{PAIR}.wires.word_line_ohm=0", f"{PAIR}.wires.bit_line_ohm=1"], "wires", 0.3),
        ([f"{PAIR}.cell.lrs_ohm=1e5", f"{PAIR}.cell.hrs_ohm=1e7"], "wires", 0.3),
        ([IDEAL_WIRES], "faults", 1.0),
        ([IDEAL_WIRES, *spread(0.2)], "variation", 0.3),
        ([IDEAL_WIRES, *spread(0.5)], "variation", 0.5),
        ([IDEAL_WIRES, f"{PAIR}.noise.read={{lrs: 0.2, hrs: 0.2}}"], "read noise", 0.3),
        ([IDEAL_WIRES, f"{PAIR}.noise.faults={{stuck_lrs: 0.025, stuck_hrs: 0.025}}"], "faults", 0.4),
        ([IDEAL_WIRES, f"{PAIR}.adc.bits=4"], "ADC resolution", 1.0),
        ([IDEAL_WIRES, f"{PAIR}.adc.range=full"], "ADC resolution", 0.5),
        ([IDEAL_WIRES, f"{PAIR}.adc.noise_lsb=2"], "ADC imperfections", 0.4),
        ([IDEAL_WIRES, f"{PAIR}.dac.level_error=0.2"], "DAC levels", 0.5),
        ([IDEAL_WIRES, f"{PAIR}.encoding.weights=int4", *spread(0.3)], "variation", 0.5),
    ],
)
def test_it_is_near_a_simulated_chip(overrides: list[str], source: str, within: float) -> None:
    params = pair(*overrides)
    estimate = estimate_snr(params)
    assert estimate.main_source == source
    assert abs(estimate.snr_db - simulated(params)) < within
    assert sum(estimate.shares.values()) == near(1.0)


def ladder_potentials(cells: int, segment: float) -> list[float]:
    """Kirchhoff's law at each node, from the open end to the driver, as docs/wires.md, eq. (5), with equal cells."""
    factors, beyond = [], 0.0
    for _ in range(cells):  # conductance to ground of the rest of the line, in cells
        rest = 1 + beyond
        factors.append(1 / (1 + segment * rest))
        beyond = rest / (1 + segment * rest)
    return list(itertools.accumulate(reversed(factors), operator.mul))


def test_a_ladder_by_its_equations() -> None:
    for cells, segment in ((1, 0.3), (7, 1e-3), (50, 0.02), (4000, 1e-9), (900, 5.0)):
        found = ladder_potentials(cells, segment)
        mean, square = ladder_moments(cells, segment)
        assert mean == near(math.fsum(found) / cells, rel=1e-6)
        assert square == near(math.fsum(each**2 for each in found) / cells, rel=1e-6)
    assert ladder_moments(300, 0.0) == (1.0, 1.0)


def test_potentials_of_reference_columns_are_those_behind_their_groups() -> None:
    """References are cells of the same line."""
    for columns, references, segment in ((256, 1, 1e-4), (256, 15, 1e-4), (7, 3, 0.1), (40, 40, 2e-3), (5, 2, 0.7)):
        kinds: list[int | None] = []  # None for a column of weights, else the number of the reference column
        for line in range(columns):
            kinds.append(None)
            if (line + 1) * references // columns > line * references // columns:
                kinds.append(line * references // columns)
        potentials = ladder_potentials(len(kinds), segment)
        of_reference = {kind: volts for kind, volts in zip(kinds, potentials, strict=True) if kind is not None}
        own = [volts for kind, volts in zip(kinds, potentials, strict=True) if kind is None]
        subtracted = [of_reference[line * references // columns] for line in range(columns)]
        found = reference_moments(columns, references, segment)
        assert found.mean == near(sum(own) / columns, rel=1e-6)
        assert found.square == near(sum(each**2 for each in own) / columns, rel=1e-6)
        assert found.crossed == near(sum(a * b for a, b in zip(own, subtracted, strict=True)) / columns, rel=1e-6)
        assert found.reference == near(sum(each**2 for each in subtracted) / columns, rel=1e-6)
    assert reference_moments(9, 2, 0.0) == (1.0, 1.0, 1.0, 1.0)


def test_the_estimate_follows_the_number_of_reference_columns() -> None:
    """Too high by about 5 dB, as docs/array.md says; but it knows that some help and that too many do not."""
    keys = [f"{PAIR}.encoding.cells=reference_column", *wires(0.1)]
    params = [pair(*keys, f"{PAIR}.array.reference_columns={count}") for count in (1, 16, 256)]
    estimates, chips = [estimate_snr(each).snr_db for each in params], [simulated(each) for each in params]
    for found in (estimates, chips):
        assert found[1] > found[0] + 1 > found[2]
    assert all(0 < estimate - chip < 7 for estimate, chip in zip(estimates, chips, strict=True))


def test_moments_of_activations_and_pulses_by_enumeration() -> None:
    # Weights of the pulses by hand: 1 + 2 + ... + 64 - 128, 1 + 4 - 16, 1 + 8 + 64, 1.
    for bits, at_once, signed, total in ((8, 1, True, -1), (5, 2, True, -11), (8, 3, False, 73), (4, 4, False, 1)):
        kind = "twos_complement" if signed else "unsigned"
        settings = [f"encoding.activation_bits={bits}", f"dac.bits={at_once}", f"encoding.activations={kind}"]
        moments = pulse_moments(pair(*(f"{PAIR}.{each}" for each in settings)))
        low = -(1 << bits - 1) if signed else 0
        values = range(low, low + (1 << bits))
        assert moments.mean == near(sum(values) / len(values))
        assert moments.square == near(sum(value * value for value in values) / len(values))
        assert moments.total == total


def test_rounding_by_numerical_integration() -> None:
    for root, step in ((0.1, 1.0), (0.4, 1.0), (0.7, 0.5), (1.5, 1.0)):
        width, total = 1e-3, 0.0
        for number in range(-12_000, 12_000):
            error = (number + 0.5) * width
            density = math.exp(-((error / root) ** 2) / 2) / (root * math.sqrt(2 * math.pi))
            total += (step * round(error / step)) ** 2 * density * width
        assert _after_rounding(root**2, step, True) == near(total, rel=1e-3)
    assert _after_rounding(0.0, 1.0, True) == 0
    assert _after_rounding(0.5, 2.0, False) == near(0.5 + 4 / 12)
    assert covered_limit(0.95) == near(1.959964, rel=1e-6)  # the usual table


def test_an_array_without_errors_has_no_noise() -> None:
    zero = [f"{PAIR}.noise.{key}=0" for key in ("read.lrs", "read.hrs", "faults.stuck_lrs", "faults.stuck_hrs")]
    estimate = estimate_snr(pair(IDEAL_WIRES, *spread(0), *zero, f"{PAIR}.adc.bits=9", f"{PAIR}.adc.range=full"))
    assert (estimate.snr_db, dict(estimate.shares), estimate.main_source) == (math.inf, {}, "")


@st.composite
def noisy_pairs(draw: st.DrawFn) -> CrossbarParams:
    """Draw arrays of any size and encoding, with lines, ADCs and noise of any kind."""
    params, some = draw(pairs()), st.sampled_from([0.0, 1e-3, 0.3, 5.0])
    noise = params.noise
    states = {
        state: StateSpread(distribution=draw(st.sampled_from(["normal", "lognormal"])), sigma=draw(some))
        for state in ("lrs", "hrs")
    }
    adc = {
        "range": draw(st.sampled_from(["full", "calibrated", "per_column"])),
        "range_coverage": draw(st.floats(0.1, 1)),
    }
    adc |= {key: draw(some) for key in ("offset_lsb", "gain_error", "inl_lsb", "noise_lsb")}
    lines = {key: draw(st.sampled_from([0.0, 1e-12, 1e-3, 2.82, 1e6])) for key in ("word_line_ohm", "bit_line_ohm")}
    variation = noise.variation.model_copy(update=states)
    return params.model_copy(
        update={
            "wires": params.wires.model_copy(update={"model": "approximate", **lines}),
            "adc": params.adc.model_copy(update=adc),
            "noise": noise.model_copy(
                update={"variation": variation, "read": StateNoise(lrs=draw(some), hrs=draw(some))}
            ),
        }
    )


@settings(max_examples=150, deadline=None)
@given(noisy_pairs())
def test_every_valid_array_has_an_estimate(params: CrossbarParams) -> None:
    estimate = estimate_snr(params)
    assert not math.isnan(estimate.snr_db)
    assert all(share >= 0 for share in estimate.shares.values())


def test_extreme_cells_and_lines_are_noise() -> None:
    drift = "{age_s: 1e12, start_s: 1e-300, exponent: -5, exponent_sigma: 5, shift_siemens: 0, spread_siemens: 0, "
    drifted = estimate_snr(pair(f"{PAIR}.noise.drift={drift}spread_growth_siemens: 0}}"))
    assert (drifted.snr_db, drifted.main_source) == (-math.inf, "cells")
    shorted = estimate_snr(pair(f"{PAIR}.cell.lrs_ohm=1e-300", f"{PAIR}.wires.word_line_ohm=1e6"))
    assert (round(shorted.snr_db, 1), shorted.main_source) == (0.0, "wires")  # no current arrives
