"""Reports of the tables of the paper, the fitted constants and the placement variants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from rich.text import Text

from pimsim.present.text.tables import console
from pimsim.present.text.tables import quantity as _quantity
from pimsim.present.text.tables import table as _table
from pimsim.studies.paper.comparison_table import Table
from pimsim.studies.paper.fits import Fitted
from pimsim.studies.paper.placement_variants import Variant


def print_table(table: Table, file: IO[str] | None = None) -> None:
    """Print a table or a figure of the paper with its notes.

    Args:
        table: Table to print.
        file: File to write to; None means standard output.
    """
    out = console(file)
    out.print(Text(table.title, style="bold"))
    numeric = [i for i, column in enumerate(table.columns) if any(_is_number(row[column]) for row in table.rows)]
    shown = _table(*(_heading(column) for column in table.columns), numeric=numeric)
    for row in table.rows:
        shown.add_row(*(_cell(column, row[column]) for column in table.columns))
    out.print(shown)
    for note in table.notes:
        out.print(Text(f"  {note}"))


def _heading(column: str) -> str:
    return column.replace("_percent", " %").replace("_per_", "/").replace("_", " ")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(column: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if not isinstance(value, float):
        return str(value)
    if column.endswith(("worst", "mean")):
        return f"{value:.2f}"
    if column.endswith(("_percent", "_points")):
        return f"{value:+.2f}"
    if abs(value) >= 1e5:
        return f"{value:.3e}"
    return f"{value:.2f}" if abs(value) >= 100 else f"{value:.4g}"


def print_fits(fits: Sequence[Fitted], file: IO[str] | None = None) -> None:
    """Print the fitted constants beside their stock values.

    Args:
        fits: Fitted constants.
        file: File to write to; None means standard output.
    """
    out = console(file)
    out.print(Text("Fitted constants and their stock or first-principles values", style="bold"))
    table = _table("key", "fitted", "stock", "ratio", "fitted to", numeric=(1, 2, 3))
    for fit in fits:
        values = (_quantity(value, fit.key.rpartition(".")[2]) for value in (fit.value, fit.stock))
        table.add_row(fit.key, *values, f"{fit.value / fit.stock:.3g}", fit.fitted_to)
    out.print(table)


def print_variants(variants: Sequence[Variant], file: IO[str] | None = None) -> None:
    """Print the placement variants, the smallest worst-case deviation first.

    Args:
        variants: Placement variants, at least one.
        file: File to write to; None means standard output.
    """
    out = console(file)
    out.print(
        Text("Placement variants with stock constants, compared with the calibration values of Fig. 5", style="bold")
    )
    models = list(variants[0].layer_us)
    table = _table(
        "order",
        "placement groups",
        "last output",
        "Q, K, V",
        *(f"{model} us/layer" for model in models),
        "worst %",
        "mean %",
        numeric=range(4, 6 + len(models)),
    )
    for each in sorted(variants, key=lambda variant: variant.worst_percent):
        table.add_row(
            each.placement,
            each.groups,
            each.last_output,
            "at once" if each.at_once else "in a chain",
            *(f"{each.layer_us[model]:.2f}" for model in models),
            f"{each.worst_percent:.2f}",
            f"{each.mean_percent:.2f}",
        )
    out.print(table)
