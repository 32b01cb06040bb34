"""Names of the columns of a sweep as users write them: whole names, config keys of axes, and unique endings of these.

Tables show a column by the shortest ending of its name that no other column has, such as `bits` for
`machine.crossbar.pair.adc.bits`. Whoever reads such a heading can write it in every option that takes a column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pimsim.base.errors import SweepError, did_you_mean, show
from pimsim.base.metric_names import SEPARATOR
from pimsim.studies.sweep.table.sweep_results import SweepResults

MAX_CANDIDATES = 6


def column_names(results: SweepResults, wanted: Iterable[str]) -> dict[str, str]:
    """Find the columns that names stand for.

    Args:
        results: Results of a sweep.
        wanted: Names of columns, config keys that axes set, or endings of either that only one column has.

    Returns:
        The column of each name.

    Raises:
        SweepError: If a name stands for no column, or for several.
    """
    known = {name: name for name in results.column_names}
    for axis in results.axes:
        for key in axis.keys:
            known.setdefault(key, axis.name)
    return {name: _column(name, known) for name in wanted}


def _column(name: str, known: Mapping[str, str]) -> str:
    if name in known:
        return known[name]
    ending = {full: column for full, column in known.items() if SEPARATOR not in full and full.endswith(f".{name}")}
    columns = list(dict.fromkeys(ending.values()))
    if len(columns) == 1:
        return columns[0]
    if columns:
        listed = ", ".join(list(ending)[:MAX_CANDIDATES])
        more = f" and {len(ending) - MAX_CANDIDATES} more" if len(ending) > MAX_CANDIDATES else ""
        raise SweepError(
            f"{show(name)} stands for several columns of this sweep: {listed}{more}; write more of the name"
        )
    short = {full.rpartition(".")[2]: full for full in known if SEPARATOR not in full}
    hint = did_you_mean(name, [*known, *short]) or f"columns: {', '.join(known)}"
    raise SweepError(f"{show(name)} is not a column of this sweep; {hint}")
