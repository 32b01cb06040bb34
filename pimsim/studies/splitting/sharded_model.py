"""Shards of a model for tensor parallelism: the fraction of each layer that one of n equal chips computes.

Queries, keys, values and the first matrices of the FFN are divided by columns, the output matrix of attention and the
last one of the FFN by rows, attention by heads, and the LM head by rows of the vocabulary.

Reference:
    Shoeybi et al., "Megatron-LM", arXiv:1909.08053, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pimsim.base.errors import ConfigError, Problem
from pimsim.hardware.component import ceil_div
from workloads.models import ModelSpec
from workloads.ops import Dequantise, Op, Projection

ROW_PARALLEL = ("o", "ffn_down")
"""Roles of the matrices whose outputs all chips sum."""


OTHER_LAYERS = {"experts": "a mixture of experts", "latent": "latent attention"}
"""Fields of a model whose layers have other matrices than those that are divided here."""


def sharded_spec(spec: ModelSpec, chips: int) -> ModelSpec:
    """Return the shape that one chip computes.

    Args:
        spec: The model.
        chips: Number of equal chips.

    Returns:
        The shape with its share of the heads, of the FFN and of the vocabulary. Fewer KV heads than chips are
        replicated, one for each chip. The rows of the LM head are rounded up.

    Raises:
        ConfigError: If the heads, the KV heads or the FFN cannot be divided by the number of chips, or the model has
            layers of another kind.
    """
    for field, name in OTHER_LAYERS.items():
        if getattr(spec, field, None) is not None:
            message = f"tensor does not divide {name}, which {spec.name} has; use phases or attention"
            raise ConfigError([Problem("split", "", message)], "system")
    found = []
    for what, count in (("heads", spec.heads), ("elements of the FFN (d_ff)", spec.d_ff)):
        if count % chips:
            found.append(f"{count:,} {what}")
    if spec.kv_heads % chips and chips % spec.kv_heads:
        found.append(f"{spec.kv_heads:,} KV heads")
    if found:
        fits = [n for n in range(2, spec.heads + 1) if not _misfits(spec, n)]
        message = (
            f"does not divide {spec.name}, which has {' and '.join(found)}; takes {', '.join(map(str, fits)) or 'none'}"
        )
        raise ConfigError([Problem("chips", str(chips), message)], "system")
    return replace(
        spec,
        heads=spec.heads // chips,
        kv_heads=max(1, spec.kv_heads // chips),
        d_ff=spec.d_ff // chips,
        vocab=ceil_div(spec.vocab, chips),
    )


def _misfits(spec: ModelSpec, chips: int) -> bool:
    return bool(spec.heads % chips or spec.d_ff % chips or (spec.kv_heads % chips and chips % spec.kv_heads))


def summed_ops(ops: tuple[Op, ...]) -> frozenset[str]:
    """Return the ops whose outputs all chips sum.

    Args:
        ops: Ops of a layer.

    Returns:
        Names of the row-parallel projections, or of the ops that dequantise their sums.
    """
    rows = {op.name for op in ops if isinstance(op, Projection) and op.role in ROW_PARALLEL}
    rescaled = {op.inputs[0]: op.name for op in ops if isinstance(op, Dequantise) and op.inputs[0] in rows}
    return frozenset(rescaled.get(name, name) for name in rows)


def shard_notes(spec: ModelSpec, chips: int) -> Iterator[str]:
    """Say what the figures of a tensor split leave out or round.

    Args:
        spec: The whole model.
        chips: Number of equal chips.

    Yields:
        One sentence each.
    """
    if spec.vocab % chips:
        yield f"the {spec.vocab:,} rows of the LM head are rounded up to {ceil_div(spec.vocab, chips):,} for each chip"
    if spec.kv_heads < chips:
        copies = chips // spec.kv_heads
        yield f"each of the {spec.kv_heads:,} KV heads is on {copies:,} chips, with its own KV cache there"
    if spec.sub_norms or spec.projection_norms or spec.qk_norms == "whole":
        yield "the exchange of the statistics of norms over divided vectors is left out (4 bytes a vector and norm)"
    yield "each chip has the whole embedding table, and the exchange of the largest logit of each chip is left out"
