"""docs/accuracy.md: what the shipped study found, from docs/reference/accuracy.csv (benchmarks/study_accuracy.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from tools.docs_generator.facts import DOCS, reference, table
from workloads.shipped import network_folder

Row = Mapping[str, str]
CLOSE = 0.01
"""Perplexity that is more by at most so much of itself counts as kept."""
_BITS = ("3", "4", "5", "6", "7", "8")


@cache
def _rows() -> tuple[Row, ...]:
    return tuple(reference("accuracy"))


def _of(group: str, line: str | None = None) -> list[Row]:
    return [row for row in _rows() if row["group"] == group and line in (None, row["line"])]


def _lines(group: str) -> list[str]:
    return list(dict.fromkeys(row["line"] for row in _of(group)))


def _worse(row: Row) -> float:
    """By what part of itself perplexity grows over the exact model's."""
    return float(row["perplexity"]) / float(row["exact_perplexity"]) - 1


def _shown(row: Row) -> str:
    value = float(row["perplexity"])
    text = f"{value:,.2f}" if value < 100 else f"{value:,.0f}" if value < 1e5 else "over 100,000"
    if row["perplexity_high"] and value < 100:
        text += f" ± {(float(row['perplexity_high']) - float(row['perplexity_low'])) / 2:.2f}"
    return text


def _exact() -> float:
    return float(_rows()[0]["exact_perplexity"])


def _fewest_bits(line: str) -> str:
    return next((row["value"] for row in _of("adc", line) if abs(_worse(row)) <= CLOSE), "more than 8")


def _largest(group: str, line: str, limit: float) -> Row:
    """The last value, from the best one on, up to which perplexity stays within a limit."""
    rows = _of(group, line)
    kept = rows[0]
    for row in rows:
        if _worse(row) > limit:
            break
        kept = row
    return kept


def _percent(value: float) -> str:
    """+1.2 %, +35 %, x 40."""
    if value >= 10:
        return f"x {value + 1:,.0f}"
    return f"{100 * value:+.1f} %" if abs(value) < 0.0995 else f"{100 * value:+.0f} %"


def about() -> str:
    """Which model, and how it does without arrays."""
    row = _rows()[0]
    weights = hashlib.sha256((network_folder() / "model.safetensors").read_bytes()).hexdigest()[:16]
    text = (DOCS / "reference" / "accuracy.csv").read_text(encoding="utf-8")
    other = "" if f"# weights: {weights}" in text else " **These are of weights of an earlier training.**"
    return (
        f"Over these {int(row['tokens']):,} characters the float model has a perplexity of "
        f"{float(row['float_perplexity']):.3f}, the exact 1-bit model {float(row['exact_perplexity']):.3f}.{other}"
    )


def bits() -> str:
    """Perplexity by ADC."""
    rows = []
    for line in _lines("adc"):
        by_bits = {row["value"]: row for row in _of("adc", line)}
        cells = [_shown(by_bits[bits]) if bits in by_bits else "" for bits in _BITS]
        rows.append((line, *cells, _fewest_bits(line)))
    head = ("range, rows at once", *(f"{bits} bits" for bits in _BITS), f"bits within {100 * CLOSE:.0f} %")
    return table(head, rows, right=range(1, len(head)))


def trade() -> str:
    """The points of the ADC's group that no other beats in both."""
    rows: list[tuple[str, ...]] = []
    best = float("inf")
    for row in sorted(_of("adc"), key=lambda row: (-float(row["opt_gops_per_w"]), float(row["perplexity"]))):
        if float(row["perplexity"]) < best:
            best = float(row["perplexity"])
            efficiency = (f"{float(row['gops_per_w']):.1f}", f"{float(row['opt_gops_per_w']):.0f}")
            rows.append((row["line"], row["value"], *efficiency, _shown(row), _percent(_worse(row))))
    head = ("range, rows at once", "bits", "GOPS/W", "GOPS/W of OPT-6.7B", "perplexity", "more")
    return table(head, rows, right=range(1, 6))


def _by_value(group: str, heading: str, shown: Callable[[float], str]) -> str:
    values = list(dict.fromkeys(row["value"] for row in _of(group)))
    rows = []
    for line in _lines(group):
        by_value = {row["value"]: row for row in _of(group, line)}
        rows.append((line, *(_shown(by_value[value]) if value in by_value else "" for value in values)))
    head = (heading, *(shown(float(value)) for value in values))
    return table(head, rows, right=range(1, len(head)))


def variation() -> str:
    """Perplexity by variation."""
    return _by_value("variation", "distribution of both states", lambda value: f"{100 * value:g} %")


def stuck() -> str:
    """Perplexity by stuck cells."""
    return _by_value("stuck", "stuck cells", lambda value: f"{100 * value:g} %")


def on_off() -> str:
    """Perplexity by on/off ratio."""
    return _by_value("on-off", "cells", lambda value: f"{value:g}")


def drift() -> str:
    """Perplexity by age."""
    names = {1: "1 s", 3600: "1 h", 86400: "1 day", 2592000: "30 days", 31557600: "1 year", 315576000: "10 years"}
    return _by_value("drift", "cells", lambda value: names.get(round(value), f"{value:g} s"))


def wires() -> str:
    """Perplexity by resistance of wires."""
    return _by_value("wire", "rows at once", lambda value: f"{value:g} Ω")


def sizes() -> str:
    """Perplexity by size of arrays, with MNSIM's wires."""
    return _by_value("size", "cells", lambda value: f"{value:g} x {value:g}")


def findings() -> str:
    """What came of it, in sentences whose numbers are those of the file."""
    return "\n".join(f"- {text}" for text in (*_about_bits(), _about_variation(), *_about_cells(), _about_wires()))


def _about_bits() -> Sequence[str]:
    kept = {
        kind: tuple(_fewest_bits(f"{kind}, {rows} rows") for rows in (256, 128))
        for kind in ("full", "calibrated", "per_column")
    }
    eight = _worse(_of("adc", "full, 256 rows")[-1])
    six = next(row for row in _of("adc", "stock cells, calibrated, 128 rows") if row["value"] == "6")
    lines = (
        f"**Calibrated ranges of {{}} bits suffice for 256 rows at once** ({{}} for 128), within {100 * CLOSE:.0f} %;",
        "a range per column takes {} ({}).",
        f"A range that covers every possible sum takes {{}} ({{}}): at 256 rows and 8 bits it costs {_percent(eight)}.",
    )
    whole = {row["value"]: _percent(_worse(row)) for row in _of("adc", "calibrated, 256 rows")}
    kinds = ("calibrated", "per_column", "full")
    told = " ".join(line.format(*kept[kind]) for line, kind in zip(lines, kinds, strict=True))
    stock = (
        "PIM-LLM's 8 bits are more than the model needs if ranges are calibrated; MNSIM's stock 6 bits with its stock "
        f"cells, but ideal wires, cost {_percent(_worse(six))}."
    )
    by_bits = (
        f"One range for the matrix costs, at 256 rows: {', '.join(f'{bits} bits {whole[bits]}' for bits in '4567')}."
    )
    return f"{told} {by_bits}", stock


def _at(group: str, line: str, value: float) -> float:
    """By what part perplexity grows at the value nearest to this one."""
    return _worse(min(_of(group, line), key=lambda row: abs(float(row["value"]) - value)))


def _about_variation() -> str:
    tenth, fifth, half = (_percent(_at("variation", "normal", sigma)) for sigma in (0.1, 0.2, 0.5))
    return (
        '**"1-bit is robust" holds for a spread of some 10 %, not for 50 %**: a normal sd of 10 % of both conductances '
        f"costs {tenth} perplexity, 20 % {fifth}, 50 % {half}; a lognormal one of 50 % "
        f"{_percent(_at('variation', 'lognormal', 0.5))}."
    )


def _about_cells() -> Sequence[str]:
    one, ten = (_percent(_at("stuck", "half in each state", part)) for part in (0.01, 0.1))
    narrow, wide = _lines("on-off")
    small, large = (tuple(_percent(_at("on-off", line, ratio)) for ratio in (2, 10, 100)) for line in (narrow, wide))
    young, old = (_percent(_worse(_of("drift")[place])) for place in (0, -1))
    ratio = (
        f"The on/off ratio matters by how much cells vary: by 2 %, a ratio of 2 costs {small[0]}, of 10 {small[1]}, "
        f"of 100 {small[2]}; by 10 %, {large[0]}, {large[1]} and {large[2]}."
    )
    drift = (
        f"NeuRRAM's cells cost {young} a second after programming and {old} after ten years, by the growth of their "
        "spread as aihwkit fitted it to one day."
    )
    return f"Stuck cells cost {one} at 1 % of all and {ten} at 10 %.", ratio, drift


def _about_wires() -> str:
    line = _lines("wire")[0]
    last, kept = _of("wire", line)[-1], float(_largest("wire", line, CLOSE)["value"])
    ohms, left = float(last["value"]), float(last["perplexity"])
    near = [row for row in _of("size") if _worse(row) <= CLOSE]
    largest = max(near, key=lambda row: float(row["value"]), default=None)
    fits = "no array of 32 x 32 or more" if largest is None else _array(largest)
    return (
        f"**Wires decide.** Up to {kept:g} Ω per cell perplexity stays within {100 * CLOSE:.0f} % (128 rows at "
        f"once); MNSIM's stock {ohms:g} Ω on arrays of 256 x 256 make it {left:,.0f}, where guessing makes it 64. "
        "So `pimsim accuracy pim-llm` as shipped says that this chip computes no language model. With these wires, "
        f"{fits} keeps it within {100 * CLOSE:.0f} %."
    )


def _array(row: Row) -> str:
    return f"an array of {row['value']} x {row['value']} ({row['line'].replace('kOhm', 'kΩ')})"


SECTIONS: Mapping[str, Callable[[], str]] = {
    "accuracy-about": about,
    "accuracy-findings": findings,
    "accuracy-bits": bits,
    "accuracy-trade": trade,
    "accuracy-variation": variation,
    "accuracy-stuck": stuck,
    "accuracy-on-off": on_off,
    "accuracy-drift": drift,
    "accuracy-wires": wires,
    "accuracy-sizes": sizes,
}
