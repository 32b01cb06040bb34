"""Generated sections of docs/study.md: tables of the corrected accounting."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pimsim.studies.paper.claims import CLAIMS, Verdict
from pimsim.studies.paper.corrected_accounting import Corrected
from pimsim.studies.paper.machine_claims import MACHINE_ITEMS, PRINTED, MachineRuns
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
from pimsim.studies.ranges.machine_ranges import machine_tables
from tools.docs_generator.facts import Row, study, table

BY_HAND = ("opt-6.7b", 1024)

RANGE_SAMPLES = 100
WORDS = {"as published": "the accounting of the paper", "layers": "decoder layers", "token": "everything of a token"}
"""How each way of counting is named in a sentence."""

VERDICT_WORDS = {"holds": "holds", "weaker": "is true in its direction only", "fails": "fails"}


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


@cache
def _machine_runs() -> MachineRuns:
    return MachineRuns(study=study())


def machine_table() -> str:
    """Return Table III with machines: GOPS and GOPS/W, and the printed values."""
    rows = []
    for row in MACHINE_ITEMS["table3"](_machine_runs()).rows:
        printed = [
            f"{row[f'printed_{figure}']:,.5g} ({row[f'{figure}_ratio']:.3g}x)" if row[f"printed_{figure}"] else ""
            for figure in ("gops", "gops_per_w")
        ]
        ours = ["" if row[figure] is None else f"{row[figure]:,.4g}" for figure in ("gops", "gops_per_w")]
        cells = (f"`{row['machine']}`", row["model"], f"{row['context_length']:,}", row["counted"])
        rows.append((*cells, ours[0], printed[0], ours[1], printed[1]))
    head = ("machine", "model", "context", "counted", "GOPS", "printed", "GOPS/W", "printed")
    return table(head, rows, right=(2, 4, 5, 6, 7))


def _ratio(value: float) -> str:
    return f"{float(f'{value:.3g}'):,g}x"


def _claim_cells(row: Mapping[str, Any], *ends: str) -> tuple[str, ...]:
    verdict = row["verdict"] if row["verdict"] == "holds" else f"**{row['verdict']}**"
    values = (f"{row[name]:,.4g}" for name in ("pim_llm", "other"))
    against = row["against"] if row["against"] == PRINTED else f"`{row['against']}`"
    return (row["claim"], against, row["counted"], *values, _ratio(row["ratio"]), *ends, verdict)


def machine_claims() -> str:
    """Return the table of claims about other designs: against printed values, and against machines."""
    rows = [_claim_cells(row) for row in MACHINE_ITEMS["claims"](_machine_runs()).rows]
    return table(("claim", "against", "counted", "PIM-LLM", "other", "ratio", "verdict"), rows, right=(3, 4, 5))


def machine_ranges() -> str:
    """Return the intervals of the ratios of these claims, from the ranges of all constants."""
    rows = [
        _claim_cells(row, f"{_ratio(row['low'])} to {_ratio(row['high'])}", f"{row['holds_with']:.0%}")
        for row in machine_tables(["claims"], samples=RANGE_SAMPLES)["claims"].rows
        if row["low"] is not None
    ]
    head = (
        "claim",
        "against",
        "counted",
        "PIM-LLM",
        "other",
        "ratio",
        "95 % interval",
        "holds with",
        "at likely values",
    )
    return table(head, rows, right=(3, 4, 5, 6, 7))


def machine_verdicts() -> str:
    """Return the verdict on each of these claims in a sentence, from the rows of the table."""
    found = MACHINE_ITEMS["claims"](_machine_runs()).rows
    sentences = []
    for claim in dict.fromkeys(row["claim"] for row in found):
        rows = [row for row in found if row["claim"] == claim]
        said: dict[str, list[str]] = {against: [] for against in dict.fromkeys(row["against"] for row in rows)}
        for row in rows:
            verdict = VERDICT_WORDS[row["verdict"]]
            said[row["against"]].append(f"{verdict} with {WORDS[row['counted']]} ({_ratio(row['ratio'])})")
        parts = (
            f"against {'the printed value' if name == PRINTED else f'`{name}`'} it {', '.join(each)}"
            for name, each in said.items()
        )
        sentences.append(f"- *{claim[0].upper()}{claim[1:]}*: {'; '.join(parts)}.")
    return "\n".join(sentences)


SECTIONS = {
    "study-machines": machine_table,
    "study-machine-claims": machine_claims,
    "study-machine-ranges": machine_ranges,
    "study-machine-verdicts": machine_verdicts,
    "study-claims": claims,
    "study-switches": switches,
    "study-ratios": ratios,
    "study-waterfall": waterfall,
}
