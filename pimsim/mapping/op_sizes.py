"""Sizes of ops in bytes and elements, as memory, buffers and links see them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache

from pimsim.config.schema import PROCESSOR, Config
from pimsim.hardware.component import ceil_div
from pimsim.hardware.matrix_tile import TileKind
from pimsim.hardware.systolic import SUM_BYTES
from pimsim.hardware.tile_kinds import build_tile
from pimsim.mapping.matrix_precision import LM_HEAD, crossbar_weights, tile_holding
from workloads.ops import Dequantise, MatmulOp, Op, Projection

DIGITAL_BYTES = 1
"""Bytes per element in the digital units: activations and attention are 8-bit in W1A8 and W8A8 models."""


def packed_bits(config: Config, alphabet: str = "") -> Fraction:
    """Return the bits per weight of a matrix on crossbars in a file or memory that packs the weights.

    Args:
        config: With the alphabet of the crossbars' weights and `mapping.ternary_storage_bits`.
        alphabet: Alphabet of the matrix; "" for that of the crossbars.

    Returns:
        `ternary_storage_bits` for ternary weights, B for those of intB, else 1.

    Reference:
        docs/model.md, eq. (48).
    """
    crossbar = config.machine.crossbar
    name = alphabet or (crossbar.pair.encoding.weights if crossbar is not None else "")
    if name.startswith("int"):
        return Fraction(int(name.removeprefix("int")))
    if name != "ternary":
        return Fraction(1)
    return _short_fraction(config.mapping.ternary_storage_bits)


def packed_bytes(config: Config, weights: int | Mapping[str, int], alphabet: str = "") -> int:
    """Return the size in memory of packed weights, from which crossbars are programmed.

    Args:
        config: As for `packed_bits`.
        weights: Number of weights; or the number of each alphabet, all of which are packed together.
        alphabet: Alphabet of a number of weights; "" for that of the crossbars.

    Returns:
        Bytes, rounded up.

    Reference:
        docs/model.md, eq. (48).
    """
    held = {alphabet: weights} if isinstance(weights, int) else weights
    return math.ceil(sum(count * packed_bits(config, name) for name, count in held.items()) / 8)


def stored_bytes(config: Config, op: Projection, weights: int | None = None) -> int:
    """Return the size in memory of the weights of a projection that is not on crossbars.

    Args:
        config: Its `mapping.weight_storage_bits` is the width of a 1-bit weight in memory, if it is not less than that
            of a packed weight. On a processor that computes every op, its `mapping.processor_weight_bits` and
            `processor_head_bits` come first.
        op: The projection.
        weights: Number of the weights; None means all of the op.

    Returns:
        Bytes, rounded up.
    """
    weights = op.weights if weights is None else weights
    stated = _processor_bits(config, op)
    if stated is not None:
        bits = _short_fraction(stated)
    elif op.weight_bits > 1:
        return ceil_div(weights * op.weight_bits, 8)
    else:
        least = packed_bits(config, "" if _ternary(config) else "binary")
        bits = max(least, _fraction(config.mapping.weight_storage_bits))
    return ceil_div(weights * bits.numerator, 8 * bits.denominator)  # a fourth of the time of a product of fractions


def _processor_bits(config: Config, op: Projection) -> float | None:
    mapping = config.mapping
    if mapping.projections != PROCESSOR:
        return None
    head = mapping.processor_head_bits if op.role == LM_HEAD else None
    return head or mapping.processor_weight_bits


def activation_bits(config: Config) -> int:
    """Return the bits per element of activations.

    Args:
        config: Its `mapping.processor_activation_bits`, on a processor that computes every op.

    Returns:
        Bits; without a statement, and on other machines, those of `DIGITAL_BYTES`.
    """
    stated = config.mapping.processor_activation_bits if config.mapping.projections == PROCESSOR else None
    return stated or 8 * DIGITAL_BYTES


@lru_cache(maxsize=16)
def _fraction(bits: float) -> Fraction:
    return Fraction(bits)


@lru_cache(maxsize=16)
def _short_fraction(bits: float) -> Fraction:
    return Fraction(bits).limit_denominator(1_000_000)


def _ternary(config: Config) -> bool:
    return config.machine.crossbar is not None and config.machine.crossbar.pair.encoding.weights == "ternary"


def sum_widths(config: Config, ops: Iterable[Op]) -> dict[str, int]:
    """Return the widths of the integer sums that matmuls of a block write to the global buffer.

    A matmul whose output a dequantise op reads writes its sums as they are. Any other matmul on the systolic array
    writes values of `DIGITAL_BYTES`.

    Args:
        config: Component of the projections, and widths of sums on crossbars.
        ops: Ops of one block.

    Returns:
        Bits per sum, by name of the matmul.

    Reference:
        docs/model.md, eq. (9); docs/network.md, eq. (4).
    """
    ops = tuple(ops)
    rescaled = {name for op in ops if isinstance(op, Dequantise) for name in op.inputs}
    tile = build_tile(config.machine, config.name) if rescaled else None
    return {op.name: _sum_bits(config, tile, op) for op in ops if isinstance(op, MatmulOp) and op.name in rescaled}


def _sum_bits(config: Config, tile: TileKind | None, op: MatmulOp) -> int:
    weights = crossbar_weights(config, op)
    if isinstance(op, Projection) and tile is not None and weights is not None:
        return tile_holding(tile, weights).sum_bits(op.activation_bits, op.in_features)
    return 8 * SUM_BYTES
