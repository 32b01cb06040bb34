"""One machine of a cluster: its scheduler, and the requests that were routed to it."""

from __future__ import annotations

from pimsim.studies.serving.scheduler import Arrival
from pimsim.studies.serving.served_request import Finished, Service
from pimsim.studies.serving.serving_setup import ServedMachine, ServingSetup


class ClusterMachine:
    """One machine: its scheduler, and what a routing rule sees of it.

    Args:
        name: Name in results.
        role: Role in the system; machines of one role are equal.
        setup: Costs and limits of its role.
        served: Its scheduler, with what works beside it.
    """

    def __init__(self, name: str, role: str, setup: ServingSetup, served: ServedMachine) -> None:
        self.name, self.role, self.setup, self.served = name, role, setup, served
        self.scheduler = served.scheduler
        """Its scheduler."""
        self.numbers: list[int] = []
        """Index in the trace of each request that the scheduler was offered, by its number there."""
        self.outstanding = 0
        """Number of requests that were routed here and are not finished, at the time of the last `collect`."""
        self.outstanding_bytes = 0
        """Largest size of the KV caches of these requests, bytes."""
        self._collected = self._cancelled = 0

    @property
    def max_batch(self) -> int:
        """Largest number of requests that run at the same time."""
        return self.setup.limits.max_batch

    def next_finished_ps(self) -> int | None:
        """Return the time at which the first request left that was not collected: finished, or its cancellation noted.

        Returns:
            Time, ps, which may be later than now; None if the scheduler knows of none.
        """
        finished, cancelled = self.scheduler.finished, self.scheduler.cancelled
        times = [each.finished_ps for each in finished[self._collected : self._collected + 1]]
        times += [each.noted_ps for each in cancelled[self._cancelled : self._cancelled + 1]]
        return min(times, default=None)

    def claim(self, kv_bytes: int) -> None:
        """Count a request that is routed here, which the scheduler gets now or later.

        Args:
            kv_bytes: Largest size of its KV cache, bytes.
        """
        self.outstanding += 1
        self.outstanding_bytes += kv_bytes

    def offer(self, index: int, arrival: Arrival) -> int:
        """Hand a request to the scheduler.

        Args:
            index: Index of the request in the trace.
            arrival: The request as the scheduler sees it.

        Returns:
            Number of the request in the scheduler.
        """
        self.numbers.append(index)
        return self.scheduler.offer(arrival)

    def collect(self, now_ps: int) -> list[Finished]:
        """Take note of the requests that are finished.

        An iteration is simulated at its start, so that the scheduler knows of requests that are finished later.

        Args:
            now_ps: Present time, ps.

        Returns:
            Requests that were finished since the last call, up to the present time.
        """
        finished, begin = self.scheduler.finished, self._collected
        while self._collected < len(finished) and finished[self._collected].finished_ps <= now_ps:
            self._leave(finished[self._collected].number)
            self._collected += 1
        cancelled = self.scheduler.cancelled
        while self._cancelled < len(cancelled) and cancelled[self._cancelled].noted_ps <= now_ps:
            self._leave(cancelled[self._cancelled].number)
            self._cancelled += 1
        return finished[begin : self._collected]

    def _leave(self, number: int) -> None:
        self.outstanding -= 1
        self.outstanding_bytes -= self.scheduler.arrivals[number].kv_bytes

    def work_until(self, now_ps: int) -> list[Finished]:
        """Let the scheduler work, and take note of the requests that are finished.

        Args:
            now_ps: Present time, ps.

        Returns:
            Requests that were finished since the last call of `collect`, up to the present time.
        """
        self.scheduler.advance(now_ps)
        return self.collect(now_ps)


def after_first_token(arrival: Arrival, first_token_ps: int, slo_tpot_ps: int | None) -> Service:
    """Return what a request still asks for when it has its first token: only the last token has a deadline.

    Args:
        arrival: The request, with the other output tokens.
        first_token_ps: Time of its first token, ps.
        slo_tpot_ps: Longest wanted time per later token, ps; None means no limit.

    Returns:
        Its service for the decode machine.
    """
    deadlines = [arrival.service.latency_deadline_ps]
    if slo_tpot_ps is not None:
        deadlines.append(first_token_ps + slo_tpot_ps * arrival.output_tokens)
    earliest = min((each for each in deadlines if each is not None), default=None)
    return arrival.service._replace(ttft_deadline_ps=None, latency_deadline_ps=earliest)
