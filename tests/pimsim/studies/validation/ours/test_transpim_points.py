"""TransPIM against its paper: rows by hand, and what the table must show."""

from __future__ import annotations

import pytest

from pimsim import load_config, simulate
from pimsim.studies.validation import validate
from pimsim.studies.validation.ours import transpim_points
from tests.support.closeness import near

ROWS = {row.reference.name: {point.label: point.ours for point in row.points} for row in validate(["transpim"])}


def test_rates_and_areas_by_hand() -> None:
    """Eight stacks of 8 x 2 x 16 banks with 8,192 columns; 448 AAP of 48 ns, and 260 of 3,900 ns for refreshes.

    Area of 256 banks: 2,140 and 2,490 um^2 each. A product activates 2 x 448 rows of 909 pJ for 8,192 columns.
    """
    per_s = 8 * 8 * 2 * 16 * 8192 / (448 * 48e-9 * 3900 / 3640)
    assert ROWS["transpim-peak"]["one operation per product"] == near(per_s / 1e9)
    assert ROWS["transpim-area"]["acus_per_bank=1"] == near(256 * (2140 + 2490) * 1e-6)
    columns = ROWS["transpim-gops-per-watt"]["every column in use"]
    assert columns == near(2 * 8192 / (2 * 448 * 909e-12) / 1e9)


def test_utilisation_is_that_of_the_runs() -> None:
    """The encoder of RoBERTa-base: 12 layers of 12 x 768^2 weights and 2 x 512 x 768 products of attention a token."""
    run = simulate(load_config("transpim", list(transpim_points.ENCODER)))
    macs = 4096 * 12 * (12 * 768**2 + 2 * 512 * 768)
    assert run.macs == macs
    peak = 1e9 * ROWS["transpim-peak"]["one operation per product"]
    assert ROWS["transpim-utilisation"]["transpim"] == near(100 * macs / run.latency_s / peak)


@pytest.mark.parametrize(
    ("row", "explained_by"),
    [
        ("transpim-tokens", "transpim-tokens-host"),
        ("transpim-gpt2-energy", "transpim-gpt2-prompt-energy"),
        ("transpim-near-bank", "transpim-near-bank-slow"),
        ("transpim-acu-energy", "transpim-acu-energy-stacked"),
        ("transpim-pim-only-time", "transpim-pim-only-time-host"),
        ("transpim-gpu-time", "transpim-gpu-slow"),
    ],
)
def test_what_is_outside_names_an_assumption_that_moves_it_inside(row: str, explained_by: str) -> None:
    other = {each.reference.name: each for each in validate([row, explained_by])}
    assert not other[row].within
    assert other[explained_by].within
    assert explained_by in other[row].reference.outside


def test_a_label_changes_the_machine() -> None:
    """Activations of all banks one after another take five times as long: 32 per 240 ns in place of 48 ns."""
    readings = ROWS["transpim-peak-readings"]
    assert readings["activation=staggered"] == near(ROWS["transpim-peak"]["one operation per product"] / 5)
    assert readings["computing_rows=16"] == near(16 * ROWS["transpim-peak"]["one operation per product"])
