"""Lines about rewriting the weights and checking aged cells over the life of a chip."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.present.text.tables import quantity
from pimsim.results.upkeep_figures import Upkeep


def upkeep_rows(upkeep: Upkeep) -> Iterator[tuple[str, str, str]]:
    """Describe upkeep in rows of a table.

    Args:
        upkeep: Its figures.

    Yields:
        Subject, value, and explanation.
    """
    if upkeep.rewrite_interval_s is not None:
        each = f"{quantity(upkeep.rewrite_s, '_s')}, {quantity(upkeep.rewrite_energy_j, '_j')}"
        yield "rewriting", each, f"every {quantity(upkeep.rewrite_interval_s, '_s')}, of all weights on the chip"
    if upkeep.check_interval_s is not None:
        each = f"{quantity(upkeep.check_s, '_s')}, {quantity(upkeep.check_energy_j, '_j')}"
        yield "check of aged cells", each, f"every {quantity(upkeep.check_interval_s, '_s')}"
    share = f"{upkeep.unavailable_share:.3g} of the time"
    power = f"{quantity(upkeep.power_w, '_w')} on average"
    if not upkeep.available_share:
        yield "  upkeep", share, f"{power}; it never ends: the chip computes no token"
    else:
        speed = f"{upkeep.effective_tokens_per_s:.4g} tokens/s, {upkeep.effective_tokens_per_j:.4g} tokens/J"
        yield "  upkeep", share, f"{power}; leaves {speed} to a chip that is never idle"
    if upkeep.life_years is not None:
        wear = f"{upkeep.writes_per_year:.3g} writes per cell and year, of {upkeep.endurance_writes:.3g}"
        yield "  life", f"{upkeep.life_years:.3g} years", f"{wear} that a cell endures"
