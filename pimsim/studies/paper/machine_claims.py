"""Table III and the claims about other designs, with machines in place of the printed numbers of these designs.

The paper compares its simulation with one printed number of TransPIM and one of HARDSEA. Here both sides are machines:
they run the same trace of a decode step, and the trace decides what an operation is. A MAC is one operation on all of
them. "layers" counts the decoder layers only, as the paper does; "token" counts everything that a token takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pimsim.base.errors import MAX_LINE_CHARS, PimsimError, printable
from pimsim.base.shipped_files import list_configs
from pimsim.config.loading import load_config
from pimsim.engine import Memo
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate
from pimsim.studies.paper.claims import CLAIMS, HARDSEA_DOUBT, Claim, Measured
from pimsim.studies.paper.comparison_table import Row, Table
from pimsim.studies.paper.corrected_accounting import Corrected
from pimsim.studies.paper.paper_runs import Study
from pimsim.studies.paper.published_values import published
from pimsim.studies.paper.switches import NONE

Cell = tuple[str, int]
"""Model and context length of a decode step."""


@dataclass(frozen=True, slots=True)
class Design:
    """A design of Table III, or one beside it.

    Attributes:
        config: Name of the shipped config.
        printed: Name in Table III; empty if the table does not have it.
    """

    config: str
    printed: str = ""


DESIGNS = (
    Design("pim-llm", "PIM-LLM"),
    Design("tpu-llm"),
    Design("transpim", "TransPIM"),
    Design("transpim-layer", "TransPIM"),
    Design("hardsea", "HARDSEA"),
    Design("a100-80gb"),
    Design("jetson-agx-orin"),
)
"""The designs, and two GPUs: one of a data centre and one at the edge."""

OURS = "pim-llm"
CELLS: tuple[Cell, ...] = (("gpt2-small", 1024), ("gpt2-medium", 4096))
"""Decode steps of the two claims; every design runs them. Others are run only on designs with a printed value."""

COUNTED: Mapping[str, Mapping[str, bool]] = MappingProxyType(
    {
        "layers": {"workload.embedding": False, "workload.lm_head": False},
        "token": {"workload.embedding": True, "workload.lm_head": True},
    }
)
"""What counts, and the keys that decide it."""

AS_PUBLISHED = "as published"
"""How PIM-LLM counts in the paper, in the column `counted`."""

PRINTED = "printed value"
"""The other design as Table III prints it, in the column `against`."""

FIGURES = ("gops", "gops_per_w")
PERCENTILES = (2.5, 97.5)
TRANSPIM_BOUND = "the printed value of TransPIM is an upper bound: all its variants stay below 200 GOPS/W"

Samples = Mapping[str, NDArray[np.float64]]
Spread = Callable[[str, Mapping[str, object]], Samples]
"""Function of a config and its settings that returns samples of `FIGURES`; none if the config has no ranges."""


def cell_settings(cell: Cell, counted: str) -> dict[str, object]:
    """Return the settings of a decode step.

    Args:
        cell: Model and context length.
        counted: A key of `COUNTED`.

    Returns:
        Values by dotted key.
    """
    model, context_length = cell
    return {
        "workload.model": model,
        "workload.phase": "decode",
        "workload.batch": 1,
        "workload.context_length": context_length,
        "operations_per_mac": 1,
        **COUNTED[counted],
    }


class MachineRuns:
    """Runs of the designs, each made once.

    Args:
        designs: The designs; one without a shipped config is left out, and a note says so.
        spread: Samples of the figures of a design, for ranges; None means no ranges.
        study: Simulations of the paper's machines; None makes them.
    """

    def __init__(
        self, designs: Sequence[Design] = DESIGNS, spread: Spread | None = None, study: Study | None = None
    ) -> None:
        self.study = study or Study()
        known = list_configs()
        self.designs = tuple(each for each in designs if each.config in known)
        self.missing = tuple(each.config for each in designs if each.config not in known)
        self.refused: dict[tuple[str, str], str] = {}
        self.has_ranges = spread is not None
        self._spread = spread
        self._runs: dict[tuple[str, Cell, str], RunResult | None] = {}
        self._samples: dict[tuple[str, Cell, str], Samples] = {}
        self._memos: dict[str, Memo] = {each.config: {} for each in self.designs}

    def run(self, config: str, cell: Cell, counted: str) -> RunResult | None:
        """Return the run of a design.

        Args:
            config: Name of its config.
            cell: Model and context length.
            counted: A key of `COUNTED`.

        Returns:
            The result; None if the machine cannot run it, for a reason that `refused` has.
        """
        key = config, cell, counted
        if key not in self._runs:
            try:
                loaded = load_config(config, cell_settings(cell, counted))
                self._runs[key] = simulate(loaded, memo=self._memos.get(config))
            except PimsimError as error:
                self._runs[key] = None
                self.refused.setdefault((config, cell[0]), printable(str(error).partition("\n")[0], MAX_LINE_CHARS))
        return self._runs[key]

    def samples(self, config: str, cell: Cell, counted: str) -> Samples:
        """Return samples of the figures of a design, from the ranges of its constants.

        Args:
            config: Name of its config.
            cell: Model and context length.
            counted: A key of `COUNTED`.

        Returns:
            [samples] float64 by figure; empty without ranges.
        """
        key = config, cell, counted
        if key not in self._samples:
            known = self._spread is not None and self.run(config, cell, counted) is not None
            self._samples[key] = self._spread(config, cell_settings(cell, counted)) if known and self._spread else {}
        return self._samples[key]

    def needed(self, items: Sequence[str]) -> int:
        """Count the runs of some tables.

        Args:
            items: Names of `MACHINE_ITEMS`.

        Returns:
            Number of different runs of the designs.
        """
        cells = {(OURS, each.cell) for each in MACHINE_CLAIMS} if "claims" in items else set()
        for design in self.designs:
            if "table3" in items:
                cells |= {(design.config, cell) for cell in _cells_of(design)}
            if "claims" in items:
                cells |= {(design.config, each.cell) for each in MACHINE_CLAIMS if each.printed == design.printed}
        return len(cells) * len(COUNTED)


def machine_table(runs: MachineRuns) -> Table:
    """Tabulate Table III: machines beside printed values.

    Args:
        runs: Runs of the designs.

    Returns:
        Table with one row per design, decode step and way of counting.
    """
    rows = [
        row
        for design in runs.designs
        for cell in _cells_of(design)
        for counted in COUNTED
        for row in _table_rows(runs, design, cell, counted)
    ]
    notes = [
        "a MAC is one operation on every machine; layers: decoder layers only; token: everything that a token takes",
        TRANSPIM_BOUND,
        HARDSEA_DOUBT,
        *_notes(runs),
    ]
    return Table("table3", "Table III with machines: GOPS and GOPS/W of a decode step", tuple(rows), tuple(notes))


def _cells_of(design: Design) -> tuple[Cell, ...]:
    printed = [
        (model, context_length)
        for figure in FIGURES
        for model, context_length, name in published("table3", figure)
        if name == design.printed
    ]
    return tuple(dict.fromkeys((*CELLS, *printed)))


def _table_rows(runs: MachineRuns, design: Design, cell: Cell, counted: str) -> Iterator[Row]:
    result = runs.run(design.config, cell, counted)
    row: Row = {"machine": design.config, "model": cell[0], "context_length": cell[1], "counted": counted}
    for figure in FIGURES:
        row[figure] = None if result is None else getattr(result, figure)
        if runs.has_ranges:
            row |= _ends(figure, runs.samples(design.config, cell, counted).get(figure))
    for figure in FIGURES:
        printed = published("table3", figure).get((*cell, design.printed))
        ours = row[figure]
        row[f"printed_{figure}"] = printed
        if not runs.has_ranges:  # the table would be wider than a page
            row[f"{figure}_ratio"] = None if printed is None or ours is None else ours / printed
    yield row


def _ends(figure: str, samples: NDArray[np.float64] | None) -> Row:
    low, high = (None, None) if samples is None else (float(each) for each in np.percentile(samples, PERCENTILES))
    return {f"{figure}_low": low, f"{figure}_high": high}


@dataclass(frozen=True, slots=True)
class MachineClaim:
    """A claim of the paper about another design.

    Attributes:
        claim: The claim.
        figure: The figure that it compares.
        printed: Name of the other design in Table III.
        cell: Decode step of the claim.
    """

    claim: Claim
    figure: str
    printed: str
    cell: Cell


def _claim(name: str) -> Claim:
    (found,) = (each for each in CLAIMS if each.name == name)
    return found


MACHINE_CLAIMS = (
    MachineClaim(_claim("gops-hardsea"), "gops", "HARDSEA", ("gpt2-small", 1024)),
    MachineClaim(_claim("gops-per-w-transpim"), "gops_per_w", "TransPIM", ("gpt2-medium", 4096)),
)


def machine_claims(runs: MachineRuns) -> Table:
    """Judge the claims about other designs: against the printed number, and against the machine.

    Args:
        runs: Runs of the designs.

    Returns:
        Table with one row per claim, other side, and way of counting.
    """
    corrected = Corrected(runs.study)
    rows: list[Row] = []
    for each in MACHINE_CLAIMS:
        as_paper = corrected.figures("pim-llm", *each.cell, NONE)
        printed = published("table3", each.figure)[*each.cell, each.printed]
        ours = getattr(as_paper, each.figure)
        rows.append(_claim_row(runs, each, (PRINTED, AS_PUBLISHED, ours, printed), None))
        for counted in COUNTED:
            if (result := runs.run(OURS, each.cell, counted)) is not None:
                samples = runs.samples(OURS, each.cell, counted).get(each.figure)
                values = (PRINTED, counted, float(getattr(result, each.figure)), printed)
                rows.append(_claim_row(runs, each, values, None if samples is None else samples / printed))
        for design in runs.designs:
            if design.printed == each.printed:
                if (layers := runs.run(design.config, each.cell, "layers")) is not None:
                    values = (design.config, AS_PUBLISHED, ours, float(getattr(layers, each.figure)))
                    rows.append(_claim_row(runs, each, values, None))
                rows += _machine_rows(runs, each, design.config)
    notes = (
        f"{AS_PUBLISHED}: PIM-LLM with the accounting of the paper, against the printed value or a machine's layers",
        f"layers, token: {OURS} with its decoder layers, or with everything of a token; the other machine likewise",
        "holds: the claimed ratio is reached; weaker: only the direction is true; fails: neither",
        *(["low, high: 95 % interval of the ratio; holds with: its probability"] if runs.has_ranges else []),
        HARDSEA_DOUBT,
        TRANSPIM_BOUND,
        *_notes(runs),
    )
    return Table("claims", "The paper's claims about other designs, with machines", tuple(rows), notes)


def _machine_rows(runs: MachineRuns, each: MachineClaim, config: str) -> Iterator[Row]:
    for counted in COUNTED:
        ours, theirs = (runs.run(name, each.cell, counted) for name in (OURS, config))
        if ours is None or theirs is None:
            continue
        samples = [runs.samples(name, each.cell, counted).get(each.figure) for name in (OURS, config)]
        ratios = None if samples[0] is None or samples[1] is None else samples[0] / samples[1]
        values = (config, counted, getattr(ours, each.figure), getattr(theirs, each.figure))
        yield _claim_row(runs, each, values, ratios)


def _claim_row(
    runs: MachineRuns, each: MachineClaim, values: tuple[str, str, float, float], ratios: NDArray[np.float64] | None
) -> Row:
    against, counted, ours, theirs = values
    ratio = ours / theirs
    row: Row = {
        "claim": each.claim.sentence,
        "against": against,
        "counted": counted,
        "pim_llm": ours,
        "other": theirs,
        "ratio": ratio,
    }
    if runs.has_ranges:
        row |= {name.partition("_")[2]: value for name, value in _ends("ratio", ratios).items()}
        row["holds_with"] = None if ratios is None else float(np.mean(ratios >= each.claim.claimed))
    return row | {"verdict": str(each.claim.verdict(Measured(ratio, against=1)))}


def _notes(runs: MachineRuns) -> Iterator[str]:
    if runs.missing:
        yield f"without a config in this version of pimsim: {', '.join(runs.missing)}"
    for (config, model), reason in runs.refused.items():
        yield f"{config} cannot run {model}: {reason}"


MACHINE_ITEMS: Mapping[str, Callable[[MachineRuns], Table]] = MappingProxyType(
    {"table3": machine_table, "claims": machine_claims}
)
"""Tables of `pimsim reproduce --accounting machines` by name, in order."""
