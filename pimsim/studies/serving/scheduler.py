"""Iteration-level scheduling of requests (Orca, Yu et al., OSDI 2022); policies choose within its limits.

A request waits until it is admitted, with a free slot in the batch and KV space for its prompt and its whole output.
Before each iteration, the policy may preempt requests, which gives back their KV space; then it admits requests and
selects sequences. The shipped policies admit in the order of arrival and preempt nothing. An iteration cannot be
interrupted. The iteration that completes a prompt produces the first output token, and each decode step produces one
more. A sequence leaves the batch when it has all of its output tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pimsim.base.errors import PluginError
from pimsim.studies.serving.iteration_costs import Groups
from pimsim.studies.serving.iteration_table import IterationRecord, IterationTable
from pimsim.studies.serving.outside_policy import build_policy
from pimsim.studies.serving.policies import POLICIES, Chosen, Limits, SchedulerState, ServedRequest
from pimsim.studies.serving.step_cost import StepCost

Progress = Callable[[int, int], None]
"""Function of the number of finished and of all requests, called at most `PROGRESS_STEPS` times per run."""

CostOf = Callable[[Groups, int], StepCost]
"""Function of the groups of an iteration and its number of output tokens, which returns the cost of the iteration."""

PROGRESS_STEPS = 200
"""Approximate number of progress reports per run."""


class Arrival(NamedTuple):
    """A request as the scheduler sees it.

    Attributes:
        arrival_ps: Arrival time, ps.
        prompt_tokens: Length of the prompt, tokens.
        output_tokens: Length of the output, tokens.
        kv_bytes: Largest size of the KV cache of the request, bytes.
    """

    arrival_ps: int
    prompt_tokens: int
    output_tokens: int
    kv_bytes: int


class Finished(NamedTuple):
    """A finished request.

    Attributes:
        number: Index of the request in the order of arrival.
        admitted_ps: Time of admission, ps.
        first_token_ps: End of the iteration that completed the prompt, ps.
        finished_ps: End of the iteration with the last output token, ps.
        dynamic_energy_j: Share of the dynamic energy of its iterations, joules.
        leakage_energy_j: Share of the leakage energy of its iterations, joules.
    """

    number: int
    admitted_ps: int
    first_token_ps: int
    finished_ps: int
    dynamic_energy_j: float
    leakage_energy_j: float


class Scheduler:
    """Scheduler of one run. `finished` and `iterations` contain the records so far.

    `preemptions` counts preempted requests, and `recomputed_tokens` the KV entries that they have lost.

    Args:
        arrivals: Requests in the order of arrival.
        limits: Limits of batch, KV cache and prompt tokens, and the policy.
        cost_of: Function that returns the cost of an iteration.
    """

    def __init__(self, arrivals: Sequence[Arrival], limits: Limits, cost_of: CostOf) -> None:
        self.arrivals, self.limits, self._cost_of = arrivals, limits, cost_of
        self.finished: list[Finished] = []
        self.iterations = IterationTable()
        self.preemptions = 0
        self.recomputed_tokens = 0
        self._policy = build_policy(limits.policy)
        self._state = SchedulerState(limits)
        self._arrived = 0
        self._preemptions_without_output = 0

    def run(self, progress: Progress | None = None) -> None:
        """Serve all requests.

        Args:
            progress: Function to report progress to; None means no reports.
        """
        count, reported, state = len(self.arrivals), 0, self._state
        while len(self.finished) < count:
            self._preempt()
            self._admit()
            if state.running:
                self._iterate()
            else:
                self._wait()
            if progress is not None and (len(self.finished) - reported) * PROGRESS_STEPS >= count:
                reported = len(self.finished)
                progress(reported, count)

    def _wait(self) -> None:
        """Advance the time to the next arrival, because no request is admitted.

        Raises:
            PluginError: If no request will arrive, so that the policy would never admit one.
        """
        if self._arrived == len(self.arrivals):
            raise PluginError(
                f"{POLICIES.describe(self.limits.policy)}: admits none of {len(self._state.waiting):,} waiting "
                "requests while the machine is idle and no other request will arrive: no progress"
            )
        self._state.now_ps = max(self._state.now_ps, self.arrivals[self._arrived].arrival_ps)
        self._note_arrivals()

    def _note_arrivals(self) -> None:
        arrivals, state = self.arrivals, self._state
        while self._arrived < len(arrivals) and arrivals[self._arrived].arrival_ps <= state.now_ps:
            each = arrivals[self._arrived]
            state.waiting.append(ServedRequest(self._arrived, *each, fill_tokens=each.prompt_tokens))
            self._arrived += 1

    def _preempt(self) -> None:
        """Take KV space back from the requests that the policy preempts; their KV entries are lost.

        Raises:
            PluginError: If the policy preempts again and again and no output token is produced in between.
        """
        state = self._state
        for each in self._policy.preempt(state):
            state.running.remove(each)
            state.kv_bytes -= each.kv_bytes
            self.preemptions += 1
            self.recomputed_tokens += each.entries
            self._preemptions_without_output += 1
            each.entries, each.fill_tokens = 0, each.prompt_tokens + each.produced
            place = next((at for at, other in enumerate(state.waiting) if other.number > each.number), None)
            state.waiting.insert(len(state.waiting) if place is None else place, each)
        if self._preemptions_without_output > len(self.arrivals):
            raise PluginError(
                f"{POLICIES.describe(self.limits.policy)}: has preempted {self._preemptions_without_output:,} times "
                "since the last output token: no progress"
            )

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
            state.kv_bytes += each.kv_bytes

    def _iterate(self) -> None:
        state = self._state
        chosen = self._policy.select(state)
        shapes: dict[tuple[int, int], int] = {}
        prefills = outputs = new_tokens = 0
        for each, tokens in chosen:
            context = each.entries + tokens
            shape = (tokens, context)
            shapes[shape] = shapes.get(shape, 0) + 1
            new_tokens += tokens
            prefills += each.entries < each.fill_tokens
            outputs += context >= each.fill_tokens
        groups = tuple(sorted((*shape, sequences) for shape, sequences in shapes.items()))
        cost = self._cost_of(groups, outputs)
        start_ps, state.now_ps = state.now_ps, state.now_ps + cost.latency_ps
        self._note_arrivals()
        self.iterations.append(
            IterationRecord(
                start_ps=start_ps,
                end_ps=state.now_ps,
                prefills=prefills,
                decodes=len(chosen) - prefills,
                new_tokens=new_tokens,
                running=len(state.running),
                waiting=len(state.waiting),
                kv_bytes=state.kv_bytes,
                dynamic_energy_j=cost.shared_j + sum(cost.attention_j),
                leakage_energy_j=cost.leakage_j,
                estimated=cost.estimated,
                traffic=cost.traffic,
            )
        )
        self._attribute(chosen, groups, cost, new_tokens)
        if any(each.produced == each.output_tokens for each, _ in chosen):
            state.running = [each for each in state.running if each.produced < each.output_tokens]

    def _attribute(self, chosen: Chosen, groups: Groups, cost: StepCost, new_tokens: int) -> None:
        """Add tokens and energy of an iteration to its sequences, and remove the sequences that are complete.

        Attention energy goes to the sequences of the group, other dynamic energy is divided by new tokens, and leakage
        is divided equally.

        Args:
            chosen: Sequences of the iteration, each with its number of new tokens.
            groups: Groups of sequences with equal shapes.
            cost: Cost of the iteration; `attention_j` is in the order of `groups`.
            new_tokens: Number of new tokens of all sequences.

        Reference:
            docs/serving.md, eq. (5).
        """
        state = self._state
        per_token_j = cost.shared_j / new_tokens
        leakage_j = cost.leakage_j / len(chosen)
        attention_j = {group[:2]: energy_j / group[2] for group, energy_j in zip(groups, cost.attention_j, strict=True)}
        for each, tokens in chosen:
            each.entries += tokens
            each.dynamic_energy_j += tokens * per_token_j + attention_j[tokens, each.entries]
            each.leakage_energy_j += leakage_j
            if each.entries < each.fill_tokens:
                continue
            if not each.produced:
                each.first_token_ps = state.now_ps
            each.produced += 1
            self._preemptions_without_output = 0
            if each.produced == each.output_tokens:
                state.kv_bytes -= each.kv_bytes
                self.finished.append(
                    Finished(
                        each.number,
                        each.admitted_ps,
                        each.first_token_ps,
                        state.now_ps,
                        each.dynamic_energy_j,
                        each.leakage_energy_j,
                    )
                )
