"""Result of a run with ranges: the intervals of its figures, and which uncertain numbers explain them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.config.schema import Config
from pimsim.studies.ranges.config_ranges import KeyRange
from pimsim.studies.ranges.first_order import FirstOrder
from pimsim.studies.ranges.variance_shares import VarianceShare, variance_shares

if TYPE_CHECKING:
    import pandas as pd

PERCENTILES = (2.5, 50.0, 97.5)


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure of a run with its 95 % interval, in SI units.

    Attributes:
        name: Name of the figure; its suffix is the unit.
        point: Value at the likely values, as a run without ranges prints it.
        low: 2.5 % of the samples lie below.
        median: Half of the samples lie below.
        high: 97.5 % of the samples lie below.
        first_order_low: Lower end by the linearisation, to check the other.
        first_order_high: Upper end by the linearisation.
    """

    name: str
    point: float
    low: float
    median: float
    high: float
    first_order_low: float
    first_order_high: float

    @property
    def width(self) -> float:
        """Upper end as a multiple of the lower one."""
        return self.high / self.low if self.low else float("inf")

    def contains(self, value: float) -> bool:
        """Return whether a value lies in the interval.

        Args:
            value: Value in SI units.

        Returns:
            True from the lower to the upper end.
        """
        return self.low <= value <= self.high


@dataclass(frozen=True, repr=False)
class RangesResult(HeadlineRepr):
    """Intervals of the figures of one run.

    Attributes:
        config: Config of the run, with the likely values.
        seed: Seed of the random numbers.
        ranges: Ranges of the numbers that vary.
        point: Figures at the likely values by name, SI units.
        uniform: Uniform random numbers by source, [samples] float64.
        samples: Figures by name, [samples] float64, SI units.
        first_order: Interval and shares by the linearisation, by name of the figure.
        exact: Keys that would have a range, if the user had not given them a value without one.
        notes: What is not known of the config, and how to give it.
    """

    config: Config
    seed: int
    ranges: tuple[KeyRange, ...]
    point: Mapping[str, float]
    uniform: Mapping[str, NDArray[np.float64]]
    samples: Mapping[str, NDArray[np.float64]]
    first_order: Mapping[str, FirstOrder]
    exact: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.samples["latency_s"])

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """Interval of each figure by name."""
        found = {}
        for name, values in self.samples.items():
            low, median, high = (float(each) for each in np.percentile(values, PERCENTILES))
            linear = self.first_order.get(name)
            ends = (linear.low, linear.high) if linear else (self.point[name],) * 2
            found[name] = Interval(name, self.point[name], low, median, high, *ends)
        return found

    def shares(self, figure: str) -> dict[str, VarianceShare]:
        """Estimate which fraction of the variance of a figure each source of uncertainty explains alone.

        Args:
            figure: Name of the figure, a key of `samples`.

        Returns:
            First-order Sobol' share by source, the largest first; none for a figure that does not vary.

        Raises:
            KeyError: If there is no such figure.
        """
        return variance_shares(self.uniform, self.samples[figure])

    def keys_of(self, source: str) -> tuple[str, ...]:
        """Return the keys that vary together as one source of uncertainty.

        Args:
            source: Name of the source, as in `shares`.

        Returns:
            Dotted keys.
        """
        return tuple(each.key for each in self.ranges if each.group == source)

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Name, number of samples, the ends of the intervals of speed and efficiency, and the number of
                notes if there are any.
        """
        yield Figure("name", self.config.name)
        yield Figure("samples", self.count)
        for name, unit in (("tokens_per_s", "tokens/s"), ("tokens_per_j", "tokens/J")):
            if name in self.intervals:
                yield Figure(f"{unit} from", self.intervals[name].low, unit)
                yield Figure(f"{unit} to", self.intervals[name].high, unit)
        if self.notes:
            yield Figure("notes", len(self.notes))

    def interval_rows(self) -> list[dict[str, Any]]:
        """Return the intervals as flat rows, for CSV and data frames.

        Returns:
            One row per figure: figure, point, low, median, high, first_order_low, first_order_high.
        """
        names = ("point", "low", "median", "high", "first_order_low", "first_order_high")
        return [
            {"figure": each.name, **{name: getattr(each, name) for name in names}} for each in self.intervals.values()
        ]

    def share_rows(self) -> list[dict[str, Any]]:
        """Return the shares of all sources in all figures as flat rows.

        Returns:
            One row per figure and source: figure, source, share, half_width, first_order_share.
        """
        return [
            {
                "figure": figure,
                "source": source,
                "share": found.share,
                "half_width": found.half_width,
                "first_order_share": self.first_order[figure].shares.get(source, 0.0),
            }
            for figure in self.samples
            for source, found in self.shares(figure).items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the samples as plain values for JSON.

        Returns:
            Samples, seed, ranges, intervals and shares.
        """
        return {
            "samples": self.count,
            "seed": self.seed,
            "confidence": 0.95,
            "exact": list(self.exact),
            "notes": list(self.notes),
            "intervals": self.interval_rows(),
            "shares": self.share_rows(),
            "ranges": [
                {
                    "key": each.key,
                    "low": each.range.low,
                    "likely": each.range.likely,
                    "high": each.range.high,
                    "shape": each.range.shape,
                    "varies_with": each.group,
                    "source": each.source,
                }
                for each in self.ranges
            ],
        }

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per sample: the values of all numbers that vary, and the figures.

        What the rows leave out: Intervals are those of columns; `interval_rows` has them.

        Returns:
            Data frame; columns of numbers are dotted keys, those of figures end in their unit.
        """
        from pimsim.base.pandas_library import pd

        numbers = {each.key: each.range.quantile(self.uniform[each.group]) for each in self.ranges}
        return pd.DataFrame({**numbers, **self.samples})
