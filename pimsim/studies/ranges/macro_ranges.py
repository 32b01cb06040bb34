"""Published macros beside the intervals that are predicted without their own converter figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from pimsim.base.errors import ConfigError, Problem, show
from pimsim.config.loading import load_config
from pimsim.studies.macros.macro_file import Macro, QuantitySpec, Role, load_macro, macro_names, printed_at, role_at
from pimsim.studies.macros.macro_table import values_at
from pimsim.studies.macros.printed_values import Kind, parse_printed
from pimsim.studies.ranges.config_ranges import KeyRange, config_ranges
from pimsim.studies.ranges.draws import draws
from pimsim.studies.ranges.ranged_run import RangedRun
from pimsim.studies.ranges.ranges_result import PERCENTILES
from pimsim.studies.ranges.ranges_run import Progress, needs_mapping, sampled_values
from pimsim.studies.ranges.sample_count import check_samples
from pimsim.studies.ranges.unknown_ranges import CONVERTERS, without_own_figures

MACRO_SAMPLES = 400
"""Samples if no number is given: each takes a run of every operating point."""

ALWAYS: tuple[Kind, ...] = ("efficiency", "time")
"""Kinds of quantities that have intervals. An area has one if the converters are in it, as in that of a chip."""

CONVERTER_AREA = "tile/ADCs"

NEURONS = ("machine.crossbar.pair.sensing.integration.*", "machine.crossbar.pair.sensing.sample_energy_j")
"""Figures of a converter that samples and integrates by itself before it converts, as the neurons of NeuRRAM do."""


@dataclass(frozen=True, slots=True)
class MacroRange:
    """A printed value beside the 95 % interval of ours without the macro's own converter figures.

    Attributes:
        macro: Name of the macro.
        quantity: Name of the quantity.
        point: Operating point; empty if the macro has one.
        kind: Kind of the value.
        printed: Printed value, in `unit`.
        low: 2.5 % of the samples lie below, in `unit`.
        median: Half of the samples lie below.
        high: 97.5 % of the samples lie below.
        unit: Unit of all four.
        role: Role of the printed value for the config (docs/macros.md). An input of the config is a prediction here if
            it is one of the converters.
        silicon: Whether it was measured on a chip.
        source: Source of the printed value.
        mark: Confidence of the printed value.
    """

    macro: str
    quantity: str
    point: str
    kind: Kind
    printed: float
    low: float
    median: float
    high: float
    unit: str
    role: Role
    silicon: bool
    source: str
    mark: str

    @property
    def width(self) -> float:
        """Upper end as a multiple of the lower one."""
        return self.high / self.low if self.low else float("inf")

    @property
    def inside(self) -> bool:
        """Whether the printed value lies in the interval."""
        return self.low <= self.printed <= self.high

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain values.

        Returns:
            Values by attribute, with the width, and whether the printed value lies inside.
        """
        return {**asdict(self), "width": self.width, "inside": self.inside}


def macro_ranges(
    names: Iterable[str] = (), *, samples: int = MACRO_SAMPLES, seed: int = 0, progress: Progress | None = None
) -> tuple[MacroRange, ...]:
    """Compute the intervals of the efficiencies, times and areas of macros whose converter figures count as unknown.

    The energy, rate and area of a converter get the range of all ADCs, whatever the config says; their resolution
    stays. All other numbers have their ranges in the config.

    Args:
        names: Names of macros, with or without the prefix "macro-"; none means all of them.
        samples: Number of samples.
        seed: Seed of the random numbers.
        progress: Called with the number of finished samples of all operating points and of all; or None.

    Returns:
        One row per printed efficiency and time, and per predicted area that contains the converters.

    Raises:
        ConfigError: If a name is unknown, or a data file or a config is not valid.
        WorkloadInputError: If the number of samples is out of bounds.

    Reference:
        docs/macros.md.
    """
    check_samples(samples)
    macros = [load_macro(name) for name in dict.fromkeys(names) or macro_names()]
    points = [(macro, point) for macro in macros for point in macro.points]
    found: list[MacroRange] = []
    for number, (macro, point) in enumerate(points):

        def report(done: int, before: int = number * samples) -> None:
            if progress is not None:
                progress(before + done, len(points) * samples)

        found += _ranges_at(macro, point, samples, seed, report)
    names_in_order = [(macro.name, each.name) for macro in macros for each in macro.spec.quantities]
    return tuple(sorted(found, key=lambda row: names_in_order.index((row.macro, row.quantity))))


def sampled_run(macro: Macro, point: str) -> tuple[RangedRun, tuple[KeyRange, ...]]:
    """Return the run of a macro at an operating point, and the ranges of its numbers without those of its converters.

    Args:
        macro: Data file.
        point: Operating point.

    Returns:
        Run and ranges.

    Raises:
        ConfigError: If the config or the settings of the point are not valid, or its schedule is not serial.
    """
    settings = dict(macro.points[point].set)
    config = load_config(macro.config, settings)
    if config.schedule != "serial":
        message = "intervals of a macro need the serial schedule"
        raise ConfigError([Problem("schedule", show(config.schedule), message)], macro.config)
    crossbar = config.machine.crossbar_tile
    integrates = crossbar is not None and crossbar.pair.sensing.integration is not None
    unknown = (*CONVERTERS, *NEURONS) if integrates else CONVERTERS
    ranges = without_own_figures(config, config_ranges(config, macro.config, settings), unknown)
    return RangedRun(config, [each.key for each in ranges], remapped=needs_mapping(ranges)), ranges


def _ranges_at(macro: Macro, point: str, samples: int, seed: int, progress: Callable[[int], None]) -> list[MacroRange]:
    shown = [each for each in macro.spec.quantities if point in printed_at(each, macro.points) and _has(each, point)]
    if not shown:
        return []
    run, ranges = sampled_run(macro, point)
    uniform = {group: draws(group, samples, seed) for group in dict.fromkeys(each.group for each in ranges)}
    columns = sampled_values(ranges, uniform)
    values: dict[str, list[float]] = {each.name: [] for each in shown}
    for index in range(samples):
        result = run.result_with({key: float(column[index]) for key, column in columns.items()})
        ours = values_at(macro, point, result)
        for name, row in values.items():
            value = ours[name]
            assert value is not None  # not of the role not_modelled
            row.append(value)
        progress(index + 1)
    return [_range(macro, each, point, values) for each in shown]


def _has(quantity: QuantitySpec, point: str) -> bool:
    """Return whether a quantity has an interval."""
    if quantity.kind == "area":
        return role_at(quantity, point) == "predicted" and any(
            fnmatchcase(CONVERTER_AREA, each) for each in quantity.of
        )
    return quantity.kind in ALWAYS and role_at(quantity, point) != "not_modelled"


def _range(macro: Macro, quantity: QuantitySpec, point: str, values: Mapping[str, list[float]]) -> MacroRange:
    printed = parse_printed(printed_at(quantity, macro.points)[point], quantity.kind)
    assert printed is not None  # the file was checked
    low, median, high = (float(each) / printed.size for each in np.percentile(values[quantity.name], PERCENTILES))
    return MacroRange(
        macro=macro.name,
        quantity=quantity.name,
        point=point,
        kind=quantity.kind,
        printed=printed.value,
        low=low,
        median=median,
        high=high,
        unit=printed.unit,
        role=role_at(quantity, point),
        silicon=macro.spec.silicon,
        source=quantity.source,
        mark=quantity.mark,
    )
