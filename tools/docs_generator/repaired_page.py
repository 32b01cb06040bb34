"""Generated sections of docs/repaired.md: the search of benchmarks/study_repaired.py, and runs of shipped configs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from pimsim.base.shipped_files import defaults_path
from pimsim.config.layers import merge_layers, read_layers
from pimsim.config.loading import load_config
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate
from pimsim.studies.optimization.search_spec import load_search
from pimsim.studies.sweep.space.expressions import Expression
from tools.docs_generator.facts import ROOT, Row, reference, table

REPAIRED = "pim-llm-repaired"
CIRCUITS = "with circuits-130nm"
SOURCES: Mapping[str, Any] = {
    "pim-llm": "pim-llm",
    CIRCUITS: {"extends": ["pim-llm", "circuits-130nm"]},
    REPAIRED: REPAIRED,
}
MODELS = {"opt-6.7b": "OPT-6.7B", "bitnet-b1.58-2b-4t": "BitNet 2B"}
ENDS = ("perplexity_ratio_low@kjv-bitnet", "perplexity_ratio_high@kjv-bitnet")


@cache
def _run(config: str, model: str) -> RunResult:
    return simulate(load_config(SOURCES[config], {"workload.model": model}))


@cache
def _points() -> tuple[Mapping[str, str], ...]:
    return tuple(reference("repaired"))


def _front() -> list[Mapping[str, str]]:
    front = [row for row in _points() if row["front"] == "1"]
    return sorted(front, key=lambda row: float(row["area_m2@opt-6.7b"]))


def keys() -> str:
    """Return the table of the keys that the config changes, with the values of the machine that it starts from."""
    own = dict(_leaves(read_layers(REPAIRED)[-1].tree["machine"]))
    defaults = read_layers(defaults_path())
    before = dict(_leaves(merge_layers([*defaults, *read_layers(SOURCES[CIRCUITS])])["machine"]))
    rows = [(f"`{key}`", _shown(before.get(key)), _shown(value)) for key, value in own.items()]
    return table(["key below `machine`", f"pim-llm {CIRCUITS}", REPAIRED], rows)


def _shown(value: object) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _leaves(tree: object, above: str = "") -> Iterator[tuple[str, object]]:
    if not isinstance(tree, dict):
        yield above, tree
        return
    for key, value in tree.items():
        yield from _leaves(value, f"{above}.{key}" if above else str(key))


def perplexity() -> str:
    """Return the table of the perplexities of both chips."""
    rows: list[Row] = []
    for row in reference("repaired-chips"):
        value, low, high = (float(row[f"perplexity{end}"]) for end in ("", "_low", "_high"))
        cost = " to ".join(_percent(float(row[f"ratio{end}"]) - 1) for end in ("_low", "_high"))
        shown = f"{value:,.0f}" if value > 100 else f"{value:.3f} ({low:.3f} to {high:.3f})"
        rows.append((row["config"], f"{int(row['characters']):,}", row["chips"], row["exact"], shown, cost))
    head = ["config", "characters", "chips", "exact integers", "on the arrays", "increase, 95 % interval"]
    return table(head, rows, right=range(1, 6))


def _percent(share: float) -> str:
    return f"x {1 + share:,.0f}" if abs(share) > 10 else f"{share:+.2%}"


def costs() -> str:
    """Return the table of speed, efficiency and area of both chips for both models."""
    rows: list[Row] = []
    for model, name in MODELS.items():
        figures: Mapping[str, Callable[[RunResult], float]] = {
            "tokens/s": lambda run: run.tokens_per_s,
            "tokens/J": lambda run: run.tokens_per_j,
            "area, mm^2": lambda run: run.area_m2 * 1e6,
        }
        for figure, of in figures.items():
            values = [of(_run(config, model)) for config in SOURCES]
            shown = [f"{value:,.0f}" if value > 1000 else f"{value:.2f}" for value in values]
            rows.append((name, figure, *shown, f"{values[2] / values[1]:.2f}x"))
    head = ["model", "", "pim-llm", f"pim-llm {CIRCUITS}", REPAIRED, "repaired / with circuits"]
    return table(head, rows, right=range(2, 6))


def front() -> str:
    """Return the table of the points of the front, the smallest one first."""
    rows = [
        (
            f"{float(row['lrs_ohm']) / 1e3:g} k / {float(row['hrs_ohm']) / 1e6:g} M",
            f"{row['rows']} x {row['columns']}",
            row["rows_at_once"],
            row["adcs"],
            f"{row['bits']}, {row['range']}",
            row["gains"],
            " to ".join(
                f"{100 * (float(row[f'perplexity_ratio_{end}@kjv-bitnet']) - 1):+.2f}" for end in ("low", "high")
            ),
            *(value for model in MODELS for value in _figures(row, model)),
        )
        for row in _front()
    ]
    heads = [f"{name}: {figure}" for name in MODELS.values() for figure in ("tokens/s", "tokens/J", "mm^2")]
    first = ["cells, ohm", "array", "rows at once", "ADCs", "bits, range", "gains", "increase, %"]
    return table([*first, *heads], rows, right=range(7, 13))


def _figures(row: Mapping[str, str], model: str) -> tuple[str, str, str]:
    speed, efficiency, area = (float(row[f"{name}@{model}"]) for name in ("tokens_per_s", "tokens_per_j", "area_m2"))
    return f"{speed:.2f}", f"{efficiency:.2f}", f"{area * 1e6:,.0f}"


def found() -> str:
    """Return what the search has evaluated, and which cells are on its front."""
    search = load_search(ROOT / "benchmarks" / "search-repaired.yaml")
    columns = [key.rpartition(".")[2] for key in ("accuracy.tokens", "accuracy.chips")]
    lines = []
    for stage in search.stages:
        rows = [row for row in _points() if [row[name] for name in columns] == [str(value) for value in stage.values]]
        failed = sum(1 for row in rows if row["error"])
        texts = [limit.expression.text for limit in stage.limits]
        good = sum(1 for row in rows if not row["error"] and all(_holds(text, row) for text in texts))
        tokens, chips = stage.values
        counts = f"{len(rows)} evaluations, {failed} failed, {good} with {' and '.join(f'`{text}`' for text in texts)}"
        lines.append(f"- {tokens:,} characters on {chips} chips: {counts}.")
    cells = Counter(f"{float(row['lrs_ohm']) / 1e3:g} kOhm" for row in _front())
    listed = ", ".join(f"{count} with an LRS of {cell}" for cell, count in cells.most_common())
    lines.append(f"- The front has {len(_front())} chips: {listed}.")
    return "\n".join(lines)


def _holds(text: str, row: Mapping[str, str]) -> bool:
    expression = Expression(text)
    return expression.holds({name: float(row[name]) for name in expression.names})


SECTIONS: Mapping[str, Callable[[], str]] = {
    "repaired-keys": keys,
    "repaired-perplexity": perplexity,
    "repaired-costs": costs,
    "repaired-found": found,
    "repaired-front": front,
}
