"""Which matrices crossbars hold, and with which weights: by the trace, by the arrays, and by role."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_config
from pimsim.mapping.matrix_precision import (
    check_precision,
    crossbar_weights,
    on_crossbars,
    precision_notes,
    tile_holding,
)
from pimsim.mapping.tile_plan import plan_tiles
from workloads.ops import BLOCK_INPUT, Norm, Op, Projection
from workloads.trace import Block, Trace

WEIGHTS = "machine.crossbar.pair.encoding.weights"
PRECISION = "mapping.matrix_precision"
SHAPE = {"in_features": 256, "out_features": 200, "vectors": 1, "weight_bits": 1, "activation_bits": 8}


def matrix(role: str, weight_bits: int) -> Projection:
    sizes = {"in_features": 40, "out_features": 30, "vectors": 1}
    return Projection(f"{role}_op", (BLOCK_INPUT,), role=role, weight_bits=weight_bits, activation_bits=8, **sizes)


def trace_of(*ops: Op) -> Trace:
    return Trace(model="m", phase="decode", context_length=1, tokens=1, blocks=(Block(name="b", repeat=1, ops=ops),))


@pytest.mark.parametrize(
    ("overrides", "role", "bits", "weights"),
    [
        ([], "q", 1, ""),
        ([], "q", 2, None),
        ([], "lm_head", 8, None),
        ([], "lm_head", 1, ""),
        ([f"{WEIGHTS}=int4"], "q", 1, ""),
        ([f"{WEIGHTS}=int4"], "q", 4, ""),
        ([f"{WEIGHTS}=int4"], "q", 5, None),
        ([f"{WEIGHTS}=int16"], "o", 16, ""),
        ([f"{WEIGHTS}=int8"], "lm_head", 8, None),
        ([f"{PRECISION}.lm_head=int8"], "lm_head", 8, "int8"),
        ([f"{PRECISION}.lm_head=int8", f"{WEIGHTS}=int8"], "lm_head", 8, ""),
        ([f"{PRECISION}.q=int4"], "q", 8, "int4"),
        ([f"{PRECISION}.q=int4"], "k", 8, None),
        ([f"{PRECISION}.q=systolic"], "q", 1, None),
        ([f"{PRECISION}.q=int4", "mapping.projections=systolic"], "q", 1, None),
    ],
)
def test_weights_by_bits_and_role(overrides: list[str], role: str, bits: int, weights: str | None) -> None:
    config, op = load_config("pim-llm", overrides), matrix(role, bits)
    assert crossbar_weights(config, op) == weights
    assert on_crossbars(config, op) == (weights is not None)


def test_each_matrix_has_the_cells_of_its_weights() -> None:
    """int4 in pairs: 85 weights in 256 columns; 200 outputs then take 3 blocks of columns in place of 1."""
    wide = [f"{PRECISION}.q=int4", f"{PRECISION}.o=int8", f"{PRECISION}.v=systolic"]
    ops = [Projection(f"{role}_op", (BLOCK_INPUT,), role=role, **SHAPE) for role in ("q", "k", "v", "o")]
    found = plan_tiles(load_config("pim-llm", wide), trace_of(*ops)).blocks[0][0].matrices
    assert {name: (plan.grid.pairs, plan.weights) for name, plan in found.items()} == {
        "q_op": (3, "int4"),
        "k_op": (1, ""),
        "o_op": (6, "int8"),
    }
    # 256 products of 8-bit inputs are 16 bits with weights of +-1 (docs/network.md); +-7 and +-127 add 3 and 7.
    assert [plan.output_bits for plan in found.values()] == [19, 16, 23]


def test_rounding_is_said() -> None:
    config = load_config("pim-llm", [f"{PRECISION}.q=int4", f"{PRECISION}.k=int8"])
    (note,) = precision_notes(config, trace_of(matrix("q", 8), matrix("k", 8), matrix("v", 1)))
    assert note.startswith("q is counted with int4 weights on crossbars; the trace has weights of 8 bits")
    assert not any(list(precision_notes(config, trace_of(matrix("q", bits)))) for bits in (1, 4))
    binary = load_config("pim-llm", ["machine.crossbar.pair.encoding.weights=binary", f"{PRECISION}.q=binary"])
    (note,) = precision_notes(binary, trace_of(matrix("q", 2)))
    assert note.startswith("q is counted with binary weights on crossbars; the trace has weights of 2 bits")
    # The keys choose for a role, so one sentence is for all of its matrices; a norm has none.
    norm = Norm("n", (BLOCK_INPUT,), norm="rmsnorm", vectors=1, elements=4)
    five, six = (replace(matrix("q", bits), name=f"q{bits}") for bits in (5, 6))
    (last,) = precision_notes(config, trace_of(norm, five, six))
    assert "weights of 6 bits" in last


def test_tiles_of_a_registered_kind_hold_what_they_hold() -> None:
    """They have no precision to choose; and without pairs of analog arrays, no columns that a weight could exceed."""
    tile: Any = SimpleNamespace(has_pair=False)
    narrow = ["machine.crossbar.pair.array.columns=6", "machine.crossbar.pair.array.adcs=6"]
    for keys in (narrow, [*narrow, f"{PRECISION}.q=systolic"], [*narrow, f"{WEIGHTS}=int8"]):
        config = load_config("pim-llm", keys)
        assert config.machine.crossbar is not None
        check_precision(config, config.machine.crossbar, tile, trace_of(matrix("q", 1)))
    config = load_config("pim-llm", [f"{PRECISION}.q=int4"])
    assert config.machine.crossbar is not None
    with pytest.raises(ConfigError, match=rf"{PRECISION}\.q: 'int4' cannot be: the tiles are of a registered kind"):
        check_precision(config, config.machine.crossbar, tile, trace_of(matrix("q", 1)))
    assert tile_holding(tile, "int4") is tile


def test_what_does_not_fit_is_refused() -> None:
    narrow = ["machine.crossbar.pair.array.columns=6", "machine.crossbar.pair.array.adcs=6", f"{PRECISION}.q=int8"]
    message = f"{PRECISION}.q: 'int8' needs 7 columns per weight (7 bits in cells of 1), but an array has 6"
    with pytest.raises(ConfigError, match=re.escape(message)):
        plan_tiles(load_config("pim-llm", narrow), trace_of(matrix("q", 1)))
    narrow[:2] = ["machine.crossbar.pair.array.columns=7", "machine.crossbar.pair.array.adcs=7"]
    assert plan_tiles(load_config("pim-llm", narrow), trace_of(matrix("q", 1))).pairs_used == 30  # a column of weights
    small = [f"{WEIGHTS}=int8", f"{PRECISION}.q=ternary"]  # buffers for 36 values of a PE, and then 256 of them
    with pytest.raises(ConfigError, match=re.escape(f"{PRECISION}.q: 'ternary' does not fit: tile_buffer holds")):
        plan_tiles(load_config("pim-llm", small), trace_of(matrix("q", 1)))
