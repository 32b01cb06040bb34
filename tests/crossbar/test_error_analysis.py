"""The analysis against the same figures by hand, against the variances of docs/array.md, and against itself."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from crossbar.array_activity import snr_db
from crossbar.array_errors import CrossbarError
from crossbar.error_analysis import Analysis, analyse
from crossbar.params import CrossbarParams
from crossbar.programmed_matrix import program_matrix
from crossbar.samples import chip_seeds
from crossbar.sources import SOURCES
from tests.crossbar.chips import chip, random_vectors, random_weights, small
from tests.crossbar.error_options import ALL, ERRORS, NARROW
from tests.support.closeness import near
from tests.support.counts import scaled

CHIPS = scaled(24, 200)


def study(params: CrossbarParams, shape: tuple[int, int] = (60, 40), **options: Any) -> Analysis:
    weights, x = random_weights(params, shape, 1), random_vectors(params, 20, shape[0], 2)
    return analyse(weights, params, x, **{"seed": 3, "chips": 3, "source_chips": 2, **options})


def plain(found: Analysis) -> dict[str, Any]:
    """All figures, comparable."""
    return {
        "chips": found.chips,
        "intervals": (found.snr_db, found.rms),
        "histogram": (found.histogram.width, found.histogram.counts.tolist()),
        "columns": (found.pooled.column_rms.tolist(), found.pooled.column_bias.tolist()),
        "sources": found.sources,
        "total": found.total,
        "bits": found.by_adc_bits,
        "activity": asdict(found.activity),
    }


def test_chips_are_those_of_their_seeds() -> None:
    params = small({**ALL, **NARROW})
    found = study(params)
    weights, x = random_weights(params, (60, 40), 1), random_vectors(params, 20, 60, 2)
    assert [each.seed for each in found.chips] == list(chip_seeds(3, 3))
    every = []
    for each in found.chips:
        seen = program_matrix(weights, params, each.seed).observe(x)
        errors = seen.result.astype(float) - x @ weights
        every.append(errors)
        assert each.rms == near(np.sqrt((errors**2).mean()))
        assert each.mean == near(errors.mean())
        assert each.largest == np.abs(errors).max()
        assert each.snr_db == near(seen.errors.snr_db)
        assert each.saturated == seen.saturated / seen.activity.conversions
    errors = np.stack(every)
    assert found.pooled.rms == near(np.sqrt((errors**2).mean()))
    assert found.pooled.column_rms == near(np.sqrt((errors**2).mean(axis=(0, 1))))
    assert found.pooled.column_bias == near(errors.mean(axis=(0, 1)))
    assert found.histogram.counts.sum() == errors.size
    assert found.histogram.counts[0] == (errors < -20.5 * found.histogram.width).sum()
    assert found.snr_db.mean == near(np.mean([each.snr_db for each in found.chips]))
    assert found.total == near((errors[:2] ** 2).mean())


def test_nothing_depends_on_threads_and_all_on_the_seed() -> None:
    params = small({**ALL, **NARROW})
    one, two = (study(params, threads=threads, adc_bits=(3, 5)) for threads in (1, 2))
    assert plain(one) == plain(two)
    other = study(params, seed=4, adc_bits=(3, 5))
    assert other.chips != one.chips
    assert plain(other)["sources"] != plain(one)["sources"]


def test_vectors_in_chunks_are_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    params = small({**ALL, **NARROW})
    whole = study(params)
    monkeypatch.setattr("crossbar.error_analysis.CHUNK", 20)
    assert plain(study(params)) == plain(whole)
    monkeypatch.setattr("crossbar.error_analysis.CHUNK", 7)
    parts = study(params)
    assert [each.rms for each in parts.chips] == near([each.rms for each in whole.chips])
    assert [each.alone for each in parts.sources] == near([each.alone for each in whole.sources])


def test_an_ideal_array_has_no_error() -> None:
    found = study(small({"adc.bits": 9}), adc_bits=(9, 12))
    assert found.snr_db.mean == math.inf
    assert (found.rms.mean, found.pooled.largest, found.total) == (0.0, 0.0, 0.0)
    assert {each.alone for each in found.sources} == {None, 0.0}
    assert found.by_adc_bits == ((9, math.inf), (12, math.inf))
    assert found.histogram.counts[len(found.histogram.counts) // 2] == 3 * 20 * 40


def test_sources_that_are_not_there_have_no_figures() -> None:
    found = study(small({**ERRORS["faults"], **NARROW}))
    there = {each.name for each in found.sources if each.alone is not None}
    assert there == {"faults", "adc_quantisation", "adc_saturation"}
    assert {each.name for each in found.sources if each.without is not None} == there
    assert [each.name for each in found.sources] == list(SOURCES)


def test_a_bow_cannot_be_parted_from_its_range() -> None:
    found = {each.name: each for each in study(small({**NARROW, "adc.inl_lsb": 1.0})).sources}
    assert found["adc_saturation"].alone is not None
    assert found["adc_saturation"].without is None
    assert found["adc_imperfections"].without is not None


def test_without_a_source_the_others_are_left() -> None:
    changes = {**ERRORS["faults"], **ERRORS["read_noise"], "adc.bits": 14}
    found = {each.name: each for each in study(small(changes), source_chips=3).sources}
    # Fourteen bits lose nothing, so what is left without the one is the other alone.
    assert found["faults"].without == near(found["read_noise"].alone, rel=0.02)
    assert found["read_noise"].without == near(found["faults"].alone, rel=0.02)


def test_bits_of_the_adc_are_as_if_the_config_had_them() -> None:
    params = small({**ALL, **NARROW})
    found = dict(study(params, adc_bits=(3, 4, 7)).by_adc_bits)
    for bits in (3, 4, 7):
        other = study(small({**ALL, **NARROW, "adc.bits": bits}))
        assert found[bits] == near(snr_db(other.pooled.signal, other.total))


def test_progress_counts_every_run() -> None:
    told: list[tuple[int, int]] = []
    study(small({**ERRORS["faults"], **NARROW}), adc_bits=(3,), progress=lambda done, of: told.append((done, of)))
    runs = 3 + 2 * (3 + 3 + 1)
    assert told == [(done, runs) for done in range(1, runs + 1)]


# --- the variances of docs/array.md ---------------------------------------------------------------------------------


def expected(name: str, params: CrossbarParams, weights: np.ndarray, x: np.ndarray) -> float:
    """Return the mean square error of a result of differential pairs with a 1 in LRS, by the formulas of the page.

    Reference:
        docs/array.md, eqs. (6) to (15).
    """
    g_lrs = 1 / (1 - params.cell.lrs_ohm / params.cell.hrs_ohm)
    g_hrs = g_lrs - 1
    # Of every pair: cells in LRS (1 for +1 and -1, else 0), the others are in HRS.
    in_lrs = np.abs(weights).astype(float)
    squares = (x.astype(float) ** 2).mean(axis=0)
    bits = params.encoding.activation_bits
    weight_of_pulse = np.array([2.0**p for p in range(bits - 1)] + [-(2.0 ** (bits - 1))])
    pulses = np.stack([x >> p & 1 for p in range(bits)])  # of the two's complement
    pulse_squares = np.einsum("p,pi->i", weight_of_pulse**2, pulses.mean(axis=1))

    def per_pair(of_lrs: float, of_hrs: float) -> np.ndarray:
        return in_lrs * of_lrs + (2 - in_lrs) * of_hrs

    if name == "normal":
        return float((squares @ per_pair((0.1 * g_lrs) ** 2, (0.2 * g_hrs) ** 2)).mean())
    if name == "lognormal":
        mean, power = math.exp(0.3**2 / 2) - 1, math.exp(0.3**2) * (math.exp(0.3**2) - 1)
        # + and - cells have the same mean error but for their states, so the mean of a pair is the weight's.
        bias = x.astype(float) @ (weights * mean)
        return float((squares @ per_pair(g_lrs**2 * power, g_hrs**2 * power)).mean() + (bias**2).mean())
    if name == "read_noise":
        return float((pulse_squares @ per_pair((0.1 * g_lrs) ** 2, (0.2 * g_hrs) ** 2)).mean())
    if name == "faults":
        low, high = 0.02, 0.03  # stuck in LRS, in HRS: a cell in HRS errs with the first, one in LRS with the second
        bias = x.astype(float) @ (weights * (-low - high))
        spread = per_pair(high * (1 - high), low * (1 - low))
        return float((squares @ spread).mean() + (bias**2).mean())
    if name == "telegraph":
        full = 0.2 * 0.25
        bias = x.astype(float) @ (weights * (-0.5 * full))
        spread = 0.25 * full * (1 - full)
        return float((squares @ per_pair(g_lrs**2 * spread, g_hrs**2 * spread)).mean() + (bias**2).mean())
    if name == "drift":
        log_age = math.log(1e4)
        mean = math.exp(-0.02 * log_age + (0.01 * log_age) ** 2 / 2)
        power = mean**2 * (math.exp((0.01 * log_age) ** 2) - 1)
        bias = x.astype(float) @ (weights * (mean - 1))
        return float((squares @ per_pair(g_lrs**2 * power, g_hrs**2 * power)).mean() + (bias**2).mean())
    assert name == "dac"
    return float((0.1**2 * (squares @ (weights.astype(float) ** 2))).mean())


LAWS: dict[str, tuple[str, dict[str, Any]]] = {
    "normal": (
        "variation",
        {
            "noise.variation": {
                "lrs": {"distribution": "normal", "sigma": 0.1},
                "hrs": {"distribution": "normal", "sigma": 0.2},
                "sigma_polynomial": None,
            }
        },
    ),
    "lognormal": ("variation", ERRORS["variation"]),
    "read_noise": ("read_noise", ERRORS["read_noise"]),
    "faults": ("faults", ERRORS["faults"]),
    "telegraph": (
        "telegraph",
        {**ERRORS["telegraph"], "noise.telegraph.capture_s": 3.0, "noise.telegraph.emission_s": 1.0},
    ),
    "drift": ("drift", ERRORS["drift"]),
    "dac": ("dac", ERRORS["dac"]),
}


@pytest.mark.parametrize("law", LAWS)
def test_each_source_alone_has_the_variance_of_the_page(law: str) -> None:
    name, changes = LAWS[law]
    params = chip({**changes, "cell.hrs_ohm": 50e3, "cell.lrs_ohm": 10e3, "array.rows": 64, "array.rows_at_once": 64})
    weights, x = random_weights(params, (200, 150), 1), random_vectors(params, 12, 200, 2)
    found = analyse(weights, params, x, seed=7, chips=CHIPS, source_chips=CHIPS)
    alone = next(each.alone for each in found.sources if each.name == name)
    assert alone is not None
    # Of what is fixed on a chip there are 24 x 150 columns, each with errors that follow x: a mean square has an sd of
    # some sqrt(2 / 3600) = 2.4 %. The seeds are fixed, so it passes or fails for good.
    assert alone == near(expected(law, params, weights, x), rel=0.06)


def test_steps_of_the_adc_have_the_variance_of_the_page() -> None:
    """Two groups of rows, one slice, eight bits: docs/array.md, eq. (16)."""
    params = chip({"array.rows": 128, "array.rows_at_once": 128, "adc.bits": 5})
    weights, x = random_weights(params, (256, 200), 1), random_vectors(params, 40, 256, 2)
    found = {each.name: each.alone for each in analyse(weights, params, x, chips=1, source_chips=1).sources}
    step = 128 / 15
    assert found["adc_quantisation"] == near((4**8 - 1) / 3 * 2 * step**2 / 12, rel=0.03)


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"chips": 0}, "chips is 0"),
        ({"chips": 10**5}, "chips is 100000"),
        ({"source_chips": 4}, "source_chips is 4; it must be from 0 to 3"),
        ({"source_chips": -1}, "source_chips is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"adc_bits": (6, 17)}, "adc_bits contains 17"),
    ],
)
def test_numbers_out_of_bounds_are_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(CrossbarError, match=told):
        study(small(), **options)


def test_what_is_too_large_is_refused_before_it_is_made() -> None:
    params = chip()
    # Views of one number: nothing of that size is ever allocated.
    wide = np.broadcast_to(np.int8(1), (2**14, 2**13))
    with pytest.raises(CrossbarError, match=r"\[16384, 8192\]; at most"):
        analyse(wide, params, np.ones((1, 2**14), np.int8))
    some = np.broadcast_to(np.int8(1), (1024, 1024))
    with pytest.raises(CrossbarError, match="too much work"):
        analyse(some, params, np.ones((2000, 1024), np.int8), chips=10_000, source_chips=0)
    with pytest.raises(CrossbarError, match="activations or results can be analysed"):
        analyse(np.broadcast_to(np.int8(1), (2, 1024)), params, np.ones((100_000, 2), np.int8))
    with pytest.raises(CrossbarError, match="at least 1 vector"):
        analyse(some, params, np.ones((0, 1024), np.int8))
    exact = chip({"wires.model": "exact", "wires.word_line_ohm": 1.0})
    with pytest.raises(CrossbarError, match=r"too many cells for wires\.model"):
        analyse(some, exact, np.ones((1, 1024), np.int8), chips=10, source_chips=0)


@pytest.mark.parametrize(
    ("weights", "activations", "told"),
    [
        (np.full((3, 3), 2), np.ones((2, 3), int), "ternary weights are integers from -1 to 1"),
        (np.ones((3, 3)), np.ones((2, 3), int), "must be integers"),
        (np.ones(3, int), np.ones((2, 3), int), "must be \\[in, out\\]"),
        (np.ones((3, 3), int), np.ones((2, 4), int), "they must be \\[3\\]"),
        (np.ones((3, 3), int), np.full((2, 3), 200), "integers from -128 to 127"),
    ],
)
def test_numbers_that_the_arrays_cannot_take_are_told(weights: Any, activations: Any, told: str) -> None:
    with pytest.raises(CrossbarError, match=told):
        analyse(weights, chip(), activations)
