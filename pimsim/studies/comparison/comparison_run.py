"""Comparison of designs on the same workloads: the entry point `compare`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pimsim.base.errors import PimsimError, WorkloadInputError, show
from pimsim.config.layers import Overrides
from pimsim.config.loading import dump_config
from pimsim.config.schema import Config
from pimsim.studies.comparison.compared_designs import (
    DesignLike,
    LoadedDesign,
    check_effects,
    check_workload_settings,
    find_baseline,
    load_designs,
    setting_texts,
)
from pimsim.studies.comparison.compared_workloads import LENGTH_KEYS, Workload, find_workloads
from pimsim.studies.comparison.comparison_points import (
    Computed,
    Point,
    Progress,
    RangeOptions,
    Samples,
    compute_rows,
)
from pimsim.studies.comparison.comparison_result import ComparisonResult
from pimsim.studies.comparison.comparison_rows import (
    MEASURES,
    OPERATIONS,
    ComparedDesign,
    ComparisonRow,
    RowInterval,
    one_line,
)
from pimsim.studies.comparison.counted_differences import differing_settings
from pimsim.studies.comparison.external_points import ExternalPoint, check_names, read_points
from pimsim.studies.ranges.ranges_result import PERCENTILES
from pimsim.studies.ranges.sample_count import SAMPLES, check_samples
from pimsim.version import __version__

MAX_WORKERS = 4096


class ComparisonInterrupted(KeyboardInterrupt):
    """Ctrl-C during a comparison.

    Attributes:
        result: The comparison with the rows that are finished; None if there are none.
    """

    def __init__(self, result: ComparisonResult | None, planned: int) -> None:
        """Create the exception.

        Args:
            result: The comparison with the rows that are finished; None if there are none.
            planned: Number of rows of the whole comparison.
        """
        finished = 0 if result is None else len(result.rows)
        super().__init__(f"interrupted: {finished:,} of {planned:,} points are finished")
        self.result = result


def compare(
    designs: Sequence[DesignLike] | Mapping[str, DesignLike],
    *,
    models: Sequence[str] | None = None,
    contexts: Sequence[int] | int | None = None,
    phase: str | None = None,
    overrides: Overrides = (),
    baseline: str | None = None,
    points: str | Path | Sequence[ExternalPoint] = (),
    ranges: bool = False,
    samples: int | None = None,
    seed: int = 0,
    unknown: Collection[str] = (),
    workers: int = 1,
    progress: Progress | None = None,
) -> ComparisonResult:
    """Simulate the same workloads on several designs, and put their figures side by side.

    Args:
        designs: Two or more designs: names or paths of configs, paths of results, loaded configs, mappings, or
            `Design`s with settings of their own; or any of them by name.
        models: Names or paths of models, or a single one; None means the workload that all designs have.
        contexts: Contexts of decode steps, or lengths of prompts, tokens, or a single one; None means that of all
            designs.
        phase: "decode", "prefill", "generate" or "load"; None means that of all designs.
        overrides: Settings on top of all designs, as `load_config` takes them.
        baseline: Name of the design to which ratios refer; None means the first one.
        points: CSV file of published points, or the points, which are shown beside the rows and have no ratios.
        ranges: Whether to compute 95 % intervals of the figures and of the ratios. Designs have equal values of the
            constants that they share.
        samples: Number of samples for `ranges`; None means 1,000.
        seed: Seed of the samples.
        unknown: Numbers that are taken as unknown, as `run_ranges` takes them.
        workers: Number of processes; the result does not depend on it.
        progress: Called with the number of finished rows and of all; or None.

    Returns:
        A row for each design and workload, with figures or with the reason why there are none.

    Raises:
        ConfigError: If there are fewer than two designs, two have the same name, one is not valid, a setting has an
            effect in none of them, the baseline is none of them, or a published point is not valid.
        WorkloadInputError: If a model is unknown, a context is out of range, the designs have different workloads of
            their own, or the number of samples or workers is out of bounds.
        ComparisonInterrupted: At an interrupt; it has the rows that are finished.

    Reference:
        docs/comparing.md.

    Example:
        >>> from pimsim import compare
        >>> found = compare(["pim-llm", "tpu-llm"], models=["gpt2-small"], contexts=[128, 512])
        >>> [(row.design, row.context_length) for row in found.rows]
        [('pim-llm', 128), ('tpu-llm', 128), ('pim-llm', 512), ('tpu-llm', 512)]
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= MAX_WORKERS:
        raise WorkloadInputError(f"workers: {show(workers)} is not a number of processes from 1 to {MAX_WORKERS:,}")
    options = _range_options(samples, seed, unknown, ranges=ranges)
    loaded = load_designs(designs, overrides)
    printed = _printed(points, [each.name for each in loaded])
    base = find_baseline([each.name for each in loaded], baseline, (each.design for each in printed))
    found, workloads = find_workloads(loaded, models, contexts, phase)
    _check_options(loaded, found, models, contexts, phase, ranges=ranges)
    planned = [Point(design, workload) for workload in workloads for design in loaded]
    empty = _without_rows(loaded, workloads, base, found, overrides, options, printed)
    done: dict[int, Computed] = {}
    try:
        compute_rows(planned, options, workers, progress, done)
    except KeyboardInterrupt:
        raise ComparisonInterrupted(_finished(empty, done) if done else None, len(planned)) from None
    return _finished(empty, done)


def _without_rows(
    designs: Sequence[LoadedDesign],
    workloads: Sequence[Workload],
    base: str,
    phase: str,
    overrides: Overrides,
    options: RangeOptions,
    printed: tuple[ExternalPoint, ...],
) -> ComparisonResult:
    """Return the result before its rows are computed; settings of all designs without any effect are refused."""
    configs = {each.name: _at(each, workloads[0]) for each in designs}
    effects = check_effects(configs, setting_texts(overrides))
    return ComparisonResult(
        config=next(each.config for each in designs if each.name == base),
        version=__version__,
        baseline=base,
        phase=phase,
        planned=len(designs) * len(workloads),
        samples=options.samples,
        seed=options.seed,
        designs=tuple(map(_described, designs)),
        rows=(),
        settings=differing_settings(configs),
        points=printed,
        effects=tuple(map(one_line, effects)),
    )


def _printed(points: str | Path | Sequence[ExternalPoint], names: Sequence[str]) -> tuple[ExternalPoint, ...]:
    """Return the published points, none of which has the name of a simulated design."""
    of_file = isinstance(points, str | Path)
    found = read_points(points) if isinstance(points, str | Path) else tuple(points)
    check_names(found, names, str(points) if of_file else "points")
    return found


def _check_options(
    designs: Sequence[LoadedDesign],
    found: str,
    models: Sequence[str] | None,
    contexts: Sequence[int] | int | None,
    phase: str | None,
    *,
    ranges: bool,
) -> None:
    """Refuse intervals of phases that have none, and settings of keys that an option of the comparison sets.

    Args:
        designs: The designs.
        found: Phase of the workloads.
        models: Models that the user gave.
        contexts: Contexts that the user gave.
        phase: Phase that the user gave.
        ranges: Whether intervals are wanted.

    Raises:
        WorkloadInputError: If the phase has no intervals.
    """
    if ranges and found in ("generate", "load"):
        raise WorkloadInputError(f"phase: intervals are those of decode steps, prefills and traces, not of {found}")
    options = {
        "models": ("workload.model", "workload.trace") if models is not None else (),
        "contexts": (f"workload.{LENGTH_KEYS[found]}",) if contexts is not None else (),
        "phase": ("workload.phase",) if phase is not None else (),
    }
    check_workload_settings(designs, options)


def _at(design: LoadedDesign, workload: Workload) -> Config:
    """Return the config of a design at a workload; that of its own workload if it cannot run this one."""
    try:
        return design.with_workload(workload.changes)
    except PimsimError:
        return design.config


def _range_options(samples: int | None, seed: int, unknown: Collection[str], *, ranges: bool) -> RangeOptions:
    if not ranges:
        for name, given in (("samples", samples is not None), ("seed", bool(seed)), ("unknown", bool(unknown))):
            if given:
                raise WorkloadInputError(f"{name}: has an effect with ranges only")
        return RangeOptions()
    count = SAMPLES if samples is None else samples
    check_samples(count)
    return RangeOptions(count, seed, tuple(unknown))


def _described(design: LoadedDesign) -> ComparedDesign:
    return ComparedDesign(
        design.name,
        one_line(design.shown),
        one_line(design.config.description),
        design.config.operations_per_mac,
        dump_config(design.config),
        tuple(map(one_line, design.settings)),
    )


def _finished(empty: ComparisonResult, done: Mapping[int, Computed]) -> ComparisonResult:
    """Return the result with all rows in order, each with its intervals."""
    computed = [done[number] for number in sorted(done)]
    base = {each.row.workload: each.samples for each in computed if each.row.design == empty.baseline}
    per_mac = {each.name: each.operations_per_mac for each in empty.designs}
    rows = []
    for each in computed:
        of_base: Samples = base.get(each.row.workload, {})
        if per_mac[each.row.design] != per_mac[empty.baseline]:
            of_base = {name: values for name, values in of_base.items() if name not in OPERATIONS}
        rows.append(_with_intervals(each, of_base))
    return replace(empty, rows=tuple(rows))


def _with_intervals(computed: Computed, base: Samples) -> ComparisonRow:
    found = []
    for measure in MEASURES:
        values = computed.samples.get(measure.ranged)
        if values is None:
            continue
        scale = 1e6 if measure.name == "area_mm2" else 1.0
        low, median, high = (float(each) for each in np.percentile(values * scale, PERCENTILES))
        of_base = base.get(measure.ranged)
        if of_base is None or not of_base.all():
            found.append(RowInterval(measure.name, low, median, high))
            continue
        ratios = values / of_base
        of_ratio = [float(each) for each in np.percentile(ratios, PERCENTILES)]
        above = float(np.mean(ratios > 1))
        found.append(RowInterval(measure.name, low, median, high, of_ratio[0], of_ratio[1], of_ratio[2], above))
    return replace(computed.row, intervals=tuple(found))
