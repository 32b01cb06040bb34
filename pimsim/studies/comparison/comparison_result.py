"""Result of a comparison: a row per design and workload, ratios to a baseline, and what the designs count."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from pimsim.base.plugins import StoredPlugins, plugin_records
from pimsim.base.stored_columns import Column, Table
from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.config.schema import Config
from pimsim.studies.comparison.comparison_rows import (
    MEASURES,
    OPERATIONS,
    RATIOS,
    ComparedDesign,
    ComparisonRow,
    RowInterval,
)
from pimsim.studies.comparison.counted_differences import (
    COUNTED,
    LEFT_OUT,
    CountedSetting,
    ItemUse,
    differing_items,
    differing_macs,
    item_uses,
    items_of_all,
    left_out_by_some,
)
from pimsim.studies.comparison.external_points import FIGURES, ExternalPoint

if TYPE_CHECKING:
    import pandas as pd

COMPARISON_VERSION = 1
_NUMBER = re.compile(r"\d[\d,.]*")


@dataclass(frozen=True, slots=True)
class SharedNote:
    """A note or a warning of several rows.

    Attributes:
        text: The sentence, of the first row that has it; the others may have other numbers.
        designs: Names of the designs that have it.
        where: First workload that has it, in words; empty if all workloads of these designs have the same sentence.
        more: Number of further rows that have it with other numbers.
    """

    text: str
    designs: tuple[str, ...]
    where: str = ""
    more: int = 0


@dataclass(frozen=True, slots=True)
class MeanRatio:
    """Geometric mean of the ratios of a design to the baseline, over the workloads that both run.

    Attributes:
        design: Name of the design.
        figure: Name of the figure.
        mean: Geometric mean of the ratios.
        low: Smallest ratio.
        high: Largest ratio.
        count: Number of workloads.
    """

    design: str
    figure: str
    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, repr=False)
class ComparisonResult(HeadlineRepr):
    """Result of a comparison.

    Attributes:
        config: Config of the baseline.
        version: Version of pimsim that made the result.
        baseline: Name of the design to which ratios refer.
        phase: Phase of the workloads; "trace" for a trace file.
        planned: Number of rows of the whole comparison; an interrupted one has fewer.
        samples: Number of samples of the intervals; 0 without ranges.
        seed: Seed of the samples.
        designs: The designs in the order of the user.
        rows: Rows by model, context and design.
        settings: Keys in which designs differ and that decide what is counted.
        points: Published points beside the comparison.
        effects: Settings of all designs that have no effect in one of them, as "design: sentence".
        plugins: Plugins and packages whose code was loaded when the result was made.
    """

    config: Config
    version: Annotated[str, Column("pimsim_version")]
    baseline: str
    phase: str
    planned: int
    samples: int
    seed: int
    designs: Annotated[tuple[ComparedDesign, ...], Table(row="of_design", by="name")]
    rows: Annotated[tuple[ComparisonRow, ...], Table(row="row")]
    settings: Annotated[tuple[CountedSetting, ...], Table(optional=True)] = ()
    points: Annotated[tuple[ExternalPoint, ...], Table(optional=True)] = ()
    effects: Annotated[tuple[str, ...], Table(value="effect", optional=True)] = ()
    plugins: StoredPlugins = field(default_factory=plugin_records)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the designs in order."""
        return tuple(each.name for each in self.designs)

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Names of the models in order."""
        return tuple(dict.fromkeys(row.model for row in self.rows))

    @cached_property
    def contexts(self) -> tuple[int, ...]:
        """Contexts in order; 0 stands for none."""
        return tuple(dict.fromkeys(row.context_length for row in self.rows))

    @property
    def failed(self) -> tuple[ComparisonRow, ...]:
        """Rows without figures."""
        return tuple(row for row in self.rows if row.error)

    @property
    def exit_code(self) -> int:
        """0 if at least one row has figures, or the exit code of the first error."""
        failed = self.failed
        return failed[0].exit_code if failed and len(failed) == len(self.rows) else 0

    @cached_property
    def _base(self) -> Mapping[tuple[str, str, int], ComparisonRow]:
        return {row.workload: row for row in self.rows if row.design == self.baseline and not row.error}

    @cached_property
    def _per_mac(self) -> Mapping[str, int]:
        return {each.name: each.operations_per_mac for each in self.designs}

    def row_of(self, design: str, model: str, context_length: int) -> ComparisonRow | None:
        """Return the row of a design and workload.

        Args:
            design: Name of the design.
            model: Name of the model.
            context_length: Context; 0 for none.

        Returns:
            The row; None if the comparison has none.
        """
        wanted = design, model, context_length
        return next((row for row in self.rows if (row.design, row.model, row.context_length) == wanted), None)

    def ratio(self, row: ComparisonRow, name: str) -> float | None:
        """Return the ratio of a figure to that of the baseline on the same workload.

        Args:
            row: A row of this result.
            name: Name of a measure.

        Returns:
            The ratio; None if one of the two does not have the figure, and for operations of which a MAC counts as
            another number in the two designs.
        """
        base = self._base.get(row.workload)
        if base is None or name not in RATIOS or row.design not in self._per_mac:
            return None
        if name in OPERATIONS and self._per_mac[row.design] != self._per_mac[self.baseline]:
            return None
        value, of_base = row.figure(name), base.figure(name)
        if value is None or not of_base or math.isinf(value) or math.isinf(of_base):
            return None
        return value / of_base

    def is_other_work(self, row: ComparisonRow) -> bool:
        """Return whether a row has other MACs than the baseline has on the same workload.

        Args:
            row: A row of this result.

        Returns:
            False without figures of both.
        """
        base = self._base.get(row.workload)
        return base is not None and not (row.error or base.error) and base.macs != row.macs

    def mean_ratios(self, names: Iterable[str] = RATIOS) -> list[MeanRatio]:
        """Return the geometric means of the ratios of all designs but the baseline.

        Args:
            names: Names of measures.

        Returns:
            One record per design and figure that have a ratio.
        """
        found = []
        for design in (each for each in self.names if each != self.baseline):
            rows = [row for row in self.rows if row.design == design]
            for name in names:
                ratios = [ratio for row in rows if (ratio := self.ratio(row, name))]
                if ratios:
                    mean = math.exp(math.fsum(map(math.log, ratios)) / len(ratios))
                    found.append(MeanRatio(design, name, mean, min(ratios), max(ratios), len(ratios)))
        return found

    # --- what is counted --------------------------------------------------------------------------------------------

    @cached_property
    def uses(self) -> Mapping[str, tuple[ItemUse, ...]]:
        """What each design does with each item of the accounting."""
        return item_uses(self.rows, self.names)

    def notes(self, field_name: str = "notes") -> list[SharedNote]:
        """Return the notes of all rows, each once. Sentences that differ only in their numbers are one note.

        Args:
            field_name: "notes" or "warnings".

        Returns:
            The notes in the order in which they occur first.
        """
        groups: dict[str, dict[str, list[ComparisonRow]]] = {}
        for row in self.rows:
            for text in getattr(row, field_name):
                groups.setdefault(_NUMBER.sub("#", text), {}).setdefault(text, []).append(row)
        found = []
        for texts in groups.values():
            first, rows = next(iter(texts.items()))
            every = [row for of_text in texts.values() for row in of_text]
            designs = {row.design for row in every}
            everywhere = len(texts) == 1 and len(rows) == sum(r.design in designs and not r.error for r in self.rows)
            names = tuple(name for name in self.names if name in designs)
            found.append(SharedNote(first, names, "" if everywhere else rows[0].where, len(every) - len(rows)))
        return found

    def counting(self) -> dict[str, Any]:
        """Return what the designs count, and where they differ, as plain values.

        Returns:
            "counted_by_all", "left_out_by_all", "left_out_by_some", "counted_differently", "set_differently" and
            "other_macs".
        """
        return {
            "counted_by_all": items_of_all(self.uses, COUNTED),
            "left_out_by_all": items_of_all(self.uses, LEFT_OUT),
            "left_out_by_some": {name: list(some) for name, some in left_out_by_some(self.uses).items()},
            "counted_differently": [
                {"item": name, "design": use.design, "use": use.use, "where": use.where}
                | ({} if use.example is None else {"example": use.example.to_dict()})
                for name, uses in differing_items(self.uses).items()
                for use in uses
            ],
            "set_differently": [
                {"key": each.key, "design": each.design, "value": each.value} for each in self.settings
            ],
            "other_macs": [
                {"design": design, "where": where, "ratio": ratio}
                for design, where, ratio in differing_macs(self.rows, self.baseline)
            ],
        }

    # --- tables -----------------------------------------------------------------------------------------------------

    def table_rows(self) -> list[dict[str, Any]]:
        """Return all rows, then the published points, as flat rows for CSV and data frames.

        Returns:
            Design, kind ("simulated" or "printed"), workload, status and error, figures, and their ratios to the
            baseline as "ratio_NAME"; with ranges also "NAME_low", "NAME_high", "ratio_NAME_low" and "ratio_NAME_high".
            Printed rows have no ratios. None where there is no value.
        """
        return [*map(self._table_row, self.rows), *map(self._printed_row, self.points)]

    def _table_row(self, row: ComparisonRow) -> dict[str, Any]:
        found: dict[str, Any] = {
            "design": row.design,
            "kind": "simulated",
            "model": row.model,
            "phase": row.phase,
            "context_length": row.context_length or None,
            "status": row.error_class or "ok",
            "error": row.error or None,
            **row.figures(),
            **{f"ratio_{name}": self.ratio(row, name) for name in RATIOS},
        }
        for each in MEASURES if self.samples else ():
            interval = row.interval(each.name) if each.ranged else None
            if each.ranged:
                for end in ("low", "high"):
                    found[f"{each.name}_{end}"] = _end(interval, end)
                    found[f"ratio_{each.name}_{end}"] = _end(interval, f"ratio_{end}")
        return found | {"source": None}

    def _printed_row(self, point: ExternalPoint) -> dict[str, Any]:
        values = point.row()
        row = ComparisonRow(point.design, point.model, point.phase, point.context_length)
        found = self._table_row(row) | {name: values[name] for name in FIGURES}
        workload = {name: values[name] for name in ("model", "phase", "context_length")}
        return found | workload | {"kind": "printed", "status": "printed", "source": point.source}

    def to_dict(self) -> dict[str, Any]:
        """Return the whole comparison as plain values for JSON.

        Returns:
            The designs, what they count, the rows with their accounting and intervals, mean ratios, published points,
            notes and warnings.
        """
        return {
            "comparison_version": COMPARISON_VERSION,
            "pimsim_version": self.version,
            "baseline": self.baseline,
            "phase": self.phase,
            "planned": self.planned,
            "finished": len(self.rows),
            "failed": len(self.failed),
            "samples": self.samples,
            "seed": self.seed,
            "plugins": [each._asdict() for each in self.plugins],
            "designs": [
                {
                    "name": each.name,
                    "source": each.source,
                    "description": each.description,
                    "operations_per_mac": each.operations_per_mac,
                    "settings": list(each.settings),
                }
                for each in self.designs
            ],
            "counting": self.counting(),
            "notes": [_note(each) for each in self.notes()],
            "warnings": [_note(each) for each in self.notes("warnings")],
            "effects": list(self.effects),
            "rows": [self._full_row(row) for row in self.rows],
            "mean_ratios": [{name: getattr(each, name) for name in each.__slots__} for each in self.mean_ratios()],
            "printed": [each.row() for each in self.points],
        }

    def _full_row(self, row: ComparisonRow) -> dict[str, Any]:
        found = self._table_row(row) | row.accounting.to_dict()
        intervals = [
            {"figure": each.figure} | {name: _end(each, name) for name in each.__slots__ if name != "figure"}
            for each in row.intervals
        ]
        return found | {"notes": list(row.notes), "warnings": list(row.warnings), "intervals": intervals}

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per design and workload, then one per published point.

        What the rows leave out: the accounting and the notes of each row, which `to_dict` has. Ratios compare what each
        design counts; `counting` says where designs differ in that.

        Returns:
            Data frame with the columns of `table_rows`; the suffixes of the columns are units.
        """
        from pimsim.base.pandas_library import pd

        return pd.DataFrame(self.table_rows())

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Names of the designs, numbers of models, contexts and failures; in a notebook also the mean ratios.
        """
        yield Figure("designs", ", ".join(self.names))
        yield Figure("baseline", self.baseline)
        yield Figure("phase", self.phase)
        yield Figure("models", len(self.models))
        yield Figure("contexts", len(self.contexts))
        yield Figure("failed points", len(self.failed))
        for each in self.mean_ratios(("tokens_per_s", "tokens_per_j")):
            yield Figure(f"{each.figure} of {each.design}, geometric mean", each.mean, "times", brief=False)


def _end(interval: RowInterval | None, name: str) -> float | None:
    return None if interval is None else _finite(getattr(interval, name))


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _note(note: SharedNote) -> dict[str, Any]:
    return {"note": note.text, "designs": list(note.designs), "where": note.where or None, "more": note.more}
