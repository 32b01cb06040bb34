"""Integers of a simulated slice, from which its times and energies follow."""

from __future__ import annotations

import math

from pimsim.config.schema import Config
from pimsim.hardware.leakage import gating_of, leakage_energy_j
from pimsim.hardware.machine import build_machine
from pimsim.results.memory_traffic import MemoryTraffic
from pimsim.results.run_result import RunResult
from pimsim.studies.serving.quasi_polynomial import Sample, periods_of
from pimsim.studies.serving.simulated_slice import Slice

_TRAFFIC = tuple(MemoryTraffic.__dataclass_fields__)


class SliceFigures:
    """Integers of a simulated slice on one machine, and the energies that follow from them.

    Args:
        config: Machine and gating of leakage.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        machine = build_machine(config.machine, config.name)
        self._actions = tuple(machine.action_energies_j())
        self._energies_j = tuple(machine.action_energies_j().values())
        self._leaking = tuple(
            (each.name, each.leakage_w(), gating_of(each, config.leakage_gating)) for each in machine.components()
        )
        self._units: dict[str, int] = {}
        self._counts = 1 + len(_TRAFFIC) + len(self._leaking)
        """Place of the first action count in a sample."""
        self.made = 0
        """Number of slices that were made."""
        array = config.machine.systolic
        self.periods = periods_of((1, array.rows, array.columns, math.lcm(array.rows, array.columns)))
        """Periods to try for fits."""
        self.array_periods = periods_of((math.lcm(array.rows, array.columns),)) or self.periods
        """The same for ops that the systolic array divides into folds."""

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
            *(int(getattr(moved, name)) for name in _TRAFFIC),
            *(busy_ps.get(name, 0) for name, _, _ in self._leaking),
            *(run.counts.get(action, 0) for action in self._actions),
        )

    def slice_of(self, sample: Sample, terms: tuple[tuple[int, float], ...]) -> Slice:
        """Return the slice with these integers; its energies are rounded as those of a simulated run.

        Args:
            sample: The integers.
            terms: Its accounting as weighted terms.

        Returns:
            The slice.
        """
        self.made += 1
        latency_ps = sample[0]
        counts = sample[self._counts :]
        dynamic_j = math.fsum([n * energy_j for n, energy_j in zip(counts, self._energies_j, strict=True) if n])
        leakage_j = 0.0
        if self._config.leakage_gating != "not_charged":
            busy_ps = sample[1 + len(_TRAFFIC) : self._counts]
            leakage_j = math.fsum(
                leakage_energy_j(leakage_w, self._units.get(name, 0), busy, latency_ps, gating)
                for busy, (name, leakage_w, gating) in zip(busy_ps, self._leaking, strict=True)
            )
        return Slice(latency_ps, dynamic_j, leakage_j, MemoryTraffic(*sample[1 : 1 + len(_TRAFFIC)]), terms)
