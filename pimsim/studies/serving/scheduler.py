"""Which sequences each iteration has: iteration-level scheduling, as of Orca (OSDI 2022), first come first served.

A request that arrives waits until it is admitted: when a place in the batch is free, and so much of the KV cache that
it will never have to be taken out again (its prompt and all of its output). Nobody overtakes. Before each iteration
the scheduler admits whom it can, then chooses by policy; an iteration cannot be interrupted. The pass that ends a
prompt puts out the first token, each decode step another; a sequence that has all of its tokens leaves at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pimsim.studies.serving.iteration_costs import Groups, StepCost

Progress = Callable[[int, int], None]
"""Told now and then how many requests are finished, of how many."""

CostOf = Callable[[Groups, int], StepCost]

PROGRESS_STEPS = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """The `serving` section of a config, and what a token takes in the KV cache."""

    max_batch: int
    policy: str
    prefill_tokens: int | None
    kv_capacity_bytes: int | None
    kv_bytes_per_token: int


class Arrival(NamedTuple):
    """A request as the scheduler sees it; `kv_entries` is the most that its cache will hold."""

    arrival_ps: int
    prompt_tokens: int
    output_tokens: int
    kv_entries: int


class Finished(NamedTuple):
    """What became of a request, by its number; energies are its share of its iterations'."""

    number: int
    admitted_ps: int
    first_token_ps: int
    finished_ps: int
    dynamic_energy_j: float
    leakage_energy_j: float


class IterationRecord(NamedTuple):
    """One iteration: its sequences in prefill and in decode, and its new tokens, of `running` that are admitted.

    `waiting` requests are not admitted yet when it ends, which is when there are most. `kv_bytes` is what is reserved
    for those in the machine; `estimated` is 1 if its time was interpolated.
    """

    start_ps: int
    end_ps: int
    prefills: int
    decodes: int
    new_tokens: int
    running: int
    waiting: int
    kv_bytes: int
    dynamic_energy_j: float
    leakage_energy_j: float
    estimated: int


@dataclass(slots=True)
class _Sequence:
    """A request in the machine; `entries` are those of its KV cache, its whole prompt's before it decodes."""

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
    """One run over requests in order of arrival. What is done so far is in `finished` and `iterations`."""

    def __init__(self, arrivals: Sequence[Arrival], limits: Limits, cost_of: CostOf) -> None:
        self.arrivals, self.limits, self._cost_of = arrivals, limits, cost_of
        self.finished: list[Finished] = []
        self.iterations: list[IterationRecord] = []
        self._now_ps = 0
        self._arrived = 0
        self._admitted = 0
        self._running: list[_Sequence] = []
        self._kv_bytes = 0

    def run(self, progress: Progress | None = None) -> None:
        """Serve all requests."""
        count, told = len(self.arrivals), 0
        while len(self.finished) < count:
            self._admit()
            if self._running:
                self._iterate()
            else:
                self._now_ps = max(self._now_ps, self.arrivals[self._admitted].arrival_ps)
                self._note_arrivals()
            if progress is not None and (len(self.finished) - told) * PROGRESS_STEPS >= count:
                told = len(self.finished)
                progress(told, count)

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
            kv_bytes = each.kv_entries * limits.kv_bytes_per_token
            if limits.kv_capacity_bytes is not None and self._kv_bytes + kv_bytes > limits.kv_capacity_bytes:
                return
            self._running.append(
                _Sequence(self._admitted, each.prompt_tokens, each.output_tokens, kv_bytes, self._now_ps)
            )
            self._kv_bytes += kv_bytes
            self._admitted += 1

    def _chosen(self) -> list[tuple[_Sequence, int]]:
        """The sequences of the next iteration, each with its number of new tokens."""
        prefilling = [each for each in self._running if each.entries < each.prompt]
        if not prefilling:
            return [(each, 1) for each in self._running]
        mixed = self.limits.policy == "mixed"
        chosen = [(each, 1) for each in self._running if each.entries >= each.prompt] if mixed else []
        budget = self.limits.prefill_tokens
        for place, each in enumerate(prefilling):
            tokens = each.prompt - each.entries
            if budget is not None and tokens > budget:
                if mixed:
                    tokens = budget
                elif place:
                    break
            if not tokens:
                break
            chosen.append((each, tokens))
            if budget is not None:
                budget = max(0, budget - tokens)
        return chosen

    def _iterate(self) -> None:
        chosen = self._chosen()
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
            )
        )
        self._share_out(chosen, groups, cost, new_tokens)
        if any(each.produced == each.output for each, _ in chosen):
            self._running = [each for each in self._running if each.produced < each.output]

    def _share_out(self, chosen: list[tuple[_Sequence, int]], groups: Groups, cost: StepCost, new_tokens: int) -> None:
        """Tokens and energy to those that were in the iteration: attention to whose it is, the rest by new tokens."""
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
