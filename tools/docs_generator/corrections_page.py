"""Generated sections of docs/corrections.md: figures of the published and the shipped machines, and the way between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any

from pimsim.config.loading import load_config
from pimsim.present.text.waterfall_report import shown_value
from pimsim.simulation import simulate
from pimsim.studies.config_waterfall.key_waterfall import Change, Level, WaterfallStep, key_waterfall
from tools.docs_generator.facts import Row, table

PREFILL = {"workload.phase": "prefill", "workload.prompt_length": 512}
RUNS: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("OPT-6.7B", "pim-llm", {}),
    ("the same, context 4,096", "pim-llm", {"workload.context_length": 4096}),
    ("the same, dataflow schedule", "pim-llm", {"schedule": "dataflow"}),
    ("the same, prefill of 512 tokens", "pim-llm", PREFILL),
    ("OPT-1.3B", "pim-llm", {"workload.model": "opt-1.3b"}),
    ("GPT-2 350M", "pim-llm", {"workload.model": "gpt2-350m"}),
    ("Llama 3 8B", "pim-llm", {"workload.model": "llama-3-8b"}),
    ("BitNet b1.58 2B 4T", "pim-llm", {"workload.model": "bitnet-b1.58-2b-4t"}),
    ("OPT-6.7B", "tpu-llm", {}),
    ("the same, context 4,096", "tpu-llm", {"workload.context_length": 4096}),
    ("the same, dataflow schedule", "tpu-llm", {"schedule": "dataflow"}),
    ("the same, prefill of 512 tokens", "tpu-llm", PREFILL),
    ("OPT-1.3B", "tpu-llm", {"workload.model": "opt-1.3b"}),
)
"""Runs whose figures are compared: title, shipped config, overrides of both machines."""


def headlines() -> str:
    """Return the figures of several runs on the published machines and on the shipped ones."""
    rows = []
    for title, config, overrides in RUNS:
        old, new = (simulate(load_config(name, dict(overrides))) for name in (f"{config}-published", config))
        figures = [
            [f"{value:,.4g}" for value in values]
            for values in (
                (old.latency_s * 1e3, new.latency_s * 1e3),
                (old.tokens_per_s, new.tokens_per_s),
                (old.energy_j * 1e3, new.energy_j * 1e3),
                (old.gops_per_w, new.gops_per_w),
                (old.area_m2 * 1e6, new.area_m2 * 1e6),
            )
        ]
        rows.append([f"`{config}`", title, *(f"{before} → {after}" for before, after in figures)])
    head = ["config", "run", "time, ms", "tokens/s", "energy, mJ", "GOPS/W", "area, mm^2"]
    return table(head, rows, right=range(2, 7))


def waterfall(first: str, second: str) -> str:
    """Return the waterfall from one shipped config to another, for time and energy."""
    result = key_waterfall(load_config(first), load_config(second))
    rows: list[Row] = [(f"`{first}`", "", *_levels(result.start, None), "")]
    rows += [(step.title, _keys(step), *_levels(step.level, step.change), _alone(step)) for step in result.steps]
    rows.append((f"**`{second}`**", "", *_levels(result.end, result.end.since(result.start)), ""))
    head = ("step", "keys", "latency", "change", "energy", "change", "alone")
    return table(head, rows, right=(2, 3, 4, 5, 6))


def _keys(step: WaterfallStep) -> str:
    """Return the keys of a step with their values; keys in a row with the same reason share it."""
    lines = []
    for reason, keys in groupby(step.keys, key=lambda each: each.reason):
        values = (f"`{k.key}`: {shown_value(k.key, k.before)} to {shown_value(k.key, k.after)}" for k in keys)
        lines.append("; ".join(values) + (f" ({reason})" if reason else ""))
    return "; ".join(lines)


def _levels(level: Level, change: Change | None) -> tuple[str, str, str, str]:
    return (
        f"{level.latency_ps / 1e9:,.3f} ms",
        _signed(change.latency_ps / 1e9, "ms") if change else "",
        f"{level.energy_j * 1e3:,.3f} mJ",
        _signed(float(change.energy_j) * 1e3, "mJ") if change else "",
    )


def _signed(value: float, unit: str) -> str:
    return f"{value:+,.3f} {unit}" if value else "0"


def _alone(step: WaterfallStep) -> str:
    if step.alone is None:
        return "not valid alone"
    alone, change = (_effect(each) for each in (step.alone, step.change))
    return "the same" if alone == change else alone


def _effect(change: Change) -> str:
    return f"{_signed(change.latency_ps / 1e9, 'ms')}, {_signed(float(change.energy_j) * 1e3, 'mJ')}"


SECTIONS: Mapping[str, Callable[[], str]] = {"headlines": headlines} | {
    f"waterfall-{second}": lambda first=f"{second}-published", second=second: waterfall(first, second)  # type: ignore[misc]
    for second in ("pim-llm", "tpu-llm")
}
