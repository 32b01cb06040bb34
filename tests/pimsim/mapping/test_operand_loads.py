"""Memory traffic of projections on the systolic array: SCALE-Sim's words, and a buffer word by word."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pimsim import load_config, simulate
from pimsim.mapping.operand_loads import ProjectionTraffic, loads, projection_traffic
from tests.oracles import naive_buffers
from workloads.ops import BLOCK_INPUT, Projection
from workloads.trace import Block, Trace

MACHINE = ("machine.crossbar=null", "machine.mesh=null", "mapping.projections=systolic")


def projection(vectors: int, outputs: int, inputs: int, **more: int) -> Projection:
    return Projection(
        name="p", inputs=(BLOCK_INPUT,), role="q", in_features=inputs, out_features=outputs, vectors=vectors,
        weight_bits=8, activation_bits=8, **more,
    )  # fmt: skip


def traffic(op: Projection, *settings: str) -> ProjectionTraffic:
    return projection_traffic(load_config("defaults", [*MACHINE, *settings]), op)


@given(
    slab=st.integers(1, 40),
    short=st.integers(0, 39),
    slabs=st.integers(1, 12),
    passes=st.integers(1, 4),
    capacity=st.integers(1, 60),
)
@example(slab=10, short=0, slabs=9, passes=2, capacity=30)
@example(slab=10, short=3, slabs=4, passes=3, capacity=10)
def test_loads_are_those_of_a_buffer_that_is_emptied_when_full(
    slab: int, short: int, slabs: int, passes: int, capacity: int
) -> None:
    last = max(1, slab - short)
    assert loads(slab, last, slabs, passes, capacity) == naive_buffers.loads(slab, last, slabs, passes, capacity)


@pytest.mark.parametrize(
    ("dataflow", "read", "written"),
    [("os", 32768 + 32768, 4096), ("ws", 32768 + 4096, 8 * 4096), ("is", 4096 + 32768, 8 * 4096)],
)
def test_64_cubed_on_8_by_8_with_buffers_of_1_kb(dataflow: str, read: int, written: int) -> None:
    """SCALE-Sim 3.0.0's words: 50 sets of 10 words fill a half; 64 x 64 words do not fit, nor 64 x 8 of a slab."""
    buffers = "machine.sram.operand_buffers={activations_bytes: 500, weights_bytes: 500}"
    settings = (f"machine.systolic.dataflow={dataflow}", "machine.systolic.rows=8", "machine.systolic.columns=8")
    each = traffic(projection(64, 64, 64), *settings, buffers, "mapping.projection_activations=memory_each_fold")
    assert (each.weight_bytes + each.input_bytes, each.output_bytes) == (read, written)


def test_outputs_are_stored_once_unless_each_fold_stores_them() -> None:
    op, ws = projection(8, 512, 64), "machine.systolic.dataflow=ws"
    assert traffic(op, ws) == ProjectionTraffic(32768)
    assert traffic(op, ws, "mapping.projection_activations=memory") == ProjectionTraffic(32768, 512, 4096)
    assert traffic(op, ws, "mapping.projection_activations=memory_each_fold") == ProjectionTraffic(32768, 512, 8192)
    convolution = projection(8, 512, 64, input_elements=100)
    assert traffic(convolution, "mapping.projection_activations=memory").input_bytes == 100


@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
def test_a_run_moves_this_traffic_at_the_rates_of_its_interfaces(schedule: str) -> None:
    """1 GB/s for 512 inputs, 2 GB/s for 32,768 weights, 1 MB/s for 4,096 outputs, and 10 ns for each request."""
    rates = "{activations_bytes_per_s: 1 GB/s, weights_bytes_per_s: 2 GB/s, results_bytes_per_s: 1 MB/s}"
    settings = [
        *MACHINE, "mapping.projection_activations=memory", f"machine.memory.interfaces={rates}",
        "machine.memory.access_latency_s=10 ns", f"schedule={schedule}", "machine.systolic.dataflow=os",
    ]  # fmt: skip
    block = Block(name="b", repeat=1, ops=(projection(8, 512, 64),))
    trace = Trace(model="m", phase="decode", context_length=1, tokens=1, blocks=(block,))
    result = simulate(load_config("defaults", settings), trace)
    assert (result.counts["memory.read_bit"], result.counts["memory.write_bit"]) == (8 * (512 + 32768), 8 * 4096)
    memory = {"inputs": 10_000 + 512_000, "weights": 10_000 + 16_384_000, "outputs": 10_000 + 4_096_000_000}
    # Inputs and weights are loaded at the same time, unless the schedule is serial.
    loading = (
        max(memory["inputs"], memory["weights"]) if schedule != "serial" else sum(memory.values()) - memory["outputs"]
    )
    compute = 16 * (64 + 32 + 32 - 2) - 1
    idle_controller = 10_000 if schedule == "serial" else 0
    assert result.latency_ps == idle_controller + loading + compute * 10_000 + memory["outputs"]
