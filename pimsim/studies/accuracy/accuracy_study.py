"""Result of an accuracy study that varies parameters of a config."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pimsim.base.stored_columns import Column, Kind
from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.studies.accuracy.accuracy_result import AccuracyResult

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class AccuracyPoint:
    """One point of a study: a value of the varied parameter and the result.

    Attributes:
        parameter: Name of the varied parameter; empty for the unchanged config.
        value: Value as text; empty for the unchanged config.
        settings: Config overrides of this point, "key=value".
        result: Result of the config with these overrides.
    """

    parameter: str
    value: str
    settings: Annotated[tuple[str, ...], Column(kind=Kind.TEXTS)]
    result: AccuracyResult


@dataclass(frozen=True, repr=False)
class AccuracyStudy(HeadlineRepr):
    """Results of a config, and of variants with one parameter at a time at other values.

    Attributes:
        points: Points in the order of evaluation.
    """

    points: tuple[AccuracyPoint, ...]

    @property
    def base(self) -> AccuracyResult | None:
        """Result of the unchanged config; None if it was not evaluated."""
        return next((point.result for point in self.points if not point.parameter), None)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the varied parameters, in order."""
        return tuple(dict.fromkeys(point.parameter for point in self.points if point.parameter))

    def of(self, parameter: str) -> tuple[AccuracyPoint, ...]:
        """Return the points of a parameter.

        Args:
            parameter: Name of the parameter.

        Returns:
            Points in order; empty if the parameter was not varied.
        """
        return tuple(point for point in self.points if point.parameter == parameter)

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Name and model of the first point, the varied parameters and the number of points; in a notebook also the
            perplexity of each point.
        """
        yield Figure("points", len(self.points))
        yield Figure("parameters", ", ".join(self.parameters) or "none")
        if self.points:
            yield Figure("name", self.points[0].result.config.name)
            yield Figure("model", self.points[0].result.model)
        for point in self.points:
            setting = f"{point.parameter} = {point.value}" if point.parameter else "the config itself"
            yield Figure(f"perplexity with {setting}", point.result.perplexity.mean, "per token", brief=False)

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat row per point.

        Returns:
            Parameter, value and the headline figures, each interval as three columns.
        """
        return [{"parameter": each.parameter, "value": each.value, **each.result.flat()} for each in self.points]

    def to_dict(self) -> dict[str, Any]:
        """Return the whole study as JSON values.

        Returns:
            A dict with a list of all points.
        """
        return {
            "points": [
                {"parameter": each.parameter, "value": each.value, "settings": list(each.settings)}
                | each.result.to_dict()
                for each in self.points
            ]
        }

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per point with its summary; the bounds of intervals are columns of their own.

        What the rows leave out: figures of single chips, layers and projections, which are in the result of each point.

        Returns:
            Data frame with the columns of `rows`.
        """
        from pimsim.base.pandas_library import pd

        return pd.DataFrame(self.rows())
