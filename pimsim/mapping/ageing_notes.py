"""Notes about the age of cells: what corrects it, when, and which part of the cost a run does not count."""

from __future__ import annotations

from collections.abc import Iterator

from crossbar.params import CrossbarParams
from pimsim.base.units import dimension_of_key, format_quantity
from pimsim.config.schema import Config

PAIR = "machine.crossbar.pair"
_AVERAGED = "under upkeep, not part of a token"


def ageing_notes(config: Config, *, served: bool = False) -> Iterator[str]:
    """Say how old the cells are when arrays are read, and what measures them again.

    Args:
        config: Config with crossbars or without.
        served: Whether requests wait for upkeep; if not, its cost is averaged over time.

    Yields:
        A sentence for each correction, with its cost; none if cells do not age and nothing is rewritten.

    Reference:
        docs/lifetime.md.
    """
    crossbar = config.machine.crossbar_tile
    if crossbar is None or config.mapping.projections != "crossbar":
        return
    pair = crossbar.operating_pair(config.machine.temperature_k)
    if crossbar.rewrite_interval_s is not None:
        counted = "is that of pauses" if served else "is averaged over time under upkeep, not part of a token"
        yield (
            f"weights are rewritten every {_time(crossbar.rewrite_interval_s)} (machine.crossbar.rewrite_interval_s); "
            f"products are those at the end of this interval, and its cost {counted}"
        )
    yield from _checks(pair, crossbar.calibration_vectors, "those of pauses" if served else _AVERAGED)


def _checks(pair: CrossbarParams, calibration_vectors: int, counted: str) -> Iterator[str]:
    upkeep, aged = pair.upkeep, pair.noise.drift.age_s > pair.noise.drift.start_s and pair.noise.drift.changes
    when = "" if upkeep.interval_s is None else f"every {_time(upkeep.interval_s)}"
    costs = counted if when else f"not counted ({PAIR}.upkeep.interval_s=null)"
    if pair.adc.range != "full" and upkeep.adc_ranges == "at_age" and aged:
        if not calibration_vectors:
            costs = "not counted (machine.crossbar.calibration_vectors=0)"
        yield (
            f"ADC ranges are set again {when or 'at the age of the cells'} ({PAIR}.upkeep.adc_ranges=at_age); the "
            f"time and energy of it are {costs}"
        )
    if upkeep.drift_compensation != "none":
        costs = counted if when else f"not counted ({PAIR}.upkeep.interval_s=null)"
        yield (
            f"{upkeep.test_vectors} test vectors measure the drift {when or 'right before the read'} "
            f"({PAIR}.upkeep.drift_compensation={upkeep.drift_compensation}); the time and energy of it are {costs}"
        )


def _time(seconds: float) -> str:
    dimension = dimension_of_key("_s")
    assert dimension is not None
    return format_quantity(seconds, dimension)
