"""Ops of layers with experts: their order, sizes by hand, and the blocks of models with dense layers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workloads.decoder_ops import decode_step, mixed_step, prefill
from workloads.decoder_pass import SequenceGroup
from workloads.expert_ops import GroupedProjection
from workloads.mixture import ExpertShape, Routing
from workloads.models import ModelSpec, find_model
from workloads.op_base import Op
from workloads.ops import Projection
from workloads.trace import Trace, dumps, loads

MIXTRAL = find_model("mixtral-8x7b")


def ops_of(trace: Trace, block: int = 0) -> dict[str, Op]:
    return {op.name: op for op in trace.blocks[block].ops}


def test_ffn_of_a_layer_with_experts() -> None:
    names = list(ops_of(decode_step(MIXTRAL, 64)))
    assert names[names.index("attn_residual") + 1 :] == [
        *("ffn_norm", "router", "router_softmax", "router_choice", "experts_gate", "experts_up", "experts_activation"),
        *("experts_multiply", "experts_down", "experts_sum", "ffn_residual"),
    ]


def test_a_shared_expert_with_a_gate() -> None:
    shape = ExpertShape(experts=6, per_token=2, d_expert=16, d_shared=24, shared_gate=True)
    spec = replace(MIXTRAL, experts=shape, d_model=64, heads=4, kv_heads=2, d_head=16, layers=2)
    ops = ops_of(decode_step(spec, 8, quantisation=True))
    assert ops["shared_scaled"].inputs == ("ffn_down_dequantise", "shared_gate_dequantise")
    assert ops["shared_sum"].inputs == ("experts_sum", "shared_scaled")
    assert isinstance(up := ops["ffn_up"], Projection)
    assert up.out_features == 24
    assert ops["ffn_residual"].inputs == ("attn_residual", "shared_sum")


def test_matrices_of_mixtral_by_hand() -> None:
    """Eight experts of 3 x 4096 x 14336 weights rest; a token passes two of them, and a batch its 2 x 16 pairs."""
    one, many = (ops_of(decode_step(MIXTRAL, 64, batch=batch)) for batch in (1, 16))
    for ops, pairs in ((one, 2), (many, 32)):
        gate, up, down = (ops[f"experts_{part}"] for part in ("gate", "up", "down"))
        assert isinstance(gate, GroupedProjection)
        assert isinstance(up, GroupedProjection)
        assert isinstance(down, GroupedProjection)
        assert gate.weights == down.weights == 8 * 4096 * 14336
        assert gate.macs == up.macs == down.macs == pairs * 4096 * 14336
        assert gate.loads == up.loads == down.loads
        assert sum(gate.loads) == pairs
        assert ops["experts_sum"].output_elements == pairs // 2 * 4096


@pytest.mark.parametrize("name", ["mixtral-8x7b", "qwen3-30b-a3b", "deepseek-v2", "deepseek-v3"])
def test_weights_and_products_are_those_of_the_spec(name: str) -> None:
    spec = find_model(name)
    trace = decode_step(spec, 33)
    in_layers = [(block.repeat, op) for block, op in trace.ops() if isinstance(op, Projection)]
    assert sum(repeat * op.weights for repeat, op in in_layers) == spec.projection_weights
    assert sum(repeat * op.macs for repeat, op in in_layers) == spec.projection_macs_per_token
    assert loads(dumps(trace)) == trace


def layers_with(spec: ModelSpec, trace: Trace) -> list[bool]:
    layers = [block for block in trace.blocks if block.name.startswith("layer") for _ in range(block.repeat)]
    assert len(layers) == spec.layers
    return [any(op.name == "router" for op in block.ops) for block in layers]


def test_dense_layers_come_first() -> None:
    spec = find_model("deepseek-v3")
    assert layers_with(spec, decode_step(spec, 9)) == 3 * [False] + 58 * [True]
    every_second = replace(spec, layers=6, experts=replace(spec.experts, dense_layers=(0, 2, 4)))  # type: ignore[arg-type]
    assert layers_with(every_second, prefill(every_second, 9)) == 3 * [False, True]


def test_layers_with_equal_loads_are_one_block() -> None:
    assert [block.repeat for block in decode_step(MIXTRAL, 9).blocks] == [32]
    assert len(prefill(MIXTRAL, 50).blocks) > 20
    picks = ((((0, 1)), (2, 3)),)
    traced = replace(MIXTRAL, experts=replace(MIXTRAL.experts, routing=Routing(picks=picks)))  # type: ignore[arg-type]
    assert [block.repeat for block in prefill(traced, 50).blocks] == [32]


def test_sequences_of_a_mixed_pass_share_the_experts() -> None:
    ops = ops_of(mixed_step(MIXTRAL, [SequenceGroup(3, 1, 20), SequenceGroup(1, 5, 5)]))
    assert isinstance(gate := ops["experts_gate"], GroupedProjection)
    assert sum(gate.loads) == 2 * 8
