"""Slices of iterations that differ in one number, such as the context: simulated, or from quasi-polynomials of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pimsim.config.schema import Config
from pimsim.hardware.leakage import gating_of, leakage_energy_j
from pimsim.hardware.machine import Machine, build_machine
from pimsim.results.memory_traffic import MemoryTraffic
from pimsim.results.run_result import RunResult
from pimsim.studies.serving.quasi_polynomial import Combination, Fit, Sample, fit, periods_of
from pimsim.studies.serving.simulated_slice import Slice

FIRST_TRY = 8
"""Number of simulated slices of a family after which a fit is tried; again each time it has doubled."""

TRIES = 7
"""Largest number of fits that are tried."""

_TRAFFIC = len(MemoryTraffic.__dataclass_fields__)


class SliceFigures:
    """Integers of a simulated slice on one machine, and the energies that follow from them.

    Args:
        config: Machine and gating of leakage.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        machine: Machine = build_machine(config.machine, config.name)
        self._energies_j = machine.action_energies_j()
        self._leaking = {
            each.name: (each.leakage_w(), gating_of(each, config.leakage_gating)) for each in machine.components()
        }
        self._units: dict[str, int] = {}
        self.periods = periods_of(self._sizes())
        """Periods to try for fits."""

    def _sizes(self) -> Sequence[int]:
        array = self._config.machine.systolic
        return array.rows, array.columns, math.lcm(array.rows, array.columns)

    def sample_of(self, run: RunResult) -> Sample:
        """Return the integers of a run: latency, traffic, busy times and action counts.

        Args:
            run: The run.

        Returns:
            Integers in the same order for each run on the machine.
        """
        busy_ps = {each.name: each.busy_ps for each in run.components}
        self._units = self._units or {each.name: each.units for each in run.components}
        moved = run.memory_traffic
        return (
            run.latency_ps,
            *(int(getattr(moved, name)) for name in MemoryTraffic.__dataclass_fields__),
            *(busy_ps.get(name, 0) for name in self._leaking),
            *(run.counts.get(action, 0) for action in self._energies_j),
        )

    def slice_of(self, sample: Sample, terms: tuple[tuple[int, float], ...]) -> Slice:
        """Return the slice with these integers; its energies are rounded as those of a simulated run.

        Args:
            sample: The integers.
            terms: Its accounting as weighted terms.

        Returns:
            The slice.
        """
        latency_ps = sample[0]
        counts = 1 + _TRAFFIC + len(self._leaking)
        dynamic_j = math.fsum(map(float.__mul__, map(float, sample[counts:]), self._energies_j.values()))
        leakage_j = 0.0
        if self._config.leakage_gating != "not_charged":
            leakage_j = math.fsum(
                leakage_energy_j(leakage_w, self._units.get(name, 0), busy_ps, latency_ps, gating)
                for busy_ps, (name, (leakage_w, gating)) in zip(
                    sample[1 + _TRAFFIC : counts], self._leaking.items(), strict=True
                )
            )
        return Slice(latency_ps, dynamic_j, leakage_j, MemoryTraffic(*sample[1 : 1 + _TRAFFIC]), terms)


class _Simulated(NamedTuple):
    """A simulated slice, and its integers as long as they may be needed for fits."""

    slice: Slice
    sample: Sample


class SliceFamily:
    """Slices by one number. The first ones are simulated; then the others follow from a fit, if there is one.

    Args:
        simulate: Function that simulates the slice of a number and returns the run and the number of its accounting
            term.
        figures: Integers and energies on the machine.
        degree: Degree of the polynomials to try.
        first: Smallest number.
        last: Function that returns the largest number expected.
        expected: Function that returns how many different numbers are expected; a fit takes no more simulations.
    """

    def __init__(
        self,
        simulate: Callable[[int], tuple[RunResult, int]],
        figures: SliceFigures,
        degree: int,
        first: int,
        last: Callable[[], int],
        expected: Callable[[], int],
    ) -> None:
        self._simulate, self._figures, self._degree = simulate, figures, degree
        self._first, self._last, self._expected = first, last, expected
        self._simulated: dict[int, _Simulated] = {}
        self._slices: dict[int, Slice] = {}
        self._fits: list[Fit] = []
        self._asked = 0
        self._next_try, self._tries = FIRST_TRY, 0

    def __len__(self) -> int:
        """Return the number of slices that are kept."""
        return len(self._slices)

    def cheap_from(self, number: int) -> int:
        """Return the smallest number from which on, up to `number`, no slice needs a simulation.

        Args:
            number: A number.

        Returns:
            A number up to `number`.
        """
        return next((each.first for each in self._fits if each.first <= number <= each.last), number)

    def of(self, number: int) -> Slice:
        """Return the slice of a number.

        Args:
            number: The number.

        Returns:
            The slice; with energies and times of a simulation, whether it was simulated or follows from a fit.
        """
        found = self._slices.get(number)
        if found is None:
            found = self._slices[number] = self._fitted(number) or self._asked_for(number)
        return found

    def _fitted(self, number: int) -> Slice | None:
        for each in self._fits:
            if each.first <= number <= each.last:
                return self._combined(each.at(number))
        return None

    def _combined(self, value: Combination) -> Slice | None:
        sample = value.of({node: self._simulated[node].sample for node in value.nodes})
        if sample is None:
            return None
        weights = [factor / value.divisor for factor in value.factors]
        terms = (
            (term, weight * other)
            for node, weight in zip(value.nodes, weights, strict=True)
            for term, other in self._simulated[node].slice.terms
        )
        return self._figures.slice_of(sample, tuple(each for each in terms if each[1]))

    def _asked_for(self, number: int) -> Slice:
        """Simulate a slice, and try a fit from time to time."""
        self._asked += 1
        if self._asked >= self._next_try and self._tries < TRIES:
            self._tries += 1
            self._next_try = 2 * self._asked
            self._try(number)
            found = self._fitted(number)
            if found is not None:
                return found
        return self._sampled(number).slice

    def _try(self, number: int) -> None:
        """Fit the slices around a number, below the fits that there are and above them."""
        first, last = self._first, max(self._last(), number)
        for each in self._fits:
            first, last = (
                (max(first, each.last + 1), last) if number > each.last else (first, min(last, each.first - 1))
            )
        left = max(self._expected(), 3 * self._asked)

        def sample(at: int) -> Sample | None:
            nonlocal left
            if at not in self._simulated:
                if not left:
                    return None
                left -= 1
            return self._sampled(at).sample

        found = fit(sample, first, last, self._degree, self._figures.periods)
        if found is not None:
            self._fits.append(found)

    def _sampled(self, number: int) -> _Simulated:
        found = self._simulated.get(number)
        if found is None:
            run, term = self._simulate(number)
            sample = self._figures.sample_of(run)
            found = self._simulated[number] = _Simulated(self._figures.slice_of(sample, ((term, 1.0),)), sample)
        return found
