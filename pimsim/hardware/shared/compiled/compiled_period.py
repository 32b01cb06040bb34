"""One busy period of a network in the compiled packet loop, equal to `pimsim.hardware.shared.busy_period`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pimsim.hardware.shared.busy_period import CompletedJob, NetworkParameters, blocked_names, cause_name
from pimsim.hardware.shared.compiled import packet_columns as of
from pimsim.hardware.shared.compiled.packet_jobs import run_jobs
from pimsim.hardware.shared.compiled.packet_pools import push
from pimsim.hardware.shared.compiled.phase_tables import phase_tables
from pimsim.hardware.shared.fabric import UNLIMITED
from pimsim.hardware.shared.link_statistics import LinkStatistics
from pimsim.hardware.shared.messages import Job


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
        arrays = {name: np.zeros((0, columns), np.int64) for name, columns in of.COLUMNS.items()}
        unchanged = (self.tables.branches.rows, self.tables.packets.rows, self.tables.phases.rows)
        self.state = of.State(numbers, *unchanged, **arrays)
        self._grow()

    def submit(self, time_ps: int, job: Job) -> None:
        """Submit a job.

        Args:
            time_ps: Start of the job, not before the last event handled, picoseconds.
            job: The job.
        """
        number = len(self.jobs)
        first = self.tables.job(job)
        self.jobs.append((time_ps, job))
        self._grow()
        numbers, row = self.state.numbers, self.state.jobs[number]
        row[of.JOB_PHASES_FIRST], row[of.JOB_PHASES], row[of.ROUNDS_LEFT] = first, len(job.phases), job.rounds
        row[of.JOB_PHASE] = row[of.WAITS_FIRST] = row[of.WAITS_LAST] = of.NONE
        name = of.JOB_COLUMNS * number
        numbers[of.ORDER_OF_JOBS] += 1
        heap = self.state.phase_ends.reshape(-1)
        push.py_func(heap, int(numbers[of.PHASE_ENDS]), time_ps, numbers[of.ORDER_OF_JOBS], 0, name)
        numbers[of.PHASE_ENDS] += 1

    def _grow(self) -> None:
        """Make room for what happens at one time, with space for more, so that this is rare."""
        state, numbers = self.state, self.state.numbers
        links, jobs, tiles = self.tables.inputs.count, len(self.jobs), self.tables.tiles()
        used, more, branches = numbers.tolist(), int(numbers[of.MORE_PACKETS]), self.tables.most_branches
        needed = {
            "links": links,
            "packets": used[of.PACKETS] + used[of.EVENTS] + more + 1,
            "entries": used[of.ENTRIES] + (links + more) * branches + 1,
            "events": used[of.EVENTS] + 3 * links + more + 1,
            "phase_ends": jobs + 1,
            "injections": used[of.INJECTIONS] + more + 1,
            "jobs": jobs,
            "waits": used[of.WAITS] + jobs + 1,
            "marked": links,
            "groups": jobs,
            "ended": jobs,
            "inward": tiles,
            "outward": tiles,
        }
        larger = {"branches": self.tables.branches.rows, "templates": self.tables.packets.rows}
        larger["phases"] = self.tables.phases.rows
        for name, count in needed.items():
            array = getattr(state, name)
            if count > len(array):
                larger[name] = np.zeros((count if name == "links" else 2 * count, array.shape[1]), np.int64)
                larger[name][: len(array)] = array
        self.state = state._replace(**larger)
        self._initialize(len(state.links), len(state.inward))
        numbers[of.MOST_BRANCHES] = branches
        numbers[of.EVENTS_ROOM] = len(self.state.events) - 3 * links
        numbers[of.PACKETS_ROOM] = len(self.state.packets)
        numbers[of.ENTRIES_ROOM] = len(self.state.entries) - links * branches
        numbers[of.WAITS_ROOM] = len(self.state.waits) - jobs
        numbers[of.INJECTIONS_ROOM] = len(self.state.injections)
        self.addresses: of.Rows = np.array([array.ctypes.data for array in self.state], np.int64)

    def _initialize(self, links: int, tiles: int) -> None:
        """Set the columns of new links and tiles that do not begin with 0.

        Args:
            links: Links that there were before.
            tiles: Tiles that there were before.
        """
        state, capacity = self.state, self.parameters.router.buffer_packets
        state.inward[tiles:] = of.NONE
        new = state.links[links:]
        if len(new):
            new[:, of.CREDITS] = UNLIMITED if capacity is None else capacity
            for column in _NONE_AT_FIRST:
                new[:, column] = of.NONE
            new[:, of.INPUT] = self.tables.inputs.rows[links : len(state.links), 0]
            new[:, of.TILE] = self.tables.inputs.rows[links : len(state.links), 1]

    def next_ps(self) -> int | None:
        """Return the time of the next event.

        Returns:
            Picoseconds since the start of the busy period; None if there is no event.
        """
        state, numbers = self.state, self.state.numbers
        heaps = ((state.events, of.EVENTS), (state.phase_ends, of.PHASE_ENDS), (state.injections, of.INJECTIONS))
        return min((int(heap[0, of.TIME_PS]) for heap, length in heaps if numbers[length]), default=None)

    def run(self, limit_ps: int) -> list[CompletedJob]:
        """Handle the events up to and including `limit_ps`, but stop after the first time at which jobs end.

        Args:
            limit_ps: Last time to handle, picoseconds.

        Returns:
            The jobs that ended, all at the same time; empty if none did.

        Raises:
            OverflowError: If a sum of waiting times is too large for this loop.
        """
        numbers = self.state.numbers
        while (why := run_jobs(limit_ps, self.addresses)) != of.DONE:
            if why == of.NO_ROOM:
                self._grow()
            elif why == of.TOO_LARGE:
                raise OverflowError("a sum of waiting times needs more than 62 bits")
        ended = (self.state.ended[: numbers[of.COMPLETED], 0] // of.JOB_COLUMNS).tolist()
        now = int(numbers[of.NOW_PS])
        numbers[of.COMPLETED] = 0
        return [self._completed(number, now) for number in ended]

    def _completed(self, number: int, now: int) -> CompletedJob:
        """Return the record of a job that ends now; as `BusyPeriod._completed`."""
        submitted_ps, job = self.jobs[number]
        excess = now - submitted_ps - job.rounds * sum(phase.minimum_ps for phase in job.phases)
        cause, waited_ps, wait = -1, 0, int(self.state.jobs[number, of.WAITS_FIRST])
        while wait >= 0:
            of_cause, sum_ps, wait, _ = self.state.waits[wait // of.WAIT_COLUMNS].tolist()
            if sum_ps > waited_ps:
                cause, waited_ps = of_cause, sum_ps
        if excess <= 0 or cause < 0:
            return CompletedJob(number, now, "", 0)
        link, kind = divmod(cause, of.CAUSE_KINDS)
        name = cause_name(self.parameters.topology, kind, link // of.LINK_COLUMNS)
        return CompletedJob(number, now, name, min(waited_ps, excess))

    def link_statistics(self) -> dict[int, LinkStatistics]:
        """Return the statistics of each link that was used.

        Returns:
            Statistics by the topology's link number; times in picoseconds, amounts in bits.
        """
        links = self.state.links
        used = np.flatnonzero((links[:, of.SENT_BITS] > 0) | (links[:, of.BUSY_PS] > 0))
        columns = np.array(list(of.COUNTERS.values()))
        rows = links[np.ix_(used, columns)].tolist()
        return {
            link: LinkStatistics(**dict(zip(of.COUNTERS, row, strict=True)))
            for link, row in zip(used.tolist(), rows, strict=True)
        }

    def blocked(self) -> Iterator[str]:
        """Describe the packets that wait for a link.

        Yields:
            Sentences, as `BusyPeriod.blocked` does.
        """
        state, bubble, topology = self.state, self.parameters.router.bubble, self.parameters.topology
        for link, row in enumerate(state.links.tolist()):
            entry = row[of.REQUEST_FIRST]
            while entry >= 0:
                packet, _, _, entry = state.entries[entry // of.ENTRY_COLUMNS].tolist()
                holder = int(state.packets[packet // of.PACKET_COLUMNS, of.HOLDER])
                full = row[of.CREDITS] < 1 + (bubble and holder < 0)
                yield blocked_names(topology, holder if holder < 0 else holder // of.LINK_COLUMNS, link, full)


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
