"""TOM's and BitROM's printed figures, and which assumption moves ours."""

from __future__ import annotations

from pimsim.studies.validation import validate
from tests.support.closeness import near


def test_bitrom_s_saved_reads_are_a_sum_of_whole_numbers() -> None:
    """Of t entries that step t reads, min(t, 32) are on the die: 3,600 of 8,256, and 43.6 % are printed."""
    [row] = validate(["bitrom-memory-reads"])
    assert row.points[0].ours == near(100 * 3600 / 8256)
    assert row.within


def test_the_energy_of_a_weight_decides_on_tom_s_power() -> None:
    """2.084 billion weights at 0.21 pJ more, 3,501 times a second, are 1.53 W."""
    added, multiplied = (validate([name])[0].points[0] for name in ("tom-power", "tom-power-multiplied"))
    assert added.ratio < 0.5 < multiplied.ratio < 1
    [speed] = validate(["tom-tokens"])[0].points
    assert multiplied.ours - added.ours == near(2_084_044_800 * 0.21e-12 * speed.ours, rel=1e-6)


def test_the_width_of_a_unit_decides_on_tom_s_speed() -> None:
    narrow, wide = validate(["tom-tokens-other-widths"])[0].points
    assert narrow.ratio < 1 < wide.ratio


def test_the_lm_head_decides_on_tom_s_speed() -> None:
    """128,256 x 2,560 weights of a byte at 51.2 GB/s are 6.413 ms more for each token."""
    without, whole = (validate([name])[0].points[0].ours for name in ("tom-tokens", "tom-tokens-lm-head"))
    assert 1 / whole - 1 / without == near(128_256 * 2560 / 51.2e9, rel=1e-3)
