"""Cost of one iteration of a serving run, and how it was checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from pimsim.base.stored_columns import Column
from pimsim.results.memory_traffic import NO_TRAFFIC, MemoryTraffic

Groups = tuple[tuple[int, int, int], ...]
"""Groups of an iteration, sorted: (queries, context, sequences), as in `workloads.decoder_pass.SequenceGroup`."""


class StepCost(NamedTuple):
    """Cost of one iteration.

    Attributes:
        latency_ps: Latency, ps.
        shared_j: Dynamic energy without attention, joules.
        attention_j: Dynamic energy of the attention of each group, joules.
        leakage_j: Leakage energy, joules.
        estimated: 1 if the cost was interpolated, else 0.
        traffic: Bytes read from memory and written to it.
        terms: What the simulated runs count and leave out, as numbers of `AccountingTerms`; each with the fraction of
            it that the iteration takes.
        short_of_port: 1 if the accesses of the global buffer need its port for longer than the iteration, else 0.
        apart_j: Dynamic energy that is attributed to requests apart: moves of KV caches and the draft model, joules.
    """

    latency_ps: int
    shared_j: float
    attention_j: tuple[float, ...]
    leakage_j: float
    estimated: int = 0
    traffic: MemoryTraffic = NO_TRAFFIC
    terms: tuple[tuple[int, float], ...] = ()
    short_of_port: int = 0
    apart_j: float = 0.0

    @property
    def energy_j(self) -> float:
        """Total energy of the iteration, leakage included, joules."""
        return math.fsum((self.shared_j, *self.attention_j, self.leakage_j))

    def with_extra(self, latency_ps: int, apart_j: float, leakage_j: float, traffic: MemoryTraffic) -> StepCost:
        """Return the cost with work before the iteration, whose dynamic energy is attributed apart.

        Args:
            latency_ps: Time of the work, ps.
            apart_j: Its dynamic energy, joules.
            leakage_j: Its leakage energy, joules.
            traffic: Bytes that it reads from memory and writes to it.

        Returns:
            The sum.
        """
        return self._replace(
            latency_ps=self.latency_ps + latency_ps,
            apart_j=self.apart_j + apart_j,
            leakage_j=self.leakage_j + leakage_j,
            traffic=self.traffic + traffic,
        )


@dataclass(frozen=True, slots=True)
class StepCheck:
    """Comparison of the costs used in a run with full simulations of the same iterations.

    Attributes:
        steps: Number of compared iterations.
        latency_error: Largest relative deviation of the latency, absolute value.
        energy_error: Largest relative deviation of the energy, absolute value.
    """

    steps: Annotated[int, Column("steps_checked")]
    latency_error: float
    energy_error: float
