"""Sizes of weights, and checks of cells, beside the load: fixed cases by hand."""

from __future__ import annotations

from pimsim import load_config
from pimsim.hardware.machine import build_machine
from pimsim.hardware.matrix_tile import TilesShare
from pimsim.mapping.tile_plan import plan_tiles
from pimsim.mapping.weight_loading import weight_bytes
from pimsim.weight_load_run import checks, weight_loading
from workloads.ops import BLOCK_INPUT, Projection
from workloads.trace import Block, Trace

PAIR = "machine.crossbar.pair"


def block(name: str, size: tuple[int, int], bits: int = 1, repeat: int = 1) -> Block:
    role, shape = "q" if bits == 1 else "lm_head", {"in_features": size[0], "out_features": size[1], "vectors": 1}
    op = Projection(name=name, inputs=(BLOCK_INPUT,), role=role, weight_bits=bits, activation_bits=8, **shape)
    return Block(name=name, repeat=repeat, ops=(op,))


def trace_of(*blocks: Block) -> Trace:
    return Trace(model="any", phase="decode", context_length=1, tokens=1, blocks=blocks)


def test_weights_that_no_cell_holds_are_streamed_with_each_repetition() -> None:
    """Two ternary matrices of 20 x 20 at 2 bits, packed together, and three of 30 x 50 at 8 bits beside them."""
    trace = trace_of(block("a", (20, 20)), block("b", (20, 20)), block("lm_head", (30, 50), bits=8, repeat=3))
    assert weight_bytes(load_config("pim-llm"), trace) == 2 * 20 * 20 * 2 // 8 + 3 * 30 * 50
    assert weight_bytes(load_config("pim-llm"), trace_of(block("a", (20, 20)))) == 20 * 20 * 2 // 8


def test_a_check_multiplies_the_test_vectors_once_more() -> None:
    """After the weights are written, the same vectors pass the same matrices."""
    keys = [f"{PAIR}.adc.range=full", f"{PAIR}.upkeep.drift_compensation=global", f"{PAIR}.upkeep.interval_s=60"]
    config, trace = load_config("pim-llm", keys), trace_of(block("small", (20, 20)), block("large", (600, 600)))
    machine, plan = build_machine(config.machine), plan_tiles(config, trace)
    loading = weight_loading(config, machine, trace, plan)
    [check] = checks(config, machine, trace, plan)
    assert loading.test_ps == 0
    assert check.latency_ps == loading.calibration_ps == sum(
        32 * machine.tile.latency_ps(TilesShare(m.grid, 8, 1, m.weights))
        for layer in plan.layers
        for m in layer.matrices.values()
    )  # fmt: skip
