"""Columns of a table of points as a plot shows them: short names, units, ticks, logarithmic or not."""

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
from pimsim.base.units import Dimension, dimension_of_key
from pimsim.present.plots.style import axis_unit, model_label, quantity, three_digits
from pimsim.studies.analysis.point_columns import Direction, is_numeric

LOG_FROM = 20.0
"""Positive values that span more than this factor are drawn on a logarithmic axis."""
MAX_LABEL_CHARS = 40
_ARROWS: Mapping[Direction, str] = {"higher": " \u2191", "lower": " \u2193"}
_ABBREVIATIONS = {"gops": "GOPS", "tops": "TOPS", "snr": "SNR", "kv": "KV", "adc": "ADC", "adcs": "ADCs", "dac": "DAC"}
_UNITS = {"w": "W", "j": "J", "s": "s", "m2": "m²", "mm2": "mm²"}
_SECTIONS_WITHOUT_NEWS = ("machine", "workload", "mapping", "pair", "crossbar")
"""Left out before the last part of a key: "context length", "link bandwidth" is enough."""


@dataclass(frozen=True)
class Column:
    """How a column lies on an axis: its rows' positions, its label, and ticks if it holds names."""

    positions: NDArray[np.float64]
    label: str
    log: bool = False
    ticks: tuple[str, ...] = ()

    def apply(self, axes: Axes, axis: str) -> None:
        """Label, scale and ticks of `axes`' axis "x" or "y"."""
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
    """The names of the columns of one plot.

    `keys` gives the config key of columns with names of their own; from it comes the unit of their values.
    """

    def __init__(self, columns: Iterable[str], keys: Mapping[str, str] | None = None) -> None:
        self._keys = keys or {}
        self._short = short_names(columns)

    def short(self, name: str, better: Direction | None = None) -> str:
        """The short name, with an arrow the way that is better."""
        return self._short[name] + (_ARROWS[better] if better else "")

    def column(self, frame: pd.DataFrame, name: str, better: Direction | None = None) -> Column:
        """A column on an axis: numbers in the unit that suits the largest, names in the order they first appear in."""
        label = self.short(name, better)
        if not is_numeric(frame, name):
            texts = [self.text(each, name) for each in frame[name]]
            ticks = tuple(dict.fromkeys(texts))
            return Column(np.array([ticks.index(text) for text in texts], dtype=float), label, ticks=ticks)
        values = frame[name].to_numpy(dtype=float, na_value=np.nan)
        return self.scaled(values, name, label)

    def scaled(self, values: NDArray[np.float64], name: str, label: str | None = None) -> Column:
        """Numbers of a column in the unit that suits the largest."""
        present = values[np.isfinite(values)]
        log = bool(present.size and present.min() > 0 and present.max() / present.min() > LOG_FROM)
        size, unit = self._unit(name, float(np.abs(present).max(initial=0)))
        label = label or self.short(name)
        return Column(values / size, f"{label} ({unit})" if unit else label, log)

    def text(self, value: Any, name: str) -> str:
        """One value of a column, with its unit: "20 Gb/s", "256", "OPT-6.7B"."""
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
        return dimension_of_key(self._keys.get(name, name).rpartition(".")[2])

    def _unit(self, name: str, largest: float) -> tuple[float, str]:
        """The size and name of the unit of a column with this largest value; (1, "") for plain numbers."""
        dimension = self._dimension(name)
        if dimension is None:
            return 1.0, "dB" if name.endswith("_db") else ""
        symbol = dimension.symbols[0][0]
        if dimension.suffix == "m2":
            return (1e-6, "mm²") if largest >= 1e-7 else (1e-12, "µm²")
        return axis_unit(largest, symbol) if largest > 0 else (1.0, symbol)


def short_names(columns: Iterable[str]) -> dict[str, str]:
    """Columns by name without unit: of a config key the last two parts, or as many as tell it from the others."""
    names = list(dict.fromkeys(columns))
    short = {}
    for name in names:
        parts = name.split(".")
        least = 1 if len(parts) == 1 or parts[-2] in _SECTIONS_WITHOUT_NEWS else 2
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
    """A key as words: "tokens/s", "GOPS/W", "link bandwidth"."""
    head, per, tail = key.partition("_per_")
    words = " ".join(_ABBREVIATIONS.get(word, word) for word in head.split("_"))
    return f"{words}/{_UNITS.get(tail, tail.replace('_', '/'))}" if per else words


def log_ticks(values: NDArray[np.float64]) -> LogLocator:
    """Ticks at powers of ten, and at 2 and 5 between them where there are few."""
    present = values[np.isfinite(values)]
    return LogLocator(subs=(1, 2, 5) if present.max() / present.min() < 300 else (1,))


def plain(value: float) -> str:
    """A number without needless digits: 256, 0.5, 1,262, 3.14, 2e+08."""
    if value == round(value) and abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1000 or abs(value) >= 1e6 else f"{value:,.0f}"
