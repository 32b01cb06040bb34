"""Why two results differ: keys, time, energy and area by part and by op, work, and what made the results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Generic, TypeVar

from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.results.run_result import RunResult
from pimsim.studies.difference.exact_shares import (
    NO_ACTION,
    NO_SHARE,
    ActionShare,
    OpShare,
    action_shares,
    area_shares,
    exact_energy_j,
    op_shares,
    part_shares,
)
from pimsim.studies.difference.key_differences import KeyDifference

ONLY = {(True, False): "first", (False, True): "second", (True, True): ""}
"""Which run has a row, by whether the first and the second have it; empty for both."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SharePair(Generic[T]):
    """Shares of one part, action or op in two runs.

    Attributes:
        name: Name of the part, "component.action", "component.item", or name of the op.
        kind: Kind of the op; empty for anything else.
        first: Share in the first run.
        second: Share in the second run.
        only_in: "first" or "second" if only one run has it; empty if both have.
    """

    name: str
    kind: str
    first: T
    second: T
    only_in: str


@dataclass(frozen=True, slots=True)
class Side:
    """A run, and where it comes from.

    Attributes:
        label: Path of the file, name of the config, or "first" or "second" for a result in memory.
        result: The run.
        git_revision: Revision of the checkout that made the file; empty if it is not known.
    """

    label: str
    result: RunResult
    git_revision: str = ""


@dataclass(frozen=True, repr=False)
class RunDifference(HeadlineRepr):
    """Difference of two runs. Its shares are exact, so that their differences add up to that of the whole.

    Attributes:
        first: First run.
        second: Second run.
        keys: Keys of the configs that differ.
    """

    first: Side
    second: Side
    keys: tuple[KeyDifference, ...]

    @property
    def results(self) -> tuple[RunResult, RunResult]:
        """Both results."""
        return self.first.result, self.second.result

    @cached_property
    def parts(self) -> tuple[SharePair[int], ...]:
        """Picoseconds by kind of work on the critical path; the largest difference first, as in all tables."""
        return _pairs(part_shares(self.first.result), part_shares(self.second.result), 0, lambda share: share)

    @cached_property
    def actions(self) -> tuple[SharePair[ActionShare], ...]:
        """Counts and joules by "component.action", and leakage by component."""
        return _pairs(
            action_shares(self.first.result), action_shares(self.second.result), NO_ACTION, lambda share: share.energy_j
        )

    @cached_property
    def areas(self) -> tuple[SharePair[Fraction], ...]:
        """Square metres by "component.item"."""
        return _pairs(area_shares(self.first.result), area_shares(self.second.result), Fraction(0), lambda share: share)

    @cached_property
    def ops(self) -> tuple[SharePair[OpShare], ...]:
        """Time, energy and work by op; the largest difference in time first, then that in energy."""
        shares = op_shares(self.first.result), op_shares(self.second.result)
        return _pairs(*shares, NO_SHARE, lambda share: (share.time_ps, share.energy_j))

    @property
    def latency_ps(self) -> int:
        """Difference of the latencies, second minus first, picoseconds."""
        return self.second.result.latency_ps - self.first.result.latency_ps

    @property
    def energy_j(self) -> Fraction:
        """Exact difference of the energies, joules."""
        return sum((each.second.energy_j - each.first.energy_j for each in self.actions), Fraction(0))

    @property
    def area_m2(self) -> Fraction:
        """Exact difference of the areas, m^2."""
        return sum((each.second - each.first for each in self.areas), Fraction(0))

    @cached_property
    def work(self) -> dict[str, tuple[Any, Any]]:
        """Tokens, MACs, and bytes in memory and between memory and chip: values of both runs by figure.

        None stands for a figure that an older version of pimsim did not count.
        """
        figures = [
            {"tokens": each.tokens, "context_length": each.context_length, "macs": each.macs}
            | each.memory_traffic.summary()
            | {"kv_cache_bytes": each.kv_cache_bytes, "weight_bytes": each.weight_bytes}
            for each in self.results
        ]
        return {name: (value, figures[1][name]) for name, value in figures[0].items()}

    @property
    def same_figures(self) -> bool:
        """Whether time, energy, area and work are equal, in every part and op, as far as both runs state them."""
        pairs: Iterable[SharePair[Any]] = (*self.parts, *self.actions, *self.areas, *self.ops)
        return all(not each.only_in and each.first == each.second for each in pairs) and all(
            one == other or None in (one, other) for one, other in self.work.values()
        )

    @property
    def counted_only(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Items that only the first, or only the second run counts, such as "LM head"; without items of no cost.

        Results of versions of pimsim that did not list what they count have no items, and are not compared.
        """
        if not all(each.accounting.counted for each in self.results):
            return (), ()
        names = [
            {item.name: None for item in each.accounting.counted if item.latency_ps or item.energy_j}
            for each in self.results
        ]
        return (
            tuple(name for name in names[0] if name not in names[1]),
            tuple(name for name in names[1] if name not in names[0]),
        )

    @property
    def notes_only(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Notes that only the first, or only the second run has."""
        first, second = (each.notes for each in self.results)
        return tuple(each for each in first if each not in second), tuple(each for each in second if each not in first)

    @property
    def made_by(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What made each result: version of pimsim, git revision, and plugins."""
        return _makers(self.first), _makers(self.second)

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Labels, number of keys, and differences in latency, energy and area.
        """
        yield Figure("first", self.first.label)
        yield Figure("second", self.second.label)
        yield Figure("keys that differ", len(self.keys))
        yield Figure("latency", self.latency_ps * 1e-12, "s")
        yield Figure("energy", float(self.energy_j), "J")
        yield Figure("area", float(self.area_m2 * 10**6), "mm^2")

    def rows(self) -> Iterator[dict[str, Any]]:
        """Iterate over all shares as flat rows for CSV and data frames.

        Yields:
            Table, name, kind, quantity, unit, both values, difference, and which run alone has the row. The rows of
            one quantity in one table add up to the row `total` of this quantity.
        """
        for quantity, unit, ends in self._totals():
            yield _row("total", ("", ""), quantity, unit, ends)
        for name, ends in self.work.items():
            yield _row("work", ("", ""), name, "B" if name.endswith("_bytes") else "", ends)
        for part in self.parts:
            yield _row("part", part, "latency", "ps", (part.first, part.second))
        for action in self.actions:
            shares = action.first, action.second
            yield _row("action", action, "energy", "J", (shares[0].energy_j, shares[1].energy_j))
            yield _row("action", action, "count", "", (shares[0].count, shares[1].count))
        for area in self.areas:
            yield _row("area", area, "area", "m^2", (area.first, area.second))
        for op in self.ops:
            for quantity, unit, of in OP_QUANTITIES:
                yield _row("op", op, quantity, unit, (of(op.first), of(op.second)))

    def _totals(self) -> Iterator[tuple[str, str, tuple[Any, Any]]]:
        first, second = self.results
        yield "latency", "ps", (first.latency_ps, second.latency_ps)
        yield "energy", "J", (exact_energy_j(first), exact_energy_j(second))
        areas = [sum(area_shares(each).values(), Fraction(0)) for each in self.results]
        yield "area", "m^2", (areas[0], areas[1])

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as plain values for JSON.

        Returns:
            Both runs, whether they are equal, keys, work, counted items, notes, and all rows.
        """
        return {
            "first": _side(self.first, self.made_by[0]),
            "second": _side(self.second, self.made_by[1]),
            "same_figures": self.same_figures,
            "keys": [each.to_dict() for each in self.keys],
            "counted_only_in": dict(zip(("first", "second"), map(list, self.counted_only), strict=True)),
            "notes_only_in": dict(zip(("first", "second"), map(list, self.notes_only), strict=True)),
            "rows": list(self.rows()),
        }


OP_QUANTITIES: tuple[tuple[str, str, Callable[[OpShare], Any]], ...] = (
    ("latency", "ps", lambda share: share.time_ps),
    ("energy", "J", lambda share: share.energy_j),
    ("executions", "", lambda share: share.count),
    ("macs", "", lambda share: share.macs),
    ("memory_read_bytes", "B", lambda share: share.read_bytes),
    ("memory_write_bytes", "B", lambda share: share.write_bytes),
)
"""Quantities of an op: name, unit, and value of a share."""


def _pairs(
    first: Mapping[Any, T], second: Mapping[Any, T], nothing: T, size: Callable[[T], Any]
) -> tuple[SharePair[T], ...]:
    """Pair the shares of two runs, the largest difference first.

    Args:
        first: Shares in the first run by name, or by name and kind.
        second: Shares in the second run.
        nothing: Share of what a run does not have.
        size: Function that returns the figure of a share, or several, the most important first.

    Returns:
        The pairs; those of equal differences in the order of the runs.
    """

    def difference(pair: SharePair[T]) -> list[Any]:
        one, other = (found if isinstance(found, tuple) else (found,) for found in map(size, (pair.first, pair.second)))
        return [-abs(after - before) for before, after in zip(one, other, strict=True)]

    pairs = []
    for key in dict.fromkeys((*first, *second)):
        name, kind = key if isinstance(key, tuple) else (key, "")
        ends = first.get(key, nothing), second.get(key, nothing)
        pairs.append(SharePair(name, kind, *ends, ONLY[key in first, key in second]))
    return tuple(sorted(pairs, key=difference))


def _row(
    table: str, row: SharePair[Any] | tuple[str, str], quantity: str, unit: str, ends: tuple[Any, Any]
) -> dict[str, Any]:
    """Return a row for CSV.

    Args:
        table: Name of the table.
        row: The pair of shares that the row is about; or name and kind.
        quantity: Name of the quantity.
        unit: Its unit.
        ends: Values of both runs; None if a run does not state it.

    Returns:
        Values by column; fractions are rounded to floats.
    """
    name, kind, only_in = (row.name, row.kind, row.only_in) if isinstance(row, SharePair) else (*row, "")
    values = {"first": ends[0], "second": ends[1], "difference": None if None in ends else ends[1] - ends[0]}
    return {
        "table": table,
        "name": name,
        "kind": kind,
        "quantity": quantity,
        "unit": unit,
        **{column: float(value) if isinstance(value, Fraction) else value for column, value in values.items()},
        "only_in": only_in,
    }


def _side(side: Side, makers: tuple[str, ...]) -> dict[str, Any]:
    return {
        "label": side.label,
        "name": side.result.config.name,
        "made_by": list(makers),
        "summary": side.result.summary(),
    }


def _makers(side: Side) -> tuple[str, ...]:
    commit, _, changed = side.git_revision.partition("-")
    revision = f", git {commit[:12]}{f'-{changed}' if changed else ''}" if commit else ""
    return f"pimsim {side.result.version}{revision}", *map(str, side.result.plugins)
