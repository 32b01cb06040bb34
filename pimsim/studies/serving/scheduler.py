"""Iteration-level scheduling of requests (Orca, Yu et al., OSDI 2022); policies choose within its limits.

A request waits until it is admitted, with a free slot in the batch and KV space for its prompt and its whole output.
Before each iteration, the policy may preempt requests, which gives back their KV space; then it admits requests and
selects sequences. The shipped policies admit in the order of arrival and preempt nothing. An iteration cannot be
interrupted. The iteration that completes a prompt produces the first output token, and each decode step produces one
more. A sequence leaves the batch when it has all of its output tokens. Iterations and pauses for upkeep do not overlap.

A scheduler can be driven from outside, beside others: `offer` hands it a request, `advance` lets it work up to a time,
and `next_event_ps` says when it has something to do next. `run` serves all requests in one go.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from pimsim.base.errors import PluginError
from pimsim.studies.serving.decode_table import StretchCosts
from pimsim.studies.serving.iteration_costs import Groups
from pimsim.studies.serving.iteration_table import IterationRecord, IterationTable, Stretch
from pimsim.studies.serving.kv_memory import KvMemory, WholeReservation
from pimsim.studies.serving.outside_policy import build_policy
from pimsim.studies.serving.policies import POLICIES, Chosen, Limits, SchedulerState
from pimsim.studies.serving.served_batch import BatchShape, StretchEnergies, attribute, attribute_stretch, with_extras
from pimsim.studies.serving.served_request import Arrival as Arrival
from pimsim.studies.serving.served_request import Cancelled, ServedRequest
from pimsim.studies.serving.served_request import Finished as Finished
from pimsim.studies.serving.speculation import Speculation
from pimsim.studies.serving.step_cost import StepCost
from pimsim.studies.serving.swap_space import SwapSpace
from pimsim.studies.serving.upkeep_pauses import UpkeepClock

Progress = Callable[[int, int], None]
"""Function of the number of finished and of all requests, called at most `PROGRESS_STEPS` times per run."""

CostOf = Callable[[Groups, int], StepCost]
"""Function of the groups of an iteration and its number of output tokens, which returns the cost of the iteration."""


PROGRESS_STEPS = 200
"""Approximate number of progress reports per run."""


class Scheduler:
    """Scheduler of one run. `finished`, `cancelled` and `iterations` contain the records so far.

    `preemptions` counts preempted requests, and `recomputed_tokens` the KV entries that they have lost
    and that the memory has not kept.

    Args:
        arrivals: Requests in the order of arrival; others can be offered later.
        limits: Limits of batch, KV cache and prompt tokens, and the policy.
        cost_of: Function that returns the cost of an iteration.
        memory: Memory of the KV caches; None means that the whole cache of a request is reserved at its admission,
            within `limits.kv_capacity_bytes`.
        swap: Memory for the KV entries of preempted requests; None means that they are computed again.
        speculation: Drafts of the sequences that decode; None means one token per step.
        stretches: Costs of consecutive decode iterations; None means that `cost_of` is asked for each iteration.
        upkeep: Pauses for the cells of the machine; None means none.
    """

    def __init__(
        self,
        arrivals: Iterable[Arrival],
        limits: Limits,
        cost_of: CostOf,
        memory: KvMemory | None = None,
        swap: SwapSpace | None = None,
        speculation: Speculation | None = None,
        stretches: StretchCosts | None = None,
        upkeep: UpkeepClock | None = None,
    ) -> None:
        self.arrivals: list[Arrival] = []
        """All requests that were offered; their index is the number of the request."""
        self.limits, self._cost_of, self._swap, self._speculation = limits, cost_of, swap, speculation
        self.finished: list[Finished] = []
        self.cancelled: list[Cancelled] = []
        self.iterations = IterationTable()
        self.preemptions = 0
        self.recomputed_tokens = 0
        self._policy = build_policy(limits.policy)
        if swap is not None or speculation is not None:
            self._policy.steady = False  # each iteration has costs of its own
        self._stretches = stretches if self._policy.steady else None
        self._upkeep = upkeep or UpkeepClock(())
        self._state = SchedulerState(limits, memory or WholeReservation(limits.kv_capacity_bytes))
        self._pending: list[tuple[int, int]] = []
        """Heap of the arrival times and numbers of the requests that have not arrived yet, and of the times of
        cancellations, with the number -1 - n for request n."""
        self._cancelling: list[int] = []
        """Numbers of the requests whose time of cancellation has come since the last iteration."""
        self._stuck = False
        """Whether the policy admits none of the waiting requests, until another one arrives."""
        self._preemptions_without_output = 0
        for each in arrivals:
            self.offer(each)

    @property
    def now_ps(self) -> int:
        """Present time of the scheduler: the end of its last iteration, or the time at which it last looked, ps."""
        return self._state.now_ps

    def offer(self, arrival: Arrival) -> int:
        """Hand a request to the scheduler.

        Args:
            arrival: The request. Its arrival is not earlier than the limit of the last call of `advance`, but may be
                during the last iteration, which can end after that limit.

        Returns:
            Number of the request.
        """
        number = len(self.arrivals)
        self.arrivals.append(arrival)
        heapq.heappush(self._pending, (arrival.arrival_ps, number))
        if arrival.service.cancel_ps is not None:
            # A request can come after its cancellation, from a queue outside; it cannot be cancelled before it is here.
            heapq.heappush(self._pending, (max(arrival.service.cancel_ps, arrival.arrival_ps), -1 - number))
        if len(self.iterations) and arrival.arrival_ps <= self.iterations.last_end_ps:
            self._note_arrivals()
            self.iterations.add_waiting_to_last()
        return number

    def reconsider(self, now_ps: int) -> None:
        """Consider the waiting requests again, because the KV memory has got space from outside.

        Args:
            now_ps: Time at which it has got space, ps.
        """
        if self._stuck:
            self._stuck, self._state.now_ps = False, max(self._state.now_ps, now_ps)

    def next_event_ps(self) -> int | None:
        """Return the time at which the scheduler can do something next.

        Returns:
            Present time if a request is admitted or can be considered, else the next arrival, ps; None if there is
            nothing to do until a request is offered.
        """
        if self._state.running or (self._state.waiting and not self._stuck):
            return self._state.now_ps
        return max(self._state.now_ps, self._pending[0][0]) if self._pending else None

    def advance(self, limit_ps: int | None = None) -> None:
        """Serve requests until the clock reaches a limit, or there is nothing to do before it.

        An iteration that starts before the limit is finished, so the clock may be later afterwards.

        Args:
            limit_ps: Time, ps; None means no limit: all requests are served.
        """
        while (next_ps := self.next_event_ps()) is not None and (limit_ps is None or next_ps < limit_ps):
            self._step(next_ps, limit_ps)

    def step(self) -> None:
        """Do what is next: one iteration, or decode iterations up to the next arrival, completion or decision."""
        if (next_ps := self.next_event_ps()) is not None:
            self._step(next_ps)

    def run(self, progress: Progress | None = None) -> None:
        """Serve all requests.

        Args:
            progress: Function to report progress to; None means no reports.

        Raises:
            PluginError: If the policy makes no progress.
        """
        count, reported = len(self.arrivals), 0
        while (next_ps := self.next_event_ps()) is not None:
            self._step(next_ps)
            done = len(self.finished) + len(self.cancelled)
            if progress is not None and (done - reported) * PROGRESS_STEPS >= count:
                reported = done
                progress(reported, count)
        if self._state.waiting:
            raise PluginError(
                f"{POLICIES.describe(self.limits.policy)}: admits none of {len(self._state.waiting):,} waiting "
                "requests while the machine is idle and no other request will arrive: no progress"
            )

    def _step(self, next_ps: int, limit_ps: int | None = None) -> None:
        """Do what is next: one iteration or several decode iterations, or find that no request is admitted.

        Args:
            next_ps: Time from `next_event_ps`, ps.
            limit_ps: Time from which on no iteration may start, ps; None means no limit.
        """
        self._state.now_ps = self._upkeep.pass_until(next_ps, self.iterations.last_end_ps)
        if limit_ps is not None and self._state.now_ps >= limit_ps:
            return
        self._note_arrivals()
        self._cancel()
        self._preempt()
        self._admit()
        if self._state.running:
            if self._stretches is None or not self._decode_on(self._stretches, limit_ps):
                self._iterate()
        else:
            self._stuck = True

    def _note_arrivals(self) -> None:
        pending, state = self._pending, self._state
        while pending and pending[0][0] <= state.now_ps:
            _, number = heapq.heappop(pending)
            if number < 0:
                self._cancelling.append(-1 - number)
                continue
            self._state.enqueue(ServedRequest.of(self.arrivals[number], number))
            self._stuck = False

    def _cancel(self) -> None:
        """Remove the requests whose time of cancellation has come, if they are not complete."""
        state = self._state
        for number in self._cancelling:
            waiting = next((each for each in state.waiting if each.number == number), None)
            running = next((each for each in state.running if each.number == number), None)
            if waiting is not None:
                state.waiting.remove(waiting)
            if running is not None:
                state.running.remove(running)
                state.memory.release(running)
            if (each := waiting or running) is not None:
                if self._swap is not None:
                    self._swap.forget(each)
                self.cancelled.append(Cancelled.of(each, state.now_ps, waited=each is waiting))
        self._cancelling.clear()

    def _preempt(self) -> None:
        """Take KV space back from the requests that the policy preempts; their KV entries are lost.

        Raises:
            PluginError: If requests are preempted again and again, by the policy or because the KV memory is full, and
                no output token is produced in between.
        """
        for each in self._policy.preempt(self._state):
            self._send_back(each)
        if self._preemptions_without_output > len(self.arrivals):
            raise PluginError(
                f"{POLICIES.describe(self.limits.policy)}: has preempted {self._preemptions_without_output:,} times "
                "since the last output token: no progress"
            )

    def _send_back(self, request: ServedRequest) -> None:
        """Take the KV space of an admitted request and let it wait again; its KV entries are swapped or lost."""
        self._state.running.remove(request)
        self._state.memory.release(request)
        self.preemptions += 1
        self._preemptions_without_output += 1
        request.preemptions += 1
        if self._swap is None or not self._swap.store(request):
            request.lost_tokens = request.entries
            if self._speculation is not None:
                self._speculation.forget(request)
            request.entries, request.fill_tokens = 0, request.prompt_tokens + request.produced
        self._state.enqueue(request)
        self._stuck = False

    def _admit(self) -> None:
        state = self._state
        while state.waiting and len(state.running) < state.limits.max_batch:
            each = self._policy.admit(state)
            if each is None or not state.has_space(each):
                return
            if each is state.waiting[0]:
                state.waiting.popleft()
            else:
                state.waiting.remove(each)
            if each.admitted_ps < 0:
                each.admitted_ps = state.now_ps
            state.running.append(each)
            state.memory.admit(each)
            self.recomputed_tokens += max(0, each.lost_tokens - each.entries)
            each.lost_tokens = 0
            if self._swap is not None:
                self._swap.load(each)

    def _decode_on(self, costs: StretchCosts, limit_ps: int | None) -> bool:
        """Do all decode iterations up to the next arrival, completion or decision as one sum.

        Args:
            costs: Costs of the iterations.
            limit_ps: Time from which on no iteration may start, ps; None means no limit.

        Returns:
            False, and nothing is done, if a prompt is not complete, or the costs or the memory do not allow it.
        """
        state = self._state
        running, memory, now_ps = state.running, state.memory, state.now_ps
        by_context: dict[int, int] = {}
        most = memory.steps_that_fit(running)
        for each in running:
            if each.entries < each.fill_tokens:
                return False
            context = each.entries + 1
            by_context[context] = by_context.get(context, 0) + 1
            most = min(most, each.output_tokens - each.produced)
        stretch = costs.stretch(sorted(by_context.items())) if most else None
        if stretch is None:
            return False
        arrival_ps = self._pending[0][0] if self._pending else None
        ends_ps = [each for each in (limit_ps, arrival_ps, self._upkeep.next_due_ps) if each is not None]
        steps = stretch.steps_until(min(ends_ps) - now_ps if ends_ps else None, most)
        costs.use(stretch, steps)
        kv_bytes = memory.used_bytes_over(running, steps)
        first_ps, state.now_ps = now_ps + stretch.latency_ps(1), now_ps + stretch.latency_ps(steps)
        waiting, sequences, energies_j = len(state.waiting), len(running), StretchEnergies.of(stretch, steps)
        self._note_arrivals()
        record = IterationRecord(
            start_ps=now_ps,
            end_ps=state.now_ps,
            prefills=0,
            decodes=sequences,
            new_tokens=sequences,
            running=sequences,
            waiting=len(state.waiting),
            kv_bytes=kv_bytes if isinstance(kv_bytes, int) else max(kv_bytes),
            dynamic_energy_j=energies_j.dynamic_j,
            leakage_energy_j=energies_j.leakage_j,
            estimated=0,
        )
        rows = Stretch(stretch.rows, waiting, None if isinstance(kv_bytes, int) else kv_bytes)
        self.iterations.append_stretch(record, stretch.traffic(steps), steps, rows)
        for each in running:
            memory.grow(each, steps)
        attribute_stretch(running, stretch, steps, energies_j, first_ps)
        self._preemptions_without_output = 0
        if steps == most:
            self._finish_complete(running)
        return True

    def _finish_complete(self, requests: Iterable[ServedRequest]) -> None:
        """Record the requests that have all of their output tokens, and give back their KV space."""
        complete = [each for each in requests if each.produced == each.output_tokens]
        for each in complete:
            self._state.memory.release(each)
            self.finished.append(Finished.of(each, self._state.now_ps))
        if complete:
            self._state.running = [each for each in self._state.running if each.produced < each.output_tokens]

    def _iterate(self) -> None:
        state = self._state
        chosen = self._policy.select(state)
        if self._speculation is not None:
            chosen = self._speculation.extended(chosen)
        chosen = self._with_memory(chosen)
        if not chosen:
            return
        shape = BatchShape.of(chosen)
        cost = with_extras(self._cost_of(shape.groups, shape.outputs), chosen, self._swap, self._speculation)
        start_ps, state.now_ps = state.now_ps, state.now_ps + cost.latency_ps
        self._note_arrivals()
        self.iterations.append(
            IterationRecord(
                start_ps=start_ps,
                end_ps=state.now_ps,
                prefills=shape.prefills,
                decodes=len(chosen) - shape.prefills,
                new_tokens=shape.new_tokens,
                running=len(state.running),
                waiting=len(state.waiting),
                kv_bytes=state.kv_bytes,
                dynamic_energy_j=cost.shared_j + sum(cost.attention_j) + cost.apart_j,
                leakage_energy_j=cost.leakage_j,
                estimated=cost.estimated,
                traffic=cost.traffic,
            )
        )
        with_output = attribute(chosen, shape, cost, state.now_ps, self._speculation)
        if with_output:
            self._preemptions_without_output = 0
            self._finish_complete(with_output)

    def _with_memory(self, chosen: Chosen) -> Chosen:
        """Take KV space for the new entries of an iteration.

        While there is none, a request is preempted: the one that was admitted last, as in vLLM (Kwon et al., SOSP
        2023), unless the policy chooses another one.

        Args:
            chosen: Requests that the policy selects, each with its number of new tokens.

        Returns:
            Those of them that are not preempted.
        """
        state = self._state
        grown: list[tuple[ServedRequest, int]] = []
        preempted: list[ServedRequest] = []
        for each, tokens in chosen:
            while each not in preempted and not state.memory.grow(each, tokens):
                preempted.append(self._policy.victim(state))
                self._send_back(preempted[-1])
            grown.append((each, tokens))
        return [(each, tokens) for each, tokens in grown if each not in preempted]
