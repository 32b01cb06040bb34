"""The bandwidth of the link from which a system is faster than each of its machines alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema.system_section import LinkSection
from pimsim.hardware.machine_link import AllReduceShare, LinkUse
from pimsim.studies.splitting.split_result import AloneRun, BreakEven

LEAST_BPS, MOST_BPS = 1e3, 1e18
"""Range of bandwidths in which the break-even is looked for; the upper end is the largest that a link can have."""

FINE, COARSE = 1 + 1e-12, 1.01
"""Ratio of the ends of the interval at which a bisection ends: of closed forms, and of simulations."""


@dataclass(frozen=True, slots=True)
class Message:
    """Equal uses of the link.

    Attributes:
        share: Transfer or all-reduce.
        stored_ps: Time of the memory that stores what a transfer brings; 0 if nothing is stored.
        repeat: Number of equal uses.
    """

    share: LinkUse
    stored_ps: int
    repeat: int

    def latency_ps(self, link: LinkSection, bandwidth_bps: float | None) -> int:
        """Return the time of all uses, one after another.

        Args:
            link: The link, with its latency.
            bandwidth_bps: Bandwidth in place of that of the link; None means that the payload takes no time.

        Returns:
            Picoseconds.

        Reference:
            docs/splitting.md, eq. (1) and (3).
        """
        steps, size_bytes = 1, 0
        if isinstance(self.share, AllReduceShare):
            steps, size_bytes = self.share.steps, self.share.piece_bytes
        else:
            size_bytes = self.share.size_bytes
        payload_ps = 0 if bandwidth_bps is None else to_ps(8 * size_bytes / bandwidth_bps)
        return self.repeat * max(steps * (to_ps(link.latency_s) + payload_ps), self.stored_ps)


def transfer_ps(messages: Iterable[Message], link: LinkSection, bandwidth_bps: float | None) -> int:
    """Return the time of all messages of a pass under the serial schedule.

    Args:
        messages: The messages.
        link: The link.
        bandwidth_bps: Its bandwidth; None means that the payload takes no time.

    Returns:
        Picoseconds.
    """
    return sum(each.latency_ps(link, bandwidth_bps) for each in messages)


def break_even(
    link: LinkSection,
    latency_at: Callable[[float | None], float],
    alone: Iterable[AloneRun],
    *,
    simulated: bool,
) -> BreakEven:
    """Find the bandwidth from which a system is faster than the fastest of its machines alone.

    Args:
        link: The link; without a bandwidth there is nothing to find.
        latency_at: Latency of the system at a bandwidth, picoseconds; None means that payloads take no time.
        alone: The machines alone.
        simulated: Whether `latency_at` simulates, so that a coarse interval must suffice.

    Returns:
        The bandwidth, with a sentence that says what was compared.

    Reference:
        docs/splitting.md, eq. (4).
    """
    able = [each for each in alone if each.latency_ps is not None]
    if link.bandwidth_bps is None:
        return BreakEven(None, None, "the machines share their memories, so that no bandwidth is compared")
    if not able:
        return BreakEven(None, None, "no machine can do the work alone")
    fastest = min(able, key=lambda each: each.latency_ps or 0)
    assert fastest.latency_ps is not None
    beside, at_best = f"{fastest.role} ({fastest.name}) alone", round(latency_at(None))
    if at_best >= fastest.latency_ps:
        return BreakEven(None, at_best, f"no bandwidth makes the split faster than {beside}")
    low, high = LEAST_BPS, MOST_BPS
    if latency_at(low) < fastest.latency_ps:
        return BreakEven(low, at_best, f"any bandwidth makes the split faster than {beside}")
    while high / low > (COARSE if simulated else FINE):
        middle = (low * high) ** 0.5
        if latency_at(middle) < fastest.latency_ps:
            high = middle
        else:
            low = middle
    how = " (simulated, to 1 %)" if simulated else ""
    return BreakEven(high, at_best, f"from here on the split is faster than {beside}{how}")
