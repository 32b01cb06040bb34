"""Iteration-level scheduling of requests, first come first served (Orca, Yu et al., OSDI 2022).

A request waits until it is admitted, in the order of arrival. It is admitted when the batch has a free slot, and the KV
cache has space for its prompt and its whole output, so that it is never preempted. Before each iteration, the scheduler
admits requests and then selects sequences by policy. An iteration cannot be interrupted. The iteration that completes a
prompt produces the first output token, and each decode step produces one more. A sequence leaves the batch when it has
all of its output tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pimsim.studies.serving.iteration_costs import Groups
from pimsim.studies.serving.iteration_table import IterationRecord, IterationTable
from pimsim.studies.serving.step_cost import StepCost

Progress = Callable[[int, int], None]
"""Function of the number of finished and of all requests, called at most `PROGRESS_STEPS` times per run."""

CostOf = Callable[[Groups, int], StepCost]
"""Function of the groups of an iteration and its number of output tokens, which returns the cost of the iteration."""

PROGRESS_STEPS = 200
"""Approximate number of progress reports per run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the scheduler.

    Attributes:
        max_batch: Largest number of admitted requests.
        policy: "prefill_first", "decode_first" or "mixed"; see docs/serving.md.
        prefill_tokens: Largest number of prompt tokens per iteration; None means no limit.
        kv_capacity_bytes: Memory that is left for KV caches, bytes; None means no limit.
    """

    max_batch: int
    policy: str
    prefill_tokens: int | None
    kv_capacity_bytes: int | None


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


@dataclass(slots=True)
class _Sequence:
    """An admitted request; it decodes when `entries`, its current number of KV entries, reaches `prompt`."""

    number: int
    prompt: int
    output: int
    kv_bytes: int
    admitted_ps: int
    first_token_ps: int = 0
    entries: int = 0
    produced: int = 0
    dynamic_energy_j: float = 0.0
    leakage_energy_j: float = 0.0


class Scheduler:
    """Scheduler of one run. `finished` and `iterations` contain the records so far.

    Args:
        arrivals: Requests in the order of arrival.
        limits: Limits of batch, KV cache and prompt tokens, and the policy.
        cost_of: Function that returns the cost of an iteration.
    """

    def __init__(self, arrivals: Sequence[Arrival], limits: Limits, cost_of: CostOf) -> None:
        self.arrivals, self.limits, self._cost_of = arrivals, limits, cost_of
        self.finished: list[Finished] = []
        self.iterations = IterationTable()
        self._now_ps = 0
        self._arrived = 0
        self._admitted = 0
        self._running: list[_Sequence] = []
        self._kv_bytes = 0

    def run(self, progress: Progress | None = None) -> None:
        """Serve all requests.

        Args:
            progress: Function to report progress to; None means no reports.
        """
        count, reported = len(self.arrivals), 0
        while len(self.finished) < count:
            self._admit()
            if self._running:
                self._iterate()
            else:
                self._now_ps = max(self._now_ps, self.arrivals[self._admitted].arrival_ps)
                self._note_arrivals()
            if progress is not None and (len(self.finished) - reported) * PROGRESS_STEPS >= count:
                reported = len(self.finished)
                progress(reported, count)

    def _note_arrivals(self) -> None:
        arrivals = self.arrivals
        while self._arrived < len(arrivals) and arrivals[self._arrived].arrival_ps <= self._now_ps:
            self._arrived += 1

    def _admit(self) -> None:
        arrivals, limits = self.arrivals, self.limits
        if limits.policy == "decode_first" and self._running:
            return
        while self._admitted < self._arrived and len(self._running) < limits.max_batch:
            each = arrivals[self._admitted]
            if limits.kv_capacity_bytes is not None and self._kv_bytes + each.kv_bytes > limits.kv_capacity_bytes:
                return
            self._running.append(
                _Sequence(self._admitted, each.prompt_tokens, each.output_tokens, each.kv_bytes, self._now_ps)
            )
            self._kv_bytes += each.kv_bytes
            self._admitted += 1

    def _select(self) -> list[tuple[_Sequence, int]]:
        """Select the sequences of the next iteration by policy.

        Returns:
            Sequences, each with its number of new tokens.
        """
        prefilling = [each for each in self._running if each.entries < each.prompt]
        if not prefilling:
            return [(each, 1) for each in self._running]
        mixed = self.limits.policy == "mixed"
        chosen = [(each, 1) for each in self._running if each.entries >= each.prompt] if mixed else []
        budget = self.limits.prefill_tokens
        for index, each in enumerate(prefilling):
            tokens = each.prompt - each.entries
            if budget is not None and tokens > budget:
                if mixed:
                    tokens = budget
                elif index:
                    break
            if not tokens:
                break
            chosen.append((each, tokens))
            if budget is not None:
                budget = max(0, budget - tokens)
        return chosen

    def _iterate(self) -> None:
        chosen = self._select()
        shapes: dict[tuple[int, int], int] = {}
        prefills = outputs = new_tokens = 0
        for each, tokens in chosen:
            context = each.entries + tokens
            shape = (tokens, context)
            shapes[shape] = shapes.get(shape, 0) + 1
            new_tokens += tokens
            prefills += each.entries < each.prompt
            outputs += context >= each.prompt
        groups = tuple(sorted((*shape, sequences) for shape, sequences in shapes.items()))
        cost = self._cost_of(groups, outputs)
        start_ps, self._now_ps = self._now_ps, self._now_ps + cost.latency_ps
        self._note_arrivals()
        self.iterations.append(
            IterationRecord(
                start_ps=start_ps,
                end_ps=self._now_ps,
                prefills=prefills,
                decodes=len(chosen) - prefills,
                new_tokens=new_tokens,
                running=len(self._running),
                waiting=self._arrived - self._admitted,
                kv_bytes=self._kv_bytes,
                dynamic_energy_j=cost.shared_j + sum(cost.attention_j),
                leakage_energy_j=cost.leakage_j,
                estimated=cost.estimated,
                traffic=cost.traffic,
            )
        )
        self._attribute(chosen, groups, cost, new_tokens)
        if any(each.produced == each.output for each, _ in chosen):
            self._running = [each for each in self._running if each.produced < each.output]

    def _attribute(self, chosen: list[tuple[_Sequence, int]], groups: Groups, cost: StepCost, new_tokens: int) -> None:
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
        per_token_j = cost.shared_j / new_tokens
        leakage_j = cost.leakage_j / len(chosen)
        attention_j = {group[:2]: energy_j / group[2] for group, energy_j in zip(groups, cost.attention_j, strict=True)}
        for each, tokens in chosen:
            each.entries += tokens
            each.dynamic_energy_j += tokens * per_token_j + attention_j[tokens, each.entries]
            each.leakage_energy_j += leakage_j
            if each.entries < each.prompt:
                continue
            if not each.produced:
                each.first_token_ps = self._now_ps
            each.produced += 1
            if each.produced == each.output:
                self._kv_bytes -= each.kv_bytes
                self.finished.append(
                    Finished(
                        each.number,
                        each.admitted_ps,
                        each.first_token_ps,
                        self._now_ps,
                        each.dynamic_energy_j,
                        each.leakage_energy_j,
                    )
                )
