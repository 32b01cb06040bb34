"""Data of the pages: runs, variants and fits, each computed once; results of other tools; Markdown tables."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from pimsim.studies.paper.comparison_table import Table
from pimsim.studies.paper.fits import Fitted, fit_energies, fit_links
from pimsim.studies.paper.paper_runs import Study
from pimsim.studies.paper.paper_tables import ITEMS
from pimsim.studies.paper.placement_variants import Variant, variants
from pimsim.studies.validation import validate

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROOT = DOCS.parent
CONFIGS = ROOT / "configs"

CALIBRATION_MODELS = ("gpt2-350m", "opt-1.3b", "opt-6.7b")
"""The models whose values of Fig. 5 fits and placement use."""

Row = Sequence[object]


def table(head: Row, rows: Iterable[Row], *, right: Iterable[int] = ()) -> str:
    """Format a Markdown table; the columns with the indices `right` are aligned to the right."""
    numeric = set(right)
    rule = ["---:" if index in numeric else "---" for index in range(len(head))]
    lines = [head, rule, *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def reference(name: str) -> list[dict[str, str]]:
    """Read a file of docs/reference, with results of other tools, as one dictionary per row."""
    text = (DOCS / "reference" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


@cache
def study() -> Study:
    """Return the paper's runs on the shipped configs."""
    return Study()


@cache
def paper(item: str) -> Table:
    """Compute one of the paper's figures or tables, as `pimsim reproduce` prints it."""
    return ITEMS[item](study())


@cache
def fits() -> tuple[Fitted, ...]:
    """Fit every fitted constant again to the published values."""
    return (*fit_energies(study()), *fit_links(study()))


@cache
def placement_variants() -> tuple[Variant, ...]:
    """Compute all placement variants, sorted by their largest deviation, the smallest first."""
    return tuple(sorted(variants(study().config("pim-llm")), key=lambda each: each.worst_percent))


def variant(**wanted: object) -> Variant:
    """Return the only variant with these properties."""
    (found,) = (each for each in placement_variants() if all(getattr(each, k) == v for k, v in wanted.items()))
    return found


def chosen_variant() -> Variant:
    """Return the variant that the shipped config selects."""
    config = study().config("pim-llm")
    assert config.machine.mesh
    assert len(config.mapping.placement_groups) == 1
    mesh = config.machine.mesh
    return variant(placement=mesh.placement, groups="one", last_output=mesh.last_output, at_once=True)


def mnsim_latencies() -> Iterator[tuple[str, str, float, float, float]]:
    """Yield model, placement groups, latency of a layer here and in MNSIM in us, and the deviation in percent."""
    [row] = validate(["mnsim-latency"])
    for point in row.points:
        model, networks = point.label.split()
        groups = {"1": "one", "2": "attention, ffn"}[networks]
        assert point.theirs.low is not None
        yield model, groups, point.ours, point.theirs.low, 100 * (point.ratio - 1)
