"""Division of tiles between macros and memory."""

from __future__ import annotations

from pimsim.mapping.macro_residency import EVERYTHING, MacroResidency


def test_each_op_swaps_the_same_fraction_rounded_up() -> None:
    residency = MacroResidency(needed=192, kept=120)
    assert not residency.whole
    assert [residency.swapped_tiles(tiles) for tiles in (8, 64, 3, 1)] == [3, 24, 2, 1]
    assert MacroResidency(192, 192).whole
    assert MacroResidency(192, 192).swapped_tiles(64) == 0
    assert EVERYTHING.whole
    assert EVERYTHING.swapped_tiles(64) == 0
