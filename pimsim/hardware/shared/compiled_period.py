"""One busy period of a network in the compiled packet loop, with the results of `pimsim.hardware.shared.busy_period`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pimsim.hardware.shared import packet_columns as of
from pimsim.hardware.shared.busy_period import CompletedJob, NetworkParameters, blocked_names, cause_name
from pimsim.hardware.shared.link_statistics import LinkStatistics
from pimsim.hardware.shared.messages import Job
from pimsim.hardware.shared.packet_jobs import end_phase, next_ps, run_jobs
from pimsim.hardware.shared.phase_tables import phase_tables


class CompiledPeriod:
    """Simulation of a network from one idle moment to the next. Times are picoseconds from its start."""

    def __init__(self, parameters: NetworkParameters) -> None:
        """Create an idle network.

        Args:
            parameters: Topology and router parameters; links are shared, not unlimited.
        """
        self.parameters, self.tables = parameters, phase_tables(parameters)
        self.jobs: list[tuple[int, Job]] = []
        router = parameters.router
        numbers = np.zeros(of.NUMBERS, np.int64)
        numbers[of.FREE_PACKET] = numbers[of.FREE_ENTRY] = numbers[of.LIMIT_PS] = of.NONE
        numbers[of.ROUTER_PS] = router.router_ps
        numbers[of.HEAD_EVENTS] = router.cut_through or router.router_ps > 0
        numbers[of.BUBBLE] = router.bubble
        numbers[of.OLDEST_FIRST] = router.arbitration == "age"
        numbers[of.PORTS] = parameters.local_bandwidth_bps is not None
        columns = {"links": of.LINK_COLUMNS, "packets": of.PACKET_COLUMNS, "jobs": 12, "lists": 3, "ports": 2}
        rows = {name: np.zeros((0, columns.get(name, 4)), np.int64) for name in of.State._fields if name != "numbers"}
        self.state = of.State(numbers, **rows)

    def submit(self, time_ps: int, job: Job) -> None:
        """Submit a job.

        Args:
            time_ps: Start of the job, not before the last event handled, picoseconds.
            job: The job.
        """
        number = len(self.jobs)
        first = self.tables.job(job)
        self.jobs.append((time_ps, job))
        self.state.numbers[of.JOBS] = number + 1
        self.state.numbers[of.MOST_BRANCHES] = self.tables.most_branches
        self._grow()
        row = self.state.jobs[number]
        row[of.JOB_PHASES_FIRST], row[of.JOB_PHASES], row[of.ROUNDS_LEFT] = first, len(job.phases), job.rounds
        row[of.JOB_PHASE] = row[of.WAITS_FIRST] = row[of.WAITS_LAST] = of.NONE
        end_phase(time_ps, number, self.state.numbers, self.state.phase_ends)

    def _grow(self) -> None:
        """Make room for what happens at one time, with space for more, so that this is rare."""
        state, numbers = self.state, self.state.numbers
        links, jobs, branches = self.tables.inputs.count, len(self.jobs), self.tables.most_branches
        more = int(numbers[of.MORE_PACKETS])
        needed = {
            "links": links,
            "packets": numbers[of.PACKETS] + numbers[of.EVENTS] + more + 1,
            "entries": numbers[of.ENTRIES] + (links + more) * branches + 1,
            "events": numbers[of.EVENTS] + 3 * links + more + 1,
            "phase_ends": numbers[of.PHASE_ENDS] + jobs + 1,
            "injections": numbers[of.INJECTIONS] + more + 1,
            "jobs": jobs,
            "waits": numbers[of.WAITS] + jobs + 1,
            "lists": max(links, jobs),
            "ports": self.tables.tiles(),
        }
        larger = {}
        for name, count in needed.items():
            array = getattr(state, name)
            if count > len(array):
                size = links if name == "links" else 2 * int(count)
                larger[name] = np.zeros((size, array.shape[1]), np.int64)
                larger[name][: len(array)] = array
        had = len(state.links), len(state.ports)
        self.state = state = state._replace(**larger)
        self._initialize(*had)

    def _initialize(self, links: int, tiles: int) -> None:
        """Set the columns of new links and tiles that do not begin with 0.

        Args:
            links: Links that there were before.
            tiles: Tiles that there were before.
        """
        state, capacity = self.state, self.parameters.router.buffer_packets
        state.ports[tiles:, 0] = of.NONE
        new = state.links[links:]
        if len(new):
            new[:, of.CREDITS] = of.UNLIMITED if capacity is None else capacity
            for column in _NONE_AT_FIRST:
                new[:, column] = of.NONE
            new[:, of.INPUT] = self.tables.inputs.rows[links : len(state.links), 0]
            new[:, of.TILE] = self.tables.inputs.rows[links : len(state.links), 1]

    def next_ps(self) -> int | None:
        """Return the time of the next event.

        Returns:
            Picoseconds since the start of the busy period; None if there is no event.
        """
        following = int(next_ps(self.state))
        return None if following == of.NEVER else following

    def run(self, limit_ps: int) -> list[CompletedJob]:
        """Handle the events up to and including `limit_ps`, but stop after the first time at which jobs end.

        Args:
            limit_ps: Last time to handle, picoseconds.

        Returns:
            The jobs that ended, all at the same time; empty if none did.
        """
        tables, numbers = self.tables.tables(), self.state.numbers
        while (why := run_jobs(limit_ps, tables, self.state)) != of.DONE:
            if why == of.NO_ROOM:
                self._grow()
        ended = self.state.lists[: numbers[of.COMPLETED], 2].tolist()
        now = int(numbers[of.NOW_PS])
        numbers[of.COMPLETED] = 0
        return [self._completed(number, now) for number in ended]

    def _completed(self, number: int, now: int) -> CompletedJob:
        """Return the record of a job that ends now; as `BusyPeriod._completed`."""
        submitted_ps, job = self.jobs[number]
        excess = now - submitted_ps - job.rounds * sum(phase.minimum_ps for phase in job.phases)
        cause, waited_ps, wait = -1, 0, int(self.state.jobs[number, of.WAITS_FIRST])
        while wait >= 0:
            of_cause, sum_ps, wait, _ = self.state.waits[wait].tolist()
            if sum_ps > waited_ps:
                cause, waited_ps = of_cause, sum_ps
        if excess <= 0 or cause < 0:
            return CompletedJob(number, now, "", 0)
        link, kind = divmod(cause, of.CAUSE_KINDS)
        return CompletedJob(number, now, cause_name(self.parameters.topology, kind, link), min(waited_ps, excess))

    def link_statistics(self) -> dict[int, LinkStatistics]:
        """Return the statistics of each link that was used.

        Returns:
            Statistics by the topology's link number; times in picoseconds, amounts in bits.
        """
        links = self.state.links
        used = np.flatnonzero((links[:, of.SENT_BITS] > 0) | (links[:, of.BUSY_PS] > 0))
        rows = links[np.ix_(used, list(of.COUNTERS.values()))].tolist()
        return {
            link: LinkStatistics(**dict(zip(of.COUNTERS, row, strict=True)))
            for link, row in zip(used.tolist(), rows, strict=True)
        }

    def blocked(self) -> Iterator[str]:
        """Describe the packets that wait for a link.

        Yields:
            Sentences, as `BusyPeriod.blocked` does.
        """
        state, bubble = self.state, self.parameters.router.bubble
        for link in range(len(state.links)):
            entry = int(state.links[link, of.REQUEST_FIRST])
            while entry >= 0:
                holder = int(state.packets[state.entries[entry, of.ENTRY_PACKET], of.HOLDER])
                full = int(state.links[link, of.CREDITS]) < 1 + (bubble and holder < 0)
                yield blocked_names(self.parameters.topology, holder, link, full)
                entry = int(state.entries[entry, of.NEXT_REQUEST])


_NONE_AT_FIRST = (
    of.LAST_SERVED,
    of.FULL_SINCE,
    of.FIFO_FIRST,
    of.FIFO_LAST,
    of.WAITING_FIRST,
    of.WAITING_LAST,
    of.REQUEST_FIRST,
    of.REQUEST_LAST,
    of.ARRIVING_FIRST,
    of.ARRIVING_LAST,
)
