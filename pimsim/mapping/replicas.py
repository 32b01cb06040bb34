"""Replicas: several sets of tiles that hold the same matrix and divide its vectors, by key or by a search.

The search balances the pipeline of the matrices, as ISAAC does for its layers: as long as the tiles suffice, the
matrices that take longest get another replica. A matrix takes time in proportion to its vectors, so that the numbers
do not depend on how many tokens a decoder processes at once: prefill and decode have the same tiles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pimsim.base.errors import ConfigError, Problem, show
from pimsim.base.summaries import counted
from pimsim.config.schema import MATRIX_ROLES, Config
from pimsim.hardware.component import ceil_div
from pimsim.hardware.crossbar_tile import CrossbarTile
from pimsim.hardware.matrix_tile import TileKind, TilesShare
from pimsim.hardware.weight_slices import Rounds
from pimsim.mapping.matrix_precision import LM_HEAD, crossbar_weights, on_crossbars, role_key, tile_holding
from workloads.expert_ops import GroupedProjection
from workloads.ops import Projection
from workloads.trace import Trace

MatrixName = tuple[str, str]
"""Name of a block and of a matrix in it."""

Replicas = Mapping[MatrixName, int]
"""Number of replicas of each matrix on crossbars."""

MAX_REPLICAS = 4096
"""Most replicas of a matrix that the search gives."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A matrix whose replicas are searched.

    Attributes:
        name: Its name.
        vectors_ps: Time of all its vectors on one replica, picoseconds.
    """

    name: MatrixName
    vectors_ps: int


def stated_replicas(config: Config, trace: Trace) -> dict[MatrixName, int]:
    """Return the replicas that the config states.

    Args:
        config: Its `mapping.replicas`.
        trace: The matrices.

    Returns:
        Number for each matrix on crossbars.
    """
    stated = config.mapping.replicas
    return {
        (block.name, op.name): (getattr(stated, key) if (key := role_key(op.role)) else None) or stated.each
        for block, op in trace.ops()
        if isinstance(op, Projection) and on_crossbars(config, op)
    }


def searched_replicas(config: Config, trace: Trace, tile: TileKind, fits: Callable[[Replicas], bool]) -> Replicas:
    """Return the replicas of each matrix: the stated ones, or those that balance the pipeline.

    Args:
        config: Its `mapping.replicas`.
        trace: The matrices.
        tile: Tile of the machine.
        fits: Whether the tiles suffice for these replicas.

    Returns:
        Number for each matrix on crossbars. The search leaves the roles alone for which the config states a number, and
        the LM head, whose vectors are another part of all in a prefill than in a decode step.

    Raises:
        ConfigError: If the search has no number of tiles to keep to.

    Reference:
        docs/model.md, eq. (58); Shafiee et al., "ISAAC", ISCA 2016, section on the pipeline.
    """
    found, stated = stated_replicas(config, trace), config.mapping.replicas
    if stated.search == "none" or not found:
        return found
    if config.mapping.provisioning == "per_layer" and stated.budget_tiles is None:
        message = (
            "must be a number of tiles: mapping.provisioning=per_layer has as many tiles as are used, so that any "
            "number of replicas fits"
        )
        raise ConfigError([Problem("mapping.replicas.budget_tiles", "null", message)], config.name)
    candidates = tuple(_candidates(config, trace, tile))
    while candidates and fits(found):
        slowest = max(each.vectors_ps / found[each.name] for each in candidates)
        more = {each.name: found[each.name] + 1 for each in candidates if each.vectors_ps / found[each.name] == slowest}
        if max(more.values()) > MAX_REPLICAS or not fits(found | more):
            break
        found |= more
    return found


def _candidates(config: Config, trace: Trace, tile: TileKind) -> Iterator[_Candidate]:
    for block, op in trace.ops():
        weights = crossbar_weights(config, op)
        if weights is None or not isinstance(op, Projection) or op.role == LM_HEAD:
            continue
        key = role_key(op.role)
        if key is None or getattr(config.mapping.replicas, key) is None:
            grid = tile_holding(tile, weights).grid(op.in_features, op.out_features)
            one_ps = tile.latency_ps(TilesShare(grid, op.activation_bits, 1, weights))
            yield _Candidate((block.name, op.name), longest_vectors(op) * one_ps)


def check_budget(config: Config, tiles: int) -> None:
    """Check that the search has kept to its number of tiles.

    Args:
        config: Its `mapping.replicas`.
        tiles: Tiles of all matrices with the replicas that were found.

    Raises:
        ConfigError: If even the stated replicas, from which the search starts, need more.
    """
    stated = config.mapping.replicas
    if stated.search == "none" or stated.budget_tiles is None or tiles <= stated.budget_tiles:
        return
    message = f"is too small: the matrices need {tiles:,} tiles before the search gives any of them another replica"
    raise ConfigError([Problem("mapping.replicas.budget_tiles", show(stated.budget_tiles), message)], config.name)


def check_replicas(config: Config, tile: TileKind, replicas: Replicas) -> None:
    """Check that the tiles of a machine know replicas.

    Args:
        config: Its name is given in the error message.
        tile: Tile of the machine.
        replicas: Number for each matrix.

    Raises:
        ConfigError: If a matrix has several replicas of a registered kind of tile, which knows one set of tiles only.
    """
    most = max(replicas.values(), default=1)
    if most > 1 and not isinstance(tile, CrossbarTile):
        message = "cannot be more than 1: the tiles are of a registered kind, which has no replicas"
        raise ConfigError([Problem("mapping.replicas", str(most), message)], config.name)


def check_groups(config: Config, tile: TileKind, trace: Trace) -> None:
    """Check that the tiles of a machine know several matrices of one shape side by side, such as experts.

    Args:
        config: Its name is given in the error message.
        tile: Tile of the machine.
        trace: The matrices.

    Raises:
        ConfigError: If such matrices would be on tiles of a registered kind, which knows one matrix only.
    """
    on_tiles = (op for _, op in trace.ops() if isinstance(op, GroupedProjection) and on_crossbars(config, op))
    if not isinstance(tile, CrossbarTile) and (op := next(on_tiles, None)) is not None:
        message = (
            f"must be systolic: {op.name} of {trace.model} has {op.matrices} matrices that work side by side, and the "
            "tiles are of a registered kind, which has one matrix at a time"
        )
        raise ConfigError([Problem("mapping.projections", "crossbar", message)], config.name)


def longest_vectors(op: Projection) -> int:
    """Return the vectors of a product that one matrix takes.

    Args:
        op: The product.

    Returns:
        All vectors; of several matrices, those of the one that has most.
    """
    return op.busiest if isinstance(op, GroupedProjection) else op.vectors


def part_vectors(vectors: int, parts: int) -> Iterator[tuple[int, int]]:
    """Divide vectors over parts in turn.

    Args:
        vectors: Number of vectors.
        parts: Number of parts.

    Yields:
        Index of each part that has a vector, and its number of vectors.
    """
    for part in range(min(vectors, parts)):
        yield part, ceil_div(vectors - part, parts)


def set_rounds(op: Projection, replicas: int) -> Rounds:
    """Divide the vectors of several matrices of one shape, such as experts, over the sets of tiles of each.

    Args:
        op: The product.
        replicas: Sets of tiles of a matrix.

    Returns:
        Vectors of a set and number of such sets, most vectors first; empty for a product with one matrix.
    """
    if not isinstance(op, GroupedProjection):
        return ()
    found = Counter(vectors for load in op.loads for _, vectors in part_vectors(load, replicas))
    return tuple(sorted(found.items(), reverse=True))


def replica_notes(config: Config, trace: Trace, replicas: Replicas) -> Iterator[str]:
    """Say what the search has found, and which replicas have nothing to do.

    Args:
        config: Its `mapping.replicas`.
        trace: The matrices and the numbers of their vectors.
        replicas: Number for each matrix.

    Yields:
        At most two sentences.
    """
    ops = [(block.name, op) for block, op in trace.ops() if (block.name, op.name) in replicas]
    if config.mapping.replicas.search == "balanced" and ops:
        by_name = {op.name: replicas[block, op.name] for block, op in ops}
        listed = ", ".join(f"{name} {number}" for name, number in list(by_name.items())[:12])
        more = f", and {len(by_name) - 12} others" if len(by_name) > 12 else ""
        yield f"replicas that balance the pipeline: {listed}{more} (mapping.replicas)"
    idle = [op for block, op in ops if isinstance(op, Projection) and longest_vectors(op) < replicas[block, op.name]]
    if idle:
        yield _idle_note(idle)


def role_notes(config: Config, trace: Trace) -> Iterator[str]:
    """Say which keys of roles a run does not use, because no matrix on crossbars has the role.

    Args:
        config: Its `mapping.matrix_precision` and `mapping.replicas`; without projections on crossbars they are
            named by the rules of ineffective keys.
        trace: The matrices.

    Yields:
        One sentence per key.
    """
    mapping = config.mapping
    if mapping.projections != "crossbar" or config.machine.crossbar is None:
        return
    ops = [op for _, op in trace.ops() if isinstance(op, Projection)]
    # The key of the role: the matrices of latent attention share keys, and a router, which has none, keeps its name.
    roles = list(dict.fromkeys(role_key(op.role) or op.role for op in ops))
    held = {role_key(op.role) or op.role for op in ops if on_crossbars(config, op)}
    for name, section in (("matrix_precision", mapping.matrix_precision), ("replicas", mapping.replicas)):
        for role in MATRIX_ROLES:
            value = getattr(section, role)
            if value is None:
                continue
            key = f"mapping.{name}.{role}={value}"
            if role not in roles:
                yield f"{key} has no effect: {trace.model} has no {role} here; it has {', '.join(roles) or 'no matrix'}"
            elif name == "replicas" and role not in held:
                yield (
                    f"{key} has no effect: {role} is not on crossbars; with an alphabet for "
                    f"mapping.matrix_precision.{role}, for example int8, it is"
                )
    replicas = mapping.replicas
    if not held and replicas.each > 1:
        yield f"mapping.replicas.each={replicas.each} has no effect: no matrix is on crossbars"
    stated = {role for role in MATRIX_ROLES if getattr(replicas, role) is not None}
    searched = held - stated - {LM_HEAD}
    if replicas.search == "balanced" and not searched:
        why = (
            "no role on crossbars, but for lm_head, is without a stated number" if held else "no matrix is on crossbars"
        )
        yield f"mapping.replicas.search=balanced has no effect: {why}"


def _idle_note(ops: Sequence[Projection]) -> str:
    names = list(dict.fromkeys(op.name for op in ops))
    listed = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
    vectors = min(longest_vectors(op) for op in ops)
    return (
        f"{listed}: more replicas than vectors ({counted(vectors, 'vector')} at a time); a replica without a vector "
        "gains no time, and has area, leakage and programming (mapping.replicas)"
    )
