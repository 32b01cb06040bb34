"""Parts of a config that many tests look at."""

from __future__ import annotations

from crossbar.params import CrossbarParams
from pimsim.config.schema import Config


def pair_of(config: Config) -> CrossbarParams:
    """Return the parameters of the pair of arrays of a config that has crossbars."""
    assert config.machine.crossbar is not None
    return config.machine.crossbar.pair
