"""What an iteration takes, from the engine.

Under the serial schedule the ops of a pass follow one another, so that what a pass over unlike sequences takes is the
sum of what its parts do: the weights for all new tokens, and the attention of each group of like sequences. Each part
is a trace that `simulate` runs, once; no iteration is estimated (method "parts").

Under the dataflow schedule parts overlap, so that each distinct iteration is simulated as a whole (method "whole").
That takes a fraction of a second, and a long run has thousands; once `serving.max_simulated_steps` have been
simulated, a decode step over unlike contexts takes what one over as many sequences at their mean context does, on the
straight line between two contexts of a grid (method "grid").

Either way a few of the run's own iterations are simulated as a whole at the end, and the largest deviation is part of
the result: 0 where nothing was estimated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from pimsim.base.errors import WorkloadInputError
from pimsim.base.units import ps_to_s
from pimsim.config.schema import MAX_CONTEXT_LENGTH, Config
from pimsim.engine import Memo
from pimsim.results.run_result import RunResult
from pimsim.simulation import model_spec, simulate
from pimsim.steps.records import OpRecord
from workloads.decoder_ops import SequenceGroup, attention_part, mixed_step, weights_part
from workloads.trace import Trace
from workloads.workload_errors import WorkloadError

Groups = tuple[tuple[int, int, int], ...]
"""What is in an iteration, in order: (queries, context, sequences), as of `workloads.decoder_ops.SequenceGroup`."""

GRID = 64
"""Contexts of the grid lie so far apart."""

CHECKED_STEPS = 8
"""So many iterations are simulated as a whole in the end, at most."""

METHODS = ("parts", "whole", "grid")

ATTENTION_KINDS = ("attention_scores", "softmax", "attention_values")

_KEPT_SAMPLES = 64
_REMEMBERED_GROUPS = 2
"""Iterations of more groups hardly ever come again, so that remembering them fills memory only."""


class StepCost(NamedTuple):
    """What an iteration takes: `attention_j` has the dynamic energy of each group's attention, `shared_j` all other.

    `estimated` is 1 if it was interpolated, else 0.
    """

    latency_ps: int
    shared_j: float
    attention_j: tuple[float, ...]
    leakage_j: float
    estimated: int = 0

    @property
    def energy_j(self) -> float:
        """All of its energy."""
        return math.fsum((self.shared_j, *self.attention_j, self.leakage_j))


class _Part(NamedTuple):
    """What is kept of the run of a part."""

    latency_ps: int
    dynamic_j: float
    leakage_j: float


@dataclass(frozen=True, slots=True)
class StepCheck:
    """Iterations that were simulated as a whole in the end, and by how much the ones used had differed, at most."""

    steps: int
    latency_error: float
    energy_error: float


class StepCosts:
    """What iterations of a config's model on its machine take; remembers what has been simulated."""

    def __init__(self, config: Config) -> None:
        if config.workload.model is None:
            raise WorkloadInputError("workload.model: requests need a model; a trace file is one pass only")
        self._config = config
        self._spec = model_spec(config)
        self._options = {"embedding": config.workload.embedding, "lm_head": config.workload.lm_head}
        self._serial = config.schedule == "serial"
        self._memo: Memo = {}
        self._steps: dict[tuple[Groups, int], StepCost] = {}
        self._wholes: dict[tuple[Groups, int], StepCost] = {}
        self._weights: dict[tuple[int, int], _Part] = {}
        self._attention: dict[tuple[int, int, int], _Part] = {}
        self._samples: list[tuple[Groups, int, StepCost]] = []
        self._stride, self._seen = 1, 0
        self.idle_power_w = 0.0
        """Leakage of a machine that waits for requests."""
        self.simulations = 0
        """Runs of the engine so far."""

    @property
    def model(self) -> str:
        """The model's name."""
        return self._spec.name

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of a token's entries in the KV caches of all layers."""
        return self._spec.kv_bytes_per_token()

    def of(self, groups: Groups, outputs: int) -> StepCost:
        """What an iteration of these groups takes, after which `outputs` sequences have a new token.

        Raises as `simulate` does.
        """
        cost = self._steps.get((groups, outputs))
        if cost is None:
            if self._serial:
                cost = self._sum_of_parts(groups, outputs)
            elif len(self._wholes) < self._config.serving.max_simulated_steps:
                cost = self._whole(groups, outputs)
            else:
                cost = self._on_grid(groups, outputs)
            if len(groups) <= _REMEMBERED_GROUPS or not self._serial:
                self._steps[groups, outputs] = cost
            if self._serial or cost.estimated:
                self._sample(groups, outputs, cost)
        return cost

    def check(self) -> StepCheck:
        """Simulate some of the iterations as a whole, and compare."""
        count = min(CHECKED_STEPS, len(self._samples))
        chosen = [self._samples[index * len(self._samples) // count] for index in range(count)]
        latency_error = energy_error = 0.0
        for groups, outputs, cost in chosen:
            exact = self._whole(groups, outputs)
            latency_error = max(latency_error, abs(cost.latency_ps / exact.latency_ps - 1))
            if exact.energy_j:
                energy_error = max(energy_error, abs(cost.energy_j / exact.energy_j - 1))
        return StepCheck(count, latency_error, energy_error)

    def _sample(self, groups: Groups, outputs: int, cost: StepCost) -> None:
        """Keep every first, second, fourth ... iteration: a few from all of the run, whatever its length."""
        if self._seen % self._stride == 0:
            self._samples.append((groups, outputs, cost))
        self._seen += 1
        if len(self._samples) > _KEPT_SAMPLES:
            self._samples, self._stride = self._samples[::2], 2 * self._stride

    def _simulate(self, trace: Trace) -> RunResult:
        self.simulations += 1
        return simulate(self._config, trace, memo=self._memo)

    def _sum_of_parts(self, groups: Groups, outputs: int) -> StepCost:
        vectors = sum(queries * sequences for queries, _, sequences in groups)
        weights = self._weights.get((vectors, outputs))
        if weights is None:
            with _explained():
                trace = weights_part(self._spec, vectors, outputs, **self._options)
            self._weights[vectors, outputs] = weights = _part(self._simulate(trace))
        parts = [self._attention_of(group) for group in groups]
        latency_ps = weights.latency_ps + sum(part.latency_ps for part in parts)
        if self._config.leakage_gating == "off":
            # Of all that the machine has, also of tiles that attention by itself would not know of.
            leakage_j = self._note_power(weights) * ps_to_s(latency_ps)
        else:
            leakage_j = weights.leakage_j + sum(part.leakage_j for part in parts)
        return StepCost(latency_ps, weights.dynamic_j, tuple(part.dynamic_j for part in parts), leakage_j)

    def _attention_of(self, group: tuple[int, int, int]) -> _Part:
        part = self._attention.get(group)
        if part is None:
            queries, context, sequences = group
            with _explained():
                trace = attention_part(self._spec, SequenceGroup(sequences, queries, context))
            self._attention[group] = part = _part(self._simulate(trace))
        return part

    def _whole(self, groups: Groups, outputs: int) -> StepCost:
        cost = self._wholes.get((groups, outputs))
        if cost is None:
            with _explained():
                shapes = [SequenceGroup(sequences, queries, context) for queries, context, sequences in groups]
                trace = mixed_step(self._spec, shapes, outputs=outputs, **self._options)
            result = self._simulate(trace)
            if self._config.leakage_gating == "off":
                self._note_power(_part(result))
            attention_j = [0.0] * len(groups)
            shared_j = 0.0
            for op in result.ops:
                energy_j = op.repeat * math.fsum(result.dynamic_energy_j(op.counts).values())
                if op.kind in ATTENTION_KINDS:
                    attention_j[_group_of(op)] += energy_j
                else:
                    shared_j += energy_j
            cost = StepCost(result.latency_ps, shared_j, tuple(attention_j), _leakage_j(result))
            self._wholes[groups, outputs] = cost
        return cost

    def _on_grid(self, groups: Groups, outputs: int) -> StepCost:
        """As many sequences at the contexts of the grid below and above the mean; prompts and chunks as they are."""
        decodes = [group for group in groups if group[0] == 1]
        if not decodes:
            return self._whole(groups, outputs)
        others = tuple(group for group in groups if group[0] > 1)
        sequences = sum(each for _, _, each in decodes)
        entries = sum(context * each for _, context, each in decodes)
        below = max(1, entries // sequences // GRID * GRID)
        above = min(entries // sequences // GRID * GRID + GRID, MAX_CONTEXT_LENGTH)
        low, high = (self._whole(((1, context, sequences), *others), outputs) for context in (below, above))
        share = (entries / sequences - below) / (above - below) if above > below else 0.0
        decode_j = _between(low.attention_j[0], high.attention_j[0], share)
        other_j = iter(_between(x, y, share) for x, y in zip(low.attention_j[1:], high.attention_j[1:], strict=True))
        return StepCost(
            latency_ps=round(_between(low.latency_ps, high.latency_ps, share)),
            shared_j=_between(low.shared_j, high.shared_j, share),
            attention_j=tuple(
                decode_j * context * each / entries if queries == 1 else next(other_j)
                for queries, context, each in groups
            ),
            leakage_j=_between(low.leakage_j, high.leakage_j, share),
            estimated=1,
        )

    def _note_power(self, part: _Part) -> float:
        """Leakage of the whole machine, which a run without gating has all the time."""
        self.idle_power_w = part.leakage_j / ps_to_s(part.latency_ps)
        return self.idle_power_w


@contextmanager
def _explained() -> Iterator[None]:
    """Shapes that no trace has, as an error of ours."""
    try:
        yield
    except WorkloadError as error:
        raise WorkloadInputError(str(error)) from error


def _group_of(op: OpRecord) -> int:
    _, _, number = op.name.partition(":")
    return int(number or 0)


def _part(result: RunResult) -> _Part:
    dynamic_j = math.fsum(result.dynamic_energy_j(result.counts).values())
    return _Part(result.latency_ps, dynamic_j, _leakage_j(result))


def _leakage_j(result: RunResult) -> float:
    return math.fsum(component.leakage_j for component in result.components)


def _between(low: float, high: float, share: float) -> float:
    return low + share * (high - low)
