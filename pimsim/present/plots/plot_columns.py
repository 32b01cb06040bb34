"""Columns of a table of points on the axes of a plot: short names, units, ticks and scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from pimsim.base.errors import printable
from pimsim.base.metric_names import split_metric
from pimsim.base.units import Dimension, dimension_of_key
from pimsim.present.plots.style import axis_unit, model_label, quantity, three_digits
from pimsim.studies.analysis.point_columns import Direction, is_numeric

LOG_FROM = 20.0
"""Ratio of the largest to the smallest positive value above which the axis is logarithmic."""
MAX_LABEL_CHARS = 40
_ARROWS: Mapping[Direction, str] = {"higher": " \u2191", "lower": " \u2193"}
_ABBREVIATIONS = {"gops": "GOPS", "tops": "TOPS", "snr": "SNR", "kv": "KV", "adc": "ADC", "adcs": "ADCs", "dac": "DAC"}
_UNITS = {"w": "W", "j": "J", "s": "s", "m2": "m²", "mm2": "mm²"}
_OMITTED_SECTIONS = ("machine", "workload", "mapping", "pair", "crossbar")
"""Sections that are left out of short names: "link bandwidth" instead of "mesh link bandwidth"."""


@dataclass(frozen=True)
class Column:
    """Column on an axis of a plot.

    Attributes:
        positions: Position of each row on the axis, [rows] float64; numbers in the unit of the label, or indices of
            names.
        label: Label of the axis, with its unit.
        log: Whether the axis is logarithmic.
        ticks: Names at positions 0, 1, ...; empty if the column has numbers.
    """

    positions: NDArray[np.float64]
    label: str
    log: bool = False
    ticks: tuple[str, ...] = ()

    def apply(self, axes: Axes, axis: str) -> None:
        """Set label, scale and ticks of an axis.

        Args:
            axes: Axes of the plot.
            axis: "x" or "y".
        """
        line = axes.xaxis if axis == "x" else axes.yaxis
        (axes.set_xlabel if axis == "x" else axes.set_ylabel)(self.label)
        if self.ticks:
            line.set_ticks(range(len(self.ticks)), list(self.ticks))
            return
        if self.log:
            (axes.set_xscale if axis == "x" else axes.set_yscale)("log")
            line.set_major_locator(log_ticks(self.positions))
            line.set_minor_formatter(NullFormatter())
        line.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))


class Names:
    """Short names, units and values of the columns of one plot.

    Args:
        columns: Names of all columns of the plot.
        keys: Config keys of columns with names of their own; a key gives the unit of the values.
    """

    def __init__(self, columns: Iterable[str], keys: Mapping[str, str] | None = None) -> None:
        self._keys = keys or {}
        self._short = short_names(columns)

    def short(self, name: str, better: Direction | None = None) -> str:
        """Return the short name of a column.

        Args:
            name: Name of the column.
            better: Direction that is better, which becomes an arrow; None means no arrow.

        Returns:
            The short name.
        """
        return self._short[name] + (_ARROWS[better] if better else "")

    def column(self, frame: pd.DataFrame, name: str, better: Direction | None = None) -> Column:
        """Return a column for an axis.

        Args:
            frame: Table of points.
            name: Name of the column.
            better: Direction that is better, which becomes an arrow in the label; None means no arrow.

        Returns:
            The column: numbers in the unit that suits the largest, or names in the order of their first appearance.
        """
        label = self.short(name, better)
        if not is_numeric(frame, name):
            texts = [self.text(each, name) for each in frame[name]]
            ticks = tuple(dict.fromkeys(texts))
            return Column(np.array([ticks.index(text) for text in texts], dtype=float), label, ticks=ticks)
        values = frame[name].to_numpy(dtype=float, na_value=np.nan)
        return self.scaled(values, name, label)

    def scaled(self, values: NDArray[np.float64], name: str, label: str | None = None) -> Column:
        """Return numbers of a column in the unit that suits the largest.

        Args:
            values: Numbers in SI units, any shape, float64; NaN where there is no value.
            name: Name of the column, which gives the unit.
            label: Label without unit; None means the short name.

        Returns:
            The column.
        """
        present = values[np.isfinite(values)]
        log = bool(present.size and present.min() > 0 and present.max() / present.min() > LOG_FROM)
        size, unit = self._unit(name, float(np.abs(present).max(initial=0)))
        label = label or self.short(name)
        return Column(values / size, f"{label} ({unit})" if unit else label, log)

    def text(self, value: Any, name: str) -> str:
        """Format one value of a column with its unit, e.g. "20 Gb/s", "256" or "OPT-6.7B".

        Args:
            value: Number in SI units, or any other value.
            name: Name of the column.

        Returns:
            The formatted value.
        """
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return "none"
        if isinstance(value, bool | np.bool_):
            return "yes" if value else "no"
        if isinstance(value, str):
            return printable(model_label(value) if name.rpartition(".")[2] == "model" else value, MAX_LABEL_CHARS)
        if not isinstance(value, int | float | np.integer | np.floating):
            return printable(str(value), MAX_LABEL_CHARS)
        dimension = self._dimension(name)
        if dimension is None:
            return plain(float(value))
        if dimension.suffix == "m2":
            return quantity(float(value), "_m2") if value >= 1e-7 else f"{three_digits(float(value) * 1e12)} µm²"
        return quantity(float(value), f"_{dimension.suffix}")

    def _dimension(self, name: str) -> Dimension | None:
        return dimension_of_key(split_metric(self._keys.get(name, name))[0].rpartition(".")[2])

    def _unit(self, name: str, largest: float) -> tuple[float, str]:
        """Choose the unit of a column.

        Args:
            name: Name of the column.
            largest: Largest absolute value, in SI units.

        Returns:
            Size of the unit in SI units, and its name; (1, "") for plain numbers.
        """
        dimension = self._dimension(name)
        if dimension is None:
            return 1.0, "dB" if name.endswith("_db") else ""
        symbol = dimension.symbols[0][0]
        if dimension.suffix == "m2":
            return (1e-6, "mm²") if largest >= 1e-7 else (1e-12, "µm²")
        return axis_unit(largest, symbol) if largest > 0 else (1.0, symbol)


def short_names(columns: Iterable[str]) -> dict[str, str]:
    """Return a short name without unit for each column.

    Args:
        columns: Names of columns, such as config keys.

    Returns:
        Short name of each column: the last one or two parts of a config key, or as many as make it unique.
    """
    names = list(dict.fromkeys(columns))
    short = {}
    for name in names:
        parts = name.split(".")
        least = 1 if len(parts) == 1 or parts[-2] in _OMITTED_SECTIONS else 2
        others = [other.split(".") for other in names if other != name]
        count = next(
            n for n in range(least, len(parts) + 1) if n == len(parts) or all(o[-n:] != parts[-n:] for o in others)
        )
        words = [*(_words(part) for part in parts[-count:-1]), _words(_without_unit(parts[-1]))]
        short[name] = printable(" ".join(words), MAX_LABEL_CHARS)
    return short


def _without_unit(key: str) -> str:
    dimension = dimension_of_key(key)
    return key.removesuffix("_db" if dimension is None else f"_{dimension.suffix}")


def _words(key: str) -> str:
    head, per, tail = key.partition("_per_")
    words = " ".join(_ABBREVIATIONS.get(word, word) for word in head.split("_"))
    return f"{words}/{_UNITS.get(tail, tail.replace('_', '/'))}" if per else words


def log_ticks(values: NDArray[np.float64]) -> LogLocator:
    """Return the ticks of a logarithmic axis.

    Args:
        values: Values on the axis, positive or NaN.

    Returns:
        Ticks at powers of ten, and at 2 and 5 times these if the values span few decades.
    """
    present = values[np.isfinite(values)]
    return LogLocator(subs=(1, 2, 5) if present.max() / present.min() < 300 else (1,))


def plain(value: float) -> str:
    """Format a number without needless digits, e.g. 256, 0.5, 1,262, 3.14 or 2e+08.

    Args:
        value: Number.

    Returns:
        The formatted number.
    """
    if value == round(value) and abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1000 or abs(value) >= 1e6 else f"{value:,.0f}"
