"""Power of a serving run over time, from the energies of its iterations, and wear of the tier of swaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pimsim.config.schema import KvTierConfig
from pimsim.studies.serving.iteration_table import IterationTable

if TYPE_CHECKING:
    from pimsim.studies.serving.serving_result import ServingResult

INTERVALS = 100
"""Number of intervals of a run whose mean power is a row of the table."""


class PowerRow(NamedTuple):
    """Mean power of an interval.

    Attributes:
        start_s: Start of the interval, seconds.
        end_s: End of the interval, seconds.
        dynamic_w: Mean dynamic power, watts, that of pauses for upkeep included.
        leakage_w: Mean leakage power, watts, that of the idle machine included.
    """

    start_s: float
    end_s: float
    dynamic_w: float
    leakage_w: float


def power_over_time(result: ServingResult, intervals: int = INTERVALS) -> tuple[PowerRow, ...]:
    """Return the mean power of equal intervals, from the first arrival to the end of the last iteration.

    The energy of an iteration or a pause is distributed evenly over its time. The energies of all intervals add up to
    that of the run.

    Args:
        result: Result of a serving run.
        intervals: Number of intervals.

    Returns:
        One row per interval; empty if the run takes no time.
    """
    import numpy as np  # takes 0.1 s, which a result that nobody asks for power need not wait

    if not result.span_ps:
        return ()
    table = IterationTable.of(result.iterations)
    # Times from the first arrival are smaller than those from 0, but Python's integers, which NumPy has not, are exact.
    first_ps = table.last_end_ps - result.span_ps
    starts, ends = (
        np.array([each - first_ps for each in table.column(name)], dtype=float) for name in ("start_ps", "end_ps")
    )
    edges = np.linspace(0.0, 1.0, intervals + 1) * result.span_ps
    # Energy up to the start and the end of each iteration; it grows linearly in between.
    times = np.concatenate(([0.0], np.stack((starts, ends), axis=1).ravel()))
    gaps_s = (starts - np.concatenate(([0.0], ends[:-1]))) * 1e-12
    powers = []
    for name, idle_w in (("dynamic_energy_j", 0.0), ("leakage_energy_j", result.idle_power_w)):
        steps_j = np.array(table.column(name))
        grown = np.concatenate(([0.0], np.stack((idle_w * gaps_s, steps_j), axis=1).ravel().cumsum()))
        powers.append(np.diff(np.interp(edges, times, grown)) / (result.span_ps / intervals * 1e-12))
    if result.pauses:
        at = [each - first_ps for pause in result.pauses for each in (pause.start_ps, pause.end_ps)]
        steps_j = np.array([(0.0, each.energy_j) for each in result.pauses])
        grown = np.interp(edges, np.array(at, dtype=float), steps_j.ravel().cumsum())
        powers[0] += np.diff(grown) / (result.span_ps / intervals * 1e-12)
    return tuple(
        PowerRow((first_ps + start) * 1e-12, (first_ps + end) * 1e-12, float(dynamic), float(leakage))
        for start, end, dynamic, leakage in zip(edges[:-1].tolist(), edges[1:].tolist(), *powers, strict=True)
    )


class Wear(NamedTuple):
    """Wear of a memory whose cells endure a limited number of writes.

    Attributes:
        writes_per_cell: Mean writes per cell in the run, with ideal levelling.
        lifetime_s: Time after which the cells are worn out at this rate, seconds.
    """

    writes_per_cell: float
    lifetime_s: float


def swap_wear(tier: KvTierConfig | None, written_bytes: int, span_s: float) -> Wear | None:
    """Return the wear of the tier of swaps.

    Args:
        tier: The tier; None if there is none.
        written_bytes: Bytes that the run wrote to it.
        span_s: Time of the run, seconds.

    Returns:
        The wear; None if nothing was written, or its cells endure any number of writes.

    Reference:
        docs/serving.md, eq. (13).
    """
    if tier is None or tier.endurance_writes is None or tier.capacity_bytes is None or not written_bytes:
        return None
    writes = written_bytes / tier.capacity_bytes
    return Wear(writes, tier.endurance_writes / writes * span_s)
