"""Latency and energy of iterations, from simulation.

Under the serial schedule, the ops of an iteration run one after another. The cost of an iteration is therefore the sum
of the costs of its slices: the weight ops for all new tokens, and the attention of each group of sequences with equal
shape. Each slice is a trace that is simulated once. No iteration is estimated (method "parts").

Under the other schedules, slices overlap, so each distinct iteration is simulated in full (method "whole"). One
simulation needs a fraction of a second, and a long run has thousands of iterations. After
`serving.max_simulated_steps` simulations, a decode step over sequences with different contexts is estimated: as a step
over the same number of sequences at their mean context (with windows: the context with the mean number of entries that
they attend to), interpolated between two contexts of a grid (method "grid").

At the end, a few iterations are simulated in full. The largest deviation is part of the result.

What is kept to be used again is emptied at a limit and simulated again, so memory does not grow with the iterations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from pimsim.base.errors import WorkloadInputError, show
from pimsim.base.units import ps_to_s
from pimsim.config.schema import Config
from pimsim.engine import Memo
from pimsim.mapping.pass_options import complete_options, counted_options
from pimsim.mapping.port_notes import is_short_of_port
from pimsim.results.accounting import Accounting
from pimsim.results.run_result import RunResult
from pimsim.results.step_interpolation import check_interpolable
from pimsim.simulation import model_spec, simulate_figures
from pimsim.studies.serving.accounting_terms import AccountingTerms
from pimsim.studies.serving.decode_table import DecodeStretch
from pimsim.studies.serving.grid_cost import grid_cost
from pimsim.studies.serving.serial_slices import SerialSlices
from pimsim.studies.serving.simulated_slice import as_input_error, leakage_energy_j, whole_machine_power_w
from pimsim.studies.serving.step_cost import Groups as Groups
from pimsim.studies.serving.step_cost import StepCheck as StepCheck
from pimsim.studies.serving.step_cost import StepCost
from workloads.decoder_attention import ATTENTION_OPS
from workloads.decoder_ops import PassOptions, mixed_step
from workloads.decoder_pass import SequenceGroup
from workloads.requests import Request
from workloads.trace import Trace

CHECKED_STEPS = 8
"""Largest number of iterations that are simulated in full at the end, to check the costs."""

METHODS = ("parts", "whole", "grid")
"""Methods that determine the cost of iterations; see the module docstring."""

_KEPT_SAMPLES = 64
_CACHED_GROUPS = 2
"""Serial iterations with more groups are not cached: they almost never repeat, so the cache would only use memory."""

MAX_MEMO_ENTRIES = 20_000
"""Steps of components that are kept; about 1.6 kB each."""
MAX_STEPS = 30_000
"""Costs of iterations that are kept; about 1 kB each."""
MAX_SLICES = 100_000
"""Simulated slices that are kept (serial schedule); about 0.9 kB each."""
MAX_WHOLES = 20_000
"""Fully simulated iterations that are kept (other schedules), or `serving.max_simulated_steps`; about 1.5 kB each."""


class StepCosts:
    """Costs of the iterations of a config's model on its machine, with a cache of all simulations.

    Args:
        config: Config; `workload.model` selects the model.

    Raises:
        WorkloadInputError: If the config has a trace file, also beside a model, which the trace would replace.
    """

    def __init__(self, config: Config) -> None:
        if config.workload.model is None:
            raise WorkloadInputError("workload.model: serving needs a model; a trace file contains only one pass")
        if config.workload.trace is not None:
            raise WorkloadInputError(
                f"workload.trace: {show(config.workload.trace)}: serving needs a model; a trace file contains only one "
                "pass. Set workload.trace to null to serve workload.model"
            )
        # A slice, or a step at another context of the grid, says nothing about capacity: `serve` reserves the memory.
        memory = config.machine.memory.model_copy(update={"capacity_bytes": None})
        machine = config.machine.model_copy(update={"memory": memory})
        # Iterations are traces of their own. The phase is not used, but "load" would load the weights in their place.
        workload = config.workload.model_copy(update={"phase": "decode"})
        self._config = config.model_copy(update={"machine": machine, "workload": workload})
        self.spec = model_spec(config)
        """The model."""
        self._options = counted_options(config)
        self._reach = self._options["kv"].reach(self.spec)
        """Context beyond which a decode step does not change, because all layers drop tokens; else None."""
        self._everything = complete_options(config)
        self._serial = config.schedule == "serial"
        self._memo: Memo = {}
        self._terms = AccountingTerms()
        self._steps: dict[tuple[Groups, int], StepCost] = {}
        self._wholes: dict[tuple[Groups, int], StepCost] = {}
        self._simulated: set[tuple[Groups, int]] = set()
        """Iterations that are simulated in full because they came before `serving.max_simulated_steps` was reached."""
        self._interpolates = False
        self._slices = SerialSlices(self._config, self.spec, self._reach, self._simulate_slice)
        self._kv_bytes: dict[int, int] = {}
        self._samples: list[tuple[Groups, int, StepCost]] = []
        self._stride, self._seen = 1, 0
        self.whole_power_w = 0.0
        """Leakage power of the whole machine if nothing were gated, watts."""
        self.simulations = 0
        """Number of simulations so far."""

    def of(self, groups: Groups, outputs: int) -> StepCost:
        """Return the cost of an iteration.

        Args:
            groups: Groups of sequences, each (queries, context, sequences).
            outputs: Number of sequences that produce an output token.

        Returns:
            Latency and energy, simulated or interpolated.

        Raises:
            WorkloadInputError: If no trace has these shapes.
            CapacityError: If the model needs more tiles than the machine has.
        """
        cost = self._steps.get((groups, outputs))
        if cost is None:
            self._limit_memory()
            if self._serial:
                cost = self._sum_of_slices(groups, outputs)
            elif self._is_simulated(groups, outputs):
                cost = self._whole(groups, outputs)
            else:
                cost = self._on_grid(groups, outputs)
            if len(groups) <= _CACHED_GROUPS or not self._serial:
                self._steps[groups, outputs] = cost
            if self._serial or cost.estimated:
                self._sample(groups, outputs, cost)
        for term, weight in cost.terms:
            self._terms.use(term, weight)
        return cost

    def expect(self, requests: Sequence[Request]) -> None:
        """Note what will be asked; costs do not depend on it, only the number of simulations does.

        Args:
            requests: Requests that will be served.
        """
        self._slices.expect(requests)

    def stretch(self, contexts: Sequence[tuple[int, int]]) -> DecodeStretch | None:
        """Return decode iterations of the same sequences, whose contexts grow by one each time.

        Args:
            contexts: Contexts of the first iteration in increasing order, each with its number of sequences.

        Returns:
            The iterations; None if they are not sums of slices (schedules other than serial).

        Raises:
            WorkloadInputError: If no trace has these shapes.
            CapacityError: If the model needs more tiles than the machine has.
        """
        if not self._serial:
            return None
        self._limit_memory()
        sequences = sum(count for _, count in contexts)
        weights = self._slices.weights(sequences, sequences)
        powers_w = {"ungated": self.whole_power_w, "not_charged": 0.0}
        return self._slices.stretch(weights, contexts, powers_w.get(self._config.leakage_gating))

    def use(self, stretch: DecodeStretch, steps: int) -> None:
        """Count the first iterations of a stretch as a part of the run.

        Args:
            stretch: The stretch.
            steps: Number of its iterations.
        """
        stretch.use(steps)
        for term, weight in stretch.weights.terms:
            self._terms.use(term, steps * weight)
        if self._seen % self._stride:
            self._seen += 1
            return
        middle = steps // 2
        groups = tuple((1, context + middle, count) for context, count in stretch.contexts)
        self._sample(groups, sum(count for _, _, count in groups), stretch.cost(middle))

    def accounting(self) -> Accounting:
        """Return what the iterations since the last call count and leave out, without leakage.

        Returns:
            Sum over all iterations. Leakage depends on the whole machine and on idle times, and is not included.
        """
        self._count_stretches()
        return self._terms.take_total()

    def _count_stretches(self) -> None:
        for term, weight in self._slices.take_uses().items():
            self._terms.use(term, weight)

    def _is_simulated(self, groups: Groups, outputs: int) -> bool:
        """Return whether an iteration is one of the first `serving.max_simulated_steps`, which are not interpolated.

        Args:
            groups: Groups of the iteration.
            outputs: Number of output tokens.

        Returns:
            The same answer for the same iteration, whatever is still kept of it.
        """
        self._interpolates |= len(self._wholes) >= self._config.serving.max_simulated_steps
        if not self._interpolates:
            self._simulated.add((groups, outputs))
        return (groups, outputs) in self._simulated

    def _limit_memory(self) -> None:
        """Empty what has reached its limit; called before an iteration, whose slices have to stay until it is done."""
        if len(self._steps) >= MAX_STEPS:
            self._steps.clear()
        wholes = max(MAX_WHOLES, self._config.serving.max_simulated_steps)
        if len(self._slices) >= MAX_SLICES or len(self._wholes) > wholes:
            self._count_stretches()
            self._terms.drop()  # a slice and an iteration hold the number of their term
            self._slices.clear()
            self._steps.clear()
            self._wholes.clear()

    def kv_bytes(self, context: int) -> int:
        """Return the largest size of the KV caches of a sequence, with the scales that the config counts.

        Args:
            context: Tokens of the sequence at its end.

        Returns:
            Bytes.
        """
        found = self._kv_bytes.get(context)
        if found is None:
            found = self._kv_bytes[context] = self._options["kv"].largest_bytes(self.spec, context)
        return found

    @property
    def idle_power_w(self) -> float:
        """Leakage power that is charged while no request is admitted, watts."""
        return self.whole_power_w if self._config.leakage_gating == "ungated" else 0.0

    def check(self) -> StepCheck:
        """Simulate some iterations of the run in full, and compare them with the costs that were used.

        Returns:
            Number of compared iterations and the largest relative deviations.
        """
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
        """Keep a sample of the iterations, spread over the whole run.

        Every iteration is kept at first, then every second, every fourth and so on, so that their number is limited.

        Args:
            groups: Groups of the iteration.
            outputs: Number of output tokens of the iteration.
            cost: Cost that was used.
        """
        if self._seen % self._stride == 0:
            self._samples.append((groups, outputs, cost))
        self._seen += 1
        if len(self._samples) > _KEPT_SAMPLES:
            self._samples, self._stride = self._samples[::2], 2 * self._stride

    def _simulate(self, build: Callable[[PassOptions], Trace]) -> RunResult:
        """Return the run of the trace that `build` makes with the options of the config, with what it leaves out."""
        run, accounting_of = self._simulate_figures(build)
        return replace(run, accounting=accounting_of())

    def _simulate_figures(self, build: Callable[[PassOptions], Trace]) -> tuple[RunResult, Callable[[], Accounting]]:
        """Return the run without its accounting, and a function that returns it."""
        self.simulations += 1
        if sum(map(len, self._memo.values())) >= MAX_MEMO_ENTRIES:
            self._memo.clear()
        with as_input_error():
            trace = build(self._options)
        run, accounting_of = simulate_figures(self._config, trace, memo=self._memo)

        def accounting() -> Accounting:
            with as_input_error():
                complete = trace if self._everything == self._options else build(self._everything)
            return accounting_of(complete)

        return run, accounting

    def _simulate_slice(self, build: Callable[[PassOptions], Trace]) -> tuple[RunResult, Callable[[], int]]:
        """Return the run of a slice, and a function that returns the number of its accounting."""
        run, accounting = self._simulate_figures(build)

        def term() -> int:
            found = accounting()
            # The first slice has all weights.
            self.whole_power_w = self.whole_power_w or whole_machine_power_w(found, run.latency_ps)
            return self._terms.add(found)

        return run, term

    def _sum_of_slices(self, groups: Groups, outputs: int) -> StepCost:
        """Compute the cost of an iteration under the serial schedule as the sum of its slices.

        Args:
            groups: Groups of the iteration.
            outputs: Number of output tokens.

        Returns:
            Exact cost; each slice is simulated once, or follows from others.

        Reference:
            docs/serving.md, eq. (7).
        """
        weights = self._slices.weights(sum(queries * sequences for queries, _, sequences in groups), outputs)
        attention = [self._slices.attention(group) for group in groups]
        latency_ps = weights.latency_ps + sum(each.latency_ps for each in attention)
        if self._config.leakage_gating == "ungated":
            # The whole machine leaks all the time, including tiles that a run of attention alone does not use.
            leakage_j = self.whole_power_w * ps_to_s(latency_ps)
        else:
            leakage_j = weights.leakage_j + sum(each.leakage_j for each in attention)
        terms = tuple(term for each in (weights, *attention) for term in each.terms)
        attention_j = tuple(each.dynamic_j for each in attention)
        traffic = sum((each.traffic for each in attention), weights.traffic)
        return StepCost(latency_ps, weights.dynamic_j, attention_j, leakage_j, traffic=traffic, terms=terms)

    def _whole(self, groups: Groups, outputs: int) -> StepCost:
        cost = self._wholes.get((groups, outputs))
        if cost is None:
            with as_input_error():
                shapes = [SequenceGroup(sequences, queries, context) for queries, context, sequences in groups]
            result = self._simulate(lambda options: mixed_step(self.spec, shapes, outputs=outputs, **options))
            self.whole_power_w = self.whole_power_w or whole_machine_power_w(result.accounting, result.latency_ps)
            attention_j = [0.0] * len(groups)
            shared_j = 0.0
            for op in result.ops:
                energy_j = op.repeat * math.fsum(result.dynamic_energy_j(op.counts).values())
                name, _, number = op.name.partition(":")
                if name in ATTENTION_OPS:
                    attention_j[int(number or 0)] += energy_j
                else:
                    shared_j += energy_j
            terms = ((self._terms.add(result.accounting), 1.0),)
            leakage_j, traffic = leakage_energy_j(result), result.memory_traffic
            short = int(is_short_of_port(result.notes))
            cost = StepCost(
                result.latency_ps, shared_j, tuple(attention_j), leakage_j, 0, traffic, terms, short_of_port=short
            )
            self._wholes[groups, outputs] = cost
        return cost

    def _on_grid(self, groups: Groups, outputs: int) -> StepCost:
        """Interpolate the cost of an iteration between the two nearest contexts of the grid.

        All decode steps are replaced by the same number of decode steps at the context at which they would attend to as
        many entries: their mean context, unless the model has windows. Prompts and chunks of prompts keep their shapes.

        Args:
            groups: Groups of the iteration.
            outputs: Number of output tokens.

        Returns:
            Interpolated cost; simulated in full if the iteration has no decode steps.

        Reference:
            docs/serving.md, eq. (8).
        """
        decodes = [group for group in groups if group[0] == 1]
        if not decodes:
            return self._whole(groups, outputs)
        check_interpolable(self._config, "serving.max_simulated_steps", "raise it, set schedule=serial")
        return grid_cost(groups, self._attended, lambda at: self._whole(at, outputs))

    def _attended(self, context: int) -> float:
        """Return the number of entries that a decode step attends to, mean over the layers: `context` if all are kept.

        Args:
            context: Tokens of the sequence.

        Returns:
            Number of entries; it increases with the context, up to the windows.
        """
        if not any(self.spec.windows) and self._options["kv"].keep == "all":
            return context
        return self._options["kv"].entries(self.spec, context) / self.spec.layers
