"""Sentences about points that leave out the way to memory and back of activations beyond the global buffer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pimsim.base.metric_names import metric_at, split_metric
from pimsim.base.summaries import counted
from pimsim.base.units import dimension_of_key, format_quantity
from pimsim.studies.sweep.measure.spilled_metrics import SPILLED_METRICS
from pimsim.studies.sweep.table.sweep_results import SweepResults

if TYPE_CHECKING:
    import pandas as pd

NOTED_SHARE = 0.01
"""Share of the time or energy of a point above which sentences name what it leaves out."""
_TIME, _ENERGY, _SHARE = SPILLED_METRICS


def spilled_note(results: SweepResults) -> str:
    """Say for how many points of a sweep spilled activations matter.

    Args:
        results: Results of a sweep or a search.

    Returns:
        One sentence; empty if they matter for no point, or if the file is of a version without these columns.
    """
    columns = _shares(results.columns)
    rows = {row for name in columns for row, share in enumerate(results.columns[name]) if share > NOTED_SHARE}
    if not rows:
        return ""
    name, worst = max(
        ((name, row) for name in columns for row in sorted(rows)),
        key=lambda at: -1.0 if math.isnan(share := results.columns[at[0]][at[1]]) else share,
    )
    names = [metric_at(each, split_metric(name)[1]) for each in (_TIME, _ENERGY)]
    sizes = " and ".join(
        format_quantity(results.columns[each][worst], dimension)
        for each in names
        if (dimension := dimension_of_key(split_metric(each)[0])) is not None
    )
    return (
        f"left out at {len(rows):,} of {counted(len(results), 'point')}: activations beyond the global buffer, more "
        f"than {NOTED_SHARE:.0%} of the time or energy; at most {_percent(results.columns[name][worst])}, {sizes} "
        f"({', '.join([*names, name])})"
    )


def chosen_note(chosen: pd.DataFrame, what: str) -> str:
    """Say that points that were chosen as the best ones leave out more than a share of their time or energy.

    Args:
        chosen: The chosen points, with all columns.
        what: Words that follow "the points", such as "of the front".

    Returns:
        One sentence; empty if no point does, or if the file is of a version without these columns.
    """
    names = _shares(map(str, chosen.columns))
    largest: list[float] = chosen[names].max(axis=1).tolist() if names else []
    shares = [share for share in largest if share > NOTED_SHARE]
    if not shares:
        return ""
    if len(chosen) == 1:
        who = f"the point {what} leaves out"
    else:
        who = f"{len(shares):,} of the {len(chosen):,} points {what} {'leaves' if len(shares) == 1 else 'leave'} out"
    return (
        f"{who} activations beyond the global buffer, which would add up to {_percent(max(shares))} of the time or "
        f"energy ({' or '.join(names)} above {NOTED_SHARE})"
    )


def columns_to_show(results: SweepResults, names: Iterable[str], *, brief: bool = False) -> list[str]:
    """Leave out the columns of spilled activations from a printed table if no point has any.

    Args:
        results: Results of a sweep or a search.
        names: Names of columns.
        brief: Whether only the share is shown of these columns, because a table has the width of a terminal.

    Returns:
        The names without such columns, unless the sweep file asks for them.
    """

    def is_shown(name: str) -> bool:
        metric = split_metric(name)[0]
        if metric not in SPILLED_METRICS or name in results.text:
            return True
        values: Sequence[Any] = results.columns.get(name, ())
        return (not brief or metric == _SHARE) and any(value and not math.isnan(value) for value in values)

    return [name for name in names if is_shown(name)]


def _shares(columns: Iterable[str]) -> list[str]:
    """List the columns of the share of spilled activations: of the config itself, and of each workload.

    Args:
        columns: Names of columns.

    Returns:
        Those that are such a share; none for a file of a version without them.
    """
    return [name for name in columns if split_metric(name)[0] == _SHARE]


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"
