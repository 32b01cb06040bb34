"""Receivers of outputs by the trace, and the assignments of a matrix that sends to another one."""

from __future__ import annotations

from typing import Any

import pytest

from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_config
from pimsim.engine import run
from pimsim.engine.execute import Schedule
from pimsim.hardware.machine import build_machine
from pimsim.mapping.operations import map_trace
from pimsim.mapping.program import Assignment, Resource
from pimsim.mapping.trace_routes import by_trace, chain
from pimsim.simulation import simulate
from tests.support.programs import program_of
from workloads.ops import BLOCK_INPUT, Activation, Op, Projection
from workloads.trace import Block, Trace


def matrix(name: str, reads: str = BLOCK_INPUT, *, role: str = "q", **sizes: int) -> Projection:
    shape: dict[str, Any] = {"in_features": 300, "out_features": 300, "vectors": 6, "activation_bits": 8} | sizes
    return Projection(name, (reads,), role=role, weight_bits=1, **shape)


def relu(reads: str) -> Activation:
    return Activation("relu", (reads,), vectors=6, elements=300, function="relu")


def receivers(*ops: Op) -> tuple[int | None, ...]:
    return by_trace(Block(name="b", repeat=1, ops=ops), [op for op in ops if isinstance(op, Projection)])


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        ((matrix("a"), matrix("b", "a")), (1, None)),
        # The vector unit is at the global buffer.
        ((matrix("a"), relu("a"), matrix("b", "relu")), (None, None)),
        # Two readers, of which one is another matrix, an activation, or the next block.
        ((matrix("a"), matrix("b", "a"), matrix("c", "a")), (None, None, None)),
        ((matrix("a"), matrix("b", "a"), relu("a")), (None, None)),
        ((matrix("a"), matrix("b")), (None, None)),
        ((matrix("a", vectors=6), matrix("b", "a", vectors=3)), (None, None)),
        ((matrix("a", out_features=200), matrix("b", "a")), (None, None)),
        ((matrix("a", out_features=200), matrix("b", "a", in_features=200), matrix("c", "b")), (1, 2, None)),
    ],
)
def test_receivers_by_the_trace(ops: tuple[Op, ...], expected: tuple[int | None, ...]) -> None:
    assert receivers(*ops) == expected


def test_a_chain_goes_through_all_matrices() -> None:
    assert chain([matrix("a"), matrix("b"), matrix("c")]) == (1, 2, None)


OPS = (matrix("a"), matrix("b", "a"), relu("b"), matrix("c", "relu"))


def assignments(*overrides: str, schedule: str = "contended") -> dict[str, Assignment]:
    config = load_config({}, ["machine.mesh.routes=trace", f"schedule={schedule}", *overrides])
    program = map_trace(config, build_machine(config.machine), trace()).program
    return {each.name: each for _, task in program.tasks() for each in task.assignments}


def trace() -> Trace:
    block = Block(name="b", repeat=2, ops=OPS)
    return Trace(model="any", phase="prefill", context_length=6, tokens=6, blocks=(block,))


def test_a_direct_output_skips_the_global_buffer() -> None:
    eight = "machine.crossbar.output_bits=8"
    large = "machine.crossbar.pe_buffer.capacity_bytes=16 KiB"
    found = assignments("mapping.vector_chunks=1", "mapping.input_buffer_vectors=12", eight, large)
    assert [name for name in found if name.startswith(("a", "b", "c"))] == [
        *("a.issue", "a.read[0]", "a.distribute[0]", "a.tiles[0]", "a.mesh[0]"),
        *("b.issue", "b.tiles[0]", "b.mesh[0]", "b[0]"),
        *("c.issue", "c.read[0]", "c.distribute[0]", "c.tiles[0]", "c.mesh[0]", "c[0]"),
    ]
    how = {name: each.constraints for name, each in found.items()}
    assert how["a.tiles[0]"].after == ("a.distribute[0]",)
    assert how["b.tiles[0]"].after == ("b.issue", "a.mesh[0]")
    # The transfer fills the input buffer of b; what reads it frees it.
    assert (how["a.mesh[0]"].opens, how["b.tiles[0]"].closes) == (Resource("input buffer:b", True), ("a.mesh[0]",))
    assert (how["c.read[0]"].opens, how["c.tiles[0]"].closes) == (Resource("input buffer:c", True), ("c.read[0]",))
    # 8-bit activations to b, but the sums of 300 rows of c, 8 + 9 bits, to the port: `output_bits` is 8 here.
    assert found["a.mesh[0]"].share.messages.output_bits == found["c.mesh[0]"].share.messages.output_bits == 300 * 8
    wide = assignments("mapping.vector_chunks=1", "machine.crossbar.output_bits=null")
    assert wide["a.mesh[0]"].share.messages.output_bits == 300 * 8
    assert wide["c.mesh[0]"].share.messages.output_bits == 300 * 17
    assert wide["c[0]"].share.write_bytes == -(-300 * 17 // 8)


@pytest.mark.parametrize("topology", ["mesh", "ring", "htree"])
@pytest.mark.parametrize("multicast", ["false", "true"])
@pytest.mark.parametrize("buffers", ["null", "1"])
@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
def test_all_schedules_run_direct_transfers(topology: str, multicast: str, buffers: str, schedule: Schedule) -> None:
    """Serial is the closed form; contended without anything to wait for is dataflow."""
    settings = [
        "machine.mesh.routes=trace",
        "machine.crossbar.output_bits=null",
        "machine.crossbar.tile_outputs=merged",
        f"machine.mesh.topology={topology}",
        f"machine.mesh.multicast={multicast}",
        f"mapping.input_buffer_vectors={buffers}",
        f"mapping.output_buffer_vectors={buffers}",
        "mapping.provisioning=per_layer",
        "mapping.vector_chunks=3",
    ]

    def latency_ps(schedule: Schedule, *more: str) -> int:
        config = load_config({}, [*settings, f"schedule={schedule}", *more])
        program = map_trace(config, build_machine(config.machine), trace()).program
        outcome = run(program, schedule)
        if schedule == "serial":
            assert outcome.latency_ps == program.serial_latency_ps()
        return outcome.latency_ps

    latency_ps(schedule)
    if schedule == "contended":
        alike = [
            "machine.mesh.links=unlimited",
            "mapping.input_buffer_vectors=null",
            "mapping.output_buffer_vectors=null",
        ]
        assert latency_ps("contended", *alike) == latency_ps("dataflow", *alike)


def test_outputs_that_stay_need_a_chain() -> None:
    with pytest.raises(ConfigError, match="last_output=stays needs routes=chain"):
        load_config({}, ["machine.mesh.routes=trace", "machine.mesh.last_output=stays"])


@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
@pytest.mark.parametrize("vectors", [1, 3])
@pytest.mark.parametrize(
    ("settings", "nanoseconds"),
    [
        # One packet of 2,048 bits in and one of 256 sums of 16 bits out, at 20 Gb/s.
        ([], 102.4 + 204.8),
        # Four packets in and eight out, one after another, and the latency of the router for each message.
        (["packet_bits=576", "switching=cut_through", "router_latency_s=2 ns"], 102.4 + 204.8 + 2 * 2),
        (["multicast=true"], 102.4 + 204.8),
    ],
)
def test_a_matrix_on_the_tile_at_the_port_passes_the_local_port(
    settings: list[str], nanoseconds: float, vectors: int, schedule: str
) -> None:
    """A matrix of 256 x 256 in the only tile of a mesh: no hops, for which MNSIM's chain counts no time."""
    op = matrix("only", in_features=256, out_features=256, vectors=vectors)
    layer = Block(name="layer", repeat=1, ops=(op,))
    trace = Trace(model="one", phase="decode", context_length=1, tokens=1, blocks=(layer,))
    keys = [f"machine.mesh.{key}" for key in ("rows=1", "columns=1", *settings)]
    keys += ["machine.crossbar.tile_outputs=merged", "machine.crossbar.output_bits=16", "mapping.vector_chunks=1"]
    chained, traced = (
        simulate(
            load_config("pim-llm-published", [*keys, f"machine.mesh.routes={each}", f"schedule={schedule}"]), trace
        )
        for each in ("chain", "trace")
    )
    added_ps = vectors * round(nanoseconds * 1000)
    assert traced.latency_ps - chained.latency_ps == added_ps
    assert traced.parts_ps["communication"] - chained.parts_ps["communication"] == added_ps
    assert (traced.counts["mesh.bit_hop"], chained.counts.get("mesh.bit_hop", 0)) == (0, 0)
    assert program_of(traced.config, trace).serial_latency_ps() == traced.latency_ps
