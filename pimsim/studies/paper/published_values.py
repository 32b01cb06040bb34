"""What the paper prints, as data: read from ``data/``, never used to compute a result but by the fits that say so."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

_DATA = Path(__file__).parent / "data"

Key = tuple[str, int, str]
"""Model as the paper labels it, context length in tokens, and what the value is of."""


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))


@cache
def published(item: str, quantity: str) -> Mapping[Key, float]:
    """The printed values of one quantity of a figure or table, by (model, context_length, subject)."""
    return MappingProxyType(
        {
            (row["model"], int(row["context_length"]), row["subject"]): float(row["value"])
            for row in _rows("published.csv")
            if (row["item"], row["quantity"]) == (item, quantity)
        }
    )


@cache
def published_tokens_per_s() -> Mapping[Key, float]:
    """Fig. 5 as far as it is known here, by (model, context_length, machine)."""
    return MappingProxyType(
        {
            (row["model"], int(row["context_length"]), machine): float(row[column])
            for row in _rows("fig5.csv")
            for machine, column in (("tpu-llm", "tpu_llm_tokens_per_s"), ("pim-llm", "pim_llm_tokens_per_s"))
        }
    )


@cache
def printed_tokens_per_s() -> Mapping[Key, str]:
    """The same as the text that is printed, for comparison digit by digit."""
    return MappingProxyType(
        {
            (row["model"], int(row["context_length"]), machine): row[column]
            for row in _rows("fig5.csv")
            for machine, column in (("tpu-llm", "tpu_llm_tokens_per_s"), ("pim-llm", "pim_llm_tokens_per_s"))
        }
    )
