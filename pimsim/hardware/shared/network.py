"""A network of links and routers as a shared medium.

Each busy period is simulated (`busy_period.py`), or its results are taken from the memo (`busy_period_memo.py`) if the
same jobs were submitted at the same times before. As long as a period follows a known sequence it is not simulated.
When the memo does not know the next event, the period is simulated from its start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from pimsim.hardware.shared.busy_period import CompletedJob, NetworkParameters
from pimsim.hardware.shared.busy_period_memo import FOREVER, BusyPeriodMemo, MemoNode
from pimsim.hardware.shared.chosen_period import ChosenPeriod
from pimsim.hardware.shared.link_statistics import LinkStatistics
from pimsim.hardware.shared.medium import Completion, Use
from pimsim.hardware.shared.messages import Job


class Network:
    """Links, routers and FIFOs between the tiles of one bank (a `pimsim.hardware.shared.medium.Medium`)."""

    def __init__(
        self, parameters: NetworkParameters, job_of: Callable[[Any], Job], memo: BusyPeriodMemo | None = None
    ) -> None:
        """Create an idle network.

        Args:
            parameters: Topology and router parameters.
            job_of: Function from a share to its job.
            memo: Memo, which networks with equal parameters may share; None means that every period is simulated.
        """
        self.parameters, self.job_of = parameters, job_of
        self.memo = memo
        self.tickets: list[int] = []
        self.jobs: list[tuple[int, Job]] = []
        self.start_ps = 0
        self.now_ps = 0
        self.returned = 0
        self.pending: list[CompletedJob] = []  # simulated, but not returned
        self.simulation: ChosenPeriod | None = None
        self.node: MemoNode | None = None
        self.periods: Counter[MemoNode] = Counter()
        self.statistics: dict[int, LinkStatistics] = {}

    def submit(self, ticket: int, share: Any, now_ps: int) -> None:
        """Submit the messages of a share.

        Args:
            ticket: Number that identifies the job.
            share: Work of the component, converted by `job_of`.
            now_ps: Time of submission, not before any event handled so far, picoseconds.

        Raises:
            ValueError: If `now_ps` is in the past.
        """
        if now_ps < self.now_ps:
            raise ValueError(f"job {ticket} is submitted at {now_ps} ps, but it is {self.now_ps} ps already")
        job = self.job_of(share)
        if not self.tickets:
            self.start_ps = now_ps
            self.node = self.memo.begin() if self.memo else None
        self.now_ps = now_ps
        time_ps = now_ps - self.start_ps
        if self.simulation is None and self.memo is None:
            self.simulation = ChosenPeriod(self.parameters)
        if self.node is not None and self.memo is not None:
            self.node = self.memo.follow(self.node, time_ps, job)
        self.tickets.append(ticket)
        self.jobs.append((time_ps, job))
        if self.simulation is not None:
            self.simulation.submit(time_ps, job)

    def next_event_ps(self) -> int | None:
        """Return the time of the next event if no job is submitted before.

        Returns:
            Picoseconds since the start of the run; None if idle or deadlocked.
        """
        if not self.tickets:
            return None
        if self.simulation is None and self.node is not None:
            if self.returned < len(self.node.completed):
                return self.start_ps + self.node.completed[self.returned].end_ps
            elapsed_ps = self.now_ps - self.start_ps
            if self.node.known_ps >= elapsed_ps - 1:
                return self.start_ps + self.node.known_ps + 1
        next_ps = self._simulated().next_ps()
        return None if next_ps is None else self.start_ps + next_ps

    def advance(self, limit_ps: int) -> list[Completion]:
        """Handle the events up to and including `limit_ps`, but stop after the first time at which jobs end.

        Args:
            limit_ps: Last time to handle, picoseconds.

        Returns:
            The jobs that ended, all at the same time; empty if none did.
        """
        if not self.tickets:
            self.now_ps = max(self.now_ps, limit_ps)
            return []
        limit = limit_ps - self.start_ps
        completed = self._known(limit)
        if completed is None:
            simulation = self._simulated()
            completed, self.pending = self.pending or simulation.run(limit), []
            if self.node is not None:
                self.node.completed[self.returned : self.returned + len(completed)] = completed
                self.node.known_ps = max(self.node.known_ps, completed[-1].end_ps if completed else limit)
        self.returned += len(completed)
        self.now_ps = max(self.now_ps, self.start_ps + completed[-1].end_ps if completed else limit_ps)
        completions = [
            Completion(self.tickets[each.number], self.start_ps + each.end_ps, each.waited_for, each.waited_ps)
            for each in completed
        ]
        if self.returned == len(self.tickets):
            self._end_period()
        return completions

    def _known(self, limit: int) -> list[CompletedJob] | None:
        """Return the jobs that end next, up to `limit`, if the memo knows them; None if it does not."""
        node = self.node
        if self.simulation is not None or node is None:
            return None
        following = node.completed[self.returned : self.returned + 1]
        if following and following[0].end_ps <= limit:
            end = following[0].end_ps
            return [each for each in node.completed[self.returned :] if each.end_ps == end]
        return [] if limit <= node.known_ps else None

    def _simulated(self) -> ChosenPeriod:
        """Return the simulation of the present period; it is created and advanced to the present if necessary."""
        if self.simulation is None:
            period = self.simulation = ChosenPeriod(self.parameters)
            left = self.returned
            for time_ps, job in self.jobs:
                period.submit(time_ps, job)
            while left > 0 and (completed := period.run(self.now_ps - self.start_ps)):
                left -= len(completed)
                self.pending = completed[len(completed) + left :] if left < 0 else []
            assert left <= 0  # the memo and the simulation complete the same jobs
        return self.simulation

    def _end_period(self) -> None:
        """End the present busy period: store it in the memo, and add up its link statistics."""
        node = self.node
        if self.simulation is not None:
            statistics = self.simulation.link_statistics()
            if node is not None and self.memo is not None:
                node.statistics, node.known_ps = statistics, FOREVER
                self.memo.simulated += 1
                self.periods[node] += 1
            else:
                for link, each in statistics.items():
                    self.statistics.setdefault(link, LinkStatistics()).add(each)
        elif node is not None and self.memo is not None:
            self.memo.repeated += 1
            self.periods[node] += 1
        self.simulation = self.node = None
        self.tickets, self.jobs, self.returned = [], [], 0

    def stuck(self) -> str:
        """Describe what the packets of unfinished jobs wait for.

        Returns:
            At most eight sentences, and the number of the others; "" if there are no jobs.
        """
        if not self.tickets:
            return ""
        waiting = list(dict.fromkeys(self._simulated().blocked()))
        more = f" and {len(waiting) - 8} more" if len(waiting) > 8 else ""
        return "; ".join(waiting[:8]) + more

    def uses(self) -> tuple[Use, ...]:
        """Return the statistics so far.

        A period that is taken from the memo is counted when it has ended. Networks with equal periods (the meshes of
        identical layers) share one result.

        Returns:
            A record per link, FIFO and tile port that was used.
        """
        if self.simulation is not None or self.statistics or self.memo is None:
            return self._uses()
        periods = frozenset(self.periods.items())
        if periods not in self.memo.uses:
            self.memo.uses[periods] = self._uses()
        return self.memo.uses[periods]

    def _uses(self) -> tuple[Use, ...]:
        total = {link: LinkStatistics() for link in self.statistics}
        for link, each in self.statistics.items():
            total[link].add(each)
        for node, times in self.periods.items():
            for link, each in (node.statistics or {}).items():
                total.setdefault(link, LinkStatistics()).add(each, times)
        for link, each in (self.simulation.link_statistics() if self.simulation else {}).items():
            total.setdefault(link, LinkStatistics()).add(each)
        topology, uses = self.parameters.topology, []
        for link, each in sorted(total.items(), key=lambda item: topology.ends(item[0])):
            sent, arrived, left = (-(-bits // 8) for bits in (each.sent_bits, each.arrived_bits, each.left_bits))
            uses.append(Use(topology.link_name(link), each.busy_ps, each.waited_ps, sent, arrived))
            uses.append(Use(topology.buffer_name(link), 0, each.full_ps, arrived, left, each.peak))
            if each.port_busy_ps:
                uses.append(Use(topology.port_name(link), each.port_busy_ps, each.port_waited_ps))
            if each.source_busy_ps:
                uses.append(Use(topology.source_name(link), each.source_busy_ps, each.source_waited_ps))
        return tuple(uses)
