"""Generated sections of docs/corrections.md: from the published machines to the shipped ones, one key a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pimsim.config.loading import load_config
from pimsim.present.text.waterfall_report import shown_value
from pimsim.studies.config_waterfall.key_waterfall import Change, Level, WaterfallStep, key_waterfall
from tools.docs_generator.facts import Row, table


def waterfall(first: str, second: str) -> str:
    """Return the waterfall from one shipped config to another, for time and energy."""
    result = key_waterfall(load_config(first), load_config(second))
    rows: list[Row] = [(f"`{first}`", "", *_levels(result.start, None), "")]
    rows += [(step.title, _keys(step), *_levels(step.level, step.change), _alone(step)) for step in result.steps]
    rows.append((f"**`{second}`**", "", *_levels(result.end, result.end.since(result.start)), ""))
    head = ("step", "keys", "latency", "change", "energy", "change", "alone")
    return table(head, rows, right=(2, 3, 4, 5, 6))


def _keys(step: WaterfallStep) -> str:
    lines = []
    for each in step.keys:
        values = f"{shown_value(each.key, each.before)} to {shown_value(each.key, each.after)}"
        lines.append(f"`{each.key}`: {values}" + (f" ({each.reason})" if each.reason else ""))
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
    if step.alone == step.change:
        return "the same"
    return f"{_signed(step.alone.latency_ps / 1e9, 'ms')}, {_signed(float(step.alone.energy_j) * 1e3, 'mJ')}"


SECTIONS: Mapping[str, Callable[[], str]] = {
    f"waterfall-{second}": lambda first=f"{second}-published", second=second: waterfall(first, second)  # type: ignore[misc]
    for second in ("pim-llm", "tpu-llm")
}
