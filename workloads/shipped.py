"""Networks that are part of this package, and the folder that a network's name or path refers to."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

DEFAULT_NETWORK = "kjv-bitnet"
HELD_OUT, CALIBRATION = "held-out.txt", "calibration.txt"
"""Texts in the folder of the default network: one excluded from its training, and one for the calibration of ADCs."""

_DATA = Path(__file__).resolve().parent / "data"


@cache
def shipped_networks() -> tuple[str, ...]:
    """List the shipped networks, which have weights.

    Returns:
        Their names in alphabetical order.
    """
    return tuple(sorted(path.parent.name for path in _DATA.glob("*/config.json")))


def network_folder(name_or_path: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of a network.

    Args:
        name_or_path: Name of a shipped network, or path of a folder; None means `DEFAULT_NETWORK`.

    Returns:
        The folder of the shipped network with this name, otherwise `name_or_path` as a path.
    """
    name = DEFAULT_NETWORK if name_or_path is None else os.fspath(name_or_path)
    return _DATA / name if name in shipped_networks() else Path(name)


def shipped_text(name: str) -> Path:
    """Return the path of a text of the default network.

    Args:
        name: `HELD_OUT` or `CALIBRATION`.

    Returns:
        Path of the text in the installed package.
    """
    return _DATA / DEFAULT_NETWORK / name
