"""Sizes of weights in memory, packed or streamed, and of sums in the global buffer."""

from __future__ import annotations

import math

import pytest

from pimsim import load_config, simulate
from pimsim.config.schema import Config
from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.machine import build_machine
from pimsim.mapping.op_sizes import packed_bytes, stored_bytes
from pimsim.mapping.operations import map_trace
from pimsim.mapping.program import Task
from tests.support.closeness import near
from workloads.ops import BLOCK_INPUT, AttentionScores, Dequantise, Op, Projection, Quantise
from workloads.trace import Block, Trace

BITNET = "bitnet-b1.58-2b-4t"
BITNET_WEIGHTS = 30 * (2560 * (2560 + 2 * 640) + 2560 * 2560 + 3 * 2560 * 6912)
"""arXiv:2504.12285: 30 layers, 2560 wide, 20 heads and 5 KV heads of 128, a gated FFN of 6912."""
TWO_BITS = "mapping.ternary_storage_bits=2"


def config(*overrides: str, base: str = "pim-llm-published") -> Config:
    return load_config(base, [f"workload.model={BITNET}", *overrides])


def projection(weight_bits: int) -> Projection:
    shape = {"in_features": 3, "out_features": 7, "vectors": 1, "weight_bits": weight_bits, "activation_bits": 8}
    return Projection("op", (BLOCK_INPUT,), role="q", **shape)


@pytest.mark.parametrize(
    ("weights", "bits", "expected"),
    [("ternary", 1, 1), ("ternary", 1.6, 1.6), ("ternary", 2, 2), ("binary", 2, 1), ("binary", 1, 1)],
)
def test_packed_weights(weights: str, bits: float, expected: float) -> None:
    found = config(f"mapping.ternary_storage_bits={bits}", f"machine.crossbar.pair.encoding.weights={weights}")
    for count in (1, 5, 21, 1000, 10**9, BITNET_WEIGHTS):
        assert packed_bytes(found, count) == math.ceil(count * round(10 * expected) / 80)


def test_streamed_weights_take_at_least_the_packed_bits() -> None:
    """21 weights: 8 bits in the baseline, which has no unpacker; of 1 bit on request, but 2 if they are ternary."""
    assert stored_bytes(config(TWO_BITS), projection(1)) == 21
    assert stored_bytes(config("mapping.weight_storage_bits=1"), projection(1)) == 3
    assert stored_bytes(config("mapping.weight_storage_bits=1", TWO_BITS), projection(1)) == 6
    binary = "machine.crossbar.pair.encoding.weights=binary"
    assert stored_bytes(config("mapping.weight_storage_bits=1", TWO_BITS, binary), projection(1)) == 3
    assert stored_bytes(config(TWO_BITS), projection(8)) == 21


def test_bitnet_has_497_mib_that_load_in_10_ms() -> None:
    """2 bits each, at 4 x 12.8 GB/s; programming takes less. As binary weights: 248 MiB and 5.09 ms."""
    for bits, mib, load_ms in ((1, 248.4, 5.088), (2, 496.9, 10.176), (1.6, 397.5, 8.141)):
        result = simulate(config(f"mapping.ternary_storage_bits={bits}"))
        assert result.weight_bytes == BITNET_WEIGHTS * bits / 8
        assert result.weight_bytes / 2**20 == pytest.approx(mib, abs=0.05)
        assert result.weight_load_ps / 1e9 == pytest.approx(load_ms, abs=5e-4)


@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
def test_swapped_ternary_weights_take_twice_the_bits(schedule: str) -> None:
    """16 of 30 layers are swapped. By hand: their 138.9 MB more at 20 pJ/bit make 70.7 mJ of 48.4 mJ.

    The global buffer carries the same bytes, 512 bits at 744 pJ in and out: 3.2 mJ more.
    """
    one, two = (
        simulate(config("mapping.provisioning=swap", f"schedule={schedule}", f"mapping.ternary_storage_bits={bits}"))
        for bits in (1, 2)
    )
    assert one.provision.layers_swapped == 16
    more = BITNET_WEIGHTS // 30 * 16 // 8
    assert two.memory_traffic.weight_read_bytes == 2 * one.memory_traffic.weight_read_bytes == 2 * more
    memory_j = two.energies_j["memory.read_bit"] - one.energies_j["memory.read_bit"]
    assert memory_j == near(more * 8 * 20e-12, rel=1e-9)
    assert one.energy_j == pytest.approx(48.4e-3, abs=0.05e-3)
    assert one.energy_j + memory_j == pytest.approx(70.7e-3, abs=0.05e-3)
    assert two.energy_j == near(one.energy_j + memory_j + 2 * more / 64 * 744e-12, rel=1e-6)


def tasks_of(*ops: Op, settings: tuple[str, ...] = ()) -> dict[str, Task]:
    trace = Trace(
        model="any", phase="decode", context_length=200, tokens=1, blocks=(Block(name="b", repeat=1, ops=ops),)
    )
    base = load_config("pim-llm", ["machine.mesh.rows=1", "machine.mesh.columns=2", *settings])
    program = map_trace(base, build_machine(base.machine), trace).program
    return {task.name: task for _, task in program.tasks()}


@pytest.mark.parametrize(("output_bits", "bits"), [("null", 17), ("12", 12)])
def test_sums_of_crossbars_are_read_as_wide_as_they_are_written(output_bits: str, bits: int) -> None:
    """Sums of 300 rows of 8-bit inputs have 8 + 9 bits: 40 take 85 bytes (60 at 12 bits), two accesses or one."""
    shape = {"in_features": 300, "out_features": 40, "vectors": 3, "weight_bits": 1, "activation_bits": 8}
    projection = Projection("q", (BLOCK_INPUT,), role="q", **shape)
    rescaled = Dequantise("rescaled", ("q",), vectors=3, elements=40)
    tasks = tasks_of(projection, rescaled, settings=(f"machine.crossbar.output_bits={output_bits}",))
    size = 40 * bits // 8
    assert tasks["q"].assignments[-1].share == BufferShare(write_bytes=size, count=3)
    *_, passes, accesses = tasks["rescaled"].assignments
    assert accesses.share == BufferShare(3 * size, 3 * 40, streamed=True)
    assert passes.stream is not None
    assert passes.stream.port_ps == 3 * (math.ceil(size / 64) + 1) * 10_000


@pytest.mark.parametrize("rescaled", [True, False])
def test_sums_of_the_systolic_array_have_32_bits(rescaled: bool) -> None:
    """Two KV heads of 100 x 12 scores over d_head 64, in folds of 32 rows, and 100 x 64 bytes of K each.

    Without an op that rescales them they are 8-bit values.
    """
    shape = {"heads": 8, "kv_heads": 2, "d_head": 64, "queries": 3, "context": 100, "bits": 8}
    scores = AttentionScores("scores", (BLOCK_INPUT,), **shape)
    reader = Dequantise("next", ("scores",), vectors=24, elements=100)
    other = Quantise("next", ("scores",), vectors=24, elements=100)
    tasks = tasks_of(scores, reader if rescaled else other, settings=("mapping.masked_folds=computed",))
    per_sum = 4 if rescaled else 1
    read, keys = 2 * (100 * 64 + 4 * 12 * 64), 2 * 100 * 64
    assert tasks["scores"].assignments[-1].share == BufferShare(read, 2400 * per_sum + keys, streamed=True)
    passes = 1 if rescaled else 2
    assert tasks["next"].assignments[-1].share == BufferShare(2400 * per_sum * passes, 2400, streamed=True)


def test_a_machine_with_crossbars_counts_the_weights_that_it_streams() -> None:
    """The LM head of GPT-2, 50,257 x 768 bytes, is not on crossbars; 12 layers of 12 x 768^2 ternary weights are."""
    base = ["workload.model=gpt2-small"]
    with_head, without = (simulate(load_config("pim-llm", [*base, *more])) for more in ([], ["workload.lm_head=false"]))
    assert without.weight_bytes == 12 * 12 * 768**2 // 4
    assert with_head.weight_bytes == without.weight_bytes + 50_257 * 768
    assert with_head.weight_load_ps == without.weight_load_ps
