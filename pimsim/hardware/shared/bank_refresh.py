"""What refreshes of single banks cost a long stream of reads, in closed form.

Reference:
    docs/memory.md, eq. (7) to (9).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pimsim.config.schema import DramConfig
from pimsim.hardware.shared.dram_delays import channel_delays
from pimsim.hardware.shared.dram_timing import Timing


def check_standard(config: DramConfig) -> None:
    """Check that the standard of a part is known, fits the part, and has only rules that the model applies.

    Args:
        config: Timing table of the part.

    Raises:
        ConfigError: If not; the message names the key, and what is registered or allowed.
    """
    channel_delays(Timing.of(config), config)


@dataclass(frozen=True, slots=True)
class BankRefresh:
    """Refreshes of single banks, or of a few at once.

    Attributes:
        round_s: Time in which all banks are refreshed once, seconds.
        efficiency: Fraction of the bandwidth of a stream of reads that the refreshes leave.
    """

    round_s: float
    efficiency: float


LEAST_EFFICIENCY = 0.1
"""Result if hits of refreshes would take more time than there is; they overlap then, and (9) is too low."""


@lru_cache(maxsize=64)
def bank_refresh(config: DramConfig) -> BankRefresh:
    """Compute what the refreshes of a part cost whose `refresh` is `per_bank`.

    A stream visits the banks in turn, and banks that it does not use are refreshed first. So a refresh delays it only
    if no others are left in the round, which is so for the last one, if the stream uses its banks then: it waits for
    the refresh and opens its rows again. If a stream stays in the same banks, each of their refreshes delays it.

    Args:
        config: Timing table of the part.

    Returns:
        Time of a round, and the efficiency.

    Reference:
        docs/memory.md, eq. (7) to (9).
    """
    timing = Timing.of(config)
    delays = channel_delays(timing, config)
    lanes, spacing, turns = delays.lanes, delays.spacing[0], len(timing.refreshed)
    chunks = max(1.0, lanes * config.row_bytes / config.chunk_bytes)
    sets = config.banks // lanes
    if config.mapping.startswith("bank") or sets <= 2:
        hits = sum(len({bank // lanes for bank in banks}) for banks in timing.refreshed) / sets
    else:
        hits = (1 + 1 / chunks) / sets
    opening = delays.rcd[0] + (lanes - 1) * max(delays.rrd - spacing, 0)
    lost_ps = delays.to_precharge[0] + delays.rp + delays.own_rfc + opening - spacing
    efficiency = 1 - hits * lost_ps / (turns * timing.refi)
    return BankRefresh(turns * timing.refi * 1e-12, max(efficiency, LEAST_EFFICIENCY))
