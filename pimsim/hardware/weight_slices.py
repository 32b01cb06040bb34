"""Matrices of another precision than the machine's, and matrices that several sets of tiles hold.

A weight that does not fit one cell or cell pair is cut into slices, which are columns of the same array. How many these
are follows from the alphabet of the weights and from `machine.crossbar.pair.encoding.cell_bits`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import get_args

from crossbar.params import CrossbarParams, EncodingParams, WeightAlphabet
from pimsim.config.schema import CrossbarConfig
from pimsim.steps.step_tree import Copies, Identical, Parallel, Work


@lru_cache(maxsize=256)
def with_weights(config: CrossbarConfig, weights: str) -> CrossbarConfig:
    """Return crossbars whose arrays hold weights of another alphabet, with the buffers that the machine has.

    Args:
        config: The crossbars of the machine.
        weights: Alphabet of the weights.

    Returns:
        The same crossbars with these weights.
    """
    if weights == config.pair.encoding.weights:
        return config
    pe_buffer = config.pe_buffer.model_copy(update={"capacity_bytes": config.pe_buffer_bytes})
    tile_buffer = config.tile_buffer.model_copy(update={"capacity_bytes": config.tile_buffer_bytes})
    return config.model_copy(
        update={
            "pair": _holding(config.pair, weights),
            "pe_buffer": pe_buffer,
            "tile_buffer": tile_buffer,
        }
    )


def cell_read(pair: CrossbarParams, weights: str) -> str:
    """Return the name of the action that reads a cell of a weight: its mean energy depends on the alphabet.

    Args:
        pair: Parameters of the machine's arrays.
        weights: Alphabet of the weights.

    Returns:
        "cell_read", or the same with the alphabet, if its cells have another mean conductance than the machine's.
    """
    same = _mean_level(pair.encoding, weights) == pair.encoding.mean_level
    return "cell_read" if same else f"cell_read_{weights}"


def cell_read_energies_j(pair: CrossbarParams) -> dict[str, float]:
    """Return the energy of a read of a cell, of each alphabet that a matrix may have.

    Args:
        pair: Parameters of the machine's arrays.

    Returns:
        Joules per action.

    Reference:
        docs/model.md, eq. (16).
    """
    others = {name: pair.read_energy_j(level) for name, level in _levels_by_read(pair.encoding)}
    return others | {"cell_read": pair.cell_read_energy_j}


@lru_cache(maxsize=64)
def _levels_by_read(encoding: EncodingParams) -> tuple[tuple[str, float | None], ...]:
    """Return the name of the action that reads a cell of each alphabet, with the mean level of these cells.

    Args:
        encoding: Encoding of the machine's weights.

    Returns:
        A pair for each alphabet.
    """
    levels = {weights: _mean_level(encoding, weights) for weights in get_args(WeightAlphabet)}
    return tuple(
        ("cell_read" if level == encoding.mean_level else f"cell_read_{weights}", level)
        for weights, level in levels.items()
    )


@lru_cache(maxsize=256)
def _mean_level(encoding: EncodingParams, weights: str) -> float | None:
    return encoding.model_copy(update={"weights": weights}).mean_level


def _holding(pair: CrossbarParams, weights: str) -> CrossbarParams:
    return pair.model_copy(update={"encoding": pair.encoding.model_copy(update={"weights": weights})})


Rounds = tuple[tuple[int, int], ...]
"""Vectors that one set of tiles takes one after another, and how many sets take as many."""


def in_sets(vector: Work, rounds: Rounds) -> Work:
    """Give sets of tiles, which work in parallel, vectors of their own.

    Args:
        vector: Steps of one vector.
        rounds: Vectors and sets, at least one pair.

    Returns:
        The steps.
    """
    parts = tuple(Copies(Identical(vector, times), count) for times, count in rounds)
    return parts[0] if len(parts) == 1 else Parallel(parts)


def in_replicas(vector: Work, vectors: int, replicas: int) -> Work:
    """Divide vectors over replicas, which work in parallel, and each of which takes one vector after another.

    Args:
        vector: Steps of one vector.
        vectors: Number of vectors.
        replicas: Number of replicas.

    Returns:
        The steps; replicas without a vector have none.
    """
    if replicas == 1:
        return Identical(vector, vectors)
    each, rest = divmod(vectors, replicas)
    parts = tuple(
        Copies(Identical(vector, times), count)
        for times, count in ((each + 1, rest), (each, replicas - rest))
        if times and count
    )
    return parts[0] if len(parts) == 1 else Parallel(parts)
