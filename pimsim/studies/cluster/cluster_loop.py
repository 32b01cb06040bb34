"""The machines of a cluster in one simulated time: arrivals, routing, KV caches on the link, and who waits for whom.

Each machine simulates its iterations by itself, as in `pimsim.studies.serving.scheduler`. It has to keep pace with the
others only where one depends on the other: before a rule reads its load, while requests wait for it, and on prefill
machines, whose caches share a link. Everything else is simulated in one go.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pimsim.base.errors import StalledError
from pimsim.base.units import ps_to_s
from pimsim.studies.cluster.cache_link import CacheCost, CacheCosts, LinkQueue, Slot
from pimsim.studies.cluster.cluster_machine import ClusterMachine, after_first_token
from pimsim.studies.cluster.pool_memory import ReceivingMemory, SendingMemory
from pimsim.studies.cluster.routing import Rule
from pimsim.studies.serving.scheduler import PROGRESS_STEPS, Arrival, Progress
from workloads.requests import Request


class Pool(NamedTuple):
    """Machines that a rule chooses from.

    Attributes:
        machines: The machines, at least one.
        rule: The rule.
    """

    machines: Sequence[ClusterMachine]
    rule: Rule


class Sent(NamedTuple):
    """A KV cache on its way.

    Attributes:
        place: Index of the request in the trace.
        sender: Machine that has computed the prompt.
        number: Number of the request on that machine.
        receiver: Machine that decodes.
        ready_ps: Time of the first token, ps: the cache is complete.
        asked_ps: Time from which the receiver has space for it, ps: it waits for the link.
        slot: When it uses the link.
        cost: Its size and energy.
    """

    place: int
    sender: ClusterMachine
    number: int
    receiver: ClusterMachine
    ready_ps: int
    asked_ps: int
    slot: Slot
    cost: CacheCost


class _Ready(NamedTuple):
    """A complete KV cache: index of its request, its prefill machine, number there, and time of the first token, ps."""

    place: int
    sender: ClusterMachine
    number: int
    ready_ps: int


class Clock:
    """Arrivals in order, and times at which something happens that the machines do not see by themselves."""

    def __init__(self, arrivals_ps: Sequence[int]) -> None:
        self._arrivals_ps, self._arrived = arrivals_ps, 0
        self._wakes: list[int] = []

    def wake(self, time_ps: int) -> None:
        """Ask for the attention of the loop at a time.

        Args:
            time_ps: The time, ps.
        """
        heapq.heappush(self._wakes, time_ps)

    def next_ps(self) -> int | None:
        """Return the next time.

        Returns:
            Time, ps; None if nothing is expected.
        """
        return min([*self._wakes[:1], *self._arrivals_ps[self._arrived : self._arrived + 1]], default=None)

    def __len__(self) -> int:
        """Return the number of times that are still to come."""
        return len(self._arrivals_ps) - self._arrived + len(self._wakes)

    def take(self, time_ps: int) -> range:
        """Go to a time.

        Args:
            time_ps: The time, ps, which is that of `next_ps`.

        Returns:
            Indices of the requests that arrive.
        """
        while self._wakes and self._wakes[0] <= time_ps:
            heapq.heappop(self._wakes)
        first = self._arrived
        while self._arrived < len(self._arrivals_ps) and self._arrivals_ps[self._arrived] <= time_ps:
            self._arrived += 1
        return range(first, self._arrived)


class ClusterLoop:
    """Simulation of all machines.

    Args:
        requests: Requests in the order of arrival.
        front: Machines that get arriving requests: replicas, or prefill machines.
        front_arrivals: The requests as these machines see them: per role, in the order of the trace.
    """

    def __init__(
        self, requests: Sequence[Request], front: Pool, front_arrivals: Mapping[str, Sequence[Arrival]]
    ) -> None:
        self.requests, self.front = requests, front
        self._front_arrivals = front_arrivals
        self.arrivals_ps = [each.arrival_ps for each in next(iter(front_arrivals.values()))]
        self._clock = Clock(self.arrivals_ps)
        self._queue: deque[int] = deque()
        """Requests in the central queue."""
        self.done = 0
        """Number of requests that are known to be finished."""

    @property
    def machines(self) -> Sequence[ClusterMachine]:
        """All machines."""
        return self.front.machines

    def run(self, progress: Progress | None = None) -> None:
        """Serve all requests.

        Args:
            progress: Function to report progress to; None means no reports.

        Raises:
            StalledError: If requests wait, and nothing will happen.
        """
        count, reported, handled = len(self.requests), 0, list[object]()
        if not self._depends():
            self._route_all()
        while (now_ps := self._next_ps()) is not None or self._watched():
            if (lagging := self._lagging(now_ps)) is not None:
                self._work(lagging)
                continue
            if now_ps is None:
                break
            self._handle(now_ps)
            if handled == (handled := self._state(now_ps)):  # the next time would be the same, for ever
                raise StalledError(f"no machine goes on at {ps_to_s(now_ps):g} s: no progress")
            if progress is not None and (self.done - reported) * PROGRESS_STEPS >= count:
                reported = self.done
                progress(reported, count)
        for each in self.machines:
            before = sum(len(other.scheduler.finished) for other in self._counting() if other is not each)
            tell = None if progress is None or each not in self._counting() else _shifted(progress, before, count)
            each.scheduler.run(tell)

    def _state(self, now_ps: int) -> list[object]:
        """Return numbers of which at least one is another one after each time at which something has happened."""
        of_machines = [(len(each.scheduler.finished), each.scheduler.next_event_ps()) for each in self.machines]
        return [now_ps, self.done, len(self._queue), len(self._clock), of_machines]

    def _counting(self) -> Sequence[ClusterMachine]:
        """Return the machines on which most requests are finished."""
        return self.front.machines

    def _depends(self) -> bool:
        """Return whether the machine of a request depends on what the machines have done before it arrives."""
        return self.front.rule.reads_loads and len(self.front.machines) > 1

    def _route_all(self) -> None:
        """Hand all requests to machines at once: nothing that happens later changes the choice."""
        self._clock = Clock(())
        for index in range(len(self.requests)):
            self._arrive(index, self.arrivals_ps[index])

    def _watched(self) -> Sequence[ClusterMachine]:
        """Return the machines on which something may happen that others wait for."""
        return self.front.machines if self._queue else ()

    def _next_ps(self) -> int | None:
        """Return the next time at which something happens, as far as it is known, ps."""
        times = [each.next_finished_ps() for each in self._watched()]
        return min((each for each in (self._clock.next_ps(), *times) if each is not None), default=None)

    def _lagging(self, now_ps: int | None) -> ClusterMachine | None:
        """Return the watched machine that is furthest behind a time, or None."""
        behind, first_ps = None, now_ps
        for each in self._watched():
            next_ps = each.scheduler.next_event_ps()
            if next_ps is not None and (first_ps is None or next_ps < first_ps):
                behind, first_ps = each, next_ps
        return behind

    def _work(self, machine: ClusterMachine) -> None:
        """Let a watched machine work, at most until requests leave it: before, the others do not change what it does.

        Requests wait for it because all of its slots are taken, or its memory is full.
        """
        machine.scheduler.step()

    def _handle(self, now_ps: int) -> None:
        """Do what happens at a time: requests are finished, then others arrive, then those in the queue are routed."""
        if self._queue:
            self._note_finished(now_ps)
        for index in self._clock.take(now_ps):
            self._queue.append(index)
        while self._queue and self._arrive(self._queue[0], now_ps):
            self._queue.popleft()

    def _note_finished(self, now_ps: int) -> None:
        """Let the machines at the front work, and take note of the requests that are finished."""
        for each in self.front.machines:
            self.done += len(each.work_until(now_ps))

    def _arrive(self, index: int, now_ps: int) -> bool:
        """Route a request to one of the machines at the front.

        Args:
            index: Index of the request.
            now_ps: Present time, ps.

        Returns:
            Whether the rule has chosen a machine.
        """
        if self._depends():
            self._note_finished(now_ps)
        machine = self._chosen(self.front, index)
        if machine is None:
            return False
        arrival = self._front_arrivals[machine.role][index]._replace(arrival_ps=now_ps)
        machine.claim(arrival.kv_bytes)
        machine.offer(index, arrival)
        return True

    def _chosen(self, pool: Pool, index: int) -> ClusterMachine | None:
        if len(pool.machines) == 1:
            return pool.machines[0]  # it has a queue of its own
        chosen = pool.rule.choose(pool.machines, self.requests[index].prefix_hashes)
        return None if chosen is None else pool.machines[chosen]


def _shifted(progress: Progress, before: int, count: int) -> Progress:
    return lambda done, _: progress(before + done, count)


class PoolLoop(ClusterLoop):
    """Simulation of prefill machines, a link and decode machines.

    Args:
        requests: Requests in the order of arrival.
        front: Prefill machines; their memories are `SendingMemory`.
        front_arrivals: The requests as these machines see them, with one output token.
        back: Decode machines; their memories are `ReceivingMemory`.
        back_arrivals: The requests as these see them, with their KV entries and the other output tokens.
        link: The link.
        costs: Time and energy of the caches on it.
        sending: Memories of the prefill machines by their names.
        receiving: Memories of the decode machines by their names.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        front: Pool,
        front_arrivals: Mapping[str, Sequence[Arrival]],
        *,
        back: Pool,
        back_arrivals: Sequence[Arrival],
        link: LinkQueue,
        costs: CacheCosts,
        sending: Mapping[str, SendingMemory],
        receiving: Mapping[str, ReceivingMemory],
    ) -> None:
        super().__init__(requests, front, front_arrivals)
        self.back, self._back_arrivals, self._link, self._costs = back, back_arrivals, link, costs
        self._sending, self._receiving = sending, receiving
        self.sent: list[Sent] = []
        """All transfers that have started or will start, in the order in which they use the link."""
        self._on_link: list[tuple[int, int]] = []
        self._unrouted: deque[_Ready] = deque()
        self._landing: dict[str, deque[_Ready]] = {each.name: deque() for each in back.machines}

    @property
    def machines(self) -> Sequence[ClusterMachine]:
        """All machines."""
        return (*self.front.machines, *self.back.machines)

    def _counting(self) -> Sequence[ClusterMachine]:
        return self.back.machines

    def _watched(self) -> Sequence[ClusterMachine]:
        """Return all prefill machines, and the decode machines that caches wait for."""
        waited_for = [each for each in self.back.machines if self._unrouted or self._landing[each.name]]
        return (*self.front.machines, *waited_for)

    def _handle(self, now_ps: int) -> None:
        """Do what happens at a time: caches arrive, prompts are complete, requests arrive, caches are sent.

        Args:
            now_ps: Present time, ps.
        """
        while self._on_link and self._on_link[0][0] <= now_ps:
            _, place = heapq.heappop(self._on_link)
            self._free(self.sent[place], now_ps)
        self._note_prompts(now_ps)
        super()._handle(now_ps)
        while self._unrouted and self._route_back(self._unrouted[0], now_ps):
            self._unrouted.popleft()
        for each in self.back.machines:
            self._send_to(each, now_ps)

    def _work(self, machine: ClusterMachine) -> None:
        """Let a watched machine work: a prefill machine for one iteration, as a cache that leaves makes room on it."""
        next_ps = machine.scheduler.next_event_ps()
        if machine in self.front.machines and next_ps is not None:
            machine.scheduler.advance(next_ps + 1)
        else:
            machine.scheduler.step()

    def _note_finished(self, now_ps: int) -> None:
        self._note_prompts(now_ps)

    def _note_decoded(self, machine: ClusterMachine, now_ps: int) -> None:
        """Let a decode machine work, and take note of the requests that are finished."""
        for each in machine.work_until(now_ps):
            self._receiving[machine.name].settle(each.number)
            self.done += 1

    def _note_prompts(self, now_ps: int) -> None:
        """Take note of prompts that are complete: their caches leave, unless there is only one output token."""
        for machine in self.front.machines:
            for each in machine.work_until(now_ps):
                index = machine.numbers[each.number]
                if self.requests[index].output_tokens > 1:
                    self._unrouted.append(_Ready(index, machine, each.number, each.finished_ps))
                else:
                    self.done += 1

    def _route_back(self, ready: _Ready, now_ps: int) -> bool:
        """Choose the decode machine of a cache.

        Args:
            ready: The cache.
            now_ps: Present time, ps.

        Returns:
            Whether the rule has chosen a machine.
        """
        if self.back.rule.reads_loads and len(self.back.machines) > 1:
            for each in self.back.machines:
                self._note_decoded(each, now_ps)
        machine = self._chosen(self.back, ready.place)
        if machine is None:
            return False
        machine.claim(self._back_arrivals[ready.place].kv_bytes)
        self._landing[machine.name].append(ready)
        return True

    def _send_to(self, receiver: ClusterMachine, now_ps: int) -> None:
        """Send the caches that a decode machine has space for, in the order in which they were routed to it.

        Args:
            receiver: The decode machine.
            now_ps: Present time, ps.
        """
        landing, memory = self._landing[receiver.name], self._receiving[receiver.name]
        if landing:
            self._note_decoded(receiver, now_ps)
        while landing:
            ready = landing[0]
            arrival = self._back_arrivals[ready.place]
            if not memory.reserve(len(receiver.numbers), arrival):
                return
            landing.popleft()
            cost = self._costs.of(arrival.prompt_tokens)
            slot = self._link.send(ready.sender.name, receiver.name, now_ps, cost.latency_ps)
            self.sent.append(Sent(*ready[:3], receiver, ready.ready_ps, now_ps, slot, cost))
            heapq.heappush(self._on_link, (slot.end_ps, len(self.sent) - 1))
            self._clock.wake(slot.end_ps)
            service = after_first_token(arrival, ready.ready_ps, receiver.setup.limits.slo_tpot_ps)
            receiver.offer(ready.place, arrival._replace(arrival_ps=slot.end_ps, service=service))

    def _free(self, sent: Sent, now_ps: int) -> None:
        """Give back the space of a cache on its sender, which may admit another request."""
        self._sending[sent.sender.name].free(sent.number)
        sent.sender.scheduler.reconsider(now_ps)
