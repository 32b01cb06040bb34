"""Reports of a sensitivity analysis: one axis at a time, and Sobol' indices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import IO, TYPE_CHECKING, Any

from rich.text import Text

from pimsim.present.text.sweep_report import cell, short_names
from pimsim.present.text.tables import console, table
from pimsim.studies.analysis.sensitivity import SobolIndices

if TYPE_CHECKING:
    import pandas as pd


def print_one_at_a_time(found: pd.DataFrame, metric: str, keys: Mapping[str, str], file: IO[str] | None = None) -> None:
    """Print the effect of each axis on a metric, the largest first.

    Args:
        found: Table of `pimsim.studies.analysis.sensitivity.one_at_a_time`.
        metric: Name of the metric.
        keys: Config keys of the axes that have names of their own; they give the units of the values.
        file: File to write to; None means standard output.
    """
    out = console(file)
    base = float(found["at_base"].iloc[0])
    out.print(Text(f"{metric}, one axis at a time; base point: {cell(base, metric)}", style="bold"))
    out.print()
    headings = ("axis", "base", "lowest", "highest", "at lowest", "at highest", "swing", "swing / base", "elasticity")
    rows = table(*headings, numeric=range(1, len(headings)))
    names = _names(found["axis"])
    for name, row in zip(names, found.to_dict("records"), strict=True):
        key = str(row["axis"]).partition(" + ")[0]
        key = keys.get(key, key)
        swing = float(row["swing"])
        elasticity = float(row["elasticity"])
        rows.add_row(
            name,
            *(cell(row[column], key) for column in ("base", "low", "high")),
            *(cell(row[column], metric) for column in ("at_low", "at_high", "swing")),
            f"{swing / abs(base):.1%}" if base else "-",
            "-" if math.isnan(elasticity) else f"{elasticity:+.3f}",
        )
    out.print(rows)
    out.print("elasticity: percent of the metric per percent of the axis, between lowest and highest")


def print_sobol(indices: SobolIndices, metric: str, file: IO[str] | None = None) -> None:
    """Print Sobol' indices with their confidence intervals, of the axes and of pairs if there are any.

    Args:
        indices: First-order, total and, if computed, second-order indices.
        metric: Name of the metric.
        file: File to write to; None means standard output.
    """
    out = console(file)
    out.print(Text(f"Sobol' indices of {metric}: shares of its variance, with 95 % confidence intervals", style="bold"))
    out.print()
    rows = table("axis", "first order", "", "total", "", numeric=(1, 2, 3, 4))
    axes = indices.axes.to_dict("records")
    for name, row in zip(_names(indices.axes["axis"]), axes, strict=True):
        both = [_index(row, name) for name in ("first", "total")]
        rows.add_row(name, *both[0], *both[1])
    out.print(rows)
    if indices.pairs.empty:
        return
    out.print()
    pairs = table("pair", "", "second order", "", numeric=(2, 3))
    for row in indices.pairs.to_dict("records"):
        pairs.add_row(*_names([row["axis"], row["other"]]), *_index(row, "second"))
    out.print(pairs)


def _names(axes: Iterable[object]) -> list[str]:
    """Return short names of axes; linked axes have the names of all their columns.

    Args:
        axes: Names of axes; the columns of a linked axis are separated by " + ".

    Returns:
        The short names, in the same order.
    """
    columns = [str(axis).split(" + ") for axis in axes]
    flat = [name for each in columns for name in each]
    short = dict(zip(flat, short_names(flat), strict=True))
    return [" + ".join(short[name] for name in each) for each in columns]


def _index(row: Mapping[Any, Any], name: str) -> tuple[str, str]:
    index, width = (float(str(row[column])) for column in (name, f"{name}_confidence"))
    return f"{index:.3f}", f"+- {width:.3f}"
