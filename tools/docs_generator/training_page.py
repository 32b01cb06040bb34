"""Generated sections of docs/training.md: docs/reference/noise-aware.csv, by benchmarks/study_noise_aware.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from tools.docs_generator.facts import reference, table
from workloads.shipped import DEFAULT_NETWORK

Row = Mapping[str, str]


@cache
def _rows() -> tuple[Row, ...]:
    return tuple(reference("noise-aware"))


def _networks() -> list[str]:
    """Return the networks of the file without kjv-bitnet."""
    return [name for name in dict.fromkeys(row["network"] for row in _rows()) if name != DEFAULT_NETWORK]


def _change(row: Row, name: str) -> str:
    """Return a ratio to kjv-bitnet as a change: "-29 % (-42 to -13)"."""
    mean, low, high = (100 * (float(row[f"{name}{end}"]) - 1) for end in ("", "_low", "_high"))
    return f"{mean:+.1f} % ({low:+.1f} to {high:+.1f})"


def exact() -> str:
    """Return the table of exact perplexities."""
    found = {row["network"]: row for row in _rows()}
    rows = [
        (f"`{name}`", f"{float(found[name]['exact']):.3f}", _change(found[name], "exact_ratio") if number else "")
        for number, name in enumerate((DEFAULT_NETWORK, *_networks()))
    ]
    return table(("network", "exact perplexity", "change"), rows, right=(1, 2))


def arrays() -> str:
    """Return the table of perplexities on the arrays, by condition."""
    found = {(row["condition"], row["network"]): row for row in _rows()}
    head = ["arrays", f"`{DEFAULT_NETWORK}`"]
    for name in _networks():
        head += [f"`{name}`", "change"]
    rows = []
    for condition in dict.fromkeys(row["condition"] for row in _rows()):
        cells = [condition, f"{float(found[condition, DEFAULT_NETWORK]['perplexity']):.2f}"]
        for name in _networks():
            row = found.get((condition, name))
            cells += [f"{float(row['perplexity']):.2f}", _change(row, "ratio")] if row else ["", ""]
        rows.append(cells)
    return table(head, rows, right=range(1, len(head)))


def about() -> str:
    """Return the size of the evaluation."""
    row = _rows()[0]
    return (
        f"Perplexity per character on {int(row['tokens']):,} held-out characters, on {row['chips']} chips. Changes are "
        "ratios to kjv-bitnet on the same chips and windows, minus 1, with 95 % intervals over chips and windows "
        "([accuracy.md](accuracy.md#cost-of-the-arrays))."
    )


SECTIONS: Mapping[str, Callable[[], str]] = {
    "training-about": about,
    "training-exact": exact,
    "training-arrays": arrays,
}
