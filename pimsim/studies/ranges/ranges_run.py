"""Monte Carlo propagation of the ranges of a config to intervals of the figures of a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pimsim.config.layers import Overrides
from pimsim.config.loading import Source, load_config
from pimsim.config.schema import Config
from pimsim.studies.ranges.config_ranges import KeyRange, config_ranges, exact_numbers
from pimsim.studies.ranges.draws import draws
from pimsim.studies.ranges.first_order import first_order
from pimsim.studies.ranges.range_table import shipped_table
from pimsim.studies.ranges.ranged_run import RangedRun
from pimsim.studies.ranges.ranges_result import RangesResult
from pimsim.studies.ranges.sample_count import SAMPLES, check_samples
from pimsim.studies.ranges.unknown_ranges import without_own_figures

ORIGIN_UNKNOWN = (
    "the files of this config are not known, because it was already loaded: ranges that they state have no effect, and "
    "a value that is not the default is exact; give the name or the path of the config instead"
)
SMALL_NODE = (
    "machine.technology_nm is below 20 nm, where published energies are 3 to 9 times ours; the factors of nodes are "
    "exact here, so the intervals do not contain this (docs/validation.md)"
)
SMALL_NODE_NM = 20
"""Node below which the rows of pimsim validate on energies of logic are outside their tolerance."""

Progress = Callable[[int, int], None]


def run_ranges(
    config: Config | Source,
    overrides: Overrides = (),
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    ranges: Mapping[str, object] | None = None,
    unknown: Collection[str] = (),
    source: Source | None = None,
    progress: Progress | None = None,
) -> RangesResult:
    """Propagate the ranges of a config's constants to 95 % intervals of the figures of a run.

    Args:
        config: Path of a config file, name of a shipped config, or mapping; or a config that is already loaded.
        overrides: Settings on top of it, as `load_config` takes them; they are exact. With a config that is already
            loaded, the overrides that it contains.
        samples: Number of samples.
        seed: Seed of the random numbers. Two runs with equal seeds and samples have equal values of what they share.
        ranges: Ranges of your own by dotted key: [low, high], or a mapping of low, high and shape; values are SI
            numbers or texts with a unit.
        unknown: Numbers of the config that are taken as unknown, as for a chip whose own figures are not known: dotted
            keys, or patterns such as "machine.crossbar.pair.adc.*".
        source: Where a config that is already loaded comes from. None: ranges that files state
            have no effect, and a value that is not the default is exact; a note of the result says so.
        progress: Called with the number of finished samples and of all; or None.

    Returns:
        The intervals, the samples, and the shares of the numbers in the variance.

    Raises:
        WorkloadInputError: If the number of samples is out of bounds, the config is that of a generation, or as
            `simulate`.
        ConfigError: If the config or a range is not valid.
        PimsimError: As `simulate`.

    Reference:
        docs/ranges.md.

    Example:
        >>> from pimsim import run_ranges
        >>> found = run_ranges("pim-llm", samples=200)
        >>> found.count, found.intervals["tokens_per_j"].low < found.point["tokens_per_j"]
        (200, True)
    """
    if isinstance(config, Config):
        loaded = config
    else:
        loaded, source = load_config(config, overrides), config
    check_samples(samples)
    found = config_ranges(loaded, source, overrides, ranges)
    if unknown:
        found = without_own_figures(loaded, found, unknown)
    propagated = propagate(loaded, found, samples=samples, seed=seed, progress=progress)
    varying = {each.key for each in found}
    exact = (key for key in exact_numbers(loaded, source, overrides) if key not in varying)
    node_nm = loaded.machine.technology_nm
    notes = (*[ORIGIN_UNKNOWN] * (source is None), *[SMALL_NODE] * (node_nm is not None and node_nm < SMALL_NODE_NM))
    return replace(propagated, exact=tuple(exact), notes=notes)


def propagate(
    config: Config,
    ranges: Sequence[KeyRange],
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    progress: Progress | None = None,
) -> RangesResult:
    """Propagate given ranges to intervals of the figures of a run.

    Args:
        config: The config, with the likely values.
        ranges: Ranges of its numbers; a number without one is exact.
        samples: Number of samples.
        seed: Seed of the random numbers.
        progress: Called with the number of finished samples and of all; or None.

    Returns:
        The intervals.

    Raises:
        PimsimError: As `simulate`.
    """
    run = RangedRun(config, [each.key for each in ranges], remapped=needs_mapping(ranges))
    uniform = {group: draws(group, samples, seed) for group in dict.fromkeys(each.group for each in ranges)}
    values = sampled_values(ranges, uniform)
    rows: list[dict[str, float]] = []
    for index in range(samples):
        rows.append(run.figures({key: float(column[index]) for key, column in values.items()}).values())
        if progress is not None:
            progress(index + 1, samples)
    point = run.figures({each.key: each.range.likely for each in ranges}).values()
    return RangesResult(
        config,
        seed,
        tuple(ranges),
        point,
        uniform,
        {name: np.array([row[name] for row in rows]) for name in point},
        first_order(ranges, lambda numbers: run.figures(numbers).values()),
    )


def needs_mapping(ranges: Sequence[KeyRange]) -> bool:
    """Return whether the ranges contain a number that may change how a trace is mapped, such as a clock.

    Args:
        ranges: The ranges.

    Returns:
        True if the shipped table has a number of them fixed, so that only a config can have given it a range; but for
        voltages, on which no mapping depends.
    """
    return any(shipped_table().fixed_because(each.key) and not each.key.endswith("_v") for each in ranges)


def sampled_values(
    ranges: Sequence[KeyRange], uniform: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    """Return the values of all numbers.

    Args:
        ranges: Ranges of the numbers.
        uniform: Uniform random numbers by source, [samples] float64.

    Returns:
        Values in SI units by dotted key, [samples] float64.
    """
    return {each.key: each.range.quantile(uniform[each.group]) for each in ranges}
