"""A busy period in the Python loop, or in the compiled one where enough packets move that it is worth loading.

Both loops have equal results. The compiled one needs about half a second to load, and some seconds at its first use,
when it is compiled. A period that is under way is then begun again in the other loop, with the same calls.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from pimsim.hardware.shared.busy_period import BusyPeriod, CompletedJob, NetworkParameters, message_tree
from pimsim.hardware.shared.link_statistics import LinkStatistics
from pimsim.hardware.shared.messages import Job
from pimsim.hardware.shared.topology import Topology, tree_widths

if TYPE_CHECKING:
    from pimsim.hardware.shared.compiled.compiled_period import CompiledPeriod

COMPILED_FROM_HOPS = 500_000
"""Links that packets cross in the Python loop while the compiled one is loaded; fewer are simulated in Python."""

MOST = 1 << 61
"""Largest time or number of bits for which the compiled loop is used; its numbers have 64 bits, Python's any length."""


class Load(NamedTuple):
    """What messages do together.

    Attributes:
        hops: Links that their packets cross.
        link_ps: Upper bound of the time of all packets on all links, and of the closed form, picoseconds.
        bit_hops: Bits of all packets on all links.
    """

    hops: int
    link_ps: int
    bit_hops: int


class ChosenPeriod:
    """A busy period in one loop or the other, with the methods of `pimsim.hardware.shared.busy_period.BusyPeriod`.

    Attributes:
        hops: Links that packets of this process cross in the Python loop.
        expected_hops: Links that packets of this run cross at least. If one of the two is more than
            `COMPILED_FROM_HOPS`, this period and all later ones are compiled.
    """

    hops = 0
    expected_hops = 0

    def __init__(self, parameters: NetworkParameters) -> None:
        """Create an idle network.

        Args:
            parameters: Topology and router parameters.
        """
        self.parameters = parameters
        self.calls: list[int | tuple[int, Job]] = []
        self.link_ps = self.bit_hops = 0
        self.compiled = False
        self.period: BusyPeriod | CompiledPeriod = BusyPeriod(parameters)
        self._choose(0, 0)

    def _choose(self, hops: int, last_ps: int) -> None:
        """Go over to the other loop if it is time to, or if numbers may become too large.

        Args:
            hops: Hops that are to come.
            last_ps: Start of the last job, picoseconds.
        """
        fits = not self.parameters.unlimited and max(last_ps + self.link_ps, self.bit_hops) < MOST
        if not self.compiled:
            ChosenPeriod.hops += hops
        many = max(ChosenPeriod.hops, ChosenPeriod.expected_hops) > COMPILED_FROM_HOPS
        if self.compiled != (fits and many and os.environ.get("NUMBA_DISABLE_JIT", "") in ("", "0")):
            self._begin_again(compiled=not self.compiled)

    def _begin_again(self, *, compiled: bool) -> None:
        """Simulate the period from its start in the other loop.

        Args:
            compiled: Use the compiled loop.
        """
        self.compiled = compiled
        if compiled:
            from pimsim.hardware.shared.compiled.compiled_period import CompiledPeriod
            from pimsim.hardware.shared.compiled.first_use import log_compilation

            log_compilation("packets")
            self.period = CompiledPeriod(self.parameters)
        else:
            self.period = BusyPeriod(self.parameters)
        for call in self.calls:
            if isinstance(call, int):
                self.period.run(call)
            else:
                self.period.submit(*call)

    def submit(self, time_ps: int, job: Job) -> None:
        """Submit a job.

        Args:
            time_ps: Start of the job, not before the last event handled, picoseconds.
            job: The job.
        """
        load = _load(self.parameters.topology, job)
        self.link_ps += load.link_ps
        self.bit_hops += load.bit_hops
        self._choose(load.hops, time_ps)
        self.period.submit(time_ps, job)
        self.calls.append((time_ps, job))

    def next_ps(self) -> int | None:
        """Return the time of the next event.

        Returns:
            Picoseconds since the start of the busy period; None if there is no event.
        """
        return self.period.next_ps()

    def run(self, limit_ps: int) -> list[CompletedJob]:
        """Handle the events up to and including `limit_ps`, but stop after the first time at which jobs end.

        Args:
            limit_ps: Last time to handle, picoseconds.

        Returns:
            The jobs that ended, all at the same time; empty if none did.
        """
        try:
            completed = self.period.run(limit_ps)
        except OverflowError:  # the sum of many waiting times
            self.bit_hops = MOST
            self._begin_again(compiled=False)
            completed = self.period.run(limit_ps)
        self.calls.append(limit_ps)
        return completed

    def link_statistics(self) -> dict[int, LinkStatistics]:
        """Return the statistics of each link that was used.

        Returns:
            Statistics by the topology's link number; times in picoseconds, amounts in bits.
        """
        return self.period.link_statistics()

    def blocked(self) -> Iterator[str]:
        """Describe the packets that wait for a link.

        Returns:
            Sentences, as of `pimsim.hardware.shared.busy_period.BusyPeriod.blocked`.
        """
        return self.period.blocked()


def expect(topology: Topology, jobs: Iterable[Job]) -> None:
    """Say which jobs a run will submit, so that its first period already is in the better loop.

    Args:
        topology: Topology that routes them.
        jobs: The jobs; equal ones count once, since busy periods of equal layers are simulated once.
    """
    ChosenPeriod.expected_hops = sum(_load(topology, job).hops for job in set(jobs))


@lru_cache(maxsize=4096)
def _load(topology: Topology, job: Job) -> Load:
    """Return what the messages of a job do together.

    Args:
        topology: Topology that routes them.
        job: The job.

    Returns:
        The sums over all rounds.
    """
    hops = link_ps = bit_hops = 0
    for phase in job.phases:
        link_ps += phase.minimum_ps
        for send in phase.sends:
            receivers = tuple(tile for tile in send.destinations if tile != send.source)
            if len(receivers) > 1:
                links = sum(tree_widths(message_tree(topology, send.source, receivers)))
            else:
                links = sum(topology.distance(send.source, tile) for tile in receivers)
            of_message = links * phase.timing.packet_count(send.bits)
            hops += of_message
            link_ps += of_message * (phase.timing.link_ps(send.bits) + phase.timing.router_ps)
            bit_hops += links * send.bits
    return Load(job.rounds * hops, job.rounds * link_ps, job.rounds * bit_hops)
