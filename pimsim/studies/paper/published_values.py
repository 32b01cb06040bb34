"""Published values of the paper, read from ``data/``. Only the fits and the selection of the placement use them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

_DATA = Path(__file__).parent / "data"

Key = tuple[str, int, str]
"""Model name in the paper, context length in tokens, and subject of the value (such as a machine or component)."""


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))


@cache
def published(item: str, quantity: str) -> Mapping[Key, float]:
    """Return the published values of one quantity of a figure or table.

    Args:
        item: Figure or table, such as "fig7".
        quantity: Quantity, such as "fraction".

    Returns:
        Values by (model, context length, subject); empty if the quantity is unknown.
    """
    return MappingProxyType(
        {
            (row["model"], int(row["context_length"]), row["subject"]): float(row["value"])
            for row in _rows("published.csv")
            if (row["item"], row["quantity"]) == (item, quantity)
        }
    )


@cache
def published_tokens_per_s() -> Mapping[Key, float]:
    """Return the known values of Fig. 5.

    Returns:
        Tokens/s by (model, context length, machine).
    """
    return MappingProxyType(
        {
            (row["model"], int(row["context_length"]), machine): float(row[column])
            for row in _rows("fig5.csv")
            for machine, column in (("tpu-llm", "tpu_llm_tokens_per_s"), ("pim-llm", "pim_llm_tokens_per_s"))
        }
    )


@cache
def printed_tokens_per_s() -> Mapping[Key, str]:
    """Return the known values of Fig. 5 as printed, for comparison digit by digit.

    Returns:
        Texts of tokens/s by (model, context length, machine).
    """
    return MappingProxyType(
        {
            (row["model"], int(row["context_length"]), machine): row[column]
            for row in _rows("fig5.csv")
            for machine, column in (("tpu-llm", "tpu_llm_tokens_per_s"), ("pim-llm", "pim_llm_tokens_per_s"))
        }
    )
