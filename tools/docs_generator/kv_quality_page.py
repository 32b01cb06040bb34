"""Generated sections of docs/kv-quality.md: results in docs/reference/kv-quality.csv (benchmarks/study_kv_cache.py)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache

from tools.docs_generator.facts import reference, table
from workloads.checkpoint import load_network
from workloads.kv_cache import KvCacheSpec
from workloads.models import ModelSpec
from workloads.shipped import network_folder

Row = Mapping[str, str]
CLOSE = 0.005
"""Largest relative difference of perplexities that counts as none."""


@cache
def _network() -> tuple[ModelSpec, int]:
    """Return the shape of the shipped network and its positions, which are the tokens of a window."""
    network = load_network(network_folder()).network
    return network.spec, network.details.max_positions


@cache
def _rows() -> tuple[Row, ...]:
    return tuple(reference("kv-quality"))


def _of(group: str) -> list[Row]:
    return [row for row in _rows() if row["group"] == group]


def _bytes(row: Row) -> int:
    spec, tokens = _network()
    return KvCacheSpec(**json.loads(row["kv"])).sequence_bytes(spec, tokens)


def _size(row: Row) -> str:
    """Return bytes, and their fraction of float16 and all tokens."""
    full = next(each for each in _rows() if each["line"] == "float16")
    return f"{_bytes(row):,} ({_bytes(row) / _bytes(full):.1%})"


def _result(row: Row) -> str:
    return f"{float(row['exact_perplexity']):.3f}"


def _by_value(group: str, head: str, lines: Mapping[str, str]) -> str:
    """Return a table with a row per value, and bytes and perplexity of each line."""
    found = {(row["line"], row["value"]): row for row in _of(group)}
    values = dict.fromkeys(row["value"] for row in _of(group) if row["line"] in lines)
    titles = [title for name in lines.values() for title in (f"{name}: bytes", "perplexity")]
    rows = [
        [value, *(text for line in lines for text in (_size(found[line, value]), _result(found[line, value])))]
        for value in values
    ]
    return table([head, *titles], rows, right=range(1 + 2 * len(lines)))


def bits() -> str:
    """Return the table of formats."""
    [full] = (row for row in _of("bits") if row["line"] == "float16")
    lines = {"per token": "per token", "per group": "per group", "KIVI": "as KIVI"}
    return f"float16: {_bytes(full):,} bytes, perplexity {_result(full)}.\n\n" + _by_value("bits", "bits", lines)


def uneven() -> str:
    """Return the table of caches with other bits for keys than for values."""
    chosen = [*_of("uneven"), *(row for row in _of("bits") if row["line"] == "KIVI" and row["value"] in "24")]
    chosen.sort(key=lambda row: (_bytes(row), -_kv(row).value_bits))
    rows = [[_kv(row).key_bits, _kv(row).value_bits, _size(row), _result(row)] for row in chosen]
    return table(["bits of keys", "of values", "bytes", "perplexity"], rows, right=range(4))


def _kv(row: Row) -> KvCacheSpec:
    return KvCacheSpec(**json.loads(row["kv"]))


def budgets() -> str:
    """Return the table of policies: the first two have the same bytes, and so have the last two but for their sums."""
    names = ("newest tokens", "sinks and newest tokens", "random tokens", "heavy hitters")
    found = {(row["line"], row["value"]): row for row in _of("budget")}
    values = dict.fromkeys(row["value"] for row in _of("budget"))
    rows = [
        [
            value,
            _size(found[names[0], value]),
            *(_result(found[name, value]) for name in names),
            _size(found[names[-1], value]),
        ]
        for value in values
    ]
    return table(["tokens", "bytes", *names, "bytes with sums"], rows, right=range(7))


def found() -> str:
    """Return from which budget on all policies are close to the full cache, and how close."""
    [full] = (row for row in _of("bits") if row["line"] == "per token" and row["value"] == "8")
    worst: dict[int, float] = {}
    for row in _of("budget"):
        change = abs(float(row["exact_perplexity"]) / float(full["exact_perplexity"]) - 1)
        worst[int(row["value"])] = max(change, worst.get(int(row["value"]), 0))
    budgets = sorted(worst, reverse=True)
    last = budgets[0]
    for budget in budgets:
        if worst[budget] > CLOSE:
            break
        last = budget
    largest = max(worst[budget] for budget in budgets if budget >= last)
    return f"With {last} tokens and more, no policy differs from the full cache by more than {largest:.2%}."


def both() -> str:
    """Return the table of caches that drop tokens and have few bits."""
    rows = [[row["line"], row["value"], _size(row), _result(row)] for row in _of("both")]
    return table(["cache", "budget", "bytes", "perplexity"], rows, right=(2, 3))


SECTIONS: Mapping[str, Callable[[], str]] = {
    "kv-quality-bits": bits,
    "kv-quality-uneven": uneven,
    "kv-quality-budgets": budgets,
    "kv-quality-found": found,
    "kv-quality-both": both,
}
