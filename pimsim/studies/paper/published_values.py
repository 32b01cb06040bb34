"""Published values of the paper, read from ``data/``. Only the fits and the selection of the placement use them.

The rules, the fits and the placement were made with the values that are not marked as withheld. The others came to the
project on 2026-11-29, so their comparison with a simulation is a blind test.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

_DATA = Path(__file__).parent / "data"

Key = tuple[str, int, str]
"""Model name in the paper, context length in tokens, and subject of the value (such as a machine or component)."""


class PublishedValue(NamedTuple):
    """A published value.

    Attributes:
        text: The value with its printed digits.
        withheld: Whether the value was not known when the rules, the fits and the placement were made.
    """

    text: str
    withheld: bool


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))


@cache
def published_values(item: str, quantity: str) -> Mapping[Key, PublishedValue]:
    """Return the published values of one quantity of a figure or table, as printed.

    Args:
        item: Figure or table, such as "fig7".
        quantity: Quantity, such as "fraction".

    Returns:
        Values by (model, context length, subject); empty if the quantity is unknown.
    """
    if (item, quantity) == ("fig5", "tokens_per_s"):
        return MappingProxyType(
            {
                (row["model"], int(row["context_length"]), machine): PublishedValue(
                    row[column], row["withheld"] == "yes"
                )
                for row in _rows("fig5.csv")
                for machine, column in (("tpu-llm", "tpu_llm_tokens_per_s"), ("pim-llm", "pim_llm_tokens_per_s"))
            }
        )
    return MappingProxyType(
        {
            (row["model"], int(row["context_length"]), row["subject"]): PublishedValue(
                row["value"], row["withheld"] == "yes"
            )
            for row in _rows("published.csv")
            if (row["item"], row["quantity"]) == (item, quantity)
        }
    )


@cache
def published(item: str, quantity: str) -> Mapping[Key, float]:
    """Return the published values of one quantity of a figure or table, as numbers.

    Args:
        item: Figure or table, such as "fig7".
        quantity: Quantity, such as "fraction".

    Returns:
        Values by (model, context length, subject); empty if the quantity is unknown.
    """
    return MappingProxyType({key: float(value.text) for key, value in published_values(item, quantity).items()})


def published_tokens_per_s() -> Mapping[Key, float]:
    """Return all values of Fig. 5.

    Returns:
        Tokens/s by (model, context length, machine).
    """
    return published("fig5", "tokens_per_s")


@cache
def printed_tokens_per_s() -> Mapping[Key, str]:
    """Return all values of Fig. 5 as printed, for comparison digit by digit.

    Returns:
        Texts of tokens/s by (model, context length, machine).
    """
    return MappingProxyType({key: value.text for key, value in published_values("fig5", "tokens_per_s").items()})


@cache
def calibration_tokens_per_s() -> Mapping[Key, float]:
    """Return the values of Fig. 5 that fits and placement may use: those that were not withheld.

    Returns:
        Tokens/s by (model, context length, machine).
    """
    values = published_values("fig5", "tokens_per_s")
    return MappingProxyType({key: float(value.text) for key, value in values.items() if not value.withheld})
