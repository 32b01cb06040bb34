"""What a metric depends on: one axis at a time from a base point, and Sobol' indices over the whole space.

One at a time is cheap and easy to read, but says nothing of axes that matter only together. Sobol' indices are shares
of the metric's variance over the space: `first` is what an axis explains alone, `total` what it explains together with
the others. They need Saltelli's sample, which SALib (extra `sensitivity`) makes and evaluates.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pimsim.base.errors import AnalysisError
from pimsim.base.optional_dependencies import import_optional
from pimsim.studies.analysis.point_columns import check_columns, distinct, is_numeric, numbers

if TYPE_CHECKING:
    from collections.abc import Hashable

MAX_SAMPLES = 1 << 20

Axis = str | tuple[str, ...]
"""A column, or columns that move together."""


def axis_label(axis: Axis) -> str:
    """An axis by one name, as tables have it."""
    return axis if isinstance(axis, str) else " + ".join(axis)


# --- one at a time --------------------------------------------------------------------------------------------------


def one_at_a_time_points(base: Mapping[str, Any], values: Mapping[Axis, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """The base point, then for each axis the base with each of the axis's other values; of linked axes, tuples."""
    yield dict(base)
    for axis, steps in values.items():
        for step in steps:
            changed = dict(zip(axis, step, strict=True)) if isinstance(axis, tuple) else {axis: step}
            if any(base[name] != value for name, value in changed.items()):
                yield {**base, **changed}


def one_at_a_time(frame: pd.DataFrame, axes: Sequence[Axis], metric: str, base: int | None = None) -> pd.DataFrame:
    """How far each axis alone takes a metric, from the points that differ from a base point in that axis only.

    `base` is a row number; None takes the point with most such neighbours, of several (a grid) the most central one.
    A grid is therefore as good as points made for it.

    Returns a row per axis, the largest swing first:
        axis; low, base, high: the axis's least value, the base point's, and the largest (of an axis of names, those
        where the metric is least and largest; of linked axes the first column's, or if that holds names, those of
        all); at_low, at_base, at_high: the metric there; swing: its largest minus its least value along the axis;
        elasticity: percent of the metric per percent of the axis between low and high, NaN unless all four are
        positive numbers.

    Raises AnalysisError if a column is missing, the metric holds text, or no point differs from another in one axis
    only.
    """
    names = [(axis,) if isinstance(axis, str) else axis for axis in axes]
    check_columns(frame, [name for columns in names for name in columns])
    values = numbers(frame, metric)
    kept = frame[~np.isnan(values)].reset_index(drop=True)
    if base is not None and np.isnan(values[base]):
        raise AnalysisError(f"the base point has no {metric}")
    if not names:
        raise AnalysisError("no axis to look along")
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
    """Per row a number that stands for its values in these columns."""
    groups = frame.groupby(list(columns), sort=False, dropna=False).ngroup()
    return np.asarray(groups, dtype=np.int64)


def _neighbours(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Per row the number of rows that differ from it in one axis (column) only."""
    count = np.zeros(len(codes), dtype=np.int64)
    for at in range(codes.shape[1]):
        _, line, rows = np.unique(np.delete(codes, at, axis=1), axis=0, return_inverse=True, return_counts=True)
        _, point, same = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
        count += rows[line.ravel()] - same[point.ravel()]
    return count


def _eccentricity(
    frame: pd.DataFrame, names: Sequence[tuple[str, ...]], codes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Per row how far it lies from the middle of the axes, 0 to less than the number of axes.

    An axis of names has no middle; there the first is as good as the middle.
    """
    far = np.zeros(len(codes))
    for at, columns in enumerate(names):
        if is_numeric(frame, columns[0]):
            order = distinct(frame, columns[0])
            place = frame[columns[0]].map({value: index for index, value in enumerate(order)}).fillna(0).to_numpy(float)
            far += np.abs(place - (len(order) - 1) / 2) / len(order)
        else:
            far += codes[:, at] / (codes[:, at].max() + 1)
    return far


def _line(codes: NDArray[np.int64], centre: int, at: int) -> NDArray[np.intp]:
    """The rows that are as the base point in all axes but one, itself among them."""
    others = np.delete(codes, at, axis=1)
    return np.flatnonzero((others == others[centre]).all(axis=1))


def _swing(
    frame: pd.DataFrame, columns: tuple[str, ...], metric: str, line: NDArray[np.intp], centre: int
) -> dict[str, object]:
    """One row of `one_at_a_time`."""
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
    """Shares of a metric's variance, with the half-widths of their 95 % confidence intervals.

    `axes` has a row per axis, the largest total first: axis, first, first_confidence, total, total_confidence.
    `pairs` has a row per pair of axes, the largest first: axis, other, second, second_confidence; it is empty if the
    sample was not made for it.
    """

    axes: pd.DataFrame
    pairs: pd.DataFrame


def saltelli_size(axes: int, samples: int, second_order: bool = False) -> int:
    """How many points Saltelli's sample has."""
    return samples * ((2 * axes + 2) if second_order else (axes + 2))


def saltelli_points(axes: int, samples: int, *, second_order: bool = False, seed: int = 0) -> NDArray[np.float64]:
    """Saltelli's sample of the unit cube [0, 1): `saltelli_size` points x axes, in the order that the indices need.

    Raises AnalysisError unless `samples` is a power of two; MissingExtraError without SALib.
    """
    if not (2 <= samples <= MAX_SAMPLES and samples & (samples - 1) == 0):
        raise AnalysisError(f"Saltelli's sample takes a power of two from 2 to {MAX_SAMPLES} as samples, not {samples}")
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
    """The Sobol' indices of a metric over points that lie as `saltelli_points` gave them, in that order.

    `seed` is that of the bootstrap behind the confidence intervals.

    Raises AnalysisError if a point has no finite value, if the metric is the same everywhere, or if the number of
    points is not that of such a sample; MissingExtraError without SALib.
    """
    sobol = import_optional("SALib.analyze.sobol", "sensitivity", "Sobol' indices")
    check_columns(frame, axes)
    values = numbers(frame, metric)
    lost = np.count_nonzero(~np.isfinite(values))
    if lost:
        raise AnalysisError(f"Sobol' indices need every point, and {lost} of {len(values)} have no finite {metric}")
    rows_per_sample = saltelli_size(len(axes), 1, second_order)
    if not len(values) or len(values) % rows_per_sample:
        raise AnalysisError(
            f"{len(values)} points are no Saltelli sample of {len(axes)} axes: that has {rows_per_sample} per sample"
        )
    if np.ptp(values) == 0:
        raise AnalysisError(f"{metric} is the same at all points: no axis explains anything")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of subsets that are constant, where an index is rightly 0
        found = sobol.analyze(_problem(axes), values, calc_second_order=second_order, seed=seed + 1)  # 0 means none
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
