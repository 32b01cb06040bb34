"""Generated sections of docs/study.md: tables of the corrected accounting."""

from __future__ import annotations

from functools import cache

from pimsim.studies.paper.claims import CLAIMS, Verdict
from pimsim.studies.paper.corrected_accounting import Corrected
from pimsim.studies.paper.switches import (
    ALL,
    ALL_SETTINGS,
    NONE,
    SWITCHES,
    Switches,
    all_variants,
    cumulative,
    settings,
)
from pimsim.studies.paper.waterfall import CORRECTED_ITEMS, MACHINES, WATERFALL_CONTEXT_LENGTHS, WATERFALL_MODELS
from tools.docs_generator.facts import Row, study, table

BY_HAND = ("opt-6.7b", 1024)


@cache
def _corrected() -> Corrected:
    return Corrected(study())


def claims() -> str:
    """Return the table of claims: as published, with all switches on, and the switches that break each claim."""
    rows = []
    for row, claim in zip(CORRECTED_ITEMS["claims"](_corrected()).rows, CLAIMS, strict=True):
        verdict = claim.verdict(claim.measure(_corrected(), ALL))
        together = row["all_together"] if verdict is Verdict.HOLDS else f"**{row['all_together']}**"
        broken = row["broken_by"].replace("; ", "<br>")
        rows.append((row["claim"], row["published"], together, row["holds_in_variants"], broken))
    return table(("claim", "published", "all together", "holds in variants", "broken by, alone"), rows)


def switches() -> str:
    """Return the table of switches with their effects and reasons."""
    rows = [(f"`{s.name}`", ", ".join(map(str, s.values)) if len(s.values) > 1 else "on", s.changes, s.reason)
            for s in SWITCHES.values()]  # fmt: skip
    return table(("switch", "values", "effect", "reason"), rows)


def ratios() -> str:
    """Return the table of ratios of tokens/s and tokens/J: published, and with all switches by bits and gating."""

    def ratio(model: str, context_length: int, chosen: Switches, metric: str) -> str:
        tpu, pim = (getattr(_corrected().figures(m, model, context_length, chosen), metric) for m in MACHINES)
        return f"{pim / tpu:.3g}"

    rows: list[Row] = []
    for model in WATERFALL_MODELS:
        for context_length in WATERFALL_CONTEXT_LENGTHS:
            speeds = [ratio(model, context_length, each, "tokens_per_s") for each in all_variants()]
            idle = [each for each in all_variants() if each.leakage == "idle_gated"]
            ungated = [each for each in all_variants() if each.leakage == "ungated"]
            rows.append(
                (
                    model,
                    context_length,
                    ratio(model, context_length, NONE, "tokens_per_s"),
                    f"{speeds[0]} to {speeds[-1]}",
                    ratio(model, context_length, NONE, "tokens_per_j"),
                    *(ratio(model, context_length, each, "tokens_per_j") for each in idle),
                    " / ".join(ratio(model, context_length, each, "tokens_per_j") for each in ungated),
                )
            )
    head = (
        "model",
        "context",
        "tokens/s, published",
        "all, 1 to 8 bits",
        "tokens/J, published",
        *(f"all, {bits} bit{'s' * (bits > 1)}, gated" for bits in (1, 2, 8)),
        "all, 1 / 2 / 8 bits, not gated",
    )
    return table(head, rows, right=range(1, len(head)))


def waterfall() -> str:
    """Return the table of latency and energy of the model that is derived by hand, switch by switch."""

    def cells(chosen: Switches) -> tuple[str, ...]:
        both = [_corrected().figures(machine, *BY_HAND, chosen) for machine in reversed(MACHINES)]
        return tuple(f"{each.latency_ps / 1e9:,.3f}" for each in both) + tuple(
            f"{each.energy_j * 1e3:,.3f}" for each in both
        )

    published = cells(NONE)
    rows: list[Row] = [("published", *published, *published)]
    for setting in settings():
        mark = "" if setting in ALL_SETTINGS else " (not accumulated)"
        rows.append((f"`{setting.label}`{mark}", *cells(NONE.turned_on(setting)), *cells(cumulative(setting))))
    rows.append(("all together", *cells(ALL), *cells(ALL)))
    quantities = [f"{name}, {unit}" for unit in ("ms", "mJ") for name in ("PIM", "TPU")]
    head = ("switch", *(f"alone: {each}" for each in quantities), *(f"so far: {each}" for each in quantities))
    return table(head, rows, right=range(1, len(head)))


SECTIONS = {
    "study-claims": claims,
    "study-switches": switches,
    "study-ratios": ratios,
    "study-waterfall": waterfall,
}
