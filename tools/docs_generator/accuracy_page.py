"""Generated sections of docs/accuracy.md: results in docs/reference/accuracy.csv (benchmarks/study_accuracy.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from crossbar.intervals import Interval
from pimsim.studies.accuracy.paired_ratio import LIMIT, cost_text, costs_less
from tools.docs_generator.facts import DOCS, reference, table
from workloads.shipped import network_folder

Row = Mapping[str, str]
CLOSE = LIMIT
"""Relative increase of the perplexity below which the whole interval must be for "no loss"."""
EARLIER = "†"
"""Mark of rows of an earlier version, with fewer characters and chips and without an interval over both."""
_BITS = ("3", "4", "5", "6", "7", "8")


@cache
def _rows() -> tuple[Row, ...]:
    return tuple(reference("accuracy"))


def _of(group: str, line: str | None = None) -> list[Row]:
    return [row for row in _rows() if row["group"] == group and line in (None, row["line"])]


def _lines(group: str) -> list[str]:
    return list(dict.fromkeys(row["line"] for row in _of(group)))


def _worse(row: Row) -> float:
    """Return the relative increase of the perplexity over that of the exact model."""
    return float(row["perplexity"]) / float(row["exact_perplexity"]) - 1


def _ratio(row: Row) -> Interval | None:
    """Return the ratio of perplexities with its interval; None for a row of an earlier version."""
    if not row.get("perplexity_ratio_high"):
        return None
    return Interval(*(float(row[f"perplexity_ratio{end}"]) for end in ("", "_low", "_high")))


def _close(row: Row) -> bool:
    """Return whether the whole interval of the increase is below `CLOSE`."""
    ratio = _ratio(row)
    return ratio is not None and costs_less(ratio, CLOSE) is True


def _cost(row: Row) -> str:
    """Format the interval of the increase: "0.07 to 0.36 %"; for a row of an earlier version, "+1.2 % †"."""
    ratio = _ratio(row)
    return f"{_percent(_worse(row))} {EARLIER}" if ratio is None else cost_text(ratio)


def _shown(row: Row) -> str:
    value = float(row["perplexity"])
    text = f"{value:,.2f}" if value < 100 else f"{value:,.0f}" if value < 1e5 else "over 100,000"
    if row["perplexity_high"] and value < 100:
        text += f" ± {(float(row['perplexity_high']) - float(row['perplexity_low'])) / 2:.2f}"
    return text


def _label(group: str, line: str) -> str:
    """Return the name of a line of a table, marked if a row of it is of an earlier version."""
    return line if all(map(_ratio, _of(group, line))) else f"{line} {EARLIER}"


def _fewest_bits(line: str) -> str:
    rows = _of("adc", line)
    if not all(map(_ratio, rows)):
        return "not decided"
    return next((row["value"] for row in rows if _close(row)), f"more than {rows[-1]['value']}")


def _largest(group: str, line: str) -> Row | None:
    """Return the row with the largest value up to which every interval of the increase is below `CLOSE`."""
    last = None
    for row in _of(group, line):
        if not _close(row):
            break
        last = row
    return last


def _percent(value: float) -> str:
    """Format a relative increase: "+1.2 %", "+35 %" or "x 40"."""
    if value >= 10:
        return f"x {value + 1:,.0f}"
    return f"{100 * value:+.1f} %" if abs(value) < 0.0995 else f"{100 * value:+.0f} %"


def about() -> str:
    """Return the perplexities of the float and the exact model, and which rows are of an earlier version."""
    new = [row for row in _rows() if _ratio(row)]
    old = [row for row in _rows() if not _ratio(row)]
    row = new[0] if new else old[0]
    weights = hashlib.sha256((network_folder() / "model.safetensors").read_bytes()).hexdigest()[:16]
    text = (DOCS / "reference" / "accuracy.csv").read_text(encoding="utf-8")
    other = "" if f"# weights: {weights}" in text else " **These results are from weights of an earlier training.**"
    said = (
        f"On {int(row['tokens']):,} held-out characters, the perplexity is {float(row['float_perplexity']):.3f} with "
        f"the float model and {float(row['exact_perplexity']):.3f} with the exact 1-bit model.{other}"
    )
    if not old:
        return said
    chips, tokens = max(int(each["chips"]) for each in old), int(old[0]["tokens"])
    return (
        f"{said}\n\n{len(old)} of the {len(_rows())} values, marked {EARLIER}, were computed earlier with {tokens:,} "
        f"characters and {chips} chips (exact perplexity {float(old[0]['exact_perplexity']):.3f}) and have no interval "
        f"over windows. No statement about {100 * CLOSE:.0f} % uses them. `python benchmarks/study_accuracy.py "
        "--missing` replaces them. Until then, both figures show the earlier values of all rows."
    )


def bits() -> str:
    """Return the table of perplexity by ADC range and resolution."""
    rows = []
    for line in _lines("adc"):
        by_bits = {row["value"]: row for row in _of("adc", line)}
        cells = [_shown(by_bits[bits]) if bits in by_bits else "" for bits in _BITS]
        rows.append((_label("adc", line), *cells, _fewest_bits(line)))
    head = ("range, rows at once", *(f"{bits} bits" for bits in _BITS), f"bits for less than {100 * CLOSE:.0f} %")
    return table(head, rows, right=range(1, len(head)))


def trade() -> str:
    """Return the table of ADC variants on the Pareto front of perplexity and energy efficiency."""
    rows: list[tuple[str, ...]] = []
    best = float("inf")
    for row in sorted(_of("adc"), key=lambda row: (-float(row["opt_gops_per_w"]), _worse(row))):
        if _worse(row) < best:
            best = _worse(row)
            efficiency = (f"{float(row['gops_per_w']):.1f}", f"{float(row['opt_gops_per_w']):.0f}")
            rows.append((row["line"], row["value"], *efficiency, _shown(row), _cost(row)))
    head = ("range, rows at once", "bits", "GOPS/W", "GOPS/W of OPT-6.7B", "perplexity", "cost")
    return table(head, rows, right=range(1, 6))


def _by_value(group: str, heading: str, shown: Callable[[float], str]) -> str:
    values = list(dict.fromkeys(row["value"] for row in _of(group)))
    rows = []
    for line in _lines(group):
        by_value = {row["value"]: row for row in _of(group, line)}
        rows.append((_label(group, line), *(_shown(by_value[value]) if value in by_value else "" for value in values)))
    head = (heading, *(shown(float(value)) for value in values))
    return table(head, rows, right=range(1, len(head)))


def variation() -> str:
    """Return the table of perplexity by programming variation."""
    return _by_value("variation", "distribution in both states", lambda value: f"{100 * value:g} %")


def stuck() -> str:
    """Return the table of perplexity by the fraction of stuck cells."""
    return _by_value("stuck", "stuck cells", lambda value: f"{100 * value:g} %")


def on_off() -> str:
    """Return the table of perplexity by on/off ratio."""
    return _by_value("on-off", "cells", lambda value: f"{value:g}")


def drift() -> str:
    """Return the table of perplexity by time after programming."""
    names = {1: "1 s", 3600: "1 h", 86400: "1 day", 2592000: "30 days", 31557600: "1 year", 315576000: "10 years"}
    return _by_value("drift", "cells", lambda value: names.get(round(value), f"{value:g} s"))


def wires() -> str:
    """Return the table of perplexity by wire resistance."""
    return _by_value("wire", "active rows", lambda value: f"{value:g} Ω")


def sizes() -> str:
    """Return the table of perplexity by array size, with the wires of MNSIM."""
    return _by_value("size", "cells", lambda value: f"{value:g} x {value:g}")


def findings() -> str:
    """Return the findings as sentences with the numbers of the file."""
    return "\n".join(f"- {text}" for text in (*_about_bits(), _about_variation(), *_about_cells(), _about_wires()))


def _about_bits() -> Sequence[str]:
    kept = {
        kind: tuple(_fewest_bits(f"{kind}, {rows} rows") for rows in (256, 128))
        for kind in ("full", "calibrated", "per_column")
    }
    eight = _cost(_of("adc", "full, 256 rows")[-1])
    six = next(row for row in _of("adc", "stock cells, calibrated, 128 rows") if row["value"] == "6")
    whole = {row["value"]: _cost(row) for row in _of("adc", "calibrated, 256 rows")}
    names = {"calibrated": "a calibrated range", "per_column": "a calibrated range per column"}
    names |= {"full": "a range that covers every possible sum"}
    counted = "; ".join(f"{name}: {kept[kind][0]} ({kept[kind][1]})" for kind, name in names.items())
    sentences = (
        f"**Fewest ADC bits that cost less than {100 * CLOSE:.0f} % of perplexity with 256 active rows (with 128): "
        f"{counted}.**"
    )
    full = f"A range that covers every sum changes the perplexity by {eight} with 8 bits and 256 rows."
    stock = (
        "With calibrated ranges, the 8 bits of PIM-LLM are more than the model needs. The stock 6 bits of MNSIM with "
        f"its stock cells and ideal wires change the perplexity by {_cost(six)}."
    )
    by_bits = (
        "With one calibrated range per matrix and 256 rows, the increase is: "
        f"{'; '.join(f'{bits} bits {whole[bits]}' for bits in '4567')}."
    )
    return f"{sentences} {full} {by_bits}", stock


def _at(group: str, line: str, value: float) -> str:
    """Return the increase of the perplexity at the nearest simulated value."""
    return _cost(min(_of(group, line), key=lambda row: abs(float(row["value"]) - value)))


def _about_variation() -> str:
    tenth, fifth, half = (_at("variation", "normal", sigma) for sigma in (0.1, 0.2, 0.5))
    return (
        "**The model tolerates a programming variation of about 10 %, but not of 50 %.** A normal variation with a "
        f"standard deviation of 10 % in both states changes the perplexity by {tenth}, 20 % by {fifth}, and 50 % by "
        f"{half}; a lognormal variation of 50 % by {_at('variation', 'lognormal', 0.5)}."
    )


def _about_cells() -> Sequence[str]:
    one, ten = (_at("stuck", "half in each state", part) for part in (0.01, 0.1))
    narrow, wide = _lines("on-off")
    small, large = (tuple(_at("on-off", line, ratio) for ratio in (2, 10, 100)) for line in (narrow, wide))
    young, old = (_cost(_of("drift")[place]) for place in (0, -1))
    ratio = (
        "The effect of the on/off ratio depends on the variation. With a variation of 2 %, the change is "
        f"{small[0]} for a ratio of 2, {small[1]} for 10 and {small[2]} for 100. With a variation of 10 %, it is "
        f"{large[0]}, {large[1]} and {large[2]}."
    )
    drift = (
        f"With the cells of NeuRRAM, the change is {young} one second after programming and {old} after ten years. "
        "The drift model is the fit of aihwkit to one day of measurements, so ten years are an extrapolation."
    )
    return (
        f"Stuck cells change the perplexity by {one} if they are 1 % of all cells, and by {ten} at 10 %.",
        ratio,
        drift,
    )


def _about_wires() -> str:
    line = _lines("wire")[0]
    last, kept = _of("wire", line)[-1], _largest("wire", line)
    ohms, left = float(last["value"]), float(last["perplexity"])
    near = [row for row in _of("size") if _close(row)]
    largest = max(near, key=lambda row: float(row["value"]), default=None)
    fits = "no array of 32 x 32 or more" if largest is None else _array(largest)
    limit = f"{100 * CLOSE:.0f} %"
    short = f"No simulated resistance costs less than {limit}"
    if kept is not None:
        short = f"Up to {float(kept['value']):g} Ω per cell, wires cost less than {limit} of perplexity"
    return (
        f"**The wire resistance has the largest effect.** {short} (128 active rows). With the stock {ohms:g} Ω of "
        f"MNSIM on arrays of 256 x 256, the perplexity is {left:,.0f}, while a uniform guess has 64. `pimsim accuracy "
        f"pim-llm` as shipped therefore reports an output that is noise. With these wires, {fits} costs less than "
        f"{limit}."
    )


def _array(row: Row) -> str:
    return f"an array of {row['value']} x {row['value']} cells ({row['line'].replace('kOhm', 'kΩ')})"


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
