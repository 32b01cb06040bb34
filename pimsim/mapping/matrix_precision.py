"""Which matrices are on crossbars, with which precision: by the bits of the trace and by `mapping.matrix_precision`.

A matrix of 1-bit weights has the alphabet of the arrays (`machine.crossbar.pair.encoding.weights`), and so has one of
more bits if that alphabet holds them. A key of `mapping.matrix_precision` gives all matrices of its role another
alphabet, or the systolic array. The LM head is on crossbars only if a key says so, or if the trace gives it 1-bit
weights.
"""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.base.errors import ConfigError, Problem, show
from pimsim.config.schema import Config, CrossbarConfig
from pimsim.hardware.crossbar_tile import CrossbarTile
from pimsim.hardware.matrix_tile import TileKind
from pimsim.hardware.weight_slices import with_weights
from workloads.op_fields import ROLE_KEYS
from workloads.ops import Op, Projection
from workloads.trace import Trace

ENCODING_KEY = "machine.crossbar.pair.encoding.weights"
SYSTOLIC = "systolic"
LM_HEAD = "lm_head"


def crossbar_weights(config: Config, op: Op) -> str | None:
    """Return the alphabet with which crossbars hold the weights of an op.

    Args:
        config: Mapping, and the encoding of the arrays.
        op: Any op of a trace.

    Returns:
        The alphabet; "" for that of the arrays; None if the crossbars do not compute the op.
    """
    crossbar = config.machine.crossbar
    if config.mapping.projections != "crossbar" or crossbar is None or not isinstance(op, Projection):
        return None
    encoding = crossbar.pair.encoding
    key = role_key(op.role)
    chosen: str | None = getattr(config.mapping.matrix_precision, key) if key else None
    if chosen is not None:
        return None if chosen == SYSTOLIC else "" if chosen == encoding.weights else chosen
    held = encoding.weights.startswith("int") and op.weight_bits <= encoding.weight_bits and op.role != LM_HEAD
    return "" if op.weight_bits == 1 or held else None


def role_key(role: str) -> str | None:
    """Return the key of `mapping.matrix_precision` and `mapping.replicas` that applies to the matrices of a role.

    Args:
        role: Role of a matrix.

    Returns:
        The role itself; q for both matrices of the queries of latent attention, k for the one that makes latents and v
        for the one that makes keys and values; None for a router, which has no key.
    """
    return ROLE_KEYS.get(role, role)


def on_crossbars(config: Config, op: Op) -> bool:
    """Check whether the crossbars compute an op.

    Args:
        config: Mapping, and the encoding of the arrays.
        op: Any op of a trace.

    Returns:
        True for a projection whose weights the crossbars hold.
    """
    return crossbar_weights(config, op) is not None


def tile_holding(tile: TileKind, weights: str) -> TileKind:
    """Return a tile whose arrays hold weights of an alphabet.

    Args:
        tile: Tile of the machine.
        weights: The alphabet; "" for that of the machine.

    Returns:
        The tile. One of a registered kind has no arrays whose precision could be another, and is returned as it is.
    """
    return tile.holding(weights) if isinstance(tile, CrossbarTile) else tile


def check_precision(config: Config, crossbar: CrossbarConfig, tile: TileKind, trace: Trace) -> None:
    """Check that the arrays can hold the weights of every matrix that is on crossbars.

    Args:
        config: Its name is given in error messages.
        crossbar: Crossbars of the machine.
        tile: Tile of the machine.
        trace: The matrices.

    Raises:
        ConfigError: If a weight has more slices than an array has columns, an output buffer is too small, or tiles of
            a registered kind are to hold weights of a stated precision.
    """
    roles = {
        weights: op.role
        for _, op in trace.ops()
        if isinstance(op, Projection) and (weights := crossbar_weights(config, op)) is not None
    }
    for weights, role in roles.items():
        path = f"mapping.matrix_precision.{role_key(role)}" if weights else ENCODING_KEY
        if weights and not isinstance(tile, CrossbarTile):
            message = "cannot be: the tiles are of a registered kind, which has no precision to choose (null, systolic)"
            raise ConfigError([Problem(path, show(weights), message)], config.name)
        if not tile.has_pair:
            continue
        held = with_weights(crossbar, weights or crossbar.pair.encoding.weights)
        encoding, columns = held.pair.encoding, held.pair.array.usable_columns
        if encoding.slices > columns:
            message = (
                f"needs {encoding.slices} columns per weight ({encoding.stored_bits} bits in cells of "
                f"{encoding.cell_bits}), but an array has {columns}; use wider arrays or a larger "
                "machine.crossbar.pair.encoding.cell_bits"
            )
            raise ConfigError([Problem(path, show(encoding.weights), message)], config.name)
        if refusal := held.buffer_refusal():
            raise ConfigError([Problem(path, show(encoding.weights), f"does not fit: {refusal}")], config.name)


def precision_notes(config: Config, trace: Trace) -> Iterator[str]:
    """Say which matrices are counted with fewer bits than the trace gives their weights.

    Args:
        config: Its `mapping.matrix_precision`.
        trace: The matrices.

    Yields:
        One sentence per role.
    """
    crossbar = config.machine.crossbar
    narrowed: dict[str, str] = {}
    for _, op in trace.ops():
        weights = crossbar_weights(config, op)
        if weights is None or crossbar is None or not isinstance(op, Projection):
            continue
        encoding = with_weights(crossbar, weights or crossbar.pair.encoding.weights).pair.encoding
        if 1 < op.weight_bits > encoding.weight_bits:
            narrowed[op.role] = (
                f"{op.role} is counted with {encoding.weights} weights on crossbars; the trace has weights of "
                f"{op.weight_bits} bits, and what the rounding does to the results is not computed here"
            )
    yield from narrowed.values()
