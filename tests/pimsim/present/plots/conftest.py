"""Results that are drawn, each computed once, and the style of the plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from pimsim import generate, load_config, reproduce, simulate
from pimsim.generation import GenerationResult
from pimsim.present.plots.active_style import paper_style
from pimsim.results.run_result import RunResult
from pimsim.studies.paper.comparison_table import Table
from tests.pimsim.present.plots.drawn import GENERATION, SMALL


@pytest.fixture(scope="session")
def tables() -> Mapping[str, Table]:
    return reproduce()


@pytest.fixture(scope="session")
def corrected() -> Mapping[str, Table]:
    """Return some cells of a waterfall, which is the slowest plot, and a table without a plot."""
    tables = reproduce(["tokens_per_j", "switches"], "corrected")
    rows = tables["tokens_per_j"].rows
    some = tuple(row for row in rows if row["model"] != "llama-7b" and row["context_length"] != 1024)
    return {**tables, "tokens_per_j": replace(tables["tokens_per_j"], rows=some)}


@pytest.fixture(scope="session")
def serial() -> RunResult:
    return simulate(load_config("pim-llm", SMALL))


@pytest.fixture(scope="session")
def dataflow() -> RunResult:
    return simulate(load_config("pim-llm", [*SMALL, "schedule=dataflow"]))


@pytest.fixture(scope="session")
def sampled() -> GenerationResult:
    return generate(load_config("pim-llm", [*GENERATION, "workload.samples=4"]))


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with paper_style():
        yield
