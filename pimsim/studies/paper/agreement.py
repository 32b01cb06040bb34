"""Agreement of simulated values with all published ones, and with those that were withheld (the blind test)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from pimsim.studies.paper.comparison_table import Row, Table
from pimsim.studies.paper.published_values import Key, PublishedValue, published_values

Which = Literal["all", "known", "blind"]

REVEALED = "2026-11-29"
"""Day on which the withheld values came to the project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A quantity that the paper publishes, and its place in the tables of `pimsim reproduce`.

    Attributes:
        item: Figure or table.
        title: Name in reports.
        column: Column with the simulated values.
        deviation: Column with the deviations.
        data: Name of the quantity in the published data.
        subject: Subject of the published values, such as a machine; None means each.
        unit: Unit of the deviations.
        scale: Simulated value divided by this is in the unit of the published data.
    """

    item: str
    title: str
    column: str
    data: str
    subject: str | None = None
    deviation: str = "deviation_percent"
    unit: str = "%"
    scale: int = 1


QUANTITIES = (
    Quantity(
        item="fig1b",
        title="share of low-precision matmuls",
        column="low_precision_share",
        data="low_precision_share",
    ),
    Quantity(item="fig5", title="tokens/s of TPU-LLM", column="tokens_per_s", data="tokens_per_s", subject="tpu-llm"),
    Quantity(item="fig5", title="tokens/s of PIM-LLM", column="tokens_per_s", data="tokens_per_s", subject="pim-llm"),
    Quantity(item="fig6", title="share of systolic arrays in latency", column="share", data="share"),
    Quantity(
        item="fig7",
        title="gain in tokens/J",
        column="gain_percent",
        data="fraction",
        deviation="deviation_points",
        unit="points",
        scale=100,
    ),
    Quantity(item="fig8", title="words per battery charge", column="words_per_charge", data="words_per_charge"),
    Quantity(
        item="table3",
        title="GOPS of PIM-LLM",
        column="gops",
        data="gops",
        subject="PIM-LLM",
        deviation="gops_deviation_percent",
    ),
    Quantity(
        item="table3",
        title="GOPS/W of PIM-LLM",
        column="gops_per_w",
        data="gops_per_w",
        subject="PIM-LLM",
        deviation="gops_per_w_deviation_percent",
    ),
)
"""All quantities with published values of the two simulated machines, in the order of the paper."""

SUMMARISED = tuple(dict.fromkeys(quantity.item for quantity in QUANTITIES))
"""Figures and tables that the summary needs."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of a set of simulated values with the published ones.

    Attributes:
        values: Number of values.
        in_every_digit: Number of values that agree in every printed digit.
        worst: Largest absolute deviation; None without values.
        mean: Mean absolute deviation; None without values.
    """

    values: int
    in_every_digit: int
    worst: float | None
    mean: float | None

    @property
    def digits(self) -> str:
        """How many values agree in every printed digit, as text."""
        return f"{self.in_every_digit} of {self.values}" if self.values else ""

    def sentence(self, unit: str) -> str:
        """Return the agreement as text.

        Args:
            unit: Unit of the deviations.

        Returns:
            Numbers of values and digits, worst and mean deviation.
        """
        return (
            f"every printed digit in {self.in_every_digit} of {self.values}, worst {self.worst:.2f} {unit}, "
            f"mean {self.mean:.2f} {unit}"
        )


def same_digits(ours: float, printed: str) -> bool:
    """Return whether a value equals a printed one after rounding to the printed digits.

    Args:
        ours: Simulated value.
        printed: Printed number, such as "18.72" or "35e6" (two digits).

    Returns:
        Whether all printed digits agree.
    """
    theirs = Decimal(printed)
    return Decimal(ours).quantize(Decimal((0, (1,), int(theirs.as_tuple().exponent)))) == theirs


def agreement(quantity: Quantity, table: Table, which: Which) -> Agreement:
    """Compare the simulated values of a quantity with the published ones.

    Args:
        quantity: The quantity.
        table: Its figure or table.
        which: Published values that count: all, those that were known, or those that were withheld.

    Returns:
        The agreement.
    """
    pairs = list(compared(quantity, table, which))
    deviations = [abs(row[quantity.deviation]) for row, _ in pairs]
    return Agreement(
        len(pairs),
        sum(same_digits(row[quantity.column] / quantity.scale, value.text) for row, value in pairs),
        max(deviations, default=None),
        sum(deviations) / len(deviations) if deviations else None,
    )


def compared(quantity: Quantity, table: Table, which: Which) -> Iterator[tuple[Row, PublishedValue]]:
    """Iterate over the published values of a quantity, each with the row that simulates it.

    Args:
        quantity: The quantity.
        table: Its figure or table.
        which: Published values that count: all, those that were known, or those that were withheld.

    Yields:
        Row and published value.
    """
    simulated = {
        (row["model"], row["context_length"], _subject(row)): row
        for row in table.rows
        if row[quantity.column] is not None and row.get("origin") != "published"
    }
    for key, value in published_values(quantity.item, quantity.data).items():
        if quantity.subject in (None, key[2]) and (which == "all" or value.withheld is (which == "blind")):
            yield simulated[_row_key(key)], value


def _subject(row: Row) -> str:
    """Return what a row describes: a machine, a category of the latency, or a design."""
    return str(row.get("machine") or row.get("part") or row.get("design") or "")


def _row_key(key: Key) -> Key:
    model, context_length, subject = key
    return model, context_length, "pim-llm" if subject == "gain" else subject


def agreement_notes(table: Table) -> tuple[str, ...]:
    """Return the sentences about agreement that stand below a figure or table.

    Args:
        table: Figure or table with simulated and published values.

    Returns:
        One note per quantity with published values, and one more if some of them were withheld.
    """
    notes = []
    for quantity in QUANTITIES:
        if quantity.item != table.name:
            continue
        notes.append(f"{quantity.title}: {agreement(quantity, table, 'all').sentence(quantity.unit)}")
        blind = agreement(quantity, table, "blind")
        if blind.values:
            notes.append(
                f"blind test, {quantity.title}, of the values withheld until {REVEALED}: "
                f"{blind.sentence(quantity.unit)}"
            )
    return tuple(notes)


def with_agreement(table: Table) -> Table:
    """Add the notes about agreement to a figure or table, before its own notes.

    Args:
        table: Figure or table with simulated and published values.

    Returns:
        The table with more notes.
    """
    return replace(table, notes=(*agreement_notes(table), *table.notes))


def summary(tables: Mapping[str, Table]) -> Table:
    """Summarise the agreement of all figures and tables.

    Args:
        tables: At least the tables in `SUMMARISED`, by name.

    Returns:
        Table with one row per quantity.
    """
    rows = []
    for quantity in QUANTITIES:
        everything, blind = (agreement(quantity, tables[quantity.item], which) for which in ("all", "blind"))
        rows.append(
            {
                "item": quantity.item,
                "quantity": quantity.title,
                "values": everything.values,
                "digits": everything.digits,
                "worst": everything.worst,
                "mean": everything.mean,
                "unit": quantity.unit,
                "blind": blind.values,
                "blind_digits": blind.digits,
                "blind_worst": blind.worst,
                "blind_mean": blind.mean,
            }
        )
    return Table("summary", "Agreement with every published value", tuple(rows), tuple(_summary_notes(rows)))


def _summary_notes(rows: Sequence[Row]) -> Iterator[str]:
    blind = sum(row["blind"] for row in rows)
    yield (
        f"blind: {blind} values that were withheld until {REVEALED}, after the rules, the fits and the placement had "
        "been made with the others"
    )
    yield "digits: values that agree in every printed digit; worst and mean: absolute deviations, in `unit`"
