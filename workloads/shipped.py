"""The networks that ship with workloads, and which folder a network's name or path means."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

DEFAULT_NETWORK = "kjv-bitnet"
HELD_OUT, CALIBRATION = "held-out.txt", "calibration.txt"
"""Texts beside the default network: one that it never saw, and one that ADC ranges may be set by."""

_DATA = Path(__file__).resolve().parent / "data"


@cache
def shipped_networks() -> tuple[str, ...]:
    """Return the names of the networks that come with weights."""
    return tuple(sorted(path.parent.name for path in _DATA.glob("*/config.json")))


def network_folder(name_or_path: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of a shipped network by its bare name, else the path itself; None: the default network's."""
    name = DEFAULT_NETWORK if name_or_path is None else os.fspath(name_or_path)
    return _DATA / name if name in shipped_networks() else Path(name)


def shipped_text(name: str) -> Path:
    """Return a text beside the default network: `HELD_OUT` or `CALIBRATION`."""
    return _DATA / DEFAULT_NETWORK / name
