"""Components and shares of each kind of op, written out by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings

from pimsim.base.errors import CapacityError, WorkloadInputError
from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.causal_mask import CausalMask, EntriesAxis
from pimsim.hardware.controller import CommandShare
from pimsim.hardware.crossbar_tile import TilesShare
from pimsim.hardware.machine import build_machine
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.mesh import DistributionShare, MeshShare, Traffic, traffic
from pimsim.hardware.systolic import MatmulShare
from pimsim.hardware.vector import VectorShare
from pimsim.hardware.weight_grid import weight_grid
from pimsim.mapping.occupancy import STREAM
from pimsim.mapping.operations import map_trace
from pimsim.mapping.program import Task
from pimsim.simulation import make_trace
from tests.oracles import naive_causal
from tests.support import strategies
from tests.support.counts import MACHINES
from tests.support.trees import name_of
from workloads.expert_ops import ExpertChoice, ExpertSum, GroupedProjection
from workloads.kv_ops import KVAccumulate, KVEvict
from workloads.latent_ops import LatentAppend, LatentRead, LatentScores, LatentValues, ScratchWrite
from workloads.op_kinds import KINDS
from workloads.ops import (
    BLOCK_INPUT,
    Activation,
    AttentionMatmul,
    AttentionScores,
    AttentionValues,
    Dequantise,
    Embedding,
    KVAppend,
    Multiply,
    Norm,
    Op,
    Projection,
    Quantise,
    Residual,
    Rotary,
    Softmax,
)
from workloads.trace import Block, Trace

IN = (BLOCK_INPUT,)
PROJECTION: dict[str, Any] = {"role": "q", "in_features": 300, "out_features": 40, "vectors": 3, "activation_bits": 4}
ATTENTION: dict[str, Any] = {"heads": 8, "kv_heads": 2, "d_head": 64, "queries": 3, "context": 100, "bits": 4}

OVERRIDES = [
    "machine.systolic.rows=32",
    "machine.systolic.columns=32",
    "machine.systolic.dataflow=os",
    "machine.vector.softmax=exact",
    "machine.crossbar.output_bits=12",
    "machine.mesh.rows=1",
    "machine.mesh.columns=2",
    "mapping.weight_storage_bits=2",
]


def trace_of(*ops: Op, repeat: int = 1) -> Trace:
    return Trace(
        model="any", phase="decode", context_length=200, tokens=1, blocks=(Block(name="b", repeat=repeat, ops=ops),)
    )


def tasks_of(config: Config, trace: Trace) -> list[Task]:
    machine = build_machine(config.machine)
    return [task for _, task in map_trace(config, machine, trace).program.tasks()]


def shares_of(op: Op, *overrides: str) -> list[tuple[str, Any]]:
    (task,) = tasks_of(load_config({}, [*OVERRIDES, *overrides]), trace_of(op))
    masked = isinstance(op, AttentionMatmul) and "mapping.masked_folds=skipped" in overrides
    counted = naive_causal.existing_macs(op) if masked else op.macs
    assert (task.name, task.kind, task.inputs, task.macs) == (op.name, op.kind, op.inputs, counted)
    return [(assignment.component.name, assignment.share) for assignment in task.assignments]


ONE_COMMAND = ("controller", CommandShare(1))


def test_projection_on_crossbars() -> None:
    """300 x 40 1-bit weights on two pairs of one tile; 150 bytes in and 60 out, for each of three vectors."""
    grid = weight_grid(300, 40, 256, 256, 4)
    # The merge tree adds the 40 columns of the two pairs; the tile is its own aggregator, and the port is at its place,
    # so that vectors take the time of one link through the local port, and no bit takes a hop.
    mesh = MeshShare(traffic((0,), (480,), 480), Traffic(480, (0,)), additions=0, vectors=3)
    before, after = [ONE_COMMAND, ("sram", BufferShare(150, count=3))], ("sram", BufferShare(write_bytes=60, count=3))
    tile = ("tile", TilesShare(grid, input_bits=4, vectors=3))
    distribution = ("mesh", DistributionShare(Traffic(1200, (0,)), vectors=3))
    op = Projection("op", IN, weight_bits=1, **PROJECTION)
    assert shares_of(op) == [*before, distribution, tile, ("mesh", mesh), after]
    # As MNSIM: no distribution, and a tile puts out the columns of both of its pairs.
    both = MeshShare(traffic((0,), (960,), 960), traffic((0,), (480,), 480), additions=0, vectors=3)
    mnsim = ("machine.mesh.routes=chain", "machine.crossbar.tile_outputs=concatenated")
    assert shares_of(op, *mnsim) == [*before, tile, ("mesh", both), after]


@pytest.mark.parametrize(("weight_bits", "stored_bits"), [(1, 2), (8, 8), (5, 5)])
def test_projection_on_the_systolic_array(weight_bits: int, stored_bits: int) -> None:
    """1-bit weights are stored as configured, others as they are; M = 40, N = 3, K = 300 makes two folds."""
    weight_bytes = -(-300 * 40 * stored_bits // 8)
    assert shares_of(Projection("op", IN, weight_bits=weight_bits, **PROJECTION), "mapping.projections=systolic") == [
        ONE_COMMAND,
        ("memory", MemoryShare(weight_bytes)),
        ("systolic", MatmulShare(m=40, n=3, k=300)),
        ("sram", BufferShare(40 * 300 + 2 * 3 * 300, 40 * 3 + weight_bytes, streamed=True)),
    ]


def test_matrices_of_more_bits_go_to_the_array_of_a_machine_with_crossbars() -> None:
    names = [name for name, _ in shares_of(Projection("op", IN, weight_bits=8, **PROJECTION))]
    assert names == ["controller", "memory", "systolic", "sram"]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("kind", "axis", "matmul", "operands"),
    [
        # Per KV head: four query heads of three queries each; folds of 32 output rows, so B is read once per fold.
        (AttentionScores, "m", MatmulShare(m=100, n=12, k=64, count=2), (100 * 64 + 4 * 12 * 64, 100 * 12)),
        (AttentionValues, "k", MatmulShare(m=64, n=12, k=100, count=2), (64 * 100 + 2 * 12 * 100, 64 * 12)),
    ],
)
def test_attention(
    kind: type[AttentionMatmul], axis: EntriesAxis, matmul: MatmulShare, operands: tuple[int, int], masked: bool
) -> None:
    """Each cached entry is read once, 4 bits of it; a command per KV head.

    The tokens attend to 98, 99 and 100 entries: every fold has scores, and the mask saves nothing.
    """
    head_bytes = 100 * 64 // 2
    if masked:
        matmul = replace(matmul, mask=CausalMask(queries=3, context=100, entries=100, heads=4), entries_axis=axis)
    folds = f"mapping.masked_folds={'skipped' if masked else 'computed'}"
    assert shares_of(kind("op", IN, **ATTENTION), folds) == [
        ("controller", CommandShare(2)),
        ("memory", MemoryShare(head_bytes, count=2)),
        ("systolic", matmul),
        ("sram", BufferShare(2 * operands[0], 2 * operands[1] + 2 * head_bytes, streamed=True)),
    ]


def test_kv_append_and_embedding() -> None:
    appended = 2 * 3 * 2 * 64 * 4 // 8
    assert shares_of(KVAppend("op", IN, tokens=3, kv_heads=2, d_head=64, bits=4)) == [
        ONE_COMMAND,
        ("memory", MemoryShare(appended, write=True)),
        ("sram", BufferShare(read_bytes=appended, streamed=True)),
    ]
    looked_up = -(-3 * 65 * 4 // 8)
    assert shares_of(Embedding("op", IN, vectors=3, elements=65, bits=4)) == [
        ONE_COMMAND,
        ("memory", MemoryShare(looked_up)),
        ("sram", BufferShare(write_bytes=looked_up, streamed=True)),
    ]


@dataclass(frozen=True)
class Pass:
    """How often the elements of an op are read."""

    label: str
    passes: int = 1
    operands: int = 1


ELEMENTS: dict[str, int] = {"vectors": 3, "elements": 70}
VECTOR_OPS: list[tuple[Op, Pass]] = [
    (Norm("op", IN, norm="rmsnorm", **ELEMENTS), Pass("rmsnorm", passes=2)),
    (Norm("op", IN, norm="layernorm", **ELEMENTS), Pass("layernorm", passes=2)),
    (Softmax("op", IN, rows=3, row_length=70), Pass("softmax", passes=3)),
    (Rotary("op", IN, **ELEMENTS), Pass("rotary", passes=2)),
    (Activation("op", IN, function="gelu", **ELEMENTS), Pass("gelu")),
    (Residual("op", IN, **ELEMENTS), Pass("residual", operands=2)),
    (Multiply("op", IN, **ELEMENTS), Pass("gate", operands=2)),
    (Quantise("op", IN, **ELEMENTS), Pass("quantise", passes=2)),
    (Dequantise("op", IN, **ELEMENTS), Pass("dequantise")),
    (ExpertChoice("op", IN, **ELEMENTS, chosen=4), Pass("expert choice", passes=4)),
    (ExpertSum("op", IN, **ELEMENTS, terms=6), Pass("expert sum", passes=6)),
]


@pytest.mark.parametrize(("op", "work"), VECTOR_OPS)
def test_vector_ops(op: Op, work: Pass) -> None:
    """One byte per element, read for every operand on every pass and written once."""
    assert shares_of(op) == [
        ONE_COMMAND,
        ("vector", VectorShare(work.label, 3, 70, work.passes)),
        ("sram", BufferShare(210 * work.passes * work.operands, 210, streamed=True)),
    ]


def test_consmax_takes_one_pass() -> None:
    (_, (_, share), _) = shares_of(Softmax("op", IN, rows=3, row_length=70), "machine.vector.softmax=consmax")
    assert share == VectorShare("softmax", 3, 70, passes=1)


def test_every_kind_of_op_is_covered_above() -> None:
    above = {type(op) for op, _ in VECTOR_OPS}
    above |= {Projection, AttentionScores, AttentionValues, KVAppend, Embedding}
    above |= {KVEvict, KVAccumulate}  # test_kv_ops_mapping.py
    above |= {GroupedProjection, LatentAppend, LatentRead, LatentScores, LatentValues, ScratchWrite}  # next test
    assert above == set(KINDS.values())


def test_latents_and_experts() -> None:
    """Three entries of 12 + 4 bytes with a scale of 4 take 60 bytes; of five experts, one has 3 vectors, two have 1."""
    sizes: dict[str, Any] = {"tokens": 3, "rank": 12, "d_rope": 4, "bits": 8, "step_bits": 32}
    assert shares_of(LatentAppend("op", IN, **sizes))[1] == ("memory", MemoryShare(60, write=True))
    assert shares_of(LatentRead("op", IN, **sizes))[1] == ("memory", MemoryShare(60))
    assert shares_of(ScratchWrite("op", IN, **ELEMENTS, bits=8))[1] == ("memory", MemoryShare(210, write=True))
    shape = PROJECTION | {"role": "ffn_up", "in_features": 8, "out_features": 6, "vectors": 5, "weight_bits": 8}
    assert shares_of(GroupedProjection("op", IN, **shape, matrices=5, loads=(3, 1, 1)))[:-1] == [
        ("controller", CommandShare(3)),
        *(("memory", MemoryShare(48)), ("systolic", MatmulShare(6, 3, 8))),
        *(("memory", MemoryShare(48, count=2)), ("systolic", MatmulShare(6, 1, 8, 2))),
    ]


def test_an_op_that_no_part_computes_is_refused() -> None:
    class Convolution(Op):
        kind: ClassVar[str] = "convolution"

    config = load_config({})
    trace = trace_of(Norm("first", IN, norm="rmsnorm", vectors=1, elements=1))
    object.__setattr__(trace.blocks[0], "ops", (Convolution("op", IN),))
    with pytest.raises(WorkloadInputError, match=r"op 'op': no component computes ops of kind 'convolution'"):
        map_trace(config, build_machine(config.machine), trace)


def test_whole_model_plans_each_layer_where_it_lies() -> None:
    """Three layers of one tile on a mesh of two: the second lies a hop farther from the port than the others."""
    op = Projection("op", IN, weight_bits=1, **PROJECTION)
    overrides = [*OVERRIDES, "machine.crossbar.banks=2", "machine.mesh.placement=rows"]
    config = load_config({}, overrides)
    machine = build_machine(config.machine)
    blocks = map_trace(config, machine, trace_of(op, repeat=3)).program.blocks
    assert [block.repeat for block in blocks] == [1, 1, 1]
    shares = [{each.name: each.share for each in block.tasks[0].assignments} for block in blocks]
    # The outer two take the time of one link through the local port, in which no bit takes a hop.
    assert [each["op.distribute[0]"].traffic.moving_bits for each in shares] == [(0,), (1200,), (0,)]
    assert [each["op.mesh[0]"].transfer.moving_bits for each in shares] == [(0,), (480,), (0,)]
    with pytest.raises(CapacityError):
        map_trace(load_config({}, [*OVERRIDES, "machine.crossbar.banks=1"]), machine, trace_of(op, repeat=3))

    per_layer = load_config({}, [*OVERRIDES, "mapping.provisioning=per_layer"])
    (block,) = map_trace(per_layer, machine, trace_of(op, repeat=3)).program.blocks
    assert block.repeat == 3


@settings(max_examples=MACHINES)
@given(run=strategies.runs())
def test_every_op_is_mapped_once_per_repetition(run: tuple[Config, Trace]) -> None:
    config, trace = run
    mapped = map_trace(config, build_machine(config.machine), trace)
    tasks = [task.name for block in mapped.program.ungrouped().blocks for task in block.tasks]
    assert tasks == [op.name for block in trace.blocks for _ in range(block.repeat) for op in block.ops]
    skipped = config.mapping.masked_folds == "skipped"
    counted = sum(
        block.repeat * (naive_causal.existing_macs(op) if skipped and isinstance(op, AttentionMatmul) else op.macs)
        for block, op in trace.ops()
    )
    assert sum(block.repeat * task.macs for block, task in mapped.program.tasks()) == counted


@settings(max_examples=MACHINES)
@given(run=strategies.runs(crossbars=True))
def test_only_1_bit_projections_use_the_tiles(run: tuple[Config, Trace]) -> None:
    config, trace = run
    ops = {(block.name, op.name): op for block, op in trace.ops()}
    for block, task in map_trace(config, build_machine(config.machine), trace).program.tasks():
        op = ops[block.name, task.name]
        on_tiles = isinstance(op, Projection) and op.weight_bits == 1
        names = {assignment.component.name for assignment in task.assignments}
        assert ({"tile", "mesh"} <= names) == on_tiles
        assert ("systolic" in names) == (op.macs > 0 and not on_tiles)


# --- dependencies under the dataflow schedule -----------------------------------------------------------------------


def flow_of(*ops: Op, overrides: tuple[str, ...] = ()) -> dict[str, tuple[Any, tuple[str, ...], str, str, str]]:
    """By name: share, what it comes after, its resource, what it opens and closes."""
    tasks = tasks_of(load_config({}, [*OVERRIDES, "schedule=dataflow", *overrides]), trace_of(*ops))
    return {
        a.name: (a.share, how.after, name_of(how.resource), name_of(how.opens), how.closes)
        for task in tasks
        for a in task.assignments
        for how in [a.constraints]
    }


def test_attention_is_cut_into_heads_that_wait_for_their_counterparts_alone() -> None:
    """Two KV heads in two slices: a slice of the softmax waits for its scores, a slice of the values for its softmax,
    and what has several inputs for the whole of those that are not cut.
    """
    heads: dict[str, Any] = {"heads": 4, "kv_heads": 2, "d_head": 64, "queries": 3, "context": 100, "bits": 4}
    flow = flow_of(
        KVAppend("kv_append", IN, tokens=3, kv_heads=2, d_head=64, bits=4),
        AttentionScores("scores", ("input", "kv_append"), **heads),
        Softmax("softmax", ("scores",), rows=12, row_length=100),
        AttentionValues("values", ("softmax", "kv_append"), **heads),
        overrides=("mapping.attention_slices=3",),
    )
    half = MemoryShare(100 * 64 // 2)
    # The entries of a prefill are read when they have been written.
    assert flow["scores.operand[1]"] == (half, ("kv_append",), "memory", STREAM, ())
    # Two query heads share a KV head; the three tokens attend to 98, 99 and 100 entries.
    mask = CausalMask(queries=3, context=100, entries=100, heads=2)
    matmul = MatmulShare(m=100, n=6, k=64, count=1, mask=mask, entries_axis="m")
    assert flow["scores[1]"] == (
        matmul,
        ("scores.issue", "scores.operand[1]", "input", "kv_append"),
        "systolic",
        "",
        ("scores.operand[1]",),
    )
    assert flow["softmax[1]"] == (
        VectorShare("softmax", 6, 100, 3, mask),
        ("softmax.issue", "scores[1]"),
        "vector",
        "",
        (),
    )
    assert flow["values[0]"][1] == ("values.issue", "values.operand[0]", "softmax[0]", "kv_append")
    assert flow["values.issue"] == (CommandShare(2), (), "controller", "", ())
    # Counted when all of it is done, in no time and on no resource.
    assert flow["softmax.streamed"][1:] == (("softmax[0]", "softmax[1]"), "", "", ())


def test_a_decode_step_reads_its_cache_at_once() -> None:
    heads: dict[str, Any] = {"heads": 2, "kv_heads": 2, "d_head": 64, "queries": 1, "context": 100, "bits": 8}
    flow = flow_of(
        KVAppend("kv_append", IN, tokens=1, kv_heads=2, d_head=64, bits=8),
        AttentionScores("scores", ("input", "kv_append"), **heads),
    )
    assert [flow[f"scores.operand[{index}]"][1] for index in range(2)] == [(), ()]


def test_a_batch_goes_through_the_crossbars_in_chunks() -> None:
    flow = flow_of(Projection("op", IN, weight_bits=1, **PROJECTION), overrides=("mapping.vector_chunks=2",))
    assert [flow[f"op.tiles[{index}]"][0].vectors for index in range(2)] == [2, 1]
    assert "op.tiles[2]" not in flow
    stages = ("op.read[1]", "op.distribute[1]", "op.tiles[1]", "op.mesh[1]", "op[1]")
    assert [flow[name][1:3] for name in stages] == [
        (("op.issue", "input"), "sram"),
        (("op.read[1]",), "mesh input:op"),
        (("op.distribute[1]",), "tile:op"),
        (("op.tiles[1]",), "mesh:op"),
        (("op.mesh[1]",), "sram"),
    ]


def test_tiles_and_meshes_are_a_layer_s_own_and_all_else_is_shared() -> None:
    config = load_config("pim-llm", ["schedule=dataflow", "workload.model=gpt2-small", "machine.systolic.count=3"])
    machine = build_machine(config.machine)
    program = map_trace(config, machine, make_trace(config)).program
    assignments = [each for _, task in program.tasks() for each in task.assignments]
    used = {each.constraints.resource for each in assignments}
    assert {each.name.split(":")[0] for each in used if each and each.private} == {"tile", "mesh input", "mesh"}
    shared = {name_of(each) for each in used if each is None or not each.private}
    assert shared == {"", "systolic", "vector", "sram", "memory", "controller"}
    assert program.capacities["systolic"] == 3
    assert program.capacities[STREAM] == 3 * config.mapping.stream_buffers
    assert {program.capacities[name] for name in ("vector", "sram", "memory", "controller")} == {1}


@settings(max_examples=MACHINES)
@given(run=strategies.runs(schedule="dataflow"))
def test_slices_add_up_to_the_op(run: tuple[Config, Trace]) -> None:
    """Each op takes as long, cut or not, and what is opened is closed in its own block."""
    config, trace = run
    machine = build_machine(config.machine)
    whole = config.model_copy(update={"schedule": "serial"})
    cut, uncut = (map_trace(each, machine, trace).program for each in (config, whole))
    for (block, task), (_, expected) in zip(cut.tasks(), uncut.tasks(), strict=True):
        assert task.latency_ps() == expected.latency_ps()
        names = [each.name for other in block.tasks for each in other.assignments]
        assert len(set(names)) == len(names)
    for block in cut.blocks:
        made = {each.name: each.constraints for task in block.tasks for each in task.assignments}
        assert {name for name, how in made.items() if how.opens} == {
            name for how in made.values() for name in how.closes
        }
