"""Whether the arrays of a config can hold integer weights, and drive the rows of a group of them at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pimsim.base.errors import ConfigError, Problem, show
from pimsim.config.schema import Config
from pimsim.inference.projections import SYSTOLIC, role_key
from pimsim.studies.accuracy.evaluation_inputs import WEIGHTS_KEY, Bits
from workloads.integer_weights import BITS
from workloads.neural_network import Network

ARRAY_KEY = "machine.crossbar.pair.array"
ROWS_KEY = f"{ARRAY_KEY}.rows_at_once"


def weight_bits(config: Config, weights_of: Mapping[str, str]) -> Bits:
    """Return the bits of weights that are rounded to the integers of the arrays.

    Args:
        config: Config with crossbars.
        weights_of: Alphabet of the weights by role, in place of that of the arrays.

    Returns:
        Bits by role, as pairs, with the role "" for all other roles; none unless `accuracy.weights` is "columns".

    Raises:
        ConfigError: If an alphabet has no weights of 2 to 8 bits with a sign.
    """
    if config.accuracy.weights != "columns":
        return ()
    crossbar = config.machine.crossbar
    assert crossbar is not None
    stated = {"": crossbar.pair.encoding.weights} | {
        role: weights for role, weights in weights_of.items() if weights != SYSTOLIC
    }
    problems = [
        Problem(
            _key(role), show(weights), f"must be ternary or int{BITS[0]} to int{BITS[-1]}: accuracy.weights=columns"
        )
        for role, weights in stated.items()
        if _bits(weights) not in BITS
    ]
    if problems:
        raise ConfigError(problems, config.name)
    return tuple((role, _bits(weights)) for role, weights in stated.items())


def check_codes(config: Config, network: Network, weights_of: Mapping[str, str]) -> None:
    """Check that the arrays can hold the codes of groups, and that rows which are driven together have one scale.

    Args:
        config: Config with crossbars.
        network: Network with the codes.
        weights_of: Alphabet of the weights by role, in place of that of the arrays.

    Raises:
        ConfigError: If they cannot.
    """
    if config.accuracy.weights != "groups":
        return
    crossbar = config.machine.crossbar
    assert crossbar is not None
    array, own = crossbar.pair.array, crossbar.pair.encoding.weights
    needed: dict[str, int] = {}
    groups: set[int] = set()
    for layer in network.layers:
        for role, weights in layer.projections.items():
            if weights_of.get(role_key(role)) == SYSTOLIC:
                continue
            key = role_key(role) if role_key(role) in weights_of else ""
            largest = int(np.abs(weights.values.astype(np.int16)).max(initial=0))
            needed[key] = max(needed.get(key, 0), 2 if largest <= 1 else largest.bit_length() + 1)
            if weights.blocks > 1:
                groups.add(weights.values.shape[1] // weights.blocks)
    problems = []
    for role, bits in needed.items():
        held = weights_of.get(role, own)
        if _bits(held) < bits:
            message = f"cannot hold the integers of the model's groups, which need int{bits} or wider"
            problems.append(Problem(_key(role), show(held), message))
    for size in sorted(groups):
        if size % array.driven_rows:
            message = f"must divide the {size} inputs of a group, which have one scale: set it to {size}"
            problems.append(Problem(ROWS_KEY, show(array.rows_at_once), message))
        elif array.rows % size:
            message = f"must be a multiple of the {size} inputs of a group"
            problems.append(Problem(f"{ARRAY_KEY}.rows", show(array.rows), message))
    if problems:
        raise ConfigError(problems, config.name)


def _key(role: str) -> str:
    return f"mapping.matrix_precision.{role}" if role else WEIGHTS_KEY


def _bits(weights: str) -> int:
    """Return the bits of the weights of an alphabet with a sign; 0 for other alphabets."""
    return 2 if weights == "ternary" else int(weights.removeprefix("int")) if weights.startswith("int") else 0
