"""Projections on crossbars: chunks, buffers, replicas and swapped weights, all numbers worked out by hand.

A matrix of 300 x 300 1-bit weights has four crossbar pairs in one tile; the global buffer has one port of 64 bytes per
10 ns.
"""

from __future__ import annotations

import pytest

from pimsim.base.errors import WorkloadInputError
from pimsim.config.loading import load_config
from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.controller import CommandShare
from pimsim.hardware.machine import build_machine
from pimsim.hardware.memory import MemoryShare
from pimsim.mapping.crossbar_ops import SWAP
from pimsim.mapping.occupancy import STREAM, SWAP_REGION
from pimsim.mapping.operations import map_trace
from pimsim.mapping.program import Constraints, Resource
from tests.support.flows import after, flow, on, port, program
from workloads.ops import Op, Projection
from workloads.trace import Block, Trace

IN = ("input",)
HOST = "machine.host={request_interval_s: 1 us, queue_depth: 4, request_energy_j: 1 nJ}"
LARGE = ("machine.crossbar.pe_buffer.capacity_bytes=64 KiB", "machine.crossbar.tile_buffer.capacity_bytes=64 KiB")
CONTENDED = ("schedule=contended", "machine.crossbar.output_bits=8", *LARGE)


def matrix(name: str = "a", reads: str = "input", *, role: str = "q", vectors: int = 7) -> Projection:
    sizes = {"in_features": 300, "out_features": 300, "vectors": vectors, "activation_bits": 8}
    return Projection(name, (reads,), role=role, weight_bits=1, **sizes)


def chunks(*ops: Op, settings: tuple[str, ...]) -> list[int]:
    found = flow(*ops, settings=settings)
    return [each.share.vectors for name, each in found.items() if name.startswith("a.tiles")]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["vector_chunks=1"], [7]),
        (["vector_chunks=2"], [4, 3]),
        (["vector_chunks=3"], [3, 3, 1]),
        (["vector_chunks=16"], [1] * 7),
        # A finite buffer holds two chunks, and at least one vector.
        (["vector_chunks=1", "input_buffer_vectors=1"], [1] * 7),
        (["vector_chunks=1", "input_buffer_vectors=2"], [1] * 7),
        (["vector_chunks=1", "input_buffer_vectors=3"], [1] * 7),
        (["vector_chunks=1", "output_buffer_vectors=4"], [2, 2, 2, 1]),
        (["vector_chunks=1", "output_buffer_vectors=6", "input_buffer_vectors=9"], [3, 3, 1]),
        # A chunk has as many vectors for each of two replicas.
        (["vector_chunks=3", "replicas.q=2"], [4, 3]),
        (["vector_chunks=1", "replicas.q=2", "input_buffer_vectors=2"], [2, 2, 2, 1]),
        (["vector_chunks=1", "replicas.q=2", "input_buffer_vectors=4"], [4, 3]),
    ],
)
def test_chunks_are_half_a_buffer_at_most(keys: list[str], expected: list[int]) -> None:
    settings = (*CONTENDED, *(f"mapping.{each}" for each in keys))
    assert chunks(matrix(), settings=settings) == expected


@pytest.mark.parametrize(("schedule", "expected"), [("serial", [7]), ("dataflow", [4, 3]), ("contended", [1] * 7)])
def test_a_schedule_cuts_for_what_it_has(schedule: str, expected: list[int]) -> None:
    """The serial schedule cuts nothing; only the contended one has buffers."""
    settings = (*LARGE, f"schedule={schedule}", "mapping.vector_chunks=2", "mapping.input_buffer_vectors=2")
    assert chunks(matrix(), settings=settings) == expected
    assert ("input buffer:a" in program(matrix(), settings=settings).capacities) == (schedule == "contended")


@pytest.mark.parametrize(("senders", "expected"), [("q", [6, 1]), ("k", [6, 1])])
def test_matrices_that_pass_vectors_on_have_chunks_of_all_their_replicas(senders: str, expected: list[int]) -> None:
    """Two and three replicas take turns of six vectors, whichever of them sends; d works alone."""
    roles = ["q", "k"] if senders == "q" else ["k", "q"]
    ops = (
        matrix("a", role=roles[0]), matrix("b", "a", role=roles[1]), matrix("c", "b", role="v"),
        matrix("d", role="o"),
    )  # fmt: skip
    replicas = ("mapping.replicas.q=2", "mapping.replicas.k=3", "mapping.replicas.v=1", "mapping.replicas.o=5")
    settings = (*CONTENDED, *replicas, "mapping.input_buffer_vectors=1", "mapping.vector_chunks=1")
    found = flow(*ops, settings=settings)
    for name in "abc":
        parts = [each.share.vectors for key, each in found.items() if key.startswith(f"{name}.tiles")]
        assert parts == expected
    assert [each.share.vectors for key, each in found.items() if key.startswith("d.tiles")] == [5, 2]
    # One vector per replica is less than a chunk, of which the buffer must hold one all the same.
    assert program(*ops, settings=settings).capacities["input buffer:a"] == 1


@pytest.mark.parametrize(
    ("keys", "inputs", "outputs"),
    [
        (["input_buffer_vectors=5"], 2, None),  # chunks of 2
        (["input_buffer_vectors=6", "output_buffer_vectors=4"], 3, 2),  # chunks of 2
        (["output_buffer_vectors=1"], None, 1),
        (["input_buffer_vectors=6", "output_buffer_vectors=2", "replicas.q=2"], 6, 2),  # chunks of 2 for 2 replicas
        ([], None, None),
    ],
)
def test_buffers_hold_whole_chunks(keys: list[str], inputs: int | None, outputs: int | None) -> None:
    settings = (*CONTENDED, "mapping.vector_chunks=1", *(f"mapping.{each}" for each in keys))
    held = program(matrix(), settings=settings).capacities
    assert (held.get("input buffer:a"), held.get("output buffer:a")) == (inputs, outputs)


@pytest.mark.parametrize("vectors", [(8, 2), (2, 8)])
def test_blocks_of_one_matrix_share_the_fewest_slots(vectors: tuple[int, int]) -> None:
    """A buffer of six vectors holds two chunks of three, and three chunks of two."""
    config = load_config("defaults", [*CONTENDED, "mapping.vector_chunks=1", "mapping.input_buffer_vectors=6"])
    blocks = tuple(Block(name=f"b{each}", repeat=1, ops=(matrix(vectors=each),)) for each in vectors)
    trace = Trace(model="any", phase="decode", context_length=1, tokens=1, blocks=blocks)
    assert map_trace(config, build_machine(config.machine), trace).program.capacities["input buffer:a"] == 2


def test_stages_of_two_replicas_with_finite_buffers_and_a_host() -> None:
    """Three vectors are two chunks, of two and of one; b receives the vectors of a without the global buffer."""
    keys = ("mapping.replicas.q=2", "mapping.input_buffer_vectors=2", "mapping.output_buffer_vectors=2")
    settings = (HOST, *CONTENDED, *keys, "mapping.vector_chunks=1")
    found = flow(matrix(vectors=3), matrix("b", "a", vectors=3), settings=settings)
    assert list(found) == [
        *("a.request", "a.issue", "a.read[0]", "a.distribute[0]", "a.distribute[0].2", "a.tiles[0]"),
        *("a.mesh[0]", "a.mesh[0].2", "a.read[1]", "a.distribute[1]", "a.tiles[1]", "a.mesh[1]"),
        *("b.request", "b.issue", "b.tiles[0]", "b.mesh[0]", "b.mesh[0].2", "b[0]", "b.tiles[1]", "b.mesh[1]", "b[1]"),
    ]
    how = {name: each.constraints for name, each in found.items()}
    mesh = Resource("mesh 0")

    def own(name: str) -> Resource:
        return Resource(name, private=True)

    ready, space, inputs = ("a.distribute[0]", "a.distribute[0].2"), own("output buffer:a"), own("input buffer:a")
    assert how["a.read[0]"] == Constraints(("a.issue", *IN), Resource("sram"), inputs)
    assert how["a.distribute[0].2"] == Constraints(("a.read[0]",), own("mesh input:a"), medium=mesh)
    assert how["a.tiles[0]"] == Constraints(ready, own("tile:a"), space, ("a.read[0]",))
    sent = Constraints(("a.tiles[0]",), own("mesh:a"), own("input buffer:b"), ("a.tiles[0]",), mesh)
    assert how["a.mesh[0]"] == sent
    to_second = Constraints(("a.tiles[0]",), own("mesh:a.2"), own("input buffer:b.2"), ("a.tiles[0]",), mesh)
    assert how["a.mesh[0].2"] == to_second
    received = ("a.mesh[0]", "a.mesh[0].2")
    assert how["b.tiles[0]"] == Constraints(
        ("b.issue", *received), own("tile:b"), own("output buffer:b"), closes=received
    )
    assert how["b.tiles[1]"].after == ("b.issue", "a.mesh[1]")
    assert how["b[0]"] == on("sram", "b.mesh[0]", "b.mesh[0].2")
    vectors = {name: each.share.vectors for name, each in found.items() if "mesh" in name or "distribute" in name}
    assert set(vectors.values()) == {1}
    # 300 bytes of a vector are five accesses, read or written.
    assert (found["a.read[0]"].share, port(found["a.read[0]"])) == (BufferShare(300, count=2), (100_000, 600))
    assert (found["b[0]"].share, port(found["b[0]"])) == (BufferShare(0, 300, count=2), (100_000, 600))
    assert port(found["b[1]"]) == (50_000, 300)


def test_a_chunk_of_several_vectors_is_divided_over_the_replicas() -> None:
    found = flow(matrix(vectors=5), settings=(*CONTENDED, "mapping.replicas.q=2", "mapping.vector_chunks=1"))
    counts = [found[f"a.{stage}[0]{part}"].share.vectors for stage in ("distribute", "mesh") for part in ("", ".2")]
    assert counts == [3, 2, 3, 2]
    share = found["a.tiles[0]"].share
    assert (share.vectors, share.replicas, share.input_bits) == (5, 2, 8)
    assert found["a.tiles[0]"].constraints.closes == ()
    assert found["a.tiles[0]"].constraints.opens is None


@pytest.mark.parametrize(
    ("keys", "medium"),
    [
        ((), Resource("mesh 0")),
        (("mapping.provisioning=per_layer",), Resource("mesh 0", private=True)),
        (("machine.mesh.links=unlimited",), None),
        (("schedule=dataflow",), None),
    ],
)
def test_messages_share_the_links_of_a_bank(keys: tuple[str, ...], medium: Resource | None) -> None:
    found = flow(matrix(), settings=(*CONTENDED, *keys))
    assert {found[f"a.{stage}[0]"].constraints.medium for stage in ("distribute", "mesh")} == {medium}


def test_without_routes_by_the_trace_the_tiles_wait_for_the_read() -> None:
    chain = ("machine.mesh.routes=chain", "machine.mesh.multicast=false", "machine.mesh.links=unlimited")
    found = flow(matrix(vectors=1), settings=(*CONTENDED, *chain))
    assert after(found)["a.tiles[0]"] == ("a.read[0]",)
    assert list(found) == ["a.issue", "a.read[0]", "a.tiles[0]", "a.mesh[0]", "a[0]"]


@pytest.mark.parametrize("host", [(HOST,), ()])
def test_a_swapped_layer_is_programmed_before_it_computes(host: tuple[str, ...]) -> None:
    """90,000 ternary weights of two bits are 22,500 bytes, 352 accesses; layers of two tiles share a bank of two."""
    small = ("machine.crossbar.banks=1", "machine.mesh.rows=2", "machine.mesh.columns=1", "mapping.provisioning=swap")
    ops = (matrix(vectors=1), matrix("b", vectors=1))
    swapping = program(*ops, settings=(*CONTENDED, *host, *small), repeat=3)
    tasks = swapping.blocks[-1].tasks
    assert [(task.name, task.kind, task.inputs, task.macs) for task in tasks] == [
        (SWAP, "weight_swap", (), 0),
        *((op.name, "projection", IN, op.macs) for op in ops),
    ]
    found = {each.name: each for task in tasks for each in task.assignments}
    streams, programs = ([f"{SWAP}.{what} {name}" for name in "ab"] for what in ("stream", "program"))
    request = (f"{SWAP}.request",) if host else ()
    order = (*request, f"{SWAP}.issue", streams[0], programs[0], streams[1], programs[1], f"{SWAP}.streamed")
    assert tuple(found)[: len(order)] == order
    assert found[f"{SWAP}.issue"].share == CommandShare(2)
    for name, stream, programming in zip("ab", streams, programs, strict=True):
        assert (found[stream].share, found[stream].constraints) == (MemoryShare(22_500), on("memory", opens=STREAM))
        before = () if name == "a" else (programs[0],)
        region = Resource(SWAP_REGION) if name == "a" else None
        tile = Resource(f"tile:{name}", private=True)
        needs = (f"{SWAP}.issue", stream, *before)
        assert found[programming].constraints == Constraints(needs, tile, region, (stream,))
        assert (port(found[stream]), port(found[programming])) == ((3_520_000, 22_500), (3_520_000, 22_500))
        assert (found[programming].share.matrices, found[programming].share.grid.pairs) == (1, 4)
        # A matrix computes after its own programming, and all that compute release the region.
        tiles = found[f"{name}.tiles[0]"].constraints
        assert tiles.after == (f"{name}.distribute[0]", programming)
        assert tiles.closes == (programs[0],)
    assert found[f"{SWAP}.streamed"].share == BufferShare(45_000, 45_000, streamed=True)
    assert found[f"{SWAP}.streamed"].constraints == Constraints(tuple(programs))


@pytest.mark.parametrize(
    ("vectors", "repeat", "keys", "count"),
    [
        (1_000_001, 1, [], "2,000,002"),
        (600_000, 2, [], "2,400,000"),
        (300_000, 2, ["mapping.microbatches=2"], "2,400,000"),
    ],
)
def test_too_many_chunks_are_refused_before_they_are_made(
    vectors: int, repeat: int, keys: list[str], count: str
) -> None:
    """Each vector is a chunk, with an assignment of the tiles and one of the mesh at least."""
    op, settings = matrix(vectors=vectors), ("mapping.vector_chunks=1", "mapping.input_buffer_vectors=1")
    with pytest.raises(WorkloadInputError, match=f"at least {count} activities"):
        program(op, settings=(*CONTENDED, *settings, *keys), repeat=repeat)
    assert chunks(op, settings=(*LARGE, *settings, "schedule=serial")) == [vectors]
