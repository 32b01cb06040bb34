"""A kept share is rounded up, and means what is written."""

from __future__ import annotations

from pimsim.base.kept_share import kept_entries


def test_shares_are_decimals_and_rounded_up() -> None:
    """In floats, 0.07 x 100 is 7.000000000000001, which would keep 8."""
    assert [kept_entries(100, share) for share in (0.07, 0.071, 1.0, 1e-300)] == [7, 8, 100, 1]
    assert kept_entries(1, 0.5) == 1
