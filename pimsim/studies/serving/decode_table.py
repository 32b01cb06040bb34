"""Attention of decode steps by context, with sums over consecutive contexts, and stretches of decode iterations.

From one decode iteration to the next, each context grows by one. Between an arrival and a completion, the sequences of
a batch stay the same, so the times and energies of these iterations are sums over consecutive contexts: differences of
prefix sums. Times are integers. Prefix sums of energies are integers too, multiples of 2^-120 J, because differences of
long sums of floats would lose digits.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from operator import add
from typing import Protocol

from pimsim.base.units import ps_to_s
from pimsim.results.memory_traffic import MemoryTraffic
from pimsim.studies.serving.number_column import NumberColumn
from pimsim.studies.serving.simulated_slice import Slice
from pimsim.studies.serving.step_cost import StepCost

SCALE_BITS = 120
"""Prefix sums of energies are integers in units of 2^-SCALE_BITS joules: exact down to 2^-67 J (7e-21 J)."""

TRAFFIC_COLUMNS = tuple(MemoryTraffic.__dataclass_fields__)


class ContextRun:
    """Slices of consecutive contexts from `first` on, with prefix sums.

    Args:
        first: First context, tokens.
    """

    __slots__ = (
        *("dynamic_j", "dynamic_sums", "first", "latencies_ps", "latency_sums_ps", "leakage_j", "leakage_sums"),
        *("length", "traffic", "traffic_sums", "used"),
    )

    def __init__(self, first: int) -> None:
        self.first = first
        self.latencies_ps = NumberColumn()
        self.dynamic_j, self.leakage_j = array("d"), array("d")
        self.length = 0
        """Number of contexts."""
        self.traffic: dict[int, NumberColumn] = {}
        self.traffic_sums: dict[int, list[float]] = {}
        """By place in `TRAFFIC_COLUMNS`, of the kinds that there are."""
        self.latency_sums_ps, self.dynamic_sums, self.leakage_sums = [0], [0], [0]
        self.used: Counter[int] = Counter()
        """Changes of the number of uses by context, counted from `first`."""

    def append(self, each: Slice) -> None:
        """Add the slice of the next context.

        Args:
            each: The slice.
        """
        self.latencies_ps.append(each.latency_ps)
        self.dynamic_j.append(each.dynamic_j)
        self.leakage_j.append(each.leakage_j)
        for kind, name in enumerate(TRAFFIC_COLUMNS):
            moved = getattr(each.traffic, name)
            if moved and kind not in self.traffic:
                self.traffic[kind], self.traffic_sums[kind] = NumberColumn(), [0] * (self.length + 1)
                self.traffic[kind].extend([0] * self.length)
            if kind in self.traffic:
                self.traffic[kind].append(moved)
                self.traffic_sums[kind].append(self.traffic_sums[kind][-1] + moved)
        self.length += 1
        self.latency_sums_ps.append(self.latency_sums_ps[-1] + each.latency_ps)
        self.dynamic_sums.append(self.dynamic_sums[-1] + int(math.ldexp(each.dynamic_j, SCALE_BITS)))
        self.leakage_sums.append(self.leakage_sums[-1] + int(math.ldexp(each.leakage_j, SCALE_BITS)))


class DecodeTable:
    """Attention slices of a number of sequences with equal contexts, by context.

    Args:
        slice_of: Function that returns the slice of a context.
        cheap_from: Function that returns the smallest context from which on no slice up to a context is simulated.
    """

    def __init__(self, slice_of: Callable[[int], Slice], cheap_from: Callable[[int], int]) -> None:
        self._slice_of, self._cheap_from = slice_of, cheap_from
        self._runs: list[ContextRun] = []
        self.cheap: ContextRun | None = None
        """The last run that begins with the first context of a fit."""

    def at(self, context: int) -> tuple[ContextRun, int]:
        """Return a run that contains a context, or can be continued with it.

        Args:
            context: The context, tokens.

        Returns:
            The run, and the place of the context in it.
        """
        first = self._cheap_from(context)
        if first == context:
            for run in self._runs:
                if run.first <= context <= run.first + run.length:
                    return run, context - run.first
            slice_of_it = self._slice_of(context)  # it may lead to a fit
            first = self._cheap_from(context)
            if first == context:
                self._runs.append(run := ContextRun(first))
                run.append(slice_of_it)
                return run, 0
        found = next((run for run in self._runs if run.first == first), None)
        if found is None:
            self._runs.append(found := ContextRun(first))
        self.cheap = found
        if found.length < context - first:
            self.extend(found, context - first)
        return found, context - first

    def extend(self, run: ContextRun, length: int) -> None:
        """Continue a run.

        Args:
            run: A run of this table.
            length: Number of contexts that it has to have.
        """
        for context in range(run.first + run.length, run.first + length):
            run.append(self._slice_of(context))

    def take_uses(self) -> Iterator[tuple[tuple[tuple[int, float], ...], int]]:
        """Return how often each slice was used since the last call.

        Yields:
            Accounting terms of a slice, and number of uses.
        """
        for run in self._runs:
            count, before = 0, 0
            for place in sorted(run.used):
                for context in range(before, place) if count else ():
                    yield self._slice_of(run.first + context).terms, count
                count, before = count + run.used[place], place
            run.used.clear()


class StretchRows:
    """Consecutive decode iterations of the same sequences, each as a row.

    Args:
        weights: Slice of the weights, equal in all iterations.
        parts: Run of each group of sequences, and the place of its first context, by increasing context.
        power_w: Leakage power, watts, if it does not depend on what works: that of the whole machine if it is charged
            all the time, 0 if leakage is not charged; else None.
    """

    __slots__ = ("parts", "power_w", "weights")

    def __init__(self, weights: Slice, parts: tuple[tuple[ContextRun, int], ...], power_w: float | None) -> None:
        self.weights, self.parts, self.power_w = weights, parts, power_w

    def latencies_ps(self, first: int, steps: int) -> list[int]:
        """Return the time of each iteration of a part.

        Args:
            first: Number of its first iteration.
            steps: Number of its iterations.

        Returns:
            Times, ps.
        """
        total: list[int] = [self.weights.latency_ps] * steps
        for run, place in self.parts:
            total = list(map(add, total, run.latencies_ps.values[place + first : place + first + steps]))
        return total

    def dynamics_j(self, first: int, steps: int) -> list[float]:
        """Return the dynamic energy of each iteration of a part, as `latencies_ps`.

        Args:
            first: Number of its first iteration.
            steps: Number of its iterations.

        Returns:
            Energies, joules, rounded as those of single iterations.
        """
        columns = [(run.dynamic_j, place) for run, place in self.parts]
        return [self.weights.dynamic_j + each for each in _sums(columns, first, steps, 0.0)]

    def leakages_j(self, first: int, steps: int) -> list[float]:
        """Return the leakage energy of each iteration of a part, as `latencies_ps`.

        Args:
            first: Number of its first iteration.
            steps: Number of its iterations.

        Returns:
            Energies, joules.
        """
        if self.power_w is not None:
            return [self.power_w * ps_to_s(each) for each in self.latencies_ps(first, steps)]
        columns = [(run.leakage_j, place) for run, place in self.parts]
        return [self.weights.leakage_j + each for each in _sums(columns, first, steps, 0.0)]

    def traffic(self, kind: int, first: int, steps: int) -> list[float]:
        """Return the memory traffic of one kind in each iteration of a part, as `latencies_ps`.

        Args:
            kind: Place in `TRAFFIC_COLUMNS`.
            first: Number of its first iteration.
            steps: Number of its iterations.

        Returns:
            Bytes.
        """
        columns = [(run.traffic[kind].values, place) for run, place in self.parts if kind in run.traffic]
        return _sums(columns, first, steps, getattr(self.weights.traffic, TRAFFIC_COLUMNS[kind]))


class DecodeStretch:
    """Consecutive decode iterations of the same sequences as sums; their number is still open.

    Args:
        weights: Slice of the weights, equal in all iterations.
        contexts: Contexts of the first iteration in increasing order, each with its number of sequences.
        groups: Table, run and place of each context.
        power_w: Leakage power, watts, if it does not depend on what works: that of the whole machine if it is charged
            all the time, 0 if leakage is not charged; else None.
    """

    __slots__ = ("_before_ps", "_extended", "_groups", "_sums_ps", "contexts", "rows", "weights")

    def __init__(
        self,
        weights: Slice,
        contexts: Sequence[tuple[int, int]],
        groups: Sequence[tuple[DecodeTable, ContextRun, int]],
        power_w: float | None,
    ) -> None:
        self.weights, self.contexts, self._groups = weights, contexts, groups
        self._sums_ps = [(run.latency_sums_ps, place) for _, run, place in groups]
        self._before_ps = sum(sums_ps[place] for sums_ps, place in self._sums_ps)
        self.rows = StretchRows(weights, tuple((run, place) for _, run, place in groups), power_w)
        """The iterations as rows."""
        self._extended = 0

    def latency_ps(self, steps: int) -> int:
        """Return the time of the first iterations.

        Args:
            steps: Number of iterations.

        Returns:
            Time, ps.
        """
        if steps > self._extended:
            for table, run, place in self._groups:
                if run.length < place + steps:
                    table.extend(run, place + steps)
            self._extended = steps
        total_ps = steps * self.weights.latency_ps - self._before_ps
        for sums_ps, place in self._sums_ps:
            total_ps += sums_ps[place + steps]
        return total_ps

    def steps_until(self, duration_ps: int | None, most: int) -> int:
        """Return the number of iterations that start before a time.

        Args:
            duration_ps: Time after the start of the first one, ps, more than 0; None means no limit.
            most: Largest number of iterations.

        Returns:
            Number of iterations, from 1 to `most`. The last one ends at this time or later, or there are `most`.
        """
        if duration_ps is None:
            return most
        below, below_ps = 0, 0  # iterations that end before the time, and their end
        above = min(most, duration_ps // max(1, self.latency_ps(1)) + 1)
        while (above_ps := self.latency_ps(above)) < duration_ps:
            if above == most:
                return most
            below, below_ps, above = above, above_ps, min(most, 2 * above)
        while above - below > 1:
            # The times grow almost evenly: a guess by proportion, and the middle every other time.
            guess = below + (duration_ps - below_ps) * (above - below) // (above_ps - below_ps)
            for place in (guess, (below + above) // 2):
                middle = min(max(place, below + 1), above - 1)
                if below < middle < above:
                    middle_ps = self.latency_ps(middle)
                    if middle_ps < duration_ps:
                        below, below_ps = middle, middle_ps
                    else:
                        above, above_ps = middle, middle_ps
        return above

    def attention_j(self, steps: int) -> list[float]:
        """Return the dynamic attention energy of the first iterations.

        Args:
            steps: Number of iterations, which `latency_ps` was asked for.

        Returns:
            Joules of each group.
        """
        return [_joules(run.dynamic_sums, place, steps) for run, place in self.rows.parts]

    def leakage_j(self, steps: int) -> float:
        """Return the leakage energy of the first iterations.

        Args:
            steps: Number of iterations, which `latency_ps` was asked for.

        Returns:
            Joules.
        """
        if self.rows.power_w is not None:
            return self.rows.power_w and self.rows.power_w * ps_to_s(self.latency_ps(steps))
        attention_j = math.fsum(_joules(run.leakage_sums, place, steps) for run, place in self.rows.parts)
        return steps * self.weights.leakage_j + attention_j

    def traffic(self, steps: int) -> list[float]:
        """Return the memory traffic of the first iterations.

        Args:
            steps: Number of iterations, which `latency_ps` was asked for.

        Returns:
            Bytes by kind, in the order of `TRAFFIC_COLUMNS`.
        """
        moved = self.weights.traffic
        totals = [
            steps * moved.weight_read_bytes,
            steps * moved.kv_read_bytes,
            steps * moved.kv_write_bytes,
            steps * moved.embedding_read_bytes,
            steps * moved.other_read_bytes,
            steps * moved.other_write_bytes,
        ]
        for run, place in self.rows.parts:
            for kind, total in run.traffic_sums.items():
                totals[kind] += total[place + steps] - total[place]
        return totals

    def use(self, steps: int) -> None:
        """Count the use of the attention slices of the first iterations.

        Args:
            steps: Number of iterations.
        """
        for run, place in self.rows.parts:
            run.used[place] += 1
            run.used[place + steps] -= 1

    def cost(self, step: int) -> StepCost:
        """Return the cost of one iteration.

        Args:
            step: Number of the iteration, counted from 0.

        Returns:
            The cost, without traffic and accounting terms.
        """
        self.latency_ps(step + 1)
        [latency_ps], [leakage_j] = self.rows.latencies_ps(step, 1), self.rows.leakages_j(step, 1)
        attention_j = tuple(run.dynamic_j[place + step] for run, place in self.rows.parts)
        return StepCost(latency_ps, self.weights.dynamic_j, attention_j, leakage_j)


class StretchCosts(Protocol):
    """Costs of consecutive decode iterations of the same sequences; `iteration_costs.StepCosts` has them."""

    def stretch(self, contexts: list[tuple[int, int]]) -> DecodeStretch | None:
        """Return decode iterations whose contexts grow by one each time.

        Args:
            contexts: Contexts of the first iteration in increasing order, each with its number of sequences.

        Returns:
            The iterations; None if they have to be asked for one by one.
        """

    def use(self, stretch: DecodeStretch, steps: int) -> None:
        """Count the first iterations of a stretch as a part of the run.

        Args:
            stretch: The stretch.
            steps: Number of its iterations.
        """


def _joules(sums: Sequence[int], place: int, steps: int) -> float:
    return math.ldexp(float(sums[place + steps] - sums[place]), -SCALE_BITS)


def _sums(columns: Sequence[tuple[Sequence[float], int]], first: int, steps: int, start: float) -> list[float]:
    # From left to right, so that floats are rounded as in the sum of one iteration.
    total = [start] * steps
    for values, place in columns:
        total = list(map(add, total, values[place + first : place + first + steps]))
    return total
