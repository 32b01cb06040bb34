"""Figures of a simulated run that the cost of an iteration is made of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from pimsim.base.errors import WorkloadInputError
from pimsim.base.units import ps_to_s
from pimsim.results.accounting import IDLE_LEAKAGE, LEAKAGE, Accounting
from pimsim.results.memory_traffic import MemoryTraffic
from pimsim.results.run_result import RunResult
from workloads.workload_errors import WorkloadError


class Slice(NamedTuple):
    """One simulated slice of an iteration.

    Attributes:
        latency_ps: Latency, ps.
        dynamic_j: Dynamic energy, joules.
        leakage_j: Leakage energy, joules.
        traffic: Bytes read from memory and written to it.
        terms: Its accounting as numbers of `AccountingTerms`, each with its weight.
    """

    latency_ps: int
    dynamic_j: float
    leakage_j: float
    traffic: MemoryTraffic
    terms: tuple[tuple[int, float], ...]


def leakage_energy_j(result: RunResult) -> float:
    """Return the leakage energy of a run, joules.

    Args:
        result: The run.

    Returns:
        Joules.
    """
    return math.fsum(component.leakage_j for component in result.components)


def whole_machine_power_w(accounting: Accounting, latency_ps: int) -> float:
    """Return the leakage power of a machine without power gating, watts, from any run that uses all tiles of a model.

    Args:
        accounting: That of the run; it has the leakage that the run charges, or could charge, and that of idle
            components.
        latency_ps: Latency of the run, ps.

    Returns:
        Watts.
    """
    items = (*accounting.counted, *accounting.left_out)
    leakage_j = math.fsum(item.energy_j for item in items if item.name in (LEAKAGE, IDLE_LEAKAGE))
    return leakage_j / ps_to_s(latency_ps)


@contextmanager
def as_input_error() -> Iterator[None]:
    """Convert errors of `workloads` into errors of pimsim.

    Yields:
        Nothing.

    Raises:
        WorkloadInputError: If the body raises a WorkloadError.
    """
    try:
        yield
    except WorkloadError as error:
        raise WorkloadInputError(str(error)) from error
