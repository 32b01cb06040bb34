"""Sensitivity of a metric to the axes: one axis at a time from a base point, and Sobol' indices over the whole space.

The one-at-a-time analysis needs few points and is easy to interpret, but it does not detect interactions of axes.
Sobol' indices are fractions of the variance of the metric over the space: the first-order index of an axis is the
fraction that the axis explains alone, the total index includes its interactions with other axes. They need Saltelli's
sample. SALib (extra `sensitivity`) draws the sample and computes the indices.

Reference:
    A. Saltelli et al., "Variance based sensitivity analysis of model output. Design and estimator for the total
    sensitivity index", Computer Physics Communications 181(2), 2010.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pimsim.base.errors import AnalysisError
from pimsim.base.optional_dependencies import import_optional
from pimsim.base.pandas_library import pd
from pimsim.studies.analysis.point_columns import check_columns, distinct, is_numeric, numbers

if TYPE_CHECKING:
    from collections.abc import Hashable

MAX_SAMPLES = 1 << 20

Axis = str | tuple[str, ...]
"""A column, or several linked columns."""


def axis_label(axis: Axis) -> str:
    """Return the label of an axis in tables.

    Args:
        axis: A column, or several linked columns.

    Returns:
        The name of the column, or the names joined by " + ".
    """
    return axis if isinstance(axis, str) else " + ".join(axis)


# --- one at a time --------------------------------------------------------------------------------------------------


def one_at_a_time_points(base: Mapping[str, Any], values: Mapping[Axis, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Generate the points of a one-at-a-time analysis.

    Args:
        base: Value of each column at the base point.
        values: Values of each axis; tuples of values for linked columns.

    Yields:
        The base point, then for each axis the points that differ from it in this axis only.
    """
    yield dict(base)
    for axis, steps in values.items():
        for step in steps:
            changed = dict(zip(axis, step, strict=True)) if isinstance(axis, tuple) else {axis: step}
            if any(base[name] != value for name, value in changed.items()):
                yield {**base, **changed}


def one_at_a_time(frame: pd.DataFrame, axes: Sequence[Axis], metric: str, base: int | None = None) -> pd.DataFrame:
    """Compute the effect of each axis on a metric, from the points that differ from a base point in one axis only.

    The points may be a one-at-a-time sample or a grid.

    Args:
        frame: One row per point.
        axes: Columns of the axes; linked columns are a tuple.
        metric: Column of numbers.
        base: Row number of the base point; None chooses the point with the most neighbours, and among several such
            points (in a grid) the most central one.

    Returns:
        One row per axis, the largest swing first, with these columns. `axis`: label of the axis. `low`, `base`,
        `high`: lowest value of the axis, value at the base point, and highest value. An axis of names has the names at
        which the metric is lowest and highest. Linked axes have the values of their first column, or of all columns if
        the first column contains names. `at_low`, `at_base`, `at_high`: the metric at these values. `swing`: highest
        minus lowest value of the metric along the axis. `elasticity`: percent of the metric per percent of the axis
        between low and high, the ratio of the logarithms ln(at_high/at_low) / ln(high/low); NaN unless all four values
        are positive numbers.

    Raises:
        AnalysisError: If a column is missing, if the metric contains text or has no value, or if no point differs from
            the base point in one axis only.
    """
    names = [(axis,) if isinstance(axis, str) else axis for axis in axes]
    check_columns(frame, [name for columns in names for name in columns])
    values = numbers(frame, metric)
    kept = frame[~np.isnan(values)].reset_index(drop=True)
    if base is not None and np.isnan(values[base]):
        raise AnalysisError(f"the base point has no {metric}")
    if not names:
        raise AnalysisError("there are no axes")
    if kept.empty:
        raise AnalysisError(f"no point has a {metric}")
    codes = np.column_stack([_codes(kept, columns) for columns in names])
    neighbours = _neighbours(codes)
    if base is None:
        centre = np.argmin(_eccentricity(kept, names, codes) + len(names) * (neighbours.max() - neighbours))
    else:
        centre = np.count_nonzero(~np.isnan(values[:base]))
    if not neighbours[centre]:
        raise AnalysisError(
            "no point differs from the base point in one axis only; a sweep over a grid, or with "
            "sampling method one_at_a_time, has such points"
        )
    rows = [
        _swing(kept, columns, metric, _line(codes, int(centre), at), int(centre)) for at, columns in enumerate(names)
    ]
    return pd.DataFrame(rows).sort_values("swing", ascending=False, kind="stable", ignore_index=True)


def _codes(frame: pd.DataFrame, columns: tuple[str, ...]) -> NDArray[np.int64]:
    """Assign a number to each distinct combination of values of some columns.

    Args:
        frame: One row per point.
        columns: Names of the columns.

    Returns:
        Number of the combination of each row, [rows] int64.
    """
    groups = frame.groupby(list(columns), sort=False, dropna=False).ngroup()
    return np.asarray(groups, dtype=np.int64)


def _neighbours(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the rows that differ from a row in exactly one axis.

    Args:
        codes: Number of the value of each axis, [rows, axes] int64.

    Returns:
        Count for each row, [rows] int64.
    """
    count = np.zeros(len(codes), dtype=np.int64)
    for at in range(codes.shape[1]):
        _, line, rows = np.unique(np.delete(codes, at, axis=1), axis=0, return_inverse=True, return_counts=True)
        _, point, same = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
        count += rows[line.ravel()] - same[point.ravel()]
    return count


def _eccentricity(
    frame: pd.DataFrame, names: Sequence[tuple[str, ...]], codes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Compute the distance of each row from the middle of the axes.

    For an axis of names, the distance is measured from the first name.

    Args:
        frame: One row per point.
        names: Columns of each axis.
        codes: Number of the value of each axis, [rows, axes] int64.

    Returns:
        Distances, [rows] float64; at least 0 and less than the number of axes.
    """
    distances = np.zeros(len(codes))
    for at, columns in enumerate(names):
        if is_numeric(frame, columns[0]):
            order = distinct(frame, columns[0])
            place = frame[columns[0]].map({value: index for index, value in enumerate(order)}).fillna(0).to_numpy(float)
            distances += np.abs(place - (len(order) - 1) / 2) / len(order)
        else:
            distances += codes[:, at] / (codes[:, at].max() + 1)
    return distances


def _line(codes: NDArray[np.int64], centre: int, at: int) -> NDArray[np.intp]:
    """Find the rows that equal the base point in all axes but one.

    Args:
        codes: Number of the value of each axis, [rows, axes] int64.
        centre: Row of the base point.
        at: Index of the axis that may differ.

    Returns:
        Row numbers in increasing order, the base point included.
    """
    others = np.delete(codes, at, axis=1)
    return np.flatnonzero((others == others[centre]).all(axis=1))


def _swing(
    frame: pd.DataFrame, columns: tuple[str, ...], metric: str, line: NDArray[np.intp], centre: int
) -> dict[str, object]:
    """Compute one row of `one_at_a_time`.

    Args:
        frame: One row per point, each with a value of the metric.
        columns: Columns of the axis.
        metric: Column of numbers.
        line: Rows that differ from the base point in this axis only, the base point included.
        centre: Row of the base point.

    Returns:
        Value of each column of the result.
    """
    along = frame.iloc[line]
    values = along[metric].to_numpy(float)
    steps = along[columns[0]]
    numeric = is_numeric(along, columns[0]) and not steps.isna().any()
    if not numeric and len(columns) > 1:
        steps = pd.Series([", ".join(map(str, each)) for each in along[list(columns)].itertuples(index=False)])
    order = np.argsort(steps.to_numpy(float) if numeric else values, kind="stable")
    low, high = int(order[0]), int(order[-1])
    return {
        "axis": axis_label(columns),
        "low": steps.iloc[low],
        "base": steps.iloc[int(np.flatnonzero(line == centre)[0])],
        "high": steps.iloc[high],
        "at_low": values[low],
        "at_base": float(frame[metric].iloc[centre]),
        "at_high": values[high],
        "swing": values.max() - values.min(),
        "elasticity": _elasticity(steps, values, low, high) if numeric else float("nan"),
    }


def _elasticity(steps: pd.Series[Any], values: NDArray[np.float64], low: int, high: int) -> float:
    ends = np.array([steps.iloc[low], steps.iloc[high], values[low], values[high]], dtype=float)
    if not (np.isfinite(ends).all() and (ends > 0).all() and ends[0] < ends[1]):
        return float("nan")
    return float(np.log(ends[3] / ends[2]) / np.log(ends[1] / ends[0]))


# --- Sobol' indices -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SobolIndices:
    """Sobol' indices: fractions of the variance of a metric, with half-widths of their 95 % confidence intervals.

    Attributes:
        axes: One row per axis, the largest total index first. Columns: axis, first, first_confidence, total,
            total_confidence.
        pairs: One row per pair of axes, the largest index first. Columns: axis, other, second, second_confidence. Empty
            if the sample was not made for second-order indices.
    """

    axes: pd.DataFrame
    pairs: pd.DataFrame


def saltelli_size(axes: int, samples: int, second_order: bool = False) -> int:
    """Compute the number of points of Saltelli's sample.

    Args:
        axes: Number of axes.
        samples: Number of base samples.
        second_order: Whether the sample is for second-order indices, too.

    Returns:
        samples x (axes + 2), or samples x (2 axes + 2) with second order.
    """
    return samples * ((2 * axes + 2) if second_order else (axes + 2))


def saltelli_points(axes: int, samples: int, *, second_order: bool = False, seed: int = 0) -> NDArray[np.float64]:
    """Draw Saltelli's sample of the unit cube.

    Args:
        axes: Number of axes.
        samples: Number of base samples, a power of two.
        second_order: Whether the sample is for second-order indices, too.
        seed: Seed of the random numbers.

    Returns:
        Points in [0, 1), [points, axes] float64, in the order that `sobol_indices` needs.

    Raises:
        AnalysisError: If `samples` is not a power of two from 2 to `MAX_SAMPLES`.
        MissingExtraError: If SALib is not installed.
    """
    if not (2 <= samples <= MAX_SAMPLES and samples & (samples - 1) == 0):
        raise AnalysisError(f"samples must be a power of two from 2 to {MAX_SAMPLES}, not {samples}")
    sobol = import_optional("SALib.sample.sobol", "sensitivity", "Saltelli's sample")
    points: NDArray[np.float64] = sobol.sample(
        _problem([str(axis) for axis in range(axes)]),
        samples,
        calc_second_order=second_order,
        seed=np.random.default_rng(seed),
    )
    return points


def sobol_indices(
    frame: pd.DataFrame, axes: Sequence[str], metric: str, *, second_order: bool = False, seed: int = 0
) -> SobolIndices:
    """Compute the Sobol' indices of a metric over Saltelli's sample.

    Args:
        frame: One row per point, in the order of `saltelli_points`.
        axes: Columns of the axes.
        metric: Column of numbers.
        second_order: Whether the sample was drawn with `second_order`.
        seed: Seed of the bootstrap that estimates the confidence intervals.

    Returns:
        Indices of each axis, and of each pair of axes with `second_order`.

    Raises:
        AnalysisError: If a point has no finite value of the metric, if the metric is equal at all points, or if the
            number of points does not fit the number of axes.
        MissingExtraError: If SALib is not installed.

    Reference:
        As in the docstring of this module.
    """
    sobol = import_optional("SALib.analyze.sobol", "sensitivity", "Sobol' indices")
    check_columns(frame, axes)
    values = numbers(frame, metric)
    missing = np.count_nonzero(~np.isfinite(values))
    if missing:
        raise AnalysisError(f"Sobol' indices need all points, but {missing} of {len(values)} have no finite {metric}")
    rows_per_sample = saltelli_size(len(axes), 1, second_order)
    if not len(values) or len(values) % rows_per_sample:
        raise AnalysisError(
            f"{len(values)} points are not a Saltelli sample of {len(axes)} axes, which has a multiple of "
            f"{rows_per_sample} points"
        )
    if np.ptp(values) == 0:
        raise AnalysisError(f"{metric} has the same value at all points, so that it has no variance to explain")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SALib warns of constant subsets, for which the index 0 is correct
        found = sobol.analyze(
            _problem(axes), values, calc_second_order=second_order, seed=seed + 1
        )  # SALib ignores the seed 0
    table = pd.DataFrame(
        {
            "axis": list(axes),
            "first": found["S1"],
            "first_confidence": found["S1_conf"],
            "total": found["ST"],
            "total_confidence": found["ST_conf"],
        }
    )
    return SobolIndices(
        table.sort_values("total", ascending=False, kind="stable", ignore_index=True),
        _pairs(axes, found if second_order else None),
    )


def _problem(axes: Sequence[str]) -> dict[str, Any]:
    return {"num_vars": len(axes), "names": list(axes), "bounds": [[0.0, 1.0]] * len(axes)}


def _pairs(axes: Sequence[str], found: Mapping[str, NDArray[np.float64]] | None) -> pd.DataFrame:
    columns: dict[str, list[Hashable]] = {"axis": [], "other": [], "second": [], "second_confidence": []}
    for one in range(len(axes) if found is not None else 0):
        for two in range(one + 1, len(axes)):
            assert found is not None
            row = (axes[one], axes[two], float(found["S2"][one, two]), float(found["S2_conf"][one, two]))
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
    return pd.DataFrame(columns).sort_values("second", ascending=False, kind="stable", ignore_index=True)
