"""Matrices on arrays of 2 x 2 cells, so that a few weights fill a tile."""

from __future__ import annotations

from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from workloads.ops import BLOCK_INPUT, Projection
from workloads.trace import Block, Trace


def projection(role: str = "q", inputs: int = 2, outputs: int = 2, name: str = "", weight_bits: int = 1) -> Projection:
    return Projection(
        name or f"{role}_op",
        (BLOCK_INPUT,),
        role=role,
        in_features=inputs,
        out_features=outputs,
        vectors=1,
        weight_bits=weight_bits,
        activation_bits=8,
    )


def trace_of(*blocks: tuple[int, list[Projection]]) -> Trace:
    named = tuple(Block(name=f"b{index}", repeat=repeat, ops=tuple(ops)) for index, (repeat, ops) in enumerate(blocks))
    return Trace(model="a-model", phase="decode", context_length=1, tokens=1, blocks=named)


def tiny(*overrides: str) -> Config:
    """Arrays of 2 x 2 with one PE to a tile, on meshes of 2 x 2."""
    return load_config(
        {},
        [
            "machine.crossbar.pair.array.rows=2",
            "machine.crossbar.pair.array.columns=2",
            "machine.crossbar.pair.array.rows_at_once=2",
            "machine.crossbar.pair.array.adcs=2",
            "machine.crossbar.pes_per_tile=1",
            "machine.mesh.rows=2",
            "machine.mesh.columns=2",
            *overrides,
        ],
    )
